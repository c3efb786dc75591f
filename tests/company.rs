//! What happens around a patch: other libraries, other threads, hosts that close what they opened,
//! constructors, signals and forks.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use std::path::Path;

use lab::{Fixture, Host};

/// A library with one hot function and one way into it.
const VALUE: &str = "
#[midair::hotpatch]
fn value(x: u64) -> u64 { x + VERSION }
const VERSION: u64 = 1;
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { value(x) }
";

/// A host that follows nothing by itself.
fn calm() -> Host {
    Host::start_with(|command| {
        command.env("MIDAIR_ARTIFACT", "/nowhere/none.so");
    })
}

/// Copies the library of `fixture`, built with version `version`, to `path`.
fn build_version(fixture: &Fixture, version: u64, path: &Path) {
    fixture.write(&VALUE.replace("VERSION: u64 = 1", &format!("VERSION: u64 = {version}")));
    fixture.build_to(path);
}

#[test]
fn a_library_that_is_closed_right_after_its_first_call_stays_or_goes_but_never_crashes() {
    let fixture = Fixture::new("lab_close_at_once", VALUE);
    let built = fixture.build().to_owned();
    for _ in 0..40 {
        let mut host = Host::with(&built);
        assert_eq!(host.say(&["call and close", "call_value", "10"]), "11");
        host.load(&built);
        assert_eq!(host.call("call_value", 10), 11);
        host.quit();
    }
}

#[test]
fn a_library_that_comes_and_goes_while_another_is_patched() {
    let steady = Fixture::new("lab_steady", VALUE);
    let built = steady.build().to_owned();
    let churned = Fixture::new("lab_churned", VALUE);
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("churned.so");
    churned.build_to(&other);
    for _ in 0..3 {
        let mut host = calm();
        host.load(&built);
        assert_eq!(host.call("call_value", 1), 2);
        assert_eq!(host.say(&["churn", other.to_str().unwrap(), "lab_is_hotpatched", "400"]), "ok");
        for generation in 1..=40 {
            assert!(host.reload_anew(&built).starts_with(&format!("ok {generation} ")));
        }
        assert_eq!(host.say(&["churned"]), "ok");
        host.quit();
    }
}

#[test]
fn the_founder_of_a_domain_may_be_closed() {
    let founder = Fixture::new("lab_founder", VALUE);
    let other = Fixture::new("lab_joiner", VALUE);
    let mut host = Host::with(founder.build());
    // No hot call yet: only a question, which founds the domain all the same.
    assert_eq!(host.call("lab_generation", 0), 0);
    host.load(other.build());
    assert_eq!(host.call("lab_generation@1", 0), 0);
    // The library loaded last is closed last; so is the founder by its own handle.
    assert_eq!(host.say(&["close first"]), "ok");
    assert_eq!(host.call("lab_generation", 0), 0);
    assert!(host.reload(&other.output).starts_with("ok 1 "));
    host.quit();
}

#[test]
fn a_constructor_that_starts_the_runtime_while_a_patch_is_loaded_waits_for_nothing() {
    let source = format!(
        "{VALUE}
#[used]
#[unsafe(link_section = \".init_array\")]
static CONSTRUCTOR: extern \"C\" fn() = {{
    extern \"C\" fn constructor() {{
        // Time for the other library's patch to reach the loader's lock, which this holds.
        std::thread::sleep(std::time::Duration::from_millis(700));
        midair::Runtime::builder().artifact(\"/nowhere/at/all.so\").start().unwrap();
    }}
    constructor
}};
"
    );
    let followed = Fixture::new("lab_followed", VALUE);
    let slow = Fixture::new("lab_slow_constructor", &source);
    let slow = slow.build().to_owned();
    let mut host = Host::with(followed.build());
    assert_eq!(host.call("call_value", 10), 11);
    host.until_log("following");
    followed.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    let builder = std::thread::spawn(move || {
        followed.build();
        followed
    });
    for _ in 0..3 {
        host.load(&slow);
    }
    let followed = builder.join().unwrap();
    host.until("call_value@0", 10, 12);
    host.quit();
    drop(followed);
}

#[test]
fn switching_watching_off_holds_whether_it_comes_first_or_last() {
    let source = format!(
        "{VALUE}
#[unsafe(no_mangle)]
pub extern \"C\" fn off(_: u64) -> u64 {{
    midair::Runtime::builder().watch(midair::Watch::Off).start().unwrap();
    0
}}
"
    );
    let fixture = Fixture::new("lab_off", &source);
    for first in ["off", "call_value"] {
        fixture.write(&source);
        let built = fixture.build().to_owned();
        let mut host = Host::with(&built);
        host.call(first, 10);
        host.call("off", 0);
        host.until_log("following nothing");
        assert_eq!(host.call("call_value", 10), 11);
        fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
        fixture.build();
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        assert_eq!(host.call("call_value", 10), 11, "{}", host.log());
        assert!(host.reload(&built).starts_with("ok 1 "));
        assert_eq!(host.call("call_value", 10), 12);
        host.quit();
    }
}

#[test]
fn a_child_that_is_forked_after_an_explicit_start_patches_itself() {
    let source = format!(
        "{VALUE}
#[unsafe(no_mangle)]
pub extern \"C\" fn start(_: u64) -> u64 {{
    midair::Runtime::builder().start().unwrap();
    0
}}
"
    );
    let fixture = Fixture::new("lab_fork_start", &source);
    let mut host = Host::with(fixture.build());
    host.call("start", 0);
    assert_eq!(host.call("call_value", 10), 11);
    host.until_log("following");
    let mut answers = vec![host.say(&["fork", "call_value", "10"])];
    answers.push(host.answer(&["fork"]));
    answers.sort();
    assert_eq!(answers, ["child 11", "forked"]);
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    fixture.build();
    assert_eq!(host.answer(&["fork"]), "child 12");
    host.until("call_value", 10, 12);
    host.quit();
}

#[test]
fn two_packages_of_one_name_are_two() {
    let manifest = "name = \"lab_twin\"\ncrate-type = [\"cdylib\"]";
    let twin = |package: &str| {
        let mut fixture = Fixture::with_manifest(package, VALUE, manifest, "");
        fixture.output = lab::target_dir().join("debug").join(lab::library("lab_twin"));
        fixture
    };
    let (one, two) = (twin("lab-twin-one"), twin("lab-twin-two"));
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    build_version(&one, 100, &path("one.so"));
    build_version(&two, 200, &path("two.so"));
    build_version(&two, 300, &path("next.so"));
    let mut host = calm();
    host.load(&path("two.so"));
    host.load(&path("one.so"));
    assert_eq!(host.call("call_value@0", 1), 201);
    assert_eq!(host.call("call_value@1", 1), 101);
    assert!(host.reload(&path("next.so")).starts_with("ok 1 "));
    assert_eq!(host.call("call_value@0", 1), 301);
    assert_eq!(host.call("call_value@1", 1), 101, "the other package was patched as well");
    host.quit();
}

#[test]
fn libraries_that_share_a_dependency_keep_their_own_copies_of_it() {
    let shared = Fixture::with_manifest(
        "lab_shared",
        "
use std::sync::atomic::{AtomicU64, Ordering};
static COUNT: AtomicU64 = AtomicU64::new(0);
#[midair::hotpatch]
pub fn count() -> u64 { COUNT.fetch_add(1, Ordering::SeqCst) + 1 }
",
        "crate-type = [\"rlib\"]",
        "",
    );
    let dependent = |name: &str| {
        let source = "
#[midair::hotpatch]
fn value(x: u64) -> u64 { x + VERSION }
const VERSION: u64 = 1;
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { value(x) }
#[unsafe(no_mangle)]
pub extern \"C\" fn counted(_: u64) -> u64 { lab_shared::count() }
";
        let fixture = Fixture::new(name, source);
        let manifest = fixture.dir().join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        let more = format!("[dependencies]\nlab_shared = {{ path = {:?} }}\n", shared.dir());
        std::fs::write(manifest, text.replacen("[dependencies]\n", &more, 1)).unwrap();
        fixture
    };
    let (one, two) = (dependent("lab_sharing_one"), dependent("lab_sharing_two"));
    let (one_built, two_built) = (one.build().to_owned(), two.build().to_owned());
    let mut host = calm();
    host.load(&one_built);
    host.load(&two_built);
    for wanted in 1..=3 {
        assert_eq!(host.call("counted@1", 0), wanted);
    }
    // Several editions of the one must not make the other count as its relative.
    for generation in 1..=3 {
        assert!(host.reload_anew(&one_built).starts_with(&format!("ok {generation} ")));
    }
    assert_eq!(host.call("counted@1", 0), 4, "the other library's state was exchanged");
    assert!(host.reload(&two_built).starts_with("ok 4 "));
    assert_eq!(host.call("call_value@1", 1), 2);
    host.quit();
}

#[test]
fn one_rebuild_of_a_library_loaded_twice_is_one_patch() {
    let fixture = Fixture::new("lab_twice", VALUE);
    let built = fixture.build().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::start();
    for name in ["first.so", "second.so"] {
        let copy = dir.path().join(name);
        std::fs::copy(&built, &copy).unwrap();
        host.load(&copy);
        assert_eq!(host.call("call_value", 10), 11);
    }
    host.until_log("following");
    std::thread::sleep(std::time::Duration::from_millis(300));
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    fixture.build();
    host.until("call_value@0", 10, 12);
    host.until("call_value@1", 10, 12);
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert_eq!(host.call("lab_generation", 0), 1, "{}", host.log());
    host.quit();
}

#[test]
fn a_hot_function_may_come_and_go_again() {
    let fixture = Fixture::new("lab_come_and_go", VALUE);
    let built = fixture.build().to_owned();
    let mut host = calm();
    host.load(&built);
    assert_eq!(host.call("call_value", 1), 2);
    fixture.edit("const VERSION", "#[midair::hotpatch]\nfn fresh() {}\nconst VERSION");
    let answer = host.reload(fixture.build());
    assert!(answer.contains("lab_come_and_go::fresh New"), "{answer}");
    fixture.write(VALUE);
    let answer = host.reload(fixture.build());
    // Only the patch before calls it, through slots of its own.
    assert!(answer.starts_with("ok 2 lab_come_and_go::fresh Missing"), "{answer}");
    host.quit();
}

#[test]
fn signals_that_the_host_waits_for_reach_the_host() {
    let fixture = Fixture::new("lab_signals", VALUE);
    let mut host = Host::with(fixture.build());
    assert_eq!(host.call("call_value", 10), 11);
    host.until_log("following");
    assert_eq!(host.say(&["wait for signal"]), "15");
    host.quit();
}
