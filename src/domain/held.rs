//! The right to change what runs: one transaction has it at a time.

use std::collections::HashMap;
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use midair_trampolines::section::Section;
use parking_lot::{Condvar, Mutex};

use super::Domain;
use super::changes::is_in_older_scope;
use super::news::Attempts;
use crate::artifact::Stamp;
use crate::copies::Copies;
use crate::desk::Desk;
use crate::error::Error;
use crate::hook::Values;

/// What only one thread may touch at a time.
///
/// A forked child gets a new one: whoever held a lock of the old one is not there.
#[derive(Default)]
pub(super) struct Locks {
    /// Whether a transaction is under way, and what it works with while none is.
    pub(super) idle: Mutex<Option<Transaction>>,
    ended: Condvar,
    /// The thread that began the transaction under way, so that a patch's own constructor which
    /// asks for a patch is told so instead of waiting for itself.
    holder: AtomicU64,
    /// Held by whoever brings a transition one step further.
    pub(super) steps: Mutex<()>,
    /// Held by whoever makes a history out of the one that is. What runs may be accepted at any
    /// time, also while a transaction is under way.
    pub(super) telling: Mutex<()>,
    /// The state of each artifact when it was last committed.
    pub(super) committed: Mutex<HashMap<PathBuf, Stamp>>,
    pub(super) attempts: Mutex<Attempts>,
    pub(super) changed: Condvar,
    /// Transactions that somebody takes step by step.
    pub(super) desk: Desk,
    /// What one generation left for another.
    pub(super) values: Values,
}

impl Locks {
    pub(super) fn new(transaction: Transaction, values: Values) -> Box<Self> {
        Box::new(Self { idle: Mutex::new(Some(transaction)), values, ..Self::default() })
    }
}

/// What belongs to the patch under way and to all before it.
#[derive(Default)]
pub(crate) struct Transaction {
    pub(crate) copies: Copies,
    /// Sections that images reported, for those that no note tells of.
    pub(super) reported: Vec<Section>,
}

/// How long a patch waits for the one before it, and for scopes of its own accord.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The right to change what runs: one transaction has it at a time, on whatever thread.
pub(crate) struct Held {
    pub(crate) domain: &'static Domain,
    locks: &'static Locks,
    pub(crate) transaction: Transaction,
}

impl Held {
    /// Whether it was taken in this process; a forked child finds copies of its parent's.
    pub(crate) fn is_own(&self) -> bool {
        ptr::eq(self.locks, self.domain.locks())
    }

    /// Makes every image known that was loaded since the last scan.
    pub(crate) fn rescan(&self) -> Result<(), Error> {
        let registry = self.domain.registry().rescanned(&self.transaction.reported)?;
        self.domain.adopt(&registry);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.locks.holder.store(0, Ordering::Relaxed);
        *self.locks.idle.lock() = Some(std::mem::take(&mut self.transaction));
        self.locks.ended.notify_one();
    }
}

/// A number that no other thread of this process has, never 0.
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        // Relaxed: the numbers only have to differ.
        static NUMBER: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // While a thread's statics are torn down nothing can be told apart any more; such a thread
    // counts as nobody.
    NUMBER.try_with(|number| *number).unwrap_or(u64::MAX)
}

impl Domain {
    /// Begins a transaction: one at a time, each when the transition of the one before has ended.
    ///
    /// # Errors
    /// [`Error::Busy`] and [`Error::Draining`], at once where waiting would be for oneself.
    pub(crate) fn begin(&'static self) -> Result<Held, Error> {
        let held = self.hold()?;
        let started = Instant::now();
        while !self.finish() {
            let Some(transition) = self.transition.load_full() else { continue };
            if is_in_older_scope() || started.elapsed() >= PATIENCE {
                return Err(Error::Draining {
                    generation: transition.destination().generation(),
                    stragglers: transition.stragglers(),
                });
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(held)
    }

    /// Begins a transaction, whatever transition is under way.
    pub(super) fn hold(&'static self) -> Result<Held, Error> {
        let locks = self.locks();
        // Relaxed: only this thread ever writes its own number, so it sees it if it is there.
        if locks.holder.load(Ordering::Relaxed) == this_thread() {
            return Err(Error::Busy);
        }
        let deadline = Instant::now() + PATIENCE;
        let mut idle = locks.idle.lock();
        let transaction = loop {
            if let Some(transaction) = idle.take() {
                break transaction;
            }
            if locks.ended.wait_until(&mut idle, deadline).timed_out() {
                return Err(Error::Busy);
            }
        };
        locks.holder.store(this_thread(), Ordering::Relaxed);
        Ok(Held { domain: self, locks, transaction })
    }

    /// Lets the calling thread count as the one that has begun the transaction under way: a hook
    /// that asks for a patch would wait for itself.
    pub(crate) fn hold_here(&self) {
        self.locks().holder.store(this_thread(), Ordering::Relaxed);
    }
}
