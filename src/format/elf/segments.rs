//! The program headers: what is mapped where, and with which rights.

use goblin::elf::ProgramHeader;
use goblin::elf::program_header as ph;

use super::{File, damaged};
use crate::format::{Fault, Table, part};

/// The most program headers that a library may have; linkers write about a dozen, and the loader
/// keeps them on its stack.
const LIMIT: usize = 32;
/// The smallest page of any system that we load for.
pub(super) const PAGE: u64 = 4_096;
/// Where addresses end that a program can have.
const ADDRESSES: u64 = 1 << 47;
/// The largest alignment that a segment may ask for.
const ALIGNMENT: u64 = 1 << 30;
const PT_GNU_SFRAME: u32 = 0x6474_e554;

/// The program headers, each checked against the file and against the others.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    all: Vec<ProgramHeader>,
}

impl<'a> Segments<'a> {
    pub(super) fn read(file: &File<'a>) -> Result<Self, Fault> {
        let header = &file.header;
        let (count, size) = (usize::from(header.e_phnum), header.e_phentsize);
        if count == 0 {
            return Err(Fault::NotShared);
        }
        if size != if file.context.is_big() { 56 } else { 32 } {
            return Err(Table::Segments.fault("the size of a program header"));
        }
        if count > LIMIT {
            return Err(Table::Segments.too_many(count, LIMIT));
        }
        let len = count as u64 * u64::from(size);
        part(file.bytes, header.e_phoff, len, "the program headers")?;
        let all = ProgramHeader::parse(file.bytes, header.e_phoff as usize, count, file.context);
        let segments = Self { bytes: file.bytes, all: all.map_err(damaged)? };
        segments.check_each()?;
        segments.check_inside()?;
        Ok(segments)
    }

    fn check_each(&self) -> Result<(), Fault> {
        let mut end = 0;
        for (index, segment) in self.all.iter().enumerate() {
            if segment.p_type != ph::PT_NULL {
                part(self.bytes, segment.p_offset, segment.p_filesz, "a segment")?;
            }
            match segment.p_type {
                ph::PT_LOAD => end = check_load(segment, index, end)?,
                ph::PT_GNU_STACK if segment.p_flags & ph::PF_X != 0 => {
                    return Err(Fault::WritableAndExecutable);
                }
                ph::PT_NULL | ph::PT_NOTE => {}
                kind if !known(kind) => {
                    return Err(Table::Segments.at(index, "a kind that no linker writes"));
                }
                kind => {
                    if self.all[..index].iter().any(|before| before.p_type == kind) {
                        return Err(Table::Segments.at(index, "there are two of this kind"));
                    }
                }
            }
        }
        if end == 0 { Err(Fault::NotShared) } else { Ok(()) }
    }

    fn check_inside(&self) -> Result<(), Fault> {
        for (index, segment) in self.all.iter().enumerate() {
            let has_bytes = matches!(
                segment.p_type,
                ph::PT_DYNAMIC
                    | ph::PT_TLS
                    | ph::PT_GNU_EH_FRAME
                    | ph::PT_NOTE
                    | ph::PT_PHDR
                    | ph::PT_GNU_PROPERTY
                    | PT_GNU_SFRAME
            ) && segment.p_filesz > 0;
            if has_bytes && !self.loads().any(|load| holds(load, segment)) {
                return Err(Table::Segments.at(index, "it lies outside what is loaded"));
            }
            let sound = match segment.p_type {
                ph::PT_DYNAMIC
                | ph::PT_PHDR
                | ph::PT_NOTE
                | ph::PT_GNU_EH_FRAME
                | ph::PT_GNU_PROPERTY => segment.p_memsz == segment.p_filesz,
                ph::PT_TLS => {
                    segment.p_memsz >= segment.p_filesz
                        && segment.p_memsz <= u64::from(u32::MAX)
                        && segment.p_align.max(1).is_power_of_two()
                        && segment.p_align <= 1 << 20
                }
                _ => true,
            };
            if !sound {
                return Err(Table::Segments.at(index, "its size or alignment"));
            }
        }
        Ok(())
    }

    /// The one segment of a kind that there is one of.
    pub(super) fn one(&self, kind: u32) -> Option<&ProgramHeader> {
        self.all.iter().find(|segment| segment.p_type == kind)
    }

    pub(super) fn of_kind(&self, kind: u32) -> impl Iterator<Item = &ProgramHeader> {
        self.all.iter().filter(move |segment| segment.p_type == kind)
    }

    pub(super) fn loads(&self) -> impl Iterator<Item = &ProgramHeader> {
        self.of_kind(ph::PT_LOAD)
    }

    /// The bytes of `segment` in the file.
    pub(super) fn bytes_of(&self, segment: &ProgramHeader) -> Result<&'a [u8], Fault> {
        part(self.bytes, segment.p_offset, segment.p_filesz, "a segment")
    }

    /// Where in the file the last mapped byte is followed by what is not mapped.
    pub(super) fn end_in_file(&self) -> usize {
        let ends = self.loads().map(|load| load.p_offset.saturating_add(load.p_filesz));
        ends.max().map_or(self.bytes.len(), |end| end as usize).min(self.bytes.len())
    }

    /// The addresses from the first mapped byte to the one after the last.
    pub(super) fn span(&self) -> (u64, u64) {
        let start = self.loads().map(|load| load.p_vaddr).min().unwrap_or(0);
        (start, self.loads().map(load_end).max().unwrap_or(0))
    }

    /// What maps all `len` bytes at `address`.
    pub(super) fn load(&self, address: u64, len: u64) -> Option<&ProgramHeader> {
        self.loads()
            .find(|load| address >= load.p_vaddr && address.saturating_add(len) <= load_end(load))
    }

    /// The file's bytes that will be at `address`.
    pub(super) fn at(&self, address: u64, len: u64, table: Table) -> Result<&'a [u8], Fault> {
        const OUTSIDE: &str = "it lies outside what is loaded";
        let load = self.load(address, len).ok_or(table.fault(OUTSIDE))?;
        let start = address - load.p_vaddr;
        if start.saturating_add(len) > load.p_filesz {
            return Err(table.fault(OUTSIDE));
        }
        part(self.bytes, load.p_offset.saturating_add(start), len, "a table")
    }

    pub(super) fn is_executable(&self, address: u64) -> bool {
        self.load(address, 1).is_some_and(|load| load.p_flags & ph::PF_X != 0)
    }
}

/// Checks one loadable segment, and returns where it ends in memory.
fn check_load(segment: &ProgramHeader, index: usize, after: u64) -> Result<u64, Fault> {
    let both = ph::PF_W | ph::PF_X;
    let wrong = |what| Err(Table::Segments.at(index, what));
    if segment.p_flags & both == both {
        return Err(Fault::WritableAndExecutable);
    }
    let end = segment.p_vaddr.checked_add(segment.p_memsz);
    let Some(end) = end.filter(|end| *end < ADDRESSES) else {
        return wrong("it wraps around the address space");
    };
    if segment.p_memsz < segment.p_filesz {
        return wrong("it is larger in the file than in memory");
    }
    // The loader maps whole pages: two segments on one page would replace each other.
    if after > 0 && segment.p_vaddr / PAGE < after.div_ceil(PAGE) {
        return wrong("it overlaps another or is out of order");
    }
    let align = segment.p_align.max(1);
    if !align.is_power_of_two()
        || align > ALIGNMENT
        || segment.p_vaddr % align != segment.p_offset % align
    {
        return wrong("its alignment");
    }
    if segment.p_memsz > segment.p_filesz && segment.p_flags & ph::PF_W == 0 {
        return wrong("it is to be filled with zeros, but cannot be written");
    }
    Ok(end)
}

fn known(kind: u32) -> bool {
    const PROCESSOR: std::ops::RangeInclusive<u32> = 0x7000_0000..=0x7fff_ffff;
    matches!(
        kind,
        ph::PT_DYNAMIC
            | ph::PT_INTERP
            | ph::PT_PHDR
            | ph::PT_TLS
            | ph::PT_GNU_EH_FRAME
            | ph::PT_GNU_STACK
            | ph::PT_GNU_RELRO
            | ph::PT_GNU_PROPERTY
            | PT_GNU_SFRAME
    ) || PROCESSOR.contains(&kind)
}

fn load_end(load: &ProgramHeader) -> u64 {
    load.p_vaddr.saturating_add(load.p_memsz)
}

/// Whether `load` maps all of `segment`, from the same bytes of the file.
fn holds(load: &ProgramHeader, segment: &ProgramHeader) -> bool {
    segment.p_vaddr >= load.p_vaddr
        && segment.p_vaddr.saturating_add(segment.p_filesz)
            <= load.p_vaddr.saturating_add(load.p_filesz)
        && segment.p_vaddr - load.p_vaddr == segment.p_offset.wrapping_sub(load.p_offset)
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use goblin::elf::program_header as ph;

    use crate::format::Table;
    use crate::format::elf::specimen::Specimen;

    #[test]
    fn segments_are_where_the_sections_are() {
        let specimen = Specimen::get();
        let refused = |kind, offset, bytes: &[u8], table, what| {
            specimen.refused(specimen.segment(kind) + offset, bytes, table, what);
        };
        let own = Table::Segments;
        refused(ph::PT_LOAD, 0, &ph::PT_NOTE.to_le_bytes(), own, "outside what is loaded");
        refused(ph::PT_LOAD, 4, &[0], Table::Sections, "without the rights");
        refused(ph::PT_LOAD, 48, &3_u64.to_le_bytes(), own, "its alignment");
        refused(ph::PT_LOAD, 40, &(1_u64 << 50).to_le_bytes(), own, "wraps");
        refused(ph::PT_LOAD, 40, &(1_u64 << 40).to_le_bytes(), own, "filled with zeros");
        refused(ph::PT_TLS, 40, &(1_u64 << 40).to_le_bytes(), own, "its size or alignment");
        refused(ph::PT_TLS, 40, &[0xff], own, "the thread-local storage");
        refused(ph::PT_TLS, 0, &ph::PT_NULL.to_le_bytes(), own, "the thread-local storage");
        refused(ph::PT_TLS, 0, &77_u32.to_le_bytes(), own, "a kind that no linker writes");
        refused(ph::PT_NOTE, 40, &[0xff], own, "its size or alignment");
        refused(ph::PT_GNU_RELRO, 16, &[0; 4], own, "not writable before");
        let (load, relro) = (specimen.section(".data"), specimen.segment(ph::PT_GNU_RELRO));
        let address = (load.start as u64 + 0x3000).to_le_bytes();
        specimen.refused(relro + 16, &address, own, "read-only");
    }
}
