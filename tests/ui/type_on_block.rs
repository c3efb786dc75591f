use midair::hotpatch;

struct Player;

#[hotpatch(Player)]
impl Player {
    fn fine(&self) {}
}

fn main() {}
