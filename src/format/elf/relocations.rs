//! The relocations: each writes into writable memory what its kind allows.

use goblin::elf::dynamic as dt;
use goblin::elf::program_header as ph;

use super::constructors::Constructors;
use super::dynamic::Dynamic;
use super::kinds::{Kind, Kinds};
use super::places::{Places, Taken};
use super::segments::Segments;
use super::symbols::Symbols;
use super::tags::{DT_RELR, DT_RELRSZ};
use super::words::words;
use crate::format::{Fault, Table};

pub(super) const TABLE: Table = Table::Relocations;
pub(super) const READ_ONLY: &str = "a relocation outside writable memory";
/// The most relocations of one table that are accepted.
pub(super) const LIMIT: usize = 1 << 23;
pub(super) const OUTSIDE: &str = "an address outside the library";

/// The flag of `DT_FLAGS` that a library with `ThreadStatic` relocations has.
const STATIC_TLS: u64 = 0x10;

/// All relocations of a library, with what they are checked against.
pub(super) struct Relocations<'a, 'b> {
    pub(super) segments: &'b Segments<'a>,
    dynamic: &'b Dynamic<'a>,
    symbols: &'b Symbols<'a>,
    kinds: Kinds,
    pub(super) constructors: Constructors,
    /// The writable segment that was met last.
    pub(super) writable: (u64, u64),
    /// The addresses of the library.
    pub(super) span: (u64, u64),
    /// The size of its thread-local block in bytes, if it has one.
    pub(super) threads: Option<u64>,
    /// Whether its thread-local storage is beside the thread pointer.
    pub(super) static_threads: bool,
    places: Places,
    /// The symbols in the table of addresses, and in that of calls.
    taken: [Taken; 2],
}

impl<'a, 'b> Relocations<'a, 'b> {
    pub(super) fn new(
        segments: &'b Segments<'a>,
        dynamic: &'b Dynamic<'a>,
        symbols: &'b Symbols<'a>,
        kinds: Kinds,
    ) -> Result<Self, Fault> {
        Ok(Self {
            constructors: Constructors::read(dynamic, segments)?,
            writable: (0, 0),
            span: segments.span(),
            threads: segments.one(ph::PT_TLS).map(|segment| segment.p_memsz),
            static_threads: dynamic.value(dt::DT_FLAGS).unwrap_or(0) & STATIC_TLS != 0,
            places: Places::of(segments),
            taken: [Taken::of(symbols.count), Taken::of(symbols.count)],
            segments,
            dynamic,
            symbols,
            kinds,
        })
    }

    pub(super) fn check(mut self) -> Result<(), Fault> {
        let table = |address: u64, size: u64| {
            self.dynamic.table(self.segments, address, size, TABLE).map(Option::unwrap_or_default)
        };
        let all = table(dt::DT_RELA, dt::DT_RELASZ)?;
        let calls = table(dt::DT_JMPREL, dt::DT_PLTRELSZ)?;
        let relative = table(DT_RELR, DT_RELRSZ)?;
        let lengths = [all.len() % 24, calls.len() % 24, relative.len() % 8];
        if lengths != [0; 3] {
            return Err(TABLE.fault("its size"));
        }
        let longest = all.len().max(calls.len()) / 24;
        if longest > LIMIT {
            return Err(TABLE.too_many(longest, LIMIT));
        }
        let entries = words(all);
        let leading = self.check_leading(entries)?;
        // The loader takes so many for relative without looking.
        if self.dynamic.value(dt::DT_RELACOUNT).unwrap_or(0) > leading as u64 {
            return Err(TABLE.fault("the number of relative ones"));
        }
        self.check_rest(entries, leading)?;
        self.check_rest(words(calls), 0)?;
        self.check_packed(words(relative))?;
        self.constructors.check()
    }

    /// Checks the relative relocations at the start, most of all, and returns how many they are.
    fn check_leading(&mut self, entries: &[[u8; 8]]) -> Result<usize, Fault> {
        let relative = u64::from(self.kinds.relative).to_le_bytes();
        let (start, end) = self.span;
        let mut lowest = 0;
        let mut index = 0;
        while let Some(&[place, kind, target]) =
            entries.get(index * 3..).and_then(<[_]>::first_chunk)
            && kind == relative
        {
            let (place, target) = (u64::from_le_bytes(place), u64::from_le_bytes(target));
            if place < self.writable.0 || place >= self.writable.1 {
                self.enter(place, 8, index)?;
            }
            if place < lowest {
                return Err(TABLE.at(index, "it is out of order"));
            }
            lowest = place + 8;
            self.claim(place, index)?;
            if target < start || target > end {
                return Err(TABLE.at(index, OUTSIDE));
            }
            if place >= self.constructors.span.0 && place < self.constructors.span.1 {
                self.constructors.fill(place, self.segments.is_executable(target))?;
            }
            index += 1;
        }
        Ok(index)
    }

    /// Makes the writable segment that holds `len` bytes at `place` the present one. Its last
    /// bytes are not counted in, so that one comparison tells whether a word fits.
    pub(super) fn enter(&mut self, place: u64, len: u64, index: usize) -> Result<(), Fault> {
        let load = self.segments.load(place, len);
        let load = load.filter(|load| load.p_flags & ph::PF_W != 0);
        let load = load.ok_or(TABLE.at(index, READ_ONLY))?;
        let end = load.p_vaddr.saturating_add(load.p_memsz).saturating_sub(7);
        // What the loader reads while it relocates stays as it is.
        let (first, behind) = self.dynamic.place;
        if place < behind && place.saturating_add(len) > first {
            return Err(TABLE.at(index, "a relocation of the dynamic section"));
        }
        self.writable = if place < first {
            (load.p_vaddr, end.min(first.saturating_sub(7)))
        } else {
            (load.p_vaddr.max(behind), end)
        };
        Ok(())
    }

    pub(super) fn claim(&mut self, place: u64, index: usize) -> Result<(), Fault> {
        let free = self.places.claim(place);
        if free { Ok(()) } else { Err(TABLE.at(index, "another writes there")) }
    }

    fn check_rest(&mut self, entries: &[[u8; 8]], from: usize) -> Result<(), Fault> {
        let mut index = from;
        while let Some(&[place, info, addend]) =
            entries.get(index * 3..).and_then(<[_]>::first_chunk)
        {
            let (place, info) = (u64::from_le_bytes(place), u64::from_le_bytes(info));
            self.check_one(place, info, u64::from_le_bytes(addend), index)?;
            index += 1;
        }
        Ok(())
    }

    fn check_one(&mut self, place: u64, info: u64, addend: u64, index: usize) -> Result<(), Fault> {
        let wrong = |what| Err(TABLE.at(index, what));
        let Some(kind) = self.kinds.kind(info as u32) else {
            return wrong("a kind that no linker writes");
        };
        let number = (info >> 32) as usize;
        let Some(symbol) = self.symbols.get(number) else {
            return wrong("its symbol is not there");
        };
        let len = if kind == Kind::ThreadDescriptor { 16 } else { 8 };
        if len > 8 || place < self.writable.0 || place >= self.writable.1 {
            self.enter(place, len, index)?;
        }
        self.claim(place, index)?;
        let taken = match kind {
            Kind::Entry => !self.taken[0].take(number),
            Kind::Call => !self.taken[1].take(number),
            _ => false,
        };
        if taken {
            return wrong("its symbol has such an entry");
        }
        if let Some(what) = self.wrong(kind, symbol, number, addend) {
            return wrong(what);
        }
        if place >= self.constructors.span.0 && place < self.constructors.span.1 {
            let address = match kind {
                Kind::Relative => addend,
                Kind::Symbol if symbol.is_defined() => symbol.value.wrapping_add(addend),
                _ => 0,
            };
            self.constructors.fill(place, self.segments.is_executable(address))?;
        }
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use goblin::elf::dynamic as dt;

    use super::READ_ONLY;
    use crate::format::Table;
    use crate::format::elf::specimen::Specimen;

    fn of_kind(specimen: &Specimen, section: &str, kind: u32) -> usize {
        let wanted = |entry: &[u8]| entry[8..12] == kind.to_le_bytes();
        specimen.section(section).start + 24 * specimen.entry(section, 24, wanted)
    }

    #[test]
    fn each_kind_writes_what_it_may_where_it_may() {
        let specimen = Specimen::get();
        let refused = |at: usize, bytes: &[u8], what| {
            specimen.refused(at, bytes, Table::Relocations, what);
        };
        let relative = of_kind(specimen, ".rela.dyn", 8);
        refused(relative, &[0; 8], READ_ONLY);
        refused(relative + 24, &specimen.bytes[relative..relative + 8], "out of order");
        refused(relative + 16, &(1_u64 << 40).to_le_bytes(), "outside the library");
        // The loader takes it for a relative one without looking.
        refused(relative + 8, &[6], "the number of relative ones");
        refused(specimen.tag(dt::DT_RELACOUNT) + 8, &[0xff; 4], "the number of relative ones");
        let entry = of_kind(specimen, ".rela.dyn", 6);
        refused(entry + 8, &[5], "a kind that no linker writes");
        refused(entry + 12, &[0xff; 4], "its symbol is not there");
        refused(entry + 12, &[0; 4], "of another kind");
        refused(entry + 8, &[17], "of another kind");
        refused(entry + 16, &[8], "of another kind");
        let block = of_kind(specimen, ".rela.dyn", 16);
        refused(block + 8, &[18], "of another kind");
        let call = of_kind(specimen, ".rela.plt", 7);
        refused(call, &[0; 8], READ_ONLY);
        refused(call, &specimen.bytes[call + 24..call + 32], "another writes there");
        refused(call + 24 + 12, &specimen.bytes[call + 12..call + 16], "has such an entry");
        refused(call + 12, &[0; 4], "of another kind");
    }

    #[test]
    fn the_dynamic_section_is_not_relocated() {
        let specimen = Specimen::get();
        let entry = of_kind(specimen, ".rela.dyn", 6);
        let header = specimen.header(".dynamic");
        let address = &specimen.bytes[header + 16..header + 24];
        let what = "a relocation of the dynamic section";
        specimen.refused(entry, address, Table::Relocations, what);
    }

    #[test]
    fn constructors_are_code_and_each_is_there() {
        let specimen = Specimen::get();
        let header = specimen.header(".init_array");
        let address = &specimen.bytes[header + 16..header + 24];
        let wanted = |entry: &[u8]| &entry[..8] == address;
        let at = specimen.section(".rela.dyn").start + 24 * specimen.entry(".rela.dyn", 24, wanted);
        let table = Table::Constructors;
        specimen.refused(at + 16, &64_u64.to_le_bytes(), table, "no code");
        specimen.refused(at, &(address[0] + 1).to_le_bytes(), table, "no code");
        specimen.refused(at + 8, &[0; 4], Table::Relocations, "the number of relative ones");
    }
}
