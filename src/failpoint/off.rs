//! Without the feature `failpoints` nothing is made to fail.

use super::{Failpoint, Injected};

/// Nothing is made to fail.
#[inline(always)]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it may fail")]
pub(crate) const fn reached(_failpoint: Failpoint) -> Result<(), Injected> {
    Ok(())
}
