use midair::hotpatch;

#[hotpatch]
fn wrong(a: u32) -> String {
    let b: u8 = a;
    b
}

#[hotpatch]
fn unknown(a: Missing) {}

fn main() {}
