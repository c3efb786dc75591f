//! What is known of the types of an image's hot functions beyond size and alignment, and the
//! comparison of what both sides know.

#[cfg(feature = "debuginfo")]
mod debuginfo;
#[cfg(feature = "debuginfo")]
pub(crate) use debuginfo::{Known, of_artifact};
#[cfg(not(feature = "debuginfo"))]
mod nothing;
#[cfg(not(feature = "debuginfo"))]
pub(crate) use nothing::{Known, of_artifact};

use crate::report::Mismatch;

/// What a deep comparison says of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "debuginfo"), expect(dead_code, reason = "nothing is ever compared"))]
pub(crate) enum Answer {
    /// Every type that can be reached is the same.
    Same {
        /// Whether any of them may hold a borrow, of which debug info does not tell how long it
        /// lasts.
        may_borrow: bool,
    },
    /// One is not.
    Different(Mismatch),
    /// One side does not know its types.
    Unknown,
}
