//! Test artifacts of this system: a real cdylib with std, and the means to damage it.

#![expect(clippy::unwrap_used, reason = "test fixtures state their expectations by panicking")]

use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use goblin::elf::Elf;
use midair_arch::Machine;

use super::{Dynamic, File, Sections, Segments, allocator, check};
use crate::format::{Fault, Table};

const SOURCE: &str = "
#![allow(static_mut_refs)]
#[used] #[unsafe(link_section = \"midair\")]
static mut RECORDS: [u64; 4] = [1, 2, 3, 4];
std::thread_local!(static OWN: std::cell::Cell<u64> = const { std::cell::Cell::new(7) });
#[unsafe(no_mangle)] pub extern \"C\" fn own() -> u64 { OWN.get() + unsafe { RECORDS[1] } }
#[unsafe(no_mangle)] pub static TEXT: &str = \"text\";
#[used] #[unsafe(link_section = \".init_array\")]
static CONSTRUCTOR: extern \"C\" fn() = { extern \"C\" fn constructor() {} constructor };
";

/// A whole library.
pub(super) struct Specimen {
    pub(super) bytes: Vec<u8>,
}

impl Specimen {
    /// A library that the default linker wrote, with both hash tables.
    pub(super) fn get() -> &'static Self {
        static ORDINARY: OnceLock<Specimen> = OnceLock::new();
        ORDINARY.get_or_init(|| Self::built(&["-Clink-arg=-Wl,--hash-style=both"]).unwrap())
    }

    /// A library that was built with more `arguments`, if the linker that they name is there.
    pub(super) fn built(arguments: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let (source, library) = (dir.path().join("specimen.rs"), dir.path().join("specimen.so"));
        std::fs::write(&source, SOURCE).unwrap();
        let output = Command::new("rustc")
            .args(["--edition", "2024", "--crate-type", "cdylib", "-Cstrip=debuginfo"])
            .args(arguments)
            .arg("-o")
            .arg(&library)
            .arg(&source)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("invalid linker name") || said.contains("cannot find 'ld'") {
            return None;
        }
        assert!(output.status.success(), "{said}");
        Some(Self { bytes: std::fs::read(library).unwrap() })
    }

    /// The library at `path`.
    pub(super) fn found(path: &Path) -> Self {
        Self { bytes: std::fs::read(path).unwrap() }
    }

    /// All checks, whether or not there is a `midair` section.
    pub(super) fn check(bytes: &[u8], machine: Machine) -> Result<(), Fault> {
        let file = File::read(bytes)?;
        let segments = Segments::read(&file)?;
        let sections = Sections::read(&file)?;
        allocator::of(&sections, true)?;
        check(&segments, &sections, &Dynamic::read(&segments)?, machine)
    }

    fn elf(&self) -> Elf<'_> {
        Elf::parse(&self.bytes).unwrap()
    }

    /// Where the section called `name` is in the file.
    pub(super) fn section(&self, name: &str) -> Range<usize> {
        let elf = self.elf();
        let header = &elf.section_headers[self.number(name)];
        header.sh_offset as usize..(header.sh_offset + header.sh_size) as usize
    }

    /// Where the header of the section called `name` is in the file.
    pub(super) fn header(&self, name: &str) -> usize {
        self.elf().header.e_shoff as usize + 64 * self.number(name)
    }

    fn number(&self, name: &str) -> usize {
        let elf = self.elf();
        let ours = |at| elf.shdr_strtab.get_at(at) == Some(name);
        elf.section_headers.iter().position(|header| ours(header.sh_name)).unwrap()
    }

    /// Where the first program header of `kind` is in the file.
    pub(super) fn segment(&self, kind: u32) -> usize {
        let elf = self.elf();
        let at = elf.program_headers.iter().position(|header| header.p_type == kind).unwrap();
        elf.header.e_phoff as usize + 56 * at
    }

    /// Where the entry of the dynamic section with `tag` is in the file.
    pub(super) fn tag(&self, tag: u64) -> usize {
        let range = self.section(".dynamic");
        range.start + self.entry(".dynamic", 16, |entry| entry[..8] == tag.to_le_bytes()) * 16
    }

    /// The number of the first entry of `len` bytes in section `name` that `is` wanted.
    pub(super) fn entry(&self, name: &str, len: usize, is: impl FnMut(&[u8]) -> bool) -> usize {
        self.bytes[self.section(name)].chunks_exact(len).position(is).unwrap()
    }

    /// A copy with `bytes` at `at`.
    pub(super) fn with(&self, at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut copy = self.bytes.clone();
        copy[at..at + bytes.len()].copy_from_slice(bytes);
        copy
    }

    /// Asserts that `bytes` at `at` are a fault of `table`, for the reason `what`.
    #[track_caller]
    pub(super) fn refused(&self, at: usize, bytes: &[u8], table: Table, what: &str) {
        let fault = Self::check(&self.with(at, bytes), Machine::X86_64).unwrap_err();
        let found = match fault {
            Fault::Table { table, .. } | Fault::TooMany { table, .. } => table,
            ref other => panic!("{other}"),
        };
        assert!(found == table && fault.to_string().contains(what), "{fault}");
    }
}
