//! Whether an image carries its debug info itself, has it in a file of its own, or split it off.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use goblin::elf::section_header::SHT_NOBITS;
use midair_trampolines::os;

use super::sections::Sections;
use super::split::Files;
use super::{Absent, Origin};

/// The sections of `bytes`; where they hold no debug info, those of the file that `strip` or
/// `objcopy` moved it to.
pub(super) fn sections<'a>(
    bytes: &'a [u8],
    origin: &Origin,
    files: &'a Files,
) -> Result<Sections<'a>, Absent> {
    let own = Sections::find(bytes)?;
    if own.has(".debug_info") {
        return Ok(own);
    }
    let Some(build) = build_id(&own).filter(|_| origin.stamp.is_some()) else {
        return Err(Absent::None);
    };
    for place in places(&own, origin, build) {
        let Some((bytes, _)) = files.read(&place)? else { continue };
        let other = Sections::find(bytes)?;
        if !other.has(".debug_info") {
            continue;
        }
        // Both carry the number of the build: what else tells that they belong together?
        if build_id(&other) != Some(build) {
            return Err(Absent::stale(&place));
        }
        return Ok(own.with_debug_info_of(other));
    }
    Err(Absent::None)
}

/// Where debug info may be that was moved to a file of its own.
fn places(sections: &Sections<'_>, origin: &Origin, build: &[u8]) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let link = sections.get(".gnu_debuglink").split(|byte| *byte == 0).next();
    let link = link.and_then(|name| std::str::from_utf8(name).ok()).map(Path::new);
    // A name alone, as the format has it: never a path that leads elsewhere.
    if let (Some(name), Some(folder)) = (link.and_then(Path::file_name), origin.path.parent()) {
        places.extend([folder.join(name), folder.join(".debug").join(name)]);
    }
    if let [first, rest @ ..] = build {
        let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        places.push(format!("/usr/lib/debug/.build-id/{first:02x}/{rest}.debug").into());
    }
    places
}

/// The number that the linker gave to the build.
fn build_id<'a>(sections: &Sections<'a>) -> Option<&'a [u8]> {
    let note = sections.get(".note.gnu.build-id");
    let (name, contents) = (low_word(note, 0)? as usize, low_word(note, 4)? as usize);
    let start = 12_usize.checked_add(name.checked_next_multiple_of(4)?)?;
    note.get(start..start.checked_add(contents)?).filter(|number| !number.is_empty())
}

/// Whether `file` names debug info that was split off, which the next build overwrites. Only what
/// tells is read, not the whole of it.
pub(crate) fn is_split(file: &mut File) -> bool {
    names_parts(file).unwrap_or(false)
}

fn names_parts(file: &mut File) -> Option<bool> {
    // It was loaded, so it is an ELF file of 64 bits, little-endian.
    let header = part(file, 0, 64)?;
    let (count, names) = (half(&header, 60)?, half(&header, 62)?);
    let table = part(file, word(&header, 40)?, u64::from(count) * SECTION as u64)?;
    let sections: Vec<&[u8]> = table.chunks_exact(SECTION).collect();
    let names = contents(file, sections.get(usize::from(names))?)?;
    let is_named = |section: &&&[u8], wanted: &[u8]| {
        let name = low_word(section, 0).and_then(|at| names.get(at as usize..));
        name.is_some_and(|name| name.split(|byte| *byte == 0).next() == Some(wanted))
    };
    // Split units reach addresses by number, so these stand in a section of their own.
    if !sections.iter().any(|section| is_named(&section, b".debug_addr")) {
        return Some(false);
    }
    let strings = sections.iter().find(|section| is_named(section, b".debug_str"))?;
    Some(os::find(&contents(file, strings)?, b".dwo\0").is_some())
}

/// The size of a section's header.
const SECTION: usize = 64;

/// What the section with this header holds.
fn contents(file: &mut File, section: &[u8]) -> Option<Vec<u8>> {
    if low_word(section, 4)? == SHT_NOBITS {
        return Some(Vec::new());
    }
    part(file, word(section, 24)?, word(section, 32)?)
}

fn part(file: &mut File, offset: u64, len: u64) -> Option<Vec<u8>> {
    let whole = file.metadata().ok()?.len();
    if offset.checked_add(len)? > whole {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    file.seek(SeekFrom::Start(offset)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn low_word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
