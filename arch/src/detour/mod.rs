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
//!
//! # Examples
//! ```
//! use midair_arch::detour::x86_64::{Plan, Prologue};
//! use midair_arch::detour::{Function, Means, Tier};
//!
//! // push rbp; mov rbp, rsp; call +0x1000; pop rbp; ret
//! let code = [0x55, 0x48, 0x89, 0xe5, 0xe8, 0, 0x10, 0, 0, 0x5d, 0xc3];
//! let function = Function::sized(0x7f00_0040_1000, &code, code.len());
//! let plan = Plan::new(&Prologue::decode(&function, &())?, Means::TRAPS)?;
//! assert_eq!(plan.tier(), Tier::Punned);
//!
//! // The trampoline: what is written is proven before anything else may be done with it.
//! let original = plan.relocate(0x7f00_0050_0000)?.verify(&plan)?;
//! // A thread that stands behind the first instruction goes on behind its copy.
//! assert_eq!(original.resume(0x7f00_0040_1001), Some(0x7f00_0050_0001));
//!
//! // The relay: its address makes breakpoints of the bytes on which instructions began.
//! let relay = plan.relays([0x7eff_c000_0000..0x7eff_f000_0000, 0..0x1000]).next().unwrap();
//! let patch = plan.patch(relay)?;
//! assert_eq!(patch.boundaries, [1, 4]);
//! assert_eq!((patch.new[1], patch.new[4]), (0xcc, 0xcc));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
