//! Mirrors that do not show the whole of the foreign type, or something else.

use midair::Layout;

mod foreign {
    pub struct Far {
        pub id: u32,
        pub weight: u32,
    }
    pub enum Choice {
        Yes,
        No,
    }
}

#[derive(Layout)]
#[layout(of = foreign::Far)]
struct Less {
    id: u32,
}

#[derive(Layout)]
#[layout(of = foreign::Far)]
struct Other {
    id: u32,
    weight: f32,
}

#[derive(Layout)]
#[layout(of = foreign::Choice)]
enum Fewer {
    Yes,
}

fn main() {}
