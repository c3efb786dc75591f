use midair::hotpatch;

struct Player;

#[hotpatch]
impl Player {
    fn fine(&self) {}

    fn hit<T>(&self, _: T) {}

    const fn constant(&self) {}

    #[track_caller]
    fn place(&self) -> impl Copy {}
}

fn main() {}
