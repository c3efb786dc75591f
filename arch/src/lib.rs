//! What midair knows of instruction sets: which machine a file is for, in the words of each file
//! format, and how code is led elsewhere (feature `detour`). No operating system, no unsafe code;
//! any host can run its tests.

#![forbid(unsafe_code)]

#[cfg(feature = "detour")]
pub mod detour;
#[cfg(feature = "disassembly")]
mod disassembly;
mod machine;

#[cfg(feature = "disassembly")]
pub use disassembly::{Instruction, Reference, disassemble};
pub use machine::Machine;
