//! What `#[hotpatch]` accepts, called from end to end: each function twice, so that the way
//! through the first-call shim and the direct way both run.

#![allow(clippy::print_stdout, reason = "a test says what it skips")]

#[path = "macros/asynchronous.rs"]
mod asynchronous;
#[path = "macros/border.rs"]
mod border;
#[path = "macros/foreign_traits.rs"]
mod foreign_traits;
#[path = "macros/functions.rs"]
mod functions;
#[path = "macros/methods.rs"]
mod methods;
#[path = "macros/records.rs"]
mod records;
