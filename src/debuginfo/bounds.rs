//! What reading debug info may cost: whoever wrote it may want to see it cost more.

use std::cell::Cell;

use super::Absent;

/// What may still be spent on one image.
pub(super) struct Bounds {
    parts: Cell<usize>,
    text: Cell<usize>,
    searched: Cell<usize>,
}

/// The most entries and attributes of entries that are looked at in one image.
const MAX_PARTS: usize = 16_000_000;

/// The most bytes of names that are kept of one image.
const MAX_TEXT: usize = 256 << 20;

/// The most bytes that are searched in one image: many times what one search needs.
const MAX_SEARCHED: usize = 16 << 30;

/// What one place that a search finds costs, in bytes that are searched.
const FOUND: usize = 64;

/// The most attributes of one entry; compilers write about a dozen.
const MAX_ATTRIBUTES: usize = 256;

/// The most entries that one entry lies in.
const MAX_DEPTH: usize = 4_096;

impl Bounds {
    pub(super) fn new() -> Self {
        Self {
            parts: Cell::new(MAX_PARTS),
            text: Cell::new(MAX_TEXT),
            searched: Cell::new(MAX_SEARCHED),
        }
    }

    /// Spends an entry with so many attributes that lies inside so many others.
    pub(super) fn entry(&self, attributes: usize, depth: usize) -> Result<(), Absent> {
        if attributes > MAX_ATTRIBUTES {
            return Err(Absent::TooLarge { what: "attributes of an entry", limit: MAX_ATTRIBUTES });
        }
        if depth > MAX_DEPTH {
            return Err(Absent::TooLarge { what: "levels of entries", limit: MAX_DEPTH });
        }
        spend(&self.parts, attributes + 1, "entries and attributes", MAX_PARTS)
    }

    /// Spends a name of so many bytes.
    pub(super) fn text(&self, len: usize) -> Result<(), Absent> {
        spend(&self.text, len, "bytes of names", MAX_TEXT)
    }

    /// Spends a search through so many bytes.
    pub(super) fn search(&self, len: usize) -> Result<(), Absent> {
        spend(&self.searched, len, "bytes to be searched", MAX_SEARCHED)
    }

    /// Spends the reading of tables of so many bytes, which costs more than searching them.
    pub(super) fn tables(&self, len: usize) -> Result<(), Absent> {
        self.search(len.saturating_mul(FOUND))
    }

    /// Spends a place that a search has found.
    pub(super) fn found(&self) -> Result<(), Absent> {
        self.search(FOUND)
    }
}

fn spend(left: &Cell<usize>, cost: usize, what: &'static str, limit: usize) -> Result<(), Absent> {
    let rest = left.get().checked_sub(cost).ok_or(Absent::TooLarge { what, limit })?;
    left.set(rest);
    Ok(())
}
