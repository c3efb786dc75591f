use midair::hotpatch;

struct Player;

#[hotpatch]
impl Player {
    const HEALTH: u32 = 1;
}

fn main() {}
