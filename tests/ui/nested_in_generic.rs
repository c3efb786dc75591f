use midair::hotpatch;

fn outer<T: Clone>(values: &[T]) -> usize {
    #[hotpatch]
    fn count(values: &[T]) -> usize {
        values.len()
    }

    count(values)
}

fn main() {
    outer(&[1]);
}
