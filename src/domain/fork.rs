//! A forked child: its copy of the domain becomes a domain of its own.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use midair_trampolines::scope::PINS;

use super::{Domain, Locks, Transaction};

/// Runs in the child of a fork, before anything else of it does.
pub(super) unsafe extern "C" fn forked() {
    if let Some(domain) = Domain::made() {
        domain.renew();
    }
}

impl Domain {
    /// Makes a domain of its own out of the copy that a forked child has, which has no thread but
    /// the caller: new locks, a commit undone or brought to its end, and every slot sent through
    /// its shim once more, so that the first hot call starts the child's own runtime.
    fn renew(&self) {
        let old = self.locks();
        let mut transaction = Transaction::default();
        if let Some(before) = old.idle.try_lock()
            && let Some(before) = &*before
        {
            transaction.reported.clone_from(&before.reported);
        }
        let locks = Box::leak(Locks::new(transaction, old.values.renewed()));
        if let Some(before) = old.committed.try_lock() {
            locks.committed.lock().clone_from(&before);
        }
        // Release: pairs with the Acquire in `locks`.
        self.locks.store(ptr::from_ref(locks).cast_mut(), Ordering::Release);
        PINS.forked();
        if let Some(transition) = self.transition.load_full() {
            transition.recount();
            // Where the flip was seen and not yet noted; later than that more may be known.
            if self.side().generation() != transition.destination().generation() {
                self.side.store(Arc::new(transition.destination().clone()));
            }
            if !transition.is_visible() {
                transition.settle();
                self.transition.store(None);
            }
            // Where the caller itself is in an old scope, its next transaction finds it ended.
            self.finish();
        }
        for live in self.registry().functions().values().flatten() {
            live.head.rearm();
        }
    }
}
