//! Machine code that is put together front to back, with literals behind it.

use super::super::Place;
use super::jump::{BREAKPOINT, distance};

/// Code under construction.
pub(super) struct Emitter {
    base: u64,
    bytes: Vec<u8>,
    literals: Vec<u64>,
    /// Relative operands that are not known yet: where they are, and what they mean.
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
        Self { base, bytes: Vec::new(), literals: Vec::new(), open: Vec::new() }
    }

    /// Where the next byte will lie.
    pub(super) const fn here(&self) -> u64 {
        self.base.wrapping_add(self.bytes.len() as u64)
    }

    /// Bytes that mean the same everywhere.
    pub(super) fn plain(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// `opcode` with a relative operand behind it that means `target`; false if it is out of reach.
    pub(super) fn relative(&mut self, opcode: &[u8], target: u64) -> bool {
        let end = self.here().wrapping_add(opcode.len() as u64 + 4);
        let Some(distance) = distance(end, target) else { return false };
        self.plain(opcode);
        self.plain(&distance.to_le_bytes());
        true
    }

    /// `opcode` with a relative operand that means the instruction that was at `from`.
    pub(super) fn refer_to_moved(&mut self, opcode: &[u8], from: u64) {
        self.unknown(opcode, Meaning::Moved(from));
    }

    /// `opcode` with a relative operand that means a literal, `value`.
    pub(super) fn refer_to_literal(&mut self, opcode: &[u8], value: u64) {
        self.literals.push(value);
        self.unknown(opcode, Meaning::Literal(self.literals.len() - 1));
    }

    fn unknown(&mut self, opcode: &[u8], meaning: Meaning) {
        self.plain(opcode);
        self.open.push((self.bytes.len(), meaning));
        self.plain(&[0; 4]);
    }

    /// The whole, where `places` tells what moved where; and how much of it is code.
    pub(super) fn finish(mut self, places: &[Place]) -> (Vec<u8>, usize) {
        let code = self.bytes.len();
        if !self.literals.is_empty() {
            let unaligned = self.here() % LITERAL;
            let fill = (LITERAL - unaligned) % LITERAL;
            self.bytes.resize(code + fill as usize, BREAKPOINT);
        }
        let first = self.here();
        for (at, meaning) in std::mem::take(&mut self.open) {
            let target = match meaning {
                Meaning::Literal(number) => first.wrapping_add(number as u64 * LITERAL),
                Meaning::Moved(from) => {
                    let at = places.binary_search_by_key(&from, |place| place.from);
                    places[at.expect("jumps inside the block were found to meet boundaries")].to
                }
            };
            let end = self.base.wrapping_add(at as u64 + 4);
            let distance = distance(end, target).expect("a block is shorter than two gigabytes");
            self.bytes[at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        for literal in &self.literals {
            self.bytes.extend_from_slice(&literal.to_le_bytes());
        }
        (self.bytes, code)
    }
}

/// How long a literal is, and how aligned.
pub(super) const LITERAL: u64 = 8;
