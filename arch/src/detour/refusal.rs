//! Why a function cannot be detoured.

use super::{Branch, Passed};

/// What stands against a detour; nothing was touched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is nothing to decode.
    #[error("no code at {address:#x}")]
    Empty {
        /// Where.
        address: u64,
    },
    /// The code is said to lie where no memory is: it would go on behind the last address.
    #[error("the code at {address:#x} does not end before the address space does")]
    Wraps {
        /// Where.
        address: u64,
    },
    /// Not all of the body is there to be looked at.
    #[error("only {seen} bytes of the {size} at {address:#x} can be looked at")]
    Cut {
        /// Where.
        address: u64,
        /// How long the function is.
        size: usize,
        /// How much of it was given, or is not too much to look at.
        seen: usize,
    },
    /// The bytes at the entry are no instruction.
    #[error("the bytes at {address:#x} are no instruction")]
    Undecodable {
        /// Where.
        address: u64,
    },
    /// An instruction of the entry means something else in another place.
    #[error("`{text}` at {address:#x} cannot be moved: {why}")]
    Immovable {
        /// Where.
        address: u64,
        /// The instruction.
        text: String,
        /// What depends on the place.
        why: &'static str,
    },
    /// What an instruction refers to is too far from the trampoline; another place may do.
    #[error("`{text}` at {address:#x} does not reach {target:#x} from the trampoline")]
    OutOfReach {
        /// Where.
        address: u64,
        /// The instruction.
        text: String,
        /// What it refers to.
        target: u64,
    },
    /// Something may jump back to the entry, but it is not certain that it is code.
    #[error("{:#x} may jump back to the entry, or may be data", branch.from)]
    InDoubt {
        /// From where to where.
        branch: Branch,
    },
    /// A jump table leads back to the entry, which no breakpoint can tell from a call.
    #[error("a jump table leads from {:#x} back to the entry", branch.from)]
    TableToEntry {
        /// From where to where.
        branch: Branch,
    },
    /// Part of the body cannot be found, and may jump back to the entry.
    #[error("where the jump at {address:#x} leads is not known, nor is the function's size")]
    NotSeenWhole {
        /// Where the jump is.
        address: u64,
    },
    /// No tier fits.
    #[error("no way to patch {address:#x}: {}", list(passed))]
    NoTier {
        /// The entry.
        address: u64,
        /// Each tier, and why it does not fit.
        passed: Vec<Passed>,
    },
    /// The relay is where the jump does not reach it, or not as the plan demands.
    #[error("a relay at {relay:#x} does not fit the jump at {address:#x}")]
    RelayDoesNotFit {
        /// Where the jump is.
        address: u64,
        /// Where the relay is.
        relay: u64,
    },
}

fn list(passed: &[Passed]) -> String {
    let one = |passed: &Passed| format!("{}: {}", passed.tier, passed.reason);
    passed.iter().map(one).collect::<Vec<_>>().join("; ")
}
