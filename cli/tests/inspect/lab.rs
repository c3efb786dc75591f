//! Editions of one library, built by real cargo; libraries for other systems; and the command.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use tinyjson::JsonValue;

pub(crate) use self::foreign::{FOREIGN, Foreign};

#[path = "../../../tests/lab/foreign.rs"]
mod foreign;

/// The variable that names the file in which code that ran leaves a word.
pub(crate) const CANARY: &str = "MIDAIR_TEST_CANARY";

const GAME: &str = r#"
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use midair::prelude::*;

pub struct Player { pub hp: u32 }
pub struct World { pub players: Vec<Player>, pub time: f32 }

static SCORE: AtomicU64 = AtomicU64::new(7);
thread_local! { static SEEN: Cell<u32> = const { Cell::new(0) } }

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;

extern "C" fn constructor() {
    if let Some(path) = std::env::var_os("MIDAIR_TEST_CANARY") {
        std::fs::write(path, "ran").unwrap();
    }
}

#[hotpatch]
pub fn update(world: &mut World, dt: f32) -> u32 {
    world.time += dt;
    SCORE.fetch_add(5, Ordering::Relaxed);
    world.players.iter().map(|player| player.hp).sum()
}

#[hotpatch]
pub fn draw(frame: u64) -> u64 {
    if frame % 3 == 0 { return twice(sized::<u8>(frame)); }
    SEEN.with(|seen| seen.set(seen.get() + 1));
    frame + "a constant text".len() as u64 + std::hint::black_box("another text").len() as u64
}

#[inline(never)]
fn sized<T>(count: u64) -> u64 { count + size_of::<T>() as u64 }

#[inline(never)]
fn twice(frame: u64) -> u64 { frame * 2 }

pub mod menu {
    use midair::prelude::*;

    #[hotpatch]
    pub fn draw(entry: u64) -> u64 { entry }
}
"#;

/// An edition of the library.
struct Edition {
    name: &'static str,
    /// A text of the source, and what it becomes.
    edit: Option<(&'static str, &'static str)>,
    /// What rustc is told.
    flags: &'static [&'static str],
}

impl Edition {
    const fn edited(name: &'static str, old: &'static str, new: &'static str) -> Self {
        Self { name, edit: Some((old, new)), flags: &[] }
    }

    const fn built(name: &'static str, flags: &'static [&'static str]) -> Self {
        Self { name, edit: None, flags }
    }
}

const TYPES: &[&str] = &["-C", "debuginfo=2", "-C", "strip=none"];

const EDITIONS: [Edition; 13] = [
    Edition::built("base", &[]),
    Edition::edited(
        "derived",
        "pub struct Player { pub hp: u32 }\npub struct World",
        "#[derive(midair::Layout)]\npub struct Player { pub hp: u32 }\n\
         #[derive(midair::Layout)]\npub struct World",
    ),
    Edition::built("types", TYPES),
    Edition {
        name: "types layout",
        edit: Some(("pub hp: u32", "pub hp: u32, pub mana: u32")),
        flags: TYPES,
    },
    Edition {
        name: "users",
        edit: Some((
            "pub struct Player { pub hp: u32 }",
            "pub struct Player { pub hp: u32 }\n#[hotpatch]\n\
             pub fn heal(player: &Player) -> u32 { player.hp }",
        )),
        flags: TYPES,
    },
    Edition {
        name: "users layout",
        edit: Some((
            "pub struct Player { pub hp: u32 }",
            "pub struct Player { pub hp: u32, pub mana: u32 }\n#[hotpatch]\n\
             pub fn heal(player: &Player) -> u32 { player.hp }",
        )),
        flags: TYPES,
    },
    Edition::edited("body", "fetch_add(5", "fetch_add(6"),
    Edition::edited("moved", "    pub fn draw(entry: u64) -> u64 { entry }", MOVED),
    Edition::edited(
        "signature",
        "draw(entry: u64) -> u64 { entry }",
        "draw(entry: u32) -> u64 { entry.into() }",
    ),
    Edition::edited("generic", "sized::<u8>", "sized::<i8>"),
    Edition::edited("names", "pub mod menu", "pub mod screen"),
    Edition::built("stripped", &["-C", "strip=symbols"]),
    Edition::built("rpath", &["-C", "link-arg=-Wl,-rpath,/opt/somewhere"]),
];

/// More code before and in another function: `draw` itself only moves.
const MOVED: &str = "    pub fn draw(entry: u64) -> u64 {
        let text = format!(\"{entry} of {}\", std::hint::black_box(\"more text than before\"));
        text.len() as u64
    }";

/// The edition called `name`, built when it is first asked for.
pub(crate) fn edition(name: &str) -> PathBuf {
    static BUILT: OnceLock<(PathBuf, Mutex<HashMap<String, PathBuf>>)> = OnceLock::new();
    let (folder, built) = BUILT.get_or_init(|| (project(), Mutex::default()));
    let mut built = built.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(name) {
        return path.clone();
    }
    let Edition { edit, flags, .. } = EDITIONS.iter().find(|edition| edition.name == name).unwrap();
    let mut source = GAME.to_owned();
    if let Some((old, new)) = edit {
        assert!(source.contains(old), "{name}: there is no {old:?}");
        source = source.replacen(old, new, 1);
    }
    let path = folder.join(format!("lib{}.so", name.replace(' ', "_")));
    build(folder, &source, flags, &path);
    built.insert(name.to_owned(), path.clone());
    path
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The folder of the project; what a static holds is never dropped, so it is one for all runs.
fn project() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("inspected_game");
    let manifest = format!(
        "[package]\nname = \"inspected_game\"\nversion = \"0.3.1\"\nedition = \"2024\"\n\n\
         [lib]\ncrate-type = [\"cdylib\"]\n\n[dependencies]\nmidair = {{ path = {:?} }}\n\n\
         [workspace]\n\n[profile.dev]\ndebug = false\n",
        repository()
    );
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(repository().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();

    folder
}

fn build(folder: &Path, source: &str, flags: &[&str], path: &Path) {
    fs::write(folder.join("src/lib.rs"), source).unwrap();
    let target = repository().join("target/lab");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST") {
            cargo.env_remove(&name);
        }
    }
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo.env("CARGO_TARGET_DIR", &target);
    cargo.args(["rustc", "--offline", "--quiet", "--lib", "--"]).args(flags);
    run(&mut cargo);
    fs::copy(target.join("debug/libinspected_game.so"), path).unwrap();
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// What a command came to.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn json(&self) -> JsonValue {
        self.out.parse().unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }

    #[track_caller]
    pub(crate) fn shows(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.out.contains(text), "no {text:?} in:\n{}{}", self.out, self.err);
        }
    }
}

/// Runs `midair` with `words`, and sees that nothing of what it reads is run.
pub(crate) fn midair<W: AsRef<std::ffi::OsStr>>(words: impl IntoIterator<Item = W>) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary");
    let mut command = Command::new(env!("CARGO_BIN_EXE_midair"));
    command.args(words).env(CANARY, &canary).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(!canary.exists(), "{command:?} ran the library's constructor");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}

impl Foreign {
    /// A library for this target with the records of the base edition.
    pub(crate) fn library(&self, folder: &Path) -> PathBuf {
        self.library_of(folder, &records(&fs::read(edition("base")).unwrap()))
    }
}

/// The `midair` section of a 64-bit ELF file.
fn records(bytes: &[u8]) -> Vec<u8> {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let half = |at: usize| usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()));
    let header = |number: usize| word(40) as usize + number * 64;
    let place = |at: usize| word(at + 24) as usize;
    let names = place(header(half(62)));
    let is_ours = |at: &usize| {
        let name = names + u32::from_le_bytes(bytes[*at..at + 4].try_into().unwrap()) as usize;
        bytes[name..].starts_with(b"midair\0")
    };
    let section = (0..half(60)).map(header).find(is_ours).unwrap();
    let start = place(section);
    bytes[start..start + word(section + 32) as usize].to_vec()
}
