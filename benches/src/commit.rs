//! How long a commit takes: from the first store into a slot to the store that makes the new
//! generation visible, with threads calling meanwhile.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use libloading::Library;

use crate::args::Effort;
use crate::error::{Error, at};
use crate::fixture::Fixtures;
use crate::reload::folder;
use crate::rounds::median;
use crate::table::{Row, Table};

/// How many hot functions a library has.
const FUNCTIONS: [usize; 4] = [1, 100, 1_000, 10_000];

/// How many threads call them.
const THREADS: [u64; 3] = [0, 2, 64];

/// What the project promises for a thousand functions under sixty-four threads, in microseconds.
const LIMIT: f64 = 20.0;

/// Measures commits.
pub(crate) fn run(effort: Effort) -> Result<Table, Error> {
    let counts = match effort {
        Effort::Full => &FUNCTIONS[..],
        Effort::Quick => &FUNCTIONS[..3],
    };
    let fixtures = Fixtures::new()?;
    let folder = folder()?;
    let patch = |source| Error::Patch { source: Box::new(source) };
    midair::Runtime::builder().watch(midair::Watch::Off).start().map_err(patch)?;
    let mut table = Table::new("commit");
    for functions in counts {
        let library = fixtures.generated(&format!("many{functions}"), &source(*functions))?;
        let bytes = fs::read(&library).map_err(at(&library))?;
        let callers = Callers::load(&library)?;
        for threads in THREADS {
            eprintln!("measuring {functions} functions under {threads} threads");
            callers.start(threads);
            let mut took = Vec::new();
            for sample in 0..effort.of(60) as u64 {
                let path = edition(folder.path(), &bytes, threads * 1000 + sample)?;
                let report = midair::reload(&path).map_err(patch)?;
                took.push(report.timings.commit.as_secs_f64() * 1e6);
                fs::remove_file(&path).map_err(at(&path))?;
            }
            callers.stop();
            table.push(row(*functions, threads, &took));
        }
    }
    Ok(table)
}

fn row(functions: usize, threads: u64, took: &[f64]) -> Row {
    let plural = if functions == 1 { "function" } else { "functions" };
    let row = Row::new(format!("{functions} {plural}, {threads} threads"), median(took), "us");
    if (functions, threads) == (1_000, 64) { row.at_most(LIMIT) } else { row }
}

/// A copy of the library that no other file equals.
fn edition(folder: &Path, bytes: &[u8], serial: u64) -> Result<PathBuf, Error> {
    let path = folder.join(format!("edition{serial}.so"));
    let mut bytes = bytes.to_vec();
    bytes.extend(serial.to_le_bytes());
    fs::write(&path, bytes).map_err(at(&path))?;
    Ok(path)
}

/// A library's threads, which call its hot functions by turns.
struct Callers {
    start: extern "C" fn(u64),
    stop: extern "C" fn(),
}

impl Callers {
    fn load(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Load { path: path.to_owned(), source };
        // SAFETY: a library that was built a moment ago, from a source of our own.
        let library: &'static Library =
            Box::leak(Box::new(unsafe { Library::new(path) }.map_err(failed)?));
        // SAFETY: asked for with the type that the source gives it.
        let start = unsafe { library.get::<extern "C" fn(u64)>(b"many_start") }.map_err(failed)?;
        // SAFETY: as above.
        let stop = unsafe { library.get::<extern "C" fn()>(b"many_stop") }.map_err(failed)?;
        Ok(Self { start: *start, stop: *stop })
    }

    fn start(&self, threads: u64) {
        (self.start)(threads);
    }

    fn stop(&self) {
        (self.stop)();
    }
}

/// The source of a library with so many hot functions.
fn source(functions: usize) -> String {
    let mut source = include_str!("../fixtures/many.rs").to_owned();
    for index in 0..functions {
        let _ = writeln!(
            source,
            "#[midair::hotpatch] fn f{index}(x: u64) -> u64 {{ x.wrapping_mul({index}) }}"
        );
    }
    let names: Vec<_> = (0..functions).map(|index| format!("f{index}")).collect();
    source + &format!("static TABLE: [fn(u64) -> u64; {functions}] = [{}];\n", names.join(", "))
}
