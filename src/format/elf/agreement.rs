//! The dynamic section and the section headers name the same tables.

use goblin::elf::dynamic as dt;
use goblin::elf::program_header as ph;
use goblin::elf::section_header as sh;

use super::dynamic::Dynamic;
use super::sections::Sections;
use super::segments::Segments;
use super::tags::{DT_RELR, DT_RELRSZ};
use super::unwinding::Unwinding;
use crate::format::{Fault, Table};

pub(super) const SHT_RELR: u32 = 19;

/// The kind of section that a pair of tags stands for; where there is no second tag, the section
/// alone knows the size.
const PAIRS: [(u32, u64, Option<u64>, Table); 9] = [
    (sh::SHT_DYNSYM, dt::DT_SYMTAB, None, Table::Symbols),
    (sh::SHT_HASH, dt::DT_HASH, None, Table::Hashes),
    (sh::SHT_GNU_HASH, dt::DT_GNU_HASH, None, Table::Hashes),
    (sh::SHT_GNU_VERSYM, dt::DT_VERSYM, None, Table::Versions),
    (sh::SHT_GNU_VERNEED, dt::DT_VERNEED, None, Table::Versions),
    (sh::SHT_GNU_VERDEF, dt::DT_VERDEF, None, Table::Versions),
    (SHT_RELR, DT_RELR, Some(DT_RELRSZ), Table::Relocations),
    (sh::SHT_INIT_ARRAY, dt::DT_INIT_ARRAY, Some(dt::DT_INIT_ARRAYSZ), Table::Constructors),
    (sh::SHT_FINI_ARRAY, dt::DT_FINI_ARRAY, Some(dt::DT_FINI_ARRAYSZ), Table::Constructors),
];

const APART: &str = "the dynamic section and the section headers contradict each other";

pub(super) fn check(
    dynamic: &Dynamic<'_>,
    sections: &Sections<'_>,
    segments: &Segments<'_>,
    unwinding: &Unwinding<'_>,
) -> Result<(), Fault> {
    for (kind, tag, size, table) in PAIRS {
        let mut found = sections.of_kind(kind).map(|(_, section)| section);
        let (section, second) = (found.next(), found.next());
        let address = dynamic.value(tag);
        let len = size.and_then(|tag| dynamic.value(tag));
        let agree = match section {
            Some(section) => {
                address == Some(section.sh_addr) && len.is_none_or(|len| len == section.sh_size)
            }
            None => address.is_none() || len == Some(0),
        };
        if !agree || second.is_some() {
            return Err(table.fault(APART));
        }
    }
    check_dynamic(sections, segments)?;
    check_strings(dynamic, sections)?;
    check_relocations(dynamic, sections)?;
    check_code(dynamic, sections, unwinding)
}

fn check_dynamic(sections: &Sections<'_>, segments: &Segments<'_>) -> Result<(), Fault> {
    let segment = segments.one(ph::PT_DYNAMIC).ok_or(Fault::NotShared)?;
    let mut found = sections.of_kind(sh::SHT_DYNAMIC);
    let same = found.next().is_some_and(|(_, section)| {
        section.sh_addr == segment.p_vaddr && section.sh_size == segment.p_memsz
    });
    if same { Ok(()) } else { Err(Table::Dynamic.fault(APART)) }
}

fn check_strings(dynamic: &Dynamic<'_>, sections: &Sections<'_>) -> Result<(), Fault> {
    let symbols = sections.of_kind(sh::SHT_DYNSYM).next();
    let strings = symbols.and_then(|(_, symbols)| sections.headers.get(symbols.sh_link as usize));
    let same = strings.is_some_and(|strings| {
        dynamic.value(dt::DT_STRTAB) == Some(strings.sh_addr)
            && dynamic.value(dt::DT_STRSZ) == Some(strings.sh_size)
    });
    if same { Ok(()) } else { Err(Table::Strings.fault(APART)) }
}

/// The sections of relocations fill the two tables of them without a gap.
fn check_relocations(dynamic: &Dynamic<'_>, sections: &Sections<'_>) -> Result<(), Fault> {
    let range = |tag: u64, size: u64| {
        let start = dynamic.value(tag).unwrap_or(0);
        (start, start.saturating_add(dynamic.value(size).unwrap_or(0)))
    };
    let all = range(dt::DT_RELA, dt::DT_RELASZ);
    let calls = range(dt::DT_JMPREL, dt::DT_PLTRELSZ);
    let mut left = (all.1 - all.0).saturating_add(calls.1 - calls.0);
    if calls.0 >= all.0 && calls.1 == all.1 {
        left = all.1 - all.0;
    }
    for (index, section) in sections.of_kind(sh::SHT_RELA) {
        let end = section.sh_addr.saturating_add(section.sh_size);
        let inside = [all, calls].iter().any(|range| section.sh_addr >= range.0 && end <= range.1);
        if !inside || section.sh_size > left {
            return Err(Table::Relocations.at(index, APART));
        }
        left -= section.sh_size;
    }
    if left == 0 { Ok(()) } else { Err(Table::Relocations.fault(APART)) }
}

/// `_init` and `_fini` are whole sections, or functions that somebody named to the linker.
fn check_code(
    dynamic: &Dynamic<'_>,
    sections: &Sections<'_>,
    unwinding: &Unwinding<'_>,
) -> Result<(), Fault> {
    for (tag, name) in [(dt::DT_INIT, &b".init"[..]), (dt::DT_FINI, b".fini")] {
        let section = sections.named(name).filter(|section| section.sh_size > 0);
        let Some((address, section)) = dynamic.value(tag).zip(section) else { continue };
        if address != section.sh_addr && !unwinding.has_function(address) {
            return Err(Table::Constructors.fault(APART));
        }
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use goblin::elf::dynamic as dt;

    use crate::format::Table;
    use crate::format::elf::specimen::Specimen;

    #[test]
    fn the_tables_are_those_of_the_sections() {
        let specimen = Specimen::get();
        let contradict = "contradict each other";
        for (tag, table) in [
            (dt::DT_SYMTAB, Table::Symbols),
            (dt::DT_HASH, Table::Hashes),
            (dt::DT_GNU_HASH, Table::Hashes),
            (dt::DT_VERSYM, Table::Versions),
            (dt::DT_RELASZ, Table::Relocations),
            (dt::DT_INIT_ARRAYSZ, Table::Constructors),
            (dt::DT_FINI_ARRAY, Table::Constructors),
        ] {
            specimen.refused(specimen.tag(tag) + 8, &48_u64.to_le_bytes(), table, contradict);
        }
    }
}
