//! The ways to lead a function's entry elsewhere, and what stands against each.

use std::fmt;

/// What the caller is able and willing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// Breakpoints may be hit: the handler is in place, no thread blocks the signal, nobody traces.
    pub traps: bool,
    /// All other threads can be stopped and moved.
    pub stop: bool,
    /// A function may be entered through a breakpoint on every call.
    pub breakpoint_alone: bool,
}

impl Means {
    /// Breakpoints while writing, nothing slower.
    pub const TRAPS: Self = Self { traps: true, stop: false, breakpoint_alone: false };
    /// Everything there is.
    pub const ALL: Self = Self { traps: true, stop: true, breakpoint_alone: true };
}

/// How an entry is patched, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// The function was made for it: its first instruction is a no-operation as long as the jump.
    PatchableEntry,
    /// The first instruction alone is as long as the jump: nobody can stand inside it.
    FirstInstruction,
    /// The jump is chosen so that every byte of it where a thread may stand is a breakpoint.
    Punned,
    /// A short jump to a long one, which lies in padding near the function.
    ShortJump,
    /// All threads are stopped, and those that stand in the patch are moved.
    StopTheWorld,
    /// A breakpoint on the entry, hit by every call.
    Breakpoint,
}

impl Tier {
    /// All of them, the best first.
    pub const LADDER: [Self; 6] = [
        Self::PatchableEntry,
        Self::FirstInstruction,
        Self::Punned,
        Self::ShortJump,
        Self::StopTheWorld,
        Self::Breakpoint,
    ];
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PatchableEntry => "patchable entry",
            Self::FirstInstruction => "first instruction",
            Self::Punned => "punned jump",
            Self::ShortJump => "short jump",
            Self::StopTheWorld => "stop the world",
            Self::Breakpoint => "breakpoint alone",
        })
    }
}

/// A tier that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Which.
    pub tier: Tier,
    /// Why not.
    pub reason: Reason,
}

/// Why a tier does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// This instruction set has no such way.
    #[error("instructions of this machine leave no room for it")]
    NoSuchTier,
    /// The first instruction is something else.
    #[error("the function does not begin with a no-operation made for it")]
    NotPatchable,
    /// The first instruction is shorter than the jump.
    #[error("the first instruction is only {len} bytes long")]
    FirstInstructionShort {
        /// How long it is.
        len: usize,
    },
    /// There is not room for the jump.
    #[error("{room} bytes belong to the function and its padding, {need} are needed")]
    TooShort {
        /// How many there are.
        room: usize,
        /// How many the jump takes.
        need: usize,
    },
    /// No padding within reach takes the long jump.
    #[error("no padding within reach of a short jump is long enough")]
    NoPadding,
    /// It needs breakpoints, which are not to be had.
    #[error("it needs breakpoints")]
    NeedsTraps,
    /// All threads would have to be stopped, which is not to be done.
    #[error("it needs all threads to be stopped")]
    NeedsStop,
    /// Every call would hit a breakpoint, which nobody asked for.
    #[error("a breakpoint on every call was not asked for")]
    NotAskedFor,
    /// Without breakpoints the patch has to be one store.
    #[error("the patch at {address:#x} is not within one aligned word")]
    NotOneStore {
        /// Where it is.
        address: u64,
    },
    /// The body jumps into what is patched.
    #[error("{:#x} jumps back to {:#x}, into the patch", branch.from, branch.to)]
    BranchInto {
        /// From where to where.
        branch: Branch,
    },
    /// A callee of the patched code may return into it.
    #[error("the call at {address:#x} returns into the patch")]
    CallReturnsInto {
        /// Where the call is.
        address: u64,
    },
    /// An instruction that the patch covers cannot be moved.
    #[error("the instruction at {address:#x} cannot be moved: {why}")]
    Immovable {
        /// Where it is.
        address: u64,
        /// What depends on the place.
        why: &'static str,
    },
    /// The loop around the entry is too long to move.
    #[error("the loop from {:#x} back to the entry is too long to move", branch.from)]
    LoopTooLong {
        /// From where to where.
        branch: Branch,
    },
    /// The bytes of the patch are read in two ways, from different boundaries.
    #[error("an instruction begins at {address:#x}, inside of another")]
    Overlap {
        /// Where.
        address: u64,
    },
}

/// A branch within the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Branch {
    /// Where the instruction is.
    pub from: u64,
    /// Where it leads.
    pub to: u64,
}

/// What an installer, or whoever debugs the program later, should know of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hazard {
    /// The body jumps into what is patched, where it meets a breakpoint.
    BranchInto(Branch),
    /// The body jumps back to its entry: a loop, which moves as a whole.
    LoopToEntry(Branch),
    /// The body takes the address of a place inside the patch.
    AddressTaken(Branch),
    /// Where the indirect jump at this address leads is not known.
    IndirectJump {
        /// Where it is.
        address: u64,
    },
    /// The bytes at this address, inside the body, are no instruction.
    Undecodable {
        /// Where they are.
        address: u64,
    },
    /// A call moves along: frames of the trampoline stand on stacks while it runs.
    CallMoved {
        /// Where it is.
        address: u64,
    },
    /// The patch reaches into the padding behind the function.
    UsesPadding {
        /// How far.
        bytes: usize,
    },
    /// The patch lies in two aligned words, so one store cannot write it.
    CrossesWord,
    /// The patch lies in two cache lines.
    CrossesLine,
    /// The patch lies in two pages: both must be made writable.
    CrossesPage,
    /// No symbol told the size: the body ends where no branch leads on.
    SizeUnknown,
    /// The architecture does not promise that this instruction may be replaced under a running
    /// thread; practice does.
    NotReplaceable {
        /// Where it is.
        address: u64,
    },
}
