//! Panics at the border between two images that each have a standard library of their own.
//!
//! A standard library ends the process when a panic of another one reaches its `catch_unwind`. So
//! no panic crosses from one to the other. A guard stops what the code of its own image raises and
//! hands it over as data; the image that called raises it anew. Panics of other images, which began
//! in a closure of theirs that was called underneath, pass through a guard to where they belong.
//!
//! A hot function has an [`Entry`] for callers on the other side, who go through [`cross`]. What has
//! no slot, as the future of an async function, is run under [`guard`] by itself and hands out
//! [`Guarded`] values.

mod entry;
mod fault;
mod future;

#[cfg(all(
    panic = "unwind",
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(miri)
))]
mod linux_x86_64;
#[cfg(all(
    panic = "unwind",
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(miri)
))]
use linux_x86_64::{catch, identity};

#[cfg(not(all(
    panic = "unwind",
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(miri)
)))]
mod other;
#[cfg(not(all(
    panic = "unwind",
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(miri)
)))]
use other::{catch, identity};

use std::mem::MaybeUninit;
use std::ptr;

pub use entry::{Entry, Run, cross, give, take};
use fault::Fault;
pub use future::GuardedFuture;

/// What came of a call under [`guard`]: its value, or its panic as data.
///
/// It is made in one image and used up in another. Both were compiled by the same compiler, and
/// the layout is fixed, so all that has to agree is `R`.
#[repr(C)]
#[derive(Debug)]
#[must_use = "a panic that is not resumed is lost, and so is a value"]
pub struct Guarded<R> {
    /// Null where there is a value.
    fault: *mut Fault,
    value: MaybeUninit<R>,
}

// SAFETY: a panic's payload is `Send`, and so is the value then.
unsafe impl<R: Send> Send for Guarded<R> {}

impl<R> Guarded<R> {
    /// What came of a call that returned `value`.
    const fn of_value(value: R) -> Self {
        Self { fault: ptr::null_mut(), value: MaybeUninit::new(value) }
    }

    /// What came of a call that ended in `fault`.
    const fn of_fault(fault: *mut Fault) -> Self {
        Self { fault, value: MaybeUninit::uninit() }
    }

    /// The value; or the panic goes on, raised by the standard library of the calling image.
    ///
    /// No hook runs again and no message is printed again. The payload is what it was if both
    /// images share one standard library. If they do not, `&'static str` and [`String`] stay what
    /// they are, and of everything else there remains what the standard library prints in its
    /// place: the text `Box<dyn Any>`.
    #[inline(always)]
    pub fn resume(self) -> R {
        if !self.fault.is_null() {
            // SAFETY: made by `guard`, and used up here.
            unsafe { Fault::resume(self.fault) }
        }
        // SAFETY: without a fault there is a value.
        unsafe { self.value.assume_init() }
    }
}

/// Runs `call` and stops a panic that the standard library of this image raises in it.
///
/// Panics of other standard libraries, exceptions of other languages and the unwinding by which a
/// thread is ended pass through, and run the destructors on their way.
///
/// # Platform
/// Only Linux on x86_64 can tell panics apart; elsewhere a panic of another standard library ends
/// the process here. With `panic = "abort"` there is nothing to stop.
pub fn guard<F: FnOnce() -> R, R>(call: F) -> Guarded<R> {
    unsafe extern "C-unwind" fn run<F: FnOnce() -> R, R>(call: *mut (), value: *mut ()) {
        // SAFETY: the variables below, each used once.
        let call: F = unsafe { take(call) };
        // SAFETY: as above.
        unsafe { give(value, call()) };
    }
    let mut call = MaybeUninit::new(call);
    let mut value = MaybeUninit::<R>::uninit();
    // SAFETY: `run` gets what it expects.
    let fault = unsafe { catch(run::<F, R>, call.as_mut_ptr().cast(), value.as_mut_ptr().cast()) };
    Guarded { fault, value }
}
