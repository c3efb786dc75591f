//! An ELF file as the loader will lay it out: what lies at an address, and what is written there.

use std::collections::HashMap;

use goblin::elf::ProgramHeader;
use goblin::elf::program_header::{PF_X, PT_LOAD};
use goblin::elf::section_header::SHT_RELA;

use super::elf::{File, Section, contents, text};

/// What the loader will write into a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pointer<'a> {
    /// An address of this file.
    Own(u64),
    /// Whatever bears this name.
    Named(&'a str),
}

impl Section<'_> {
    /// Offset of `address` in it, if it lies in it.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.header.sh_addr)?;
        (self.is_loaded() && !self.is_thread_local() && offset < self.header.sh_size)
            .then_some(offset)
    }
}

impl<'a> File<'a> {
    /// The section that `address` lies in.
    pub(super) fn section_at(&self, address: u64) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.offset_of(address).is_some())
    }

    /// What the loader will write, by the address of the word; 64-bit little-endian files only.
    pub(super) fn pointers(&self) -> HashMap<u64, Pointer<'a>> {
        let (symbols, names) = (self.contents_of(".dynsym"), self.contents_of(".dynstr"));
        let tables = [".rela.dyn", ".rela.plt"].into_iter().filter_map(|name| self.section(name));
        let tables = tables.filter(|table| {
            table.header.sh_type == SHT_RELA && table.is_loaded() && self.context.is_big()
        });
        let entries = tables.flat_map(|table| contents(self.bytes, &table.header).chunks_exact(24));
        let pointer = |entry: &[u8]| {
            let (place, addend) = (word(entry, 0)?, word(entry, 16)?);
            let number = (word(entry, 8)? >> 32) as usize;
            if number == 0 {
                return Some((place, Pointer::Own(addend)));
            }
            let symbol = symbols.get(number.checked_mul(24)?..)?;
            let value = word(symbol, 8)?;
            let name = u32::from_le_bytes(symbol.get(..4)?.try_into().ok()?);
            let defined = symbol.get(6..8)? != [0, 0];
            let target = if defined {
                Pointer::Own(value.wrapping_add(addend))
            } else {
                Pointer::Named(text(names, name as usize))
            };
            Some((place, target))
        };
        entries.filter_map(pointer).collect()
    }

    /// The file's bytes from `address` to the end of its segment.
    pub(super) fn bytes_at(&self, address: u64) -> &'a [u8] {
        self.segment_bytes(address, |_| true)
    }

    /// The same, where the bytes are code.
    pub(super) fn code_at(&self, address: u64) -> &'a [u8] {
        self.segment_bytes(address, |segment| segment.p_flags & PF_X != 0)
    }

    fn segment_bytes(&self, address: u64, wanted: impl Fn(&ProgramHeader) -> bool) -> &'a [u8] {
        let bytes = self.segments.iter().find_map(|segment| {
            let offset = address.checked_sub(segment.p_vaddr)?;
            if segment.p_type != PT_LOAD || offset >= segment.p_filesz || !wanted(segment) {
                return None;
            }
            let start = segment.p_offset.checked_add(offset)? as usize;
            let end = segment.p_offset.checked_add(segment.p_filesz)? as usize;
            self.bytes.get(start..end)
        });
        bytes.unwrap_or_default()
    }
}

/// The 64-bit number at `at` in `bytes`.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
