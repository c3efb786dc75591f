//! A panic in new code arrives where the program catches it, with the standard library shared or
//! with a copy of it in each library, and the process goes on.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

#[path = "../lab/mod.rs"]
mod lab;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::{Fixture, Host};
use tempfile::TempDir;

const LIBRARY: &str = include_str!("library.rs");

/// Whose standard library a library uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Std {
    /// A copy of its own, as an ordinary cdylib does.
    Own,
    /// The one that all share: `-C prefer-dynamic`.
    Shared,
}

/// A library, the host that runs its first edition, and a folder for later ones.
struct Stage {
    fixture: Fixture,
    host: Host,
    folder: TempDir,
    edition: u64,
}

/// A host that has loaded the first edition and follows nothing.
fn host(folder: &Path) -> Host {
    let mut host = Host::start_with(|command| {
        command
            .env("MIDAIR_ARTIFACT", folder.join("none.so"))
            .env("LD_LIBRARY_PATH", standard_libraries())
            .env("RUST_BACKTRACE", "0");
    });
    host.load(&folder.join("first.so"));
    host
}

impl Stage {
    fn new(name: &str, std: Std) -> Self {
        let lines = format!("[profile.dev.package.{name}]\ndebug = \"line-tables-only\"\n");
        let lib = "crate-type = [\"cdylib\"]";
        let mut fixture = Fixture::with_manifest(name, LIBRARY, lib, &lines);
        if std == Std::Shared {
            let apart = lab::target_dir().join("elsewhere/lab_std");
            fixture.variables = vec![
                ("CARGO_TARGET_DIR".into(), apart.display().to_string()),
                ("RUSTFLAGS".into(), "-C prefer-dynamic".into()),
            ];
            fixture.output = apart.join("debug").join(lab::library(name));
        }
        let folder = TempDir::new().unwrap();
        fixture.build_to(&folder.path().join("first.so"));
        let host = host(folder.path());
        Self { fixture, host, folder, edition: 0 }
    }

    /// Builds the next edition.
    fn build_next(&mut self) -> PathBuf {
        let [old, new] = [self.edition, self.edition + 1];
        self.fixture.edit(&format!("EDITION: u64 = {old}"), &format!("EDITION: u64 = {new}"));
        self.edition = new;
        let artifact = self.folder.path().join(format!("edition{new}.so"));
        self.fixture.build_to(&artifact);
        artifact
    }

    /// Builds the next edition and lets the program run it.
    fn patch(&mut self) {
        let artifact = self.build_next();
        let answer = self.host.reload(&artifact);
        assert!(answer.starts_with("ok "), "{answer}");
    }

    fn tell(&mut self, case: &str) -> String {
        self.host.say(&["text", "tell_case", case])
    }
}

/// The folder that holds the shared standard library.
fn standard_libraries() -> PathBuf {
    let told = Command::new("rustc").args(["--print", "target-libdir"]).output().unwrap();
    Path::new(String::from_utf8(told.stdout).unwrap().trim()).to_owned()
}

/// What arrives of a payload that is neither `&str` nor `String`.
fn custom(std: Std, told: &str) -> String {
    match std {
        Std::Shared => told.to_owned(),
        // What the standard library itself prints in place of such a payload.
        Std::Own => "text Box<dyn Any>".to_owned(),
    }
}

fn every_panic_arrives(name: &str, std: Std) {
    let mut stage = Stage::new(name, std);
    what_new_code_raises(&mut stage, std);
    what_the_program_raises_underneath(&mut stage, std);
    // The process lives, and takes the next patch.
    stage.patch();
    assert_eq!(stage.tell("fails;2"), "text formatted in edition 2 []");
    stage.host.quit();
}

/// Panics of the new code that the program catches.
fn what_new_code_raises(stage: &mut Stage, std: Std) {
    assert_eq!(stage.tell("fails;0"), "value 0 []");
    assert_eq!(stage.tell("later;3"), "custom 0 []", "nothing has been patched yet");
    stage.patch();
    let custom = |told: &str| custom(std, told);
    for (case, told) in [
        ("fails;0", "value 1 []".to_owned()),
        ("fails;1", "literal a literal []".to_owned()),
        ("fails;2", "text formatted in edition 1 []".to_owned()),
        ("fails;3", format!("{} []", custom("custom 1"))),
        ("fails;4", format!("{} []", custom("unknown"))),
        ("over c;0", "value 1 []".to_owned()),
        ("over c;2", "text formatted in edition 1 []".to_owned()),
        ("never;0", "literal it came back []".to_owned()),
        ("never;3", format!("{} []", custom("custom 1"))),
        ("method;0", "value 1, 1 turn []".to_owned()),
        ("method;1", "literal a literal, 1 turn []".to_owned()),
        ("later;0", "value 1 []".to_owned()),
        ("later;2", "text formatted in edition 1 []".to_owned()),
        ("later;3", format!("{} []", custom("custom 1"))),
    ] {
        assert_eq!(stage.tell(case), told, "{case}");
    }
    // Each level of the new code cleans up, and knows that a panic is under way.
    let levels = ["1 panicking"; 4].join(", ");
    assert_eq!(stage.tell("ping;2"), format!("text formatted in edition 1 [{levels}]"));
    assert_eq!(stage.tell("ping;0"), format!("value 1 [{}]", ["1 calm"; 4].join(", ")));
    // What the new code stops itself never leaves it, whatever it is.
    assert_eq!(stage.tell("catches;3"), "value \"custom 1\" []");
    assert_eq!(
        stage.tell("nested;1"),
        "value \"text formatted in edition 1 after literal a literal\" [1 panicking, 1 panicking]"
    );
    // Destructors that call hot functions while a panic is under way, on both sides.
    let inner = "text formatted in edition 1, panicking true";
    assert_eq!(stage.tell("cleans up;1"), format!("literal a literal [{inner}]"));
    assert_eq!(stage.tell("host cleans up;1"), format!("literal a literal [{inner}]"));
    // One message, printed by whoever panicked.
    let called = if std == Std::Own { 0 } else { 1 };
    assert_eq!(stage.tell("hook;1"), format!("literal a literal, {called} called []"));
    // Threads of the new code, whoever joins them.
    assert_eq!(stage.tell("thread;2"), "text formatted in edition 1 []");
    assert_eq!(stage.tell("thread;3"), "custom 1 []");
    assert_eq!(stage.tell("thread joined inside;3"), "value \"custom 1\" []");
}

/// Panics of the program's closures that were called by new code.
fn what_the_program_raises_underneath(stage: &mut Stage, std: Std) {
    // With a std of its own the new code cannot know of others' panics; it cleans up all the same.
    let (under_way, inside) = match std {
        Std::Own => ("1 calm", "text Box<dyn Any>"),
        Std::Shared => ("1 panicking", "custom 1"),
    };
    for (how, told) in [
        (1, "literal the host's own literal"),
        (2, "text the host's own edition 0"),
        (3, "custom 100"),
    ] {
        let case = format!("calls back;{how}");
        assert_eq!(stage.tell(&case), format!("{told} [{under_way}]"));
        let case = format!("calls back twice;{how}");
        assert_eq!(stage.tell(&case), format!("{told} [{under_way}]"));
    }
    let case = "calls back into;3";
    assert_eq!(stage.tell(case), format!("{inside} [{under_way}]"));
    assert_eq!(stage.tell("calls back and catches;1"), "value 1017 [1 calm]");
    // The program itself: a third standard library, on both sides of the call.
    let told = stage.host.say(&["callback panics", "with_callback"]);
    assert_eq!(told, "the program's own panic");
}

#[test]
fn every_panic_arrives_with_a_std_of_its_own() {
    every_panic_arrives("panics_own", Std::Own);
}

#[test]
fn every_panic_arrives_with_a_shared_std() {
    every_panic_arrives("panics_shared", Std::Shared);
}

fn panics_through_generations(name: &str, std: Std) {
    let mut stage = Stage::new(name, std);
    stage.tell("fails;0");
    let artifacts: Vec<String> = (0..4).map(|_| stage.build_next().display().to_string()).collect();
    // Each level runs while the next library comes in: frames of three editions lie above one
    // another, the oldest below.
    let case = |name: &str, how: u64, artifacts: &[String]| {
        format!("{name};{how};{}", artifacts.join(";"))
    };
    let seen = "[2 panicking, 1 panicking, 0 panicking]";
    assert_eq!(
        stage.tell(&case("descends", 2, &artifacts[..2])),
        format!("text formatted in edition 2 {seen}")
    );
    let seen = "[4 panicking, 3 panicking, 2 panicking]";
    assert_eq!(
        stage.tell(&case("descends and catches", 0, &artifacts[2..])),
        format!("text 2 <- text 3 <- text formatted in edition 4 {seen}")
    );
    stage.host.quit();
}

#[test]
fn a_panic_passes_through_code_of_several_generations_with_a_std_of_their_own() {
    panics_through_generations("panics_generations_own", Std::Own);
}

#[test]
fn a_panic_passes_through_code_of_several_generations_with_a_shared_std() {
    panics_through_generations("panics_generations_shared", Std::Shared);
}

fn message_and_backtrace(name: &str, std: Std) {
    let mut stage = Stage::new(name, std);
    stage.tell("fails;0");
    // Everything moves down in the new source.
    stage.fixture.edit("use std::any::Any;", "use std::any::Any;\n//\n//\n//");
    stage.patch();
    let source = std::fs::read_to_string(stage.fixture.dir().join("src/lib.rs")).unwrap();
    let line = |text: &str| 1 + source.lines().position(|line| line.contains(text)).unwrap();
    assert_eq!(stage.tell("fails;1"), "literal a literal []");
    stage.host.until_log(&format!("panicked at src/lib.rs:{}:14:", line("panic!(\"a literal\")")));
    assert_eq!(stage.host.log().matches("a literal").count(), 1, "{}", stage.host.log());
    let backtrace = stage.tell("backtrace;0");
    assert!(backtrace.contains(&format!("{name}::backtrace")), "{backtrace}");
    let at = format!("src/lib.rs:{}:", line("force_capture"));
    assert!(backtrace.contains(&at), "{at}\n{backtrace}");
    // And through it into the first edition, which called.
    assert!(backtrace.contains("tell_case"), "{backtrace}");
    stage.host.quit();
}

#[test]
fn message_and_backtrace_lead_to_the_new_source_with_a_std_of_its_own() {
    message_and_backtrace("panics_source_own", Std::Own);
}

#[test]
fn message_and_backtrace_lead_to_the_new_source_with_a_shared_std() {
    message_and_backtrace("panics_source_shared", Std::Shared);
}

/// What the host said when it ended at `case`.
fn end(mut host: Host, artifact: &Path, case: &str) -> String {
    host.say(&["text", "tell_case", "fails;0"]);
    assert!(host.reload(artifact).starts_with("ok "));
    let died = catch_unwind(AssertUnwindSafe(|| host.say(&["text", "tell_case", case])));
    *died.expect_err("the host dies").downcast().unwrap()
}

#[test]
fn what_is_not_covered_ends_the_process_and_is_documented() {
    let mut stage = Stage::new("panics_limits", Std::Own);
    let artifact = stage.build_next();
    let foreign = "Rust cannot catch foreign exceptions";
    // New code that wants to stop a panic of the program.
    let told = end(host(stage.folder.path()), &artifact, "stops;2");
    assert!(told.contains("unix_wait_status(6)") && told.contains(foreign), "{told}");
    // A closure of the new code, which no slot leads to.
    let told = end(host(stage.folder.path()), &artifact, "makes;2");
    assert!(told.contains("unix_wait_status(6)") && told.contains(foreign), "{told}");
    stage.host.quit();
}

#[test]
fn many_panics_leave_nothing_behind() {
    let mut stage = Stage::new("panics_many", Std::Own);
    stage.tell("fails;0");
    stage.patch();
    let resident = |host: &Host| -> u64 {
        let told = std::fs::read_to_string(format!("/proc/{}/statm", host.pid())).unwrap();
        told.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    assert_eq!(stage.host.call("panics_in_a_loop", 1_000), 1_000);
    let before = resident(&stage.host);
    assert_eq!(stage.host.call("panics_in_a_loop", 20_000), 20_000);
    let grown = resident(&stage.host).saturating_sub(before);
    // Each brought a text of a thousand bytes.
    assert!(grown < 1 << 20, "{grown} bytes more after 20,000 panics");
    assert_eq!(stage.host.call("panics_on_threads", 8), 8 * 300);
    stage.patch();
    assert_eq!(stage.tell("fails;2"), "text formatted in edition 2 []");
    stage.host.quit();
}

#[test]
fn where_panics_end_the_process_new_code_is_called_as_it_is() {
    let name = "panics_abort";
    let lines = "panic = \"abort\"\n";
    let fixture = Fixture::with_manifest(name, LIBRARY, "crate-type = [\"cdylib\"]", lines);
    let first = fixture.build().to_owned();
    let mut host = Host::with(&first);
    assert_eq!(host.call("call_fails", 0), 0);
    fixture.edit("EDITION: u64 = 0", "EDITION: u64 = 1");
    fixture.build();
    host.until("call_fails", 0, 1);
    let died = catch_unwind(AssertUnwindSafe(|| host.call("call_fails", 2))).unwrap_err();
    let died = died.downcast::<String>().unwrap();
    assert!(died.contains("unix_wait_status(6)"), "{died}");
    assert!(died.contains("formatted in edition 1"), "{died}");
}
