//! The sections of an ELF file by name, and the addresses that the loader will write into it.

use std::collections::HashMap;

use goblin::elf::section_header::{SHF_COMPRESSED, SHT_NOBITS, SHT_RELA};
use goblin::elf::{Elf, SectionHeader};

use super::Absent;

/// The sections of a file that was checked to be whole.
pub(super) struct Sections<'a> {
    bytes: &'a [u8],
    named: HashMap<String, SectionHeader>,
}

impl<'a> Sections<'a> {
    /// Finds the sections of `bytes`.
    pub(super) fn find(bytes: &'a [u8]) -> Result<Self, Absent> {
        let damaged = |error: goblin::error::Error| Absent::Damaged { reason: error.to_string() };
        let header = Elf::parse_header(bytes).map_err(damaged)?;
        let context = goblin::container::Ctx::new(
            header.container().map_err(damaged)?,
            header.endianness().map_err(damaged)?,
        );
        let (offset, count) = (header.e_shoff as usize, usize::from(header.e_shnum));
        let all = SectionHeader::parse(bytes, offset, count, context).map_err(damaged)?;
        let names = all.get(usize::from(header.e_shstrndx)).ok_or(Absent::None)?;
        let names = contents(bytes, names);
        let mut named = HashMap::new();
        for section in all {
            let name = names.get(section.sh_name..).unwrap_or_default();
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            if name.starts_with(".debug_") && section.sh_flags & u64::from(SHF_COMPRESSED) != 0 {
                return Err(Absent::Compressed);
            }
            named.insert(name, section);
        }
        if !named.contains_key(".debug_info") {
            return Err(Absent::None);
        }
        Ok(Self { bytes, named })
    }

    /// The bytes of the section called `name`, none when there is no such section.
    pub(super) fn get(&self, name: &str) -> &'a [u8] {
        self.named.get(name).map_or(&[], |section| contents(self.bytes, section))
    }

    /// The addresses that relocations will put into the words of `tables`, by the word's address.
    pub(super) fn pointers(&self, wanted: impl Fn(u64) -> bool) -> HashMap<u64, u64> {
        let Some(section) = self.named.get(".rela.dyn").filter(|s| s.sh_type == SHT_RELA) else {
            return HashMap::new();
        };
        let symbols = self.get(".dynsym");
        contents(self.bytes, section)
            .chunks_exact(24)
            .filter_map(|entry| {
                let place = word(entry, 0)?;
                if !wanted(place) {
                    return None;
                }
                let symbol = (word(entry, 8)? >> 32) as usize;
                let base = if symbol == 0 { 0 } else { word(symbols, symbol * 24 + 8)? };
                Some((place, base.wrapping_add(word(entry, 16)?)))
            })
            .collect()
    }
}

fn contents<'a>(bytes: &'a [u8], section: &SectionHeader) -> &'a [u8] {
    if section.sh_type == SHT_NOBITS {
        return &[];
    }
    let start = section.sh_offset as usize;
    let end = start.saturating_add(section.sh_size as usize);
    bytes.get(start..end).unwrap_or_default()
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
