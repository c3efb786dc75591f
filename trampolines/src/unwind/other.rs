//! Where panics cannot be told apart, or none unwinds: `catch_unwind` stops those of this image,
//! and ends the process when one of another comes by.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use super::Run;
use super::fault::Fault;

/// Calls `run` and returns the panic that was stopped, or null.
///
/// # Safety
/// `arguments` and `value` are what `run` expects.
pub(super) unsafe extern "C-unwind" fn catch(
    run: Run,
    arguments: *mut (),
    value: *mut (),
) -> *mut Fault {
    // SAFETY: the caller vouches for the arguments.
    match catch_unwind(AssertUnwindSafe(|| unsafe { run(arguments, value) })) {
        Ok(()) => ptr::null_mut(),
        Err(payload) => Fault::new(payload),
    }
}

/// Tells this image from others.
pub(super) fn identity() -> usize {
    static HERE: u8 = 1;
    (&raw const HERE).addr()
}
