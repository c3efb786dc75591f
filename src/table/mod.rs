//! The table of a domain's runtime: how the copies of midair in other images reach it.
//!
//! Only `#[repr(C)]` data and `extern "C"` calls pass here. The table begins with its size and
//! version; entries are only ever appended, so that an older patch finds what it knows.

use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use midair_trampolines::hash::Hash;
use midair_trampolines::record::FORMAT;
use midair_trampolines::section::Section;

use crate::domain::{Domain, Listener, guarded};
use crate::error::Error;
use crate::health::Health;
use crate::questions::{
    self, Advance, History, Open, Question, Reload, RollBack, UnderWay, Wait, Wishes,
};
use crate::report::Report;
use crate::wire::{Wire, read, written};

mod scopes;
use scopes::Scopes;

/// The runtime's functions, for other images.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Table {
    size: usize,
    /// Which midair this is, compiled by what.
    version: u64,
    ask: extern "C" fn(number: u64, question: Bytes, taker: Taker),
    generation: extern "C" fn() -> u64,
    listen: extern "C" fn(Hearer),
    set_health: extern "C" fn(nanos: u64, health: Asked),
    scopes: Scopes,
}

/// What crosses is not versioned piece by piece: both sides have to be the same midair, compiled by
/// the same compiler.
const VERSION: u64 = Hash::new()
    .bytes(env!("CARGO_PKG_VERSION").as_bytes())
    .bytes(crate::identity::RUSTC.as_bytes())
    .word(FORMAT as u64)
    .word(5)
    .finish();

static TABLE: Table = Table {
    size: size_of::<Table>(),
    version: VERSION,
    ask,
    generation,
    listen,
    set_health,
    scopes: scopes::OWN,
};

/// The table of this copy of midair.
pub(crate) fn own() -> *const Table {
    &raw const TABLE
}

/// What an image says of itself when it joins.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// Its `midair` section.
    pub(crate) section: Section,
    /// The folder of the package whose function was called first; may be empty.
    pub(crate) manifest_dir: PathBuf,
    /// The folder that cargo built its midair into.
    pub(crate) profile_dir: PathBuf,
    /// The artifact to follow, if somebody named one.
    pub(crate) artifact: Option<PathBuf>,
    /// Whether to follow its build output.
    pub(crate) watch: crate::Watch,
}

/// Bytes on loan.
#[repr(C)]
#[derive(Clone, Copy)]
struct Bytes {
    start: *const u8,
    len: usize,
}

impl Bytes {
    fn new(bytes: &[u8]) -> Self {
        Self { start: bytes.as_ptr(), len: bytes.len() }
    }

    /// # Safety
    /// It was made by `new` from bytes that are still there.
    unsafe fn get<'a>(self) -> &'a [u8] {
        // SAFETY: the pointer and the length of a slice; the caller says that it is there.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

/// Takes the bytes of an answer.
#[repr(C)]
#[derive(Clone, Copy)]
struct Taker {
    context: *mut c_void,
    take: extern "C" fn(*mut c_void, Bytes),
}

impl Taker {
    fn answer(self, value: &impl Wire) {
        (self.take)(self.context, Bytes::new(&written(value)));
    }
}

/// Asks, and returns what was answered.
fn asked<T: Wire>(ask: impl FnOnce(Taker)) -> T {
    extern "C" fn take(context: *mut c_void, bytes: Bytes) {
        // SAFETY: the address of `answer` below, which nobody else uses meanwhile.
        let answer = unsafe { &mut *context.cast::<Vec<u8>>() };
        // SAFETY: on loan for the time of this call.
        answer.extend_from_slice(unsafe { bytes.get() });
    }
    let mut answer = Vec::new();
    ask(Taker { context: (&raw mut answer).cast(), take });
    read(&answer).expect(SAME)
}

/// Why what crosses can be read back.
const SAME: &str = "images of one process speak the same language";

/// Answers the question of this number.
extern "C" fn ask(number: u64, question: Bytes, taker: Taker) {
    // SAFETY: on loan for the time of the call.
    let question = unsafe { question.get() };
    macro_rules! answer {
        ($($kind:ident),*) => {
            match number {
                $($kind::NUMBER => {
                    let question: $kind = read(question).expect(SAME);
                    taker.answer(&question.answered(Domain::own()));
                })*
                _ => unreachable!("{SAME}"),
            }
        };
    }
    questions::all!(answer);
}

extern "C" fn generation() -> u64 {
    Domain::own().generation()
}

/// A listener of another image; lives for ever, as everything that a listener may be in does.
#[repr(C)]
struct Hearer {
    context: *mut c_void,
    attempted: extern "C" fn(*mut c_void, Bytes),
}

// SAFETY: made by `Remote::listen` from an `Arc<dyn Listener>`, which is `Send` and `Sync`.
unsafe impl Send for Hearer {}
// SAFETY: as for `Send`.
unsafe impl Sync for Hearer {}

impl Listener for Hearer {
    fn attempted(&self, outcome: &Result<Report, Error>) {
        (self.attempted)(self.context, Bytes::new(&written(outcome)));
    }
}

extern "C" fn listen(listener: Hearer) {
    Domain::own().listen(Arc::new(listener));
}

/// A health check of another image; lives for ever as well.
#[repr(C)]
#[derive(Clone, Copy)]
struct Asked {
    context: *mut c_void,
    check: extern "C" fn(*mut c_void, Taker),
}

// SAFETY: made by `Remote::set_health` from an `Arc<dyn Health>`, which is `Send` and `Sync`.
unsafe impl Send for Asked {}
// SAFETY: as for `Send`.
unsafe impl Sync for Asked {}

impl Health for Asked {
    fn check(&self) -> Result<(), String> {
        asked(|taker| (self.check)(self.context, taker))
    }
}

extern "C" fn set_health(nanos: u64, health: Asked) {
    Domain::own().set_health(Duration::from_nanos(nanos), Arc::new(health));
}

/// The runtime of another image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote(&'static Table);

impl Remote {
    /// The runtime behind `table`.
    ///
    /// # Safety
    /// - `table` is the address of a domain's table, as found in a seed or a domain cell; the
    ///   image that holds it is pinned.
    pub(crate) unsafe fn new(table: *const ()) -> Self {
        // SAFETY: the caller vouches for it; tables are immutable statics.
        Self(unsafe { &*table.cast::<Table>() })
    }

    /// The runtime behind `table`, if it understands what is said here.
    ///
    /// # Safety
    /// - As for [`new`](Self::new), but the table may be that of another version, which begins with
    ///   its size and its version as well.
    pub(crate) unsafe fn of_same_version(table: *const ()) -> Option<Self> {
        let table = table.cast::<Table>();
        // SAFETY: every table begins with its size.
        let size = unsafe { (*table).size };
        if size != size_of::<Table>() {
            return None;
        }
        // SAFETY: the whole of it is there.
        let version = unsafe { (*table).version };
        // SAFETY: it is one of ours, and the caller vouches for the rest.
        (version == VERSION).then(|| unsafe { Self::new(table.cast()) })
    }

    /// Asks the domain.
    pub(crate) fn ask<Q: Question>(self, question: &Q) -> Q::Answer {
        let bytes = written(question);
        asked(|taker| (self.0.ask)(Q::NUMBER, Bytes::new(&bytes), taker))
    }

    pub(crate) fn generation(self) -> u64 {
        (self.0.generation)()
    }

    pub(crate) fn listen(self, listener: Arc<dyn Listener>) {
        extern "C" fn attempted(context: *mut c_void, outcome: Bytes) {
            // SAFETY: the address of the leaked listener below.
            let listener = unsafe { &*context.cast::<Arc<dyn Listener>>() };
            // SAFETY: the domain lends it for the time of this call.
            let outcome: Result<Report, Error> = read(unsafe { outcome.get() }).expect(SAME);
            // Caught here, in the image whose std raises it.
            guarded("a listener", || listener.attempted(&outcome));
        }
        // Listeners are for ever, like the code that they are made of.
        let context: *mut Arc<dyn Listener> = Box::leak(Box::new(listener));
        (self.0.listen)(Hearer { context: context.cast(), attempted });
    }

    pub(crate) fn set_health(self, duration: Duration, health: Arc<dyn Health>) {
        extern "C" fn check(context: *mut c_void, taker: Taker) {
            // SAFETY: the address of the leaked check below.
            let health = unsafe { &*context.cast::<Arc<dyn Health>>() };
            taker.answer(&crate::health::asked(&**health));
        }
        let context: *mut Arc<dyn Health> = Box::leak(Box::new(health));
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        (self.0.set_health)(nanos, Asked { context: context.cast(), check });
    }
}
