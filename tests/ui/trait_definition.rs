use midair::hotpatch;

#[hotpatch]
trait Tick {
    fn tick(&self) -> u32 {
        1
    }
}

fn main() {}
