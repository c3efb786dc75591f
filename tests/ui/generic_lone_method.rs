use midair::hotpatch;

struct List<T>(Vec<T>);

impl<T> List<T> {
    #[hotpatch(List<T>)]
    fn len(&self) -> usize {
        self.0.len()
    }
}

fn main() {}
