//! The slot: the one pointer through which every caller reaches a hot function.

#[cfg(loom)]
use loom::sync::atomic::{AtomicPtr, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicPtr, Ordering};

/// The pointer cell of one hot function in one image.
///
/// # Who writes what, and why each write is safe beside the others
///
/// | from | to | by | with |
/// |---|---|---|---|
/// | shim | body | the first call, on any thread ([`settle`](Self::settle)) | compare-exchange |
/// | anything | router, new code | a commit, one at a time ([`point`](Self::point), [`retarget`](Self::retarget)) | store, swap |
///
/// A commit may land between the moment a first call reads the shim and the moment it settles the
/// slot. The compare-exchange then fails, because the slot no longer holds the shim, and the first
/// call goes on with what the slot holds *then*: a patch is never undone by a first call. A plain
/// store would undo it; `tests/slot_model.rs` shows that the model sees exactly that mistake.
///
/// Every store is a Release and every load an Acquire, so what the writer did to the code (mapping
/// it, relocating it, filling its records) is visible to the thread that calls it.
#[repr(transparent)]
#[derive(Debug)]
pub struct Slot(AtomicPtr<()>);

impl Slot {
    /// A slot that starts out at `code`.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(code: *const ()) -> Self {
        Self(AtomicPtr::new(code.cast_mut()))
    }

    /// A slot that starts out at `code`.
    #[cfg(loom)]
    #[must_use]
    pub fn new(code: *const ()) -> Self {
        Self(AtomicPtr::new(code.cast_mut()))
    }

    /// The code that a call made now runs.
    #[inline(always)]
    #[must_use]
    pub fn target(&self) -> *const () {
        // Acquire: pairs with the Release half of `retarget` and of `settle`.
        self.0.load(Ordering::Acquire).cast_const()
    }

    /// Points the slot at `code`.
    ///
    /// A plain store, so that a commit of many functions does not wait for each of them.
    pub fn point(&self, code: *const ()) {
        // Release: pairs with the Acquire in `target`.
        #[cfg(not(midair_mutant = "point_relaxed"))]
        let order = Ordering::Release;
        #[cfg(midair_mutant = "point_relaxed")]
        let order = Ordering::Relaxed;
        self.0.store(code.cast_mut(), order);
    }

    /// Points the slot at `code` and returns the address it held before.
    ///
    /// Calls already in the old code end there; later calls run the new code.
    pub fn retarget(&self, code: *const ()) -> *const () {
        // Release: pairs with the Acquire in `target`. Acquire: the address that comes back may
        // be called by whoever keeps it for a rollback.
        #[cfg(not(midair_mutant = "retarget_relaxed"))]
        let order = Ordering::AcqRel;
        #[cfg(midair_mutant = "retarget_relaxed")]
        let order = Ordering::Relaxed;
        self.0.swap(code.cast_mut(), order).cast_const()
    }

    /// Moves the slot from its first-call `shim` to `body`, unless it has already moved on, and
    /// returns what the slot holds afterwards.
    pub fn settle(&self, shim: *const (), body: *const ()) -> *const () {
        #[cfg(midair_mutant = "settle_stores")]
        {
            let _ = shim;
            self.0.store(body.cast_mut(), Ordering::Release);
            return body;
        }
        #[cfg(not(midair_mutant = "settle_stores"))]
        match self.0.compare_exchange(
            shim.cast_mut(),
            body.cast_mut(),
            // Release: pairs with the Acquire in `target`; failure Acquire: the address found is
            // called at once.
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => body,
            Err(current) => current.cast_const(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Slot;

    fn address(byte: &u8) -> *const () {
        std::ptr::from_ref(byte).cast()
    }

    #[test]
    fn the_first_call_moves_the_slot_from_shim_to_body() {
        let code = [0_u8; 2];
        let (shim, body) = (address(&code[0]), address(&code[1]));
        let slot = Slot::new(shim);
        assert_eq!(slot.settle(shim, body), body);
        assert_eq!(slot.target(), body);
    }

    #[test]
    fn a_first_call_never_undoes_a_patch() {
        let code = [0_u8; 3];
        let (shim, body, patch) = (address(&code[0]), address(&code[1]), address(&code[2]));
        let slot = Slot::new(shim);
        assert_eq!(slot.retarget(patch), shim);
        assert_eq!(slot.settle(shim, body), patch);
        assert_eq!(slot.target(), patch);
    }
}
