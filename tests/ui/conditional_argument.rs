use midair::hotpatch;

#[hotpatch]
fn sum(a: u32, #[cfg(all())] b: u32) -> u32 {
    a + b
}

fn main() {}
