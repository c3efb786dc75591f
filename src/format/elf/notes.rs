//! The notes, of which the loader reads the properties of the code.

use goblin::elf::program_header as ph;
use goblin::elf::section_header as sh;

use super::sections::Sections;
use super::segments::Segments;
use super::words::half;
use crate::format::{Fault, Table};

/// The most notes of one segment that are looked at.
const LIMIT: usize = 1_024;

/// The segments hold the sections of notes and nothing else, and each note lies inside its own.
pub(super) fn check(segments: &Segments<'_>, sections: &Sections<'_>) -> Result<(), Fault> {
    check_places(segments, sections)?;
    let notes = segments.of_kind(ph::PT_NOTE).chain(segments.of_kind(ph::PT_GNU_PROPERTY));
    for segment in notes {
        let bytes = segments.bytes_of(segment)?;
        let align = if segment.p_align == 8 { 8 } else { 4 };
        let mut at = 0_usize;
        let mut index = 0;
        // Zeros behind the last note are padding of sections that were put together.
        while bytes.len().saturating_sub(at) >= 12 {
            let size = |offset: usize| half(bytes, at + offset).unwrap_or(0) as usize;
            let content = size(0).checked_add(12).and_then(|len| round(len, align));
            let end = content.and_then(|len| len.checked_add(size(4))?.checked_add(at));
            let end = end.filter(|end| *end <= bytes.len());
            let end = end.ok_or(Table::Notes.at(index, "it lies outside its segment"))?;
            at = round(end, align).unwrap_or(usize::MAX);
            index += 1;
            if index > LIMIT {
                return Err(Table::Notes.too_many(index, LIMIT));
            }
        }
    }
    Ok(())
}

fn check_places(segments: &Segments<'_>, sections: &Sections<'_>) -> Result<(), Fault> {
    let range = |start: u64, len: u64| (start, start.saturating_add(len));
    let notes = || {
        let sections = sections.of_kind(sh::SHT_NOTE).map(|(_, section)| section);
        sections.map(|section| range(section.sh_addr, section.sh_size))
    };
    let held = || {
        let segments = segments.of_kind(ph::PT_NOTE).filter(|segment| segment.p_filesz > 0);
        segments.map(|segment| range(segment.p_vaddr, segment.p_filesz))
    };
    if notes().any(|note| !held().any(|held| held.0 <= note.0 && note.1 <= held.1)) {
        return Err(Table::Notes.fault("a section of notes in no segment of notes"));
    }
    let bounded = |held: (u64, u64)| {
        notes().any(|note| note.0 == held.0) && notes().any(|note| note.1 == held.1)
    };
    if !held().all(bounded) {
        return Err(Table::Notes.fault("a segment of notes holds something else"));
    }
    Ok(())
}

fn round(len: usize, align: usize) -> Option<usize> {
    len.checked_next_multiple_of(align)
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use crate::format::Table;
    use crate::format::elf::specimen::Specimen;

    #[test]
    fn notes_end_inside_their_segments() {
        let specimen = Specimen::built(&["-Clink-arg=-Wl,--build-id=sha1"]).unwrap();
        let note = specimen.section(".note.gnu.build-id").start;
        specimen.refused(note, &[0xff; 4], Table::Notes, "outside its segment");
        specimen.refused(note + 4, &[0xff; 4], Table::Notes, "outside its segment");
        let segment = specimen.segment(goblin::elf::program_header::PT_NOTE);
        specimen.refused(segment, &[0; 4], Table::Notes, "in no segment of notes");
        let short = [8_u64.to_le_bytes(), 8_u64.to_le_bytes()].concat();
        specimen.refused(segment + 32, &short, Table::Notes, "segment of notes");
    }
}
