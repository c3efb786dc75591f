//! The code that a hot item becomes.

mod attributes;
pub(crate) mod block;
mod border;
pub(crate) mod function;
mod record;
mod variants;
