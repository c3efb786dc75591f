//! What a call costs: every candidate in the same loop, with the same argument and result.

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, Ordering};

use libloading::Library;
use midair::{Runtime, Watch};
use midair_bench_callee::elsewhere;

use crate::args::Effort;
use crate::error::{Error, at};
use crate::fixture::{Fixtures, Profile};
use crate::reload::folder;
use crate::rounds::{Candidate, Figure, compare};
use crate::table::{Row, Table};
use crate::tight::tight;

/// What all others are compared with.
const BASE: &str = "fn pointer";

/// The file that the fixture's library is patched from.
const SECOND: &str = "second.so";

// Each callee has a factor of its own: functions that are equal would be made one, and those that
// lost their body to another would cost a jump.

#[midair::hotpatch]
fn hot(x: u64) -> u64 {
    x.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (x >> 7)
}

#[inline(never)]
fn direct(x: u64) -> u64 {
    x.wrapping_mul(0x9e37_79b9_7f4a_7c17) ^ (x >> 7)
}

#[inline(never)]
fn pointed_to(x: u64) -> u64 {
    x.wrapping_mul(0x9e37_79b9_7f4a_7c19) ^ (x >> 7)
}

struct Counter;

#[midair::hotpatch]
impl Counter {
    fn count(&self, x: u64) -> u64 {
        x.wrapping_mul(0x9e37_79b9_7f4a_7c1d) ^ (x >> 7)
    }
}

/// The cheapest thing that could be patched at all: one atomic pointer.
static CELL: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

fn through_cell(x: u64) -> u64 {
    let code = CELL.load(Ordering::Acquire);
    // SAFETY: only `direct` is ever stored there, before the first call.
    let call: fn(u64) -> u64 = unsafe { std::mem::transmute(code) };
    call(x)
}

/// Measures what calls cost.
pub(crate) fn run(effort: Effort) -> Result<Table, Error> {
    let fixtures = Fixtures::new()?;
    let folder = folder()?;
    // SAFETY: no other thread has been started yet. Otherwise the fixture's library would follow
    // what cargo made of it, and be patched a second time while calls are measured.
    unsafe { std::env::set_var("MIDAIR_ARTIFACT", folder.path().join(SECOND)) };
    let patched = |source| Error::Patch { source: Box::new(source) };
    Runtime::builder().watch(Watch::Off).start().map_err(patched)?;
    // Hidden from the optimiser, which would call a function directly that it knows to be the
    // only one ever stored.
    CELL.store(black_box(direct as *mut ()), Ordering::Release);
    let pointer: fn(u64) -> u64 = black_box(pointed_to);
    let counter = Counter;
    let mut candidates = vec![
        Candidate::new("direct call", |calls| tight(calls, direct)),
        Candidate::new(BASE, |calls| tight(calls, pointer)),
        Candidate::new("hot call", |calls| tight(calls, hot)),
        Candidate::new("AtomicPtr acquire", |calls| tight(calls, through_cell)),
        Candidate::new("hot call, another crate", |calls| tight(calls, elsewhere)),
        Candidate::new("hot method", |calls| tight(calls, |x| counter.count(x))),
    ];
    let [direct, guarded] = after_a_patch(&fixtures, folder.path())?;
    candidates.push(Candidate::new("hot call, after a patch", move |calls| direct(calls)));
    candidates.push(Candidate::new("patched call, own std", move |calls| guarded(calls)));

    let mut table = Table::new("calls");
    eprintln!("measuring calls");
    for figure in compare(&candidates, 1, effort.of(2000)) {
        table.push(row(&figure));
    }
    #[cfg(feature = "peers")]
    crate::peers::calls(&fixtures, &mut table, effort)?;
    Ok(table)
}

/// The row of `figure`; the base stands by itself.
pub(crate) fn row(figure: &Figure) -> Row {
    let row = Row::new(figure.name.clone(), figure.nanos, "ns");
    match figure.name.as_str() {
        BASE => row,
        "hot call" => row.ratio(figure.ratio, BASE).ratio_at_most(1.05),
        _ => row.ratio(figure.ratio, BASE),
    }
}

type Loop = extern "C" fn(u64) -> u64;

/// Two loops in a loaded library whose hot functions run the code of a later one, which has a
/// standard library of its own: a function that no panic can leave, and one that is guarded.
fn after_a_patch(fixtures: &Fixtures, folder: &Path) -> Result<[Loop; 2], Error> {
    let editions = fixtures.editions(Profile::Small)?;
    let [first, second] = ["first.so", SECOND].map(|name| folder.join(name));
    std::fs::copy(&editions[0], &first).map_err(at(&first))?;
    std::fs::copy(&editions[1], &second).map_err(at(&second))?;
    let library = load(&first)?;
    let version = symbol::<extern "C" fn() -> u64>(library, &first, b"bench_version")?;
    let direct = symbol::<Loop>(library, &first, b"bench_loop_unguarded")?;
    let guarded = symbol::<Loop>(library, &first, b"bench_loop")?;
    let before = version();
    midair::reload(&second).map_err(|source| Error::Patch { source: Box::new(source) })?;
    if version() == before {
        return Err(Error::Old { path: second });
    }
    Ok([direct, guarded])
}

fn load(path: &Path) -> Result<&'static Library, Error> {
    let failed = |source| Error::Load { path: path.to_owned(), source };
    // SAFETY: a library that was built a moment ago, from a fixture of our own.
    let library = unsafe { Library::new(path) }.map_err(failed)?;
    Ok(Box::leak(Box::new(library)))
}

fn symbol<T: Copy>(library: &'static Library, path: &Path, name: &[u8]) -> Result<T, Error> {
    // SAFETY: asked for with the type that the fixture's source gives it.
    let symbol = unsafe { library.get::<T>(name) };
    symbol.map(|symbol| *symbol).map_err(|source| Error::Load { path: path.to_owned(), source })
}
