//! The arrays of functions that the loader runs: every entry gets the address of code.

use goblin::elf::dynamic as dt;

use super::dynamic::Dynamic;
use super::segments::Segments;
use crate::format::{Fault, Table};

const TABLE: Table = Table::Constructors;

/// One array of functions, while relocations fill it.
struct Array {
    start: u64,
    filled: Vec<bool>,
}

/// The arrays of constructors and destructors, while relocations fill them.
pub(super) struct Constructors {
    arrays: [Array; 2],
    /// The addresses from the first entry of both to behind the last: few relocations are there.
    pub(super) span: (u64, u64),
}

impl Constructors {
    pub(super) fn read(dynamic: &Dynamic<'_>, segments: &Segments<'_>) -> Result<Self, Fault> {
        let array = |address: u64, size: u64| {
            let bytes = dynamic.table(segments, address, size, TABLE)?.unwrap_or_default();
            if !bytes.len().is_multiple_of(8) {
                return Err(TABLE.fault("its size"));
            }
            let start = dynamic.value(address).unwrap_or(0);
            Ok(Array { start, filled: vec![false; bytes.len() / 8] })
        };
        let arrays = [
            array(dt::DT_INIT_ARRAY, dt::DT_INIT_ARRAYSZ)?,
            array(dt::DT_FINI_ARRAY, dt::DT_FINI_ARRAYSZ)?,
        ];
        let filled = || arrays.iter().filter(|array| !array.filled.is_empty());
        let start = filled().map(|array| array.start).min().unwrap_or(0);
        let end = filled().map(|array| array.start.saturating_add(array.filled.len() as u64 * 8));
        let span = (start, end.max().unwrap_or(0));
        Ok(Self { arrays, span })
    }

    /// Notes that a relocation writes at `place` within the span; `code` tells whether what it
    /// writes is the address of code.
    pub(super) fn fill(&mut self, place: u64, code: bool) -> Result<(), Fault> {
        for array in &mut self.arrays {
            let Some(offset) = place.checked_sub(array.start) else { continue };
            let index = (offset / 8) as usize;
            let Some(filled) = array.filled.get_mut(index) else { continue };
            if !code || !offset.is_multiple_of(8) || *filled {
                return Err(TABLE.at(index, "code that runs at loading is no code"));
            }
            *filled = true;
        }
        Ok(())
    }

    /// After all relocations: no entry was left out.
    pub(super) fn check(&self) -> Result<(), Fault> {
        for array in &self.arrays {
            if let Some(index) = array.filled.iter().position(|filled| !filled) {
                return Err(TABLE.at(index, "nothing fills it"));
            }
        }
        Ok(())
    }
}
