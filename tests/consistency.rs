//! Consistency under load: threads in scopes while generations change without pause.
//!
//! `MIDAIR_STRESS=10000 cargo test --release --test consistency` is the whole of it: ten thousand
//! transitions under a hundred million scopes.

#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use lab::{Fixture, Host};

/// How many hot functions there are.
const FUNCTIONS: usize = 1000;

/// How many generations are loaded beside the first.
const GENERATIONS: u64 = 8;

/// How many threads call.
const THREADS: usize = 8;

/// How many scopes there are for each transition.
const SCOPES: u64 = 10_000;

/// Each function tells which generation it is of, by a number in its library, and which one it is.
const PROGRAM: &str = r#"
use midair_trampolines::function::FunctionHead;
use midair_trampolines::record::{Kind, records};
use midair_trampolines::routes::Edition;
use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

#[used]
static MARK: [u64; 2] = [0x6d69_6461_6972_2121, 0];

#[inline(always)]
fn generation() -> u64 {
    // SAFETY: a static; volatile, because the number is written into the file.
    unsafe { (&raw const MARK[1]).read_volatile() }
}

static SCOPES: AtomicU64 = AtomicU64::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);
static MIXED: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

/// Numbers that look random enough.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Scopes over several calls, some nested, until somebody says stop.
fn call(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    while !STOP.load(Relaxed) {
        let (mut scopes, mut calls, mut mixed, mut wrong) = (0, 0, 0, 0);
        for _ in 0..64 {
            let mut one = |dice: &mut Dice| {
                let index = dice.next() as usize % TABLE.len();
                let (generation, own) = TABLE[index]();
                calls += 1;
                wrong += u64::from(own != index as u64);
                generation
            };
            midair::scope(|| {
                let first = one(&mut dice);
                mixed += u64::from(first != one(&mut dice));
                mixed += u64::from(first != midair::scope(|| one(&mut dice)));
                mixed += u64::from(first != one(&mut dice));
            });
            one(&mut dice);
            scopes += 1;
        }
        SCOPES.fetch_add(scopes, Relaxed);
        CALLS.fetch_add(calls, Relaxed);
        MIXED.fetch_add(mixed, Relaxed);
        WRONG.fetch_add(wrong, Relaxed);
    }
}

/// Threads that are born, enter a scope and die.
fn be_born_and_die(seed: u64) {
    while !STOP.load(Relaxed) {
        let born = std::thread::spawn(move || {
            let scope = midair::Scope::enter();
            let first = TABLE[seed as usize % TABLE.len()]().0;
            std::thread::yield_now();
            let mixed = first != TABLE[0]().0;
            if seed % 2 == 0 { std::mem::forget(scope); }
            mixed
        });
        MIXED.fetch_add(u64::from(born.join().unwrap()), Relaxed);
    }
}

/// Runs `change` while threads call, until there were so many scopes; what was seen.
fn while_called(threads: u64, scopes: u64, mut change: impl FnMut(&mut Dice) -> u64) -> String {
    for count in [&SCOPES, &CALLS, &MIXED, &WRONG] { count.store(0, Relaxed); }
    STOP.store(false, Relaxed);
    let workers: Vec<_> = (1..=threads).map(|seed| std::thread::spawn(move || call(seed))).collect();
    let mortals = std::thread::spawn(|| be_born_and_die(1));
    let mut dice = Dice(7);
    let mut changes = 0;
    let mut lost = 0;
    while SCOPES.load(Relaxed) < scopes || changes == 0 {
        let expected = change(&mut dice);
        changes += 1;
        if expected != u64::MAX {
            lost += u64::from((0..4).any(|_| TABLE[dice.next() as usize % TABLE.len()]().0 != expected));
        }
    }
    STOP.store(true, Relaxed);
    for worker in workers { worker.join().unwrap(); }
    mortals.join().unwrap();
    let [scopes, calls, mixed, wrong] = [&SCOPES, &CALLS, &MIXED, &WRONG].map(|count| count.load(Relaxed));
    format!("{changes} {scopes} {calls} {mixed} {wrong} {lost}")
}

/// Changes generations without pause: `threads`, `scopes`, `last generation`.
fn storm(words: &[u64]) -> String {
    let [threads, scopes, last] = words else { return "what?".to_owned() };
    let mut running = midair::generation();
    while_called(*threads, *scopes, |dice| {
        let mut next = dice.next() % (last + 1);
        if next == running { next = (next + 1) % (last + 1); }
        match midair::rollback_to(next) {
            Ok(_) => running = next,
            // A transition under way leads back where it came from, and nowhere else.
            Err(midair::Error::Draining { .. }) => { let _ = midair::transition().unwrap().wait(std::time::Duration::from_secs(60)); }
            Err(error) => panic!("{error}"),
        }
        running
    })
}

/// The control: slot after slot, as without transitions, between generation 0 and 1.
fn control(words: &[u64]) -> String {
    let [threads, scopes] = words else { return "what?".to_owned() };
    let heads = heads();
    midair::rollback_to(1).unwrap();
    midair::transition().unwrap().wait(std::time::Duration::from_secs(60)).unwrap();
    let later: Vec<Edition> = heads.iter().map(|head| head.routes().newest().unwrap()).collect();
    let mut to_new = false;
    let seen = while_called(*threads, *scopes, |_| {
        for (head, later) in heads.iter().zip(&later) {
            head.lead_to(if to_new { *later } else { head.edition(true) });
        }
        to_new = !to_new;
        u64::MAX
    });
    for (head, later) in heads.iter().zip(&later) { head.lead_to(*later); }
    seen
}

/// The records of the functions in the table, in any order.
fn heads() -> Vec<&'static FunctionHead> {
    let section = midair_trampolines::own_section!();
    let bytes = section.snapshot();
    let functions = records(&bytes).unwrap().into_iter().filter(|record| record.kind == Kind::Function);
    // SAFETY: function records that were read from this section.
    functions.map(|record| unsafe { section.function(record.offset) }).collect()
}

/// How many functions are not of generation `wanted`.
fn strays(wanted: u64) -> usize {
    TABLE.iter().enumerate().filter(|(index, function)| function() != (wanted, *index as u64)).count()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn tell_storm(words: *const c_char, out: *mut u8, len: usize) -> usize {
    let words = unsafe { CStr::from_ptr(words) }.to_str().unwrap();
    let (word, numbers) = words.split_once(' ').unwrap();
    let numbers: Vec<u64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
    let answer = match word {
        "storm" => storm(&numbers),
        "control" => control(&numbers),
        "strays" => {
            midair::transition().unwrap().wait(std::time::Duration::from_secs(60)).unwrap();
            strays(midair::active().unwrap().generation).to_string()
        }
        _ => "what?".to_owned(),
    };
    let len = answer.len().min(len);
    unsafe { std::ptr::copy_nonoverlapping(answer.as_ptr(), out, len) };
    len
}
"#;

/// The number that stands before the generation's in each library.
const MARK: u64 = 0x6d69_6461_6972_2121;

fn program() -> String {
    let mut source = PROGRAM.to_owned();
    for index in 0..FUNCTIONS {
        let _ = writeln!(
            source,
            "#[midair::hotpatch] fn f{index}() -> (u64, u64) {{ (generation(), {index}) }}"
        );
    }
    let names: Vec<_> = (0..FUNCTIONS).map(|index| format!("f{index}")).collect();
    source + &format!("static TABLE: [fn() -> (u64, u64); {FUNCTIONS}] = [{}];\n", names.join(", "))
}

/// Copies of `library` in `folder`, each with the number of its generation in it.
fn generations(library: &Path, folder: &Path) -> Vec<PathBuf> {
    let bytes = fs::read(library).unwrap();
    let at = bytes.windows(8).position(|window| window == MARK.to_le_bytes());
    let at = at.expect("the mark is in the library") + 8;
    (1..=GENERATIONS)
        .map(|generation| {
            let path = folder.join(format!("{generation}.so"));
            let mut bytes = bytes.clone();
            bytes[at..at + 8].copy_from_slice(&generation.to_le_bytes());
            fs::write(&path, bytes).unwrap();
            path
        })
        .collect()
}

/// What threads saw of changes.
#[derive(Debug)]
struct Seen {
    changes: u64,
    scopes: u64,
    mixed: u64,
    wrong: u64,
    lost: u64,
}

fn seen(host: &mut Host, words: &str) -> Seen {
    let answer = host.say(&["text", "tell_storm", words]);
    let numbers: Vec<u64> = answer.split(' ').map(|word| word.parse().expect(&answer)).collect();
    let [changes, scopes, _calls, mixed, wrong, lost] = numbers[..] else { panic!("{answer}") };
    Seen { changes, scopes, mixed, wrong, lost }
}

#[test]
fn no_scope_sees_two_generations() {
    let stress = std::env::var("MIDAIR_STRESS").ok().and_then(|number| number.parse().ok());
    let transitions: u64 = stress.unwrap_or(60);
    let fixture = Fixture::new("lab_consistency", &program());
    let trampolines = Path::new(env!("CARGO_MANIFEST_DIR")).join("trampolines");
    fixture.depend(&format!("midair-trampolines = {{ path = {trampolines:?} }}\n"));
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("0.so");
    fixture.build_to(&first);
    let mut host = Host::start_with(|command| {
        command.env("MIDAIR_ARTIFACT", folder.path().join("nothing.so"));
    });
    host.load(&first);
    assert_eq!(host.say(&["text", "tell_storm", "strays 0"]), "0");
    for library in generations(&first, folder.path()) {
        assert!(host.reload(&library).starts_with("ok"));
    }
    assert_eq!(host.say(&["text", "tell_storm", "strays 0"]), "0");

    let mut all = Seen { changes: 0, scopes: 0, mixed: 0, wrong: 0, lost: 0 };
    while all.changes < transitions {
        let part = transitions.div_ceil(10) * SCOPES;
        let round = seen(&mut host, &format!("storm {THREADS} {part} {GENERATIONS}"));
        println!("{round:?}");
        all.changes += round.changes;
        all.scopes += round.scopes;
        all.mixed += round.mixed;
        all.wrong += round.wrong;
        all.lost += round.lost;
        assert_eq!(host.say(&["text", "tell_storm", "strays 0"]), "0", "slots were left behind");
    }
    println!("{all:?}");
    assert_eq!((all.mixed, all.wrong, all.lost), (0, 0, 0), "{all:?}");

    // The same threads see it at once where slots change one by one.
    let control = seen(&mut host, &format!("control {THREADS} {}", 10 * SCOPES));
    println!("control: {control:?}");
    assert!(control.mixed > 0, "the storm cannot see mixing: {control:?}");
    host.quit();
}
