//! `midair inspect`.

use std::collections::HashMap;
use std::path::Path;

use tinyjson::JsonValue;

use crate::lab::{FOREIGN, edition, midair};

fn inspect(path: &Path) -> JsonValue {
    let said = midair(["inspect".as_ref(), path.as_os_str(), "--format=json".as_ref()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.json()
}

fn text<'a>(json: &'a JsonValue, key: &str) -> &'a str {
    json[key].get::<String>().unwrap()
}

fn list(json: &JsonValue) -> &Vec<JsonValue> {
    json.get().unwrap()
}

fn warnings(json: &JsonValue) -> HashMap<&str, &str> {
    let pair = |warning| (text(warning, "kind"), text(warning, "text"));
    list(&json["warnings"]).iter().map(pair).collect()
}

#[test]
fn a_library_tells_what_it_is() {
    let said = midair(["inspect".as_ref(), edition("base").as_os_str()]);
    assert_eq!(said.code, Some(0));
    said.shows(&[
        "ELF for x86_64",
        "a copy of its own",
        "the system's",
        "libc.so.6",
        "3 hot functions",
        "inspected_game::update: fn(&mut World, f32) -> u32",
        "src/lib.rs:2",
        "version 0.3.1",
        "types known by size and alignment only: it has no debug info",
        "argument 2: f32, size 4, align 4",
        "Warnings",
    ]);
    assert!(!said.out.contains('\u{1b}'), "no colours in a pipe");
}

#[test]
fn scripts_read_the_same_as_json() {
    let json = inspect(&edition("base"));
    assert_eq!((text(&json, "format"), text(&json, "machine")), ("ELF", "x86_64"));
    assert_eq!(text(&json["identity"], "panic"), "unwind");
    assert_eq!(text(&json["identity"], "allocator"), "system");
    assert!(json["sizes"]["code"].get::<f64>().unwrap() > &1e4);
    let functions = list(&json["functions"]);
    let names: Vec<_> = functions.iter().map(|function| text(function, "name")).collect();
    assert_eq!(
        names,
        ["inspected_game::draw", "inspected_game::menu::draw", "inspected_game::update"]
    );
    assert_eq!(text(&functions[0], "depth"), "derive");
    assert_eq!(text(&functions[2], "depth"), "shallow");
    assert_eq!(text(&functions[0], "body_hash").len(), 16);
    assert_eq!(functions[0]["types"][0]["size"].get::<f64>(), Some(&8.0));
}

#[test]
fn debug_info_makes_types_known() {
    let json = inspect(&edition("types"));
    for function in list(&json["functions"]) {
        assert_eq!(text(function, "depth"), "debug-info");
        assert!(function["shallow_because"].is_null());
    }
}

#[test]
fn derives_make_types_known() {
    let json = inspect(&edition("derived"));
    for function in list(&json["functions"]) {
        assert_eq!(text(function, "depth"), "derive");
    }
    let names: Vec<_> = list(&json["described"]).iter().map(|ty| text(ty, "name")).collect();
    let vec = "alloc::vec::Vec<inspected_game::Player>";
    let own = ["inspected_game::Player", "inspected_game::World"];
    assert_eq!(names, ["&mut inspected_game::World", vec, own[0], own[1]]);
    assert_eq!(json["described"][2]["size"].get::<f64>(), Some(&4.0));
    let said = midair(["inspect".as_ref(), edition("derived").as_os_str()]);
    said.shows(&["types known field by field, by derive", "4 described types"]);
    said.shows(&["inspected_game::World: size 32, align 8, 2 parts, layout "]);
}

#[test]
fn what_may_surprise_is_told() {
    let base = inspect(&edition("base"));
    let told = warnings(&base);
    assert!(told["constructors"].starts_with("1 constructor"), "{told:?}");
    assert!(told["statics"].ends_with(": inspected_game::SCORE"), "{told:?}");
    assert!(told["thread-locals"].contains("inspected_game::SEEN"), "{told:?}");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(warnings(&inspect(&edition("rpath")))["run-path"].contains("/opt/somewhere"));
    assert!(warnings(&inspect(&edition("stripped"))).contains_key("no-symbols"));
}

#[test]
fn libraries_of_other_systems_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for foreign in FOREIGN {
        let library = foreign.library(folder.path());
        let json = inspect(&library);
        assert_eq!(text(&json, "format"), foreign.format);
        assert_eq!(text(&json, "machine"), foreign.machine);
        let functions = list(&json["functions"]);
        assert_eq!(functions.len(), 3, "{}", foreign.target);
        assert_eq!(text(&functions[2], "signature"), "fn(&mut World, f32) -> u32");
        assert_eq!(text(&functions[0], "depth"), "derive", "{}", foreign.target);
        let because = text(&functions[2], "shallow_because");
        let format = format!("debug info of {} files is not read", foreign.format);
        assert!(foreign.format == "ELF" || because.starts_with(&format), "{because}");
        let said = midair(["inspect".as_ref(), library.as_os_str()]);
        said.shows(&["3 hot functions", foreign.machine]);
    }
}

#[test]
fn what_is_no_library_is_told_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.so");
    for (bytes, because) in [
        (&b""[..], "it is empty"),
        (b"#!/bin/sh\x1b[2J\n", "it is not an executable format"),
        (b"\x7fELF", "it is cut short"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let said = midair(["inspect".as_ref(), path.as_os_str()]);
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains(because), "{}", said.err);
        assert!(said.err.lines().last().unwrap().starts_with("hint: "), "{}", said.err);
        assert!(said.out.is_empty() && !said.err.contains('\u{1b}'));
    }
    assert_eq!(midair(["inspect".as_ref(), folder.path().as_os_str()]).code, Some(1));
    assert_eq!(midair(["inspect", "/nowhere/at/all.so"]).code, Some(1));
    assert_eq!(midair(["inspect"]).code, Some(2));
    assert_eq!(midair(["inspect", "x", "--format", "xml"]).code, Some(2));
}
