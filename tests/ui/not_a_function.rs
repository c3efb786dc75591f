use midair::hotpatch;

#[hotpatch]
struct Player;

#[hotpatch]
pub static COUNT: u32 = 0;

#[hotpatch]
mod inner {}

fn main() {}
