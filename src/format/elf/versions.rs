//! The versions of symbols: chains that go forward inside their tables, and a meaning for every
//! number that a symbol bears.

use goblin::elf::dynamic as dt;
use goblin::elf::section_header as sh;

use super::dynamic::Dynamic;
use super::sections::Sections;
use super::segments::Segments;
use super::symbols::Symbols;
use super::words::{half, name, quarter};
use crate::format::{Fault, Table};

const TABLE: Table = Table::Versions;
/// The longest name of a version or library that is looked at, in bytes.
const NAME: usize = 512;
/// The most entries of a table that are looked at.
const LIMIT: usize = 1 << 16;
/// The bits of a version's number; the one above says that it is hidden.
const NUMBER: u16 = 0x7fff;
/// Numbers below this one mean local and global, and need no definition.
const FIRST: u16 = 2;

/// A set of version numbers.
struct Numbers([u64; 512]);

impl Numbers {
    fn has(&self, number: u16) -> bool {
        self.0.get(usize::from(number / 64)).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Adds `number`, which must be new.
    fn add(&mut self, number: u16) -> bool {
        let new = !self.has(number);
        if let Some(word) = self.0.get_mut(usize::from(number / 64)) {
            *word |= 1 << (number % 64);
        }
        new
    }
}

/// The version numbers that the tables define.
pub(super) struct Versions<'a> {
    strings: &'a [u8],
    /// Those of other libraries.
    needed: Numbers,
    /// Its own.
    own: Numbers,
    /// The number of each symbol.
    numbers: Option<&'a [u8]>,
}

impl<'a> Versions<'a> {
    pub(super) fn read(
        dynamic: &Dynamic<'a>,
        sections: &Sections<'_>,
        segments: &Segments<'a>,
    ) -> Result<Self, Fault> {
        let bytes = |tag: u64, kind: u32| {
            let section = sections.of_kind(kind).next();
            let Some((address, (_, section))) = dynamic.value(tag).zip(section) else {
                return Ok(None);
            };
            segments.at(address, section.sh_size, TABLE).map(Some)
        };
        let mut versions = Self {
            strings: dynamic.strings,
            needed: Numbers([0; 512]),
            own: Numbers([0; 512]),
            numbers: bytes(dt::DT_VERSYM, sh::SHT_GNU_VERSYM)?,
        };
        if let Some(table) = bytes(dt::DT_VERNEED, sh::SHT_GNU_VERNEED)? {
            let count = dynamic.value(dt::DT_VERNEEDNUM).unwrap_or(0);
            let libraries: Vec<&[u8]> = dynamic.needed_names().collect();
            versions.read_needed(table, count, &libraries)?;
        }
        if let Some(table) = bytes(dt::DT_VERDEF, sh::SHT_GNU_VERDEF)? {
            versions.read_own(table, dynamic.value(dt::DT_VERDEFNUM).unwrap_or(0))?;
        }
        Ok(versions)
    }

    fn name(&self, at: u32, entry: usize) -> Result<&'a [u8], Fault> {
        let name = name(self.strings, u64::from(at), NAME);
        name.ok_or(TABLE.at(entry, "a name outside the string table, or too long"))
    }

    fn read_needed(
        &mut self,
        table: &'a [u8],
        count: u64,
        libraries: &[&[u8]],
    ) -> Result<(), Fault> {
        // Each library comes once.
        if count > libraries.len() as u64 {
            return Err(TABLE.too_many(count as usize, libraries.len()));
        }
        let mut chain = Chain { table, at: 0, budget: (table.len() / 16).min(LIMIT) };
        for index in 0..count {
            let entry = index as usize;
            let at = chain.enter(entry, 16)?;
            let file = self.name(half(table, at + 4).unwrap_or(0), entry)?;
            if quarter(table, at) != Some(1) || !libraries.contains(&file) {
                return Err(TABLE.at(entry, "a version of a library that is not asked for"));
            }
            let versions = quarter(table, at + 2).unwrap_or(0);
            let first = half(table, at + 8).unwrap_or(0);
            let inner = Chain { table, at, budget: chain.budget };
            chain.budget = self.read_versions(inner, first, versions, entry)?;
            chain.follow(half(table, at + 12), index + 1 == count, entry)?;
        }
        Ok(())
    }

    /// The versions that are wanted of one library; returns what is left of the budget.
    fn read_versions(
        &mut self,
        mut chain: Chain<'a>,
        first: u32,
        count: u16,
        entry: usize,
    ) -> Result<usize, Fault> {
        chain.follow(Some(first), count == 0, entry)?;
        for index in 0..count {
            let at = chain.enter(entry, 16)?;
            let table = chain.table;
            let name = self.name(half(table, at + 8).unwrap_or(0), entry)?;
            let number = quarter(table, at + 6).unwrap_or(0) & NUMBER;
            if half(table, at) != Some(hash(name)) {
                return Err(TABLE.at(entry, "the hash of a version's name"));
            }
            if number < FIRST || !self.needed.add(number) {
                return Err(TABLE.at(entry, "a number that is taken"));
            }
            chain.follow(half(table, at + 12), index + 1 == count, entry)?;
        }
        Ok(chain.budget)
    }

    fn read_own(&mut self, table: &'a [u8], count: u64) -> Result<(), Fault> {
        // A definition has 20 bytes, each of its names 8.
        let mut chain = Chain { table, at: 0, budget: (table.len() / 8).min(LIMIT) };
        for index in 0..count {
            let entry = index as usize;
            let at = chain.enter(entry, 20)?;
            let number = quarter(table, at + 4).unwrap_or(0);
            let names = quarter(table, at + 6).unwrap_or(0);
            if quarter(table, at) != Some(1) || names == 0 || number > NUMBER {
                return Err(TABLE.at(entry, "its header"));
            }
            if number == 0 || self.needed.has(number) || !self.own.add(number) {
                return Err(TABLE.at(entry, "a number that is taken"));
            }
            let mut inner = Chain { table, at, budget: chain.budget };
            inner.follow(half(table, at + 12), false, entry)?;
            for index in 0..names {
                let place = inner.enter(entry, 8)?;
                let name = self.name(half(table, place).unwrap_or(0), entry)?;
                if index == 0 && half(table, at + 8) != Some(hash(name)) {
                    return Err(TABLE.at(entry, "the hash of a version's name"));
                }
                inner.follow(half(table, place + 4), index + 1 == names, entry)?;
            }
            chain.budget = inner.budget;
            chain.follow(half(table, at + 16), index + 1 == count, entry)?;
        }
        Ok(())
    }

    /// Each symbol's number means something.
    pub(super) fn check(&self, symbols: &Symbols<'_>) -> Result<(), Fault> {
        let Some(numbers) = self.numbers else { return Ok(()) };
        let (numbers, rest) = numbers.as_chunks::<2>();
        if numbers.len() != symbols.count || !rest.is_empty() {
            return Err(TABLE.fault("not as many numbers as symbols"));
        }
        for (index, number) in numbers.iter().enumerate() {
            let number = u16::from_le_bytes(*number) & NUMBER;
            if number < FIRST {
                continue;
            }
            let defined = symbols.get(index).is_some_and(super::symbols::Symbol::is_defined);
            let meant = if defined { self.own.has(number) } else { self.needed.has(number) };
            if !meant {
                return Err(TABLE.at(index, "a symbol's version that nothing defines"));
            }
        }
        Ok(())
    }
}

/// A walk through entries that lead to the next by a distance.
struct Chain<'a> {
    table: &'a [u8],
    at: usize,
    /// How many entries the table has room for: no walk may take more.
    budget: usize,
}

impl Chain<'_> {
    /// The offset of the present entry, of `len` bytes.
    fn enter(&mut self, entry: usize, len: usize) -> Result<usize, Fault> {
        let room = self.at.checked_add(len).is_some_and(|end| end <= self.table.len());
        let left = self.budget.checked_sub(1).filter(|_| room && self.at.is_multiple_of(4));
        self.budget = left.ok_or(TABLE.at(entry, "a chain leaves the table"))?;
        Ok(self.at)
    }

    /// Goes `distance` on; only the last entry has none to go.
    fn follow(&mut self, distance: Option<u32>, last: bool, entry: usize) -> Result<(), Fault> {
        let distance = distance.unwrap_or(0) as usize;
        if last != (distance == 0) {
            return Err(TABLE.at(entry, "a chain is longer or shorter than its count"));
        }
        self.at = self.at.saturating_add(distance);
        Ok(())
    }
}

/// # Source
/// System V Application Binary Interface, Hash Table.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0_u32, |hash, byte| {
        let hash = (hash << 4).wrapping_add(u32::from(*byte));
        let high = hash & 0xf000_0000;
        (hash ^ high >> 24) & !high
    })
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use crate::format::Table;
    use crate::format::elf::specimen::Specimen;
    use crate::format::elf::words::half;

    #[test]
    fn every_number_has_a_meaning_and_every_chain_an_end() {
        let specimen = Specimen::get();
        let needed = specimen.section(".gnu.version_r").start;
        let refused = |at: usize, bytes: &[u8], what| {
            specimen.refused(at, bytes, Table::Versions, what);
        };
        refused(needed, &[2], "not asked for");
        refused(needed + 2, &[0xff], "longer or shorter than its count");
        refused(needed + 4, &[0xff; 4], "a name outside the string table");
        refused(needed + 4, &[1, 0, 0, 0], "not asked for");
        refused(needed + 8, &[0xfc, 0xff, 0xff, 0xff], "leaves the table");
        refused(needed + 8, &[0; 4], "longer or shorter");
        refused(needed + 12, &[2], "leaves the table");
        let version = needed + half(&specimen.bytes, needed + 8).unwrap() as usize;
        refused(version, &[0xff; 4], "the hash of a version's name");
        refused(version + 6, &[1, 0], "a number that is taken");
        let numbers = specimen.section(".gnu.version").start;
        let bears = |entry: &[u8]| entry[0] > 1;
        let bearer = specimen.entry(".gnu.version", 2, bears);
        refused(numbers + bearer * 2, &[0xee, 0x7e], "that nothing defines");
        let defined = specimen.entry(".dynsym", 24, |entry| entry[6..8] != [0; 2]);
        refused(numbers + defined * 2, &[2, 0], "that nothing defines");
    }
}
