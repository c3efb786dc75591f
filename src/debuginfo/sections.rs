//! The sections of an ELF file by name, and the addresses that the loader will write into it.

use std::collections::HashMap;

use goblin::elf::section_header::{SHF_COMPRESSED, SHT_NOBITS, SHT_RELA};
use goblin::elf::{Elf, SectionHeader};

use super::Absent;

/// The sections of a file that was checked to be whole.
pub(super) struct Sections<'a> {
    /// Each section's header, and the file that it is in.
    named: HashMap<String, (SectionHeader, &'a [u8])>,
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
            if let Some(how) = compression(&name, &section, bytes) {
                return Err(Absent::Compressed { how });
            }
            named.insert(name, (section, bytes));
        }
        Ok(Self { named })
    }

    /// The same, with what debug info there is in `other` instead of its own.
    pub(super) fn with_debug_info_of(mut self, other: Self) -> Self {
        let debug = other.named.into_iter().filter(|(name, _)| name.starts_with(".debug_"));
        self.named.extend(debug);
        self
    }

    /// Whether there is a section called `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    /// The bytes of the section called `name`, none when there is no such section.
    pub(super) fn get(&self, name: &str) -> &'a [u8] {
        self.named.get(name).map_or(&[], |(section, bytes)| contents(bytes, section))
    }

    /// The addresses that relocations will put into the words of `tables`, by the word's address.
    pub(super) fn pointers(&self, wanted: impl Fn(u64) -> bool) -> HashMap<u64, u64> {
        let ours = |(section, _): &(SectionHeader, _)| section.sh_type == SHT_RELA;
        if !self.named.get(".rela.dyn").is_some_and(ours) {
            return HashMap::new();
        }
        let symbols = self.get(".dynsym");
        self.get(".rela.dyn")
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

/// How a section of debug info is compressed, if it is.
fn compression(name: &str, section: &SectionHeader, bytes: &[u8]) -> Option<&'static str> {
    const ZLIB: u32 = 1;
    const ZSTD: u32 = 2;
    // The older way had a name of its own instead of a flag.
    if name.starts_with(".zdebug_") {
        return Some("zlib");
    }
    if !name.starts_with(".debug_") || section.sh_flags & u64::from(SHF_COMPRESSED) == 0 {
        return None;
    }
    let method = contents(bytes, section).get(..4)?.try_into().map(u32::from_le_bytes);
    Some(match method {
        Ok(ZLIB) => "zlib",
        Ok(ZSTD) => "zstd",
        _ => "by a method that is not known",
    })
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
