//! What lay at the entry, as it goes on in the trampoline.

/// An instruction of the moved block and where it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its address in the function.
    pub from: u64,
    /// Its address in the trampoline.
    pub to: u64,
    /// Whether it is a call: the address behind it in the trampoline may stand on stacks.
    pub calls: bool,
}

/// The moved block, proven to mean what the function's own instructions mean, and the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    pub(super) address: u64,
    pub(super) bytes: Vec<u8>,
    /// In the order of both addresses.
    pub(super) places: Vec<Place>,
    /// Where the instructions end and literals begin.
    pub(super) code: usize,
}

impl Original {
    /// Where it is to lie; what calls the original calls this.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// Its bytes: instructions, then the addresses that some of them read.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many of the bytes are instructions.
    #[must_use]
    pub const fn code_len(&self) -> usize {
        self.code
    }

    /// Every instruction of the moved block, in order, and what follows it: the way back.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Where a thread goes on that stands at `address` in the function.
    #[must_use]
    pub fn resume(&self, address: u64) -> Option<u64> {
        let at = self.places.binary_search_by_key(&address, |place| place.from).ok()?;
        Some(self.places[at].to)
    }

    /// The return addresses that calls in the moved block push, and those that they stand for.
    pub fn returns(&self) -> impl Iterator<Item = Place> + '_ {
        let calls = self.places.windows(2).filter(|pair| pair[0].calls);
        calls.map(|pair| pair[1])
    }
}

/// Where moved code does not mean what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// An instruction is not what it should be.
    #[error("`{found}` at {to:#x} stands for `{expected}` at {from:#x}")]
    Differs {
        /// The instruction's address in the function.
        from: u64,
        /// Its address in the trampoline.
        to: u64,
        /// As it is in the function.
        expected: String,
        /// As it is in the trampoline.
        found: String,
    },
    /// The map of places names another address.
    #[error("{from:#x} is at {to:#x} in the trampoline; the map says otherwise")]
    Misplaced {
        /// The address in the function.
        from: u64,
        /// The address in the trampoline.
        to: u64,
    },
    /// A jump within the block leads to another instruction.
    #[error("the branch at {at:#x} should lead to what was at {target:#x}")]
    Target {
        /// The branch, in the trampoline.
        at: u64,
        /// Its target in the function.
        target: u64,
    },
    /// What follows the block does not go back to the function.
    #[error("the code at {at:#x} does not go on at {target:#x}")]
    NoWayBack {
        /// Where it should.
        at: u64,
        /// Where to.
        target: u64,
    },
    /// There are bytes that nothing refers to.
    #[error("bytes at {at:#x} belong to nothing")]
    Leftover {
        /// Where.
        at: u64,
    },
}
