//! What about a library may surprise whoever patches with it.

use std::collections::BTreeSet;
use std::fmt;

use goblin::elf::sym::{STT_NOTYPE, STT_OBJECT, STT_TLS};
use goblin::mach::MachO;
use midair_trampolines::text::crate_of;

use super::demangle::demangle;
use super::elf::{File, Symbol};
use crate::format::{Allocator, Format};
use crate::manifest::Manifest;

/// Something about a library that may surprise whoever patches with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// It names folders in which the loader looks for libraries first.
    RunPath {
        /// The folders, as the file has them.
        path: String,
    },
    /// More functions run at loading than every library of Rust has.
    Constructors {
        /// How many more.
        count: usize,
    },
    /// Writable statics of its own crates: each patch has its own copy of them.
    Statics {
        /// Their names, sorted.
        names: Vec<String>,
        /// Their size together, in bytes.
        size: u64,
    },
    /// Thread-locals of its own crates: each patch has its own copy of them.
    ThreadLocals {
        /// Their names, sorted.
        names: Vec<String>,
    },
    /// It brings a global allocator of its own, which is refused as a patch.
    OwnAllocator,
    /// Without symbols nobody can tell which allocator and which statics it brings.
    NoSymbols,
}

impl Warning {
    /// A word for scripts; it never changes its meaning.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::RunPath { .. } => "run-path",
            Self::Constructors { .. } => "constructors",
            Self::Statics { .. } => "statics",
            Self::ThreadLocals { .. } => "thread-locals",
            Self::OwnAllocator => "allocator",
            Self::NoSymbols => "no-symbols",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunPath { path } => write!(
                f,
                "it names folders that the loader searches for libraries (RUNPATH {path}): a patch \
                 may bring in other libraries than the program has"
            ),
            Self::Constructors { count } => {
                let (count, run) =
                    counted(*count, "constructor of its own runs", "constructors of its own run");
                write!(f, "{count} {run} each time it is loaded: `is_hotpatched()` tells them why")
            }
            Self::Statics { names, size } => write!(
                f,
                "each patch has its own copy of its writable statics ({size} bytes): {}",
                listed(names)
            ),
            Self::ThreadLocals { names } => {
                write!(f, "each patch has its own copy of its thread-locals: {}", listed(names))
            }
            Self::OwnAllocator => f.write_str(
                "it brings a global allocator of its own: a program refuses it as a patch",
            ),
            Self::NoSymbols => f.write_str(
                "it has no symbol table: its allocator and its statics cannot be told, and its \
                 code cannot be shown",
            ),
        }
    }
}

fn counted<'a>(count: usize, one: &'a str, many: &'a str) -> (usize, &'a str) {
    (count, if count == 1 { one } else { many })
}

fn listed(names: &[String]) -> String {
    match names.len() {
        0..=NAMED => names.join(", "),
        len => format!("{} and {} more", names[..NAMED].join(", "), len - NAMED),
    }
}

/// How many names are told.
const NAMED: usize = 8;

/// The constructors that every cdylib of Rust has: the C library's and std's.
const USUAL_CONSTRUCTORS: usize = 2;

/// The warnings about the file `bytes`, whose manifest is `manifest`.
pub(super) fn of(bytes: &[u8], manifest: &Manifest) -> Vec<Warning> {
    let mut warnings = match manifest.container().format {
        Format::Elf => File::read(bytes).map(|file| elf(&file, manifest)).unwrap_or_default(),
        Format::MachO => mach(bytes),
        Format::Pe => Vec::new(),
    };
    if manifest.allocator() == Allocator::Own {
        warnings.push(Warning::OwnAllocator);
    }
    warnings
}

fn elf(file: &File<'_>, manifest: &Manifest) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if let Some(path) = file.run_path() {
        warnings.push(Warning::RunPath { path: path.to_owned() });
    }
    let count = file.constructors().saturating_sub(USUAL_CONSTRUCTORS);
    if count > 0 {
        warnings.push(Warning::Constructors { count });
    }
    if !file.has_symbols() {
        warnings.push(Warning::NoSymbols);
        return warnings;
    }
    let crates: BTreeSet<&str> =
        manifest.functions.iter().map(|function| crate_of(&function.name)).collect();
    let symbols = file.symbols();
    let (names, size) = own(&symbols, &crates, |symbol| {
        let writable = |section: &super::elf::Section<'_>| {
            section.is_writable() && !section.is_thread_local() && section.name != "midair"
        };
        matches!(symbol.kind, STT_OBJECT | STT_NOTYPE)
            && file.sections.get(symbol.section).is_some_and(writable)
    });
    if !names.is_empty() {
        warnings.push(Warning::Statics { names, size });
    }
    let (names, _) = own(&symbols, &crates, |symbol| symbol.kind == STT_TLS);
    if !names.is_empty() {
        warnings.push(Warning::ThreadLocals { names });
    }
    warnings
}

/// The names of the `wanted` symbols of `crates`, and how large they are together.
fn own(
    symbols: &[Symbol<'_>],
    crates: &BTreeSet<&str>,
    wanted: impl Fn(&Symbol<'_>) -> bool,
) -> (Vec<String>, u64) {
    let mut names = BTreeSet::new();
    let mut size = 0_u64;
    for symbol in symbols.iter().filter(|symbol| symbol.section != 0 && wanted(symbol)) {
        let name = demangle(symbol.name);
        if name.contains("::") && crates.contains(crate_of(&name)) && !name.contains("__MIDAIR") {
            size = size.saturating_add(symbol.size);
            names.insert(written(&name));
        }
    }
    (names.into_iter().collect(), size)
}

/// The name without what macros put into it.
fn written(name: &str) -> String {
    let name = name.replace("::__midair_body", "");
    let end = ["::{{", "::__RUST_STD", "::VAL"].iter().filter_map(|mark| name.find(mark)).min();
    name[..end.unwrap_or(name.len())].to_owned()
}

fn mach(bytes: &[u8]) -> Vec<Warning> {
    let Ok(file) = MachO::parse(bytes, 0) else { return Vec::new() };
    let path = file.rpaths.join(":");
    if path.is_empty() { Vec::new() } else { vec![Warning::RunPath { path }] }
}
