//! Scopes, drains, routes and registration under loom: every interleaving of those who enter with
//! one who flips, with the orderings that the C11 memory model allows.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p midair-trampolines --test scope_model --release
//! ```
//!
//! The barrier for which the system interrupts all threads is modelled as what it stands for: a
//! SeqCst fence on both sides. That a compiler fence is enough where the system does its part is
//! the system's promise, which no model of C11 can look into. What belongs to the calling thread
//! alone (`scope::thread`) is not here: these are the pieces that threads meet at.
//!
//! `.ci/run` plants mistakes by `--cfg midair_mutant=".."` and checks that the model fails.
#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use midair_trampolines::Slot;
use midair_trampolines::routes::{Edition, Routes};
use midair_trampolines::scope::{Closed, Epoch, Gate, Pin, Pins};

const NEXT: Epoch = Epoch::FIRST.next();

static OLD: u8 = 0;
static NEW: u8 = 1;
static ROUTER: u8 = 2;

fn code(byte: &'static u8) -> *const () {
    std::ptr::from_ref(byte).cast()
}

/// What the old generation may use for as long as somebody sees it. Loom fails the test when a use
/// and the end of it are not one after the other.
struct OldState(UnsafeCell<u32>);

// SAFETY: loom itself finds every access that is not ordered with another.
unsafe impl Sync for OldState {}
// SAFETY: as for `Sync`.
unsafe impl Send for OldState {}

impl OldState {
    fn new() -> Self {
        Self(UnsafeCell::new(1))
    }

    fn be_used(&self) {
        self.0.with(|state| {
            // SAFETY: loom sees to it that nobody writes meanwhile.
            assert_eq!(unsafe { *state }, 1, "it is used after its end");
        });
    }

    fn end(&self) {
        self.0.with_mut(|state| {
            // SAFETY: loom sees to it that nobody else is here.
            unsafe { *state = 0 };
        });
    }
}

/// One scope, which uses the old state if it sees the old epoch.
fn scope(pins: &Pins, pin: &Pin, old: &OldState) -> Result<Epoch, Closed> {
    let epoch = pin.enter(pins.clock())?;
    if epoch == Epoch::FIRST {
        old.be_used();
    }
    pin.leave();
    Ok(epoch)
}

/// Runs `reader` on `threads` threads while this one runs `writer`.
fn model(
    threads: usize,
    reader: impl Fn(&Pins, &OldState) + Copy + Send + Sync + 'static,
    writer: impl Fn(&Pins, &OldState) + Sync + Send + 'static,
) {
    let mut model = loom::model::Builder::new();
    // All interleavings of two threads; of three, those in which a thread is interrupted twice.
    model.preemption_bound = (threads > 1).then_some(2);
    model.check(move || {
        let shared = Arc::new((Pins::new(), OldState::new()));
        let readers: Vec<_> = (0..threads)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || reader(&shared.0, &shared.1))
            })
            .collect();
        writer(&shared.0, &shared.1);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

fn flip_and_end_what_is_drained(pins: &Pins, old: &OldState) {
    let next = pins.flip();
    if !pins.any_before(next) {
        old.end();
    }
}

#[test]
fn nothing_ends_that_a_scope_still_sees() {
    model(
        1,
        |pins, old| {
            let pin = pins.register(1);
            scope(pins, pin, old).unwrap();
            assert_eq!(pins.threads_before(Epoch::FIRST).next(), None);
        },
        flip_and_end_what_is_drained,
    );
}

#[test]
fn no_thread_is_missed_that_registers_meanwhile() {
    model(
        2,
        |pins, old| {
            let pin = pins.register(1);
            scope(pins, pin, old).unwrap();
            pin.give_back();
        },
        flip_and_end_what_is_drained,
    );
}

#[test]
fn a_scope_of_the_new_epoch_does_not_hide_the_one_before_it() {
    model(
        1,
        |pins, old| {
            let pin = pins.register(1);
            scope(pins, pin, old).unwrap();
            scope(pins, pin, old).unwrap();
        },
        flip_and_end_what_is_drained,
    );
}

#[test]
fn a_pin_goes_from_hand_to_hand() {
    loom::model(|| {
        let shared = Arc::new((Pins::new(), OldState::new()));
        let first = shared.0.register(1);
        let heir = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let pin = shared.0.register(2);
                if std::ptr::eq(pin, first) {
                    shared.1.end();
                }
            })
        };
        // Whatever the first owner does with its pin comes before all that the second does.
        shared.1.be_used();
        first.give_back();
        heir.join().unwrap();
    });
}

#[test]
fn a_task_is_waited_for_when_its_thread_has_left() {
    model(
        1,
        |pins, old| {
            let pin = pins.register(1);
            let epoch = pin.enter(pins.clock()).unwrap();
            let task = pins.own(epoch);
            pin.leave();
            if task.epoch() == Epoch::FIRST {
                old.be_used();
            }
            pins.release(&task);
        },
        flip_and_end_what_is_drained,
    );
}

#[test]
fn behind_a_closed_gate_nobody_is_in_a_scope() {
    model(
        1,
        |pins, old| {
            let pin = pins.register(1);
            match scope(pins, pin, old) {
                Ok(epoch) => assert!(epoch <= NEXT),
                Err(Closed) => assert!(pin.is_free(), "who waits holds nothing"),
            }
        },
        |pins, old| {
            pins.set_gate(Gate::Closed);
            if !pins.any_before(NEXT) {
                old.end();
                assert_eq!(pins.flip(), NEXT);
            }
            pins.set_gate(Gate::Open);
        },
    );
}

#[test]
fn who_sees_the_new_epoch_sees_the_routers_and_their_routes() {
    loom::model(|| {
        let shared = Arc::new((Pins::new(), Routes::new(), Slot::new(code(&OLD))));
        let caller = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (pins, routes, slot) = &*shared;
                let pin = pins.register(1);
                let (epoch, before) = pin.pass(pins.clock());
                let target = slot.target();
                if target == code(&ROUTER) {
                    let wanted = if epoch == Epoch::FIRST { &OLD } else { &NEW };
                    let found = routes.at(epoch).map(Edition::record);
                    assert_eq!(found, Some(code(wanted)), "in {epoch:?}");
                } else if target == code(&OLD) {
                    assert_eq!(epoch, Epoch::FIRST, "old code after the flip");
                } else {
                    assert_eq!(epoch, NEXT, "it was settled before the flip");
                }
                pin.restore(before);
            })
        };
        let (pins, routes, slot) = &*shared;
        routes.set(Epoch::FIRST, Edition::new(code(&OLD), false));
        routes.set(NEXT, Edition::new(code(&NEW), false));
        slot.point(code(&ROUTER));
        let next = pins.flip();
        if !pins.any_before(next) {
            slot.point(code(&NEW));
        }
        caller.join().unwrap();
    });
}

#[test]
fn a_place_in_the_ring_is_taken_when_nobody_reads_it_any_more() {
    loom::model(|| {
        let shared = Arc::new((Pins::new(), Routes::new()));
        shared.1.set(Epoch::FIRST, Edition::new(code(&OLD), false));
        shared.1.set(NEXT, Edition::new(code(&NEW), false));
        let caller = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (pins, routes) = &*shared;
                let pin = pins.register(1);
                let (epoch, before) = pin.pass(pins.clock());
                let wanted = if epoch == Epoch::FIRST { &OLD } else { &NEW };
                let found = routes.at(epoch).map(Edition::record);
                assert_eq!(found, Some(code(wanted)), "in {epoch:?}");
                pin.restore(before);
            })
        };
        let (pins, routes) = &*shared;
        let next = pins.flip();
        if !pins.any_before(next) {
            // The place of the first epoch, for the fourth after it.
            let again = Epoch::of_number(Epoch::FIRST.number() + 4).unwrap();
            routes.set(again, Edition::new(code(&ROUTER), false));
        }
        caller.join().unwrap();
    });
}
