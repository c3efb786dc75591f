//! A type without a size of its own.

use midair::Layout;

#[derive(Layout)]
struct Tail {
    len: u8,
    bytes: [u8],
}

#[derive(Layout)]
struct Text(str);

fn main() {}
