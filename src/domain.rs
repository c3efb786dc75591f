//! The domain: the one runtime of a process, whatever number of images have hot functions.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use midair_trampolines::os;
use midair_trampolines::routes::EPOCHS;
use midair_trampolines::scope::{Epoch, PINS, pinned};
use midair_trampolines::section::Section;
use parking_lot::{Condvar, Mutex};

use crate::artifact::Stamp;
use crate::copies::Copies;
use crate::desk::Desk;
use crate::error::{Error, ErrorKind};
use crate::failpoint::{Failpoint, passed, reached};
use crate::hand_over::{Failing, HandOver};
use crate::health::Health;
use crate::history::{PatchRecord, Refusals};
use crate::hook::{Values, Why};
use crate::notice;
use crate::registry::Registry;
use crate::report::Report;
use crate::stages::Read;
use crate::transition::{Progress, Side, Transition};
use crate::{Level, Missing, Require};

/// The state of the one runtime.
pub(crate) struct Domain {
    locks: AtomicPtr<Locks>,
    /// What is known of the process: images, functions, generations.
    side: ArcSwap<Side>,
    settings: ArcSwap<Settings>,
    listeners: ArcSwap<Vec<Arc<dyn Listener>>>,
    /// The transition that is under way, until nobody is left in a scope from before.
    transition: ArcSwapOption<Transition>,
    /// The number of the generation that runs, by epoch: who reads an epoch reads its number.
    generations: [AtomicU64; EPOCHS],
    /// Transactions that somebody takes step by step.
    desk: Desk,
}

static DOMAIN: AtomicPtr<Domain> = AtomicPtr::new(ptr::null_mut());

/// What only one thread may touch at a time.
///
/// A forked child gets a new one: whoever held a lock of the old one is not there.
#[derive(Default)]
struct Locks {
    /// Whether a transaction is under way, and what it works with while none is.
    idle: Mutex<Option<Transaction>>,
    ended: Condvar,
    /// The thread that began the transaction under way, so that a patch's own constructor which
    /// asks for a patch is told so instead of waiting for itself.
    holder: AtomicU64,
    /// Held by whoever brings a transition one step further.
    steps: Mutex<()>,
    /// The state of each artifact when it was last committed.
    committed: Mutex<HashMap<PathBuf, Stamp>>,
    attempts: Mutex<Attempts>,
    changed: Condvar,
    /// What one generation left for another.
    values: Values,
}

impl Locks {
    fn new(transaction: Transaction, values: Values) -> &'static Self {
        let locks = Self { idle: Mutex::new(Some(transaction)), values, ..Self::default() };
        Box::leak(Box::new(locks))
    }
}

/// What belongs to the patch under way and to all before it.
#[derive(Default)]
pub(crate) struct Transaction {
    pub(crate) copies: Copies,
    /// Sections that images reported, for those that no note tells of.
    reported: Vec<Section>,
}

/// What the program has asked for.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) missing: Missing,
    pub(crate) require: Require,
    pub(crate) level: Level,
    /// What decides whether a patch is kept, and for how long it is asked.
    pub(crate) health: Option<(Duration, Arc<dyn Health>)>,
    pub(crate) copies: Option<PathBuf>,
    /// How long a hook, or a migration, may take.
    pub(crate) hook_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            missing: Missing::default(),
            require: Require::default(),
            level: Level::default(),
            health: None,
            copies: None,
            hook_deadline: Duration::from_secs(5),
        }
    }
}

/// The attempts so far.
#[derive(Default)]
struct Attempts {
    count: u64,
    last: Option<Arc<Result<Report, Error>>>,
    refusals: Refusals,
}

/// How long a patch waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// For how long a transition is brought to its end by the thread that began it; then another one
/// waits for those who are left in old scopes.
const AT_ONCE: Duration = Duration::from_millis(1);

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
            locks: AtomicPtr::new(
                ptr::from_ref(Locks::new(Transaction::default(), Values::default())).cast_mut(),
            ),
            side: ArcSwap::default(),
            settings: ArcSwap::from_pointee(Settings::default()),
            listeners: ArcSwap::default(),
            transition: ArcSwapOption::empty(),
            generations: [const { AtomicU64::new(0) }; EPOCHS],
            desk: Desk::default(),
        }));
        // Release: pairs with the Acquire in `made`.
        let order = (Ordering::AcqRel, Ordering::Acquire);
        if DOMAIN.compare_exchange(ptr::null_mut(), made, order.0, order.1).is_ok() {
            os::barrier::prepare();
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
        Arc::clone(&self.side.load().registry)
    }

    /// The generations and attempts so far, oldest first.
    pub(crate) fn history(&self) -> Vec<PatchRecord> {
        let history = Arc::clone(&self.side.load().history);
        let digest = |number| history.generation(number)?.kept.as_ref()?.digest();
        let mut entries = history.entries().to_vec();
        for entry in &mut entries {
            entry.digest = digest(entry.generation);
        }
        entries.extend(self.locks().attempts.lock().refusals.iter().cloned());
        entries.sort_by_key(|entry| entry.time);
        entries
    }

    /// What is known of the process.
    pub(crate) fn side(&self) -> Side {
        Side::clone(&self.side.load())
    }

    /// Takes over what is known of the process after a transaction that came to nothing.
    pub(crate) fn adopt(&self, side: Side) {
        self.side.store(Arc::new(side));
    }

    /// What the program has asked for.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Changes what the program has asked for.
    pub(crate) fn configure(&self, change: impl Fn(&mut Settings)) {
        self.settings.rcu(|settings| {
            let mut settings = Settings::clone(settings);
            change(&mut settings);
            settings
        });
    }

    /// Lets `health` decide whether patches are kept, asked for as long as `duration`.
    pub(crate) fn set_health(&self, duration: Duration, health: Arc<dyn Health>) {
        self.configure(|settings| settings.health = Some((duration, Arc::clone(&health))));
    }

    /// Makes `section` known, and every other image that was loaded meanwhile.
    ///
    /// # Errors
    /// [`Error::Busy`] from within a patch's constructor, [`Error::Unsupported`].
    pub(crate) fn join(&'static self, section: Section) -> Result<(), Error> {
        let mut held = self.begin()?;
        if !held.transaction.reported.contains(&section) {
            held.transaction.reported.push(section);
        }
        held.rescan()
    }

    /// The state in which `path` was last committed.
    #[cfg_attr(not(feature = "watch"), expect(dead_code, reason = "only who follows files asks"))]
    pub(crate) fn committed(&self, path: &Path) -> Option<Stamp> {
        self.locks().committed.lock().get(path).copied()
    }

    /// Takes note of the state in which `path` was committed.
    pub(crate) fn note_committed(&self, path: &Path, stamp: Stamp) {
        self.locks().committed.lock().insert(path.to_owned(), stamp);
    }

    /// Checks, loads and commits the artifact at `path`, and tells everybody who wants to know.
    ///
    /// # Errors
    /// See [`reload`](crate::reload).
    pub(crate) fn reload(&'static self, path: &Path) -> Result<Report, Error> {
        let outcome = self.attempt(path, None);
        // A thread that is told to wait for itself holds the transaction: nobody may be called.
        if !matches!(outcome, Err(Error::Busy)) {
            match &outcome {
                Ok(_) => self.publish(&outcome),
                Err(error) => {
                    // Whoever asked says it as they like: it is not told twice.
                    notice::debug(format_args!(
                        "refused, as its caller is told: {}",
                        error.explain()
                    ));
                    self.tell(&outcome);
                }
            }
        }
        outcome
    }

    /// Checks, loads and commits the artifact at `path`, as a new edition of the image whose
    /// section is `of` if that is known, and tells nobody: [`publish`](Self::publish) is to
    /// follow, unless the file turned out to be unfinished.
    pub(crate) fn attempt(
        &'static self,
        path: &Path,
        of: Option<Section>,
    ) -> Result<Report, Error> {
        let read = Read::open(path)?;
        let checked = read.check(self, of)?;
        if checked.is_repeat() {
            return Ok(checked.repeated());
        }
        let settings = self.settings();
        let provisional = checked.trust()?.load()?.prepare()?.commit(settings.level)?;
        match &settings.health {
            None => Ok(provisional.accept()),
            Some((duration, health)) => {
                let report = provisional.report().clone();
                provisional.try_out(*duration, Arc::clone(health))?;
                Ok(report)
            }
        }
    }

    /// Begins a transaction: one at a time, each when the transition of the one before has ended.
    ///
    /// # Errors
    /// [`Error::Busy`] and [`Error::Draining`], at once where waiting would be for oneself.
    pub(crate) fn begin(&'static self) -> Result<Held, Error> {
        let held = self.hold()?;
        let started = Instant::now();
        while !self.finish() {
            let Some(transition) = self.transition.load_full() else { continue };
            let ours = pinned().is_some_and(|epoch| epoch < PINS.clock().now().epoch());
            if ours || started.elapsed() >= PATIENCE {
                return Err(Error::Draining {
                    generation: transition.destination().generation(),
                    stragglers: transition.stragglers(),
                });
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(held)
    }

    /// Begins a transaction, whatever transition is under way.
    fn hold(&'static self) -> Result<Held, Error> {
        let locks = self.locks();
        // Relaxed: only this thread ever writes its own number, so it sees it if it is there.
        if locks.holder.load(Ordering::Relaxed) == this_thread() {
            return Err(Error::Busy);
        }
        let deadline = Instant::now() + PATIENCE;
        let mut idle = locks.idle.lock();
        let transaction = loop {
            if let Some(transaction) = idle.take() {
                break transaction;
            }
            if locks.ended.wait_until(&mut idle, deadline).timed_out() {
                return Err(Error::Busy);
            }
        };
        locks.holder.store(this_thread(), Ordering::Relaxed);
        Ok(Held { domain: self, locks, transaction })
    }

    /// Lets the calling thread count as the one that has begun the transaction under way: a hook
    /// that asks for a patch would wait for itself.
    pub(crate) fn hold_here(&self) {
        self.locks().holder.store(this_thread(), Ordering::Relaxed);
    }

    /// What one generation left for another.
    pub(crate) fn values(&self) -> Values {
        self.locks().values.clone()
    }

    /// The steps of transactions.
    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// How far the transition under way has come; `None` when none is.
    pub(crate) fn progress(&self) -> Option<Progress> {
        if self.finish() {
            return None;
        }
        self.transition.load().as_ref().map(|transition| transition.progress())
    }

    /// Goes back to generation `number`, or to the one that ran before; returns the one that runs
    /// now.
    ///
    /// # Errors
    /// See [`roll_back`](Self::roll_back).
    pub(crate) fn roll_back_to(&'static self, number: Option<u64>) -> Result<u64, Error> {
        let target = number.or_else(|| self.side().history.active().parent);
        // Generation 0 has none before it.
        let target = target.ok_or(Error::NoGeneration { number: 0 })?;
        self.roll_back(target, "the program asked for it", Failing::Refuse)?;
        Ok(target)
    }

    /// Goes back to generation `number`, for `reason`; returns what ran before.
    ///
    /// A transition that is under way is reversed, when it came from there.
    ///
    /// # Errors
    /// [`Error::NoGeneration`], [`Error::Busy`], [`Error::Draining`]; where hooks that fail count,
    /// [`Error::Hook`] and [`Error::Undo`].
    pub(crate) fn roll_back(
        &'static self,
        number: u64,
        reason: &str,
        failing: Failing,
    ) -> Result<u64, Error> {
        let held = self.hold()?;
        let before = self.side();
        let running = before.generation();
        let Some(generation) = before.history.generation(number) else {
            return Err(Error::NoGeneration { number });
        };
        if running == number {
            return Ok(running);
        }
        let registry = Arc::new(before.registry.running(generation.editions.clone()));
        let under_way = !self.finish() && self.announce_reversal(number)?;
        let hand_over = HandOver {
            domain: self,
            before: &before,
            registry: Arc::clone(&registry),
            generation: number,
            fresh: None,
            why: Why::Rollback,
            path: Path::new(""),
        };
        let (handed, reason) = hand_over.back(under_way, reason, failing)?;
        reached(Failpoint::RollBack)?;
        let history = Arc::new(before.history.rolled_back(number, &reason));
        let after = Side { registry, history };
        // It may have come to its end meanwhile.
        if !self.reverse(&after)? {
            self.change(Transition::plan(before, after), || {});
        }
        handed.keep();
        drop(held);
        self.finish_soon();
        notice::info(format_args!("generation {number} runs again: {reason}"));
        Ok(running)
    }

    /// Says where calls go when the transition under way is reversed, which leads back to
    /// generation `to`; whether one is under way.
    fn announce_reversal(&self, to: u64) -> Result<bool, Error> {
        let _alone = self.locks().steps.lock();
        let Some(transition) = self.transition.load_full() else { return Ok(false) };
        if transition.reversed_generation() != to || !transition.announce_reversal() {
            return Err(Error::Draining {
                generation: transition.destination().generation(),
                stragglers: transition.stragglers(),
            });
        }
        Ok(true)
    }

    /// Reverses the transition under way, which leads back to `after`; whether one is.
    fn reverse(&self, after: &Side) -> Result<bool, Error> {
        if !self.announce_reversal(after.generation())? {
            return Ok(false);
        }
        let _alone = self.locks().steps.lock();
        let Some(transition) = self.transition.load_full() else { return Ok(false) };
        self.number(Transition::next_epoch(), after.generation());
        transition.flip(|| {});
        self.side.store(Arc::new(after.clone()));
        Ok(true)
    }

    /// Carries out a transition up to the moment when it is visible; `swap` is done at that moment.
    /// From the first store on nothing can fail. Returns how long the stores took.
    pub(crate) fn change(&self, transition: Transition, swap: impl FnOnce()) -> Duration {
        let _alone = self.locks().steps.lock();
        self.number(Transition::next_epoch(), transition.destination_after().generation());
        transition.announce();
        let transition = Arc::new(transition);
        // A child that is forked from here on undoes what is not visible, and ends what is.
        self.transition.store(Some(Arc::clone(&transition)));
        let started = Instant::now();
        let mut took = Duration::ZERO;
        transition.route();
        passed(Failpoint::Route);
        swap();
        transition.flip(|| took = started.elapsed());
        passed(Failpoint::Flip);
        self.side.store(Arc::new(transition.destination().clone()));
        passed(Failpoint::Note);
        took
    }

    /// Takes note of the generation that runs in `epoch`.
    fn number(&self, epoch: Epoch, generation: u64) {
        // Relaxed: published by the flip that begins the epoch.
        self.generations[epoch.number() as usize % EPOCHS].store(generation, Ordering::Relaxed);
    }

    /// Ends the transition under way if nobody is left in an older scope; whether none is left.
    pub(crate) fn finish(&self) -> bool {
        if self.transition.load().is_none() {
            return true;
        }
        let _alone = self.locks().steps.lock();
        let Some(transition) = self.transition.load_full() else { return true };
        if !transition.is_drained() {
            return false;
        }
        passed(Failpoint::Drain);
        transition.settle();
        self.transition.store(None);
        true
    }

    /// Ends the transition under way, at once or by a thread that waits for those who are left in
    /// older scopes; whether it has ended.
    pub(crate) fn finish_soon(&'static self) -> bool {
        let started = Instant::now();
        while started.elapsed() < AT_ONCE {
            if self.finish() {
                return true;
            }
            std::thread::yield_now();
        }
        let drain = move || {
            let mut pause = Duration::from_micros(100);
            while !self.finish() {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(10));
            }
        };
        let thread = std::thread::Builder::new().name("midair-drain".to_owned());
        let spawn = || os::without_signals(|| thread.spawn(drain));
        let spawned = reached(Failpoint::Thread).map_err(std::io::Error::from);
        if let Err(source) = spawned.and_then(|()| spawn()) {
            // Whoever begins the next transaction ends this one first.
            let error = Error::Thread { source };
            notice::debug(format_args!("nobody waits for old scopes: {}", error.explain()));
        }
        false
    }

    /// Says that the generation `number` is to stay.
    pub(crate) fn accept(&self, number: u64) {
        self.side.rcu(|side| Side {
            registry: Arc::clone(&side.registry),
            history: Arc::new(side.history.now_accepted(number)),
        });
    }

    /// Takes generation `number` back because of `reason`, if it still runs, and tells everybody.
    pub(crate) fn take_back(&'static self, generation: u64, reason: String) {
        let side = self.side();
        if side.generation() != generation {
            return;
        }
        let outcome = match self.roll_back(side.history.accepted(), &reason, Failing::GoOn) {
            Ok(_) => Error::Unhealthy { generation, reason },
            Err(error) => error,
        };
        self.publish(&Err(outcome));
    }

    /// Makes a domain of its own out of the copy that a forked child has, which has no thread but
    /// the caller: new locks, a commit undone or brought to its end, and every slot sent through
    /// its shim once more, so that the first hot call starts the child's own runtime.
    fn renew(&self) {
        let old = self.locks();
        let mut transaction = Transaction::default();
        if let Some(before) = old.idle.try_lock()
            && let Some(before) = &*before
        {
            transaction.reported.clone_from(&before.reported);
        }
        let locks = Locks::new(transaction, old.values.renewed());
        if let Some(before) = old.committed.try_lock() {
            locks.committed.lock().clone_from(&before);
        }
        // Release: pairs with the Acquire in `locks`.
        self.locks.store(ptr::from_ref(locks).cast_mut(), Ordering::Release);
        PINS.forked();
        if let Some(transition) = self.transition.load_full() {
            transition.recount();
            self.side.store(Arc::new(transition.destination().clone()));
            if !transition.is_visible() {
                transition.settle();
                self.transition.store(None);
            }
            // Where the caller itself is in an old scope, its next transaction finds it ended.
            self.finish();
        }
        for live in self.registry().functions().values().flatten() {
            live.head.rearm();
        }
    }

    /// Takes note of what came of an attempt, and tells everybody who wants to know, and the person
    /// at the keyboard.
    pub(crate) fn publish(&self, outcome: &Result<Report, Error>) {
        match outcome {
            Ok(report) if report.repeated => {
                notice::debug(format_args!("{report}"));
                return;
            }
            Ok(report) => notice::info(format_args!("{report}")),
            Err(error) => {
                notice::warn(format_args!("refused, the old code goes on: {}", error.explain()));
            }
        }
        self.tell(outcome);
    }

    /// Takes note of what came of an attempt, wakes everybody who waits for one, and calls everybody
    /// who listens.
    fn tell(&self, outcome: &Result<Report, Error>) {
        {
            let locks = self.locks();
            let mut attempts = locks.attempts.lock();
            attempts.count += 1;
            // What was taken back is told of where it was committed.
            if let Err(error) = outcome
                && error.kind() != ErrorKind::Unhealthy
            {
                let path = error.path().map(Path::to_owned).unwrap_or_default();
                let running = self.side.load().generation();
                attempts.refusals.push(PatchRecord::refused(running, path, error.chain()));
            }
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

    /// The number of the generation that calls made now run: in a scope, that of the scope.
    pub(crate) fn generation(&self) -> u64 {
        let epoch = pinned().unwrap_or_else(|| PINS.clock().now().epoch());
        // Relaxed: the flip that began the epoch published it.
        self.generations[epoch.number() as usize % EPOCHS].load(Ordering::Relaxed)
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

/// The right to change what runs: one transaction has it at a time, on whatever thread.
pub(crate) struct Held {
    pub(crate) domain: &'static Domain,
    locks: &'static Locks,
    pub(crate) transaction: Transaction,
}

impl Held {
    /// Makes every image known that was loaded since the last scan.
    pub(crate) fn rescan(&self) -> Result<(), Error> {
        let side = self.domain.side();
        let registry = side.registry.rescanned(&self.transaction.reported)?;
        self.domain.side.store(Arc::new(Side { registry, ..side }));
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.locks.holder.store(0, Ordering::Relaxed);
        *self.locks.idle.lock() = Some(std::mem::take(&mut self.transaction));
        self.locks.ended.notify_one();
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
