//! With the feature `failpoints` the environment is asked at each of them.

use midair_trampolines::os;

use super::{Failpoint, Injected};

/// Whether the step `failpoint` is to fail; where the process is to end, it ends here.
pub(crate) fn reached(failpoint: Failpoint) -> Result<(), Injected> {
    let Some(wanted) = os::variable("MIDAIR_FAILPOINT") else { return Ok(()) };
    let wanted = wanted.to_string_lossy();
    match wanted.split_once('=') {
        None if wanted == failpoint.name() => Err(Injected(failpoint)),
        Some((name, "kill")) if name == failpoint.name() => os::kill_this_process(),
        _ => Ok(()),
    }
}
