//! What a hook returns, and how it is called in its own image.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use midair_trampolines::persist::Sink;
use midair_trampolines::text::RawText;

use super::HookContext;
use crate::health::message_of;

/// What a hook may return: nothing, or a `Result` whose error can be displayed.
#[diagnostic::on_unimplemented(
    message = "a hook returns nothing, or `Result<(), E>` whose error can be displayed",
    label = "this returns `{Self}`"
)]
pub trait HookOutcome {
    /// The error in words.
    ///
    /// # Errors
    /// When the hook failed.
    fn told(self) -> Result<(), String>;
}

impl HookOutcome for () {
    fn told(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> HookOutcome for Result<(), E> {
    fn told(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

/// Calls a hook in its own image, where its panic is caught; whether it did not fail.
///
/// # Safety
/// - `context` is the address of a context of the domain.
pub unsafe fn run_hook<O: HookOutcome>(
    context: *const (),
    failed: Sink,
    hook: impl FnOnce(&mut HookContext<'_>) -> O,
) -> bool {
    caught(failed, || {
        // SAFETY: the caller vouches for it.
        let mut context = unsafe { HookContext::new(context) };
        hook(&mut context).told()
    })
}

/// Runs `work`; an error or a panic goes to the sink. Whether there was neither.
pub(crate) fn caught(failed: Sink, work: impl FnOnce() -> Result<(), String>) -> bool {
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = format!("it panicked: {}", message_of(&*panic));
        // A payload whose destructor panics has said what it had to say.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
        Err(text)
    });
    match outcome {
        Ok(()) => true,
        Err(reason) => {
            (failed.take)(failed.context, RawText::new(&reason));
            false
        }
    }
}

/// Collects what goes into a sink while `ask` runs; `None` where it returned true.
pub(crate) fn reason_of(ask: impl FnOnce(Sink) -> bool) -> Option<String> {
    let mut reason = String::new();
    let done = ask(sink_into(&mut reason));
    (!done).then_some(reason)
}

/// A sink that writes to `text`.
pub(crate) fn sink_into(text: &mut String) -> Sink {
    extern "C" fn take(context: *mut (), text: RawText) {
        // SAFETY: the address of the text, which is alive and nobody else's for the time of the
        // question.
        let into = unsafe { &mut *context.cast::<String>() };
        // SAFETY: lent for the time of the call.
        *into = unsafe { text.to_string_lossy() };
    }
    Sink { context: std::ptr::from_mut(text).cast(), take }
}
