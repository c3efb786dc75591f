//! ELF: headers, segments, the dynamic section and relocations, each against the file's size and
//! against each other.

use std::ops::Range;

use goblin::container::{Container as Class, Ctx};
use goblin::elf::dynamic as dt;
use goblin::elf::header as eh;
use goblin::elf::program_header as ph;
use goblin::elf::section_header as sh;
use goblin::elf::{Elf, ProgramHeader, SectionHeader};
use midair_arch::Machine;

use super::{Allocator, Binding, Container, Fault, Format, Records, part, text};

const SECTION: &[u8] = b"midair";

pub(super) fn read(bytes: &[u8]) -> Result<Container, Fault> {
    part(bytes, 0, 64, "the file's header")?;
    let header = Elf::parse_header(bytes).map_err(damaged)?;
    let is_64 = header.e_ident[eh::EI_CLASS] == eh::ELFCLASS64;
    let machine = Machine::from_elf(header.e_machine, is_64);
    if header.e_type != eh::ET_DYN {
        return Err(Fault::NotShared);
    }
    let class = if is_64 { Class::Big } else { Class::Little };
    let context = Ctx::new(class, header.endianness().map_err(damaged)?);
    let file = File { bytes, header, context };
    let segments = file.segments()?;
    let sections = file.sections()?;
    let names = file.section_names(&sections)?;
    let records = records(&sections, &names, &segments)?;
    let allocator = file.allocator(&sections, &names);
    let (needed, binding) = if is_64 && context.le.is_little() {
        file.dynamic(&segments)?
    } else {
        (Vec::new(), Binding::AskLoader)
    };
    let loads = segments.iter().filter(|segment| segment.p_type == ph::PT_LOAD);
    let mapped = loads.map(|load| segment_range(load).end).max().unwrap_or(bytes.len());
    Ok(Container { format: Format::Elf, machine, records, mapped, needed, allocator, binding })
}

fn damaged(error: goblin::error::Error) -> Fault {
    Fault::Damaged { format: Format::Elf, reason: error.to_string() }
}

struct File<'a> {
    bytes: &'a [u8],
    header: eh::Header,
    context: Ctx,
}

impl File<'_> {
    fn segments(&self) -> Result<Vec<ProgramHeader>, Fault> {
        let (count, size) = (usize::from(self.header.e_phnum), self.header.e_phentsize);
        if count == 0 {
            return Err(Fault::NotShared);
        }
        let expected = if self.context.is_big() { 56 } else { 32 };
        if size != expected {
            return Err(Fault::Inconsistent { what: "the size of a program header" });
        }
        let len = count as u64 * u64::from(size);
        part(self.bytes, self.header.e_phoff, len, "the program headers")?;
        let offset = self.header.e_phoff as usize;
        let segments = ProgramHeader::parse(self.bytes, offset, count, self.context);
        let segments = segments.map_err(damaged)?;
        let mut end = 0;
        for segment in &segments {
            if segment.p_type != ph::PT_NULL {
                part(self.bytes, segment.p_offset, segment.p_filesz, "a segment")?;
            }
            match segment.p_type {
                ph::PT_LOAD => end = check_load(segment, end)?,
                ph::PT_GNU_STACK if segment.p_flags & ph::PF_X != 0 => {
                    return Err(Fault::WritableAndExecutable);
                }
                _ => {}
            }
        }
        let loads = || segments.iter().filter(|segment| segment.p_type == ph::PT_LOAD);
        if loads().next().is_none() {
            return Err(Fault::NotShared);
        }
        let inside = |segment: &&ProgramHeader| {
            matches!(
                segment.p_type,
                ph::PT_DYNAMIC | ph::PT_TLS | ph::PT_GNU_EH_FRAME | ph::PT_NOTE | ph::PT_PHDR
            ) && segment.p_filesz > 0
        };
        for segment in segments.iter().filter(inside) {
            let placed = loads().any(|load| holds(load, segment));
            if !placed {
                return Err(Fault::Inconsistent { what: "a segment lies outside what is loaded" });
            }
        }
        Ok(segments)
    }

    fn sections(&self) -> Result<Vec<SectionHeader>, Fault> {
        let count = usize::from(self.header.e_shnum);
        if self.header.e_shoff == 0 || count == 0 {
            return Err(Fault::NoRecords);
        }
        let expected = if self.context.is_big() { 64 } else { 40 };
        if self.header.e_shentsize != expected {
            return Err(Fault::Inconsistent { what: "the size of a section header" });
        }
        let len = count as u64 * u64::from(expected);
        part(self.bytes, self.header.e_shoff, len, "the section headers")?;
        let offset = self.header.e_shoff as usize;
        let sections = SectionHeader::parse(self.bytes, offset, count, self.context);
        let sections = sections.map_err(damaged)?;
        for section in &sections {
            if section.sh_type != sh::SHT_NOBITS && section.sh_type != sh::SHT_NULL {
                part(self.bytes, section.sh_offset, section.sh_size, "a section")?;
            }
        }
        Ok(sections)
    }

    /// The name of each section, as bytes.
    fn section_names(&self, sections: &[SectionHeader]) -> Result<Vec<&[u8]>, Fault> {
        let table = sections
            .get(usize::from(self.header.e_shstrndx))
            .filter(|table| table.sh_type == sh::SHT_STRTAB)
            .ok_or(Fault::Inconsistent { what: "the table of section names is missing" })?;
        let strings = &self.bytes[section_range(table)];
        let name = |section: &SectionHeader| c_string(strings, section.sh_name as u64);
        let names: Option<Vec<_>> = sections.iter().map(name).collect();
        names.ok_or(Fault::Inconsistent { what: "a section's name lies outside the names" })
    }

    /// Where the allocator's entries are functions of their own, the default has functions of std
    /// behind them and `#[global_allocator]` has not. Link-time optimisation melts them into their
    /// callers; then nothing can be told.
    fn allocator(&self, sections: &[SectionHeader], names: &[&[u8]]) -> Allocator {
        const ENTRY: &[u8] = b"___rust_alloc_zeroed";
        const DEFAULT: &[u8] = b"___rdl_alloc";
        let named = |wanted: &[u8]| {
            let at = names.iter().position(|name| *name == wanted)?;
            Some(&self.bytes[section_range(&sections[at])])
        };
        let (Some(symbols), Some(strings)) = (named(b".symtab"), named(b".strtab")) else {
            return Allocator::Unknown;
        };
        let mut entry = false;
        for symbol in symbols.chunks_exact(if self.context.is_big() { 24 } else { 16 }) {
            let name = u32::from_le_bytes([symbol[0], symbol[1], symbol[2], symbol[3]]);
            let name = c_string(strings, u64::from(name)).unwrap_or_default();
            if name.ends_with(DEFAULT) {
                return Allocator::System;
            }
            entry |= name.ends_with(ENTRY);
        }
        if entry { Allocator::Own } else { Allocator::Unknown }
    }

    /// Checks the dynamic section and what it points to, and reads what the loader will want.
    fn dynamic(&self, segments: &[ProgramHeader]) -> Result<(Vec<String>, Binding), Fault> {
        let segment = segments.iter().find(|segment| segment.p_type == ph::PT_DYNAMIC);
        let segment = segment.ok_or(Fault::NotShared)?;
        let range = segment_range(segment);
        let words = |entry: &[u8]| (word(entry, 0), word(entry, 8));
        let entries: Vec<(u64, u64)> =
            self.bytes[range.clone()].chunks_exact(16).map(words).collect();
        let used = entries.iter().position(|entry| entry.0 == dt::DT_NULL);
        let used = used.ok_or(Fault::Inconsistent { what: "the dynamic section has no end" })?;
        let table = Table { entries: &entries[..used], segments, bytes: self.bytes };
        let strings = table.bytes_of(dt::DT_STRTAB, dt::DT_STRSZ, "the string table")?;
        let mut needed = Vec::new();
        for (tag, value) in table.entries {
            if matches!(*tag, dt::DT_NEEDED | dt::DT_SONAME | dt::DT_RUNPATH | dt::DT_RPATH) {
                let what = "a name in the dynamic section lies outside the string table";
                let name = strings.get(*value as usize..).ok_or(Fault::Inconsistent { what })?;
                let name = text(name, what)?;
                if *tag == dt::DT_NEEDED {
                    needed.push(name);
                }
            }
        }
        table.check_relocations(dt::DT_RELA, dt::DT_RELASZ)?;
        table.check_relocations(dt::DT_JMPREL, dt::DT_PLTRELSZ)?;
        table.check_pointers(dt::DT_INIT_ARRAY, dt::DT_INIT_ARRAYSZ)?;
        table.check_pointers(dt::DT_FINI_ARRAY, dt::DT_FINI_ARRAYSZ)?;
        for tag in [dt::DT_SYMTAB, dt::DT_HASH, dt::DT_GNU_HASH, dt::DT_VERSYM, dt::DT_VERNEED] {
            if let Some(address) = table.value(tag) {
                table.at(address, 16, "a table of the dynamic section")?;
            }
        }
        for tag in [dt::DT_INIT, dt::DT_FINI] {
            if let Some(address) = table.value(tag).filter(|address| *address != 0) {
                table.executable(address)?;
            }
        }
        Ok((needed, binding(&entries, used, range.start)))
    }
}

/// How `DF_SYMBOLIC` gets into the private copy: the library's own references then find its own
/// symbols first, whatever an earlier generation or a preloaded library exports under that name.
fn binding(entries: &[(u64, u64)], used: usize, start: usize) -> Binding {
    const DF_SYMBOLIC: u64 = 2;
    let flags = entries[..used].iter().position(|entry| entry.0 == dt::DT_FLAGS);
    if let Some(at) = flags {
        let value = entries[at].1 | DF_SYMBOLIC;
        return Binding::Edit { offset: start + at * 16 + 8, bytes: value.to_le_bytes().to_vec() };
    }
    if entries[..used].iter().any(|entry| entry.0 == dt::DT_SYMBOLIC) {
        return Binding::Own;
    }
    // The linker leaves room for more than one end mark: the first may become an entry.
    if entries.get(used + 1).is_some_and(|entry| entry.0 == dt::DT_NULL) {
        let mut bytes = dt::DT_SYMBOLIC.to_le_bytes().to_vec();
        bytes.extend([0; 8]);
        return Binding::Edit { offset: start + used * 16, bytes };
    }
    Binding::AskLoader
}

/// The dynamic section, with the means to follow its addresses.
struct Table<'a> {
    entries: &'a [(u64, u64)],
    segments: &'a [ProgramHeader],
    bytes: &'a [u8],
}

impl<'a> Table<'a> {
    fn value(&self, tag: u64) -> Option<u64> {
        self.entries.iter().find(|entry| entry.0 == tag).map(|entry| entry.1)
    }

    fn load(&self, address: u64, len: u64) -> Option<&'a ProgramHeader> {
        self.segments.iter().find(|segment| {
            segment.p_type == ph::PT_LOAD
                && address >= segment.p_vaddr
                && address.saturating_add(len) <= segment.p_vaddr + segment.p_memsz
        })
    }

    /// The file's bytes that will be at `address`.
    fn at(&self, address: u64, len: u64, what: &'static str) -> Result<&'a [u8], Fault> {
        let load = self.load(address, len).ok_or(Fault::Inconsistent { what })?;
        let start = address - load.p_vaddr;
        if start.saturating_add(len) > load.p_filesz {
            return Err(Fault::Inconsistent { what });
        }
        part(self.bytes, load.p_offset + start, len, what)
    }

    fn bytes_of(&self, tag: u64, size: u64, what: &'static str) -> Result<&'a [u8], Fault> {
        match (self.value(tag), self.value(size)) {
            (Some(address), Some(len)) => self.at(address, len, what),
            _ => Err(Fault::Inconsistent { what }),
        }
    }

    fn executable(&self, address: u64) -> Result<(), Fault> {
        let executable = |load: &ProgramHeader| load.p_flags & ph::PF_X != 0;
        if self.load(address, 1).is_some_and(executable) {
            return Ok(());
        }
        Err(Fault::Inconsistent { what: "code that runs at loading lies outside the code" })
    }

    /// Each relocation must write into a segment that is writable.
    fn check_relocations(&self, tag: u64, size: u64) -> Result<(), Fault> {
        if self.value(tag).is_none() {
            return Ok(());
        }
        const WHAT: &str = "the table of relocations";
        let mut last: Option<&ProgramHeader> = None;
        for entry in self.bytes_of(tag, size, WHAT)?.chunks_exact(24) {
            let place = word(entry, 0);
            let holds = |load: &&ProgramHeader| {
                place >= load.p_vaddr && place.saturating_add(8) <= load.p_vaddr + load.p_memsz
            };
            let load = match last.filter(holds) {
                Some(load) => load,
                None => self
                    .load(place, 8)
                    .filter(|load| load.p_flags & ph::PF_W != 0)
                    .ok_or(Fault::Inconsistent { what: "a relocation outside writable memory" })?,
            };
            last = Some(load);
        }
        Ok(())
    }

    /// Arrays of functions that the loader runs: their place is checked; what a relocation will
    /// put there is the relocation's matter.
    fn check_pointers(&self, tag: u64, size: u64) -> Result<(), Fault> {
        if self.value(tag).is_none() {
            return Ok(());
        }
        let array = self.bytes_of(tag, size, "the array of constructors or destructors")?;
        for pointer in array.chunks_exact(8).map(|entry| word(entry, 0)) {
            if pointer != 0 && pointer != u64::MAX {
                self.executable(pointer)?;
            }
        }
        Ok(())
    }
}

/// Checks one loadable segment, and returns where it ends in memory.
fn check_load(segment: &ProgramHeader, after: u64) -> Result<u64, Fault> {
    let both = ph::PF_W | ph::PF_X;
    if segment.p_flags & both == both {
        return Err(Fault::WritableAndExecutable);
    }
    let end = segment.p_vaddr.checked_add(segment.p_memsz);
    let end = end.filter(|end| *end < 1 << 47);
    let end =
        end.ok_or(Fault::Inconsistent { what: "a segment wraps around the address space" })?;
    if segment.p_memsz < segment.p_filesz {
        return Err(Fault::Inconsistent { what: "a segment is larger in the file than in memory" });
    }
    if segment.p_vaddr < after {
        return Err(Fault::Inconsistent { what: "segments overlap or are out of order" });
    }
    let align = segment.p_align.max(1);
    if !align.is_power_of_two() || segment.p_vaddr % align != segment.p_offset % align {
        return Err(Fault::Inconsistent { what: "a segment's alignment" });
    }
    Ok(end)
}

/// Whether `load` maps all of `segment`, from the same bytes of the file.
fn holds(load: &ProgramHeader, segment: &ProgramHeader) -> bool {
    segment.p_vaddr >= load.p_vaddr
        && segment.p_vaddr.saturating_add(segment.p_filesz) <= load.p_vaddr + load.p_filesz
        && segment.p_vaddr - load.p_vaddr == segment.p_offset.wrapping_sub(load.p_offset)
}

/// The one section called `midair`, where it will be both read from and written to.
fn records(
    sections: &[SectionHeader],
    names: &[&[u8]],
    segments: &[ProgramHeader],
) -> Result<Option<Records>, Fault> {
    let mut ours = sections.iter().zip(names).filter(|(_, name)| **name == SECTION);
    let Some((section, _)) = ours.next() else { return Ok(None) };
    if ours.next().is_some() {
        return Err(Fault::Inconsistent { what: "there are two midair sections" });
    }
    let mapped = segments.iter().any(|load| {
        load.p_type == ph::PT_LOAD
            && load.p_flags & ph::PF_W != 0
            && section.sh_addr >= load.p_vaddr
            && section.sh_addr.saturating_add(section.sh_size) <= load.p_vaddr + load.p_filesz
            && section.sh_addr - load.p_vaddr == section.sh_offset.wrapping_sub(load.p_offset)
    });
    if section.sh_type != sh::SHT_PROGBITS || !mapped || !section.sh_addr.is_multiple_of(8) {
        return Err(Fault::Inconsistent { what: "the midair section is not where it is mapped" });
    }
    let range = section_range(section);
    Ok(Some(Records { offset: range.start, len: range.len(), address: section.sh_addr }))
}

fn section_range(section: &SectionHeader) -> Range<usize> {
    if section.sh_type == sh::SHT_NOBITS {
        return 0..0;
    }
    section.sh_offset as usize..(section.sh_offset + section.sh_size) as usize
}

fn segment_range(segment: &ProgramHeader) -> Range<usize> {
    segment.p_offset as usize..(segment.p_offset + segment.p_filesz) as usize
}

fn c_string(strings: &[u8], at: u64) -> Option<&[u8]> {
    let rest = strings.get(usize::try_from(at).ok()?..)?;
    std::ffi::CStr::from_bytes_until_nul(rest).ok().map(std::ffi::CStr::to_bytes)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
