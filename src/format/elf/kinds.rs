//! The kinds of relocations that linkers write into libraries, by processor.

use midair_arch::Machine;

/// What a relocation puts at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An address in the library itself.
    Relative,
    /// A symbol's address, to which something may be added.
    Symbol,
    /// A symbol's address, in the table of those.
    Entry,
    /// A function's address, in the table of calls.
    Call,
    /// What a function of the library returns when the loader calls it.
    Chosen,
    /// The number of a thread-local block.
    ThreadBlock,
    /// An offset in a thread-local block.
    ThreadOffset,
    /// An offset from the thread pointer, which only a library with static storage has.
    ThreadStatic,
    /// A descriptor of two words by which a thread-local variable is found.
    ThreadDescriptor,
    /// A symbol's size.
    Size,
}

/// The numbers of the kinds on one processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kinds {
    /// The number of the kind that most are of.
    pub(super) relative: u32,
    of: fn(u32) -> Option<Kind>,
}

impl Kinds {
    pub(super) const fn of(machine: Machine) -> Option<Self> {
        match machine {
            Machine::X86_64 => Some(Self { relative: 8, of: x86_64 }),
            Machine::Aarch64 => Some(Self { relative: 1_027, of: aarch64 }),
            _ => None,
        }
    }

    pub(super) fn kind(self, number: u32) -> Option<Kind> {
        (self.of)(number)
    }
}

/// # Source
/// System V Application Binary Interface, AMD64 Architecture Processor Supplement, Relocation Types.
const fn x86_64(number: u32) -> Option<Kind> {
    Some(match number {
        1 => Kind::Symbol,
        6 => Kind::Entry,
        7 => Kind::Call,
        8 => Kind::Relative,
        16 => Kind::ThreadBlock,
        17 => Kind::ThreadOffset,
        18 => Kind::ThreadStatic,
        33 => Kind::Size,
        36 => Kind::ThreadDescriptor,
        37 => Kind::Chosen,
        _ => return None,
    })
}

/// # Source
/// ELF for the Arm 64-bit Architecture, Dynamic relocations.
const fn aarch64(number: u32) -> Option<Kind> {
    Some(match number {
        257 => Kind::Symbol,
        1_025 => Kind::Entry,
        1_026 => Kind::Call,
        1_027 => Kind::Relative,
        1_028 => Kind::ThreadBlock,
        1_029 => Kind::ThreadOffset,
        1_030 => Kind::ThreadStatic,
        1_031 => Kind::ThreadDescriptor,
        1_032 => Kind::Chosen,
        _ => return None,
    })
}
