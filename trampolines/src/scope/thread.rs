//! The calling thread's side of scopes: how deep it is in them, and which epoch it sees.

use std::cell::Cell;
use std::time::Duration;

use super::clock::Epoch;
use super::pin::{OwnedPin, Pin, Pins};
use crate::os::{self, barrier};

/// Everything that is pinned in this process, as far as this image's domain goes.
pub static PINS: Pins = Pins::new();

/// What a thread knows of itself. It has no destructor, so that reaching it costs no check.
struct Thread {
    /// Its pin; `None` until its first scope, and again when the thread is ending.
    pin: Cell<Option<&'static Pin>>,
    /// How many scopes it is in.
    depth: Cell<usize>,
    /// The epoch it sees while `depth` is not 0.
    view: Cell<Option<Epoch>>,
    /// The epoch it saw when a signal handler entered a scope in the middle of an entry, for that
    /// scope's end.
    outer: Cell<Option<Epoch>>,
    /// Its destructors run: nobody would give back a pin that it kept.
    is_ending: Cell<bool>,
}

thread_local! {
    static THREAD: Thread = const {
        Thread {
            pin: Cell::new(None),
            depth: Cell::new(0),
            view: Cell::new(None),
            outer: Cell::new(None),
            is_ending: Cell::new(false),
        }
    };
    static AT_EXIT: AtExit = const { AtExit };
}

/// Gives the thread's pin back when it ends.
struct AtExit;

impl Drop for AtExit {
    fn drop(&mut self) {
        THREAD.with(|thread| {
            thread.is_ending.set(true);
            // A scope that was entered and forgotten ends here; one that another destructor is
            // still in keeps its pin until it ends itself.
            if let Some(pin) = thread.pin.take() {
                thread.depth.set(0);
                pin.give_back();
            }
        });
    }
}

/// Enters a scope. The outermost one pins the epoch that it is, and waits while the gate is
/// closed; the others see what that one saw. Each is left by one [`leave`] on the same thread.
#[inline]
pub fn enter() {
    THREAD.with(|thread| {
        let mut depth = thread.depth.get();
        if depth == 0 {
            let free = thread.pin.get().filter(|pin| pin.is_free());
            match free.and_then(|pin| pin.enter(PINS.clock()).ok()) {
                Some(epoch) => thread.view.set(Some(epoch)),
                None => depth = enter_slowly(thread),
            }
        }
        thread.depth.set(depth + 1);
    });
}

/// Leaves the scope that was entered last.
#[inline]
pub fn leave() {
    THREAD.with(|thread| {
        // A scope that was still open when the thread ended was left then.
        let depth = thread.depth.get().saturating_sub(1);
        thread.depth.set(depth);
        if depth == 0 {
            unpin(thread);
        } else if depth == WITHIN {
            // What is pinned stays with the entry that was interrupted.
            thread.depth.set(0);
            thread.view.set(thread.outer.take());
        }
    });
}

/// What [`checkpoint`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// The thread is in no scope, in one inside another, or in a task's.
    Unchanged,
    /// The scope sees the epoch that it is now.
    Current,
}

/// Lets the calling thread's only scope see the epoch that it is now, as if it were left and
/// entered again. Inside a nested scope nothing happens.
pub fn checkpoint() -> Here {
    THREAD.with(|thread| {
        let own = thread.pin.get().filter(|pin| pin.holds(thread.view.get()));
        if thread.depth.get() != 1 || own.is_none() {
            return Here::Unchanged;
        }
        // In this order: a signal that comes in between finds no scope rather than one unpinned.
        thread.depth.set(0);
        unpin(thread);
        enter();
        Here::Current
    })
}

/// The epoch that the calling thread has pinned, if it is in a scope.
#[must_use]
pub fn pinned() -> Option<Epoch> {
    THREAD.with(|thread| thread.view.get().filter(|_| thread.depth.get() != 0))
}

/// How many scopes the calling thread is in.
#[must_use]
pub fn depth() -> usize {
    THREAD.with(|thread| thread.depth.get())
}

/// What a thread saw before it [stepped into](step_into) another epoch.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Before {
    view: u64,
    depth: usize,
}

/// Lets the calling thread see `epoch`, until [`step_out`]. Whoever calls sees to it that `epoch`
/// is pinned meanwhile, or not yet begun.
pub fn step_into(epoch: Epoch) -> Before {
    THREAD.with(|thread| {
        let view = thread.view.replace(Some(epoch)).map_or(0, Epoch::number);
        let depth = thread.depth.get();
        thread.depth.set(depth + 1);
        Before { view, depth }
    })
}

/// Lets the calling thread see what it saw before.
///
/// Scopes that were entered meanwhile and are still open go on as scopes of the thread's own; of
/// those that were open before, the ones that were left meanwhile are left.
pub fn step_out(before: Before) {
    let (entered, left) = THREAD.with(|thread| {
        let (is, was) = (thread.depth.get(), before.depth + 1);
        thread.view.set(Epoch::of_number(before.view));
        thread.depth.set(before.depth);
        (is.saturating_sub(was), was.saturating_sub(is))
    });
    (0..entered).for_each(|_| enter());
    (0..left).for_each(|_| leave());
}

/// The epoch in which a call that a router decides belongs; it stays pinned while `decide` runs.
pub fn decided<R>(decide: impl FnOnce(Epoch) -> R) -> R {
    if let Some(epoch) = pinned() {
        return decide(epoch);
    }
    THREAD.with(|thread| {
        let pin = own_pin(thread);
        let (epoch, before) = pin.pass(PINS.clock());
        let answer = decide(epoch);
        pin.restore(before);
        if before == 0 {
            give_back_when_ending(thread);
        }
        answer
    })
}

impl Pins {
    /// Pins, for a task, the epoch that the calling thread sees.
    #[must_use]
    pub fn own_current(&self) -> OwnedPin {
        match pinned() {
            Some(epoch) => self.own(epoch),
            // An outermost entry, which waits at the gate.
            None => {
                enter();
                let pin = self.own(pinned().expect("a scope was entered just now"));
                leave();
                pin
            }
        }
    }

    /// In a child that has just been forked: only the calling thread is there.
    pub fn forked(&self) {
        THREAD.with(|thread| self.forget_others(thread.pin.get()));
    }
}

/// How deep a thread is when a signal handler enters a scope in the middle of an entry: as in many
/// scopes, so that leaving it is not leaving the outermost one.
const WITHIN: usize = 1 << (usize::BITS - 2);

/// Returns how deep the thread is before.
#[cold]
fn enter_slowly(thread: &Thread) -> usize {
    let pin = own_pin(thread);
    let mut wait = Duration::from_micros(20);
    loop {
        if pin.is_free() {
            if let Ok(epoch) = pin.enter(PINS.clock()) {
                thread.view.set(Some(epoch));
                return 0;
            }
        } else if let Ok(epoch) = pin.enter_within(PINS.clock()) {
            thread.outer.set(thread.view.replace(Some(epoch)));
            return WITHIN;
        }
        // Gates are closed for as long as the scopes of others take to end, and open by
        // themselves at a deadline.
        std::thread::sleep(wait);
        wait = (wait * 2).min(Duration::from_millis(1));
    }
}

fn own_pin(thread: &Thread) -> &'static Pin {
    thread.pin.get().unwrap_or_else(|| {
        barrier::prepare();
        let pin = PINS.register(os::thread_number());
        thread.pin.set(Some(pin));
        // While the thread's destructors run nothing more can be registered, and whoever enters
        // a scope then gives the pin back itself.
        thread.is_ending.set(AT_EXIT.try_with(|_| {}).is_err());
        pin
    })
}

#[inline]
fn unpin(thread: &Thread) {
    if let Some(pin) = thread.pin.get() {
        pin.leave();
    }
    give_back_when_ending(thread);
}

#[inline]
fn give_back_when_ending(thread: &Thread) {
    if thread.is_ending.get()
        && let Some(pin) = thread.pin.take()
    {
        pin.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Here, PINS, THREAD, checkpoint, enter, leave, own_pin, pinned, step_into, step_out,
    };
    use std::sync::Mutex;

    /// The clock is the process's: one test at a time.
    static ALONE: Mutex<()> = Mutex::new(());

    #[test]
    fn nested_scopes_see_what_the_outermost_saw() {
        let _alone = ALONE.lock();
        assert_eq!(pinned(), None);
        enter();
        let seen = pinned();
        let next = PINS.flip();
        enter();
        assert_eq!(pinned(), seen);
        assert_eq!(checkpoint(), Here::Unchanged);
        leave();
        assert!(PINS.any_before(next));
        assert_eq!(checkpoint(), Here::Current);
        assert_eq!(pinned(), Some(next));
        leave();
        assert_eq!(pinned(), None);
        assert!(!PINS.any_before(next));
    }

    #[test]
    fn a_handler_in_the_middle_of_an_entry_leaves_its_pin_alone() {
        let _alone = ALONE.lock();
        let pin = THREAD.with(own_pin);
        let epoch = pin.enter(PINS.clock()).unwrap();
        let next = PINS.flip();
        // A signal comes in before the thread knows that it is in a scope.
        enter();
        assert_eq!(pinned(), Some(next));
        assert!(PINS.any_before(next), "the entry that was interrupted is not waited for");
        leave();
        assert!(pin.holds(Some(epoch)));
        assert_eq!(pinned(), None);
        pin.leave();
        assert!(!PINS.any_before(next));
    }

    #[test]
    fn a_thread_that_ends_in_a_scope_leaves_no_pin() {
        let _alone = ALONE.lock();
        std::thread::spawn(enter).join().unwrap();
        assert!(!PINS.any_before(PINS.clock().now().epoch().next()));
    }

    #[test]
    fn a_destructor_of_a_thread_may_enter_scopes() {
        let _alone = ALONE.lock();
        struct Late;
        impl Drop for Late {
            fn drop(&mut self) {
                enter();
                assert!(pinned().is_some());
                leave();
            }
        }
        thread_local! { static LATE: Late = const { Late }; }
        std::thread::spawn(|| {
            LATE.with(|_| {});
            enter();
            leave();
        })
        .join()
        .unwrap();
        std::thread::spawn(|| {
            enter();
            leave();
            LATE.with(|_| {});
        })
        .join()
        .unwrap();
        assert!(!PINS.any_before(PINS.clock().now().epoch().next()));
    }

    #[test]
    fn a_scope_may_outlive_the_epoch_that_it_was_entered_in() {
        let _alone = ALONE.lock();
        let before = step_into(PINS.clock().now().epoch());
        enter();
        step_out(before);
        let next = PINS.flip();
        assert!(pinned().is_some() && PINS.any_before(next), "an open scope pins nothing");
        let before = step_into(next);
        leave();
        step_out(before);
        assert_eq!(pinned(), None);
        assert!(!PINS.any_before(next.next()), "a scope that was left is still pinned");
    }

    #[test]
    fn an_owned_pin_is_seen_wherever_its_task_runs() {
        let _alone = ALONE.lock();
        let pin = PINS.own_current();
        let next = PINS.flip();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let before = step_into(pin.epoch());
                assert_eq!(pinned(), Some(pin.epoch()));
                step_out(before);
                assert_eq!(pinned(), None);
            });
        });
        assert!(PINS.owned_before(next).eq([(pin.epoch(), 1)]));
        PINS.release(&pin);
        assert!(!PINS.any_before(next));
    }
}
