//! The table of a domain's runtime: how the copies of midair in other images reach it.
//!
//! Only `#[repr(C)]` data and `extern "C"` calls pass here. The table begins with its size and
//! version; entries are only ever appended, so that an older patch finds what it knows.

use std::ffi::{OsStr, c_void};
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use midair_trampolines::section::Section;
use midair_trampolines::text::RawText;

use crate::domain::{Domain, Listener, guarded};
use crate::error::{Error, ErrorKind};
use crate::report::{Depth, FunctionReport, Mismatch, Outcome, Report, Timings};
use crate::{Missing, Require};

mod questions;
mod scopes;
use questions::Questions;
use scopes::Scopes;

/// The runtime's functions, for other images.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Table {
    size: usize,
    version: u32,
    reserved: u32,
    join: extern "C" fn(&RawJoin),
    configure: extern "C" fn(missing: u32, require: u32, copies: RawBytes),
    reload: extern "C" fn(path: RawBytes, sink: Sink),
    listen: extern "C" fn(listener: RawListener),
    wait: extern "C" fn(millis: u64, sink: Sink),
    generation: extern "C" fn() -> u64,
    scopes: Scopes,
    questions: Questions,
}

const VERSION: u32 = 1;

static TABLE: Table = Table {
    size: size_of::<Table>(),
    version: VERSION,
    reserved: 0,
    join,
    configure,
    reload,
    listen,
    wait,
    generation,
    scopes: scopes::OWN,
    questions: questions::OWN,
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

#[repr(C)]
pub(crate) struct RawJoin {
    section: Section,
    manifest_dir: RawBytes,
    profile_dir: RawBytes,
    artifact: RawBytes,
    watch: u32,
}

/// A path, lent to another runtime.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawBytes {
    start: *const u8,
    len: usize,
}

impl RawBytes {
    fn new(path: &Path) -> Self {
        let bytes = path.as_os_str().as_encoded_bytes();
        Self { start: bytes.as_ptr(), len: bytes.len() }
    }

    /// # Safety
    /// It was made by `new` from a path that is still alive.
    unsafe fn to_path(self) -> PathBuf {
        if self.len == 0 {
            return PathBuf::new();
        }
        // SAFETY: made from a slice by `new`; the caller says that it is alive.
        let bytes = unsafe { slice::from_raw_parts(self.start, self.len) };
        // SAFETY: `new` took them from a path; images of one process share the encoding.
        PathBuf::from(unsafe { OsStr::from_encoded_bytes_unchecked(bytes) })
    }
}

/// Takes one outcome across.
#[repr(C)]
#[derive(Clone, Copy)]
struct Sink {
    context: *mut c_void,
    take: extern "C" fn(*mut c_void, &RawOutcome),
}

/// A listener of another image; lives for ever, as everything that a listener may be in does.
#[repr(C)]
struct RawListener {
    context: *mut c_void,
    attempted: extern "C" fn(*mut c_void, &RawOutcome),
}

// SAFETY: made by `Remote::listen` from an `Arc<dyn Listener>`, which is `Send` and `Sync`.
unsafe impl Send for RawListener {}
// SAFETY: as for `Send`.
unsafe impl Sync for RawListener {}

impl Listener for RawListener {
    fn attempted(&self, outcome: &Result<Report, Error>) {
        lend(outcome, |raw| (self.attempted)(self.context, raw));
    }
}

#[repr(C)]
struct RawOutcome {
    /// 0 for a report, else the number of an [`ErrorKind`].
    kind: u32,
    /// 1: repeated; 2: drained.
    flags: u32,
    generation: u64,
    path: RawBytes,
    message: RawText,
    hint: RawText,
    functions: *const RawFunction,
    function_count: usize,
    nanos: [u64; 4],
}

#[repr(C)]
struct RawFunction {
    name: RawText,
    /// 0 retargeted, 1 new, 2 missing, 3 signature, 4 layout, 5 lacked, 6 ambiguous,
    /// 7 type, 8 shallow, 9 state.
    outcome: u32,
    body_changed: u32,
    place: u32,
    depth: u32,
    ty: RawText,
    old: RawText,
    new: RawText,
}

fn lend(outcome: &Result<Report, Error>, with: impl FnOnce(&RawOutcome)) {
    let (path, functions, timings, generation) = match outcome {
        Ok(report) => {
            (report.path.as_path(), &report.functions[..], report.timings, report.generation)
        }
        Err(Error::Refused { path, functions }) => {
            (path.as_path(), &functions[..], Timings::default(), 0)
        }
        Err(_) => (Path::new(""), &[][..], Timings::default(), 0),
    };
    let flags = outcome
        .as_ref()
        .map_or(0, |report| u32::from(report.repeated) | u32::from(report.drained) << 1);
    let raw: Vec<_> = functions.iter().map(lend_function).collect();
    let error = outcome.as_ref().err();
    let (message, hint) =
        error.map_or_else(Default::default, |error| (error.chain(), error.hint()));
    let nanos = [timings.read, timings.check, timings.load, timings.commit];
    with(&RawOutcome {
        kind: error.map_or(0, |error| error.kind() as u32),
        flags,
        generation,
        path: RawBytes::new(path),
        message: RawText::new(&message),
        hint: RawText::new(&hint),
        functions: raw.as_ptr(),
        function_count: raw.len(),
        nanos: nanos.map(|part| part.as_nanos() as u64),
    });
}

fn lend_function(function: &FunctionReport) -> RawFunction {
    let (outcome, place, [ty, old, new]): (u32, u32, [&str; 3]) = match &function.outcome {
        Outcome::Retargeted => (0, 0, [""; 3]),
        Outcome::New => (1, 0, [""; 3]),
        Outcome::Missing => (2, 0, [""; 3]),
        Outcome::Refused(Mismatch::Signature { old, new }) => {
            (3, 0, ["", old.as_str(), new.as_str()])
        }
        Outcome::Refused(Mismatch::Layout { place, ty, old, new }) => {
            (4, *place, [ty.as_str(), old.as_str(), new.as_str()])
        }
        Outcome::Refused(Mismatch::Type { ty, details, way }) => {
            (7, 0, [ty.as_str(), details.as_str(), way.as_str()])
        }
        Outcome::Refused(Mismatch::Missing) => (5, 0, [""; 3]),
        Outcome::Refused(Mismatch::Ambiguous) => (6, 0, [""; 3]),
        Outcome::Refused(Mismatch::Shallow { reason }) => (8, 0, [reason.as_str(), "", ""]),
        Outcome::Refused(Mismatch::State { details }) => (9, 0, [details.as_str(), "", ""]),
    };
    RawFunction {
        name: RawText::new(&function.name),
        outcome,
        body_changed: u32::from(function.body_changed),
        place,
        depth: match function.checked {
            Depth::Shallow => 0,
            Depth::DebugInfo => 1,
            Depth::Derive => 2,
        },
        ty: RawText::new(ty),
        old: RawText::new(old),
        new: RawText::new(new),
    }
}

/// # Safety
/// `raw` was made by [`lend`] and is still on loan.
unsafe fn take(raw: &RawOutcome) -> Result<Report, Error> {
    let functions = if raw.function_count == 0 {
        &[]
    } else {
        // SAFETY: pointer and length of a vector that `lend` keeps alive.
        unsafe { slice::from_raw_parts(raw.functions, raw.function_count) }
    };
    // SAFETY: the texts of each function are on loan with it.
    let functions = functions.iter().map(|function| unsafe { take_function(function) }).collect();
    // SAFETY: on loan.
    let path = unsafe { raw.path.to_path() };
    if raw.kind == 0 {
        let [read, check, load, commit] = raw.nanos.map(Duration::from_nanos);
        let timings = Timings { read, check, load, commit };
        let (repeated, drained) = (raw.flags & 1 != 0, raw.flags & 2 != 0);
        let generation = raw.generation;
        return Ok(Report { generation, path, functions, timings, repeated, drained });
    }
    let kind = ErrorKind::from_number(raw.kind);
    if kind == ErrorKind::Refused {
        return Err(Error::Refused { path, functions });
    }
    if kind == ErrorKind::Busy {
        return Err(Error::Busy);
    }
    // SAFETY: on loan.
    let message = unsafe { raw.message.to_string_lossy() };
    // SAFETY: on loan.
    let hint = unsafe { raw.hint.to_string_lossy() };
    Err(Error::Domain { kind, message, hint })
}

/// # Safety
/// `raw` was made by [`lend_function`] and is still on loan.
unsafe fn take_function(raw: &RawFunction) -> FunctionReport {
    // SAFETY: every text is on loan with the function.
    let text = |text: RawText| unsafe { text.to_string_lossy() };
    let (ty, old, new) = (text(raw.ty), text(raw.old), text(raw.new));
    let outcome = match raw.outcome {
        0 => Outcome::Retargeted,
        1 => Outcome::New,
        2 => Outcome::Missing,
        3 => Outcome::Refused(Mismatch::Signature { old, new }),
        4 => Outcome::Refused(Mismatch::Layout { place: raw.place, ty, old, new }),
        6 => Outcome::Refused(Mismatch::Ambiguous),
        7 => Outcome::Refused(Mismatch::Type { ty, details: old, way: new }),
        8 => Outcome::Refused(Mismatch::Shallow { reason: ty }),
        9 => Outcome::Refused(Mismatch::State { details: ty }),
        _ => Outcome::Refused(Mismatch::Missing),
    };
    FunctionReport {
        name: text(raw.name),
        outcome,
        checked: match raw.depth {
            1 => Depth::DebugInfo,
            2 => Depth::Derive,
            _ => Depth::Shallow,
        },
        body_changed: raw.body_changed != 0,
    }
}

extern "C" fn join(raw: &RawJoin) {
    // SAFETY: on loan for the time of the call.
    let path = |bytes: RawBytes| unsafe { bytes.to_path() };
    let artifact = path(raw.artifact);
    crate::start::join(Join {
        section: raw.section,
        manifest_dir: path(raw.manifest_dir),
        profile_dir: path(raw.profile_dir),
        artifact: (!artifact.as_os_str().is_empty()).then_some(artifact),
        watch: if raw.watch == 0 { crate::Watch::Off } else { crate::Watch::On },
    });
}

extern "C" fn configure(missing: u32, require: u32, copies: RawBytes) {
    // SAFETY: on loan for the time of the call.
    let copies = unsafe { copies.to_path() };
    Domain::own().configure(|settings| {
        settings.missing = match missing {
            1 => Missing::Refuse,
            2 => Missing::Keep,
            _ => settings.missing,
        };
        settings.require = match require {
            1 => Require::Any,
            2 => Require::Deep,
            _ => settings.require,
        };
        if !copies.as_os_str().is_empty() {
            settings.copies = Some(copies.clone());
        }
    });
}

extern "C" fn reload(path: RawBytes, sink: Sink) {
    // SAFETY: on loan for the time of the call.
    let path = unsafe { path.to_path() };
    lend(&Domain::own().reload(&path), |raw| (sink.take)(sink.context, raw));
}

extern "C" fn listen(listener: RawListener) {
    Domain::own().listen(Arc::new(listener));
}

extern "C" fn wait(millis: u64, sink: Sink) {
    let outcome = Domain::own().wait(Duration::from_millis(millis));
    lend(&outcome, |raw| (sink.take)(sink.context, raw));
}

extern "C" fn generation() -> u64 {
    Domain::own().generation()
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

    pub(crate) fn join(self, join: &Join) {
        (self.0.join)(&RawJoin {
            section: join.section,
            manifest_dir: RawBytes::new(&join.manifest_dir),
            profile_dir: RawBytes::new(&join.profile_dir),
            artifact: RawBytes::new(join.artifact.as_deref().unwrap_or(Path::new(""))),
            watch: u32::from(join.watch == crate::Watch::On),
        });
    }

    pub(crate) fn configure(
        self,
        missing: Option<Missing>,
        require: Option<Require>,
        copies: Option<&Path>,
    ) {
        let missing = match missing {
            None => 0,
            Some(Missing::Refuse) => 1,
            Some(Missing::Keep) => 2,
        };
        let require = match require {
            None => 0,
            Some(Require::Any) => 1,
            Some(Require::Deep) => 2,
        };
        (self.0.configure)(missing, require, RawBytes::new(copies.unwrap_or(Path::new(""))));
    }

    pub(crate) fn reload(self, path: &Path) -> Result<Report, Error> {
        self.receive(|sink| (self.0.reload)(RawBytes::new(path), sink))
    }

    pub(crate) fn wait(self, timeout: Duration) -> Result<Report, Error> {
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        match self.receive(|sink| (self.0.wait)(millis, sink)) {
            Err(Error::Domain { kind: ErrorKind::TimedOut, .. }) => {
                Err(Error::TimedOut { waited: timeout })
            }
            outcome => outcome,
        }
    }

    pub(crate) fn generation(self) -> u64 {
        (self.0.generation)()
    }

    pub(crate) fn listen(self, listener: Arc<dyn Listener>) {
        extern "C" fn attempted(context: *mut c_void, raw: &RawOutcome) {
            // SAFETY: the address of the leaked listener below.
            let listener = unsafe { &*context.cast::<Arc<dyn Listener>>() };
            // SAFETY: the domain lends it for the time of this call.
            let outcome = unsafe { take(raw) };
            // Caught here, in the image whose std raises it.
            guarded("a listener", || listener.attempted(&outcome));
        }
        // Listeners are for ever, like the code that they are made of.
        let context: *mut Arc<dyn Listener> = Box::leak(Box::new(listener));
        (self.0.listen)(RawListener { context: context.cast(), attempted });
    }

    fn receive(self, ask: impl FnOnce(Sink)) -> Result<Report, Error> {
        extern "C" fn receive(context: *mut c_void, raw: &RawOutcome) {
            // SAFETY: the address of `answer` below, which nobody else uses meanwhile.
            let answer = unsafe { &mut *context.cast::<Option<Result<Report, Error>>>() };
            // SAFETY: the domain lends it for the time of this call.
            *answer = Some(unsafe { take(raw) });
        }
        let mut answer: Option<Result<Report, Error>> = None;
        ask(Sink { context: (&raw mut answer).cast(), take: receive });
        answer.expect("a domain answers each question before it returns")
    }
}

#[cfg(test)]
mod tests {
    use super::{lend, take};
    use crate::error::{Error, ErrorKind};
    use crate::report::{Depth, FunctionReport, Mismatch, Outcome, Report, Timings};
    use std::time::Duration;

    fn crossed(outcome: &Result<Report, Error>) -> Result<Report, Error> {
        let mut answer = None;
        // SAFETY: taken while it is on loan.
        lend(outcome, |raw| answer = Some(unsafe { take(raw) }));
        answer.unwrap()
    }

    fn functions() -> Vec<FunctionReport> {
        let signature = Mismatch::Signature { old: "fn()".into(), new: "fn(u8)".into() };
        let layout =
            Mismatch::Layout { place: 2, ty: "World".into(), old: "a".into(), new: "b".into() };
        let ty = Mismatch::Type { ty: "World".into(), details: "a".into(), way: "b".into() };
        [
            Outcome::Retargeted,
            Outcome::New,
            Outcome::Missing,
            Outcome::Refused(signature),
            Outcome::Refused(layout),
            Outcome::Refused(ty),
            Outcome::Refused(Mismatch::Shallow { reason: "it has no debug info".into() }),
            Outcome::Refused(Mismatch::State { details: "it grew".into() }),
            Outcome::Refused(Mismatch::Missing),
            Outcome::Refused(Mismatch::Ambiguous),
        ]
        .into_iter()
        .enumerate()
        .map(|(at, outcome)| FunctionReport {
            name: format!("game::f{at}"),
            outcome,
            checked: [Depth::DebugInfo, Depth::Derive, Depth::Shallow][at % 3],
            body_changed: at % 2 == 0,
        })
        .collect()
    }

    #[test]
    fn a_report_crosses_whole() {
        let timings = Timings { load: Duration::from_micros(7), ..Timings::default() };
        let path = "/tmp/libgame.so".into();
        let functions = functions();
        let report =
            Report { generation: 9, path, functions, timings, repeated: false, drained: true };
        assert_eq!(crossed(&Ok(report.clone())).unwrap(), report);
    }

    #[test]
    fn a_refusal_crosses_with_every_verdict() {
        let refused = Error::Refused { path: "/lib.so".into(), functions: functions() };
        let Err(Error::Refused { path, functions: crossed }) = crossed(&Err(refused)) else {
            panic!("another variant came out");
        };
        assert_eq!(path, std::path::Path::new("/lib.so"));
        assert_eq!(crossed, functions());
    }

    #[test]
    fn any_other_error_keeps_its_kind_and_its_words() {
        let error = Error::NotAFile { path: "/dev".into() };
        let text = error.to_string();
        let crossed = crossed(&Err(error)).unwrap_err();
        assert_eq!(crossed.kind(), ErrorKind::NotAFile);
        assert_eq!(crossed.to_string(), text);
    }
}
