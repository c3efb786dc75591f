//! The corpus of the fuzzers in the ordinary suite: what was ever found is met again in every
//! `cargo test`, without a fuzzer.
//!
//! `cargo test --test corpus -- --ignored` writes the first files of the corpus anew.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]
#![cfg(target_os = "linux")]

mod lab;

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use lab::assembler::Assembler;
use lab::foreign::{FOREIGN, LINUX, PARTS};
use lab::small::small;

/// Functions whose types have every form that debug info describes.
const SOURCE: &str = "
pub struct Player { pub hp: u32, pub next: Option<Box<Player>> }
#[repr(u8)] pub enum Mode { Menu = 3, Game = 7 }
pub enum Event { Quit, Key(char), Move { x: f32, y: f32 }, Many(Vec<Event>) }
#[repr(C)] pub union Word { pub int: u64, pub float: f64 }
pub struct World<T> { players: Vec<Player>, modes: [Mode; 3], of: T }
pub trait Shape { fn area(&self) -> f64; fn grow(&mut self, by: u8); }
pub struct Square(f64);
impl Shape for Square {
    fn area(&self) -> f64 { self.0 * self.0 }
    fn grow(&mut self, by: u8) { self.0 += by as f64 }
}

record!(UPDATE, update, \"fn(&mut World<i8>, &[Event]) -> Option<u32>\",
    (Option<u32>, &'static mut World<i8>, &'static [Event]));
pub fn update(world: &mut World<i8>, events: &[Event]) -> Option<u32> {
    world.of = 1;
    None
}
record!(AREA, area, \"fn(&dyn Shape, Word, fn(u8) -> bool) -> (f64, *const Word)\",
    ((f64, *const Word), &'static dyn Shape, Word, fn(u8) -> bool));
pub fn area(shape: &dyn Shape, word: Word, call: fn(u8) -> bool) -> (f64, *const Word) {
    (shape.area(), std::ptr::null())
}
record!(VALUE, value, \"fn(u64) -> u64\", (u64, u64));
pub fn value(x: u64) -> u64 { x ^ 1 }

#[unsafe(no_mangle)]
pub extern \"C\" fn call(x: u64) -> u64 {
    let mut square = Square(value(x) as f64);
    let shape: &mut dyn Shape = &mut square;
    shape.grow(1);
    area(std::hint::black_box(shape), Word { int: x }, |x| x > 0).0 as u64
}
#[unsafe(no_mangle)]
pub fn call_update(world: &mut World<i8>, events: &[Event]) -> Option<u32> {
    update(world, events)
}
";

/// One function, a constructor, thread-locals and what debuggers are not told of.
const SHORT: &str = "
record!(VALUE, value, \"fn(u64) -> u64\", (u64, u64));
pub fn value(x: u64) -> u64 { OWN.get() ^ x }
std::thread_local!(static OWN: std::cell::Cell<u64> = const { std::cell::Cell::new(7) });
#[unsafe(no_mangle)]
pub extern \"C\" fn call(x: u64) -> u64 { value(x) }
#[used] #[unsafe(link_section = \".init_array\")]
static CONSTRUCTOR: extern \"C\" fn() = { extern \"C\" fn constructor() {} constructor };
";

/// What linkers can do and do not by themselves.
const PACKED: &str = "-Clink-arg=-Wl,-z,pack-relative-relocs -Clink-arg=-Wl,--hash-style=both -Clink-arg=-Wl,-rpath,/x";

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// Enters every file of the corpus of `target`.
fn replay(target: &str, enter: fn(&[u8])) {
    let mut files = lab::files_below(&folder(target));
    files.sort();
    assert!(!files.is_empty(), "{target} has a corpus");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let survived = std::panic::catch_unwind(|| enter(&bytes));
        assert!(survived.is_ok(), "{}", file.display());
    }
}

#[test]
fn records_of_the_corpus_are_read_or_refused() {
    replay("manifest", fuzz::manifest);
}

#[test]
fn files_of_the_corpus_are_read_or_refused() {
    replay("artifact", fuzz::artifact);
}

#[test]
fn debug_info_of_the_corpus_is_read_or_refused() {
    replay("dwarf", fuzz::dwarf);
}

/// The content of the section called `name`; nothing where there is none.
fn section<'a>(bytes: &'a [u8], name: &str) -> &'a [u8] {
    fuzz::section(bytes, name).map_or(&[], |(_, content)| content)
}

/// Types of every kind, in few bytes.
fn every_kind(library: &[u8]) -> Assembler {
    let mut unit = Assembler::new(fuzz::first_record(library));
    unit.label(0);
    unit.structure("All", 40, |unit| {
        for label in 1..6 {
            unit.member(&label.to_string(), label, u64::from(label) * 8);
        }
    });
    unit.label(1);
    unit.pointer("&All", 2);
    unit.label(2);
    unit.alias(0);
    unit.label(3);
    unit.names("Mode", ["Menu", "Game"].map(str::to_owned).into_iter());
    unit.label(4);
    unit.variants("Event", ["Quit", "Key"].map(str::to_owned).into_iter(), 3);
    unit.label(5);
    unit.structure("dyn Shape", 0, |_| {});
    // The table's first word is its first method; drop, size and alignment come before it.
    let (place, code) = first_pointer(library);
    unit.table(0, place - 24);
    unit.function("area", code, &[0, 3]);
    unit
}

/// Where the loader puts the first address into `library`, and which.
fn first_pointer(library: &[u8]) -> (u64, u64) {
    let (relocation, _) = section(library, ".rela.dyn").as_chunks::<8>();
    (u64::from_le_bytes(relocation[0]), u64::from_le_bytes(relocation[2]))
}

/// `bytes` with every word that is an address in `from` as one behind `to` instead.
fn moved(bytes: &[u8], from: Range<u64>, to: u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(7) {
        let word = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        if from.contains(&word) {
            bytes[at..at + 8].copy_from_slice(&(word - from.start + to).to_le_bytes());
        }
    }
    bytes
}

/// What a compiler wrote of where things are on this machine, made unreadable.
fn without_places(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for place in [Path::new(env!("CARGO_MANIFEST_DIR")), &std::env::temp_dir()] {
        let place = place.as_os_str().as_encoded_bytes();
        for at in 0..bytes.len().saturating_sub(place.len()) {
            if bytes[at..].starts_with(place) {
                bytes[at + 1..at + place.len()].fill(b'x');
            }
        }
    }
    bytes
}

#[test]
#[ignore = "writes files of the corpus"]
fn seeds() {
    let write = |target: &str, name: &str, bytes: &[u8]| {
        assert!(bytes.len() < 64 << 10, "{name} has {} bytes", bytes.len());
        fs::create_dir_all(folder(target)).unwrap();
        fs::write(folder(target).join(name), without_places(bytes)).unwrap();
    };
    let read = |settings: &str, flags: &str| {
        fs::read(small("lab_corpus", SOURCE, settings, flags)).unwrap()
    };
    let plain = read("strip = \"symbols\"", "");
    write("artifact", "seed-elf-stripped", &plain);
    let short = |settings: &str, flags: &str| {
        fs::read(small("lab_corpus_short", SHORT, settings, flags)).unwrap()
    };
    write("artifact", "seed-elf-symbols", &short("strip = \"debuginfo\"", ""));
    write("artifact", "seed-elf-packed", &short("strip = \"symbols\"", PACKED));
    let records = section(&plain, "midair");
    write("manifest", "seed-records", records);
    let dir = tempfile::tempdir().unwrap();
    for foreign in FOREIGN {
        let library = fs::read(foreign.library_of(dir.path(), records)).unwrap();
        write("artifact", &format!("seed-{}", foreign.target), &library);
    }
    let library = fs::read(LINUX.library_with(dir.path(), records, PARTS)).unwrap();
    fuzz::artifact(&library);
    write("artifact", "seed-x86_64-linux", &library);
    // The debug info of the same functions, as if their records were in that library.
    for version in ["4", "5"] {
        let bytes = read("debug = 2\nstrip = \"none\"", &format!("-Cdwarf-version={version}"));
        let (from, records) = fuzz::section(&bytes, "midair").unwrap();
        let (to, same) = fuzz::section(&library, "midair").unwrap();
        assert_eq!(records.len(), same.len());
        let sections = fuzz::DEBUG_INFO.map(|name| section(&bytes, name));
        let moved = moved(&fuzz::joined(&sections), from..from + records.len() as u64, to);
        write("dwarf", &format!("seed-{version}"), &moved);
    }
    let (info, abbreviations) = every_kind(&library).finish();
    let strings = b"<S as Shape>::{vtable}\0";
    let sections: [&[u8]; 7] = [&info, &abbreviations, strings, &[], &[], &[], &[]];
    write("dwarf", "seed-short", &fuzz::joined(&sections));
}

/// The debug info that the fuzzer begins with is that of the library that holds it.
#[test]
fn the_library_and_its_debug_info_belong_together() {
    for version in ["seed-4", "seed-5"] {
        let bytes = fs::read(folder("dwarf").join(version)).unwrap();
        for function in fuzz::with_debug_info(&bytes).functions() {
            assert_eq!(function.shallow, None, "{version}: {}", function.name);
        }
    }
}
