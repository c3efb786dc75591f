//! Mach-O: the sections and load commands of a thin dylib.

use goblin::mach::MachO;
use goblin::mach::header::{MH_BUNDLE, MH_DYLIB};
use midair_arch::Machine;

use super::{Allocator, Binding, Container, Fault, Format, Records, part};

const SECTION: &str = "__midair";

pub(super) fn read(bytes: &[u8]) -> Result<Container, Fault> {
    let damaged = |error: goblin::error::Error| Fault::Damaged {
        format: Format::MachO,
        reason: error.to_string(),
    };
    part(bytes, 0, 32, "the file's header")?;
    let file = MachO::parse(bytes, 0).map_err(damaged)?;
    if !matches!(file.header.filetype, MH_DYLIB | MH_BUNDLE) {
        return Err(Fault::NotShared);
    }
    let mut found = None;
    for segment in &file.segments {
        part(bytes, segment.fileoff, segment.filesize, "a segment")?;
        for section in segment.sections().map_err(damaged)? {
            let (section, data) = section;
            if section.name().is_ok_and(|name| name == SECTION) {
                part(bytes, u64::from(section.offset), section.size, "the midair section")?;
                if found.is_some() || data.len() as u64 != section.size {
                    return Err(Fault::Inconsistent { what: "the midair section" });
                }
                found = Some(Records {
                    offset: section.offset as usize,
                    len: section.size as usize,
                    address: section.addr,
                });
            }
        }
    }
    // The first entry stands for the library itself.
    let needed = file.libs.iter().skip(1).map(|name| (*name).to_owned()).collect();
    Ok(Container {
        format: Format::MachO,
        machine: Machine::from_mach(file.header.cputype),
        records: found,
        mapped: bytes.len(),
        needed,
        allocator: Allocator::Unknown,
        binding: Binding::Own,
    })
}
