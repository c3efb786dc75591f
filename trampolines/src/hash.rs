//! The hash of records: 64-bit FNV-1a, usable while compiling.
//!
//! It guards against accidents, not against enemies: whoever may write an artifact may write any
//! code into it. What is compared in the end are the texts and the numbers themselves; the hash is
//! the quick answer, and the proof that a record was not cut or mixed up.
//!
//! # Source
//! G. Fowler, L. C. Noll, K.-P. Vo, D. Eastlake: The FNV Non-Cryptographic Hash Algorithm.

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// A hash under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(u64);

impl Hash {
    /// The hash of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(OFFSET_BASIS)
    }

    /// This hash with `bytes` added to it.
    #[must_use]
    pub const fn bytes(self, bytes: &[u8]) -> Self {
        let mut state = self.0;
        let mut at = 0;
        while at < bytes.len() {
            state = (state ^ bytes[at] as u64).wrapping_mul(PRIME);
            at += 1;
        }
        Self(state)
    }

    /// This hash with the little-endian bytes of `word` added to it.
    #[must_use]
    pub const fn word(self, word: u64) -> Self {
        self.bytes(&word.to_le_bytes())
    }

    /// The value, never 0, so that 0 can mean "not hashed" in a record.
    #[must_use]
    pub const fn finish(self) -> u64 {
        if self.0 == 0 { 1 } else { self.0 }
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Hash;

    #[test]
    fn known_values_of_the_algorithm() {
        assert_eq!(Hash::new().bytes(b"").finish(), 0xcbf2_9ce4_8422_2325);
        assert_eq!(Hash::new().bytes(b"a").finish(), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Hash::new().bytes(b"foobar").finish(), 0x8594_4171_f739_67e8);
    }
}
