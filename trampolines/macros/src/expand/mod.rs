//! The code that a hot item becomes.

mod attributes;
pub(crate) mod block;
mod border;
pub(crate) mod function;
pub(crate) mod record;
mod variants;
