//! A type that describes a field of another size.

use midair::Layout;

struct Foreign(u64);

#[derive(Layout)]
struct World {
    #[layout(with = u32)]
    foreign: Foreign,
}

fn main() {}
