//! The slot under loom: every interleaving of first calls and commits, with the orderings that
//! the C11 memory model allows.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p midair-trampolines --test slot_model --release
//! ```
//!
//! With `--cfg midair_mutant="settle_stores"` (the first call stores instead of comparing) or
//! `--cfg midair_mutant="retarget_relaxed"` (the commit publishes nothing) the model must fail:
//! `.ci/run` checks that it does.
#![cfg(loom)]

use std::sync::atomic::Ordering;

use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::thread;
use midair_trampolines::Slot;

fn code(byte: &'static u8) -> *const () {
    std::ptr::from_ref(byte).cast()
}

static SHIM: u8 = 0;
static BODY: u8 = 1;
static PATCH: [u8; 2] = [2, 3];

/// A hot call: through the slot, by way of the shim when it is still there.
fn call(slot: &Slot) -> *const () {
    let target = slot.target();
    if target == code(&SHIM) { slot.settle(code(&SHIM), code(&BODY)) } else { target }
}

#[test]
fn a_first_call_never_undoes_a_commit() {
    loom::model(|| {
        let slot = Arc::new(Slot::new(code(&SHIM)));
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || {
                    let first = call(&slot);
                    assert_ne!(first, code(&SHIM), "a call ran into the shim twice");
                    let second = call(&slot);
                    assert!(
                        !(first == code(&PATCH[0]) && second == code(&BODY)),
                        "a caller went back from the patch to the old body"
                    );
                })
            })
            .collect();
        slot.retarget(code(&PATCH[0]));
        assert_eq!(call(&slot), code(&PATCH[0]), "the committer itself calls old code");
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!(slot.target(), code(&PATCH[0]), "the patch was undone");
    });
}

#[test]
fn whoever_sees_new_code_sees_what_was_done_to_it() {
    loom::model(|| {
        let slot = Arc::new(Slot::new(code(&BODY)));
        let loaded = Arc::new(AtomicUsize::new(0));
        let caller = {
            let (slot, loaded) = (Arc::clone(&slot), Arc::clone(&loaded));
            thread::spawn(move || {
                let target = slot.target();
                // Relaxed: the slot alone must carry the loader's work across.
                let generation = loaded.load(Ordering::Relaxed);
                if target == code(&PATCH[1]) {
                    assert_eq!(generation, 2, "new code was called before it was loaded");
                } else if target == code(&PATCH[0]) {
                    assert!(generation >= 1, "new code was called before it was loaded");
                }
            })
        };
        loaded.store(1, Ordering::Relaxed);
        slot.retarget(code(&PATCH[0]));
        loaded.store(2, Ordering::Relaxed);
        slot.retarget(code(&PATCH[1]));
        caller.join().unwrap();
    });
}
