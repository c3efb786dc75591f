use midair::{HookContext, on_load, on_unload};

#[on_load]
async fn waits() {}

#[on_load]
unsafe fn dares() {}

#[on_unload]
fn many<T>(_: &mut HookContext<'_>, _: T) {}

#[on_load(first)]
fn early() {}

#[on_unload]
struct Gone;

#[on_load]
fn answers() -> u64 {
    7
}

#[on_load]
fn takes(_: u64) {}

fn main() {}
