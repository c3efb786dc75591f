//! What a detour needs to know of machine code: which bytes of a function may be written over, by
//! which means, and how the instructions that lay there go on elsewhere.
//!
//! Everything here is about bytes and addresses; nothing is read, written or allocated but through
//! what the caller hands in. A detour is made in this order, and each step owns what it found:
//!
//! | step | takes | owns |
//! |---|---|---|
//! | [`Function`] | bytes *copied* from a function, what lies above it, its size where a symbol tells it | nothing |
//! | `Prologue::decode` | the function, a [`Memory`] for jump tables | the body: boundaries, branches back, its end, padding |
//! | `Plan::new` | the prologue, what the caller can do: [`Means`] | the [`Tier`], why the ones before it were passed over, [`Hazard`]s, the block that moves |
//! | `Plan::relays` | free stretches of memory | the addresses at which a relay fits the jump |
//! | `Plan::relocate` | the address of the trampoline | `Moved`: bytes that nobody has checked |
//! | `Moved::verify` | the plan | [`Original`]: bytes that mean the same, proven one by one, and the map of places |
//! | `Plan::patch` | the relay's address | [`Patch`]: what to write, where a thread may stand meanwhile |
//!
//! [`x86_64`] and [`aarch64`] offer the same steps. Only an [`Original`] gives its bytes away, so
//! nothing runs that was not decoded anew and compared.
//!
//! What an entry jump must keep true:
//!
//! - A thread may stand at every instruction boundary that the patch covers, return to it or jump
//!   to it. Every such byte is a breakpoint in the patched code, and [`Original::resume`] tells the
//!   same place in the trampoline.
//! - A body that jumps back to its own entry is a loop, not a call. The whole loop moves, and the
//!   branch that closes it in the old place becomes a breakpoint: [`Patch::traps`].
//! - A call inside the moved block pushes an address in the trampoline; its callee returns there.
//!   Whoever unwinds needs to be told: [`Original::returns`].
//! - Landing pads (`endbr64`, `bti`, `paciasp`) stay in place, and the original begins with a copy.

pub mod aarch64;
mod function;
mod original;
mod patch;
mod refusal;
mod relays;
mod tier;
pub mod x86_64;

pub use function::{Function, Memory};
pub use original::{Defect, Original, Place};
pub use patch::Patch;
pub use refusal::Refusal;
pub use relays::Relays;
pub use tier::{Branch, Hazard, Means, Passed, Reason, Tier};
