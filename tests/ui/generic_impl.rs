use midair::hotpatch;

struct List<T, const N: usize>([T; N]);

#[hotpatch]
impl<T, const N: usize> List<T, N> {
    fn len(&self) -> usize {
        self.0.len()
    }
}

fn main() {}
