//! The entry of a hot function for callers in an image with another standard library.
//!
//! Arguments and value pass through memory of the caller, so that one frame with one personality
//! can guard functions of any signature.

use std::mem::MaybeUninit;
use std::process::abort;

use super::catch;
use super::fault::Fault;

/// Code that takes its arguments from where the first pointer leads, by [`take`], and leaves its
/// value where the second does, by [`give`].
pub type Run = unsafe extern "C-unwind" fn(*mut (), *mut ());

/// How a function of one image is called from another that has its own standard library.
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    /// Runs code under the guard of the image that this lies in.
    catch: unsafe extern "C-unwind" fn(Run, *mut (), *mut ()) -> *mut Fault,
    run: Option<Run>,
}

impl Entry {
    /// The entry to `run`, which belongs to this image; `None` where no panic can leave it.
    #[must_use]
    pub const fn new(run: Option<Run>) -> Self {
        Self { catch, run }
    }

    /// Where it is, for [`cross`]; `None` where there is nothing to guard.
    #[must_use]
    pub fn address(&self) -> Option<*const ()> {
        let may_unwind = cfg!(panic = "unwind") && self.run.is_some();
        may_unwind.then_some(std::ptr::from_ref(self).cast())
    }
}

/// Calls the function whose entry is at `entry`; a panic of it goes on in the calling image.
///
/// No hook runs again and no message is printed again. The payload is what it was if both images
/// share one standard library. If they do not, `&'static str` and [`String`] stay what they are,
/// and of everything else there remains what the standard library prints in its place: the text
/// `Box<dyn Any>`.
///
/// # Safety
/// - `entry` is what [`Entry::address`] returned, in whatever image, of a function that takes the
///   parts of `arguments` and returns `R`, and that may be called with them.
#[inline]
pub unsafe fn cross<A, R>(entry: *const (), arguments: A) -> R {
    let mut arguments = MaybeUninit::new(arguments);
    let mut value = MaybeUninit::<R>::uninit();
    // SAFETY: the caller vouches for the function, and both places are what it expects.
    unsafe { call(entry, arguments.as_mut_ptr().cast(), value.as_mut_ptr().cast()) };
    // SAFETY: the function has returned, so it gave a value.
    unsafe { value.assume_init() }
}

/// # Safety
/// As for [`cross`], with the places that the function expects.
#[inline]
unsafe fn call(entry: *const (), arguments: *mut (), value: *mut ()) {
    // SAFETY: the caller vouches for it; entries stand in records, which stay.
    let entry = unsafe { &*entry.cast::<Entry>() };
    // Nobody was told the address of an entry without code.
    let Some(run) = entry.run else { abort() };
    // SAFETY: as above.
    let fault = unsafe { (entry.catch)(run, arguments, value) };
    if !fault.is_null() {
        // SAFETY: made by the guard just now.
        unsafe { Fault::resume(fault) }
    }
}

/// The arguments of a call.
///
/// # Safety
/// - `arguments` leads to an `A`, which nobody takes again.
#[inline]
#[must_use]
pub unsafe fn take<A>(arguments: *mut ()) -> A {
    // SAFETY: the caller vouches for it.
    unsafe { arguments.cast::<A>().read() }
}

/// Leaves the value of a call.
///
/// # Safety
/// - `place` leads to room for an `R`.
#[inline]
pub unsafe fn give<R>(place: *mut (), value: R) {
    // SAFETY: the caller vouches for it.
    unsafe { place.cast::<R>().write(value) };
}
