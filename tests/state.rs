//! State that outlives patches: persistent statics, as a program and its rebuilt libraries see
//! them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use lab::{Fixture, Host};
use midair::inspect::{Library, Verdict, compare};
use midair::{Mismatch, Missing, Outcome, Require};

/// A library with state of several kinds.
const COUNTING: &str = "
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::sync::atomic::{AtomicU64, Ordering};

#[midair::persist]
static COUNTER: AtomicU64 = AtomicU64::new(100);
#[midair::persist]
static NAMES: Mutex<Option<HashMap<u64, String>>> = Mutex::new(None);
#[midair::persist]
static SHARED: Mutex<Option<Arc<AtomicU64>>> = Mutex::new(None);
static ORDINARY: AtomicU64 = AtomicU64::new(100);

/// Keeps what the map and the reference count say in step with the counter.
#[midair::hotpatch]
fn step(x: u64) -> u64 {
    const EDITION: u64 = 1;
    let mut names = NAMES.lock().unwrap();
    let names = names.get_or_insert_default();
    names.insert(x, format!(\"step {x} of edition {EDITION}\"));
    let mut shared = SHARED.lock().unwrap();
    let shared = shared.get_or_insert_default();
    shared.fetch_add(EDITION, Ordering::Relaxed);
    ORDINARY.fetch_add(1, Ordering::Relaxed);
    COUNTER.fetch_add(1, Ordering::Relaxed) + 1
}
#[midair::hotpatch]
fn ordinary() -> u64 { ORDINARY.load(Ordering::Relaxed) }
#[midair::hotpatch]
fn names() -> u64 {
    let names = NAMES.lock().unwrap();
    let names = names.as_ref().map(|names| names.values().map(String::len).sum::<usize>());
    names.unwrap_or_default() as u64
}
#[midair::hotpatch]
fn address() -> u64 { std::ptr::from_ref(COUNTER.get()).addr() as u64 }
/// The host's own share: as many owners as there are clones, however many images saw it.
#[midair::hotpatch]
fn owners() -> u64 { SHARED.lock().unwrap().as_ref().map_or(0, Arc::strong_count) as u64 }
#[midair::hotpatch]
fn share() -> u64 {
    let shared = SHARED.lock().unwrap().clone().unwrap();
    std::mem::forget(shared);
    1
}

#[unsafe(no_mangle)]
pub extern \"C\" fn call_step(x: u64) -> u64 { step(x) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_ordinary(_: u64) -> u64 { ordinary() }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_names(_: u64) -> u64 { names() }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_address(_: u64) -> u64 { address() }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_owners(_: u64) -> u64 { owners() }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_share(_: u64) -> u64 { share() }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_rollback(_: u64) -> u64 { midair::rollback().unwrap_or(u64::MAX) }
";

/// A library whose patches come when the test says so, built into a file of its own.
fn quiet(name: &str, source: &str) -> (Fixture, tempfile::TempDir) {
    with_debuginfo(name, source, "2")
}

fn with_debuginfo(name: &str, source: &str, level: &str) -> (Fixture, tempfile::TempDir) {
    let mut fixture = Fixture::new(name, source);
    fixture.variables.push(("CARGO_PROFILE_DEV_DEBUG".to_owned(), level.to_owned()));
    let folder = tempfile::tempdir().unwrap();
    fixture.build_to(&folder.path().join(lab::library(name)));
    (fixture, folder)
}

/// Builds the fixture beside the library that runs, and patches from there.
fn patch(fixture: &Fixture, folder: &tempfile::TempDir, host: &mut Host) -> String {
    let path = folder.path().join("next.so");
    fixture.build_to(&path);
    host.reload(&path)
}

/// A host that follows nothing.
fn host(folder: &tempfile::TempDir, name: &str) -> Host {
    let nothing = folder.path().join("nothing.so");
    let mut host = Host::start_with(|command| {
        command.env("MIDAIR_ARTIFACT", nothing);
    });
    host.load(&folder.path().join(lab::library(name)));
    host
}

#[test]
fn state_outlives_patches_at_one_address() {
    let (fixture, folder) = quiet("lab_state", COUNTING);
    let mut host = host(&folder, "lab_state");
    assert_eq!((host.call("call_step", 1), host.call("call_step", 2)), (101, 102));
    let (address, names) = (host.call("call_address", 0), host.call("call_names", 0));
    assert_eq!(host.call("call_share", 0), 1);
    fixture.edit("EDITION: u64 = 1", "EDITION: u64 = 2");
    assert!(patch(&fixture, &folder, &mut host).starts_with("ok 1"));
    assert_eq!(host.call("call_ordinary", 0), 100, "an ordinary static starts anew");
    assert_eq!(host.call("call_step", 3), 103);
    assert_eq!(host.call("call_address", 0), address);
    assert!(host.call("call_names", 0) > names);
    assert_eq!(host.call("call_owners", 0), 2, "the host's share is still there");
    // Going back changes code, not state.
    assert_eq!(host.call("call_rollback", 0), 0);
    assert_eq!(host.call("call_step", 4), 104);
    assert_eq!(host.call("call_address", 0), address);
    host.quit();
}

/// How many patches the test of many makes.
fn many() -> u64 {
    let stress = std::env::var_os("MIDAIR_STRESS").is_some();
    if stress { 1_000 } else { 60 }
}

#[test]
fn a_counter_a_map_and_an_arc_are_carried_through_many_patches() {
    let (fixture, folder) = with_debuginfo("lab_state_many", COUNTING, "0");
    let mut host = host(&folder, "lab_state_many");
    let path = folder.path().join("next.so");
    fixture.build_to(&path);
    assert_eq!(host.call("call_step", 0), 101);
    host.call("call_share", 0);
    for generation in 1..=many() {
        let report = host.reload_anew(&path);
        assert!(report.starts_with(&format!("ok {generation} ")), "{report}");
        assert_eq!(host.call("call_step", generation), 101 + generation);
        assert_eq!(host.call("call_owners", 0), 2);
    }
    // Sixteen stay beside the one in use.
    assert!(lab::files_below(host.copies()).len() <= 17);
    let written = (0..=many()).map(|x| format!("step {x} of edition 1").len() as u64).sum::<u64>();
    assert_eq!(host.call("call_names", 0), written);
    host.quit();
}

#[test]
fn a_constructor_of_a_patch_finds_the_state() {
    let source = format!(
        "{COUNTING}
#[used]
#[unsafe(link_section = \".init_array\")]
static BEGIN: extern \"C\" fn() = begin;
extern \"C\" fn begin() {{
    if midair::is_hotpatched() {{
        COUNTER.fetch_add(1_000, Ordering::Relaxed);
    }}
}}
"
    );
    let (fixture, folder) = quiet("lab_state_constructor", &source);
    let mut host = host(&folder, "lab_state_constructor");
    assert_eq!(host.call("call_step", 0), 101);
    fixture.edit("EDITION: u64 = 1", "EDITION: u64 = 2");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("ok 1"), "{report}");
    assert_eq!(host.call("call_step", 0), 1_102);
    host.quit();
}

#[test]
fn a_new_static_starts_and_one_that_vanished_comes_back() {
    let (fixture, folder) = quiet("lab_state_vanish", COUNTING);
    let mut host = host(&folder, "lab_state_vanish");
    assert_eq!(host.call("call_step", 0), 101);
    let counter = "#[midair::persist]\nstatic COUNTER";
    fixture.edit(
        counter,
        "#[midair::persist]\nstatic OTHER: AtomicU64 = AtomicU64::new(7);\nstatic COUNTER",
    );
    fixture.edit(
        "COUNTER.fetch_add(1, Ordering::Relaxed) + 1",
        "OTHER.fetch_add(1, Ordering::Relaxed) + 1",
    );
    fixture.edit("COUNTER.get()", "&raw const COUNTER");
    fixture.edit("std::ptr::from_ref(&raw const COUNTER)", "(&raw const COUNTER)");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("ok 1"), "{report}");
    assert_eq!((host.call("call_step", 0), host.call("call_step", 0)), (8, 9));
    fixture.edit("static COUNTER", "#[midair::persist]\nstatic COUNTER");
    fixture.edit("(&raw const COUNTER)", "std::ptr::from_ref(COUNTER.get())");
    fixture.edit(
        "OTHER.fetch_add(1, Ordering::Relaxed) + 1",
        "OTHER.fetch_add(1, Ordering::Relaxed) + COUNTER.fetch_add(1, Ordering::Relaxed)",
    );
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("ok 2"), "{report}");
    assert_eq!(host.call("call_step", 0), 9 + 101);
    host.quit();
}

#[test]
fn a_type_that_changed_is_refused_with_the_field() {
    let source = "
use std::sync::Mutex;
pub struct World { pub score: u64, pub lives: Vec<Player> }
pub struct Player { pub name: String }
#[midair::persist]
static WORLD: Mutex<World> = Mutex::new(World { score: 5, lives: Vec::new() });
#[midair::hotpatch]
fn score() -> u64 { let world = WORLD.lock().unwrap(); world.score + world.lives.len() as u64 }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_score(_: u64) -> u64 { score() }
";
    let (fixture, folder) = quiet("lab_state_changed", source);
    let mut host = host(&folder, "lab_state_changed");
    assert_eq!(host.call("call_score", 0), 5);
    fixture.edit("pub name: String }", "pub name: String, pub mana: u32 }");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("Refused:"), "{report}");
    for words in [
        "lab_state_changed::WORLD: the program's value cannot be handed over: \
         Player (lab_state_changed::Player): field mana: u32 new at 24",
        "reached through the static, Mutex<World>",
        "#[midair::persist(migrate)]",
    ] {
        assert!(report.contains(words), "{words:?} is not in {report}");
    }
    assert_eq!(host.call("call_score", 0), 5);
    // Whoever looks at the files alone is told the same.
    let open = |name: &str| Library::open(&folder.path().join(name)).unwrap();
    let (old, new) = (open(&lab::library("lab_state_changed")), open("next.so"));
    let told = compare(&old, &new, Missing::default(), Require::default());
    assert_eq!(told.verdict(), Verdict::Refused);
    let world = told.functions.iter().find(|one| one.name == "lab_state_changed::WORLD").unwrap();
    assert!(
        matches!(&world.outcome, Outcome::Refused(Mismatch::State { details })
        if details.contains("field mana: u32 new at 24")),
        "{world:?}"
    );
    // Another kind of number, where tokens tell as well.
    fixture.edit(", pub mana: u32", "");
    fixture.edit("static WORLD: Mutex<World>", "static WORLD: std::sync::RwLock<World>");
    fixture.edit("= Mutex::new(", "= std::sync::RwLock::new(");
    fixture.edit("WORLD.lock()", "WORLD.read()");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.contains("it was of type `Mutex<World>`, and is of type"), "{report}");
    host.quit();
}

/// A library whose patches bring a static and a function that it does not have itself.
const BARE: &str = "
use std::sync::Mutex;
#[midair::hotpatch]
fn value() -> u64 { 1 }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(_: u64) -> u64 { value() }
";

/// What such a patch brings: two fields of equal size.
const PAIR: &str = "
#[repr(C)]
pub struct Pair { whole: u32, part: f32 }
#[midair::persist]
static PAIR: Mutex<Pair> = Mutex::new(Pair { whole: 40, part: 2.0 });
#[midair::hotpatch]
fn sum(pair: &Pair) -> u64 { u64::from(pair.whole) + pair.part as u64 }
";
const SWAPPED: &str = "Pair { part: f32, whole: u32 }";

/// That of the patches that read it.
fn with_pair(pair: &str) -> String {
    let reads = "{ sum(&PAIR.lock().unwrap()) }";
    format!(
        "{}{}",
        BARE.replace("{ 1 }", reads),
        PAIR.replace("Pair { whole: u32, part: f32 }", pair)
    )
}

fn assert_refused_for_the_pair(report: &str) {
    assert!(report.starts_with("Refused:"), "{report}");
    for words in ["::PAIR: the program's value cannot be handed over", "::sum"] {
        assert!(report.contains(words), "{words:?} is not in {report}");
    }
}

#[test]
fn what_only_a_patch_brought_is_compared_after_one_that_failed_and_one_that_lacked_it() {
    let (fixture, folder) = quiet("lab_state_brought", BARE);
    let mut host = host(&folder, "lab_state_brought");
    assert_eq!(host.call("call_value", 0), 1);
    let pair = with_pair("Pair { whole: u32, part: f32 }");
    fixture.write(&pair);
    assert!(patch(&fixture, &folder, &mut host).starts_with("ok 1"));
    assert_eq!(host.call("call_value", 0), 42);
    // One that is loaded, and refused by its own hook.
    let fails = "#[midair::on_load] fn fails() -> Result<(), String> { Err(\"not today\".into()) }";
    fixture.write(&format!("{pair}{fails}"));
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("Hook:"), "{report}");
    fixture.write(&with_pair(SWAPPED));
    assert_refused_for_the_pair(&patch(&fixture, &folder, &mut host));
    assert_eq!(host.call("call_value", 0), 42);
    // One that lacks them: they are as they were when they come back.
    fixture.write(&BARE.replace("{ 1 }", "{ 3 }"));
    assert!(patch(&fixture, &folder, &mut host).starts_with("ok 2"));
    assert_eq!(host.call("call_value", 0), 3);
    fixture.write(&with_pair(SWAPPED));
    assert_refused_for_the_pair(&patch(&fixture, &folder, &mut host));
    fixture.write(&pair);
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("ok 3"), "{report}");
    assert_eq!(host.call("call_value", 0), 42);
    host.quit();
}

#[test]
fn each_thread_keeps_its_value_and_drops_it_once() {
    let source = "
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
#[midair::persist]
static DROPPED: AtomicU64 = AtomicU64::new(0);
#[midair::persist]
static MADE: AtomicU64 = AtomicU64::new(0);
struct Own(Cell<u64>);
impl Drop for Own {
    fn drop(&mut self) { DROPPED.fetch_add(1, Ordering::Relaxed); }
}
#[midair::persist]
thread_local! {
    static OWN: Own = { MADE.fetch_add(1, Ordering::Relaxed); Own(Cell::new(10)) };
    /// Made while compiling.
    pub static PLAIN: Cell<u64> = const { Cell::new(1) };
}
#[midair::hotpatch]
fn count(x: u64) -> u64 {
    const EDITION: u64 = 1;
    PLAIN.with(|plain| plain.set(plain.get() + 1));
    OWN.with(|own| { own.0.set(own.0.get() + x * EDITION); own.0.get() })
}
#[midair::hotpatch]
fn plain() -> u64 { PLAIN.with(Cell::get) }
#[midair::hotpatch]
fn dropped() -> u64 { DROPPED.load(Ordering::Relaxed) * 1_000 + MADE.load(Ordering::Relaxed) }
/// As many threads as asked for, each of which counts on both sides of a patch.
#[midair::hotpatch]
fn threads(x: u64) -> u64 {
    let threads: Vec<_> = (0..x).map(|_| std::thread::spawn(|| count(1))).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}
#[unsafe(no_mangle)]
pub extern \"C\" fn call_count(x: u64) -> u64 { count(x) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_plain(_: u64) -> u64 { plain() }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_dropped(_: u64) -> u64 { dropped() }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_threads(x: u64) -> u64 { threads(x) }
/// A thread that lives through a patch: `x` 0 begins it, 1 lets it count again and end.
#[unsafe(no_mangle)]
pub extern \"C\" fn call_old_thread(x: u64) -> u64 {
    static THREAD: std::sync::Mutex<Option<(std::sync::mpsc::Sender<()>, std::thread::JoinHandle<u64>)>> =
        std::sync::Mutex::new(None);
    if x == 0 {
        let (go, wait) = std::sync::mpsc::channel();
        let (done, counted) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            done.send(count(1)).unwrap();
            wait.recv().unwrap();
            count(1)
        });
        let first = counted.recv().unwrap();
        *THREAD.lock().unwrap() = Some((go, thread));
        return first;
    }
    let (go, thread) = THREAD.lock().unwrap().take().unwrap();
    go.send(()).unwrap();
    thread.join().unwrap()
}
";
    let (fixture, folder) = quiet("lab_state_local", source);
    let mut host = host(&folder, "lab_state_local");
    assert_eq!(host.call("call_count", 1), 11);
    assert_eq!(host.call("call_old_thread", 0), 11);
    assert_eq!(host.call("call_threads", 3), 33);
    assert_eq!(host.call("call_dropped", 0), 3_005);
    fixture.edit("EDITION: u64 = 1", "EDITION: u64 = 100");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("ok 1"), "{report}");
    assert_eq!(host.call("call_count", 1), 111, "this thread's value");
    assert_eq!(host.call("call_plain", 0), 3);
    assert_eq!(host.call("call_old_thread", 1), 111, "another thread's");
    assert_eq!(host.call("call_threads", 2), 220, "new threads begin anew");
    assert_eq!(host.call("call_dropped", 0), 6_007);
    host.quit();
}

/// A world that grows, reached inside scopes alone.
const GROWING: &str = "
use std::sync::Mutex;
#[derive(Clone)]
pub struct Player { pub name: String, pub hp: u32 }
pub struct World { pub score: u64, pub players: Vec<Player> }
#[midair::persist(scoped)]
static WORLD: Mutex<World> = Mutex::new(World { score: 5, players: Vec::new() });
// <migration>

#[midair::hotpatch]
fn step(x: u64) -> u64 {
    let world = WORLD.enter();
    let mut world = world.lock().unwrap();
    world.score += x;
    world.players.push(Player { name: format!(\"player {x}\"), hp: 1 });
    world.score * 100 + world.players.len() as u64
}
#[unsafe(no_mangle)]
pub extern \"C\" fn call_step(x: u64) -> u64 { step(x) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_rollback(x: u64) -> u64 { midair::rollback_to(x).unwrap_or(u64::MAX) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_quiescent(millis: u64) -> u64 {
    let deadline = std::time::Duration::from_millis(millis);
    let runtime = midair::Runtime::builder()
        .level(midair::Level::Quiescent { deadline })
        .hook_deadline(std::time::Duration::from_secs(2));
    runtime.start().is_ok().into()
}
/// A guard that a thread holds for so many milliseconds.
#[unsafe(no_mangle)]
pub extern \"C\" fn call_hold(millis: u64) -> u64 {
    let (entered, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let world = WORLD.enter();
        entered.send(()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(millis));
        drop(world);
    });
    wait.recv().is_ok().into()
}
";

/// Lets the world of [`GROWING`] grow, and keeps the old one for the migration.
fn grow(fixture: &Fixture, how: &str) {
    fixture.edit(
        "pub hp: u32 }\npub struct World {",
        "pub hp: u32, pub mana: u32 }\npub struct World { pub day: u64,",
    );
    fixture.edit("World { score: 5", "World { day: 1, score: 5");
    fixture.edit("hp: 1 }", "hp: 1, mana: 3 }");
    fixture.edit("world.score * 100", "world.day * 10_000 + world.score * 100");
    fixture.edit("persist(scoped)", "persist(migrate = grown, from = Mutex<v1::World>)");
    fixture.edit(
        "// <migration>",
        &format!(
            "mod v1 {{
    pub struct Player {{ pub name: String, pub hp: u32 }}
    pub struct World {{ pub score: u64, pub players: Vec<Player> }}
}}
fn grown(old: &Mutex<v1::World>) -> Result<Mutex<World>, String> {{
    let old = old.lock().unwrap();
    {how}
    let players = old.players.iter().map(|old| Player {{ name: old.name.clone(), hp: old.hp, mana: 9 }});
    Ok(Mutex::new(World {{ day: 7, score: old.score, players: players.collect() }}))
}}"
        ),
    );
}

#[test]
fn a_world_that_grows_is_migrated_while_no_scope_is_open() {
    let (fixture, folder) = quiet("lab_state_grow", GROWING);
    let mut host = host(&folder, "lab_state_grow");
    assert_eq!(host.call("call_step", 1), 601);
    grow(&fixture, "");
    let report = patch(&fixture, &folder, &mut host);
    assert!(
        report.starts_with("NeedsQuiescence: lab_state_grow::WORLD is to be migrated"),
        "{report}"
    );
    assert_eq!(host.call("call_quiescent", 100), 1);
    // Somebody holds a guard: the old world may not be left.
    assert_eq!(host.call("call_hold", 1_500), 1);
    let path = folder.path().join("next.so");
    let report = host.reload_anew(&path);
    assert!(report.starts_with("NotQuiescent"), "{report}");
    assert_eq!(host.call("call_step", 1), 702);
    assert_eq!(host.call("call_quiescent", 20_000), 1);
    let report = host.reload_anew(&path);
    assert!(report.starts_with("ok 1"), "{report}");
    assert_eq!(host.call("call_step", 3), 71_003);
    // The code from before knows the world from before, as it was when it was left.
    assert_eq!(host.call("call_rollback", 0), 0);
    assert_eq!(host.call("call_step", 1), 803);
    assert_eq!(host.call("call_rollback", 1), 1);
    assert_eq!(host.call("call_step", 1), 71_104);
    // What is migrated again begins with what runs.
    assert_eq!(host.call("call_rollback", 0), 0);
    let report = host.reload_anew(&path);
    assert!(report.starts_with("ok 2"), "{report}");
    assert_eq!(host.call("call_step", 1), 70_904);
    host.quit();
}

#[test]
fn a_migration_that_fails_panics_or_hangs_changes_nothing() {
    let endings = [
        (
            "if old.score > 5 { return Err(\"the score is too high\".into()); }",
            "the score is too high",
        ),
        ("assert!(old.score < 5, \"the score is {}\", old.score);", "it panicked: the score is 6"),
        ("if old.score > 5 { loop { std::thread::park(); } }", "it did not end within 2s"),
    ];
    for (at, (how, told)) in endings.into_iter().enumerate() {
        let name = format!("lab_state_fail{at}");
        let (fixture, folder) = quiet(&name, GROWING);
        let mut host = host(&folder, &name);
        assert_eq!(host.call("call_quiescent", 5_000), 1);
        assert_eq!(host.call("call_step", 1), 601);
        grow(&fixture, how);
        let report = patch(&fixture, &folder, &mut host);
        assert!(report.starts_with("Migration:") && report.contains(told), "{report}");
        if at == 1 {
            // The lock was poisoned by the user's own panic; the program goes on with it.
            continue;
        }
        if at == 0 {
            assert_eq!(host.call("call_step", 1), 702);
            host.quit();
        }
    }
}

#[test]
fn a_migration_from_another_type_than_the_one_that_runs_is_refused() {
    let (fixture, folder) = quiet("lab_state_wrong", GROWING);
    let mut host = host(&folder, "lab_state_wrong");
    assert_eq!(host.call("call_quiescent", 5_000), 1);
    grow(&fixture, "");
    // Of the same size; only debug info tells.
    fixture.edit(
        "pub struct Player { pub name: String, pub hp: u32 }\n    pub",
        "pub struct Player { pub name: String, pub hp: i32 }\n    pub",
    );
    fixture.edit("hp: old.hp", "hp: old.hp as u32");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.contains("its migration takes another type than the one that runs"), "{report}");
    assert!(report.contains("field hp"), "{report}");
    assert_eq!(host.call("call_step", 1), 601);
    host.quit();
}

#[test]
fn what_is_reached_outside_of_scopes_is_never_migrated() {
    let source =
        GROWING.replace("persist(scoped)", "persist").replace("WORLD.enter()", "WORLD.get()");
    let (fixture, folder) = quiet("lab_state_plain", &source);
    let mut host = host(&folder, "lab_state_plain");
    assert_eq!(host.call("call_quiescent", 5_000), 1);
    assert_eq!(host.call("call_step", 1), 601);
    fixture.edit("#[midair::persist]", "#[midair::persist(scoped)]");
    grow(&fixture, "");
    fixture.edit("WORLD.get()", "WORLD.enter()");
    fixture.edit("WORLD.get()", "WORLD.enter()");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.contains("code that runs was built without `scoped`"), "{report}");
    assert_eq!(host.call("call_step", 1), 702);
    host.quit();
}

#[test]
fn a_type_that_exports_is_made_anew_from_what_it_told() {
    let source = "
use std::sync::Mutex;
use midair::{ImportError, StateMigration, Value};
struct Score { points: u64, names: Vec<String> }
impl StateMigration for Score {
    fn export(&self) -> Value {
        let names = Value::list(self.names.iter().map(|name| name.as_str().into()));
        Value::map([(\"points\", Value::from(self.points)), (\"names\", names)])
    }
    fn import(form: &Value) -> Result<Self, ImportError> {
        let points = form.required(\"points\")?.as_u64().ok_or(ImportError::new(\"no number\"))?;
        let names = form.required(\"names\")?.values().iter();
        let names = names.filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Self { points, names })
    }
}
#[midair::persist(migrate)]
static SCORE: Mutex<Score> = Mutex::new(Score { points: 40, names: Vec::new() });
#[midair::hotpatch]
fn score(x: u64) -> u64 {
    let score = SCORE.enter();
    let mut score = score.lock().unwrap();
    score.points += x;
    score.names.push(\"Ada\".to_owned());
    score.points * 10 + score.names.len() as u64
}
#[unsafe(no_mangle)]
pub extern \"C\" fn call_score(x: u64) -> u64 { score(x) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_quiescent(millis: u64) -> u64 {
    let deadline = std::time::Duration::from_millis(millis);
    midair::Runtime::builder().level(midair::Level::Quiescent { deadline }).start().is_ok().into()
}
";
    let (fixture, folder) = quiet("lab_state_export", source);
    let mut host = host(&folder, "lab_state_export");
    assert_eq!(host.call("call_quiescent", 5_000), 1);
    assert_eq!(host.call("call_score", 1), 411);
    fixture.edit("struct Score { points: u64,", "struct Score { level: u8, points: u64,");
    fixture.edit("Ok(Self { points", "Ok(Self { level: 3, points");
    fixture.edit("Score { points: 40", "Score { level: 0, points: 40");
    fixture.edit("score.points * 10", "u64::from(score.level) * 10_000 + score.points * 10");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("ok 1"), "{report}");
    assert_eq!(host.call("call_score", 1), 30_422);
    // An import that misses something refuses the patch, and the value stays.
    fixture.edit("level: u8, ", "level: u16, more: [u64; 2], ");
    fixture.edit(
        "Ok(Self { level: 3,",
        "form.required(\"mana\")?;\n        Ok(Self { more: [0; 2], level: 3,",
    );
    fixture.edit("Score { level: 0,", "Score { more: [0; 2], level: 0,");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.contains("its import failed: no field \"mana\""), "{report}");
    assert_eq!(host.call("call_score", 1), 30_433);
    host.quit();
}

/// valgrind, where it is installed; it watches a program whose code changes while it runs.
fn valgrind() -> Option<Vec<&'static str>> {
    let found = std::process::Command::new("valgrind").arg("--version").output().is_ok();
    found.then(|| {
        vec![
            "valgrind",
            "--quiet",
            "--smc-check=all",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite",
            "--error-exitcode=99",
            concat!("--suppressions=", env!("CARGO_MANIFEST_DIR"), "/tests/lab/valgrind.supp"),
        ]
    })
}

#[test]
fn nothing_is_leaked_or_freed_twice() {
    let Some(valgrind) = valgrind() else {
        eprintln!("skipped: valgrind is not installed");
        return;
    };
    let mut fixture = Fixture::new("lab_state_memory", COUNTING);
    fixture.variables.push(("CARGO_PROFILE_DEV_DEBUG".to_owned(), "1".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let (library, next) = (folder.path().join("first.so"), folder.path().join("next.so"));
    fixture.build_to(&library);
    fixture.edit("EDITION: u64 = 1", "EDITION: u64 = 2");
    fixture.build_to(&next);
    let mut host = Host::start_under(&valgrind, |command| {
        command.env("MIDAIR_ARTIFACT", folder.path().join("nothing.so"));
    });
    host.load(&library);
    assert_eq!(host.call("call_step", 0), 101);
    let times = if many() == 60 { 8 } else { many() };
    for generation in 1..=times {
        let report = host.reload_anew(if generation % 2 == 0 { &library } else { &next });
        assert!(report.starts_with(&format!("ok {generation} ")), "{report}");
        assert_eq!(host.call("call_step", generation), 101 + generation);
    }
    // Ends with an error where valgrind has seen one.
    host.quit();
}
