use midair::hotpatch;

#[hotpatch(fast)]
fn a() {}

#[hotpatch(version = 3)]
fn b() {}

#[hotpatch(?Sync)]
async fn c() {}

#[hotpatch("text")]
fn d() {}

fn main() {}
