//! The file formats of artifacts: is the file whole and sane, and where is its `midair` section?
//!
//! Nothing in here trusts a number of the file: every range is compared with the file's size
//! before it is used, and what the loader would later touch is checked before it can.

mod elf;
#[cfg(all(test, target_os = "linux"))]
pub(crate) mod foreign;
mod mach;
mod pe;

use std::fmt;

use midair_arch::Machine;

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
    /// It has no symbol table that would tell.
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

/// Why a file is not a library that this process can load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// It is no ELF, PE or Mach-O file at all.
    #[error("it is not an executable format (it begins with {start:?})")]
    NotExecutable {
        /// Its first bytes, as text.
        start: String,
    },
    /// It ends before its own tables say.
    #[error("it is cut short: {what} needs {needs} bytes, the file has {has}")]
    Truncated {
        /// What lies beyond the end.
        what: &'static str,
        /// The size that the file would have to have at least, in bytes.
        needs: u64,
        /// The size that it has, in bytes.
        has: u64,
    },
    /// The parser gave up.
    #[error("its {format} tables are damaged: {reason}")]
    Damaged {
        /// The format of the file.
        format: Format,
        /// What the parser said.
        reason: String,
    },
    /// A table of it contradicts another.
    #[error("its tables contradict each other: {what}")]
    Inconsistent {
        /// What contradicts what.
        what: &'static str,
    },
    /// It is for another system.
    #[error("it is {found}, this process loads {}", Format::HOST)]
    Format {
        /// The format of the file.
        found: Format,
    },
    /// It is for another processor.
    #[error("it is for {found}, this process runs on {}", Machine::HOST)]
    Machine {
        /// The machine that the file is for.
        found: Machine,
    },
    /// It is an executable, an object file or a core dump.
    #[error("it is not a shared library")]
    NotShared,
    /// Part of it would be writable and executable at the same time.
    #[error("it has a segment that is writable and executable")]
    WritableAndExecutable,
    /// It has no `midair` section.
    #[error("it has no midair section")]
    NoRecords,
    /// It has no identity record, or more than one.
    #[error("it holds {found} copies of midair where there must be one")]
    Identities {
        /// How many identity records there are.
        found: usize,
    },
    /// It holds files for several machines.
    #[error("it is a universal binary")]
    Universal,
}

impl Fault {
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::Truncated { .. } => {
                "let the build finish; if it has, build again: the file on disk is not whole"
            }
            Self::Damaged { .. } | Self::Inconsistent { .. } => {
                "build the library again: no linker that midair knows writes such a file"
            }
            Self::NotExecutable { .. } | Self::NotShared => {
                "name the library that `cargo build` makes of a crate with \
                 `crate-type = [\"cdylib\"]`"
            }
            Self::Format { .. } | Self::Machine { .. } => {
                "build for this machine: leave out `--target`, or give the program's"
            }
            Self::WritableAndExecutable => "build without the linker option that makes it so",
            Self::NoRecords => {
                "mark at least one function with `#[hotpatch]`; if some are marked, see that the \
                 feature or profile that switches it on is set, and that nothing strips the \
                 section headers"
            }
            Self::Identities { .. } => {
                "build the library with midair linked in once: `cargo tree -i midair` shows it"
            }
            Self::Universal => "extract this machine's part with `lipo -thin`",
        }
    }
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

fn text(bytes: &[u8], what: &'static str) -> Result<String, Fault> {
    let text = std::ffi::CStr::from_bytes_until_nul(bytes);
    let text = text.map_err(|_| Fault::Inconsistent { what })?;
    Ok(text.to_string_lossy().into_owned())
}
