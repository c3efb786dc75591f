//! What derives do for a running program: libraries without debug info, compared by what
//! `#[derive(Layout)]` says of their types.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "a test says what it skips")]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::{Fixture, Host};
use midair::inspect::{Library, Verdict, compare};
use midair::{Depth, Missing, Outcome, Require};

const MIXED: &str = "
use midair::Layout;

#[derive(Layout)]
pub struct Told { pub a: u32, pub b: u32 }
pub struct Untold { pub c: u32, pub d: u32 }
#[derive(Layout)]
pub struct Holder<T> { pub held: Option<Box<Holder<T>>>, pub value: T }
#[derive(Layout)]
pub struct Sealed { #[layout(opaque)] pub inner: Untold, pub last: u8 }

#[midair::hotpatch]
pub fn told(of: &Told) -> u32 { of.a }
#[midair::hotpatch]
pub fn mixed(told: &Told, untold: &mut [Untold]) -> u32 { told.a + untold.len() as u32 }
#[midair::hotpatch]
pub fn generic(of: &Holder<Vec<Told>>) -> usize { of.value.len() }
#[midair::hotpatch]
pub fn sealed(of: Sealed) -> u8 { of.last }
#[midair::hotpatch]
impl Told { pub fn sum(&self, with: &dyn Fn(&str) -> u32) -> u32 { self.a + with(\"\") } }

#[unsafe(no_mangle)]
pub extern \"C\" fn call(x: u64) -> u64 { u64::from(told(&Told { a: x as u32, b: 0 })) }
#[unsafe(no_mangle)]
pub extern \"C\" fn deep_only(_: u64) -> u64 {
    midair::Runtime::builder().require(midair::Require::Deep).start().is_ok().into()
}
";

/// A fixture, and a copy of its first edition.
struct Editions {
    fixture: Fixture,
    dir: tempfile::TempDir,
    first: PathBuf,
}

impl Editions {
    fn new(name: &str, source: &str) -> Self {
        Self::of(Fixture::new(name, source))
    }

    fn of(fixture: Fixture) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let first = dir.path().join("first.so");
        fixture.build_to(&first);
        Self { fixture, dir, first }
    }

    /// A library with these edits of the source.
    fn edited(&self, source: &str, edits: &[(&str, &str)]) -> PathBuf {
        for (old, new) in edits {
            self.fixture.edit(old, new);
        }
        let next = self.dir.path().join("next.so");
        self.fixture.build_to(&next);
        self.fixture.write(source);
        next
    }

    fn host(&self) -> Host {
        let mut host = Host::start_with(|command| {
            command.env("MIDAIR_ARTIFACT", self.dir.path().join("none.so"));
        });
        host.load(&self.first);
        host
    }
}

fn depths(library: &Path) -> Vec<(String, Depth, Option<String>)> {
    let functions = Library::open(library).unwrap().functions();
    functions.into_iter().map(|f| (f.name, f.depth, f.shallow)).collect()
}

#[test]
fn a_function_is_as_deep_as_its_weakest_part() {
    let editions = Editions::new("lab_mixed", MIXED);
    for (name, depth, why) in depths(&editions.first) {
        if name.ends_with("::mixed") {
            assert_eq!(depth, Depth::Shallow);
            let why = why.unwrap();
            assert!(why.ends_with("`Layout` does not describe the type of argument 2"), "{why}");
        } else {
            assert_eq!((depth, why), (Depth::Derive, None), "{name}");
        }
    }
    // What one type tells is seen, also where another does not.
    let swapped =
        editions.edited(MIXED, &[("{ pub a: u32, pub b: u32 }", "{ pub b: u32, pub a: u32 }")]);
    let mut host = editions.host();
    let answer = host.reload(&swapped);
    assert!(answer.starts_with("Refused: Told (lab_mixed::Told): field b: u32 moved"), "{answer}");
    for function in ["told", "mixed", "generic", "Told::sum"] {
        assert!(answer.contains(&format!("`{function}`")), "{function}: {answer}");
    }
    // What nobody tells is not seen, and that is told.
    let unseen =
        editions.edited(MIXED, &[("{ pub c: u32, pub d: u32 }", "{ pub d: u32, pub c: u32 }")]);
    let answer = host.reload(&unseen);
    assert!(answer.starts_with("ok 1 "), "{answer}");
    let (old, new) = (Library::open(&editions.first).unwrap(), Library::open(&unseen).unwrap());
    let comparison = compare(&old, &new, Missing::Refuse, Require::Any);
    assert_eq!(comparison.verdict(), Verdict::Acceptable);
    for function in &comparison.functions {
        let shallow = function.name.ends_with("::mixed");
        assert_eq!(function.checked == Depth::Shallow, shallow, "{function:?}");
    }
    let refused = compare(&old, &new, Missing::Refuse, Require::Deep);
    let of_mixed = |function: &&midair::FunctionReport| function.name.ends_with("::mixed");
    for function in refused.functions.iter().filter(|function| !of_mixed(function)) {
        assert_eq!(function.outcome, Outcome::Retargeted);
    }
    host.quit();
}

#[test]
fn what_is_required_to_be_deep_may_be_so_by_derive() {
    let editions = Editions::new("lab_required", MIXED);
    let mut host = editions.host();
    assert_eq!(host.call("deep_only", 0), 1);
    let answer = host.reload(&editions.first);
    assert!(answer.starts_with("Refused: lab_required::mixed: its types could not be"), "{answer}");
    assert!(answer.contains("does not describe the type of argument 2"), "{answer}");
    let told = MIXED.replace("pub struct Untold", "#[derive(Layout)]\npub struct Untold");
    let editions = Editions::new("lab_required_told", &told);
    let mut host = editions.host();
    assert_eq!(host.call("deep_only", 0), 1);
    let next = editions.edited(&told, &[("{ of.a }", "{ of.a * 2 }")]);
    let answer = host.reload(&next);
    assert!(answer.starts_with("ok 1 "), "{answer}");
    assert_eq!(host.call("call", 4), 8);
    host.quit();
}

#[test]
fn what_is_stripped_is_still_described() {
    let editions = Editions::new("lab_stripped", MIXED);
    let stripped = editions.dir.path().join("stripped.so");
    fs::copy(&editions.first, &stripped).unwrap();
    match Command::new("strip").arg("--strip-all").arg(&stripped).status() {
        Ok(status) => assert!(status.success()),
        Err(_) => return println!("skipped: strip is not installed"),
    }
    assert!(fs::metadata(&stripped).unwrap().len() < fs::metadata(&editions.first).unwrap().len());
    let depth = |library: &Path| -> Vec<_> {
        depths(library).into_iter().map(|(name, depth, _)| (name, depth)).collect()
    };
    assert_eq!(depth(&stripped), depth(&editions.first));
}

#[test]
fn derives_need_no_feature() {
    let fixture = Fixture::new("lab_without_debuginfo", MIXED);
    let manifest = fixture.dir().join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let (before, after) = text.split_once("midair = { ").unwrap();
    let text =
        format!("{before}midair = {{ default-features = false, features = [\"auto\"], {after}");
    fs::write(manifest, text).unwrap();
    let editions = Editions::of(fixture);
    let mut host = editions.host();
    assert_eq!(host.call("call", 4), 4);
    let swapped =
        editions.edited(MIXED, &[("{ pub a: u32, pub b: u32 }", "{ pub b: u32, pub a: u32 }")]);
    let answer = host.reload(&swapped);
    assert!(answer.starts_with("Refused: ") && answer.contains("moved from"), "{answer}");
    let body = editions.edited(MIXED, &[("{ of.a }", "{ of.a + 1 }")]);
    assert!(host.reload(&body).starts_with("ok 1 "));
    assert_eq!(host.call("call", 4), 5);
    host.quit();
}

#[test]
fn what_is_opaque_is_compared_by_size_and_name() {
    let swap = [("{ pub c: u32, pub d: u32 }", "{ pub d: u32, pub c: u32 }")];
    let grow = [("{ pub c: u32, pub d: u32 }", "{ pub c: u32, pub d: u64 }")];
    let sealed = "sealed(of: Sealed)";
    let only = MIXED.replace("#[midair::hotpatch]\npub fn mixed", "pub fn mixed");
    assert!(only.contains(sealed));
    let editions = Editions::new("lab_sealed", &only);
    let mut host = editions.host();
    let grown = editions.edited(&only, &grow);
    let answer = host.reload(&grown);
    assert!(answer.starts_with("Refused: ") && answer.contains("size 8 -> 16"), "{answer}");
    let swapped = editions.edited(&only, &swap);
    assert!(host.reload(&swapped).starts_with("ok 1 "));
    host.quit();
}
