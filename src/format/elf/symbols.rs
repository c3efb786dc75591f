//! The dynamic symbols: where each is, and that the loader can look for those that are elsewhere.

use goblin::elf::dynamic as dt;
use goblin::elf::program_header as ph;
use goblin::elf::section_header as sh;
use goblin::elf::sym;

use super::dynamic::Dynamic;
use super::sections::Sections;
use super::segments::Segments;
use super::words::words;
use crate::format::{Fault, Table};

const TABLE: Table = Table::Symbols;
/// The most dynamic symbols that are accepted.
const LIMIT: usize = 1 << 22;
/// Section numbers from here on mean something else.
const RESERVED: u16 = 0xff00;
const ABSOLUTE: u16 = 0xfff1;

/// One dynamic symbol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    pub(super) value: u64,
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    size: u64,
}

impl Symbol {
    pub(super) const fn kind(self) -> u8 {
        self.info & 15
    }

    pub(super) const fn is_defined(self) -> bool {
        self.section != 0
    }

    const fn binding(self) -> u8 {
        self.info >> 4
    }

    const fn visibility(self) -> u8 {
        self.other & 3
    }
}

/// The table of dynamic symbols.
pub(super) struct Symbols<'a> {
    words: &'a [[u8; 8]],
    strings: u64,
    /// How many there are.
    pub(super) count: usize,
}

impl<'a> Symbols<'a> {
    pub(super) fn read(
        dynamic: &Dynamic<'a>,
        sections: &Sections<'_>,
        segments: &Segments<'a>,
    ) -> Result<Self, Fault> {
        let section = sections.of_kind(sh::SHT_DYNSYM).next();
        let (_, section) = section.ok_or(TABLE.fault("there are none"))?;
        let address = dynamic.value(dt::DT_SYMTAB).ok_or(TABLE.fault("there are none"))?;
        let count = (section.sh_size / 24) as usize;
        if count > LIMIT {
            return Err(TABLE.too_many(count, LIMIT));
        }
        let bytes = segments.at(address, section.sh_size, TABLE)?;
        if count == 0 || !bytes.len().is_multiple_of(24) {
            return Err(TABLE.fault("its size"));
        }
        Ok(Self { words: words(bytes), strings: dynamic.strings.len() as u64, count })
    }

    /// The symbol with number `index`.
    pub(super) fn get(&self, index: usize) -> Option<Symbol> {
        let [first, value, size] = self.words.get(index.checked_mul(3)?..)?.first_chunk()?;
        let [n0, n1, n2, n3, info, other, s0, s1] = *first;
        Some(Symbol {
            value: u64::from_le_bytes(*value),
            name: u32::from_le_bytes([n0, n1, n2, n3]),
            info,
            other,
            section: u16::from_le_bytes([s0, s1]),
            size: u64::from_le_bytes(*size),
        })
    }

    pub(super) fn check(
        &self,
        sections: &Sections<'_>,
        segments: &Segments<'_>,
    ) -> Result<(), Fault> {
        if self.words.iter().take(3).any(|word| *word != [0; 8]) {
            return Err(TABLE.at(0, "the first one is not empty"));
        }
        let threads = segments.one(ph::PT_TLS).map_or(0, |segment| segment.p_memsz);
        // One bit for each byte of the string table: whether a symbol's name begins there.
        let mut names = vec![0_u64; (self.strings / 64 + 1) as usize];
        for index in 1..self.count {
            let Some(symbol) = self.get(index) else { break };
            let wrong = if u64::from(symbol.name) >= self.strings {
                Some("its name lies outside the string table")
            } else if symbol.is_defined() {
                defined(symbol, sections, segments, threads)
            } else {
                undefined(symbol).or_else(|| again(symbol, &names))
            };
            mark(symbol, &mut names);
            if let Some(what) = wrong {
                return Err(TABLE.at(index, what));
            }
        }
        Ok(())
    }
}

/// Notes that `symbol` has its name.
fn mark(symbol: Symbol, names: &mut [u64]) {
    if let Some(word) = names.get_mut(symbol.name as usize / 64) {
        *word |= 1 << (symbol.name % 64);
    }
}

/// What is wrong where `symbol` is undefined and has a name that another has before it.
fn again(symbol: Symbol, names: &[u64]) -> Option<&'static str> {
    let word = names.get(symbol.name as usize / 64)?;
    (word >> (symbol.name % 64) & 1 == 1).then_some("it is undefined and the name is taken")
}

/// What is wrong with a symbol that is elsewhere.
fn undefined(symbol: Symbol) -> Option<&'static str> {
    if symbol.value != 0 {
        return Some("it is undefined and has an address");
    }
    if symbol.visibility() != sym::STV_DEFAULT {
        return Some("it is undefined and hidden");
    }
    if !matches!(symbol.binding(), sym::STB_GLOBAL | sym::STB_WEAK) {
        return Some("it is undefined and local");
    }
    let ordinary = matches!(
        symbol.kind(),
        sym::STT_NOTYPE | sym::STT_OBJECT | sym::STT_FUNC | sym::STT_TLS | sym::STT_GNU_IFUNC
    );
    if ordinary { None } else { Some("a kind that no linker writes") }
}

/// What is wrong with a symbol that is here.
fn defined(
    symbol: Symbol,
    sections: &Sections<'_>,
    segments: &Segments<'_>,
    threads: u64,
) -> Option<&'static str> {
    let Some(end) = symbol.value.checked_add(symbol.size) else {
        return Some("it wraps around the address space");
    };
    if !matches!(
        symbol.binding(),
        sym::STB_LOCAL | sym::STB_GLOBAL | sym::STB_WEAK | sym::STB_GNU_UNIQUE
    ) {
        return Some("a binding that no linker writes");
    }
    if symbol.section >= RESERVED {
        let known = symbol.section == ABSOLUTE && symbol.kind() != sym::STT_GNU_IFUNC;
        return if known { None } else { Some("a section that no linker writes") };
    }
    let Some(section) = sections.headers.get(usize::from(symbol.section)) else {
        return Some("its section is not there");
    };
    let (start, behind) = segments.span();
    let sound = match symbol.kind() {
        sym::STT_TLS => section.sh_flags & u64::from(sh::SHF_TLS) != 0 && end <= threads,
        sym::STT_OBJECT => {
            let behind = section.sh_addr.saturating_add(section.sh_size);
            symbol.value >= section.sh_addr && end <= behind
        }
        // Marks of where something ends may stand behind the section that they are counted to.
        sym::STT_NOTYPE | sym::STT_SECTION => symbol.value >= start && end <= behind,
        sym::STT_FUNC | sym::STT_GNU_IFUNC => segments.is_executable(symbol.value),
        _ => return Some("a kind that no linker writes"),
    };
    if sound { None } else { Some("it lies outside its section") }
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use crate::format::Table;
    use crate::format::elf::specimen::Specimen;

    #[test]
    fn symbols_are_where_their_kind_may_be() {
        let specimen = Specimen::get();
        let symbols = specimen.section(".dynsym").start;
        let find = |info: u8, defined: bool| {
            let wanted = |entry: &[u8]| entry[4] == info && (entry[6..8] != [0; 2]) == defined;
            symbols + 24 * specimen.entry(".dynsym", 24, wanted)
        };
        let refused = |at: usize, bytes: &[u8], what| {
            specimen.refused(at, bytes, Table::Symbols, what);
        };
        let (function, object) = (find(0x12, true), find(0x11, true));
        let undefined = find(0x12, false);
        refused(symbols, &[1], "the first one is not empty");
        refused(function, &[0xff; 4], "its name lies outside");
        refused(function + 8, &[0; 8], "outside its section");
        refused(function + 8, &[0xff; 8], "wraps around");
        refused(function + 4, &[0x17], "a kind that no linker writes");
        refused(function + 6, &[0xf0, 0x7f], "its section is not there");
        refused(function + 6, &[0xf2, 0xff], "a section that no linker writes");
        refused(object + 8, &[0; 8], "outside its section");
        refused(object + 4, &[0x16], "outside its section");
        refused(undefined + 8, &[1], "undefined and has an address");
        refused(undefined + 5, &[2], "undefined and hidden");
        refused(undefined + 4, &[0x02], "undefined and local");
        refused(undefined + 4, &[0x15], "a kind that no linker writes");
    }
}
