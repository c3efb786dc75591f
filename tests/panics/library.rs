// The library of the panics: hot functions that fail in every way, and exports that stay in the
// first edition and tell what arrived there.
use std::any::Any;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// Edited: the number of the edition.
const EDITION: u64 = 0;

#[derive(Debug)]
pub struct Custom(pub u64);

// What fails, and how.

#[midair::hotpatch]
pub fn fails(how: u64) -> u64 {
    match how {
        0 => EDITION,
        1 => panic!("a literal"),
        2 => panic!("formatted in edition {EDITION}"),
        3 => panic_any(Custom(EDITION)),
        4 => resume_unwind(Box::new(vec![EDITION; 200])),
        _ => resume_unwind(Box::new(format!("{EDITION}").repeat(1_000))),
    }
}

#[midair::hotpatch]
extern "C-unwind" fn fails_over_c(how: u64) -> u64 {
    fails(how)
}

#[midair::hotpatch]
fn never(how: u64) -> ! {
    fails(how);
    panic!("it came back")
}

pub struct Machine {
    wheels: u64,
}

#[midair::hotpatch]
impl Machine {
    pub fn turns(&mut self, how: u64) -> u64 {
        self.wheels += 1;
        fails(how)
    }
}

#[midair::hotpatch]
async fn later(how: &u64) -> u64 {
    let mut waited = false;
    std::future::poll_fn(|_| match std::mem::replace(&mut waited, true) {
        true => std::task::Poll::Ready(()),
        false => std::task::Poll::Pending,
    })
    .await;
    fails(*how)
}

// Who calls whom.

/// Notes, when it is dropped, in which edition that was, and whether a panic is under way there.
struct Witness<'a>(&'a mut Vec<String>);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        let how = if thread::panicking() { "panicking" } else { "calm" };
        self.0.push(format!("{EDITION} {how}"));
    }
}

/// Calls `work` of whoever calls, with something to clean up.
#[midair::hotpatch]
fn calls_back(work: &dyn Fn() -> u64, seen: &mut Vec<String>) -> u64 {
    let _witness = Witness(seen);
    work() + 1_000
}

/// Two hot functions that call each other, with something to clean up in each call.
#[midair::hotpatch]
fn ping(depth: u64, how: u64, seen: &mut Vec<String>) -> u64 {
    let witness = Witness(seen);
    pong(depth, how, &mut *witness.0)
}

#[midair::hotpatch]
fn pong(depth: u64, how: u64, seen: &mut Vec<String>) -> u64 {
    let witness = Witness(seen);
    if depth == 0 { fails(how) } else { ping(depth - 1, how, &mut *witness.0) }
}

/// Loads the next edition in the middle of a call, then calls on: each level runs newer code.
#[midair::hotpatch]
fn descends(artifacts: &[&str], how: u64, seen: &mut Vec<String>) -> u64 {
    let witness = Witness(seen);
    let Some((next, rest)) = artifacts.split_first() else { return fails(how) };
    midair::reload(next).unwrap();
    descends(rest, how, &mut *witness.0)
}

/// The same, but the second level stops the panic of the third and raises one of its own.
#[midair::hotpatch]
fn descends_and_catches(artifacts: &[&str], seen: &mut Vec<String>) -> u64 {
    let witness = Witness(seen);
    let Some((next, rest)) = artifacts.split_first() else { return fails(2) };
    midair::reload(next).unwrap();
    let below = || descends_and_catches(rest, &mut *witness.0);
    match catch_unwind(AssertUnwindSafe(below)) {
        Ok(_) => 0,
        Err(payload) => panic!("{EDITION} <- {}", told(payload)),
    }
}

/// A panic that new code stops itself.
#[midair::hotpatch]
fn catches(how: u64) -> String {
    told(catch_unwind(|| fails(how)).unwrap_err())
}

/// A destructor that calls hot code which panics, and stops that, while a panic is under way.
#[midair::hotpatch]
fn cleans_up(how: u64, seen: &mut Vec<String>) -> u64 {
    struct Cleaner<'a>(&'a mut Vec<String>);
    impl Drop for Cleaner<'_> {
        fn drop(&mut self) {
            let inner = catches(2);
            self.0.push(format!("{inner}, panicking {}", thread::panicking()));
        }
    }
    let _cleaner = Cleaner(seen);
    fails(how)
}

/// A thread of the new code.
#[midair::hotpatch]
fn starts(how: u64) -> JoinHandle<u64> {
    thread::spawn(move || fails(how))
}

/// A thread that the new code joins itself.
#[midair::hotpatch]
fn starts_and_joins(how: u64) -> String {
    told(starts(how).join().unwrap_err())
}

/// Stops whatever the program's closure raises. With a std of its own it cannot.
#[midair::hotpatch]
fn stops(work: &dyn Fn() -> u64) -> String {
    told(catch_unwind(AssertUnwindSafe(work)).unwrap_err())
}

/// Code that is not entered through a slot.
#[midair::hotpatch]
fn makes(how: u64) -> Box<dyn Fn() -> u64> {
    Box::new(move || fails(how))
}

/// What a backtrace says that is taken in new code.
#[midair::hotpatch]
fn backtrace() -> String {
    std::backtrace::Backtrace::force_capture().to_string()
}

// What arrives in the first edition, which nobody exchanges.

fn told(payload: Box<dyn Any + Send>) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        format!("literal {text}")
    } else if let Some(text) = payload.downcast_ref::<String>() {
        format!("text {text}")
    } else if let Some(Custom(edition)) = payload.downcast_ref() {
        format!("custom {edition}")
    } else {
        "unknown".to_owned()
    }
}

fn outcome<R: std::fmt::Debug>(call: impl FnOnce() -> R) -> String {
    let outcome = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => format!("value {value:?}"),
        Err(payload) => told(payload),
    };
    assert!(!thread::panicking(), "the panic has ended");
    outcome
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// A closure of the first edition that panics under new code.
fn host_fails(how: u64) -> u64 {
    match how {
        1 => panic!("the host's own literal"),
        2 => panic!("the host's own edition {EDITION}"),
        _ => panic_any(Custom(100 + EDITION)),
    }
}

fn tell(name: &str, how: u64, artifacts: &[&str]) -> String {
    let mut seen = Vec::new();
    let outcome = match name {
        "fails" => outcome(|| fails(how)),
        "over c" => outcome(|| fails_over_c(how)),
        "never" => outcome(|| never(how)),
        "method" => {
            let mut machine = Machine { wheels: 0 };
            let outcome = outcome(|| machine.turns(how));
            format!("{outcome}, {} turn", machine.wheels)
        }
        "later" => outcome(|| block_on(later(&how))),
        "ping" => outcome(|| ping(1, how, &mut seen)),
        "descends" => outcome(|| descends(artifacts, how, &mut seen)),
        "descends and catches" => outcome(|| descends_and_catches(artifacts, &mut seen)),
        "calls back" => outcome(|| calls_back(&|| host_fails(how), &mut seen)),
        // Out of the host, into the new code, and from there once more.
        "calls back twice" => {
            outcome(|| calls_back(&|| calls_back(&|| host_fails(how), &mut Vec::new()), &mut seen))
        }
        // The host's closure calls new code that panics.
        "calls back into" => outcome(|| calls_back(&|| fails(how), &mut seen)),
        // The host's closure stops that panic, and the new code goes on.
        "calls back and catches" => outcome(|| {
            let work = || outcome(|| fails(how)).len() as u64;
            calls_back(&work, &mut seen)
        }),
        "catches" => outcome(|| catches(how)),
        "nested" => outcome(|| {
            let inner = outcome(|| ping(0, how, &mut seen));
            outcome(|| fails(2)) + " after " + &inner
        }),
        "cleans up" => outcome(|| cleans_up(how, &mut seen)),
        "host cleans up" => {
            struct Cleaner<'a>(&'a mut Vec<String>);
            impl Drop for Cleaner<'_> {
                fn drop(&mut self) {
                    let inner = outcome_inside(|| fails(2));
                    self.0.push(format!("{inner}, panicking {}", thread::panicking()));
                }
            }
            let cleaner = &mut seen;
            outcome(move || {
                let _cleaner = Cleaner(cleaner);
                fails(how)
            })
        }
        "thread" => match starts(how).join() {
            Ok(value) => format!("value {value}"),
            Err(payload) => told(payload),
        },
        "thread joined inside" => outcome(|| starts_and_joins(how)),
        "stops" => outcome(|| stops(&|| host_fails(how))),
        "makes" => outcome(makes(how)),
        "backtrace" => outcome(backtrace),
        // How often the hook of the first edition's standard library is called.
        "hook" => {
            static CALLED: AtomicU64 = AtomicU64::new(0);
            std::panic::set_hook(Box::new(|_| drop(CALLED.fetch_add(1, Ordering::SeqCst))));
            let outcome = outcome(|| fails(how));
            drop(std::panic::take_hook());
            format!("{outcome}, {} called", CALLED.load(Ordering::SeqCst))
        }
        other => panic!("no such case: {other}"),
    };
    format!("{outcome} [{}]", seen.join(", "))
}

/// As `outcome`, where a panic is under way outside.
fn outcome_inside(call: impl FnOnce() -> u64) -> String {
    catch_unwind(AssertUnwindSafe(call)).map_or_else(told, |value| format!("value {value}"))
}

/// `case;how;artifact;artifact..`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tell_case(words: *const c_char, out: *mut u8, len: usize) -> usize {
    let words = unsafe { CStr::from_ptr(words) }.to_str().unwrap();
    let mut words = words.split(';');
    let (name, how) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
    let artifacts: Vec<&str> = words.collect();
    let answer = tell(name, how, &artifacts);
    let len = answer.len().min(len);
    unsafe { std::ptr::copy_nonoverlapping(answer.as_ptr(), out, len) };
    len
}

/// `threads` threads at once, each of which catches 300 panics; returns how many arrived right.
#[unsafe(no_mangle)]
pub extern "C" fn panics_on_threads(threads: u64) -> u64 {
    let right = || (0..300).filter(|_| outcome(|| fails(3)) == outcome(|| fails(3))).count() as u64;
    let threads: Vec<_> = (0..threads).map(|_| thread::spawn(right)).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

/// That many panics one after the other, each with a text of some size; returns how many arrived.
#[unsafe(no_mangle)]
pub extern "C" fn panics_in_a_loop(times: u64) -> u64 {
    (0..times).filter(|_| outcome(|| fails(5)).len() >= 1_000).count() as u64
}

/// A function of the program, called under new code.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn with_callback(callback: extern "C-unwind" fn() -> u64) -> u64 {
    calls_back(&|| callback(), &mut Vec::new())
}

/// Unguarded: for builds whose panics end the process.
#[unsafe(no_mangle)]
pub extern "C" fn call_fails(how: u64) -> u64 {
    fails(how)
}
