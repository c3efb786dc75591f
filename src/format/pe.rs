//! PE: the section table and the imports of a DLL.

use goblin::pe::PE;
use midair_arch::Machine;

use super::{Allocator, Binding, Container, Fault, Format, Records, part};

const SECTION: &str = "midair";
const DLL: u16 = 0x2000;

pub(super) fn read(bytes: &[u8]) -> Result<Container, Fault> {
    let pe = PE::parse(bytes)
        .map_err(|error| Fault::Damaged { format: Format::Pe, reason: error.to_string() })?;
    let coff = pe.header.coff_header;
    if coff.characteristics & DLL == 0 {
        return Err(Fault::NotShared);
    }
    let mut found = None;
    for section in &pe.sections {
        let (offset, len) = (section.pointer_to_raw_data, section.size_of_raw_data);
        part(bytes, u64::from(offset), u64::from(len), "a section")?;
        if section.name().is_ok_and(|name| name == SECTION) {
            if found.is_some() {
                return Err(Fault::Inconsistent { what: "there are two midair sections" });
            }
            found = Some(Records {
                offset: offset as usize,
                len: len.min(section.virtual_size) as usize,
                address: u64::from(section.virtual_address),
            });
        }
    }
    Ok(Container {
        format: Format::Pe,
        machine: Machine::from_coff(coff.machine),
        records: found,
        mapped: bytes.len(),
        needed: pe.libraries.iter().map(|name| (*name).to_owned()).collect(),
        allocator: Allocator::Unknown,
        binding: Binding::Own,
    })
}
