//! Hot functions in crates of every edition and type, under lints that forgive nothing.
#![allow(clippy::print_stdout, reason = "a test says what it skips")]

#[path = "lab/mod.rs"]
mod lab;
#[path = "macros/project.rs"]
mod project;

use std::path::Path;

use lab::{cargo, target_dir};

use crate::project::project;

const STRICT: &str = include_str!("macros/strict.rs");

fn run(folder: &Path, arguments: &[&str]) {
    let output = cargo(folder)
        .args(arguments)
        .env("CARGO_TARGET_DIR", target_dir())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo {arguments:?}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn nothing_is_to_be_warned_about() {
    let clippy = cargo(Path::new(".")).args(["clippy", "--version"]).output();
    let has_clippy = clippy.is_ok_and(|output| output.status.success());
    if !has_clippy {
        println!("skipped: clippy is not installed, so only the compiler's lints are tried");
    }
    for edition in ["2021", "2024"] {
        for kind in ["cdylib", "dylib", "rlib"] {
            let name = format!("strict_{edition}_{kind}");
            let lib = format!("crate-type = [\"{kind}\"]");
            let folder = project(&name, edition, &lib, STRICT);
            run(folder.path(), &["build", "--offline", "--quiet"]);
            if has_clippy {
                let strict = ["--", "-D", "warnings", "-D", "clippy::pedantic"];
                run(folder.path(), &[&["clippy", "--offline", "--quiet"], &strict[..]].concat());
            }
        }
    }
}

#[test]
fn the_old_forms_of_attributes_work_in_2021() {
    let source = "
        #[midair::hotpatch]
        #[no_mangle]
        pub extern \"C\" fn one(a: u8) -> u8 { a }
        #[export_name = \"another\"]
        #[midair::hotpatch]
        pub unsafe extern \"C\" fn two(a: *const u8) -> u8 { *a }
    ";
    let folder = project("old_attributes", "2021", "crate-type = [\"cdylib\"]", source);
    run(folder.path(), &["build", "--offline", "--quiet"]);
}

#[test]
fn a_feature_switches_hot_functions_on() {
    let source = "
        #[cfg_attr(feature = \"hot\", midair::hotpatch)]
        pub fn maybe(a: u8) -> u8 { a }

        pub struct Player(u8);
        #[cfg_attr(feature = \"hot\", midair::hotpatch)]
        impl Player {
            pub fn health(&self) -> u8 { self.0 }
        }

        #[cfg(not(feature = \"hot\"))]
        const _: u8 = maybe_const(1);
        #[cfg_attr(feature = \"hot\", midair::hotpatch)]
        #[cfg(not(feature = \"hot\"))]
        pub const fn maybe_const(a: u8) -> u8 { a }
    ";
    let folder = project("switched", "2024", "crate-type = [\"cdylib\"]", source);
    for (more, expected) in [(&[][..], false), (&["--features", "hot"][..], true)] {
        run(folder.path(), &[&["build", "--offline", "--quiet"], more].concat());
        let library = target_dir().join("debug").join(lab::library("switched"));
        let bytes = std::fs::read(library).expect("cargo built it");
        let name = b"switched::Player::health";
        let found = bytes.windows(name.len()).any(|window| window == name);
        assert_eq!(found, expected, "{more:?}");
    }
}
