//! A future that is polled under a guard, wherever it is polled from.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Guarded, guard};

/// Polls a future of its own image under [`guard`].
///
/// It is dropped as any other: a destructor that panics while an unfinished future is dropped is
/// not guarded.
#[derive(Debug)]
pub struct GuardedFuture<F>(F);

impl<F: Future> GuardedFuture<F> {
    /// Guards `future`.
    pub const fn new(future: F) -> Self {
        Self(future)
    }
}

impl<F: Future> Future for GuardedFuture<F> {
    type Output = Guarded<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the one field is pinned when the whole is: it is never moved out, and nothing
        // but its own destructor drops it.
        let future = unsafe { self.map_unchecked_mut(|guarded| &mut guarded.0) };
        let polled = guard(|| future.poll(context));
        if !polled.fault.is_null() {
            return Poll::Ready(Guarded::of_fault(polled.fault));
        }
        polled.resume().map(Guarded::of_value)
    }
}
