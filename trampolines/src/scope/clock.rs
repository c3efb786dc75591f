//! The clock: which epoch it is, and whether scopes may be entered.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// The time between two flips of the clock.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// The one in which every program starts.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Its number, never 0.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The epoch of this number; `None` for 0.
    #[must_use]
    pub const fn of_number(number: u64) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }
}

/// Whether outermost scopes may be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// They may.
    Open,
    /// They wait.
    Closed,
}

/// Epoch and gate as they were at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(u64);

impl Word {
    const CLOSED: u64 = 1;

    const fn new(epoch: Epoch, gate: Gate) -> Self {
        Self(epoch.0 << 1 | matches!(gate, Gate::Closed) as u64)
    }

    /// The epoch.
    #[must_use]
    pub const fn epoch(self) -> Epoch {
        Epoch(self.0 >> 1)
    }

    /// The gate.
    #[must_use]
    pub const fn gate(self) -> Gate {
        if self.0 & Self::CLOSED == 0 { Gate::Open } else { Gate::Closed }
    }
}

/// Epoch and gate in one word, so that whoever enters reads both at once.
///
/// One writer at a time; any number of readers.
#[derive(Debug)]
pub struct Clock(AtomicU64);

impl Clock {
    /// A clock in the first epoch, its gate open.
    #[cfg(not(loom))]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "stands in statics, where `default` cannot")]
    pub const fn new() -> Self {
        Self(AtomicU64::new(Word::new(Epoch::FIRST, Gate::Open).0))
    }

    /// A clock in the first epoch, its gate open.
    #[cfg(loom)]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "as without loom")]
    pub fn new() -> Self {
        Self(AtomicU64::new(Word::new(Epoch::FIRST, Gate::Open).0))
    }

    /// What it shows.
    #[inline(always)]
    #[must_use]
    pub fn now(&self) -> Word {
        // Acquire: pairs with the Release in `show`. Whoever reads a new epoch finds the routers
        // that were put into the slots before.
        Word(self.0.load(Ordering::Acquire))
    }

    /// Begins the next epoch, and returns it.
    pub fn flip(&self) -> Epoch {
        let next = self.now().epoch().next();
        self.show(next, self.now().gate());
        next
    }

    /// Opens or closes the gate.
    pub fn set_gate(&self, gate: Gate) {
        self.show(self.now().epoch(), gate);
    }

    fn show(&self, epoch: Epoch, gate: Gate) {
        // Release: pairs with the Acquire in `now`.
        #[cfg(not(midair_mutant = "flip_relaxed"))]
        let order = Ordering::Release;
        #[cfg(midair_mutant = "flip_relaxed")]
        let order = Ordering::Relaxed;
        self.0.store(Word::new(epoch, gate).0, order);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Clock, Epoch, Gate};

    #[test]
    fn a_flip_leaves_the_gate_and_the_gate_leaves_the_epoch() {
        let clock = Clock::new();
        assert_eq!((clock.now().epoch(), clock.now().gate()), (Epoch::FIRST, Gate::Open));
        clock.set_gate(Gate::Closed);
        assert_eq!(clock.flip(), Epoch::FIRST.next());
        assert_eq!(clock.now().gate(), Gate::Closed);
        clock.set_gate(Gate::Open);
        assert_eq!((clock.now().epoch(), clock.now().gate()), (Epoch::FIRST.next(), Gate::Open));
    }
}
