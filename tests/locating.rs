//! Where the build output is found: wherever cargo was told to put it, and wherever the library
//! was loaded from.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use std::path::Path;
use std::process::Command;

use lab::{Fixture, Host, cargo, library, target_dir};

/// A library with one hot function and one way into it.
const VALUE: &str = "
#[midair::hotpatch]
unsafe fn value(x: u64) -> u64 { x + VERSION }
const VERSION: u64 = 1;
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { unsafe { value(x) } }
";

#[test]
fn a_library_moved_elsewhere_finds_its_build_output() {
    let fixture = Fixture::new("lab_moved", VALUE);
    let mods = tempfile::tempdir().unwrap();
    let moved = mods.path().join("mod.so");
    std::fs::copy(fixture.build(), &moved).unwrap();
    let mut host = Host::with(&moved);
    assert_eq!(host.call("call_value", 10), 11);
    host.until_log("following");
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    fixture.build();
    host.until("call_value", 10, 12);
    host.quit();
}

#[test]
fn an_artifact_named_by_the_environment_or_the_builder_is_followed() {
    let source = "
#[midair::hotpatch]
fn value(x: u64) -> u64 { x + VERSION }
const VERSION: u64 = 1;
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { value(x) }
#[unsafe(no_mangle)]
pub extern \"C\" fn start(_: u64) -> u64 {
    let path = std::env::var(\"LAB_ARTIFACT\").unwrap();
    midair::Runtime::builder().artifact(path).start().unwrap();
    0
}
";
    let fixture = Fixture::new("lab_named", source);
    let built = fixture.build().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let loaded = dir.path().join("loaded.so");
    std::fs::copy(&built, &loaded).unwrap();
    // The folder does not even exist yet.
    let artifact = dir.path().join("out/release/next.so");
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    for variable in ["MIDAIR_ARTIFACT", "LAB_ARTIFACT"] {
        let mut host = Host::start_with(|command| {
            command.env(variable, &artifact);
        });
        host.load(&loaded);
        if variable == "LAB_ARTIFACT" {
            host.call("start", 0);
        }
        assert_eq!(host.call("call_value", 10), 11);
        host.until_log(&format!("following {}", artifact.display()));
        std::fs::create_dir_all(artifact.parent().unwrap()).unwrap();
        fixture.build_to(&artifact);
        host.until("call_value", 10, 12);
        host.quit();
        std::fs::remove_dir_all(artifact.ancestors().nth(2).unwrap()).unwrap();
    }
}

#[test]
fn when_nothing_is_found_one_warning_says_what_to_add() {
    let fixture = Fixture::new("lab_nothing", VALUE);
    let mods = tempfile::tempdir().unwrap();
    let moved = mods.path().join("mod.so");
    std::fs::copy(fixture.build(), &moved).unwrap();
    std::fs::remove_file(&fixture.output).unwrap();
    let mut host = Host::with(&moved);
    assert_eq!(host.call("call_value", 10), 11);
    host.until_log("MIDAIR_ARTIFACT=/path/to/liblab_nothing.so");
    assert_eq!(host.call("call_value", 10), 11);
    let log = host.quit();
    assert_eq!(log.matches("warning").count(), 1, "{log}");
}

/// Builds with other folders and settings, loads from there and from elsewhere, rebuilds.
fn other_folder(name: &str, change: impl FnOnce(&mut Fixture, &Path)) {
    let folder = target_dir().join("elsewhere").join(name);
    let mut fixture = Fixture::new(name, VALUE);
    change(&mut fixture, &folder);
    fixture.build();
    let mods = tempfile::tempdir().unwrap();
    let moved = mods.path().join(library(name));
    std::fs::copy(&fixture.output, &moved).unwrap();
    let mut in_place = Host::with(&fixture.output);
    let mut elsewhere = Host::with(&moved);
    for host in [&mut in_place, &mut elsewhere] {
        assert_eq!(host.call("call_value", 10), 11);
        host.until_log("following");
    }
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    fixture.build();
    for host in [&mut in_place, &mut elsewhere] {
        host.until("call_value", 10, 12);
    }
    in_place.quit();
    elsewhere.quit();
}

#[test]
fn a_target_folder_by_environment() {
    other_folder("lab_target_dir", |fixture, folder| {
        fixture.variables = vec![("CARGO_TARGET_DIR".into(), folder.display().to_string())];
        fixture.output = folder.join("debug").join(library("lab_target_dir"));
    });
}

#[test]
fn a_custom_profile() {
    other_folder("lab_profile", |fixture, folder| {
        let manifest = fixture.dir().join("Cargo.toml");
        let mut text = std::fs::read_to_string(&manifest).unwrap();
        text.push_str("\n[profile.quick]\ninherits = \"dev\"\n");
        std::fs::write(manifest, text).unwrap();
        fixture.arguments = vec!["--profile".into(), "quick".into()];
        fixture.variables = vec![("CARGO_TARGET_DIR".into(), folder.display().to_string())];
        fixture.output = folder.join("quick").join(library("lab_profile"));
    });
}

#[test]
fn an_explicit_target_triple() {
    let host = Command::new("rustc").args(["--print", "host-tuple"]).output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap().trim().to_owned();
    other_folder("lab_triple", |fixture, folder| {
        fixture.arguments = vec!["--target".into(), host.clone()];
        fixture.variables = vec![("CARGO_TARGET_DIR".into(), folder.display().to_string())];
        fixture.output = folder.join(&host).join("debug").join(library("lab_triple"));
    });
}

#[test]
fn a_build_folder_apart_from_the_target_folder() {
    other_folder("lab_build_dir", |fixture, folder| {
        let config = fixture.dir().join(".cargo");
        std::fs::create_dir(&config).unwrap();
        let (target, build) = (folder.join("target"), folder.join("build"));
        let text = format!("[build]\ntarget-dir = {target:?}\nbuild-dir = {build:?}\n");
        std::fs::write(config.join("config.toml"), text).unwrap();
        fixture.variables.clear();
        fixture.output = target.join("debug").join(library("lab_build_dir"));
    });
}

#[test]
fn a_plain_target_folder_beside_the_manifest() {
    // Also the road of `cargo clean`: the folder goes and comes back while it is followed.
    let mut fixture = Fixture::new("lab_plain", VALUE);
    fixture.variables.clear();
    fixture.output = fixture.dir().join("target/debug").join(library("lab_plain"));
    let mut host = Host::with(fixture.build());
    assert_eq!(host.call("call_value", 10), 11);
    host.until_log("following");
    assert!(cargo(fixture.dir()).arg("clean").arg("--quiet").status().unwrap().success());
    fixture.edit("VERSION: u64 = 1", "VERSION: u64 = 2");
    fixture.build();
    host.until("call_value", 10, 12);
    host.quit();
}
