//! Questions and wishes of other images about generations, transitions and transactions.

use std::ffi::c_void;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{RawBytes, Remote, Sink, lend};
use crate::Level;
use crate::desk::Move;
use crate::domain::Domain;
use crate::error::{Error, ErrorKind};
use crate::health::Health;
use crate::history::PatchRecord;
use crate::report::Report;
use crate::transition::Progress;
use crate::wire::{Wire, read, written};

/// The domain's answers, for other images.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Questions {
    history: extern "C" fn(Taker),
    progress: extern "C" fn(Taker),
    roll_back: extern "C" fn(target: u64, Taker),
    open: extern "C" fn(path: RawBytes, number: &mut u64, sink: Sink),
    advance: extern "C" fn(number: u64, step: RawMove, sink: Sink),
    set_level: extern "C" fn(level: RawLevel),
    set_health: extern "C" fn(nanos: u64, health: RawHealth),
    set_hook_deadline: extern "C" fn(nanos: u64),
}

pub(super) const OWN: Questions = Questions {
    history,
    progress,
    roll_back,
    open,
    advance,
    set_level,
    set_health,
    set_hook_deadline,
};

/// Takes the bytes of an answer.
#[repr(C)]
#[derive(Clone, Copy)]
struct Taker {
    context: *mut c_void,
    take: extern "C" fn(*mut c_void, bytes: *const u8, len: usize),
}

impl Taker {
    fn answer(self, value: &impl Wire) {
        let bytes = written(value);
        (self.take)(self.context, bytes.as_ptr(), bytes.len());
    }
}

/// Asks, and returns what was answered.
fn asked<T: Wire>(ask: impl FnOnce(Taker)) -> T {
    extern "C" fn take(context: *mut c_void, bytes: *const u8, len: usize) {
        // SAFETY: the address of `answer` below, which nobody else uses meanwhile.
        let answer = unsafe { &mut *context.cast::<Vec<u8>>() };
        // SAFETY: the domain lends the bytes for the time of this call.
        answer.extend_from_slice(unsafe { std::slice::from_raw_parts(bytes, len) });
    }
    let mut answer = Vec::new();
    ask(Taker { context: (&raw mut answer).cast(), take });
    read(&answer).expect("images of one process speak the same language")
}

/// A [`Level`] as numbers: which, and the deadline.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawLevel {
    kind: u64,
    nanos: u64,
}

impl RawLevel {
    fn new(level: Level) -> Self {
        match level {
            Level::Immediate => Self { kind: 0, nanos: 0 },
            Level::Scoped => Self { kind: 1, nanos: 0 },
            Level::Quiescent { deadline } => {
                let nanos = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
                Self { kind: 2, nanos }
            }
        }
    }

    fn level(self) -> Level {
        match self.kind {
            0 => Level::Immediate,
            1 => Level::Scoped,
            _ => Level::Quiescent { deadline: Duration::from_nanos(self.nanos) },
        }
    }
}

/// A [`Move`] as numbers and a text.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawMove {
    kind: u64,
    level: RawLevel,
    reason: RawBytes,
}

/// A health check of another image; lives for ever, as everything that it may be in does.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawHealth {
    context: *mut c_void,
    check: extern "C" fn(*mut c_void, Taker),
}

// SAFETY: made by `Remote::set_health` from an `Arc<dyn Health>`, which is `Send` and `Sync`.
unsafe impl Send for RawHealth {}
// SAFETY: as for `Send`.
unsafe impl Sync for RawHealth {}

impl Health for RawHealth {
    fn check(&self) -> Result<(), String> {
        asked(|taker| (self.check)(self.context, taker))
    }
}

extern "C" fn history(taker: Taker) {
    taker.answer(&Domain::own().history());
}

extern "C" fn progress(taker: Taker) {
    taker.answer(&Domain::own().progress());
}

extern "C" fn roll_back(target: u64, taker: Taker) {
    let outcome = Domain::own().roll_back_to(target.checked_sub(1));
    taker.answer(&outcome.map_err(|error| told(&error)));
}

/// An error as it crosses: its kind, its words, and its advice.
type Told = (u64, (String, String));

fn told(error: &Error) -> Told {
    (u64::from(error.kind() as u32), (error.chain(), error.hint()))
}

extern "C" fn open(path: RawBytes, number: &mut u64, sink: Sink) {
    // SAFETY: on loan for the time of the call.
    let path = unsafe { path.to_path() };
    let opened = Domain::own().desk().open(&path).map(|opened| {
        *number = opened;
        Report::nothing()
    });
    lend(&opened, |raw| (sink.take)(sink.context, raw));
}

extern "C" fn advance(number: u64, step: RawMove, sink: Sink) {
    // SAFETY: on loan for the time of the call.
    let reason = || unsafe { step.reason.to_path() }.to_string_lossy().into_owned();
    let step = match step.kind {
        0 => Move::Check,
        1 => Move::Trust,
        2 => Move::Load,
        3 => Move::Prepare,
        4 => Move::Commit(step.level.level()),
        5 => Move::Accept,
        6 => Move::RollBack(reason()),
        _ => Move::Drop,
    };
    let domain = Domain::own();
    lend(&domain.desk().advance(domain, number, step), |raw| (sink.take)(sink.context, raw));
}

extern "C" fn set_level(level: RawLevel) {
    Domain::own().configure(|settings| settings.level = level.level());
}

extern "C" fn set_health(nanos: u64, health: RawHealth) {
    let health: Arc<dyn Health> = Arc::new(health);
    let duration = Duration::from_nanos(nanos);
    Domain::own().configure(|settings| settings.health = Some((duration, Arc::clone(&health))));
}

extern "C" fn set_hook_deadline(nanos: u64) {
    let deadline = Duration::from_nanos(nanos);
    Domain::own().configure(|settings| settings.hook_deadline = deadline);
}

impl Remote {
    pub(crate) fn history(self) -> Vec<PatchRecord> {
        asked(|taker| (self.0.questions.history)(taker))
    }

    pub(crate) fn progress(self) -> Option<Progress> {
        asked(|taker| (self.0.questions.progress)(taker))
    }

    /// Goes back to generation `target`, or to the one before.
    pub(crate) fn roll_back_to(self, target: Option<u64>) -> Result<u64, Error> {
        let target = target.map_or(0, |number| number + 1);
        let answer: Result<u64, Told> = asked(|taker| (self.0.questions.roll_back)(target, taker));
        answer.map_err(|(kind, (message, hint))| {
            let kind = ErrorKind::from_number(kind as u32);
            Error::Domain { kind, message, hint }
        })
    }

    pub(crate) fn open(self, path: &Path) -> Result<u64, Error> {
        let mut number = 0;
        self.receive(|sink| (self.0.questions.open)(RawBytes::new(path), &mut number, sink))?;
        Ok(number)
    }

    pub(crate) fn advance(self, number: u64, step: Move) -> Result<Report, Error> {
        let mut level = RawLevel::new(Level::Immediate);
        let mut text = String::new();
        let kind = match step {
            Move::Check => 0,
            Move::Trust => 1,
            Move::Load => 2,
            Move::Prepare => 3,
            Move::Commit(wanted) => {
                level = RawLevel::new(wanted);
                4
            }
            Move::Accept => 5,
            Move::RollBack(reason) => {
                text = reason;
                6
            }
            Move::Drop => 7,
        };
        let reason = RawBytes::new(Path::new(&text));
        self.receive(|sink| {
            (self.0.questions.advance)(number, RawMove { kind, level, reason }, sink);
        })
    }

    pub(crate) fn set_level(self, level: Level) {
        (self.0.questions.set_level)(RawLevel::new(level));
    }

    pub(crate) fn set_hook_deadline(self, deadline: Duration) {
        let nanos = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
        (self.0.questions.set_hook_deadline)(nanos);
    }

    pub(crate) fn set_health(self, duration: Duration, health: Arc<dyn Health>) {
        extern "C" fn check(context: *mut c_void, taker: Taker) {
            // SAFETY: the address of the leaked check below.
            let health = unsafe { &*context.cast::<Arc<dyn Health>>() };
            taker.answer(&crate::health::asked(&**health));
        }
        let context: *mut Arc<dyn Health> = Box::leak(Box::new(health));
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        (self.0.questions.set_health)(nanos, RawHealth { context: context.cast(), check });
    }
}
