use midair::hotpatch;

trait Tick {
    #[hotpatch]
    fn tick(&self) -> u32 {
        1
    }

    #[hotpatch]
    fn required(&self) -> u32;
}

fn main() {}
