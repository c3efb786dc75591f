//! What an ELF file says beyond what loading asks for: sections and symbols. Read from files that
//! were checked to be whole, and still nothing is taken for granted.

use goblin::container::Ctx;
use goblin::elf::dynamic::{DT_INIT_ARRAYSZ, DT_RPATH, DT_RUNPATH, Dynamic};
use goblin::elf::header::Header;
use goblin::elf::section_header::{SHF_ALLOC, SHF_EXECINSTR, SHF_TLS, SHF_WRITE, SHT_NOBITS};
use goblin::elf::{Elf, ProgramHeader, SectionHeader, Symtab};

/// A file, its sections and its segments.
pub(super) struct File<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) context: Ctx,
    pub(super) segments: Vec<ProgramHeader>,
    pub(super) sections: Vec<Section<'a>>,
}

/// A section.
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    pub(super) header: SectionHeader,
}

/// A symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol<'a> {
    pub(super) name: &'a str,
    pub(super) address: u64,
    pub(super) size: u64,
    /// `STT_FUNC` and the like.
    pub(super) kind: u8,
    /// The number of its section; 0 for what another library defines.
    pub(super) section: usize,
}

impl Section<'_> {
    fn has(&self, flag: u32) -> bool {
        self.header.sh_flags & u64::from(flag) != 0
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.has(SHF_ALLOC)
    }

    /// Whether programs write to it, after the loader is done.
    pub(super) fn is_writable(&self) -> bool {
        let relocated = self.name.starts_with(".data.rel.ro")
            || matches!(self.name, ".got" | ".got.plt" | ".dynamic" | ".relro_padding");
        self.has(SHF_WRITE) && !relocated && !self.name.ends_with("_array")
    }

    pub(super) fn is_code(&self) -> bool {
        self.has(SHF_EXECINSTR)
    }

    pub(super) fn is_thread_local(&self) -> bool {
        self.has(SHF_TLS)
    }

    pub(super) fn is_empty_in_file(&self) -> bool {
        self.header.sh_type == SHT_NOBITS
    }

    pub(super) fn size(&self) -> u64 {
        self.header.sh_size
    }
}

impl<'a> File<'a> {
    /// Reads the tables of `bytes`; `None` when they cannot be read.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let header: Header = Elf::parse_header(bytes).ok()?;
        let context = Ctx::new(header.container().ok()?, header.endianness().ok()?);
        let (at, count) = (header.e_phoff as usize, usize::from(header.e_phnum));
        let segments = ProgramHeader::parse(bytes, at, count, context).ok()?;
        let (at, count) = (header.e_shoff as usize, usize::from(header.e_shnum));
        let headers = SectionHeader::parse(bytes, at, count, context).ok()?;
        let names = contents(bytes, headers.get(usize::from(header.e_shstrndx))?);
        let section = |header: SectionHeader| {
            let name = text(names, header.sh_name);
            Section { name, header }
        };
        let sections = headers.into_iter().map(section).collect();
        Some(Self { bytes, context, segments, sections })
    }

    /// The section called `name`.
    pub(super) fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }

    pub(super) fn contents_of(&self, name: &str) -> &'a [u8] {
        self.section(name).map_or(&[], |section| contents(self.bytes, &section.header))
    }

    /// Whether it has a symbol table of its own, beside the one that the loader needs.
    pub(super) fn has_symbols(&self) -> bool {
        self.section(".symtab").is_some()
    }

    /// All symbols, in the order of the file.
    pub(super) fn symbols(&self) -> Vec<Symbol<'a>> {
        let (table, names) =
            if self.has_symbols() { (".symtab", ".strtab") } else { (".dynsym", ".dynstr") };
        let Some(section) = self.section(table) else { return Vec::new() };
        let names = self.contents_of(names);
        let len = contents(self.bytes, &section.header).len();
        let count = len / if self.context.is_big() { 24 } else { 16 };
        let start = section.header.sh_offset as usize;
        let Ok(symbols) = Symtab::parse(self.bytes, start, count, self.context) else {
            return Vec::new();
        };
        let symbol = |symbol: goblin::elf::Sym| Symbol {
            name: text(names, symbol.st_name),
            address: symbol.st_value,
            size: symbol.st_size,
            kind: symbol.st_type(),
            section: symbol.st_shndx,
        };
        symbols.iter().map(symbol).collect()
    }

    /// The path that the loader searches for the libraries that it needs.
    pub(super) fn run_path(&self) -> Option<&'a str> {
        let names = self.contents_of(".dynstr");
        self.dynamic(&[DT_RUNPATH, DT_RPATH]).map(|at| text(names, at as usize))
    }

    /// How many functions the loader runs before anybody can call anything.
    pub(super) fn constructors(&self) -> usize {
        let pointer = if self.context.is_big() { 8 } else { 4 };
        self.dynamic(&[DT_INIT_ARRAYSZ]).map_or(0, |size| size as usize / pointer)
    }

    /// The value of the first entry with one of `tags`.
    fn dynamic(&self, tags: &[u64]) -> Option<u64> {
        let dynamic = Dynamic::parse(self.bytes, &self.segments, self.context).ok()??;
        let entry = dynamic.dyns.iter().find(|entry| tags.contains(&entry.d_tag));
        entry.map(|entry| entry.d_val)
    }
}

/// The bytes of `section` in the file `bytes`.
pub(super) fn contents<'a>(bytes: &'a [u8], section: &SectionHeader) -> &'a [u8] {
    if section.sh_type == SHT_NOBITS {
        return &[];
    }
    let start = section.sh_offset as usize;
    bytes.get(start..start.saturating_add(section.sh_size as usize)).unwrap_or_default()
}

/// The text at `at` in `strings`; empty when it is not there, not text, or longer than any name.
pub(super) fn text(strings: &[u8], at: usize) -> &str {
    let rest = strings.get(at..).unwrap_or_default();
    let end = rest.iter().take(MAX_NAME).position(|byte| *byte == 0);
    end.and_then(|end| std::str::from_utf8(&rest[..end]).ok()).unwrap_or_default()
}

/// The longest name that is read, in bytes: many may claim the same long one.
const MAX_NAME: usize = 4_096;
