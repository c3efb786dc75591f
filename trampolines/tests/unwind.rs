//! The guard within one image: what it stops, and what comes out of it.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use midair_trampolines::unwind::guard;

/// What `catch_unwind` says of a panic that went through a guard and was resumed.
fn payload(panics: impl FnOnce()) -> Box<dyn std::any::Any + Send> {
    let guarded = guard(|| catch_nothing(panics));
    assert!(!thread::panicking(), "the panic ended where it was stopped");
    let caught = catch_unwind(AssertUnwindSafe(|| guarded.resume()));
    assert!(!thread::panicking());
    caught.unwrap_err()
}

/// Another frame between guard and panic.
#[inline(never)]
fn catch_nothing(call: impl FnOnce()) {
    call();
}

#[test]
fn a_value_comes_through_whatever_its_size() {
    assert_eq!(guard(|| 7_u64).resume(), 7);
    guard(|| ()).resume();
    assert_eq!(guard(|| [3_u8; 5_000]).resume(), [3; 5_000]);
    let text = String::from("moved in and out");
    assert_eq!(guard(move || text).resume(), "moved in and out");
    assert_eq!(guard(|| Some(Box::new(5))).resume(), Some(Box::new(5)));
}

#[test]
fn a_payload_comes_through_as_it_is() {
    let literal = payload(|| panic!("a literal"));
    assert_eq!(*literal.downcast::<&'static str>().unwrap(), "a literal");
    let number = 42;
    let text = payload(|| panic!("formatted {number}"));
    assert_eq!(*text.downcast::<String>().unwrap(), "formatted 42");
    #[derive(Debug, PartialEq)]
    struct Custom(u32);
    let custom = payload(|| panic_any(Custom(9)));
    assert_eq!(*custom.downcast::<Custom>().unwrap(), Custom(9));
}

#[test]
fn destructors_run_and_see_a_panic() {
    struct Witness<'a>(&'a Mutex<Vec<bool>>);
    impl Drop for Witness<'_> {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(thread::panicking());
            // A panic of its own, stopped and gone, while the first is under way.
            let inner = guard(|| panic_any(1_u8));
            let caught = catch_unwind(AssertUnwindSafe(|| inner.resume())).unwrap_err();
            assert_eq!(*caught.downcast::<u8>().unwrap(), 1);
            assert!(thread::panicking());
        }
    }
    let seen = Mutex::new(Vec::new());
    let outer = payload(|| {
        let _witness = Witness(&seen);
        panic_any(2_u16);
    });
    assert_eq!(*outer.downcast::<u16>().unwrap(), 2);
    assert_eq!(*seen.lock().unwrap(), [true]);
}

#[test]
fn guards_nest_and_the_innermost_stops() {
    let outer = guard(|| {
        let inner = guard(|| panic_any("inside"));
        // Not resumed by hand, but once more through the guard around it.
        inner.resume();
    });
    let caught = catch_unwind(AssertUnwindSafe(|| outer.resume())).unwrap_err();
    assert_eq!(*caught.downcast::<&str>().unwrap(), "inside");
}

#[test]
fn what_is_caught_inside_never_reaches_the_guard() {
    let value = guard(|| catch_unwind(|| panic_any(3_u32)).unwrap_err());
    assert_eq!(*value.resume().downcast::<u32>().unwrap(), 3);
}

#[test]
fn no_hook_runs_a_second_time() {
    static HOOKS: AtomicUsize = AtomicUsize::new(0);
    struct Marked;
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().is::<Marked>() {
            HOOKS.fetch_add(1, Ordering::SeqCst);
        } else {
            before(info);
        }
    }));
    assert!(payload(|| panic_any(Marked)).is::<Marked>());
    assert_eq!(HOOKS.load(Ordering::SeqCst), 1);
    assert!(payload(|| resume_unwind(Box::new(Marked))).is::<Marked>());
    assert_eq!(HOOKS.load(Ordering::SeqCst), 1);
}

#[test]
fn many_threads_at_once() {
    thread::scope(|scope| {
        for id in 0..8_usize {
            scope.spawn(move || {
                for round in 0..300_usize {
                    let caught = payload(|| resume_unwind(Box::new((id, round))));
                    assert_eq!(*caught.downcast::<(usize, usize)>().unwrap(), (id, round));
                }
            });
        }
    });
}

/// In a program that never unwound before, all threads learn the canary at once.
#[test]
fn threads_that_learn_at_once() {
    const CHILD: &str = "MIDAIR_UNWIND_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let gate = std::sync::Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    gate.wait();
                    let caught = payload(|| resume_unwind(Box::new(1_i8)));
                    assert!(caught.is::<i8>());
                });
            }
        });
        return;
    }
    for _ in 0..20 {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["threads_that_learn_at_once", "--exact"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    }
}
