//! The domain: the one runtime of a process, whatever number of images have hot functions.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use midair_trampolines::os;
use midair_trampolines::section::Section;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::artifact::{Artifact, Stamp};
use crate::copies::Copies;
use crate::error::Error;
use crate::load::{Loader, SharedLibrary};
use crate::notice;
use crate::patch::Patch;
use crate::registry::Registry;
use crate::report::{Report, Timings};
use crate::{Missing, Require};

/// The state of the one runtime.
pub(crate) struct Domain {
    locks: AtomicPtr<Locks>,
    registry: ArcSwap<Registry>,
    settings: ArcSwap<Settings>,
    listeners: ArcSwap<Vec<Arc<dyn Listener>>>,
    generation: AtomicU64,
    /// One more than the number of the image whose functions are being stored into slots; 0 when
    /// none is.
    committing: AtomicUsize,
}

static DOMAIN: AtomicPtr<Domain> = AtomicPtr::new(ptr::null_mut());

/// What only one thread may touch at a time.
///
/// A forked child gets a new one: whoever held a lock of the old one is not there.
#[derive(Default)]
struct Locks {
    /// Held from reading an artifact to its last store: one patch at a time.
    transaction: Mutex<Transaction>,
    /// The thread that holds `transaction`, so that a patch's own constructor which asks for a
    /// patch is told so instead of waiting for itself.
    holder: AtomicU64,
    /// The state of each artifact when it was last committed.
    committed: Mutex<HashMap<PathBuf, Stamp>>,
    attempts: Mutex<Attempts>,
    changed: Condvar,
}

/// What belongs to the patch under way and to all before it.
#[derive(Default)]
struct Transaction {
    copies: Copies,
    /// Sections that images reported, for those that no note tells of.
    reported: Vec<Section>,
}

/// What the program has asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) missing: Missing,
    pub(crate) require: Require,
    pub(crate) copies: Option<PathBuf>,
}

/// The attempts so far.
#[derive(Default)]
struct Attempts {
    count: u64,
    last: Option<Arc<Result<Report, Error>>>,
}

/// How long a patch waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody who wants to know of patches and refusals.
pub(crate) trait Listener: Send + Sync {
    /// Called after each attempt, on the thread that made it, with no lock of the runtime held.
    fn attempted(&self, outcome: &Result<Report, Error>);
}

impl Domain {
    /// The domain of this copy of midair. Whether it is *the* domain of the process is decided by
    /// [`connect`](crate::connection::connect).
    pub(crate) fn own() -> &'static Self {
        if let Some(domain) = Self::made() {
            return domain;
        }
        // Two threads may both make one; no lock is taken that a forked child could inherit.
        let made = Box::into_raw(Box::new(Self {
            locks: AtomicPtr::new(Box::leak(Box::default())),
            registry: ArcSwap::default(),
            settings: ArcSwap::default(),
            listeners: ArcSwap::default(),
            generation: AtomicU64::new(0),
            committing: AtomicUsize::new(0),
        }));
        // Release: pairs with the Acquire in `made`.
        let order = (Ordering::AcqRel, Ordering::Acquire);
        if DOMAIN.compare_exchange(ptr::null_mut(), made, order.0, order.1).is_ok() {
            os::at_fork_child(forked);
        } else {
            // SAFETY: nobody else has seen this box.
            drop(unsafe { Box::from_raw(made) });
        }
        Self::made().expect("one of the two was stored")
    }

    fn made() -> Option<&'static Self> {
        // Acquire: pairs with the Release in `own`.
        // SAFETY: null or the address of a leaked box.
        unsafe { DOMAIN.load(Ordering::Acquire).as_ref() }
    }

    fn locks(&self) -> &'static Locks {
        // Acquire: pairs with the Release in `renew`.
        // SAFETY: always the address of a leaked `Locks`.
        unsafe { &*self.locks.load(Ordering::Acquire) }
    }

    /// The images and functions as of the last scan.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.registry.load_full()
    }

    /// Changes what the program has asked for.
    pub(crate) fn configure(&self, change: impl Fn(&mut Settings)) {
        self.settings.rcu(|settings| {
            let mut settings = Settings::clone(settings);
            change(&mut settings);
            settings
        });
    }

    /// Makes `section` known, and every other image that was loaded meanwhile.
    ///
    /// # Errors
    /// [`Error::Busy`] from within a patch's constructor, [`Error::Unsupported`].
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
        self.locks().committed.lock().get(path).copied()
    }

    /// Checks, loads and commits the artifact at `path`, and tells everybody who wants to know.
    ///
    /// # Errors
    /// See [`reload`](crate::reload).
    pub(crate) fn reload(&self, path: &Path) -> Result<Report, Error> {
        let outcome = self.attempt(path, None);
        // A thread that is told to wait for itself holds the transaction: nobody may be called.
        if !matches!(outcome, Err(Error::Busy)) {
            self.publish(&outcome);
        }
        outcome
    }

    /// Checks, loads and commits the artifact at `path`, as a new edition of the image whose
    /// section is `of` if that is known, and tells nobody: [`publish`](Self::publish) is to
    /// follow, unless the file turned out to be unfinished.
    pub(crate) fn attempt(&self, path: &Path, of: Option<Section>) -> Result<Report, Error> {
        let mut transaction = self.begin()?;
        let transaction = &mut *transaction;
        self.rescan(transaction)?;
        let settings = self.settings.load_full();
        let mut timings = Timings::default();
        let mut clock = Instant::now();
        let mut lap =
            |slot: &mut Duration| *slot = std::mem::replace(&mut clock, Instant::now()).elapsed();

        let stamp = Stamp::of(path);
        let artifact = Artifact::open(path)?;
        lap(&mut timings.read);
        let manifest = artifact.manifest()?;
        let registry = self.registry();
        let unit = of.and_then(|section| registry.image_of(section));
        let patch = Patch::check(&artifact, &manifest, &registry, &settings, unit)?;
        lap(&mut timings.check);
        let root = settings.copies.as_deref();
        let mut loader = SharedLibrary { copies: &mut transaction.copies, root };
        let loaded = loader.load(&artifact, &manifest, crate::table::own().cast())?;
        let next = Arc::new(registry.with_patch(path, &loaded, &patch)?);
        self.registry.store(Arc::clone(&next));
        lap(&mut timings.load);
        let generation = self.commit(&next);
        lap(&mut timings.commit);

        loaded.rest.write(&artifact);
        if let Some(stamp) = stamp {
            self.locks().committed.lock().insert(path.to_owned(), stamp);
        }
        transaction.copies.prune(|copy| in_use(&next, copy));
        Ok(Report { generation, path: path.to_owned(), functions: patch.functions, timings })
    }

    /// Sends the callers of the image that was added last to its functions, and returns the number
    /// of the patch. A child that is forked meanwhile goes on where its parent was.
    fn commit(&self, registry: &Registry) -> u64 {
        let new = registry.images().len() - 1;
        // Release: pairs with the Acquire in `renew`, which the same thread or a copy of it does.
        self.committing.store(new + 1, Ordering::Release);
        // Before the first store, so that whoever has met new code reads its number. Relaxed: the
        // stores into slots that follow are Releases.
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        Patch::commit(registry, new);
        self.committing.store(0, Ordering::Release);
        generation
    }

    fn begin(&self) -> Result<Held, Error> {
        let locks = self.locks();
        // Relaxed: only this thread ever writes its own number, so it sees it if it is there.
        if locks.holder.load(Ordering::Relaxed) == this_thread() {
            return Err(Error::Busy);
        }
        let transaction = locks.transaction.try_lock_for(PATIENCE).ok_or(Error::Busy)?;
        locks.holder.store(this_thread(), Ordering::Relaxed);
        Ok(Held { locks, transaction })
    }

    /// Makes a domain of its own out of the copy that a forked child has, which has no thread but
    /// the caller: new locks, a commit brought to its end, and every slot sent through its shim
    /// once more, so that the first hot call starts the child's own runtime.
    fn renew(&self) {
        let old = self.locks();
        let locks = Locks::default();
        if let Some(before) = old.transaction.try_lock() {
            locks.transaction.lock().reported.clone_from(&before.reported);
        }
        if let Some(before) = old.committed.try_lock() {
            locks.committed.lock().clone_from(&before);
        }
        // Release: pairs with the Acquire in `locks`.
        self.locks.store(Box::leak(Box::new(locks)), Ordering::Release);
        let registry = self.registry.load();
        if let Some(new) = self.committing.swap(0, Ordering::AcqRel).checked_sub(1) {
            Patch::commit(&registry, new);
        }
        for live in registry.functions().values().flatten() {
            live.head.rearm();
        }
    }

    fn rescan(&self, transaction: &Transaction) -> Result<(), Error> {
        let next = self.registry().rescanned(&transaction.reported)?;
        self.registry.store(next);
        Ok(())
    }

    /// Tells everybody who wants to know what came of an attempt.
    pub(crate) fn publish(&self, outcome: &Result<Report, Error>) {
        match outcome {
            Ok(report) => notice::info(format_args!("{report}")),
            Err(error) => {
                notice::warn(format_args!("refused, the old code goes on: {}", error.explain()));
            }
        }
        {
            let locks = self.locks();
            let mut attempts = locks.attempts.lock();
            attempts.count += 1;
            attempts.last = Some(Arc::new(echo(outcome)));
            locks.changed.notify_all();
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
        self.generation.load(Ordering::Relaxed)
    }

    /// The outcome of the next attempt, or [`Error::TimedOut`].
    pub(crate) fn wait(&self, timeout: Duration) -> Result<Report, Error> {
        let started = Instant::now();
        let locks = self.locks();
        let mut attempts = locks.attempts.lock();
        let before = attempts.count;
        while attempts.count == before {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() || locks.changed.wait_for(&mut attempts, left).timed_out() {
                break;
            }
        }
        match &attempts.last {
            Some(outcome) if attempts.count != before => echo(outcome),
            _ => Err(Error::TimedOut { waited: timeout }),
        }
    }
}

/// The transaction lock, with its holder known while it is held.
struct Held {
    locks: &'static Locks,
    transaction: MutexGuard<'static, Transaction>,
}

impl std::ops::Deref for Held {
    type Target = Transaction;
    fn deref(&self) -> &Transaction {
        &self.transaction
    }
}

impl std::ops::DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Transaction {
        &mut self.transaction
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.locks.holder.store(0, Ordering::Relaxed);
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

/// Runs in the child of a fork, before anything else of it does.
unsafe extern "C" fn forked() {
    if let Some(domain) = Domain::made() {
        domain.renew();
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
