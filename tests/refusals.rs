//! What cannot fit is refused before anything of it runs, with the reason, and the old code goes
//! on.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]
#![cfg(target_os = "linux")]

mod lab;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::{Fixture, Host};
use tempfile::TempDir;

/// A library whose constructor leaves a mark when it runs as a patch: the canary.
const CANARY: &str = "
#[midair::hotpatch]
pub fn value(x: u64) -> u64 { x + 1 }
#[midair::hotpatch]
pub fn world(w: &World) -> u32 { w.size }
pub struct World { pub size: u32 }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { value(x) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_world(x: u64) -> u64 { world(&World { size: x as u32 }).into() }
#[used]
#[unsafe(link_section = \".init_array\")]
static CONSTRUCTOR: extern \"C\" fn() = {
    extern \"C\" fn constructor() {
        if midair::is_hotpatched() {
            std::fs::write(std::env::var(\"LAB_CANARY\").unwrap(), \"sang\").unwrap();
        }
    }
    constructor
};
";

/// A host that has loaded the canary and follows nothing by itself.
struct Cage {
    dir: TempDir,
    host: Host,
    good: Vec<u8>,
}

impl Cage {
    fn new(fixture: &Fixture) -> Self {
        Self::with(fixture, |_| {})
    }

    fn with(fixture: &Fixture, change: impl FnOnce(&mut Command)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let loaded = dir.path().join("loaded.so");
        fs::copy(fixture.build(), &loaded).unwrap();
        let mut host = Host::start_with(|command| {
            command.env("MIDAIR_ARTIFACT", dir.path().join("none.so"));
            command.env("LAB_CANARY", dir.path().join("canary"));
            change(command);
        });
        host.load(&loaded);
        assert_eq!(host.call("call_value", 1), 2);
        Self { good: fs::read(&loaded).unwrap(), dir, host }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("next.so")
    }

    /// Offers `bytes` and returns the refusal; checks that nothing ran and nothing changed.
    fn refuse(&mut self, bytes: &[u8]) -> String {
        fs::write(self.path(), bytes).unwrap();
        let path = self.path();
        self.refuse_file(&path)
    }

    fn refuse_file(&mut self, path: &Path) -> String {
        let answer = self.host.reload(path);
        assert!(!answer.starts_with("ok"), "{answer}");
        assert!(!self.dir.path().join("canary").exists(), "the canary sang at: {answer}");
        assert_eq!(self.host.call("call_value", 1), 2);
        assert_eq!(self.host.call("lab_generation", 0), 0);
        answer
    }

    /// What was good before is still good after all refusals.
    fn end(mut self) {
        fs::write(self.path(), &self.good).unwrap();
        let path = self.path();
        let answer = self.host.reload(&path);
        assert!(answer.starts_with("ok 1 "), "{answer}");
        assert!(self.dir.path().join("canary").exists(), "the canary can sing");
        self.host.quit();
    }
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let at = bytes.windows(old.len()).position(|window| window == old).expect("it is there");
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

/// The offset and length of the `midair` section of an ELF file.
fn section(bytes: &[u8]) -> (usize, usize) {
    let elf = goblin::elf::Elf::parse(bytes).unwrap();
    let ours = |name| elf.shdr_strtab.get_at(name) == Some("midair");
    let section = elf.section_headers.iter().find(|section| ours(section.sh_name)).unwrap();
    (section.sh_offset as usize, section.sh_size as usize)
}

#[test]
fn files_that_are_no_library() {
    let fixture = Fixture::new("lab_no_library", CANARY);
    let mut cage = Cage::new(&fixture);
    assert!(cage.refuse(b"").contains("it is empty"));
    assert!(cage.refuse(b"#!/bin/sh\necho hello\n").contains("it begins with"));
    assert!(cage.refuse(b"\x7fEL").contains("cut short"));
    let missing = cage.dir.path().join("missing.so");
    assert!(cage.refuse_file(&missing).starts_with("Read: "));
    let folder = cage.dir.path().to_owned();
    assert!(cage.refuse_file(&folder).starts_with("NotAFile: "));
    let pipe = cage.dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(cage.refuse_file(&pipe).starts_with("NotAFile: "));
    assert!(cage.refuse_file(Path::new("/dev/zero")).starts_with("NotAFile: "));
    // An executable, and a library that has nothing to do with midair.
    assert!(cage.refuse_file(Path::new("/proc/self/exe")).contains("midair section"));
    let libc = fs::read_to_string("/proc/self/maps").unwrap();
    let libc =
        libc.lines().find_map(|line| line.split_once('/').filter(|x| x.1.contains("libc.so")));
    let libc = PathBuf::from(format!("/{}", libc.unwrap().1));
    assert!(cage.refuse_file(&libc).contains("midair section"));
    let sparse = cage.dir.path().join("sparse.so");
    fs::File::create(&sparse).unwrap().set_len(1 << 40).unwrap();
    assert!(cage.refuse_file(&sparse).starts_with("TooLarge: "));
    cage.end();
}

#[test]
fn a_library_cut_anywhere() {
    let mut fixture = Fixture::with_manifest(
        "lab_cut",
        CANARY,
        "crate-type = [\"cdylib\"]",
        "[profile.cut]\ninherits = \"dev\"\nstrip = true\n",
    );
    fixture.arguments = vec!["--profile".into(), "cut".into()];
    fixture.output = lab::target_dir().join("cut").join(lab::library("lab_cut"));
    let mut cage = Cage::new(&fixture);
    let whole = cage.good.clone();
    let elf = goblin::elf::Elf::parse(&whole).unwrap();
    // Every 512th byte; every byte of the file's header and program headers; every byte of the
    // section headers.
    let head = elf.header.e_phoff as usize + elf.program_headers.len() * 56;
    let sections = elf.header.e_shoff as usize;
    let cuts = (0..whole.len()).step_by(512).chain(0..head).chain(sections..whole.len());
    let cuts: std::collections::BTreeSet<usize> = cuts.collect();
    assert!(cuts.len() > 1_000);
    let path = cage.path();
    fs::write(&path, &whole).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for cut in cuts.into_iter().rev() {
        file.set_len(cut as u64).unwrap();
        let answer = cage.host.reload(&path);
        assert!(answer.starts_with("Artifact: "), "cut at {cut}: {answer}");
    }
    assert!(!cage.dir.path().join("canary").exists(), "the canary sang");
    assert_eq!(cage.host.call("call_value", 1), 2);
    cage.end();
}

#[test]
fn signatures_layouts_and_missing_functions() {
    let fixture = Fixture::new("lab_mismatch", CANARY);
    let mut cage = Cage::new(&fixture);
    let edits = [
        (
            "pub fn value(x: u64) -> u64 { x + 1 }",
            "pub fn value(x: u32) -> u64 { x.into() }",
            "value(x)",
            "value(x as u32)",
            "Refused: ",
            "its signature is now `fn(u32) -> u64`, callers were compiled for `fn(u64) -> u64`: `u32` where `u64` was",
        ),
        (
            "pub struct World { pub size: u32 }",
            "pub struct World { pub size: u32, pub more: [u64; 2] }",
            "World { size: x as u32 }",
            "World { size: x as u32, more: [1, 2] }",
            "Refused: ",
            "size 4, align 4 -> size 24, align 8",
        ),
        (
            "#[midair::hotpatch]\npub fn world",
            "pub fn world",
            "",
            "",
            "Refused: ",
            "the artifact lacks it",
        ),
        (
            "pub fn value(x: u64) -> u64 { x + 1 }",
            "pub unsafe fn value(x: u64) -> u64 { x + 1 }",
            "{ value(x) }",
            "{ unsafe { value(x) } }",
            "Refused: ",
            "`unsafe fn(u64) -> u64`",
        ),
        (
            "pub fn value(x: u64) -> u64 { x + 1 }",
            "pub extern \"C\" fn value(x: u64) -> u64 { x + 1 }",
            "",
            "",
            "Refused: ",
            "`extern \"C\" fn(u64) -> u64`",
        ),
    ];
    for (old, new, old_use, new_use, kind, reason) in edits {
        fixture.edit(old, new);
        fixture.edit(old_use, new_use);
        let bytes = fs::read(fixture.build()).unwrap();
        let answer = cage.refuse(&bytes);
        assert!(answer.starts_with(kind) && answer.contains(reason), "{answer}");
        fixture.write(CANARY);
    }
    fixture.build();
    cage.end();
}

#[test]
fn harmless_edits_are_no_mismatch() {
    let source = "
#[midair::hotpatch]
pub fn value<'a>(x: &'a u64, _y: (u32, u32),) -> &'a u64 { x }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { *value(&x, (1, 2)) + 1 }
";
    let fixture = Fixture::new("lab_harmless", source);
    let built = fixture.build().to_owned();
    let mut host = Host::with(&built);
    assert_eq!(host.call("call_value", 1), 2);
    fixture.write(&source.replace(
        "pub fn value<'a>(x: &'a u64, _y: (u32, u32),) -> &'a u64 { x }",
        "fn value( renamed :&u64 , (_a, _b): ( u32 , u32, ) )->&u64 { let two = 1; if two == 1 \
         { renamed } else { panic!() } }\n#[midair::hotpatch]\npub fn fresh() {}",
    ));
    fixture.build();
    host.until_log("patch 1: lab_harmless::value changed; 1 function now runs from this library; lab_harmless::fresh is new");
    assert_eq!(host.call("call_value", 1), 2);
    host.quit();
}

#[test]
fn a_missing_function_may_be_kept_by_policy() {
    let source = "
#[midair::hotpatch]
pub fn value(x: u64) -> u64 { x + 1 }
#[midair::hotpatch]
pub fn gone(x: u64) -> u64 { x + 100 }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { value(x) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_gone(x: u64) -> u64 { gone(x) }
#[unsafe(no_mangle)]
pub extern \"C\" fn start(_: u64) -> u64 {
    let runtime = midair::Runtime::builder().missing(midair::Missing::Keep).start();
    runtime.is_ok().into()
}
";
    let fixture = Fixture::new("lab_keep", source);
    let mut host = Host::with(fixture.build());
    assert_eq!(host.call("start", 0), 1);
    assert_eq!(host.call("call_gone", 1), 101);
    fixture.edit("#[midair::hotpatch]\npub fn gone", "pub fn gone");
    fixture.edit("x + 1 ", "x + 2 ");
    fixture.build();
    host.until("call_value", 1, 3);
    assert_eq!(host.call("call_gone", 1), 101);
    host.until_log("lab_keep::gone is gone, its old code stays");
    host.quit();
}

#[test]
fn a_shallow_comparison_may_be_refused_by_policy() {
    let source = format!(
        "{CANARY}
#[unsafe(no_mangle)]
pub extern \"C\" fn require(_: u64) -> u64 {{
    midair::Runtime::builder().require(midair::Require::Deep).start().is_ok().into()
}}
"
    );
    let fixture = Fixture::new("lab_require", &source);
    let mut cage = Cage::new(&fixture);
    assert_eq!(cage.host.call("require", 0), 1);
    let answer = cage.refuse(&cage.good.clone());
    assert!(
        answer.starts_with("Refused: ") && answer.contains("of the artifact, it has no debug info"),
        "{answer}"
    );
}

#[test]
fn libraries_built_by_other_rules() {
    let fixture = Fixture::new("lab_rules", CANARY);
    let mut cage = Cage::new(&fixture);
    let good = cage.good.clone();
    let rustc = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let rustc = String::from_utf8(rustc).unwrap();
    let commit = rustc.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap();
    let (start, len) = section(&good);
    let in_section = |old: &[u8], new: &[u8]| {
        let mut bytes = good.clone();
        bytes[start..start + len].copy_from_slice(&replaced(&good[start..start + len], old, new));
        bytes
    };
    let other = "0".repeat(commit.len());
    let answer = cage.refuse(&in_section(commit.as_bytes(), other.as_bytes()));
    assert!(answer.starts_with("Identity: ") && answer.contains("the compiler"), "{answer}");
    let answer = cage.refuse(&in_section(b"unknown-linux-gnu", b"unknown-linux-gnx"));
    assert!(answer.contains("the target is"), "{answer}");
    let answer = cage.refuse(&in_section(b"sse2", b"avx2"));
    assert!(answer.contains("target features"), "{answer}");
    // Another crate.
    let other = Fixture::new("lab_other_rules", CANARY);
    let foreign = fs::read(other.build()).unwrap();
    let answer = cage.refuse(&foreign);
    assert!(answer.starts_with("Foreign: ") && answer.contains("lab_other"), "{answer}");
    // A newer format of records.
    let mut newer = good.clone();
    newer[start + 6] = 99;
    assert!(cage.refuse(&newer).contains("has format 99"));
    // Another processor, and an object file.
    let mut machine = good.clone();
    machine[18] = 183;
    assert!(cage.refuse(&machine).contains("it is for aarch64"));
    let mut object = good;
    object[16] = 1;
    assert!(cage.refuse(&object).contains("not a shared library"));
    cage.end();
}

#[test]
fn another_panic_strategy() {
    let mut fixture = Fixture::with_manifest(
        "lab_panic",
        CANARY,
        "crate-type = [\"cdylib\"]",
        "[profile.abort]\ninherits = \"dev\"\npanic = \"abort\"\n",
    );
    let mut cage = Cage::new(&fixture);
    fixture.arguments = vec!["--profile".into(), "abort".into()];
    fixture.output = lab::target_dir().join("abort").join(lab::library("lab_panic"));
    let answer = cage.refuse(&fs::read(fixture.build()).unwrap());
    assert!(answer.contains("the panic strategy is abort, in the running program it is unwind"));
    cage.end();
}

#[test]
fn another_standard_library_and_another_allocator() {
    let mut fixture = Fixture::new("lab_std", CANARY);
    let mut cage = Cage::new(&fixture);
    fixture.edit(
        "pub struct World",
        "
struct Own;
unsafe impl std::alloc::GlobalAlloc for Own {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        unsafe { std::alloc::System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: std::alloc::Layout) {
        unsafe { std::alloc::System.dealloc(block, layout) }
    }
}
#[global_allocator]
static OWN: Own = Own;
pub struct World",
    );
    let answer = cage.refuse(&fs::read(fixture.build()).unwrap());
    assert!(answer.contains("the global allocator"), "{answer}");
    fixture.write(CANARY);
    let apart = lab::target_dir().join("elsewhere/lab_std");
    fixture.variables = vec![
        ("CARGO_TARGET_DIR".into(), apart.display().to_string()),
        ("RUSTFLAGS".into(), "-C prefer-dynamic".into()),
    ];
    fixture.output = apart.join("debug").join(lab::library("lab_std"));
    let answer = cage.refuse(&fs::read(fixture.build()).unwrap());
    assert!(answer.contains("the standard library is libstd-"), "{answer}");
    cage.end();
}

#[test]
fn damaged_tables() {
    let fixture = Fixture::new("lab_damaged", CANARY);
    let mut cage = Cage::new(&fixture);
    let good = cage.good.clone();
    let elf = goblin::elf::Elf::parse(&good).unwrap();
    let phoff = elf.header.e_phoff as usize;
    let program = |kind: u32| {
        phoff + 56 * elf.program_headers.iter().position(|header| header.p_type == kind).unwrap()
    };
    let with = |at: usize, bytes: &[u8]| {
        let mut copy = good.clone();
        copy[at..at + bytes.len()].copy_from_slice(bytes);
        copy
    };
    const LOAD: u32 = 1;
    const DYNAMIC: u32 = 2;
    let writable_and_executable = with(program(LOAD) + 4, &[7]);
    assert!(cage.refuse(&writable_and_executable).contains("writable and executable"));
    let outside = with(program(DYNAMIC) + 16, &[0xff; 4]);
    assert!(cage.refuse(&outside).contains("outside what is loaded"));
    let larger = with(program(LOAD) + 40, &[0; 8]);
    assert!(cage.refuse(&larger).contains("larger in the file than in memory"));
    let far = with(program(LOAD) + 8, &[0xff; 7]);
    assert!(cage.refuse(&far).contains("cut short"));
    // The first relocation writes into the program's own text.
    let rela = elf.dynamic.as_ref().unwrap().info.rela;
    let load = elf.program_headers.iter().find(|load| load.vm_range().contains(&rela)).unwrap();
    let at = rela - load.p_vaddr as usize + load.p_offset as usize;
    assert!(cage.refuse(&with(at, &[0; 8])).contains("a relocation outside writable memory"));
    // A record that says it is longer than the section.
    let (start, _) = section(&good);
    assert!(cage.refuse(&with(start, &[0xf8, 0xff, 0xff, 0x7f])).starts_with("Records: "));
    cage.end();
}

#[test]
fn a_refused_rebuild_is_told_once_and_the_next_good_one_is_taken() {
    let fixture = Fixture::new("lab_recover", CANARY);
    let mut host = Host::start_with(|command| {
        command.env("LAB_CANARY", "/dev/null");
    });
    host.load(fixture.build());
    assert_eq!(host.call("call_value", 1), 2);
    host.until_log("following");
    let broken = fixture.output.with_extension("broken");
    fs::write(&broken, "ld: no space left on device").unwrap();
    fs::rename(&broken, &fixture.output).unwrap();
    host.until_log("not a library that this process can load");
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let told = host.log().matches("not a library that this process can load").count();
    assert_eq!(told, 1, "a refusal is told once, not retried:\n{}", host.log());
    // Whoever asked for it has it returned, and says it as they like.
    assert!(host.reload(&fixture.output).starts_with("Artifact: "));
    host.until_log("refused, as its caller is told: ");
    assert_eq!(host.log().matches("warning: refused").count(), 1, "{}", host.log());
    assert_eq!(host.call("call_value", 1), 2);
    fs::remove_file(&fixture.output).unwrap();
    fixture.edit("x + 1", "x + 3");
    fixture.build();
    host.until("call_value", 1, 4);
    host.quit();
}

#[test]
fn a_file_that_is_being_written_is_waited_for() {
    let fixture = Fixture::new("lab_slow", CANARY);
    let dir = tempfile::tempdir().unwrap();
    let loaded = dir.path().join("loaded.so");
    fs::copy(fixture.build(), &loaded).unwrap();
    let artifact = dir.path().join("next.so");
    let mut host = Host::start_with(|command| {
        command.env("LAB_CANARY", "/dev/null").env("MIDAIR_ARTIFACT", &artifact);
    });
    host.load(&loaded);
    assert_eq!(host.call("call_value", 1), 2);
    let following = format!("following {}, where no file is yet\n", artifact.display());
    host.until_log(&following);
    fixture.edit("x + 1", "x + 3");
    let bytes = fs::read(fixture.build()).unwrap();
    let mut file = fs::File::create(&artifact).unwrap();
    for part in bytes.chunks(bytes.len() / 12) {
        // Longer than a pause in a file that is whole, so each part is looked at.
        std::thread::sleep(std::time::Duration::from_millis(40));
        assert_eq!(host.call("call_value", 1), 2);
        std::io::Write::write_all(&mut file, part).unwrap();
    }
    host.until("call_value", 1, 4);
    assert!(!host.log().contains("warning"), "{}", host.log());
    assert_eq!(host.log().matches("where no file is yet").count(), 1, "{}", host.log());
    host.quit();
}

#[test]
fn copies_that_cannot_be_written() {
    let fixture = Fixture::new("lab_copies", CANARY);
    // The disk is full: no file may grow beyond 64 KiB.
    let mut cage = Cage::new(&fixture);
    assert_eq!(cage.host.say(&["file size limit", "65536"]), "0");
    fs::write(cage.path(), &cage.good).unwrap();
    let path = cage.path();
    let answer = cage.refuse_file(&path);
    assert!(answer.starts_with("Copy: ") && answer.contains("MIDAIR_COPIES"), "{answer}");
    assert_eq!(lab::files_below(cage.host.copies()), Vec::<PathBuf>::new(), "half a copy was left");
    assert_eq!(cage.host.say(&["file size limit", &u64::MAX.to_string()]), "0");
    cage.end();
    // The folder cannot be made; not even root can make one below a file.
    let mut cage = Cage::with(&fixture, |command| {
        command.env("MIDAIR_COPIES", "/proc/version/copies");
    });
    fs::write(cage.path(), &cage.good).unwrap();
    let path = cage.path();
    assert!(cage.refuse_file(&path).starts_with("Copy: "));
    // The folder belongs to others as well.
    let open = tempfile::tempdir().unwrap();
    // SAFETY: always succeeds.
    let user = unsafe { libc::geteuid() };
    let shared = open.path().join(format!("midair-{user}"));
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    let mut cage = Cage::with(&fixture, |command| {
        command.env("MIDAIR_COPIES", open.path());
    });
    fs::write(cage.path(), &cage.good).unwrap();
    let path = cage.path();
    let answer = cage.refuse_file(&path);
    assert!(answer.contains("others may enter it"), "{answer}");
}

#[test]
fn a_library_whose_dependency_is_missing() {
    let fixture = Fixture::new("lab_dependency", CANARY);
    let mut cage = Cage::new(&fixture);
    // The name of a library that it needs, replaced by one that nobody has.
    let bytes = replaced(&cage.good.clone(), b"libgcc_s.so.1\0", b"libgcc_x.so.9\0");
    let answer = cage.refuse(&bytes);
    assert!(answer.starts_with("Load: ") && answer.contains("libgcc_x.so.9"), "{answer}");
    assert_eq!(lab::files_below(cage.host.copies()), Vec::<PathBuf>::new(), "a copy was left");
    cage.end();
}

#[test]
fn a_deleted_library_changes_nothing() {
    let fixture = Fixture::new("lab_deleted", CANARY);
    let mut host = Host::start_with(|command| {
        command.env("LAB_CANARY", "/dev/null");
    });
    host.load(fixture.build());
    assert_eq!(host.call("call_value", 1), 2);
    host.until_log("following");
    fs::remove_file(&fixture.output).unwrap();
    assert_eq!(host.call("call_value", 1), 2);
    fixture.edit("x + 1", "x + 9");
    fixture.build();
    host.until("call_value", 1, 10);
    host.quit();
}

#[test]
fn a_killed_process_leaves_copies_that_the_next_one_removes() {
    let fixture = Fixture::new("lab_killed", CANARY);
    let copies = tempfile::tempdir().unwrap();
    let place = |command: &mut Command| {
        command.env("MIDAIR_COPIES", copies.path());
    };
    let mut cage = Cage::with(&fixture, place);
    fs::write(cage.path(), &cage.good).unwrap();
    let path = cage.path();
    assert!(cage.host.reload(&path).starts_with("ok"));
    drop(cage);
    assert_eq!(lab::files_below(copies.path()).len(), 1, "a killed process cannot clean up");
    Cage::with(&fixture, place).end();
    assert_eq!(lab::files_below(copies.path()), Vec::<PathBuf>::new());
}
