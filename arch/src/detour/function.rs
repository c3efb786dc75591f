//! A function as its bytes lie in memory.

use super::Refusal;

/// A function and its surroundings.
///
/// The bytes are a copy: live code is written to while others look at it.
#[derive(Clone, Copy, Debug)]
pub struct Function<'a> {
    /// Where it begins.
    pub address: u64,
    /// Its bytes and those behind it, up to where the next symbol begins. Where nothing is known of
    /// symbols: as many as can be read.
    pub code: &'a [u8],
    /// How many of the bytes are its own, where a symbol tells.
    pub size: Option<usize>,
    /// The bytes between the end of the symbol before it and its first byte; empty where that is
    /// not known.
    pub above: &'a [u8],
}

impl<'a> Function<'a> {
    /// A function of which nothing is known but where it begins.
    #[must_use]
    pub const fn unnamed(address: u64, code: &'a [u8]) -> Self {
        Self { address, code, size: None, above: &[] }
    }

    /// A function that a symbol of `size` bytes names.
    #[must_use]
    pub const fn sized(address: u64, code: &'a [u8], size: usize) -> Self {
        Self { address, code, size: Some(size), above: &[] }
    }

    /// Refuses what is not there, whole and at possible addresses.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let (address, seen) = (self.address, self.body().len());
        if seen == 0 {
            return Err(Refusal::Empty { address });
        }
        let end = address.checked_add(self.code.len() as u64 + MARGIN);
        if end.is_none() || address < self.above.len() as u64 + MARGIN {
            return Err(Refusal::Wraps { address });
        }
        match self.size {
            Some(size) if size > seen => Err(Refusal::Cut { address, size, seen }),
            None if self.code.len() > seen => {
                Err(Refusal::Cut { address, size: self.code.len(), seen })
            }
            _ => Ok(()),
        }
    }

    /// The bytes that may be its own.
    pub(super) fn body(&self) -> &'a [u8] {
        let len = self.size.unwrap_or(self.code.len()).min(self.code.len()).min(MAX_BODY);
        &self.code[..len]
    }
}

/// What lies elsewhere: the jump tables of a body.
pub trait Memory {
    /// Fills `into` with the bytes at `address`, or says that it cannot.
    fn read(&self, address: u64, into: &mut [u8]) -> bool;
}

/// Nothing can be read: no jump table is followed.
impl Memory for () {
    fn read(&self, _: u64, _: &mut [u8]) -> bool {
        false
    }
}

/// Longer bodies are refused.
const MAX_BODY: usize = 1 << 20;
/// No code lies this near to either end of the address space.
const MARGIN: u64 = 64;
