//! A set of offsets in a body.

/// Which offsets of a stretch of code something is true of.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Vec<u64>);

impl Places {
    /// None of `len` offsets.
    pub(super) fn none(len: usize) -> Self {
        Self(vec![0; len.div_ceil(BITS)])
    }

    /// Adds an offset, which lies inside.
    pub(super) fn add(&mut self, at: usize) {
        self.0[at / BITS] |= 1 << (at % BITS);
    }

    /// Whether the offset was added.
    pub(super) fn has(&self, at: usize) -> bool {
        self.0.get(at / BITS).is_some_and(|word| word >> (at % BITS) & 1 == 1)
    }

    /// The first offset that is in `self` and in neither of the others.
    pub(super) fn first_outside(&self, one: &Self, other: &Self) -> Option<usize> {
        let words = self.0.iter().zip(&one.0).zip(&other.0);
        let left = words.map(|((all, one), other)| all & !one & !other);
        let (at, word) = left.enumerate().find(|(_, word)| *word != 0)?;
        Some(at * BITS + word.trailing_zeros() as usize)
    }
}

const BITS: usize = u64::BITS as usize;
