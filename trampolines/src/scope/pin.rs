//! Pins: the epochs that threads and tasks hold.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use std::ptr;

use super::clock::{Clock, Epoch, Gate};
use crate::os::barrier;
use crate::routes::EPOCHS;

/// What one thread holds. Made once, used again by a later thread, never freed.
#[derive(Debug)]
pub struct Pin {
    /// The number of the epoch that is pinned; 0 when none is.
    epoch: AtomicU64,
    /// Whether a thread has it.
    taken: AtomicBool,
    /// The number that the system gave that thread.
    thread: AtomicU64,
    /// The pin that was made before.
    next: AtomicPtr<Pin>,
}

/// The gate is closed: an outermost scope has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// A pinned thread, as the writer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// The number that the system gave it.
    pub thread: u64,
    /// What it has pinned.
    pub epoch: Epoch,
}

/// The clock, and all that is pinned.
///
/// # Why no pin is missed
///
/// Whoever enters a scope stores its pin, then reads the clock again; the writer flips the clock,
/// then reads the pins. Between the two steps each side has a barrier ([`barrier::light`] and
/// [`barrier::heavy`]), so at least one of them sees the other: either the writer finds the pin,
/// and waits for it, or the reader finds the new epoch, and pins that.
///
/// A pin is taken back, and made anew, with Release; it is found gone, or newer, with Acquire. So
/// everything done under it comes before what the writer does next.
#[derive(Debug)]
pub struct Pins {
    clock: Clock,
    /// The pin that was made last.
    first: AtomicPtr<Pin>,
    /// How many owned pins each epoch has.
    owned: [AtomicU64; EPOCHS],
    /// One more in each forked child: owned pins of the parent's tasks mean nothing there.
    era: AtomicU64,
}

/// A pin that belongs to no thread: a task may carry it from one to another.
#[repr(C)]
#[derive(Debug)]
pub struct OwnedPin {
    epoch: Epoch,
    era: u64,
}

impl OwnedPin {
    /// The epoch that it pins.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }
}

impl Pin {
    /// Pins the epoch that it is, and returns it.
    ///
    /// # Errors
    /// [`Closed`] while the gate is; nothing is pinned then.
    #[inline]
    pub fn enter(&self, clock: &Clock) -> Result<Epoch, Closed> {
        let mut word = clock.now();
        loop {
            self.pin(word.epoch());
            #[cfg(not(midair_mutant = "no_light_barrier"))]
            barrier::light();
            let again = clock.now();
            if again == word && word.gate() == Gate::Open {
                return Ok(word.epoch());
            }
            if again.gate() == Gate::Closed {
                self.leave();
                return Err(Closed);
            }
            word = again;
        }
    }

    /// Pins, whatever the gate says, for one decision inside a router, which nobody has to wait
    /// for: returns the epoch that it is, and what to [`restore`](Self::restore) afterwards.
    ///
    /// A signal may come in while this thread is entering a scope, and its handler may get here. So
    /// a pin that is there is left as it is: an older one keeps all that a newer one would.
    pub fn pass(&self, clock: &Clock) -> (Epoch, u64) {
        let before = self.epoch.load(Ordering::Relaxed);
        if before == 0 {
            self.pin(clock.now().epoch());
        }
        barrier::light();
        (clock.now().epoch(), before)
    }

    /// Enters a scope in a signal handler that interrupts this thread where it has a pin already,
    /// in the middle of an entry or of a router: as [`pass`](Self::pass), but it heeds the gate.
    /// What is pinned stays, until the interrupted work takes it back.
    ///
    /// # Errors
    /// [`Closed`] while the gate is.
    pub fn enter_within(&self, clock: &Clock) -> Result<Epoch, Closed> {
        // The interrupted entry may not have come to its own barrier.
        barrier::light();
        let word = clock.now();
        match word.gate() {
            Gate::Open => Ok(word.epoch()),
            Gate::Closed => Err(Closed),
        }
    }

    /// Pins what was pinned before [`pass`](Self::pass).
    pub fn restore(&self, before: u64) {
        // Release: pairs with the Acquire in `pinned`.
        self.epoch.store(before, Ordering::Release);
    }

    #[inline(always)]
    fn pin(&self, epoch: Epoch) {
        // The barrier orders it before the second look at the clock. Release all the same: pairs
        // with the Acquire in `pinned`. A writer that finds this epoch has not found the 0 that
        // was there before, and what was done under earlier pins is done for it as well.
        #[cfg(not(midair_mutant = "pin_relaxed"))]
        let order = Ordering::Release;
        #[cfg(midair_mutant = "pin_relaxed")]
        let order = Ordering::Relaxed;
        self.epoch.store(epoch.number(), order);
    }

    /// Takes the pin back.
    #[inline(always)]
    pub fn leave(&self) {
        // Release: pairs with the Acquire in `pinned`. What was done in the scope is done.
        #[cfg(not(midair_mutant = "leave_relaxed"))]
        let order = Ordering::Release;
        #[cfg(midair_mutant = "leave_relaxed")]
        let order = Ordering::Relaxed;
        self.epoch.store(0, order);
    }

    /// Whether it pins nothing.
    #[inline(always)]
    #[must_use]
    pub fn is_free(&self) -> bool {
        // Relaxed: asked by the thread that wrote it.
        self.epoch.load(Ordering::Relaxed) == 0
    }

    /// Whether it pins `epoch`.
    #[must_use]
    pub fn holds(&self, epoch: Option<Epoch>) -> bool {
        // Relaxed: asked by the thread that wrote it.
        Epoch::of_number(self.epoch.load(Ordering::Relaxed)) == epoch
    }

    fn pinned(&self) -> Option<Pinned> {
        // Acquire: pairs with the Release in `leave`.
        #[cfg(not(midair_mutant = "pinned_relaxed"))]
        let order = Ordering::Acquire;
        #[cfg(midair_mutant = "pinned_relaxed")]
        let order = Ordering::Relaxed;
        let epoch = Epoch::of_number(self.epoch.load(order))?;
        Some(Pinned { thread: self.thread.load(Ordering::Relaxed), epoch })
    }

    fn take(&self, thread: u64) -> bool {
        // Acquire: pairs with the Release in `give_back`.
        let order = (Ordering::Acquire, Ordering::Relaxed);
        let taken = self.taken.compare_exchange(false, true, order.0, order.1).is_ok();
        if taken {
            self.thread.store(thread, Ordering::Relaxed);
        }
        taken
    }

    /// Leaves it to another thread.
    pub fn give_back(&self) {
        self.leave();
        // Release: pairs with the Acquire in `take`.
        #[cfg(not(midair_mutant = "give_back_relaxed"))]
        let order = Ordering::Release;
        #[cfg(midair_mutant = "give_back_relaxed")]
        let order = Ordering::Relaxed;
        self.taken.store(false, order);
    }
}

impl Pins {
    /// No pin, and a clock in the first epoch.
    #[cfg(not(loom))]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "stands in statics, where `default` cannot")]
    pub const fn new() -> Self {
        Self {
            clock: Clock::new(),
            first: AtomicPtr::new(ptr::null_mut()),
            owned: [const { AtomicU64::new(0) }; EPOCHS],
            era: AtomicU64::new(0),
        }
    }

    /// No pin, and a clock in the first epoch.
    #[cfg(loom)]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "as without loom")]
    pub fn new() -> Self {
        Self {
            clock: Clock::new(),
            first: AtomicPtr::new(ptr::null_mut()),
            owned: std::array::from_fn(|_| AtomicU64::new(0)),
            era: AtomicU64::new(0),
        }
    }

    /// The clock.
    #[inline(always)]
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A pin for the thread that the system calls `thread`: one that another left, or a new one.
    pub fn register(&self, thread: u64) -> &'static Pin {
        if let Some(pin) = self.all().find(|pin| pin.take(thread)) {
            return pin;
        }
        let pin: &'static Pin = Box::leak(Box::new(Pin {
            epoch: AtomicU64::new(0),
            taken: AtomicBool::new(true),
            thread: AtomicU64::new(thread),
            next: AtomicPtr::new(ptr::null_mut()),
        }));
        let mut first = self.first.load(Ordering::Relaxed);
        loop {
            pin.next.store(first, Ordering::Relaxed);
            let new = ptr::from_ref(pin).cast_mut();
            // Release: pairs with the Acquire in `all`; it carries the pin's contents.
            match self.first.compare_exchange(first, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return pin,
                Err(current) => first = current,
            }
        }
    }

    /// Begins the next epoch and makes sure that no pin of an older one is missed from here on.
    pub fn flip(&self) -> Epoch {
        self.flip_and(|| {})
    }

    /// As [`flip`](Self::flip); `then` is done as soon as the next epoch has begun.
    pub fn flip_and(&self, then: impl FnOnce()) -> Epoch {
        let epoch = self.clock.flip();
        then();
        #[cfg(not(midair_mutant = "no_heavy_barrier"))]
        barrier::heavy();
        epoch
    }

    /// Opens or closes the gate; when it is closed, no pin that came through is missed from here on.
    pub fn set_gate(&self, gate: Gate) {
        self.clock.set_gate(gate);
        barrier::heavy();
    }

    /// Whether any epoch before `epoch` is pinned.
    #[must_use]
    pub fn any_before(&self, epoch: Epoch) -> bool {
        let by_threads = || self.threads_before(epoch).next().is_some();
        let by_tasks = || self.owned_before(epoch).next().is_some();
        // In this order: a task's pin is made under a thread's, which is gone only afterwards.
        #[cfg(not(midair_mutant = "tasks_first"))]
        return by_threads() || by_tasks();
        #[cfg(midair_mutant = "tasks_first")]
        return by_tasks() || by_threads();
    }

    /// The threads that pin an epoch before `epoch`.
    pub fn threads_before(&self, epoch: Epoch) -> impl Iterator<Item = Pinned> {
        self.all().filter_map(Pin::pinned).filter(move |pinned| pinned.epoch < epoch)
    }

    /// The epochs before `epoch` that have owned pins, and how many.
    pub fn owned_before(&self, epoch: Epoch) -> impl Iterator<Item = (Epoch, u64)> {
        let first = epoch.number().saturating_sub(EPOCHS as u64 - 1).max(1);
        (first..epoch.number()).filter_map(Epoch::of_number).filter_map(|epoch| {
            // Acquire: pairs with the Release in `release`.
            let count = self.owned[epoch.number() as usize % EPOCHS].load(Ordering::Acquire);
            (count != 0).then_some((epoch, count))
        })
    }

    /// Pins `epoch` for a task. The caller holds a pin to it, so that nobody misses the new one.
    #[must_use]
    pub fn own(&self, epoch: Epoch) -> OwnedPin {
        // Relaxed: the caller's pin is taken back with Release afterwards.
        self.owned[epoch.number() as usize % EPOCHS].fetch_add(1, Ordering::Relaxed);
        OwnedPin { epoch, era: self.era.load(Ordering::Relaxed) }
    }

    /// Takes an owned pin back.
    pub fn release(&self, pin: &OwnedPin) {
        if pin.era == self.era.load(Ordering::Relaxed) {
            // Release: pairs with the Acquire in `owned_before`.
            #[cfg(not(midair_mutant = "release_relaxed"))]
            let order = Ordering::Release;
            #[cfg(midair_mutant = "release_relaxed")]
            let order = Ordering::Relaxed;
            self.owned[pin.epoch.number() as usize % EPOCHS].fetch_sub(1, order);
        }
    }

    /// In a child that has just been forked: nobody holds anything but the caller, whose pin is
    /// `own`. The gate is open.
    pub fn forget_others(&self, own: Option<&Pin>) {
        for pin in self.all().filter(|pin| own.is_none_or(|own| !ptr::eq(*pin, own))) {
            pin.give_back();
        }
        for count in &self.owned {
            count.store(0, Ordering::Relaxed);
        }
        self.era.fetch_add(1, Ordering::Relaxed);
        self.clock.set_gate(Gate::Open);
    }

    fn all(&self) -> impl Iterator<Item = &'static Pin> + use<> {
        // Acquire: pairs with the Release in `register`.
        let mut next = self.first.load(Ordering::Acquire);
        std::iter::from_fn(move || {
            // SAFETY: null, or a pin that `register` leaked.
            let pin = unsafe { next.as_ref() }?;
            // Relaxed: written before the pin was published.
            next = pin.next.load(Ordering::Relaxed);
            Some(pin)
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Closed, Pins};
    use crate::scope::{Epoch, Gate};

    #[test]
    fn a_pin_is_seen_until_it_is_taken_back() {
        let pins = Pins::new();
        let pin = pins.register(7);
        assert_eq!(pin.enter(pins.clock()), Ok(Epoch::FIRST));
        let next = pins.flip();
        assert!(pins.any_before(next));
        let seen: Vec<_> = pins.threads_before(next).collect();
        assert_eq!((seen[0].thread, seen[0].epoch), (7, Epoch::FIRST));
        pin.leave();
        assert!(!pins.any_before(next));
        assert_eq!(pin.enter(pins.clock()), Ok(next));
        assert!(!pins.any_before(next), "who came after the flip is not waited for");
    }

    #[test]
    fn a_closed_gate_lets_decisions_pass_but_no_scope() {
        let pins = Pins::new();
        let pin = pins.register(1);
        pins.set_gate(Gate::Closed);
        assert_eq!(pin.enter(pins.clock()), Err(Closed));
        assert!(!pins.any_before(Epoch::FIRST.next()));
        assert_eq!(pin.pass(pins.clock()), (Epoch::FIRST, 0));
        assert!(pins.any_before(Epoch::FIRST.next()));
        pin.restore(0);
        assert!(!pins.any_before(Epoch::FIRST.next()));
    }

    #[test]
    fn a_pin_that_was_given_back_is_used_again() {
        let pins = Pins::new();
        let first = pins.register(1);
        first.give_back();
        assert!(std::ptr::eq(first, pins.register(2)));
        assert!(!std::ptr::eq(first, pins.register(3)));
    }

    #[test]
    fn owned_pins_count_until_released_or_forked_away() {
        let pins = Pins::new();
        let (one, other) = (pins.own(Epoch::FIRST), pins.own(Epoch::FIRST));
        let next = pins.flip();
        assert_eq!(pins.owned_before(next).next(), Some((Epoch::FIRST, 2)));
        pins.release(&one);
        assert_eq!(pins.owned_before(next).next(), Some((Epoch::FIRST, 1)));
        pins.forget_others(None);
        pins.release(&other);
        assert_eq!(
            pins.owned_before(next).next(),
            None,
            "the parent's pin takes nothing from the child"
        );
    }
}
