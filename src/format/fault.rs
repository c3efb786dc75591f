//! Why a file is refused, and which table of it is to blame.

use std::fmt;

use midair_arch::Machine;

use super::Format;

/// A table of a library that the loader follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Table {
    /// What is mapped where.
    Segments,
    /// What the parts of the file are.
    Sections,
    /// What the loader is asked for.
    Dynamic,
    /// The names that the others use.
    Strings,
    /// The symbols that the loader binds.
    Symbols,
    /// All symbols, for debuggers.
    AllSymbols,
    /// How the loader finds symbols by name.
    Hashes,
    /// The versions of symbols.
    Versions,
    /// What the loader writes before any code runs.
    Relocations,
    /// What the loader runs when it loads and when the process ends.
    Constructors,
    /// What linkers tell about the code.
    Notes,
    /// What a panic needs.
    Unwinding,
}

impl Table {
    /// The fault that all of this table is wrong.
    pub(super) const fn fault(self, what: &'static str) -> Fault {
        Fault::Table { table: self, entry: None, what }
    }

    /// The fault that the entry with number `entry` is wrong.
    pub(super) const fn at(self, entry: usize, what: &'static str) -> Fault {
        Fault::Table { table: self, entry: Some(entry), what }
    }

    pub(super) const fn too_many(self, found: usize, limit: usize) -> Fault {
        Fault::TooMany { table: self, found, limit }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Segments => "program headers",
            Self::Sections => "section headers",
            Self::Dynamic => "dynamic section",
            Self::Strings => "string table",
            Self::Symbols => "dynamic symbols",
            Self::AllSymbols => "symbol table",
            Self::Hashes => "hash table",
            Self::Versions => "symbol versions",
            Self::Relocations => "relocations",
            Self::Constructors => "constructors or destructors",
            Self::Notes => "notes",
            Self::Unwinding => "unwind table",
        })
    }
}

/// Why a file is not a library that this process can load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It has no bytes.
    #[error("it is empty")]
    Empty,
    /// It is no ELF, PE or Mach-O file at all.
    #[error("it is not an executable format (it begins with \"{start}\")")]
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
    /// A table of it is wrong in itself, or contradicts another.
    #[error("its {table} cannot be right{}: {what}", Entry(*entry))]
    Table {
        /// The table.
        table: Table,
        /// The number of the entry, where one alone is wrong.
        entry: Option<usize>,
        /// What is wrong.
        what: &'static str,
    },
    /// A table of it is longer than any that a linker writes.
    #[error("there are {found} entries in its {table}, the limit is {limit}")]
    TooMany {
        /// The table.
        table: Table,
        /// How many entries it has.
        found: usize,
        /// How many are accepted.
        limit: usize,
    },
    /// It asks the loader for something that a patch has no use for.
    #[error("it asks the loader for {what}")]
    Demand {
        /// What it asks for.
        what: &'static str,
    },
    /// A page of it that cannot be empty is: it was given its size before it was filled.
    #[error("it has a hole: the page at {offset:#x} is empty")]
    Hole {
        /// Where in the file the page begins, in bytes.
        offset: u64,
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
    #[error("it is a program or an object file, not a shared library")]
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
            Self::Empty | Self::Truncated { .. } | Self::Hole { .. } => {
                "let the build finish; if it has, build again: the file on disk is not whole"
            }
            Self::Damaged { .. }
            | Self::Inconsistent { .. }
            | Self::Table { .. }
            | Self::TooMany { .. } => {
                "build the library again: no linker that midair knows writes such a file"
            }
            Self::NotExecutable { .. } | Self::NotShared => {
                "name the library that `cargo build` makes of a crate with \
                 `crate-type = [\"cdylib\"]`"
            }
            Self::Format { .. } | Self::Machine { .. } => {
                "build for this machine: leave out `--target`, or give the program's"
            }
            Self::WritableAndExecutable | Self::Demand { .. } => {
                "build without the linker option that makes it so"
            }
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

/// The number of an entry, in a sentence.
struct Entry(Option<usize>);

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |entry| write!(f, " at entry {entry}"))
    }
}
