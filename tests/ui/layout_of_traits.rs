//! `#[layout]` on something else than a trait, and traits of which not all is described.

struct Engine;

#[midair::layout]
struct World;

#[derive(midair::Layout)]
fn function() {}

#[midair::layout(deep)]
trait Argument {}

trait Base {}

#[midair::layout]
trait Shape: Base {
    fn draw(&self, engine: &Engine);
    #[layout(with = u8)]
    fn area(&self) -> f32;
}

#[midair::layout]
trait Draw: Base {
    fn draw(&self, engine: &Engine);
}

fn main() {}
