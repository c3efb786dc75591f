//! What is to be written over an entry.

/// The bytes of an entry jump, and where a thread may be while they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Where the first byte goes.
    pub address: u64,
    /// What is there now.
    pub old: Vec<u8>,
    /// What is to be there.
    pub new: Vec<u8>,
    /// The offsets in `new`, beyond the first byte, at which a thread may stand. Each of them is a
    /// breakpoint in `new`.
    pub boundaries: Vec<usize>,
    /// Branches of the body that lead back to the entry. Each becomes a breakpoint before the jump
    /// is written, and its own byte again after the jump is taken back.
    pub traps: Vec<u64>,
    /// The long jump that the short one leads to, with its address: written first.
    pub island: Option<(u64, Vec<u8>)>,
}

impl Patch {
    /// Whether one aligned store of eight bytes can write it, with no thread inside.
    #[must_use]
    pub fn is_one_store(&self) -> bool {
        let (first, last) = (self.address, self.address + self.new.len() as u64 - 1);
        first / WORD == last / WORD && self.boundaries.is_empty()
    }
}

/// What a processor stores and fetches as one, when it is aligned.
pub(super) const WORD: u64 = 8;
