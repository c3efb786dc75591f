//! Debug info that is not in the library itself: used where it is of the same build, never answered
//! from where it is not.
#![cfg(all(target_os = "linux", feature = "debuginfo"))]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lab::{Fixture, Host};

/// `Boss` is named behind pointers alone: what compilers hash of a unit does not tell of it.
const GAME: &str = "
pub struct World { pub boss: *const Boss, pub shape: Option<Box<dyn Shape>> }
pub struct Boss { pub rage: u32, pub fear: u32 }
pub trait Shape { fn area(&self) -> f32; }
pub struct Square(pub f32);
impl Shape for Square { fn area(&self) -> f32 { self.0 * self.0 } }
#[midair::hotpatch]
pub fn update(world: &mut World, step: u32) -> u64 { world.boss as u64 + u64::from(step) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call(x: u64) -> u64 {
    update(&mut World { boss: 1 as *const Boss, shape: Some(Box::new(Square(1.0))) }, x as u32)
}
#[unsafe(no_mangle)]
pub extern \"C\" fn deep(_: u64) -> u64 {
    let builder = midair::Runtime::builder().watch(midair::Watch::Off);
    builder.require(midair::Require::Deep).start().is_ok().into()
}
";

const OLD: &str = "pub rage: u32, pub fear: u32";
const NEW: &str = "pub fear: u32, pub rage: u32";
const MOVED: &str = "field rage: u32 moved from 0 to 4";

/// The library `name`, built with `split` and, for files whose names are not used again, in steps.
fn game(name: &str, split: &str, flags: &str, incremental: bool) -> Fixture {
    let profile = format!("split_{split}");
    let more = format!(
        "[profile.{profile}]\ninherits = \"dev\"\ndebug = 2\nsplit-debuginfo = \"{split}\"\n\
         [profile.{profile}.package.\"*\"]\ndebug = 0\n"
    );
    let mut game = Fixture::with_manifest(name, GAME, "crate-type = [\"cdylib\"]", &more);
    game.output = lab::target_dir().join(&profile).join(lab::library(name));
    game.arguments = vec!["--profile".into(), profile];
    let flags = [("RUSTFLAGS", flags), ("CARGO_INCREMENTAL", if incremental { "1" } else { "0" })];
    game.variables.extend(flags.map(|(name, value)| (name.to_owned(), value.to_owned())));
    game
}

/// A host that follows nothing, runs `library`, and takes only what was compared deeply.
fn deep(library: &Path) -> Host {
    let mut host = idle(library);
    assert_eq!(host.call("deep", 0), 1);
    host
}

/// A host that has loaded `library`, of which no hot function was called yet.
fn idle(library: &Path) -> Host {
    let mut host = Host::start();
    host.load(library);
    host
}

#[track_caller]
fn refused(answer: &str, reason: &str) {
    assert!(
        answer.starts_with("Refused: ") && answer.contains(reason),
        "no {reason:?} in {answer}"
    );
}

/// The parts that were split off of the library called `name`.
fn parts(game: &Fixture, name: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(game.output.with_file_name("deps")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let ours = |path: &PathBuf| {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        file.starts_with(&format!("{name}.")) && file.ends_with(".dwo")
    };
    files.filter(ours).collect()
}

#[test]
fn what_was_split_off_is_found_and_outlives_the_next_build() {
    let settings = [
        ("unpacked", "", true),
        ("packed", "", true),
        ("unpacked", "-C dwarf-version=5", true),
        ("packed", "-C dwarf-version=5", true),
        ("off", "-C dwarf-version=5", true),
        ("unpacked", "", false),
        ("packed", "", false),
    ];
    for (number, (split, flags, incremental)) in settings.into_iter().enumerate() {
        let game = game(&format!("lab_split_{number}"), split, flags, incremental);
        // Where cargo leaves it: the next build replaces the library and what was split off.
        let mut host = deep(game.build());
        game.edit("world.boss as u64", "1 + world.boss as u64");
        game.build();
        assert!(host.reload(&game.output).starts_with("ok 1 "), "{split} {flags}\n{}", host.log());
        assert_eq!(host.call("call", 1), 3);
        game.edit(OLD, NEW);
        game.build();
        refused(&host.reload(&game.output), MOVED);
        game.edit(NEW, OLD);
        game.edit("fn area(&self) -> f32;", "fn area(&self) -> f32; fn edges(&self) -> u32 { 4 }");
        game.build();
        refused(&host.reload(&game.output), "method edges");
        host.quit();
    }
}

#[test]
fn a_library_that_was_carried_elsewhere_still_finds_what_was_split_off() {
    for split in ["unpacked", "packed"] {
        let game = game(&format!("lab_carried_{split}"), split, "", true);
        let dir = tempfile::tempdir().unwrap();
        let first = dir.path().join("first.so");
        game.build_to(&first);
        if split == "packed" {
            fs::copy(beside(&game.output), beside(&first)).unwrap();
        }
        let mut host = deep(&first);
        game.edit(OLD, NEW);
        refused(&host.reload(game.build()), MOVED);
        host.quit();
    }
}

/// The package of the library at `path`.
fn beside(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.dwp", path.display()))
}

#[test]
fn what_another_build_wrote_over_is_never_answered_from() {
    for (split, incremental, reason) in [
        // The numbers of the parts are the same, although the layout is another.
        ("unpacked", false, "nothing proves that "),
        ("packed", false, "nothing proves that "),
        ("packed", true, "first.so.dwp is of another build"),
        ("unpacked", true, "is neither at "),
    ] {
        let name = format!("lab_stale_{split}_{incremental}");
        let game = game(&name, split, "", incremental);
        let dir = tempfile::tempdir().unwrap();
        let first = dir.path().join("first.so");
        // Built anew before midair looks: the running code has the old layout, and the new files
        // say what the next patch says.
        fs::hard_link(game.build(), &first).unwrap();
        let mut host = idle(&first);
        if incremental {
            // Whoever cleans up between builds.
            parts(&game, &name).iter().for_each(|part| fs::remove_file(part).unwrap());
        }
        game.edit(OLD, NEW);
        game.build();
        if split == "packed" {
            fs::copy(beside(&game.output), beside(&first)).unwrap();
        }
        assert_eq!(host.call("deep", 0), 1);
        let answer = host.reload(&game.output);
        refused(&answer, "of the running program, its debug info was split off");
        refused(&answer, reason);
        assert_eq!(host.call("call", 1), 2);
        host.quit();
    }
}

#[test]
fn what_was_written_out_of_turn_is_of_another_build() {
    for split in ["unpacked", "packed"] {
        let name = format!("lab_turn_{split}");
        let game = game(&name, split, "", false);
        let mut host = deep(game.build());
        game.edit(OLD, NEW);
        let built = fs::metadata(game.build()).unwrap().modified().unwrap();
        // The next build has begun, or this one has not ended.
        let (files, time) = match split {
            "packed" => (vec![beside(&game.output)], built - Duration::from_secs(1)),
            _ => (parts(&game, &name), built + Duration::from_secs(1)),
        };
        assert!(!files.is_empty());
        for file in files {
            fs::File::options().append(true).open(file).unwrap().set_modified(time).unwrap();
        }
        let answer = host.reload(&game.output);
        refused(&answer, "of the artifact, its debug info was split off");
        refused(&answer, "is of another build");
        host.quit();
    }
}

#[test]
fn a_patch_whose_split_debug_info_is_old_or_missing_is_told_so() {
    for incremental in [false, true] {
        let game = game(&format!("lab_old_package_{incremental}"), "packed", "", incremental);
        let dir = tempfile::tempdir().unwrap();
        let mut host = deep(game.build());
        let next = dir.path().join("next.so");
        fs::copy(beside(&game.output), beside(&next)).unwrap();
        game.edit(OLD, NEW);
        game.build_to(&next);
        let answer = host.reload(&next);
        refused(&answer, "of the artifact, its debug info was split off, and ");
        let reason = ["next.so.dwp is of the same build", "next.so.dwp is of another build"];
        refused(&answer, reason[usize::from(incremental)]);
        fs::remove_file(beside(&next)).unwrap();
        refused(&host.reload(&next), "next.so.dwp nor at ");
        host.quit();
    }
}

#[test]
fn files_that_prove_nothing_are_not_answered_from() {
    let game = game("lab_unproven", "unpacked", "", false);
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("first.so");
    game.build_to(&first);
    let mut host = deep(&first);
    refused(&host.reload(&game.output), "nothing proves that ");
    host.quit();
}

#[test]
fn debug_info_in_a_file_of_its_own_is_found_by_the_number_of_the_build() {
    let game = game("lab_moved_debuginfo", "off", "", true);
    let dir = tempfile::tempdir().unwrap();
    let strip = |name: &str| {
        let (library, debug) = (dir.path().join(name), dir.path().join(format!("{name}.debug")));
        game.build_to(&library);
        objcopy(&["--only-keep-debug", text(&library), text(&debug)]);
        objcopy(&["--strip-debug", text(&library)]);
        objcopy(&[&format!("--add-gnu-debuglink={}", debug.display()), text(&library)]);
        library
    };
    let first = strip("first.so");
    let mut host = deep(&first);
    game.edit(OLD, NEW);
    let next = strip("next.so");
    refused(&host.reload(&next), MOVED);
    fs::copy(dir.path().join("first.so.debug"), dir.path().join("next.so.debug")).unwrap();
    refused(&host.reload(&next), "next.so.debug is of another build");
    fs::remove_file(dir.path().join("next.so.debug")).unwrap();
    refused(&host.reload(&next), "of the artifact, it has no debug info");
    host.quit();
}

#[test]
fn compressed_debug_info_is_named() {
    let game = game("lab_compressed", "off", "", true);
    let dir = tempfile::tempdir().unwrap();
    let mut host = deep(game.build());
    let next = dir.path().join("next.so");
    for how in ["zlib", "zstd"] {
        game.build_to(&next);
        objcopy(&[&format!("--compress-debug-sections={how}"), text(&next)]);
        refused(&host.reload(&next), &format!("its debug info is compressed ({how})"));
    }
    host.quit();
}

fn objcopy(arguments: &[&str]) {
    assert!(Command::new("objcopy").args(arguments).status().unwrap().success(), "{arguments:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_type_is_told_with_the_line_that_declares_it_where_the_compiler_tells() {
    let flags = "-Z debug-info-type-line-numbers=true";
    let mut game = game("lab_lines_unpacked", "unpacked", flags, true);
    game.variables.push(("RUSTC_BOOTSTRAP".to_owned(), "1".to_owned()));
    let mut host = deep(game.build());
    game.edit(OLD, NEW);
    let boss = "Boss (lab_lines_unpacked::Boss), declared at src/lib.rs:3: field ";
    refused(&host.reload(game.build()), boss);
    host.quit();
}
