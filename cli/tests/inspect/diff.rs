//! `midair diff`.

use std::ffi::OsStr;

use crate::lab::{FOREIGN, Said, edition, midair};

fn diff(old: impl AsRef<OsStr>, new: impl AsRef<OsStr>, more: &[&str]) -> Said {
    let words = [OsStr::new("diff"), old.as_ref(), new.as_ref()];
    midair(words.into_iter().chain(more.iter().map(OsStr::new)))
}

#[test]
fn the_changed_instruction_is_marked_and_no_other() {
    let said = diff(edition("base"), edition("body"), &["update"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let marked: Vec<_> = said.out.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(marked.len(), 1, "{}", said.out);
    assert!(marked[0].contains(", 5") && marked[0].contains(", 6"), "{marked:?}");
    said.shows(&["inspected_game::update", "inspected_game::SCORE", "1 row differs"]);
}

#[test]
fn moved_code_is_equal_code() {
    let moved = diff(edition("base"), edition("moved"), &["inspected_game::draw"]);
    assert_eq!(moved.code, Some(4), "{}{}", moved.out, moved.err);
    moved.shows(&["inspected_game::twice", "<local 1>", "\"another text"]);
    let changed = diff(edition("base"), edition("moved"), &["menu::draw", "--format=json"]);
    assert_eq!(changed.code, Some(0), "{}", changed.err);
    assert!(changed.json()["changed"].get::<f64>().unwrap() > &1.0);
    let row = &changed.json()["rows"][0];
    assert!(row["old"]["text"].get::<String>().is_some());
}

#[test]
fn a_call_for_another_type_is_another_call() {
    let said = diff(edition("base"), edition("generic"), &["inspected_game::draw"]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let marked: Vec<_> = said.out.lines().filter(|line| line.starts_with('|')).collect();
    assert!(!marked.is_empty(), "{}", said.out);
    assert!(marked.iter().all(|line| line.contains("sized#")), "{}", said.out);
}

#[test]
fn a_name_that_is_not_clear_is_answered_with_those_that_are() {
    let several = diff(edition("base"), edition("body"), &["draw"]);
    assert_eq!(several.code, Some(1));
    for name in ["  inspected_game::draw\n", "  inspected_game::menu::draw\n", "hint: "] {
        assert!(several.err.contains(name), "{}", several.err);
    }
    let none = diff(edition("base"), edition("body"), &["raw"]);
    assert_eq!(none.code, Some(1));
    assert!(none.err.contains("has no hot function called raw"), "{}", none.err);
    assert!(none.err.contains("  inspected_game::update\n"), "{}", none.err);
}

#[test]
fn what_cannot_be_shown_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    for foreign in FOREIGN {
        let library = foreign.library(folder.path());
        let said = diff(&library, &library, &["update"]);
        assert_eq!(said.code, Some(1));
        let words = format!("{} code in {}", foreign.machine, foreign.format);
        assert!(said.err.contains(&words), "{}", said.err);
    }
    let stripped = diff(edition("stripped"), edition("base"), &["update"]);
    assert_eq!(stripped.code, Some(1));
    assert!(stripped.err.contains("does not tell where the code"), "{}", stripped.err);
}
