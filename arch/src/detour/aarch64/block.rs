//! The instructions that move: the one under the patch, and the loop that it is part of.

use super::super::Reason;
use super::prologue::Prologue;
use super::word::{Kind, Word};

/// The instructions that move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Where the function begins.
    pub(super) start: u64,
    /// The landing pad, if there is one, which a jump back may want to run again; and what moves.
    words: Vec<Word>,
    /// How many of them are the landing pad.
    pads: usize,
    /// Where the function ends.
    body_end: u64,
    /// A register that holds nothing while the block runs and when it ends.
    pub(super) scratch: Option<u32>,
}

impl Block {
    pub(super) fn new(prologue: &Prologue<'_>) -> Result<Self, Reason> {
        let (entry, mut end) = (prologue.entry(), prologue.entry() + 4);
        for branch in &prologue.loops {
            end = end.max(branch.from + 4);
            if end - entry > MAX_BLOCK {
                return Err(Reason::LoopTooLong { branch: *branch });
            }
        }
        let start = prologue.function.address;
        let offsets = (0..(end - start) as usize).step_by(4);
        let words: Vec<Word> = offsets.filter_map(|at| prologue.word(at)).collect();
        let pads = prologue.pad / 4;
        // Around a loop, anything may be alive. At an entry only what the block itself sets is,
        // of the two registers that veneers may use on the way there.
        let is_free = |register: &u32| !words.iter().any(|word| word.may_name(*register));
        let scratch = [17, 16].into_iter().find(is_free).filter(|_| prologue.loops.is_empty());
        let block = Self { start, words, pads, body_end: prologue.end(), scratch };
        block.check()?;
        Ok(block)
    }

    /// Where its first instruction is in the function.
    pub(super) const fn entry(&self) -> u64 {
        self.start + 4 * self.pads as u64
    }

    /// Where the function goes on behind it.
    pub(super) const fn end(&self) -> u64 {
        self.start + 4 * self.words.len() as u64
    }

    /// The landing pad.
    pub(super) fn pad(&self) -> Option<Word> {
        self.words[..self.pads].first().copied()
    }

    /// The instruction that is written over.
    pub(super) fn patched(&self) -> Word {
        self.words[self.pads]
    }

    /// Whether execution goes on behind it.
    pub(super) fn falls_through(&self) -> bool {
        self.words.last().is_some_and(|word| !word.ends_flow())
    }

    /// Its instructions with their addresses, the landing pad first.
    pub(super) fn each(&self) -> impl Iterator<Item = (u64, Word)> + '_ {
        (self.start..).step_by(4).zip(self.words.iter().copied())
    }

    /// The place in the block that a jump to `target` means.
    pub(super) fn place(&self, target: u64) -> Option<u64> {
        (self.start..self.end()).contains(&target).then_some(target)
    }

    fn check(&self) -> Result<(), Reason> {
        for (address, word) in self.each() {
            if let Some(why) = self.forbids(address, word) {
                return Err(Reason::Immovable { address, why });
            }
        }
        Ok(())
    }

    /// What forbids moving an instruction.
    fn forbids(&self, address: u64, word: Word) -> Option<&'static str> {
        let target = word.target(address).unwrap_or_default();
        match word.kind() {
            Kind::Immovable(why) => Some(why),
            Kind::Breakpoint => Some("a breakpoint stands there, and what it hides is not known"),
            Kind::Call if (self.entry() + 1..self.body_end).contains(&target) => {
                Some("it calls into its own function, perhaps to learn where it is")
            }
            Kind::Literal
                if target < self.entry() + 4 && target + word.load_len() > self.entry() =>
            {
                Some("it reads bytes that are patched")
            }
            _ => None,
        }
    }
}

/// A longer loop is left where it is.
const MAX_BLOCK: u64 = 1 << 12;
