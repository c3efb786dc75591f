//! ELF: every table that the loader reads, against the file's size, the segments, the sections and
//! the other tables, so that the loader meets nothing that it would not survive.

mod agreement;
mod allocator;
mod constructors;
mod dynamic;
mod hashes;
mod holes;
mod kinds;
mod notes;
mod places;
mod relative;
mod relocations;
mod sections;
mod segments;
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod specimen;
mod symbols;
mod tags;
mod targets;
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests;
mod unwinding;
mod versions;
#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod witness;
mod words;

use goblin::container::{Container as Class, Ctx};
use goblin::elf::Elf;
use goblin::elf::header as eh;
use midair_arch::Machine;

use self::dynamic::Dynamic;
use self::hashes::Hashes;
use self::kinds::Kinds;
use self::relocations::Relocations;
use self::sections::Sections;
use self::segments::Segments;
use self::symbols::Symbols;
use self::unwinding::Unwinding;
use self::versions::Versions;
use super::{Binding, Container, Fault, Format, part};

/// Checks the library `bytes` and finds its records.
pub(super) fn read(bytes: &[u8]) -> Result<Container, Fault> {
    part(bytes, 0, 64, "the file's header")?;
    let file = File::read(bytes)?;
    let machine = Machine::from_elf(file.header.e_machine, file.context.is_big());
    if file.header.e_type != eh::ET_DYN {
        return Err(Fault::NotShared);
    }
    let segments = Segments::read(&file)?;
    let sections = Sections::read(&file)?;
    let records = sections.records(&segments)?.ok_or(Fault::NoRecords)?;
    let allocator = allocator::of(&sections, file.context.is_big())?;
    let (needed, binding) = if file.context.is_big() && file.context.le.is_little() {
        let dynamic = Dynamic::read(&segments)?;
        if machine == Machine::HOST {
            check(&segments, &sections, &dynamic, machine)?;
        }
        (dynamic.needed(), dynamic.binding())
    } else {
        (Vec::new(), Binding::AskLoader)
    };
    let mapped = segments.end_in_file();
    let records = Some(records);
    Ok(Container { format: Format::Elf, machine, records, mapped, needed, allocator, binding })
}

/// Checks all that the loader of `machine` will follow.
fn check(
    segments: &Segments<'_>,
    sections: &Sections<'_>,
    dynamic: &Dynamic<'_>,
    machine: Machine,
) -> Result<(), Fault> {
    sections.check_places(segments)?;
    sections.check_threads(segments)?;
    sections.check_read_only(segments)?;
    let unwinding = Unwinding::read(segments, sections)?;
    agreement::check(dynamic, sections, segments, &unwinding)?;
    let symbols = Symbols::read(dynamic, sections, segments)?;
    symbols.check(sections, segments)?;
    Hashes { dynamic, sections, segments, symbols: &symbols }.check()?;
    Versions::read(dynamic, sections, segments)?.check(&symbols)?;
    let kinds = Kinds::of(machine).ok_or(Fault::Machine { found: machine })?;
    Relocations::new(segments, dynamic, &symbols, kinds)?.check()?;
    notes::check(segments, sections)?;
    holes::check(sections)
}

fn damaged(error: goblin::error::Error) -> Fault {
    Fault::Damaged { format: Format::Elf, reason: error.to_string() }
}

/// The file with what its header says.
struct File<'a> {
    bytes: &'a [u8],
    header: eh::Header,
    context: Ctx,
}

impl<'a> File<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let header = Elf::parse_header(bytes).map_err(damaged)?;
        let version = u32::from(eh::EV_CURRENT);
        if u32::from(header.e_ident[eh::EI_VERSION]) != version || header.e_version != version {
            return Err(Fault::Inconsistent {
                what: "the file's header names a version that the format does not have",
            });
        }
        let is_64 = header.e_ident[eh::EI_CLASS] == eh::ELFCLASS64;
        let class = if is_64 { Class::Big } else { Class::Little };
        let context = Ctx::new(class, header.endianness().map_err(damaged)?);
        Ok(Self { bytes, header, context })
    }
}
