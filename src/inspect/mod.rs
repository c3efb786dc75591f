//! Files looked at without loading them: what a library says of itself, whether another edition of
//! it would be taken, and how the code of a function changed.
//!
//! ELF, PE and Mach-O files of any machine are read. Nothing of them is loaded or run.
//!
//! # Examples
//! ```no_run
//! use midair::inspect::{Library, compare};
//! use midair::{Missing, Require};
//!
//! let old = Library::open("target/debug/libgame.so".as_ref())?;
//! let new = Library::open("/tmp/libgame.so".as_ref())?;
//! let comparison = compare(&old, &new, Missing::Refuse, Require::Any);
//! println!("{:?}", comparison.verdict());
//! # Ok::<(), midair::Error>(())
//! ```

#[cfg(feature = "disassembly")]
mod align;
#[cfg(feature = "disassembly")]
mod code;
mod comparison;
mod demangle;
mod described;
mod elf;
mod library;
#[cfg(feature = "disassembly")]
mod memory;
#[cfg(feature = "disassembly")]
mod names;
mod sizes;
mod warning;

pub use crate::report::differing;
#[cfg(feature = "disassembly")]
pub use code::{CodeDifference, CodeError, Line, Row, compare_code};
pub use comparison::{Comparison, RuleDifference, Verdict, compare};
pub use described::Described;
pub use library::{Function, Identity, Library, Type};
pub use midair_arch::Machine;
pub use sizes::Sizes;
pub use warning::Warning;
