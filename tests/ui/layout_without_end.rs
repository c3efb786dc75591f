//! A type that leads to ever new types.

use midair::Layout;

#[derive(Layout)]
struct Nest<T> {
    value: T,
    next: Option<Box<Nest<(T,)>>>,
}

#[derive(Layout)]
struct World {
    nest: Nest<u8>,
}

fn main() {}
