//! Hooks: what runs when generations come and go, what they hand over, and what becomes of it
//! when one of them fails.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use lab::{Fixture, Host};

/// A library whose hooks write down what they were told.
const TELLING: &str = "
use std::sync::Mutex;
#[midair::persist]
static LOG: Mutex<String> = Mutex::new(String::new());
fn note(what: &str, context: &midair::HookContext) {
    let (old, new, why) = (context.old(), context.new_generation(), context.why());
    let line = format!(\"{what}{EDITION} {old}>{new} {why:?}; \");
    LOG.lock().unwrap().push_str(&line);
}
const EDITION: u64 = 0;

#[derive(midair::Layout, Debug)]
struct Gui { handle: usize, name: String }

#[midair::on_unload]
fn leave(context: &mut midair::HookContext<'_>) -> Result<(), String> {
    note(\"leave\", context);
    // <leave>
    context.put(\"gui\", Gui { handle: 40 + EDITION as usize, name: \"imgui\".into() });
    Ok(())
}
#[midair::on_load]
fn arrive(context: &mut midair::HookContext<'_>) -> Result<(), String> {
    note(\"arrive\", context);
    // <arrive>
    let gui: Option<Gui> = context.take(\"gui\").map_err(|error| error.to_string())?;
    let line = match &gui {
        Some(gui) => format!(\"got {} {}; \", gui.handle, gui.name),
        None => \"got nothing; \".to_owned(),
    };
    LOG.lock().unwrap().push_str(&line);
    LOG.lock().unwrap().push_str(&format!(\"value {}; \", value()));
    Ok(())
}
#[midair::on_load]
fn plain() {}

#[midair::hotpatch]
fn value() -> u64 { EDITION }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(_: u64) -> u64 { value() }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_rollback(x: u64) -> u64 { midair::rollback_to(x).unwrap_or(u64::MAX) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_hurry(millis: u64) -> u64 {
    let deadline = std::time::Duration::from_millis(millis);
    midair::Runtime::builder().hook_deadline(deadline).start().is_ok().into()
}
/// What the hooks wrote since it was asked last.
#[unsafe(no_mangle)]
pub unsafe extern \"C\" fn text_log(_: *const u8, out: *mut u8, len: usize) -> usize {
    let log = std::mem::take(&mut *LOG.lock().unwrap());
    let len = len.min(log.len());
    unsafe { std::ptr::copy_nonoverlapping(log.as_ptr(), out, len) };
    len
}
#[unsafe(no_mangle)]
pub unsafe extern \"C\" fn text_history(_: *const u8, out: *mut u8, len: usize) -> usize {
    let history = midair::history().unwrap();
    let history: Vec<_> = history.iter().map(ToString::to_string).collect();
    let history = history.join(\" / \");
    let len = len.min(history.len());
    unsafe { std::ptr::copy_nonoverlapping(history.as_ptr(), out, len) };
    len
}
";

/// A host that runs the fixture and follows nothing, and where patches are built.
fn start(name: &str, source: &str) -> (Fixture, tempfile::TempDir, Host) {
    let fixture = Fixture::new(name, source);
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join(lab::library(name));
    fixture.build_to(&library);
    let nothing = folder.path().join("nothing.so");
    let mut host = Host::start_with(|command| {
        command.env("MIDAIR_ARTIFACT", nothing);
    });
    host.load(&library);
    (fixture, folder, host)
}

fn patch(fixture: &Fixture, folder: &tempfile::TempDir, host: &mut Host) -> String {
    let path = folder.path().join("next.so");
    fixture.build_to(&path);
    host.reload(&path)
}

fn log(host: &mut Host) -> String {
    host.say(&["text", "text_log", ""]).trim_end().to_owned()
}

#[test]
fn a_hook_that_asks_which_generation_runs_is_told_of_the_one_that_comes() {
    let (fixture, folder, mut host) = start("lab_hooks_ask", TELLING);
    host.call("call_value", 0);
    let asks = "LOG.lock().unwrap().push_str(&format!(\"in {}; \", midair::generation()));";
    fixture.edit("// <arrive>", asks);
    for edition in 1..=3 {
        let text = |edition: u64| format!("EDITION: u64 = {edition}");
        fixture.edit(&text(edition - 1), &text(edition));
        let report = patch(&fixture, &folder, &mut host);
        assert!(report.starts_with(&format!("ok {edition}")), "{report}");
        let told = log(&mut host);
        assert!(told.contains(&format!("in {edition};")), "{told}");
    }
    host.quit();
}

#[test]
fn hooks_run_in_order_and_hand_things_over() {
    let (fixture, folder, mut host) = start("lab_hooks", TELLING);
    assert_eq!((host.call("call_value", 0), log(&mut host)), (0, String::new()));
    fixture.edit("EDITION: u64 = 0", "EDITION: u64 = 1");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("ok 1"), "{report}");
    assert_eq!(log(&mut host), "leave0 0>1 Patch; arrive1 0>1 Patch; got 40 imgui; value 1;");
    fixture.edit("EDITION: u64 = 1", "EDITION: u64 = 2");
    patch(&fixture, &folder, &mut host);
    assert_eq!(log(&mut host), "leave1 1>2 Patch; arrive2 1>2 Patch; got 41 imgui; value 2;");
    // On the way back they run likewise, and see the generation that comes back.
    assert_eq!(host.call("call_rollback", 0), 0);
    assert_eq!(log(&mut host), "leave2 2>0 Rollback; arrive0 2>0 Rollback; got 42 imgui; value 0;");
    assert_eq!(host.call("call_value", 0), 0);
    host.quit();
}

#[test]
fn a_thing_whose_type_changed_is_not_taken_for_another() {
    let (fixture, folder, mut host) = start("lab_hooks_type", TELLING);
    assert_eq!(host.call("call_value", 0), 0);
    fixture.edit("handle: usize, name: String", "name: String, handle: usize, more: u8");
    fixture.edit("name: \"imgui\".into() }", "name: \"imgui\".into(), more: 0 }");
    fixture.edit(
        "// <leave>",
        "if EDITION == 1 && context.why() == midair::Why::Undo { return Ok(()); }",
    );
    fixture.edit("EDITION: u64 = 0", "EDITION: u64 = 1");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("Hook: the hook lab_hooks_type::arrive failed"), "{report}");
    assert!(report.contains("its layout is another"), "{report}");
    let log = log(&mut host);
    // What was left is still there for the code that goes on.
    assert_eq!(
        log,
        "leave0 0>1 Patch; arrive1 0>1 Patch; leave1 1>0 Undo; arrive0 1>0 Undo; got 40 imgui; \
         value 0;"
    );
    assert_eq!(host.call("call_value", 0), 0);
    host.quit();
}

#[test]
fn a_hook_that_fails_panics_or_hangs_changes_nothing_and_is_undone() {
    let endings = [
        ("if true { return Err(\"no\".into()); }", "failed: no", true),
        ("panic!(\"dear me\");", "failed: it panicked: dear me", true),
        ("loop { std::thread::park(); }", "it did not end within 700ms", false),
    ];
    for (at, (how, told, ends)) in endings.into_iter().enumerate() {
        let (fixture, folder, mut host) = start(&format!("lab_hooks_fail{at}"), TELLING);
        assert_eq!((host.call("call_value", 0), host.call("call_hurry", 700)), (0, 1));
        fixture.edit("EDITION: u64 = 0", "EDITION: u64 = 1");
        fixture.edit("// <arrive>", &format!("if EDITION == 1 {{ {how} }} // <arrive>"));
        let report = patch(&fixture, &folder, &mut host);
        assert!(report.starts_with("Hook:") && report.contains(told), "{report}");
        assert_eq!(
            log(&mut host),
            "leave0 0>1 Patch; arrive1 0>1 Patch; leave1 1>0 Undo; arrive0 1>0 Undo; \
             got 41 imgui; value 0;"
        );
        assert_eq!((host.call("call_value", 0), host.call("lab_generation", 0)), (0, 0));
        let history = host.say(&["text", "text_history", ""]);
        assert!(history.contains("refused") && history.contains(told), "{history}");
        // The next patch goes through.
        fixture.edit(how, "");
        let report = patch(&fixture, &folder, &mut host);
        assert!(report.starts_with("ok 1"), "{report}");
        assert_eq!(host.call("call_value", 0), 1);
        if ends {
            host.quit();
        }
    }
}

#[test]
fn an_undo_runs_to_its_end_and_both_failures_are_told() {
    let (fixture, folder, mut host) = start(
        "lab_hooks_undo",
        &TELLING.replace("// <arrive>", "if context.why() == midair::Why::Undo { return Err(\"still no\".into()); }\n// <arrive>"),
    );
    assert_eq!(host.call("call_value", 0), 0);
    fixture.edit("EDITION: u64 = 0", "EDITION: u64 = 1");
    fixture.edit("// <arrive>", "if EDITION == 1 { return Err(\"no\".into()); }");
    fixture.edit("// <leave>", "if EDITION == 1 { panic!(\"nor this\"); }");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("Undo: the hook lab_hooks_undo::arrive failed: no"), "{report}");
    assert!(report.contains("lab_hooks_undo::leave: it panicked: nor this"), "{report}");
    assert!(report.contains("lab_hooks_undo::arrive: still no"), "{report}");
    assert_eq!(host.call("call_value", 0), 0);
    host.quit();
}

#[test]
fn a_hook_that_asks_for_a_patch_is_told_to_wait() {
    let source = TELLING.replace(
        "// <arrive>",
        "let answer = midair::reload(\"/nonexistent\").unwrap_err();\n\
         LOG.lock().unwrap().push_str(&format!(\"{:?}; \", answer.kind()));\n\
         let answer = midair::rollback_to(0).unwrap_err();\n\
         LOG.lock().unwrap().push_str(&format!(\"{:?}; \", answer.kind()));",
    );
    let (fixture, folder, mut host) = start("lab_hooks_busy", &source);
    assert_eq!(host.call("call_value", 0), 0);
    fixture.edit("EDITION: u64 = 0", "EDITION: u64 = 1");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("ok 1"), "{report}");
    let log = log(&mut host);
    assert!(log.contains("arrive1 0>1 Patch; Read; Busy; got"), "{log}");
    host.quit();
}

#[test]
fn a_rollback_whose_hook_fails_is_refused() {
    let (fixture, folder, mut host) = start("lab_hooks_back", TELLING);
    assert_eq!(host.call("call_value", 0), 0);
    fixture.edit("EDITION: u64 = 0", "EDITION: u64 = 1");
    fixture.edit("// <leave>", "if EDITION == 1 { return Err(\"I stay\".into()); }");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("ok 1"), "{report}");
    assert_eq!(host.call("call_rollback", 0), u64::MAX);
    assert_eq!(host.call("call_value", 0), 1);
    assert!(
        log(&mut host).ends_with("leave1 1>0 Rollback; arrive1 0>1 Undo; got nothing; value 1;")
    );
    host.quit();
}

#[test]
fn a_hook_that_cannot_be_caught_is_refused_before_it_is_loaded() {
    let mut fixture = Fixture::new("lab_hooks_abort", TELLING);
    fixture.variables.push(("CARGO_PROFILE_DEV_PANIC".to_owned(), "abort".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join(lab::library("lab_hooks_abort"));
    fixture.build_to(&library);
    let nothing = folder.path().join("nothing.so");
    let mut host = Host::start_with(|command| {
        command.env("MIDAIR_ARTIFACT", nothing);
    });
    host.load(&library);
    assert_eq!(host.call("call_value", 0), 0);
    fixture.edit("EDITION: u64 = 0", "EDITION: u64 = 1");
    let report = patch(&fixture, &folder, &mut host);
    assert!(report.starts_with("Hook:") && report.contains("panic = \"abort\""), "{report}");
    assert_eq!(log(&mut host), "");
    host.quit();
}
