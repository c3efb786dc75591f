//! The tags of the dynamic section: which a library may have, and which belong together.

use goblin::elf::dynamic as dt;

use crate::format::{Fault, Table};

const TABLE: Table = Table::Dynamic;
pub(super) const DT_RELRSZ: u64 = 35;
pub(super) const DT_RELR: u64 = 36;
const DT_RELRENT: u64 = 37;

/// Tags that there may be one of; `DT_NEEDED` may come more often.
const KNOWN: [u64; 40] = [
    dt::DT_PLTRELSZ,
    dt::DT_PLTGOT,
    dt::DT_HASH,
    dt::DT_STRTAB,
    dt::DT_SYMTAB,
    dt::DT_RELA,
    dt::DT_RELASZ,
    dt::DT_RELAENT,
    dt::DT_STRSZ,
    dt::DT_SYMENT,
    dt::DT_INIT,
    dt::DT_FINI,
    dt::DT_SONAME,
    dt::DT_RPATH,
    dt::DT_SYMBOLIC,
    dt::DT_PLTREL,
    dt::DT_DEBUG,
    dt::DT_JMPREL,
    dt::DT_BIND_NOW,
    dt::DT_INIT_ARRAY,
    dt::DT_FINI_ARRAY,
    dt::DT_INIT_ARRAYSZ,
    dt::DT_FINI_ARRAYSZ,
    dt::DT_RUNPATH,
    dt::DT_FLAGS,
    DT_RELRSZ,
    DT_RELR,
    DT_RELRENT,
    dt::DT_GNU_HASH,
    dt::DT_VERSYM,
    dt::DT_RELACOUNT,
    dt::DT_FLAGS_1,
    dt::DT_VERDEF,
    dt::DT_VERDEFNUM,
    dt::DT_VERNEED,
    dt::DT_VERNEEDNUM,
    // Descriptors of thread-local variables.
    0x6fff_fef6,
    0x6fff_fef7,
    // Of both processors: where the PLT is and how it is protected.
    0x7000_0001,
    0x7000_0003,
];
/// More of them, of one processor each.
const PROCESSOR: [u64; 2] = [0x7000_0000, 0x7000_0005];

/// Tags that only work together.
const TOGETHER: [&[u64]; 10] = [
    &[0x6fff_fef6, 0x6fff_fef7],
    &[dt::DT_SYMTAB, dt::DT_SYMENT, dt::DT_STRTAB, dt::DT_STRSZ],
    &[dt::DT_RELA, dt::DT_RELASZ, dt::DT_RELAENT],
    &[dt::DT_JMPREL, dt::DT_PLTRELSZ, dt::DT_PLTREL],
    &[DT_RELR, DT_RELRSZ, DT_RELRENT],
    &[dt::DT_INIT_ARRAY, dt::DT_INIT_ARRAYSZ],
    &[dt::DT_FINI_ARRAY, dt::DT_FINI_ARRAYSZ],
    &[dt::DT_VERNEED, dt::DT_VERNEEDNUM],
    &[dt::DT_VERDEF, dt::DT_VERDEFNUM],
    &[0x7000_0000, 0x7000_0001, 0x7000_0003],
];

/// The value that a tag must have where it is there.
const FIXED: [(u64, u64); 4] =
    [(dt::DT_SYMENT, 24), (dt::DT_RELAENT, 24), (DT_RELRENT, 8), (dt::DT_PLTREL, dt::DT_RELA)];

/// The flags of `DT_FLAGS` and `DT_FLAGS_1` that a library may set: those that say how its symbols
/// are bound, that it stays, and that its own folder is looked into.
const FLAGS: [(u64, u64); 2] = [(dt::DT_FLAGS, 0x1b), (dt::DT_FLAGS_1, 0x188d)];

/// What nobody asks the loader for in a library that is to be a patch.
const DEMANDS: [(u64, &str); 9] = [
    (dt::DT_TEXTREL, "writing into its code"),
    (0x7fff_ffff, "another library's symbols in place of its own"),
    (0x7fff_fffd, "another library's symbols before its own"),
    (0x6fff_fefc, "an auditing library"),
    (0x6fff_fefb, "an auditing library"),
    (0x6fff_fefa, "a configuration file"),
    (dt::DT_PREINIT_ARRAY, "code that runs before all constructors"),
    (dt::DT_PREINIT_ARRAYSZ, "code that runs before all constructors"),
    (0x6fff_fef8, "prelinked addresses"),
];

/// Checks the entries `used` of a dynamic section, without its end mark.
pub(super) fn check(used: &[(u64, u64)]) -> Result<(), Fault> {
    let program = |(tag, flags): &(u64, u64)| *tag == dt::DT_FLAGS_1 && flags & dt::DF_1_PIE != 0;
    if used.iter().any(program) {
        return Err(Fault::NotShared);
    }
    let mut seen = 0_u64;
    for (index, (tag, _)) in used.iter().enumerate() {
        if *tag == dt::DT_NEEDED {
            continue;
        }
        if let Some((_, what)) = DEMANDS.iter().find(|demand| demand.0 == *tag) {
            return Err(Fault::Demand { what });
        }
        let known = KNOWN.iter().chain(&PROCESSOR).position(|known| known == tag);
        let bit = 1 << known.ok_or(TABLE.at(index, "a tag that no linker writes"))?;
        if seen & bit != 0 {
            return Err(TABLE.at(index, "there are two of this tag"));
        }
        seen |= bit;
    }
    check_values(|tag| used.iter().find(|entry| entry.0 == tag).map(|entry| entry.1))
}

fn check_values(value: impl Fn(u64) -> Option<u64>) -> Result<(), Fault> {
    for tags in TOGETHER {
        let there = tags.iter().filter(|tag| value(**tag).is_some()).count();
        if there != 0 && there != tags.len() {
            return Err(TABLE.fault("a tag lacks another that belongs to it"));
        }
    }
    for (tag, wanted) in FIXED {
        if value(tag).is_some_and(|value| value != wanted) {
            return Err(TABLE.fault("the size or kind of a table's entries"));
        }
    }
    for (tag, allowed) in FLAGS {
        if value(tag).is_some_and(|value| value & !allowed != 0) {
            return Err(Fault::Demand { what: "a flag that is not for patches" });
        }
    }
    let versions = [dt::DT_VERNEED, dt::DT_VERDEF].iter().any(|tag| value(*tag).is_some());
    if value(dt::DT_VERSYM).is_some() != versions {
        return Err(TABLE.fault("symbol versions without a table that defines them"));
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use goblin::elf::dynamic as dt;
    use midair_arch::Machine;

    use crate::format::Fault;
    use crate::format::elf::specimen::Specimen;

    #[test]
    fn what_patches_have_no_use_for_is_a_demand() {
        let specimen = Specimen::get();
        for tag in [dt::DT_TEXTREL, 0x7fff_ffff, 0x7fff_fffd, 0x6fff_fefc, dt::DT_PREINIT_ARRAY] {
            let bytes = specimen.with(specimen.tag(dt::DT_RELACOUNT), &tag.to_le_bytes());
            let fault = Specimen::check(&bytes, Machine::X86_64).unwrap_err();
            assert!(matches!(fault, Fault::Demand { .. }), "{fault}");
        }
    }
}
