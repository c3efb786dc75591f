//! What midair knows of instruction sets: which machine a file is for, in the words of each file
//! format. No operating system, no unsafe code; any host can run its tests.

#![forbid(unsafe_code)]

mod machine;

pub use machine::Machine;
