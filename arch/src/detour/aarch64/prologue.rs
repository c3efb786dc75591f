//! A function's body, and what there is to know of its entry.

use super::super::{Branch, Function, Hazard, Memory, Refusal};
use super::word::{Kind, Word};

/// A decoded body.
#[derive(Debug)]
pub struct Prologue<'a> {
    pub(super) function: Function<'a>,
    /// How long the landing pad before the entry is.
    pub(super) pad: usize,
    /// Which words are known to be instructions.
    seen: Vec<bool>,
    /// Branches to the landing pad and the entry that are no calls.
    pub(super) loops: Vec<Branch>,
    untold: Vec<u64>,
}

impl<'a> Prologue<'a> {
    /// Decodes the whole body of `function`.
    ///
    /// Jump tables are not followed here, `memory` or not: they are told as
    /// [`Hazard::IndirectJump`].
    ///
    /// # Errors
    /// [`Refusal::Empty`], [`Refusal::Wraps`], [`Refusal::Cut`] where the body is not there as a
    /// whole; [`Refusal::Undecodable`] where it is not aligned.
    pub fn decode(function: &Function<'a>, memory: &impl Memory) -> Result<Self, Refusal> {
        let _ = memory;
        function.check()?;
        if !function.address.is_multiple_of(4) {
            return Err(Refusal::Undecodable { address: function.address });
        }
        let words = function.body().len() / 4;
        let (seen, loops, untold) = (vec![false; words], Vec::new(), Vec::new());
        let mut prologue = Self { function: *function, pad: 0, seen, loops, untold };
        if prologue.word(0).is_some_and(Word::is_landing_pad) {
            prologue.pad = 4;
        }
        let address = prologue.entry();
        let first = prologue.word(prologue.pad).ok_or(Refusal::Empty { address })?;
        if first.0 >> 16 == 0 {
            return Err(Refusal::Undecodable { address });
        }
        prologue.sweep();
        Ok(prologue)
    }

    /// Where an entry jump goes: behind the landing pad, if there is one.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.function.address + self.pad as u64
    }

    /// One past the last byte of the body.
    #[must_use]
    pub fn end(&self) -> u64 {
        let last = self.seen.iter().rposition(|seen| *seen);
        self.function.address + last.map_or(0, |last| 4 * (last as u64 + 1))
    }

    /// Whether an instruction of the body begins at `address`.
    #[must_use]
    pub fn is_boundary(&self, address: u64) -> bool {
        let at = address.wrapping_sub(self.function.address);
        at.is_multiple_of(4) && self.seen.get((at / 4) as usize).is_some_and(|seen| *seen)
    }

    /// Branches of the body to its entry.
    pub fn branches_back(&self) -> impl Iterator<Item = Branch> + '_ {
        self.loops.iter().copied()
    }

    /// What could not be told for certain.
    pub fn doubts(&self) -> impl Iterator<Item = Hazard> + '_ {
        let untold = self.untold.iter().map(|&address| Hazard::IndirectJump { address });
        untold.chain(self.function.size.is_none().then_some(Hazard::SizeUnknown))
    }

    /// The instruction at an offset in the body.
    pub(super) fn word(&self, at: usize) -> Option<Word> {
        let word = self.function.body().get(at..)?.first_chunk()?;
        Some(Word(u32::from_le_bytes(*word)))
    }

    /// Reads all of a body whose size is known, otherwise what can be reached.
    fn sweep(&mut self) {
        let mut open = vec![0];
        while let Some(from) = open.pop() {
            for at in from..self.seen.len() {
                if std::mem::replace(&mut self.seen[at], true) {
                    break;
                }
                let word = self.word(4 * at).expect("there are as many words as marks");
                open.extend(self.note(at, word).filter(|target| !self.seen[*target]));
                if self.function.size.is_none() && word.ends_flow() {
                    break;
                }
            }
        }
    }

    /// Takes note of where an instruction leads; the number of the word, if it is in the body.
    fn note(&mut self, at: usize, word: Word) -> Option<usize> {
        let from = self.function.address + 4 * at as u64;
        let kind = word.kind();
        if kind == Kind::IndirectJump {
            self.untold.push(from);
        }
        if !matches!(kind, Kind::Jump | Kind::Conditional) {
            return None;
        }
        let to = word.target(from)?;
        if (self.function.address..=self.entry()).contains(&to) {
            self.loops.push(Branch { from, to });
        }
        let target = (to.wrapping_sub(self.function.address) / 4) as usize;
        (to >= self.function.address && target < self.seen.len()).then_some(target)
    }

    /// The first indirect jump of a body that is not seen whole.
    pub(super) fn unseen(&self) -> Option<u64> {
        self.untold.first().copied().filter(|_| self.function.size.is_none())
    }
}
