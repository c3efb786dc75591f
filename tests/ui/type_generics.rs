use midair::hotpatch;

#[hotpatch]
fn first<'a, T: Clone, U>(list: &'a [T], _: U) -> T {
    list[0].clone()
}

fn main() {}
