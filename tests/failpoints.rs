//! Every step of a patch made to fail, and the process killed at each: state, code and history are
//! as before or as after, never between, and the next start finds nothing in its way.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use std::fs;
use std::path::{Path, PathBuf};

use lab::{Fixture, Host};

/// A library with everything that a patch may have to do: hooks, a static that is handed over, and
/// one that is migrated.
const EVERYTHING: &str = "
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use midair::{ImportError, StateMigration, Value};

const EDITION: u64 = 1;
struct World { score: u64 }
impl StateMigration for World {
    fn export(&self) -> Value { Value::map([(\"score\", self.score)].map(|(name, value)| (name, value.into()))) }
    fn import(form: &Value) -> Result<Self, ImportError> {
        Ok(World { score: form.required(\"score\")?.as_u64().unwrap() })
    }
}
#[midair::persist]
static COUNTER: AtomicU64 = AtomicU64::new(0);
#[midair::persist(migrate)]
static WORLD: Mutex<World> = Mutex::new(World { score: 0 });
/// How often each kind of hook ran: as often as generations came.
#[midair::persist]
static LOADS: AtomicU64 = AtomicU64::new(0);
#[midair::persist]
static UNLOADS: AtomicU64 = AtomicU64::new(0);
#[midair::on_load]
fn arrive() { LOADS.fetch_add(1, Ordering::Relaxed); }
#[midair::on_unload]
fn leave() { UNLOADS.fetch_add(1, Ordering::Relaxed); }

#[midair::hotpatch]
fn step() -> u64 {
    let world = WORLD.enter();
    let mut world = world.lock().unwrap();
    world.score += 1;
    let count = COUNTER.fetch_add(1, Ordering::Relaxed) + 1;
    assert_eq!(world.score, count, \"both or neither\");
    EDITION * 1_000 + count
}
#[midair::hotpatch]
fn other() -> u64 { EDITION }
#[midair::hotpatch]
fn hooks() -> u64 { LOADS.load(Ordering::Relaxed).wrapping_sub(UNLOADS.load(Ordering::Relaxed)) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_step(_: u64) -> u64 { step() }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_other(_: u64) -> u64 { other() }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_hooks(_: u64) -> u64 { hooks() }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_quiescent(_: u64) -> u64 {
    let deadline = std::time::Duration::from_secs(20);
    midair::Runtime::builder().level(midair::Level::Quiescent { deadline }).start().is_ok().into()
}
#[unsafe(no_mangle)]
pub extern \"C\" fn call_rollback(x: u64) -> u64 { midair::rollback_to(x).unwrap_or(u64::MAX) }
#[unsafe(no_mangle)]
pub unsafe extern \"C\" fn text_arm(name: *const std::ffi::c_char, _: *mut u8, _: usize) -> usize {
    let name = unsafe { std::ffi::CStr::from_ptr(name) }.to_str().unwrap();
    match name {
        \"\" => unsafe { std::env::remove_var(\"MIDAIR_FAILPOINT\") },
        name => unsafe { std::env::set_var(\"MIDAIR_FAILPOINT\", name) },
    }
    0
}
fn answer(text: &str, out: *mut u8, len: usize) -> usize {
    let len = len.min(text.len());
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), out, len) };
    len
}
#[unsafe(no_mangle)]
pub unsafe extern \"C\" fn text_names(_: *const u8, out: *mut u8, len: usize) -> usize {
    answer(&midair::__private::FAILPOINTS.join(\" \"), out, len)
}
/// The outcome of each generation, and how many attempts were refused.
#[unsafe(no_mangle)]
pub unsafe extern \"C\" fn text_history(_: *const u8, out: *mut u8, len: usize) -> usize {
    let history = midair::history().unwrap();
    let refused = |record: &&midair::PatchRecord| record.outcome == midair::PatchOutcome::Refused;
    let ran: Vec<_> = history.iter().filter(|record| !refused(record)).map(|record| {
        format!(\"{} {}\", record.generation, record.outcome)
    }).collect();
    let count = history.iter().filter(refused).count();
    answer(&format!(\"{}; {count} refused\", ran.join(\", \")), out, len)
}
";

/// What comes of a patch whose step fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// It is refused.
    Nothing,
    /// It is committed: there is nothing there that can fail.
    Everything,
    /// It is committed; going back is refused.
    NoWayBack,
}

/// Every failpoint, and what comes of a failure there.
const FAILPOINTS: [(&str, Comes); 17] = [
    ("read", Comes::Nothing),
    ("check", Comes::Nothing),
    ("trust", Comes::Nothing),
    ("copy", Comes::Nothing),
    ("load", Comes::Nothing),
    ("records", Comes::Nothing),
    ("quiescence", Comes::Nothing),
    ("unload", Comes::Nothing),
    ("migration", Comes::Nothing),
    ("arrive", Comes::Nothing),
    ("thread", Comes::Nothing),
    ("route", Comes::Everything),
    ("flip", Comes::Everything),
    ("note", Comes::Everything),
    ("complete", Comes::Everything),
    ("drain", Comes::Everything),
    ("roll-back", Comes::NoWayBack),
];

/// Two editions of the library, the second of which changes the type of its world.
struct Editions {
    first: PathBuf,
    second: PathBuf,
    _folder: tempfile::TempDir,
}

impl Editions {
    fn build(name: &str) -> Self {
        let fixture = Fixture::new(name, EVERYTHING);
        let manifest = fixture.dir().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let text = text.replace("midair = { ", "midair = { features = [\"failpoints\"], ");
        fs::write(&manifest, text).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first.so", "second.so"].map(|name| folder.path().join(name));
        fixture.build_to(&first);
        fixture.edit("EDITION: u64 = 1", "EDITION: u64 = 2");
        fixture.edit("struct World { score: u64 }", "struct World { day: u32, score: u64 }");
        fixture.edit("Ok(World { score", "Ok(World { day: 1, score");
        fixture.edit("Mutex::new(World { score: 0 })", "Mutex::new(World { day: 0, score: 0 })");
        fixture.build_to(&second);
        Self { first, second, _folder: folder }
    }

    /// A host that runs the first edition, whose copies are below `copies`.
    fn host(&self, copies: &Path) -> Host {
        let nothing = self.first.with_file_name("nothing.so");
        let mut host = Host::start_with(|command| {
            command.env("MIDAIR_ARTIFACT", nothing).env("MIDAIR_COPIES", copies);
        });
        host.load(&self.first);
        assert_eq!(host.call("call_quiescent", 0), 1);
        assert_eq!(host.call("call_step", 0), 1_001);
        host
    }
}

fn arm(host: &mut Host, name: &str) {
    host.say(&["text", "text_arm", name]);
}

fn history(host: &mut Host) -> String {
    host.say(&["text", "text_history", ""])
}

#[test]
fn a_step_that_fails_leaves_everything_as_before_or_as_after() {
    let editions = Editions::build("lab_failpoints");
    let copies = tempfile::tempdir().unwrap();
    for (name, comes) in FAILPOINTS {
        let mut host = editions.host(copies.path());
        let names = host.say(&["text", "text_names", ""]);
        assert_eq!(names, FAILPOINTS.map(|(name, _)| name).join(" "), "none is left out");
        let report = host.reload_anew(&editions.first);
        assert!(report.starts_with("ok 1"), "{name}: {report}");
        assert_eq!(host.call("call_step", 0), 1_002, "{name}");
        let (hooks, files) = (host.call("call_hooks", 0), lab::files_below(copies.path()).len());
        arm(&mut host, name);
        let report = host.reload(&editions.second);
        if comes == Comes::Nothing {
            assert!(!report.starts_with("ok"), "{name}: {report}");
            assert!(report.contains(&format!("failpoint {name}")), "{name}: {report}");
            assert_eq!(host.call("call_step", 0), 1_003, "{name}");
            assert_eq!(host.call("call_other", 0), 1, "{name}");
            assert_eq!(host.call("lab_generation", 0), 1, "{name}");
            assert_eq!(host.call("call_hooks", 0), hooks, "{name}: hooks come in pairs");
            assert_eq!(history(&mut host), "0 superseded, 1 active; 1 refused", "{name}");
            assert_eq!(lab::files_below(copies.path()).len(), files, "{name}: a copy was left");
            arm(&mut host, "");
            let report = host.reload(&editions.second);
            assert!(report.starts_with("ok 2"), "{name}: {report}");
        }
        let refused = usize::from(comes == Comes::Nothing);
        let count = if comes == Comes::Nothing { 2_004 } else { 2_003 };
        assert_eq!(host.call("call_step", 0), count, "{name}");
        assert_eq!(host.call("call_other", 0), 2, "{name}");
        let after = format!("0 superseded, 1 superseded, 2 active; {refused} refused");
        assert_eq!(history(&mut host), after, "{name}");
        if comes == Comes::NoWayBack {
            assert_eq!(host.call("call_rollback", 1), u64::MAX);
            assert_eq!(host.call("call_step", 0), 2_004);
            assert_eq!(history(&mut host), after);
            arm(&mut host, "");
            assert_eq!(host.call("call_rollback", 1), 1);
            assert_eq!(host.call("call_other", 0), 1);
        }
        host.quit();
        assert_eq!(lab::files_below(copies.path()), Vec::<PathBuf>::new(), "{name}");
    }
}

#[test]
fn a_process_that_is_killed_anywhere_leaves_nothing_in_the_way_of_the_next() {
    let editions = Editions::build("lab_failpoints_kill");
    let copies = tempfile::tempdir().unwrap();
    let processes = || -> usize {
        let users = fs::read_dir(copies.path()).unwrap().flatten();
        users.map(|users| fs::read_dir(users.path()).unwrap().count()).sum()
    };
    for (name, comes) in FAILPOINTS {
        let mut host = editions.host(copies.path());
        let report = host.reload_anew(&editions.first);
        // What the one before has left is gone.
        assert_eq!(processes(), 1, "{name}");
        assert!(report.starts_with("ok 1"), "{name}: {report}");
        let kill = format!("{name}=kill");
        if comes == Comes::NoWayBack {
            arm(&mut host, &kill);
            host.dies_of_kill_at(&["call", "call_rollback", "0"]);
            continue;
        }
        arm(&mut host, &kill);
        host.dies_of_kill_at(&["text", "lab_reload", editions.second.to_str().unwrap()]);
    }
    let mut host = editions.host(copies.path());
    assert!(host.reload(&editions.second).starts_with("ok 1"));
    assert_eq!(host.call("call_step", 0), 2_002);
    host.quit();
    assert_eq!(lab::files_below(copies.path()), Vec::<PathBuf>::new());
}
