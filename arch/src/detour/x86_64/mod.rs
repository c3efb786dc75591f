//! Detours of x86_64 functions.

mod block;
mod emit;
mod jump;
mod ladder;
mod padding;
mod places;
mod plan;
mod prologue;
#[cfg(test)]
mod properties;
mod pun;
mod relocate;
mod role;
#[cfg(test)]
mod streams;
mod sweep;
mod tables;
mod text;
mod verify;

pub use jump::{BREAKPOINT, JUMP_LEN, RELAY_LEN, far_jump, near_jump, relay, short_jump};
pub use plan::Plan;
pub use prologue::Prologue;
pub use relocate::Moved;
