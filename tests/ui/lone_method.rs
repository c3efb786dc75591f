use midair::hotpatch;

struct Player(u32);

impl Player {
    #[hotpatch]
    fn health(&self) -> u32 {
        self.0
    }

    #[hotpatch]
    fn new() -> Self {
        Self(0)
    }

    #[hotpatch]
    fn copy(n: u32) -> u32 {
        let one = Self(n);
        one.0
    }
}

fn main() {}
