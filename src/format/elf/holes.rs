//! Pages of nothing but zeros where no linker leaves any: a file that was given its size before it
//! was filled.

use goblin::elf::section_header as sh;

use super::sections::Sections;
use super::segments::PAGE;
use crate::format::Fault;

const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];

/// No page of code, of unwind information or of names is empty.
pub(super) fn check(sections: &Sections<'_>) -> Result<(), Fault> {
    let code = u64::from(sh::SHF_EXECINSTR);
    for (index, section) in sections.loaded() {
        let dense = section.sh_flags & code != 0
            || section.sh_type == sh::SHT_STRTAB
            || matches!(sections.name(index), b".eh_frame" | b".gcc_except_table");
        if !dense {
            continue;
        }
        let bytes = sections.bytes_of(section);
        // The first page of the file that begins in the section.
        let first = (PAGE - section.sh_offset % PAGE) % PAGE;
        let pages = bytes.get(first as usize..).unwrap_or_default().chunks_exact(ZEROS.len());
        if let Some(page) = pages.into_iter().position(|page| page == ZEROS) {
            let offset = section.sh_offset + first + page as u64 * PAGE;
            return Err(Fault::Hole { offset });
        }
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use midair_arch::Machine;

    use super::ZEROS;
    use crate::format::Fault;
    use crate::format::elf::specimen::Specimen;

    #[test]
    fn an_empty_page_of_code_or_of_a_table_is_a_fault() {
        let specimen = Specimen::get();
        for name in [".text", ".eh_frame", ".gcc_except_table", ".rela.dyn"] {
            let page = specimen.section(name).start.next_multiple_of(ZEROS.len());
            assert!(page + ZEROS.len() <= specimen.section(name).end, "{name}");
            let fault = Specimen::check(&specimen.with(page, &ZEROS), Machine::X86_64);
            let fault = fault.unwrap_err();
            if name == ".rela.dyn" {
                assert!(matches!(fault, Fault::Table { .. }), "{name}: {fault}");
            } else {
                assert_eq!(fault, Fault::Hole { offset: page as u64 }, "{name}");
            }
        }
    }
}
