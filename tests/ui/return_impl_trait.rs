use midair::hotpatch;

#[hotpatch]
fn numbers(list: &[u32]) -> impl Iterator<Item = u32> + '_ {
    list.iter().copied()
}

fn main() {}
