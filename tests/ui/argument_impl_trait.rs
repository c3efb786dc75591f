use midair::hotpatch;

#[hotpatch]
fn call(a: &impl Fn(u32, u8) -> u32, b: Option<Box<impl Iterator<Item = u8> + Send>>) -> u32 {
    a(b.unwrap().count() as u32, 0)
}

fn main() {}
