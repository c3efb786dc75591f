use midair::hotpatch;

#[hotpatch]
#[track_caller]
const fn all<T>(a: impl Copy, list: &[T]) -> impl Copy {
    (a, list.len())
}

fn main() {}
