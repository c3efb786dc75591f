//! Scopes as a program uses them: stretches of work that see one generation, whichever image they
//! are entered in.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::task::{Context, Poll};

use midair_trampolines::function::FunctionHead;
use midair_trampolines::routes::Code;
use midair_trampolines::scope::{self as own, Before, Epoch, Here, OwnedPin, PINS};

use crate::connection::{Connection, connect};
use crate::table::Remote;

/// Runs `work`, in which every hot call runs the code of one generation: the one that was current
/// when the outermost scope of this thread was entered.
///
/// Entering costs two thread-local stores and two loads. A scope inside another sees what the
/// outer one sees. A panic leaves the scope on its way. While a [`Level::Quiescent`] transition
/// closes its gate, an outermost scope waits here.
///
/// A scope that lasts delays the end of a transition, never its beginning: while it does, calls of
/// the functions concerned take the longer way through a router. A thread that is never outside of
/// a scope calls [`checkpoint`] now and then.
///
/// [`Level::Quiescent`]: crate::Level::Quiescent
///
/// # Examples
/// ```no_run
/// # fn simulate() {} fn draw() {}
/// midair::scope(|| {
///     simulate();
///     draw(); // of the same generation as `simulate`
/// });
/// ```
#[inline]
pub fn scope<R>(work: impl FnOnce() -> R) -> R {
    let _scope = Scope::enter();
    work()
}

/// A scope that ends when this is dropped. See [`scope`].
#[derive(Debug)]
#[must_use = "the scope ends when this is dropped"]
pub struct Scope {
    /// It belongs to the thread that entered it.
    not_send: PhantomData<*const ()>,
}

impl Scope {
    /// Enters a scope.
    #[inline]
    pub fn enter() -> Self {
        match road() {
            Road::Own => own::enter(),
            Road::Remote(remote) => remote.enter(),
        }
        Self { not_send: PhantomData }
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        match road() {
            Road::Own => own::leave(),
            Road::Remote(remote) => remote.leave(),
        }
    }
}

/// Lets the calling thread's scope see the generation that is current now, as if it were left and
/// entered again: for a loop that is in a scope all its life.
///
/// Returns whether it did: it does nothing outside of scopes, inside a nested one, and in a task
/// that holds a [pin](pin_owned) of its own.
pub fn checkpoint() -> bool {
    let here = match road() {
        Road::Own => own::checkpoint(),
        Road::Remote(remote) => remote.checkpoint(),
    };
    here == Here::Current
}

/// A generation that stays reachable for a task, on whatever thread the task runs.
#[derive(Debug)]
#[must_use = "the generation is let go when this is dropped"]
pub struct PinnedGeneration {
    pin: OwnedPin,
}

/// Pins the generation that the calling thread sees, for a task that moves between threads.
///
/// It counts as a scope for as long as it lives: a transition does not end before.
pub fn pin_owned() -> PinnedGeneration {
    let pin = match road() {
        Road::Own => PINS.own_current(),
        Road::Remote(remote) => remote.pin(),
    };
    PinnedGeneration { pin }
}

impl PinnedGeneration {
    /// Runs `work`, which sees the pinned generation.
    pub fn scope<R>(&self, work: impl FnOnce() -> R) -> R {
        let _stepped = Stepped::into(self.pin.epoch());
        work()
    }
}

impl Drop for PinnedGeneration {
    fn drop(&mut self) {
        match road() {
            Road::Own => PINS.release(&self.pin),
            Road::Remote(remote) => remote.release(&self.pin),
        }
    }
}

/// The generation that a thread sees for a while; what it saw before comes back with the drop.
pub(crate) struct Stepped(Before);

impl Stepped {
    pub(crate) fn into(epoch: Epoch) -> Self {
        Self(match road() {
            Road::Own => own::step_into(epoch),
            Road::Remote(remote) => remote.step_into(epoch),
        })
    }
}

impl Drop for Stepped {
    fn drop(&mut self) {
        match road() {
            Road::Own => own::step_out(self.0),
            Road::Remote(remote) => remote.step_out(self.0),
        }
    }
}

/// A future every poll of which sees one generation: the one that is current at the first.
pub fn scope_async<F: Future>(future: F) -> ScopeAsync<F> {
    ScopeAsync { future, pinned: None }
}

/// The future that [`scope_async`] makes.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct ScopeAsync<F> {
    future: F,
    pinned: Option<PinnedGeneration>,
}

impl<F: Future> Future for ScopeAsync<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is never moved out of the pinned `self`; `pinned` is `Unpin`.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: it is pinned because `self` is.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        let pinned = this.pinned.get_or_insert_with(pin_owned);
        let polled = pinned.scope(|| future.poll(context));
        if polled.is_ready() {
            this.pinned = None;
        }
        polled
    }
}

/// Where a call goes that found the router in its slot.
#[must_use]
pub(crate) fn route(head: &'static FunctionHead) -> Code {
    match road() {
        Road::Own => head.route(),
        Road::Remote(remote) => remote.route(head),
    }
}

/// Whose scopes the threads of this image are in.
#[derive(Clone, Copy)]
enum Road {
    Own,
    Remote(Remote),
}

/// The table of the domain, once it is known.
static DOMAIN: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

#[inline(always)]
fn road() -> Road {
    // Acquire: pairs with the Release in `find_road`.
    let domain = DOMAIN.load(Ordering::Acquire).cast_const();
    if domain == crate::table::own().cast() {
        return Road::Own;
    }
    find_road(domain)
}

#[cold]
#[inline(never)]
fn find_road(domain: *const ()) -> Road {
    if !domain.is_null() {
        // SAFETY: stored below, from a connection.
        return Road::Remote(unsafe { Remote::new(domain) });
    }
    let road = match connect() {
        Ok(Connection::Remote(remote)) => Road::Remote(remote),
        // Where nothing can be patched, a scope is one all the same.
        Ok(Connection::Own(_)) | Err(_) => Road::Own,
    };
    let table = match road {
        Road::Own => crate::table::own().cast(),
        Road::Remote(remote) => remote.address(),
    };
    // Release: pairs with the Acquire in `road`.
    DOMAIN.store(table.cast_mut(), Ordering::Release);
    road
}
