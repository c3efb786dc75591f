//! The file formats of artifacts: is the file whole and sane, and where is its `midair` section?
//!
//! Nothing in here trusts a number of the file: every range is compared with the file's size
//! before it is used, and what the loader would later touch is checked before it can.

mod elf;
mod fault;
#[cfg(all(test, target_os = "linux"))]
pub(crate) mod foreign;
mod mach;
mod pe;

use std::fmt;

use midair_arch::Machine;

pub use self::fault::Fault;
pub use self::fault::Table;

/// The format of an executable file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Linux and most other Unix systems.
    Elf,
    /// Windows.
    Pe,
    /// Apple's systems.
    MachO,
}

impl Format {
    /// The format that this process can load.
    pub const HOST: Self = if cfg!(windows) {
        Self::Pe
    } else if cfg!(target_vendor = "apple") {
        Self::MachO
    } else {
        Self::Elf
    };
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elf => "ELF",
            Self::Pe => "PE",
            Self::MachO => "Mach-O",
        })
    }
}

/// Which global allocator a library brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Allocator {
    /// The system's, the default.
    System,
    /// One of its own, by `#[global_allocator]`.
    Own,
    /// It has no symbol table that would tell, or shares its standard library and with it the
    /// allocator.
    Unknown,
}

/// What a library's file says about how to load it, as far as it was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) format: Format,
    pub(crate) machine: Machine,
    /// The `midair` section, if there is one.
    pub(crate) records: Option<Records>,
    /// How many of its bytes, from the first on, are mapped when it is loaded; what follows is
    /// for debuggers.
    pub(crate) mapped: usize,
    /// The libraries that it asks for by name.
    pub(crate) needed: Vec<String>,
    pub(crate) allocator: Allocator,
    pub(crate) binding: Binding,
}

/// Where the `midair` section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Records {
    /// Offset in the file, in bytes.
    pub(crate) offset: usize,
    /// Length in bytes.
    pub(crate) len: usize,
    /// Address before the loader adds its base.
    pub(crate) address: u64,
}

/// How to make a library's own symbols win over those of libraries that were loaded before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// They win by the rules of the format.
    Own,
    /// They win once these bytes stand at this offset of the private copy.
    Edit { offset: usize, bytes: Vec<u8> },
    /// The loader has to be asked.
    AskLoader,
}

/// Checks that `bytes` are a whole library of one of the three formats and finds its records.
///
/// # Errors
/// [`Fault`], whichever is met first.
pub(crate) fn read(bytes: &[u8]) -> Result<Container, Fault> {
    match bytes {
        [] => Err(Fault::Empty),
        [0x7f, b'E', b'L', b'F', ..] => elf::read(bytes),
        [b'M', b'Z', ..] => pe::read(bytes),
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => mach::read(bytes),
        [0xca, 0xfe, 0xba, 0xbe | 0xbf, ..] => Err(Fault::Universal),
        _ if bytes.len() < 4
            && [&b"\x7fELF"[..], b"\xcf\xfa\xed\xfe"]
                .iter()
                .any(|magic| magic.starts_with(bytes)) =>
        {
            Err(Fault::Truncated { what: "the file's header", needs: 64, has: bytes.len() as u64 })
        }
        _ => Err(Fault::NotExecutable {
            start: bytes[..bytes.len().min(16)].escape_ascii().to_string(),
        }),
    }
}

/// The part of `bytes` at `offset`, or the fault that it is not there.
fn part<'a>(bytes: &'a [u8], offset: u64, len: u64, what: &'static str) -> Result<&'a [u8], Fault> {
    let needs = offset.saturating_add(len);
    if needs > bytes.len() as u64 {
        return Err(Fault::Truncated { what, needs, has: bytes.len() as u64 });
    }
    Ok(&bytes[offset as usize..needs as usize])
}
