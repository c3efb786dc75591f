//! From tokens to what the attribute was written on, and with which arguments.

pub(crate) mod arguments;
pub(crate) mod item;
