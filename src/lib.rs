//! Change the functions of a running Rust program in mid-air.

mod identity;
mod start;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use identity::is_hotpatched;
