//! `midair check`.

use std::ffi::OsStr;

use crate::lab::{FOREIGN, Said, edition, midair};

fn check(old: impl AsRef<OsStr>, new: impl AsRef<OsStr>, more: &[&str]) -> Said {
    let words = [OsStr::new("check"), old.as_ref(), new.as_ref()];
    midair(words.into_iter().chain(more.iter().map(OsStr::new)))
}

fn statuses(said: &Said) -> Vec<String> {
    let json = said.json();
    let functions: &Vec<_> = json["functions"].get().unwrap();
    let status = |function: &tinyjson::JsonValue| function["status"].get::<String>().cloned();
    functions.iter().map(|function| status(function).unwrap()).collect()
}

#[test]
fn the_same_file_changes_nothing() {
    let said = check(edition("base"), edition("base"), &[]);
    assert_eq!(said.code, Some(4), "{}", said.err);
    said.shows(&["same               inspected_game::draw", "is the same, byte by byte"]);
}

#[test]
fn a_changed_body_is_acceptable() {
    let said = check(edition("base"), edition("body"), &[]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.shows(&["body changed       inspected_game::update", "would be taken"]);
    let json = check(edition("base"), edition("body"), &["--format", "json"]);
    assert_eq!(json.code, Some(0));
    assert_eq!(statuses(&json), ["same", "same", "body changed"]);
    assert_eq!(json.json()["verdict"].get::<String>().unwrap(), "acceptable");
}

#[test]
fn a_changed_signature_is_refused_and_shown() {
    let said = check(edition("base"), edition("signature"), &[]);
    assert_eq!(said.code, Some(5), "{}", said.err);
    said.shows(&[
        "signature changed  inspected_game::menu::draw",
        "    was  fn(u64) -> u64\n            ^^^\n",
        "    is   fn(u32) -> u64\n            ^^^\n",
        "would be refused",
    ]);
    let json = check(edition("base"), edition("signature"), &["--format=json"]);
    assert_eq!((json.code, statuses(&json)[1].as_str()), (Some(5), "signature changed"));
}

#[test]
fn a_field_that_came_behind_a_pointer_is_told_once_with_every_function_that_uses_it() {
    let said = check(edition("users"), edition("users layout"), &[]);
    assert_eq!(said.code, Some(5), "{}", said.err);
    let words = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("layout changed inspected_game::update"), "{words}");
    let reason = "Player (inspected_game::Player): field mana: u32 new at 4; size 4 -> 8; reached \
                  through argument 1, &Player; used by `heal` and `update`";
    assert!(words.contains(reason), "{words}");
    assert_eq!(words.matches("field mana").count(), 1, "{words}");
    assert!(!said.out.contains("running program") && !said.out.contains('\x1b'), "{words}");
    // Scripts have the reason with each function.
    let json = check(edition("users"), edition("users layout"), &["--format=json"]);
    assert_eq!(json.out.matches("field mana: u32 new at 4").count(), 2, "{}", json.out);
}

#[test]
fn whoever_requires_it_gets_nothing_that_was_compared_less_deeply() {
    let deep = check(edition("types"), edition("types"), &["--require-deep"]);
    assert_eq!(deep.code, Some(4), "{}{}", deep.out, deep.err);
    let shallow = check(edition("base"), edition("body"), &["--require-deep"]);
    assert_eq!(shallow.code, Some(5), "{}", shallow.out);
    let words = shallow.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let reason = "types could not be compared field by field: of the old library, it has no debug \
                  info";
    assert!(words.contains(reason) && words.contains("would be refused"), "{words}");
}

/// What `check` writes to a terminal.
#[cfg(target_os = "linux")]
fn on_a_terminal(no_colour: &str) -> String {
    let paths = [edition("base"), edition("signature")].map(|path| path.display().to_string());
    let command = format!("{} check {}", env!("CARGO_BIN_EXE_midair"), paths.join(" "));
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").env("NO_COLOR", no_colour);
    let output = script.stdin(std::process::Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn colour_is_for_terminals_and_for_those_who_want_it() {
    let (coloured, plain) = (on_a_terminal(""), on_a_terminal("1"));
    assert!(coloured.contains("\x1b[31mu64\x1b[0m"), "{coloured:?}");
    assert!(plain.contains("fn(u64)") && !plain.contains('\x1b'), "{plain:?}");
}

#[test]
fn what_is_gone_is_told_without_a_program_that_runs() {
    let said = check(edition("base"), edition("names"), &[]);
    said.shows(&["the artifact lacks it, and old code calls it"]);
    assert!(!said.out.contains("running"), "{}", said.out);
}

#[test]
fn functions_come_and_go() {
    let said = check(edition("base"), edition("names"), &["--format=json"]);
    assert_eq!((said.code, statuses(&said)), (Some(5), words(&["same", "gone", "new", "same"])));
    let kept = check(edition("base"), edition("names"), &["--format=json", "--missing=keep"]);
    assert_eq!((kept.code, statuses(&kept)), (Some(0), words(&["same", "gone", "new", "same"])));
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn libraries_of_other_systems_are_compared_by_their_records() {
    let folder = tempfile::tempdir().unwrap();
    for foreign in FOREIGN {
        let library = foreign.library(folder.path());
        let same = check(&library, &library, &[]);
        assert_eq!(same.code, Some(4), "{}: {}", foreign.target, same.err);
        // The records are those of the base edition.
        let other = check(&library, edition("signature"), &["--format=json"]);
        assert_eq!((other.code, statuses(&other)[1].as_str()), (Some(5), "signature changed"));
    }
}

#[test]
fn the_old_file_is_the_askers_matter_and_the_new_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.so");
    std::fs::write(&broken, &std::fs::read(edition("base")).unwrap()[..5_000]).unwrap();
    let old = check(&broken, edition("base"), &[]);
    let new = check(edition("base"), &broken, &[]);
    assert_eq!((old.code, new.code), (Some(1), Some(5)));
    assert!(new.err.contains("it is cut short"), "{}", new.err);
    assert_eq!(check(edition("base"), "/nowhere.so", &[]).code, Some(1));
    assert_eq!(midair(["check", "one"]).code, Some(2));
}
