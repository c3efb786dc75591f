//! Routes: where the callers of one slot go in each epoch, while a transition is under way.

#[cfg(loom)]
use loom::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use crate::scope::Epoch;

/// Code that a slot may lead to, and how it is entered.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    address: *const (),
    guarded: usize,
}

// SAFETY: an address that is only compared, stored into a slot or called by macro-made code.
unsafe impl Send for Code {}
// SAFETY: as for `Send`.
unsafe impl Sync for Code {}

impl Code {
    /// Code that has the function's own signature: it is called as it is.
    #[must_use]
    pub const fn plain(address: *const ()) -> Self {
        Self { address, guarded: 0 }
    }

    /// Code that returns a panic as data: it belongs to an image with a standard library of its
    /// own, and the caller raises the panic anew.
    #[must_use]
    pub const fn guarded(address: *const ()) -> Self {
        Self { address, guarded: 1 }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(self) -> *const () {
        self.address
    }

    /// Whether a panic comes back as data.
    #[must_use]
    pub const fn is_guarded(self) -> bool {
        self.guarded != 0
    }
}

/// Whose code callers of a function run, as a transition plans it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edition {
    /// The record of the function in the image that the code belongs to.
    record: *const (),
    /// Whether that image has another standard library than the callers'.
    apart: usize,
}

// SAFETY: the address of a record, which lives for ever.
unsafe impl Send for Edition {}
// SAFETY: as for `Send`.
unsafe impl Sync for Edition {}

impl Edition {
    /// The code of `record`; `apart` says whether other images have standard libraries of their
    /// own.
    #[must_use]
    pub const fn new(record: *const (), apart: bool) -> Self {
        Self { record, apart: apart as usize }
    }

    /// The record.
    #[must_use]
    pub const fn record(self) -> *const () {
        self.record
    }

    /// Whether its image has a standard library of its own.
    #[must_use]
    pub const fn is_apart(self) -> bool {
        self.apart != 0
    }
}

/// As many epochs as callers may be told apart by: the one before a transition, the one after it,
/// and those of two reversals.
pub const EPOCHS: usize = 4;

/// Whose code the callers of one function run, by epoch.
///
/// # Why a reader finds what belongs to its epoch
///
/// | who | does | under |
/// |---|---|---|
/// | the writer | [`set`](Self::set) for the epoch that is and the one to come, then points the slot at the router | the transaction, one at a time |
/// | a caller | pins an epoch, finds the router in the slot, [`at`](Self::at) its epoch | its pin |
///
/// The place of epoch `e` is written again for epoch `e + EPOCHS` alone, which nobody begins
/// before every pin of `e` is gone. The slot's Release store makes what was set visible to whoever
/// reads the router from it. An entry for the epoch that is says what it said before, and is left
/// alone: somebody may be reading it.
#[repr(C)]
#[derive(Debug)]
pub struct Routes([Route; EPOCHS]);

#[repr(C)]
#[derive(Debug)]
struct Route {
    epoch: AtomicU64,
    record: AtomicPtr<()>,
    apart: AtomicUsize,
}

impl Routes {
    /// No epoch has a route.
    #[cfg(not(loom))]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "stands in statics, where `default` cannot")]
    pub const fn new() -> Self {
        Self([const { Route::new() }; EPOCHS])
    }

    /// No epoch has a route.
    #[cfg(loom)]
    #[must_use]
    #[expect(clippy::new_without_default, reason = "as without loom")]
    pub fn new() -> Self {
        Self([Route::new(), Route::new(), Route::new(), Route::new()])
    }

    /// Callers of `epoch` run `edition`.
    ///
    /// Only for the one writer, and when nobody is pinned to the epoch [`EPOCHS`] before.
    pub fn set(&self, epoch: Epoch, edition: Edition) {
        let route = self.place(epoch);
        // Relaxed, all: the slot's Release store carries them to whoever finds the router in it.
        if route.epoch.load(Ordering::Relaxed) == epoch.number() && route.edition() == edition {
            return;
        }
        route.epoch.store(0, Ordering::Relaxed);
        route.record.store(edition.record.cast_mut(), Ordering::Relaxed);
        route.apart.store(edition.apart, Ordering::Relaxed);
        route.epoch.store(epoch.number(), Ordering::Relaxed);
    }

    /// What callers of `epoch` run, for one that holds a pin to it and found the router in the
    /// slot.
    #[must_use]
    pub fn at(&self, epoch: Epoch) -> Option<Edition> {
        let route = self.place(epoch);
        // Relaxed: the Acquire load that found the router in the slot came first.
        (route.epoch.load(Ordering::Relaxed) == epoch.number()).then(|| route.edition())
    }

    /// What callers of the newest epoch run.
    #[must_use]
    pub fn newest(&self) -> Option<Edition> {
        let number = |route: &&Route| route.epoch.load(Ordering::Relaxed);
        let newest = self.0.iter().max_by_key(number)?;
        (newest.epoch.load(Ordering::Relaxed) != 0).then(|| newest.edition())
    }

    fn place(&self, epoch: Epoch) -> &Route {
        &self.0[epoch.number() as usize % EPOCHS]
    }
}

impl Route {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Self {
            epoch: AtomicU64::new(0),
            record: AtomicPtr::new(std::ptr::null_mut()),
            apart: AtomicUsize::new(0),
        }
    }

    #[cfg(loom)]
    fn new() -> Self {
        Self {
            epoch: AtomicU64::new(0),
            record: AtomicPtr::new(std::ptr::null_mut()),
            apart: AtomicUsize::new(0),
        }
    }

    fn edition(&self) -> Edition {
        Edition {
            record: self.record.load(Ordering::Relaxed).cast_const(),
            apart: self.apart.load(Ordering::Relaxed),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{EPOCHS, Edition, Routes};
    use crate::scope::Epoch;

    fn edition(byte: &u8) -> Edition {
        Edition::new(std::ptr::from_ref(byte).cast(), false)
    }

    #[test]
    fn each_epoch_has_its_edition_until_its_place_is_needed() {
        let bytes = [0_u8; EPOCHS + 1];
        let routes = Routes::new();
        assert_eq!(routes.newest(), None);
        let mut epoch = Epoch::FIRST;
        let epochs: Vec<_> = bytes
            .iter()
            .map(|byte| {
                routes.set(epoch, edition(byte));
                let set = epoch;
                epoch = epoch.next();
                set
            })
            .collect();
        assert_eq!(routes.at(epochs[0]), None, "its place went to the fifth");
        for (epoch, byte) in epochs.iter().zip(&bytes).skip(1) {
            assert_eq!(routes.at(*epoch), Some(edition(byte)));
        }
        assert_eq!(routes.newest(), Some(edition(&bytes[EPOCHS])));
    }
}
