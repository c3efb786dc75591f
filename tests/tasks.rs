//! Tasks that move between threads while generations change: each sees one.

#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use lab::{Fixture, Host};

const PROGRAM: &str = r#"
use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[midair::hotpatch]
fn one() -> u64 { 1 }
#[midair::hotpatch]
async fn two() -> u64 { 1 }

#[unsafe(no_mangle)]
pub extern "C" fn call_one(_: u64) -> u64 { one() }

static STOP: AtomicBool = AtomicBool::new(false);
static DONE: AtomicU64 = AtomicU64::new(0);
static MIXED: AtomicU64 = AtomicU64::new(0);
static MOVED: AtomicU64 = AtomicU64::new(0);

/// Asks several times, on whatever thread it is polled.
async fn work() {
    let thread = std::thread::current().id();
    let first = one();
    let mut mixed = 0;
    for _ in 0..8 {
        tokio::task::yield_now().await;
        mixed += u64::from(one() != first);
        mixed += u64::from(two().await != first);
    }
    MIXED.fetch_add(mixed, Relaxed);
    MOVED.fetch_add(u64::from(std::thread::current().id() != thread), Relaxed);
    DONE.fetch_add(1, Relaxed);
}

async fn worker(how: &'static str) {
    while !STOP.load(Relaxed) {
        match how {
            "scoped" => midair::scope_async(work()).await,
            "pinned" => {
                // A task that holds its generation by hand.
                let pin = midair::pin_owned();
                let mut work = Box::pin(work());
                std::future::poll_fn(|context| pin.scope(|| work.as_mut().poll(context))).await;
            }
            _ => work().await,
        }
    }
}

/// Changes generations back and forth while tasks run.
fn run(how: &'static str, changes: u64) -> String {
    for count in [&DONE, &MIXED, &MOVED] { count.store(0, Relaxed); }
    STOP.store(false, Relaxed);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let tasks: Vec<_> = (0..64).map(|_| runtime.spawn(worker(how))).collect();
    for change in 0..changes {
        midair::rollback_to(change % 2).unwrap();
        midair::transition().unwrap().wait(Duration::from_secs(60)).unwrap();
        std::thread::sleep(Duration::from_micros(300));
    }
    STOP.store(true, Relaxed);
    runtime.block_on(async { for task in tasks { task.await.unwrap(); } });
    let moved = MOVED.load(Relaxed);
    format!("{} {} {}", DONE.load(Relaxed), MIXED.load(Relaxed), moved)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn tell_tasks(words: *const c_char, out: *mut u8, len: usize) -> usize {
    let words = unsafe { CStr::from_ptr(words) }.to_str().unwrap();
    let (how, changes) = words.split_once(' ').unwrap();
    let how = match how { "scoped" => "scoped", "pinned" => "pinned", _ => "bare" };
    let answer = run(how, changes.parse().unwrap());
    let len = answer.len().min(len);
    unsafe { std::ptr::copy_nonoverlapping(answer.as_ptr(), out, len) };
    len
}
"#;

#[test]
fn a_task_sees_one_generation_on_whatever_thread() {
    let fixture = Fixture::new("lab_tasks", PROGRAM);
    fixture.depend(
        "tokio = { version = \"1\", default-features = false, features = [\"rt-multi-thread\"] }\n",
    );
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["1.so", "2.so"].map(|name| folder.path().join(name));
    fixture.build_to(&first);
    for name in ["fn one() -> u64", "async fn two() -> u64"] {
        fixture.edit(&format!("{name} {{ 1 }}"), &format!("{name} {{ 2 }}"));
    }
    fixture.build_to(&second);
    let mut host = Host::start_with(|command| {
        command.env("MIDAIR_ARTIFACT", folder.path().join("nothing.so"));
    });
    host.load(&first);
    assert_eq!(host.call("call_one", 0), 1);
    assert!(host.reload(&second).starts_with("ok"));
    for (how, changes) in [("scoped", 200), ("pinned", 200), ("bare", 200)] {
        let answer = host.say(&["text", "tell_tasks", &format!("{how} {changes}")]);
        println!("{how}: {answer}");
        let numbers: Vec<u64> = answer.split(' ').map(|word| word.parse().unwrap()).collect();
        let [done, mixed, moved] = numbers[..] else { panic!("{answer}") };
        assert!(done > 0 && moved > 0, "{how}: {answer}");
        match how {
            // What shows that the others could have seen it.
            "bare" => assert!(mixed > 0, "no task noticed a change: {answer}"),
            _ => assert_eq!(mixed, 0, "{how}: {answer}"),
        }
    }
    host.quit();
}
