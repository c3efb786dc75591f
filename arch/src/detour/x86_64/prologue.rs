//! A function's body, and what there is to know of its entry.

use super::super::{Branch, Function, Hazard, Memory, Refusal};
use super::padding;
use super::sweep::Sweep;

/// A decoded body.
#[derive(Debug)]
pub struct Prologue<'a> {
    pub(super) function: Function<'a>,
    /// How long the landing pad before the entry is.
    pub(super) pad: usize,
    pub(super) sweep: Sweep,
    /// Branches to the head that may be data instead.
    pub(super) in_doubt: Vec<Branch>,
}

impl<'a> Prologue<'a> {
    /// Decodes the whole body of `function`; jump tables are read from `memory`.
    ///
    /// # Errors
    /// [`Refusal::Empty`], [`Refusal::Wraps`], [`Refusal::Cut`] where the body is not there as a
    /// whole, [`Refusal::Undecodable`] where it does not begin with an instruction.
    pub fn decode(function: &Function<'a>, memory: &impl Memory) -> Result<Self, Refusal> {
        function.check()?;
        let body = function.body();
        let pad = if body.starts_with(&ENDBR64) { ENDBR64.len() } else { 0 };
        let entry = function.address + pad as u64;
        if body.len() <= pad {
            return Err(Refusal::Empty { address: entry });
        }
        let (sweep, in_doubt) = match function.size {
            Some(_) => sized(function, memory),
            None => (Sweep::reached(function, memory), Vec::new()),
        };
        if !sweep.boundaries.has(pad) {
            return Err(Refusal::Undecodable { address: entry });
        }
        Ok(Self { function: *function, pad, sweep, in_doubt })
    }

    /// Where an entry jump goes: behind the landing pad, if there is one.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.function.address + self.pad as u64
    }

    /// One past the last byte of the body.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.function.address + self.body_len() as u64
    }

    /// How many bytes behind the body are nobody's.
    #[must_use]
    pub fn padding_behind(&self) -> usize {
        let end = self.body_len();
        let behind = &self.function.code[end..];
        let room = match self.function.size {
            Some(_) => behind.len(),
            // Without symbols the next function may begin with a no-operation, but it is aligned.
            None => (self.end().next_multiple_of(padding::ALIGNMENT) - self.end()) as usize,
        };
        padding::at_start(&behind[..room.min(behind.len())])
    }

    /// How many bytes above the function are nobody's.
    #[must_use]
    pub fn padding_above(&self) -> usize {
        padding::at_end(self.function.above)
    }

    /// Whether an instruction of the body begins at `address`.
    #[must_use]
    pub fn is_boundary(&self, address: u64) -> bool {
        let at = address.wrapping_sub(self.function.address);
        usize::try_from(at).is_ok_and(|at| self.sweep.boundaries.has(at))
    }

    /// Branches of the body to its first bytes: jumps, those through tables, calls.
    pub fn branches_back(&self) -> impl Iterator<Item = Branch> + '_ {
        let Sweep { branches, tabled, calls, .. } = &self.sweep;
        branches.iter().chain(tabled).chain(calls).copied()
    }

    /// What could not be told for certain.
    pub fn doubts(&self) -> impl Iterator<Item = Hazard> + '_ {
        let untold = self.sweep.untold.iter().map(|&address| Hazard::IndirectJump { address });
        let bad = self.sweep.undecodable.iter().map(|&address| Hazard::Undecodable { address });
        let unknown = self.function.size.is_none().then_some(Hazard::SizeUnknown);
        untold.chain(bad).chain(unknown)
    }

    pub(super) fn body_len(&self) -> usize {
        if self.function.size.is_some() { self.function.body().len() } else { self.sweep.end }
    }
}

/// The sweep of a body whose size is known, and the branches in it that may be data.
fn sized(function: &Function<'_>, memory: &impl Memory) -> (Sweep, Vec<Branch>) {
    let sweep = Sweep::every_byte(function, memory);
    if sweep.is_certain() || sweep.branches.is_empty() {
        return (sweep, Vec::new());
    }
    let reached = Sweep::reached(function, memory).branches;
    let in_doubt = sweep.branches.iter().filter(|branch| !reached.contains(branch));
    let in_doubt = in_doubt.copied().collect();
    (sweep, in_doubt)
}

const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
