//! Since when a built file is complete.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(super) use unix::completed;
#[cfg(not(unix))]
mod other;
#[cfg(not(unix))]
pub(super) use other::completed;
