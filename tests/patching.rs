//! A rebuilt library reaches the running program, by every road that users take.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]
#![cfg(target_os = "linux")]

mod lab;

use lab::{Fixture, Host};

/// A library with one hot function and one way into it.
const VALUE: &str = "
#[midair::hotpatch]
unsafe fn value(x: u64) -> u64 { x + VERSION }
const VERSION: u64 = 1;
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { unsafe { value(x) } }
";

#[test]
fn annotate_rebuild_live() {
    let fixture = Fixture::new("lab_live", VALUE);
    let mut host = Host::with(fixture.build());
    assert_eq!(host.call("call_value", 10), 11);
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    fixture.build();
    host.until("call_value", 10, 12);
    assert_eq!(host.call("lab_generation", 0), 1);
    assert_eq!(host.call("lab_is_hotpatched", 0), 0, "the first library is not a patch");
    // The same path again: the loader must not hand out the old library.
    fixture.edit("VERSION: u64 = 2", "VERSION: u64 = 3");
    fixture.build();
    host.until("call_value", 10, 13);
    host.until_log(
        "patch 2: no hot function changed itself, only what they call or hold; 1 function now runs from this library",
    );
    host.quit();
}

#[test]
fn state_of_the_host_and_methods_live_on() {
    let source = "
use std::sync::atomic::{AtomicU64, Ordering};
pub struct Player { score: u64 }
#[midair::hotpatch]
impl Player {
    pub fn gain(&mut self, points: u64) -> u64 { self.score += points * FACTOR; Self::shown(self) }
    fn shown(&self) -> u64 { self.score }
}
const FACTOR: u64 = 1;
static PLAYER: std::sync::Mutex<Player> = std::sync::Mutex::new(Player { score: 0 });
#[unsafe(no_mangle)]
pub extern \"C\" fn gain(points: u64) -> u64 { PLAYER.lock().unwrap().gain(points) }
static CALLS: AtomicU64 = AtomicU64::new(0);
#[unsafe(no_mangle)]
pub extern \"C\" fn shown(_: u64) -> u64 {
    CALLS.fetch_add(1, Ordering::Relaxed);
    PLAYER.lock().unwrap().shown()
}
";
    let fixture = Fixture::new("lab_methods", source);
    let mut host = Host::with(fixture.build());
    assert_eq!(host.call("gain", 5), 5);
    fixture.edit("FACTOR: u64 = 1", "FACTOR: u64 = 100");
    fixture.edit("{ self.score }", "{ self.score + 7 }");
    fixture.build();
    host.until("shown", 0, 12);
    assert_eq!(host.call("gain", 1), 112, "the score from before the patch is still there");
    host.quit();
}

#[test]
fn helpers_that_nobody_annotated_come_along() {
    let source = "
#[midair::hotpatch]
fn value(x: u64) -> u64 { helper(x) }
fn helper(x: u64) -> u64 { x * 2 }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { value(x) }
";
    let fixture = Fixture::new("lab_helpers", source);
    let mut host = Host::with(fixture.build());
    assert_eq!(host.call("call_value", 10), 20);
    fixture.edit("x * 2", "x * 3");
    fixture.build();
    host.until("call_value", 10, 30);
    host.until_log(
        "patch 1: no hot function changed itself, only what they call or hold; 1 function now runs",
    );
    host.quit();
}

#[test]
fn an_async_function_runs_its_new_code() {
    let source = "
#[midair::hotpatch]
async fn value(x: &u64) -> u64 { std::future::ready(()).await; *x + 1 }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 {
    let mut future = std::pin::pin!(value(&x));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => u64::MAX,
    }
}
";
    let fixture = Fixture::new("lab_async", source);
    let mut host = Host::with(fixture.build());
    assert_eq!(host.call("call_value", 1), 2);
    fixture.edit("*x + 1", "*x + 50");
    fixture.build();
    host.until("call_value", 1, 51);
    host.quit();
}

#[test]
fn a_rebuild_between_loading_and_the_first_call_is_seen() {
    let fixture = Fixture::new("lab_early", VALUE);
    let mut host = Host::with(fixture.build());
    // Nothing of midair runs yet: no thread, no watch.
    assert_eq!(host.say(&["threads"]), "1");
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    fixture.build();
    host.until("call_value", 10, 12);
    host.quit();
}

#[test]
fn a_rebuild_seen_inside_a_patched_function_is_one_truth() {
    // `outer` calls `inner`; both are entered from the first library and from each patch.
    let source = "
#[midair::hotpatch]
fn outer(x: u64) -> u64 {
    if x > 1_000 {
        let path = std::env::var(\"LAB_ARTIFACT\").unwrap();
        let report = midair::reload(path).unwrap();
        assert_eq!(report.retargeted(), 2);
    }
    inner(0) * 10 + OUTER
}
#[midair::hotpatch]
fn inner(_x: u64) -> u64 { INNER }
const OUTER: u64 = 1;
const INNER: u64 = 1;
#[unsafe(no_mangle)]
pub extern \"C\" fn call_outer(x: u64) -> u64 { outer(x) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_inner(x: u64) -> u64 { inner(x) }
";
    let fixture = Fixture::new("lab_inside", source);
    let built = fixture.build().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let artifact = dir.path().join("next.so");
    let mut host = Host::start_with(|command| {
        command.env("LAB_ARTIFACT", &artifact).env("MIDAIR_ARTIFACT", dir.path().join("none.so"));
    });
    host.load(&built);
    assert_eq!(host.call("call_outer", 0), 11);
    for version in 2..6 {
        fixture.edit(&format!("OUTER: u64 = {}", version - 1), &format!("OUTER: u64 = {version}"));
        fixture.edit(&format!("INNER: u64 = {}", version - 1), &format!("INNER: u64 = {version}"));
        fixture.build_to(&artifact);
        // The patch happens while `outer` of the previous generation runs: the call ends there,
        // what it calls is new already.
        assert_eq!(host.call("call_outer", 2_000), version * 10 + version - 1);
        assert_eq!(host.call("call_outer", 0), version * 10 + version);
        assert_eq!(host.call("call_inner", 0), version);
        assert_eq!(host.call("lab_generation", 0), version - 1);
    }
    host.quit();
}

#[test]
fn several_threads_call_while_libraries_come_in() {
    let source = "
#[midair::hotpatch]
fn value(x: u64) -> u64 { (VERSION << 32) | x }
#[midair::hotpatch]
fn other(x: u64) -> u64 { value(x) }
const VERSION: u64 = 1;
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { other(x) }
";
    let reloads: u64 =
        std::env::var("MIDAIR_STRESS").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let fixture = Fixture::new("lab_threads", source);
    let first = fixture.build().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let artifact = dir.path().join("next.so");
    let loaded = dir.path().join("lab_first.so");
    std::fs::copy(&first, &loaded).unwrap();
    // A library whose version constant can be set in its bytes stands for a rebuild each: the
    // compiler's part is tested elsewhere, here the number of libraries counts.
    fixture.edit("const VERSION: u64 = 1", "static STAMP: [u64; 2] = [0x6d69_6461_6972_2121, 2];\nstatic VERSION_OF: fn() -> u64 = || unsafe { std::ptr::read_volatile(&STAMP[1]) };\n#[allow(dead_code)]\nconst VERSION: u64 = 1");
    fixture.edit("(VERSION << 32)", "(VERSION_OF() << 32)");
    let stamped = std::fs::read(fixture.build()).unwrap();
    let magic = 0x6d69_6461_6972_2121_u64.to_le_bytes();
    let at = stamped.windows(8).position(|window| window == magic).unwrap() + 8;
    let mut host = Host::start_with(|command| {
        command.env("MIDAIR_ARTIFACT", dir.path().join("none.so"));
    });
    host.load(&loaded);
    assert_eq!(host.say(&["start", "4", "call_value"]), "ok");
    for reload in 0..reloads {
        let mut bytes = stamped.clone();
        bytes[at..at + 8].copy_from_slice(&(reload + 2).to_le_bytes());
        std::fs::write(&artifact, bytes).unwrap();
        let answer = host.reload(&artifact);
        assert!(answer.starts_with(&format!("ok {} ", reload + 1)), "{answer}");
    }
    let last: u64 = reloads + 1;
    assert_eq!(host.call("call_value", 3), (last << 32) | 3);
    let answer = host.say(&["stop"]);
    let words: Vec<u64> = answer.split(' ').map(|word| word.parse().unwrap()).collect();
    assert!(words[0] > 1_000, "the threads hardly called: {answer}");
    assert_eq!(words[1], 0, "wrong results: {answer}");
    assert!(words[2..].iter().all(|newest| *newest <= last), "{answer}");
    assert!(lab::files_below(host.copies()).len() <= 17, "copies are bounded");
    host.quit();
}

#[test]
fn nothing_leaks_from_patch_to_patch() {
    let fixture = Fixture::new("lab_leaks", VALUE);
    let built = fixture.build().to_owned();
    let mut host = Host::with(&built);
    host.call("call_value", 1);
    host.until_log("following");
    for _ in 0..5 {
        assert!(host.reload_anew(&built).starts_with("ok"));
    }
    let before = (host.say(&["threads"]), host.say(&["descriptors"]));
    for _ in 0..40 {
        assert!(host.reload_anew(&built).starts_with("ok"));
    }
    assert_eq!((host.say(&["threads"]), host.say(&["descriptors"])), before);
    host.quit();
}

#[test]
fn a_private_copy_is_whole_so_that_debuggers_find_symbols() {
    let fixture = Fixture::new("lab_copy", VALUE);
    let built = fixture.build().to_owned();
    let mut host = Host::with(&built);
    host.call("call_value", 1);
    assert!(host.reload(&built).starts_with("ok 1 "));
    let copies = lab::files_below(host.copies());
    let [copy] = &copies[..] else { panic!("one copy is expected: {copies:?}") };
    let (copy, built) = (std::fs::read(copy).unwrap(), std::fs::read(&built).unwrap());
    assert_eq!(copy.len(), built.len());
    // Only the seed and one flag of the dynamic section differ.
    let differing = copy.iter().zip(&built).filter(|(copy, built)| copy != built).count();
    assert!((1..=16).contains(&differing), "{differing} bytes differ");
    host.quit();
}

#[test]
fn listeners_and_waiters_learn_of_patches_and_refusals() {
    let source = "
use std::sync::atomic::{AtomicU64, Ordering};
#[midair::hotpatch]
pub fn value(x: u64) -> u64 { x + 1 }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { value(x) }
static PATCHES: AtomicU64 = AtomicU64::new(0);
static REFUSALS: AtomicU64 = AtomicU64::new(0);
#[unsafe(no_mangle)]
pub extern \"C\" fn listen(_: u64) -> u64 {
    midair::on_patch(|report| { PATCHES.fetch_add(report.generation, Ordering::SeqCst); }).unwrap();
    midair::on_refusal(|_| { REFUSALS.fetch_add(1, Ordering::SeqCst); }).unwrap();
    // A listener that panics ends nothing, neither here nor in a library that only joined.
    midair::on_patch(|_| panic!(\"a listener's own mistake\")).unwrap();
    midair::on_patch(|report| { PATCHES.fetch_add(report.generation, Ordering::SeqCst); }).unwrap();
    0
}
#[unsafe(no_mangle)]
pub extern \"C\" fn counted(_: u64) -> u64 {
    PATCHES.load(Ordering::SeqCst) * 1_000 + REFUSALS.load(Ordering::SeqCst)
}
";
    let fixture = Fixture::new("lab_listen", source);
    // The library joins the domain of another one: what it hears crosses the border.
    let first = Fixture::new("lab_listen_first", VALUE);
    let mut host = Host::with(first.build());
    host.call("call_value", 1);
    host.until_log("following");
    host.load(fixture.build());
    host.call("call_value", 1);
    host.call("listen", 0);
    host.until_log("following /");
    let answer = host.say(&["text", "lab_wait", "50"]);
    assert!(answer.starts_with("TimedOut: no patch came within 50ms"), "{answer}");
    // A wait that is under way when the patch comes.
    fixture.edit("x + 1", "x + 2");
    let builder = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        fixture.build();
        fixture
    });
    let answer = host.say(&["text", "lab_wait", "60000"]);
    assert!(answer.starts_with("ok 1 lab_listen::value Retargeted"), "{answer}");
    let fixture = builder.join().unwrap();
    host.until("counted", 0, 2_000);
    // And one that a refusal ends.
    fixture
        .edit("pub fn value(x: u64) -> u64 { x + 2 }", "pub fn value(x: u32) -> u64 { x.into() }");
    fixture.edit("{ value(x) }", "{ value(x as u32) }");
    let builder = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        fixture.build();
    });
    let answer = host.say(&["text", "lab_wait", "60000"]);
    assert!(answer.starts_with("Refused: lab_listen::value: its signature is now"), "{answer}");
    builder.join().unwrap();
    host.until("counted", 0, 2_001);
    host.quit();
}

#[test]
fn a_patch_that_asks_for_a_patch_while_it_is_loaded_is_told_so() {
    let source = "
#[midair::hotpatch]
pub fn value(x: u64) -> u64 { x + 1 }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { value(x) }
#[used]
#[unsafe(link_section = \".init_array\")]
static CONSTRUCTOR: extern \"C\" fn() = {
    extern \"C\" fn constructor() {
        if midair::is_hotpatched() {
            let refused = midair::reload(std::env::var(\"LAB_ARTIFACT\").unwrap()).unwrap_err();
            eprintln!(\"inside: {:?}\", refused.kind());
        }
    }
    constructor
};
";
    let fixture = Fixture::new("lab_reentrant", source);
    let built = fixture.build().to_owned();
    let mut host = Host::start_with(|command| {
        command.env("LAB_ARTIFACT", &built);
    });
    host.load(&built);
    host.call("call_value", 1);
    assert!(host.reload(&built).starts_with("ok 1 "));
    host.until_log("inside: Busy");
    host.quit();
}

#[test]
fn two_libraries_of_one_process_share_a_runtime() {
    let one = Fixture::new("lab_pair_one", VALUE);
    let two = Fixture::new("lab_pair_two", VALUE);
    let mut host = Host::with(one.build());
    host.call("call_value", 0);
    host.load(two.build());
    assert_eq!(host.call("call_value@1", 10), 11);
    two.edit("VERSION: u64 = 1", "VERSION: u64 = 20");
    two.build();
    host.until("call_value@1", 10, 30);
    assert_eq!(host.call("call_value@0", 10), 11, "the other library is untouched");
    one.edit("VERSION: u64 = 1", "VERSION: u64 = 30");
    one.build();
    host.until("call_value@0", 10, 40);
    assert_eq!(host.call("lab_generation@0", 0), 2, "both count the same patches");
    assert_eq!(host.call("lab_generation@1", 0), 2);
    host.quit();
}

#[test]
fn is_hotpatched_is_right_in_a_constructor() {
    let source = "
#[midair::hotpatch]
fn value(x: u64) -> u64 { x + 1 }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { value(x) }
#[used]
#[unsafe(link_section = \".init_array\")]
static CONSTRUCTOR: extern \"C\" fn() = {
    extern \"C\" fn constructor() {
        // A hot call inside a constructor, under the loader's lock, waits for nothing.
        eprintln!(\"constructor: hotpatched {}, value {}\", midair::is_hotpatched(), value(1));
    }
    constructor
};
";
    let fixture = Fixture::new("lab_constructor", source);
    let mut host = Host::with(fixture.build());
    host.until_log("constructor: hotpatched false, value 2");
    fixture.edit("x + 1", "x + 5");
    fixture.build();
    host.until("call_value", 1, 6);
    host.until_log("constructor: hotpatched true, value 6");
    host.quit();
}

#[test]
fn a_dylib_patches_too() {
    let fixture = Fixture::with_manifest("lab_dylib", VALUE, "crate-type = [\"dylib\"]", "");
    let mut host = Host::with(fixture.build());
    assert_eq!(host.call("call_value", 10), 11);
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    fixture.build();
    host.until("call_value", 10, 12);
    host.quit();
}

#[test]
fn a_preloaded_dylib_does_not_capture_its_patches() {
    // A dylib exports everything, the bodies of hot functions too.
    let fixture = Fixture::with_manifest("lab_dylib_global", VALUE, "crate-type = [\"dylib\"]", "");
    let built = fixture.build().to_owned();
    let mut host = Host::start_with(|command| {
        command.env("LD_PRELOAD", &built);
    });
    host.load(&built);
    assert_eq!(host.call("call_value", 10), 11);
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    fixture.build();
    host.until("call_value", 10, 12);
    host.quit();
}

#[test]
fn a_preloaded_library_does_not_capture_its_patches() {
    // Everything that the first library exports is in the global scope: references of a patch to
    // its own exported symbols must not find it there.
    let source = "
#[midair::hotpatch]
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { x + exported() }
#[unsafe(no_mangle)]
#[inline(never)]
pub extern \"C\" fn exported() -> u64 { *EXPORTED }
#[unsafe(no_mangle)]
pub static EXPORTED: &u64 = &1;
";
    let fixture = Fixture::new("lab_preloaded", source);
    let built = fixture.build().to_owned();
    let mut host = Host::start_with(|command| {
        command.env("LD_PRELOAD", &built);
    });
    host.load(&built);
    assert_eq!(host.call("call_value", 10), 11);
    fixture.edit("&u64 = &1", "&u64 = &2");
    fixture.build();
    host.until("call_value", 10, 12);
    host.quit();
}

#[test]
fn a_forked_child_patches_itself() {
    let fixture = Fixture::new("lab_fork", VALUE);
    let mut host = Host::with(fixture.build());
    assert_eq!(host.call("call_value", 10), 11);
    host.until_log("following");
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    fixture.build();
    host.until("call_value", 10, 12);
    let mut answers = vec![host.say(&["fork", "call_value", "10"])];
    answers.push(host.answer(&["fork"]));
    answers.sort();
    assert_eq!(answers, ["child 12", "forked"], "the child goes on with the parent's code");
    fixture.edit("VERSION: u64 = 2", "VERSION: u64 = 3");
    fixture.build();
    assert_eq!(host.answer(&["fork"]), "child 13");
    host.until("call_value", 10, 13);
    host.quit();
}
