use midair::hotpatch;

#[hotpatch(?Send)]
fn plain() {}

fn main() {}
