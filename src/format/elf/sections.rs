//! The section headers: a second account of what the program headers and the dynamic section say.

use goblin::elf::program_header as ph;
use goblin::elf::section_header as sh;
use goblin::elf::{ProgramHeader, SectionHeader};

use super::segments::{PAGE, Segments};
use super::words::name;
use super::{File, damaged};
use crate::format::{Fault, Records, Table, part};

const RECORDS: &[u8] = b"midair";
/// The longest name of a section that is looked at, in bytes.
const NAME: usize = 256;
/// The most sections that a library may have; linkers write some dozens.
const LIMIT: usize = 4_096;

/// The section headers, each checked against the file's size.
pub(super) struct Sections<'a> {
    bytes: &'a [u8],
    pub(super) headers: Vec<SectionHeader>,
    names: Vec<&'a [u8]>,
}

impl<'a> Sections<'a> {
    pub(super) fn read(file: &File<'a>) -> Result<Self, Fault> {
        let header = &file.header;
        let count = usize::from(header.e_shnum);
        if header.e_shoff == 0 || count == 0 {
            return Err(Fault::NoRecords);
        }
        let size = if file.context.is_big() { 64 } else { 40 };
        if header.e_shentsize != size {
            return Err(Table::Sections.fault("the size of a section header"));
        }
        if count > LIMIT {
            return Err(Table::Sections.too_many(count, LIMIT));
        }
        let len = count as u64 * u64::from(size);
        part(file.bytes, header.e_shoff, len, "the section headers")?;
        let headers =
            SectionHeader::parse(file.bytes, header.e_shoff as usize, count, file.context);
        let headers = headers.map_err(damaged)?;
        for section in &headers {
            if has_bytes(section) {
                part(file.bytes, section.sh_offset, section.sh_size, "a section")?;
            }
        }
        let mut sections = Self { bytes: file.bytes, headers, names: Vec::new() };
        sections.names = sections.read_names(usize::from(header.e_shstrndx))?;
        Ok(sections)
    }

    fn read_names(&self, table: usize) -> Result<Vec<&'a [u8]>, Fault> {
        let table = self.headers.get(table).filter(|table| table.sh_type == sh::SHT_STRTAB);
        let table = table.ok_or(Table::Sections.fault("the table of their names is missing"))?;
        let strings = self.bytes_of(table);
        let names = self.headers.iter().enumerate().map(|(index, section)| {
            name(strings, section.sh_name as u64, NAME)
                .ok_or(Table::Sections.at(index, "its name lies outside the names, or is too long"))
        });
        names.collect()
    }

    /// The bytes of `section` in the file.
    pub(super) fn bytes_of(&self, section: &SectionHeader) -> &'a [u8] {
        let range = usize::try_from(section.sh_offset).ok().zip(
            section.sh_offset.checked_add(section.sh_size).and_then(|end| end.try_into().ok()),
        );
        let bytes = range.and_then(|(start, end): (usize, usize)| self.bytes.get(start..end));
        bytes.filter(|_| has_bytes(section)).unwrap_or_default()
    }

    pub(super) fn named(&self, wanted: &[u8]) -> Option<&SectionHeader> {
        let index = self.names.iter().position(|name| *name == wanted)?;
        self.headers.get(index)
    }

    pub(super) fn name(&self, index: usize) -> &'a [u8] {
        self.names.get(index).copied().unwrap_or_default()
    }

    /// The sections that are loaded and not empty, with their numbers.
    pub(super) fn loaded(&self) -> impl Iterator<Item = (usize, &SectionHeader)> {
        let loaded = |section: &SectionHeader| {
            section.sh_flags & u64::from(sh::SHF_ALLOC) != 0
                && section.sh_size > 0
                && section.sh_type != sh::SHT_NULL
        };
        self.headers.iter().enumerate().filter(move |(_, section)| loaded(section))
    }

    /// The loaded sections of `kind`, with their numbers.
    pub(super) fn of_kind(&self, kind: u32) -> impl Iterator<Item = (usize, &SectionHeader)> {
        self.loaded().filter(move |(_, section)| section.sh_type == kind)
    }

    /// The one section called `midair`, where it will be both read from and written to.
    pub(super) fn records(&self, segments: &Segments<'_>) -> Result<Option<Records>, Fault> {
        let mut ours = self.headers.iter().zip(&self.names).filter(|(_, name)| **name == RECORDS);
        let Some((section, _)) = ours.next() else { return Ok(None) };
        if ours.next().is_some() {
            return Err(Table::Sections.fault("there are two midair sections"));
        }
        let writable = |load: &&ProgramHeader| load.p_flags & ph::PF_W != 0;
        let mapped = segments.loads().filter(writable).any(|load| maps(load, section));
        if section.sh_type != sh::SHT_PROGBITS || !mapped || !section.sh_addr.is_multiple_of(8) {
            return Err(Table::Sections.fault("the midair section is not where it is mapped"));
        }
        let (offset, len) = (section.sh_offset as usize, section.sh_size as usize);
        Ok(Some(Records { offset, len, address: section.sh_addr }))
    }

    /// Each loaded section is mapped, from its own bytes and with the rights that it asks for.
    pub(super) fn check_places(&self, segments: &Segments<'_>) -> Result<(), Fault> {
        for (index, section) in self.loaded() {
            if section.sh_type == sh::SHT_NOBITS && is_tls(section) {
                continue;
            }
            let mut flags = ph::PF_R;
            if section.sh_flags & u64::from(sh::SHF_WRITE) != 0 {
                flags |= ph::PF_W;
            }
            if section.sh_flags & u64::from(sh::SHF_EXECINSTR) != 0 {
                flags |= ph::PF_X;
            }
            let load = segments.load(section.sh_addr, section.sh_size);
            let mapped = load.filter(|load| !has_bytes(section) || maps(load, section));
            let Some(load) = mapped else {
                return Err(Table::Sections.at(index, "it is not where it is mapped"));
            };
            if load.p_flags & flags != flags {
                return Err(Table::Sections.at(index, "it is mapped without the rights it needs"));
            }
        }
        Ok(())
    }

    /// The segment of thread-local storage is what the sections of it are.
    pub(super) fn check_threads(&self, segments: &Segments<'_>) -> Result<(), Fault> {
        const TABLE: Table = Table::Segments;
        let mut expected: Option<(u64, u64, u64)> = None;
        for (_, section) in self.loaded().filter(|(_, section)| is_tls(section)) {
            let end = section.sh_addr.saturating_add(section.sh_size);
            let in_file = if has_bytes(section) { end } else { section.sh_addr };
            let (start, file, memory) = expected.unwrap_or((section.sh_addr, in_file, end));
            expected = Some((start.min(section.sh_addr), file.max(in_file), memory.max(end)));
        }
        match (segments.one(ph::PT_TLS), expected) {
            (None, None) => Ok(()),
            (Some(segment), None) if segment.p_memsz == 0 => Ok(()),
            (Some(segment), Some((start, file, memory))) => {
                let len = memory - start;
                let filled = segment.p_vaddr.saturating_add(segment.p_filesz);
                let whole = segment.p_vaddr == start
                    && segment.p_memsz >= len
                    && segment.p_memsz - len < segment.p_align.max(1)
                    && filled <= file;
                if whole { Ok(()) } else { Err(TABLE.fault("the thread-local storage")) }
            }
            _ => Err(TABLE.fault("the thread-local storage")),
        }
    }

    /// What becomes read-only after relocation lies in one writable segment, and spares what is
    /// written later.
    pub(super) fn check_read_only(&self, segments: &Segments<'_>) -> Result<(), Fault> {
        let Some(segment) = segments.one(ph::PT_GNU_RELRO).filter(|segment| segment.p_memsz > 0)
        else {
            return Ok(());
        };
        let wrong = |what| Err(Table::Segments.fault(what));
        let start = segment.p_vaddr / PAGE * PAGE;
        let end = segment.p_vaddr.saturating_add(segment.p_memsz) / PAGE * PAGE;
        let load = segments.load(segment.p_vaddr, 1).filter(|load| load.p_flags & ph::PF_W != 0);
        let inside = load.is_some_and(|load| {
            let pages = load.p_vaddr.saturating_add(load.p_memsz).div_ceil(PAGE);
            end <= pages.saturating_mul(PAGE)
        });
        if !inside {
            return wrong("what becomes read-only is not writable before");
        }
        for written in [&b".data"[..], b".bss", RECORDS] {
            let Some(section) = self.named(written).filter(|section| section.sh_size > 0) else {
                continue;
            };
            if section.sh_addr < end && section.sh_addr.saturating_add(section.sh_size) > start {
                return wrong("what is written later becomes read-only");
            }
        }
        Ok(())
    }
}

pub(super) fn has_bytes(section: &SectionHeader) -> bool {
    section.sh_type != sh::SHT_NOBITS && section.sh_type != sh::SHT_NULL
}

fn is_tls(section: &SectionHeader) -> bool {
    section.sh_flags & u64::from(sh::SHF_TLS) != 0
}

/// Whether `load` maps all of `section`, from the same bytes of the file.
fn maps(load: &ProgramHeader, section: &SectionHeader) -> bool {
    section.sh_addr >= load.p_vaddr
        && section.sh_addr.saturating_add(section.sh_size)
            <= load.p_vaddr.saturating_add(load.p_filesz)
        && section.sh_addr - load.p_vaddr == section.sh_offset.wrapping_sub(load.p_offset)
}
