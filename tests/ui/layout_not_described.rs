//! A field whose type is not described: the error says which attribute to add.

use midair::Layout;

struct Engine(u32);

#[derive(Layout)]
struct World {
    engine: Engine,
}

#[derive(Layout)]
enum Event {
    Started(Vec<Engine>),
}

#[derive(Layout)]
struct Holder<T> {
    value: T,
}

#[derive(Layout)]
struct Held {
    holder: Holder<Engine>,
}

fn main() {}
