//! Detours of aarch64 functions.
//!
//! One instruction is all that is written over, so nobody can stand inside the patch. The
//! architecture promises that a running thread sees either the old instruction or the new one only
//! where both are of a short list; of the others it is true in practice, and a
//! [`Hazard`](super::Hazard).
//!
//! # Source
//! Arm Architecture Reference Manual for A-profile, C4 and B2.2.5.

mod block;
mod emit;
mod jump;
mod ladder;
mod plan;
mod prologue;
#[cfg(test)]
mod properties;
mod relocate;
mod verify;
mod word;

pub use jump::{BREAKPOINT, JUMP_LEN, RELAY_LEN, jump, relay};
pub use plan::Plan;
pub use prologue::Prologue;
pub use relocate::Moved;
pub use word::describe;
