//! What `#[layout(..)]` does not take, and where it does not belong.

use midair::Layout;

struct Foreign;

#[derive(Layout)]
struct Unknown {
    #[layout(skip)]
    a: u8,
    #[layout(opaque = 1)]
    b: u8,
    #[layout(of = Foreign)]
    c: u8,
}

#[derive(Layout)]
struct Twice {
    #[layout(opaque, with = u8)]
    a: u8,
    #[layout(opaque)]
    #[layout(with = u8)]
    b: u8,
}

#[derive(Layout)]
enum Variant {
    #[layout(opaque)]
    A(Foreign),
}

#[derive(Layout)]
#[layout(opaque)]
struct Whole(u8);

fn main() {}
