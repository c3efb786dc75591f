//! Machine code that is put together front to back, with literals behind it.

use super::super::Place;
use super::word::{NOP, Word};

/// Code under construction.
pub(super) struct Emitter {
    base: u64,
    words: Vec<Word>,
    literals: Vec<u64>,
    /// Words whose relative operands are not known yet: which, and what they mean.
    open: Vec<(usize, Meaning)>,
}

/// What a relative operand means.
enum Meaning {
    /// The instruction that was at this address.
    Moved(u64),
    /// The literal of this number.
    Literal(usize),
}

impl Emitter {
    /// Code that is to lie at `base`.
    pub(super) const fn new(base: u64) -> Self {
        Self { base, words: Vec::new(), literals: Vec::new(), open: Vec::new() }
    }

    /// Where the next instruction will lie.
    pub(super) const fn here(&self) -> u64 {
        self.base.wrapping_add(4 * self.words.len() as u64)
    }

    /// An instruction as it is.
    pub(super) fn plain(&mut self, word: Word) {
        self.words.push(word);
    }

    /// An instruction that means `target`; false if it is out of reach.
    pub(super) fn relative(&mut self, word: Word, target: u64) -> bool {
        let word = word.with_target(self.here(), target);
        self.words.extend(word);
        word.is_some()
    }

    /// An instruction that means what was at `from`.
    pub(super) fn refer_to_moved(&mut self, word: Word, from: u64) {
        self.open.push((self.words.len(), Meaning::Moved(from)));
        self.words.push(word);
    }

    /// An instruction that means a literal, `value`.
    pub(super) fn refer_to_literal(&mut self, word: Word, value: u64) {
        self.literals.push(value);
        self.open.push((self.words.len(), Meaning::Literal(self.literals.len() - 1)));
        self.words.push(word);
    }

    /// The whole, where `places` tells what moved where; and how much of it is code.
    pub(super) fn finish(mut self, places: &[Place]) -> (Vec<u8>, usize) {
        let code = 4 * self.words.len();
        if !self.literals.is_empty() && !self.here().is_multiple_of(LITERAL) {
            self.words.push(NOP);
        }
        let first = self.here();
        for (number, meaning) in std::mem::take(&mut self.open) {
            let target = match meaning {
                Meaning::Literal(number) => first + number as u64 * LITERAL,
                Meaning::Moved(from) => {
                    let at = places.binary_search_by_key(&from, |place| place.from);
                    places[at.expect("places in the block are its instructions")].to
                }
            };
            let word = self.words[number].with_target(self.base + 4 * number as u64, target);
            self.words[number] = word.expect("a block is shorter than any operand's reach");
        }
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.0.to_le_bytes()).collect();
        bytes.extend(self.literals.iter().flat_map(|literal| literal.to_le_bytes()));
        (bytes, code)
    }
}

/// How long a literal is, and how aligned.
pub(super) const LITERAL: u64 = 8;
