//! The mechanism of midair: the slot through which a hot function is called, the record that
//! describes it in the binary, and what the operating system offers for finding both.
//!
//! This crate redirects; it never decides. Which function runs which code is the business of the
//! `midair` crate above it, what instructions mean is that of `midair-arch` below it.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("midair records hold 64-bit pointers: only 64-bit targets are supported");

#[cfg(target_endian = "big")]
compile_error!("midair records are little-endian: big-endian targets are not supported");

pub mod delta;
mod facts;
pub mod function;
pub mod hash;
pub mod hook;
pub mod identity;
pub mod layout;
pub mod os;
pub mod persist;
pub mod record;
pub mod routes;
pub mod scope;
pub mod section;
pub mod shape;
mod slot;
pub mod text;
pub mod types;
pub mod unwind;

pub use slot::Slot;
