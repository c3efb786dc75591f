//! Damaged tables: whatever four bytes of a library's tables are changed, the process that is
//! offered the library lives on, and what is refused has not run.
//!
//! `MIDAIR_STRESS=1000` makes a thousand edits of each table instead of forty, `MIDAIR_SEED=7`
//! other ones, and `MIDAIR_HOLES=1` empties every page instead of some.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]
#![cfg(target_os = "linux")]

mod lab;

use std::fs;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use lab::{Fixture, Host, PATIENCE};
use tempfile::TempDir;

/// A library whose constructor leaves a mark when it runs as a patch: the canary.
const CANARY: &str = "
#[midair::hotpatch]
pub fn value(x: u64) -> u64 { x + 1 }
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { value(x) }
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

/// Both hash tables are wanted, whichever the linker writes by itself.
const BUILD: &str = "fn main() {
    println!(\"cargo:rustc-link-arg=-Wl,--hash-style=both\");
    println!(\"cargo:rerun-if-changed=build.rs\");
}";

const TABLES: [&str; 13] = [
    "midair",
    ".dynamic",
    ".dynsym",
    ".dynstr",
    ".gnu.hash",
    ".hash",
    ".gnu.version",
    ".gnu.version_r",
    ".rela.dyn",
    ".rela.plt",
    ".init_array",
    ".eh_frame_hdr",
    ".note.gnu.build-id",
];

/// A host that is offered libraries, until it loads one or dies.
struct Cage<'a> {
    dir: TempDir,
    library: &'a Path,
    host: Option<Host>,
}

/// What became of an offer.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Refused(String),
    Loaded,
    Died(String),
}

impl<'a> Cage<'a> {
    fn new(library: &'a Path) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), library, host: None }
    }

    fn start(&self) -> Host {
        let mut host = Host::start_with(|command| {
            command.env("MIDAIR_ARTIFACT", self.dir.path().join("none.so"));
            command.env("LAB_CANARY", self.dir.path().join("canary"));
        });
        host.load(self.library);
        assert_eq!(host.call("call_value", 1), 2);
        host
    }

    /// Offers `bytes`. A refusal leaves the host for the next offer; another fate ends it.
    fn offer(&mut self, bytes: &[u8]) -> Fate {
        let path = self.dir.path().join("next.so");
        let canary = self.dir.path().join("canary");
        fs::write(&path, bytes).unwrap();
        let mut host = self.host.take().unwrap_or_else(|| self.start());
        let (done, ended) = mpsc::channel::<()>();
        let process = i32::try_from(host.pid()).unwrap();
        let watchdog = std::thread::spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                // SAFETY: kills the child that hangs; it is waited for only after its end.
                unsafe { libc::kill(process, libc::SIGKILL) };
            }
        });
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let answer = host.reload(&path);
            if !answer.starts_with("ok") {
                assert_eq!(host.call("call_value", 1), 2);
            }
            host.say(&["threads"]);
            answer
        }));
        drop(done);
        watchdog.join().unwrap();
        let sang = canary.exists();
        let _ = fs::remove_file(&canary);
        match answer {
            Err(panic) => Fate::Died(panic.downcast_ref::<String>().cloned().unwrap_or_default()),
            // What is bound elsewhere is seen only when it is loaded.
            Ok(answer) if answer.starts_with("ok") || answer.starts_with("Bound: ") => Fate::Loaded,
            Ok(answer) if sang => Fate::Died(format!("the canary sang at: {answer}")),
            // The loader itself may refuse, and has run no constructor either.
            Ok(answer) => {
                self.host = Some(host);
                Fate::Refused(answer)
            }
        }
    }
}

/// Reproducible numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// Where the tables are in the file.
fn tables(bytes: &[u8]) -> Vec<(&'static str, Range<usize>)> {
    let elf = goblin::elf::Elf::parse(bytes).unwrap();
    let (phoff, shoff) = (elf.header.e_phoff as usize, elf.header.e_shoff as usize);
    let mut tables = vec![
        ("the file's header", 16..64),
        ("program headers", phoff..phoff + elf.program_headers.len() * 56),
        ("section headers", shoff..shoff + elf.section_headers.len() * 64),
    ];
    for name in TABLES {
        let ours = |at: usize| elf.shdr_strtab.get_at(at) == Some(name);
        if let Some(section) = elf.section_headers.iter().find(|section| ours(section.sh_name)) {
            let start = section.sh_offset as usize;
            tables.push((name, start..start + section.sh_size as usize));
        }
    }
    tables
}

/// One edit of `range`: four other bytes, one other bit, a number a little off, or four bytes that
/// stand elsewhere in the table.
fn edit(bytes: &mut [u8], range: &Range<usize>, random: &mut Random, kind: usize) -> String {
    let at = range.start + random.below(range.len() / 4) * 4;
    let old = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let new = match kind % 4 {
        0 => random.below(1 << 31) as u32 ^ (random.below(2) as u32) << 31,
        1 => old ^ 1 << random.below(32),
        2 => old.wrapping_add([1, 4, 8, 24, u32::MAX, u32::MAX - 7][random.below(6)]),
        _ => {
            let from = range.start + random.below(range.len() / 4) * 4;
            u32::from_le_bytes(bytes[from..from + 4].try_into().unwrap())
        }
    };
    bytes[at..at + 4].copy_from_slice(&new.to_le_bytes());
    format!("byte {:#x} of the table, {old:#x} -> {new:#x}", at - range.start)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn library(name: &str) -> PathBuf {
    let fixture = Fixture::new(name, CANARY);
    fs::write(fixture.dir().join("build.rs"), BUILD).unwrap();
    let kept = lab::target_dir().join(name).with_extension("so");
    fixture.build_to(&kept);
    kept
}

#[test]
fn damaged_tables_never_end_the_process() {
    let library = library("lab_hostile");
    let good = fs::read(&library).unwrap();
    let count = number("MIDAIR_STRESS").unwrap_or(40) as usize;
    let seed = number("MIDAIR_SEED").unwrap_or(1);
    let mut cage = Cage::new(&library);
    assert_eq!(cage.offer(&good), Fate::Loaded);
    let mut dead = Vec::new();
    for (index, (name, range)) in tables(&good).into_iter().enumerate() {
        let mut random = Random((seed << 8 | index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut refused, mut by_loader, mut loaded, before) = (0, 0, 0, dead.len());
        for kind in 0..count {
            let mut bytes = good.clone();
            let edit = edit(&mut bytes, &range, &mut random, kind);
            if bytes == good {
                continue;
            }
            match cage.offer(&bytes) {
                Fate::Refused(answer) => {
                    refused += 1;
                    by_loader += usize::from(answer.starts_with("Load: "));
                }
                Fate::Loaded => loaded += 1,
                Fate::Died(how) => {
                    let how = how.lines().next().unwrap_or_default();
                    dead.push(format!("{name}: {edit}: {how}"));
                }
            }
        }
        let deaths = dead.len() - before;
        println!(
            "{name}: {refused} refused ({by_loader} by the loader), {loaded} loaded, {deaths} dead"
        );
    }
    assert!(dead.is_empty(), "{} deaths:\n{}", dead.len(), dead.join("\n"));
}

/// Sections in which a page of zeros can be told from what a linker writes.
const DENSE: [&str; 8] = [
    ".text",
    ".eh_frame",
    ".eh_frame_hdr",
    ".gcc_except_table",
    ".rela.dyn",
    ".dynsym",
    ".dynstr",
    ".dynamic",
];

/// A file that was given its size before it was filled has pages of zeros.
#[test]
fn a_library_with_a_hole_is_refused() {
    const PAGE: usize = 4_096;
    let library = library("lab_hole");
    let good = fs::read(&library).unwrap();
    let all = std::env::var_os("MIDAIR_HOLES").is_some();
    let elf = goblin::elf::Elf::parse(&good).unwrap();
    let mut cage = Cage::new(&library);
    let mut wrong = Vec::new();
    for section in elf.section_headers.iter().filter(|section| section.sh_addr > 0) {
        let name = elf.shdr_strtab.get_at(section.sh_name).unwrap();
        let offered = all || DENSE.contains(&name);
        if section.sh_type == goblin::elf::section_header::SHT_NOBITS || !offered {
            continue;
        }
        let start = (section.sh_offset as usize).next_multiple_of(PAGE);
        let end = (section.sh_offset + section.sh_size) as usize;
        let pages = (end.saturating_sub(start)) / PAGE;
        // All, or the first, the last and some between.
        let step = if all { 1 } else { (pages / 6).max(1) };
        let (mut refused, mut loaded, mut dead) = (0, 0, 0);
        for page in (0..pages).step_by(step) {
            let at = start + page * PAGE;
            let mut bytes = good.clone();
            bytes[at..at + PAGE].fill(0);
            match cage.offer(&bytes) {
                Fate::Refused(_) => refused += 1,
                fate if DENSE.contains(&name) => wrong.push(format!("{name} at {at:#x}: {fate:?}")),
                Fate::Loaded => loaded += 1,
                Fate::Died(_) => dead += 1,
            }
        }
        println!("{name}: {refused} refused, {loaded} loaded, {dead} dead");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
