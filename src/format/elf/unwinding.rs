//! The index of unwind information, which a panic searches by halves.

use goblin::elf::ProgramHeader;
use goblin::elf::program_header as ph;

use super::sections::Sections;
use super::segments::Segments;
use super::words::{half, words};
use crate::format::{Fault, Table};

const TABLE: Table = Table::Unwinding;
/// The most functions that are accepted.
const LIMIT: usize = 1 << 23;
/// The version, and the encodings of the frames' address, the count and the table, as all linkers
/// write them.
const HEADER: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
/// The same where the linker made no table.
const NO_TABLE: [u8; 4] = [1, 0x1b, 0xff, 0xff];

/// The index of the library, checked: it is sorted by code, and leads from code to the frames'
/// table.
pub(super) struct Unwinding<'a> {
    base: u64,
    /// Where each function is, and its frame.
    entries: &'a [[u8; 8]],
}

impl<'a> Unwinding<'a> {
    pub(super) fn read(segments: &Segments<'a>, sections: &Sections<'_>) -> Result<Self, Fault> {
        let segment = segments.one(ph::PT_GNU_EH_FRAME);
        let segment = segment.filter(|segment| segment.p_filesz > 0);
        let mut unwinding = Self { base: 0, entries: &[] };
        if let Some(segment) = segment {
            unwinding.base = segment.p_vaddr;
            unwinding.entries = read(segment, segments, sections)?;
        }
        Ok(unwinding)
    }

    /// Whether a function starts at `address`.
    pub(super) fn has_function(&self, address: u64) -> bool {
        self.entries.binary_search_by_key(&address, |entry| start(*entry, self.base)).is_ok()
    }
}

/// The entries of the index in `segment`.
fn read<'a>(
    segment: &ProgramHeader,
    segments: &Segments<'a>,
    sections: &Sections<'_>,
) -> Result<&'a [[u8; 8]], Fault> {
    if let Some(section) = sections.named(b".eh_frame_hdr")
        && (section.sh_addr, section.sh_size) != (segment.p_vaddr, segment.p_memsz)
    {
        return Err(TABLE.fault("it is not where the section is"));
    }
    let bytes = segments.bytes_of(segment)?;
    let base = segment.p_vaddr;
    let frames = half(bytes, 4).unwrap_or(0) as i32;
    let frames = base.wrapping_add(4).wrapping_add_signed(frames.into());
    let frames = frames_at(frames, segments, sections)?;
    match bytes.first_chunk() {
        Some(&HEADER) => {}
        Some(&NO_TABLE) => return Ok(&[]),
        _ => return Err(TABLE.fault("its header")),
    }
    let count = half(bytes, 8).unwrap_or(u32::MAX) as usize;
    if count > LIMIT {
        return Err(TABLE.too_many(count, LIMIT));
    }
    let table = bytes.get(12..).and_then(|table| table.get(..count.checked_mul(8)?));
    let table = words(table.ok_or(TABLE.fault("it is too short"))?);
    check_entries(table, base, frames, segments)?;
    Ok(table)
}

/// The addresses of the frames' table that begins at `start`.
fn frames_at(
    start: u64,
    segments: &Segments<'_>,
    sections: &Sections<'_>,
) -> Result<(u64, u64), Fault> {
    let range = |start: u64, len: u64| (start, start.saturating_add(len));
    let load = segments.load(start, 4).ok_or(TABLE.fault("it leads outside the library"))?;
    let Some(section) = sections.named(b".eh_frame") else {
        return Ok(range(load.p_vaddr, load.p_filesz));
    };
    if section.sh_addr != start {
        return Err(TABLE.fault("it leads elsewhere than to the frames' table"));
    }
    Ok(range(section.sh_addr, section.sh_size))
}

fn start([c0, c1, c2, c3, ..]: [u8; 8], base: u64) -> u64 {
    base.wrapping_add_signed(i32::from_le_bytes([c0, c1, c2, c3]).into())
}

fn check_entries(
    table: &[[u8; 8]],
    base: u64,
    frames: (u64, u64),
    segments: &Segments<'_>,
) -> Result<(), Fault> {
    let mut last = 0;
    let mut code = (0, 0);
    for (index, entry) in table.iter().enumerate() {
        let [.., f0, f1, f2, f3] = *entry;
        let start = start(*entry, base);
        let frame = base.wrapping_add_signed(i32::from_le_bytes([f0, f1, f2, f3]).into());
        if start < code.0 || start >= code.1 {
            let load = segments.load(start, 1).filter(|load| load.p_flags & ph::PF_X != 0);
            let load = load.ok_or(TABLE.at(index, "it is not about code"))?;
            code = (load.p_vaddr, load.p_vaddr.saturating_add(load.p_memsz));
        }
        if start < last {
            return Err(TABLE.at(index, "it is out of order"));
        }
        if frame < frames.0 || frame >= frames.1 {
            return Err(TABLE.at(index, "it leads outside the frames' table"));
        }
        last = start;
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use crate::format::Table;
    use crate::format::elf::specimen::Specimen;

    #[test]
    fn the_index_is_sorted_and_leads_from_code_to_frames() {
        let specimen = Specimen::get();
        let index = specimen.section(".eh_frame_hdr").start;
        let refused = |at: usize, bytes: &[u8], what| {
            specimen.refused(index + at, bytes, Table::Unwinding, what);
        };
        refused(0, &[2], "its header");
        refused(4, &[0xff; 4], "elsewhere than to the frames' table");
        refused(4, &[0, 0, 0, 0x70], "outside the library");
        refused(8, &[0xff; 2], "too short");
        refused(8, &[0xff; 4], "the limit");
        refused(12, &[0; 4], "not about code");
        refused(16, &[0, 0, 0, 0x70], "outside the frames' table");
        refused(12, &specimen.bytes[index + 28..index + 36], "out of order");
    }
}
