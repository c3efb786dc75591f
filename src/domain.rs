//! The domain: the one runtime of a process, whatever number of images have hot functions.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use midair_trampolines::os;
use midair_trampolines::section::Section;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::Missing;
use crate::artifact::{Artifact, Stamp};
use crate::copies::Copies;
use crate::error::Error;
use crate::load::{Loader, SharedLibrary};
use crate::notice;
use crate::patch::Patch;
use crate::registry::Registry;
use crate::report::{Report, Timings};

/// The state of the one runtime.
pub(crate) struct Domain {
    /// Held from reading an artifact to its last store: one patch at a time.
    transaction: Mutex<Transaction>,
    /// The thread that holds `transaction`, so that a patch's own constructor which asks for a
    /// patch is told so instead of waiting for itself.
    holder: AtomicU64,
    registry: ArcSwap<Registry>,
    settings: Mutex<Settings>,
    history: Mutex<History>,
    changed: Condvar,
    listeners: ArcSwap<Vec<Arc<dyn Listener>>>,
    /// This process was forked while `transaction` was held by a thread it does not have.
    orphaned: AtomicBool,
}

/// What belongs to the patch under way and to all before it.
#[derive(Default)]
struct Transaction {
    copies: Copies,
    /// Sections that images reported, for those that no note tells of.
    reported: Vec<Section>,
    /// The state of each artifact when it was last committed.
    committed: HashMap<PathBuf, Stamp>,
}

/// What the program has asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) missing: Missing,
    pub(crate) copies: Option<PathBuf>,
}

/// The attempts so far.
#[derive(Default)]
struct History {
    attempts: u64,
    generation: u64,
    last: Option<Arc<Result<Report, Error>>>,
}

/// Somebody who wants to know of patches and refusals.
pub(crate) trait Listener: Send + Sync {
    /// Called after each attempt, on the thread that made it, with no lock held.
    fn attempted(&self, outcome: &Result<Report, Error>);
}

impl Domain {
    /// The domain of this copy of midair. Whether it is *the* domain of the process is decided by
    /// [`connect`](crate::connection::connect).
    pub(crate) fn own() -> &'static Self {
        static DOMAIN: OnceLock<Domain> = OnceLock::new();
        DOMAIN.get_or_init(|| {
            os::at_fork_child(forked);
            Self {
                transaction: Mutex::default(),
                holder: AtomicU64::new(0),
                registry: ArcSwap::default(),
                settings: Mutex::default(),
                history: Mutex::default(),
                changed: Condvar::new(),
                listeners: ArcSwap::default(),
                orphaned: AtomicBool::new(false),
            }
        })
    }

    /// The images and functions as of the last scan.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.registry.load_full()
    }

    /// Changes what the program has asked for.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock());
    }

    /// Makes `section` known, and every other image that was loaded meanwhile.
    ///
    /// # Errors
    /// [`Error::Busy`] from within a patch's constructor, [`Error::Forked`],
    /// [`Error::Unsupported`].
    pub(crate) fn join(&self, section: Section) -> Result<(), Error> {
        let mut transaction = self.begin()?;
        if !transaction.reported.contains(&section) {
            transaction.reported.push(section);
        }
        self.rescan(&transaction)
    }

    /// The state in which `path` was last committed.
    #[cfg_attr(not(feature = "watch"), expect(dead_code, reason = "only who follows files asks"))]
    pub(crate) fn committed(&self, path: &Path) -> Option<Stamp> {
        self.begin().ok()?.committed.get(path).copied()
    }

    /// Checks, loads and commits the artifact at `path`, and tells everybody who wants to know.
    ///
    /// # Errors
    /// See [`reload`](crate::reload).
    pub(crate) fn reload(&self, path: &Path) -> Result<Report, Error> {
        let outcome = Arc::new(self.attempt(path));
        self.publish(&outcome);
        match Arc::try_unwrap(outcome) {
            Ok(outcome) => outcome,
            Err(shared) => echo(&shared),
        }
    }

    /// Checks, loads and commits the artifact at `path`, and tells nobody:
    /// [`publish`](Self::publish) is to follow, unless the file turned out to be unfinished.
    pub(crate) fn attempt(&self, path: &Path) -> Result<Report, Error> {
        let mut transaction = self.begin()?;
        let transaction = &mut *transaction;
        self.rescan(transaction)?;
        let settings = self.settings.lock().clone();
        let mut timings = Timings::default();
        let mut clock = Instant::now();
        let mut lap =
            |slot: &mut Duration| *slot = std::mem::replace(&mut clock, Instant::now()).elapsed();

        let stamp = Stamp::of(path);
        let artifact = Artifact::open(path)?;
        lap(&mut timings.read);
        let manifest = artifact.manifest()?;
        let registry = self.registry();
        let patch = Patch::check(path, &manifest, &registry, settings.missing)?;
        lap(&mut timings.check);
        let root = settings.copies.as_deref();
        let seed = crate::table::own().cast();
        let mut loader = SharedLibrary { copies: &mut transaction.copies, root };
        let loaded = loader.load(&artifact, &manifest, seed)?;
        let mut next = Registry::clone(&registry);
        let new = next.images().len();
        next.add(&loaded.image, loaded.section, Some(patch.unit))
            .map_err(|source| Error::Records { path: path.to_owned(), source })?;
        let next = Arc::new(next);
        self.registry.store(Arc::clone(&next));
        lap(&mut timings.load);
        Patch::commit(&next, new);
        lap(&mut timings.commit);

        loaded.rest.write(&artifact);
        if let Some(stamp) = stamp {
            transaction.committed.insert(path.to_owned(), stamp);
        }
        transaction.copies.prune(|copy| in_use(&next, copy));
        let mut history = self.history.lock();
        history.generation += 1;
        let generation = history.generation;
        Ok(Report { generation, path: path.to_owned(), functions: patch.functions, timings })
    }

    fn begin(&self) -> Result<Held<'_>, Error> {
        // Acquire: pairs with the Release in `forked`.
        if self.orphaned.load(Ordering::Acquire) {
            return Err(Error::Forked);
        }
        // Relaxed: only this thread ever writes its own number, so it sees it if it is there.
        if self.holder.load(Ordering::Relaxed) == this_thread() {
            return Err(Error::Busy);
        }
        let transaction = self.transaction.lock();
        self.holder.store(this_thread(), Ordering::Relaxed);
        Ok(Held { domain: self, transaction })
    }

    fn rescan(&self, transaction: &Transaction) -> Result<(), Error> {
        let next = self.registry().rescanned(&transaction.reported)?;
        self.registry.store(next);
        Ok(())
    }

    /// Tells everybody who wants to know what came of an attempt.
    pub(crate) fn publish(&self, outcome: &Arc<Result<Report, Error>>) {
        match &**outcome {
            Ok(report) => notice::info(format_args!("{report}")),
            Err(error) => {
                notice::warn(format_args!("refused, the old code goes on: {}", error.explain()));
            }
        }
        {
            let mut history = self.history.lock();
            history.attempts += 1;
            history.last = Some(Arc::clone(outcome));
            self.changed.notify_all();
        }
        for listener in self.listeners.load().iter() {
            guarded("a listener", || listener.attempted(outcome));
        }
    }

    /// Adds somebody who wants to know, for as long as the process lives.
    pub(crate) fn listen(&self, listener: Arc<dyn Listener>) {
        self.listeners.rcu(|listeners| {
            let mut listeners = Vec::clone(listeners);
            listeners.push(Arc::clone(&listener));
            listeners
        });
    }

    /// The number of the patch that was committed last.
    pub(crate) fn generation(&self) -> u64 {
        self.history.lock().generation
    }

    /// The outcome of the next attempt, or [`Error::TimedOut`].
    pub(crate) fn wait(&self, timeout: Duration) -> Result<Report, Error> {
        let started = Instant::now();
        let mut history = self.history.lock();
        let before = history.attempts;
        while history.attempts == before {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() || self.changed.wait_for(&mut history, left).timed_out() {
                break;
            }
        }
        match &history.last {
            Some(outcome) if history.attempts != before => echo(outcome),
            _ => Err(Error::TimedOut { waited: timeout }),
        }
    }
}

/// The transaction lock, with its holder known while it is held.
struct Held<'a> {
    domain: &'a Domain,
    transaction: MutexGuard<'a, Transaction>,
}

impl std::ops::Deref for Held<'_> {
    type Target = Transaction;
    fn deref(&self) -> &Transaction {
        &self.transaction
    }
}

impl std::ops::DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Transaction {
        &mut self.transaction
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.domain.holder.store(0, Ordering::Relaxed);
    }
}

/// A number that no other thread of this process has, never 0.
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        // Relaxed: the numbers only have to differ.
        static NUMBER: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // While a thread's statics are torn down nothing can be told apart any more; such a thread
    // counts as nobody.
    NUMBER.try_with(|number| *number).unwrap_or(u64::MAX)
}

/// Runs `work`, whose panic ends here: it must end neither the runtime's thread nor, at the border
/// between two images, the process.
pub(crate) fn guarded(what: &str, work: impl FnOnce()) {
    if std::panic::catch_unwind(AssertUnwindSafe(work)).is_err() {
        notice::warn(format_args!("{what} panicked; the runtime goes on"));
    }
}

/// Whether any slot leads into the image that was loaded from `copy`.
fn in_use(registry: &Registry, copy: &Path) -> bool {
    let Some(image) = registry.images().iter().find(|image| image.path == copy) else {
        return false;
    };
    registry.functions().values().flatten().any(|live| {
        let target = live.head.slot().target().addr();
        image.span.0 <= target && target < image.span.1
    })
}

/// Runs in the child of a fork, which has no other thread.
///
/// The slots are sent through their shims once more, so that the first hot call starts a runtime
/// of the child's own, and then goes where calls went before.
unsafe extern "C" fn forked() {
    let domain = Domain::own();
    let lock = domain.transaction.try_lock();
    if lock.is_none() || domain.settings.is_locked() || domain.history.is_locked() {
        // A thread of the parent was at work with these; here nobody will ever finish that.
        // Release: pairs with the Acquire in `begin`.
        domain.orphaned.store(true, Ordering::Release);
        return;
    }
    domain.holder.store(0, Ordering::Relaxed);
    for live in domain.registry.load().functions().values().flatten() {
        live.head.rearm();
    }
}

/// An outcome for one more reader.
fn echo(outcome: &Result<Report, Error>) -> Result<Report, Error> {
    match outcome {
        Ok(report) => Ok(report.clone()),
        Err(Error::Refused { path, functions }) => {
            Err(Error::Refused { path: path.clone(), functions: functions.clone() })
        }
        Err(error) => {
            Err(Error::Domain { kind: error.kind(), message: error.chain(), hint: error.hint() })
        }
    }
}
