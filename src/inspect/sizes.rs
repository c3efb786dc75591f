//! How large the parts of a library are.

use goblin::mach::MachO;
use goblin::pe::PE;
use goblin::pe::section_table::{
    IMAGE_SCN_CNT_CODE, IMAGE_SCN_CNT_UNINITIALIZED_DATA, IMAGE_SCN_MEM_WRITE,
};

use super::elf::File;
use crate::format::Format;

/// How large a library and its parts are, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sizes {
    /// The file.
    pub file: u64,
    /// What is mapped of it when it is loaded: what each patch keeps for the life of the process.
    pub mapped: u64,
    /// Machine code.
    pub code: u64,
    /// Writable data with values, records included.
    pub data: u64,
    /// Writable data that starts as zeros.
    pub zeroed: u64,
    /// What each thread gets.
    pub thread_local: u64,
}

/// The sizes of the file `bytes`, of which the first `mapped` are mapped.
pub(super) fn of(bytes: &[u8], format: Format, mapped: usize) -> Sizes {
    let mut sizes = Sizes { file: bytes.len() as u64, mapped: mapped as u64, ..Sizes::default() };
    match format {
        Format::Elf => elf(bytes, &mut sizes),
        Format::Pe => pe(bytes, &mut sizes),
        Format::MachO => mach(bytes, &mut sizes),
    }
    sizes
}

fn elf(bytes: &[u8], sizes: &mut Sizes) {
    let Some(file) = File::read(bytes) else { return };
    for section in file.sections.iter().filter(|section| section.is_loaded()) {
        let sum = if section.is_code() {
            &mut sizes.code
        } else if section.is_thread_local() {
            &mut sizes.thread_local
        } else if !section.is_writable() {
            continue;
        } else if section.is_empty_in_file() {
            &mut sizes.zeroed
        } else {
            &mut sizes.data
        };
        *sum = sum.saturating_add(section.size());
    }
}

fn pe(bytes: &[u8], sizes: &mut Sizes) {
    let Ok(file) = PE::parse(bytes) else { return };
    for section in &file.sections {
        let has = |flag| section.characteristics & flag != 0;
        let sum = if has(IMAGE_SCN_CNT_CODE) {
            &mut sizes.code
        } else if section.name().is_ok_and(|name| name == ".tls") {
            &mut sizes.thread_local
        } else if !has(IMAGE_SCN_MEM_WRITE) {
            continue;
        } else if has(IMAGE_SCN_CNT_UNINITIALIZED_DATA) {
            &mut sizes.zeroed
        } else {
            &mut sizes.data
        };
        *sum = sum.saturating_add(u64::from(section.virtual_size));
    }
}

fn mach(bytes: &[u8], sizes: &mut Sizes) {
    let Ok(file) = MachO::parse(bytes, 0) else { return };
    for segment in &file.segments {
        for (section, _) in segment.sections().unwrap_or_default() {
            let sum = match section.name().unwrap_or_default() {
                "__text" | "__stubs" => &mut sizes.code,
                "__bss" | "__common" => &mut sizes.zeroed,
                name if name.starts_with("__thread_") => &mut sizes.thread_local,
                name if section.segname().is_ok_and(|of| of == "__DATA") && name != "__got" => {
                    &mut sizes.data
                }
                _ => continue,
            };
            *sum = sum.saturating_add(section.size);
        }
    }
}
