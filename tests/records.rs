//! Records survive every way of building, and all of them are found: in the file before loading,
//! and in the process after it.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]
#![cfg(target_os = "linux")]

mod lab;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::{Host, cargo, library};
use midair::inspect::Library;

/// Three crates of one image: the library, a dependency, and the dependency's dependency; the
/// executable has the library's and the dependencies' records as well.
struct Workspace {
    dir: tempfile::TempDir,
    target: PathBuf,
}

const LEAF: &str = "
#[midair::hotpatch]
pub fn leaf(x: u64) -> u64 { x + LEAF }
const LEAF: u64 = 1;
pub mod deep { #[midair::hotpatch] pub fn leaf(x: u64) -> u64 { x } }
#[derive(midair::Layout)]
pub struct Twig<T> { pub of: T, pub more: Vec<Twig<T>> }
#[derive(midair::Layout)]
pub struct Branch { pub twigs: [Twig<Bud>; 2] }
#[derive(midair::Layout)]
pub struct Bud(pub u32, pub u32);
";
const MIDDLE: &str = "
#[derive(midair::Layout)]
pub struct Middle;
#[midair::hotpatch]
impl Middle {
    pub fn through(&self, x: u64, _: Option<&rec_leaf::Branch>) -> u64 { rec_leaf::leaf(x) * 10 }
}
";
const TOP: &str = "
#[midair::hotpatch]
pub fn top(x: u64) -> u64 { rec_middle::Middle.through(x, None) + rec_leaf::deep::leaf(0) }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_top(x: u64) -> u64 { top(x) }
";
const MAIN: &str = "
fn main() {
    println!(\"{}\", rec_top::top(1));
    let report = midair::reload(std::env::args().nth(1).unwrap()).unwrap();
    println!(\"{} {}\", rec_top::top(1), report.retargeted());
}
";
const MANIFEST: &str = "
[workspace]
members = [\"leaf\", \"middle\", \"top\"]
resolver = \"3\"
[profile.dev]
debug = false
[profile.thin]
inherits = \"release\"
opt-level = 1
lto = \"thin\"
[profile.fat]
inherits = \"release\"
opt-level = 1
lto = \"fat\"
[profile.one]
inherits = \"release\"
codegen-units = 1
";

impl Workspace {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("midair-lab-").tempdir().unwrap();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::write(dir.path().join("Cargo.toml"), MANIFEST).unwrap();
        fs::copy(repository.join("Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();
        let dependencies = [
            ("leaf", "", ""),
            ("middle", "rec-leaf = { path = \"../leaf\" }\n", ""),
            (
                "top",
                "rec-leaf = { path = \"../leaf\" }\nrec-middle = { path = \"../middle\" }\n",
                "[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n",
            ),
        ];
        for (name, needs, lib) in dependencies {
            let source = dir.path().join(name).join("src");
            fs::create_dir_all(&source).unwrap();
            let manifest = format!(
                "[package]\nname = \"rec-{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                 {lib}[dependencies]\nmidair = {{ path = {repository:?} }}\n{needs}"
            );
            fs::write(dir.path().join(name).join("Cargo.toml"), manifest).unwrap();
        }
        let workspace = Self { dir, target: lab::target_dir().join("records") };
        workspace.write("leaf/src/lib.rs", LEAF);
        workspace.write("middle/src/lib.rs", MIDDLE);
        workspace.write("top/src/lib.rs", &format!("{TOP}{}", include_str!("lab/fixture.rs")));
        workspace.write("top/src/main.rs", MAIN);
        workspace
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.dir.path().join(file), text).unwrap();
    }

    /// Builds the library or the executable and returns a copy of it.
    fn build(&self, what: &str, profile: &str, linker: &[&str], copy: &str) -> PathBuf {
        let mut command = cargo(self.dir.path());
        command.env("CARGO_TARGET_DIR", &self.target);
        command.args(["rustc", "--offline", "--quiet", "-p", "rec-top", "--profile", profile]);
        match what {
            "lib" => command.args(["--lib", "--crate-type", "cdylib"]),
            _ => command.args(["--bin", "rec-top"]),
        };
        let output = command.arg("--").args(linker).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what} {profile} {linker:?}:\n{errors}");
        let folder = if profile == "dev" { "debug" } else { profile };
        let name = if what == "lib" { library("rec_top") } else { "rec-top".to_owned() };
        let copied = self.dir.path().join(copy);
        fs::copy(self.target.join(folder).join(name), &copied).unwrap();
        copied
    }
}

const LLD: &[&str] = &[];
const BFD: &[&str] = &["-Clinker-features=-lld", "-Clink-arg=-fuse-ld=bfd"];
const MOLD: &[&str] = &["-Clinker-features=-lld", "-Clink-arg=-fuse-ld=mold"];

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The types of all functions are known field by field, those two crates away too.
fn check_types(library: &Path, how: &str) {
    let library = Library::open(library).unwrap();
    for function in library.functions() {
        assert_eq!(function.shallow, None, "{how}: {}", function.name);
    }
    let described: Vec<_> = library.described().into_iter().map(|ty| ty.name).collect();
    for ty in ["rec_leaf::Branch", "rec_leaf::Twig<rec_leaf::Bud>", "rec_leaf::Bud"] {
        assert!(described.iter().any(|name| name == ty), "{how}: {ty} of {described:?}");
    }
}

#[test]
fn every_linker_and_profile_keeps_every_record() {
    let workspace = Workspace::new();
    let mut linkers = vec![("the default linker", LLD)];
    for (name, program, arguments) in [("GNU ld", "ld.bfd", BFD), ("mold", "mold", MOLD)] {
        if has(program) {
            linkers.push((name, arguments));
        } else {
            println!("skipped: {name} is not installed");
        }
    }
    for profile in ["dev", "release", "thin", "fat", "one"] {
        // Link-time optimisation is the same for each linker: it comes before them.
        let linkers =
            if ["dev", "release"].contains(&profile) { &linkers[..] } else { &linkers[..1] };
        for (name, linker) in linkers {
            workspace.write("leaf/src/lib.rs", LEAF);
            let first = workspace.build("lib", profile, linker, "first.so");
            let program = workspace.build("bin", profile, linker, "program");
            workspace.write("leaf/src/lib.rs", &LEAF.replace("LEAF: u64 = 1", "LEAF: u64 = 2"));
            let second = workspace.build("lib", profile, linker, "second.so");
            let mut host = Host::start_with(|command| {
                command.env("MIDAIR_ARTIFACT", workspace.dir.path().join("none.so"));
            });
            host.load(&first);
            assert_eq!(host.call("call_top", 1), 20);
            let answer = host.reload(&second);
            let wanted = "ok 1 rec_leaf::deep::leaf Retargeted, rec_leaf::leaf Retargeted, \
                          rec_middle::Middle::through Retargeted, rec_top::top Retargeted";
            assert_eq!(answer, wanted, "{profile} with {name}");
            assert_eq!(host.call("call_top", 1), 30, "{profile} with {name}");
            host.quit();
            check_types(&first, &format!("{profile} with {name}"));
            let copies = tempfile::tempdir().unwrap();
            let output = Command::new(program)
                .arg(&second)
                .env("MIDAIR_COPIES", copies.path())
                .env("MIDAIR_ARTIFACT", workspace.dir.path().join("none.so"))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(said, "20\n30 4\n", "executable, {profile} with {name}\n{errors}");
        }
    }
}
