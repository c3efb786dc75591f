//! The runtime as a program sees it: settings before, questions and wishes after.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use midair_trampolines::own_section;

use crate::connection::{Connection, connect};
use crate::domain::Listener;
use crate::error::{Error, ErrorKind};
use crate::health::Health;
use crate::history::{PatchOutcome, PatchRecord};
use crate::identity;
use crate::level::Level;
use crate::questions::{History, Reload, RollBack, UnderWay, Wait, Wishes};
use crate::report::Report;
use crate::table::Join;
use crate::transition::{Progress, Straggler};

/// What to do when an artifact lacks a function that the running program calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Missing {
    /// Refuse the whole patch.
    #[default]
    Refuse,
    /// Take the others; that function goes on with its old code.
    Keep,
}

/// How far the types of a function must have been compared for it to be exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Require {
    /// As far as both sides tell.
    #[default]
    Any,
    /// Field by field: a function whose types one side does not know is refused.
    Deep,
}

/// Whether the build output is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Watch {
    /// A thread follows it and patches by itself.
    #[default]
    On,
    /// Nothing happens until somebody calls [`reload`].
    Off,
}

/// The runtime of this process.
///
/// Nobody needs one to be patched: the first call of any hot function starts it. It is for those
/// who want another artifact, another policy, or to know what happens.
#[derive(Clone, Copy)]
pub struct Runtime {
    connection: Connection,
}

/// Settings of a [`Runtime`].
#[derive(Clone, Default)]
#[must_use = "nothing is set until `start` is called"]
pub struct RuntimeBuilder {
    artifact: Option<PathBuf>,
    watch: Watch,
    wishes: Wishes,
    health: Option<(Duration, Arc<dyn Health>)>,
}

impl RuntimeBuilder {
    /// Follows the artifact at `path`, instead of looking for the crate's own build output.
    pub fn artifact(mut self, path: impl Into<PathBuf>) -> Self {
        self.artifact = Some(path.into());
        self
    }

    /// What to do when an artifact lacks a function; the default is [`Missing::Refuse`].
    pub fn missing(mut self, missing: Missing) -> Self {
        self.wishes.missing = Some(missing);
        self
    }

    /// How far types must have been compared; the default is [`Require::Any`].
    pub fn require(mut self, require: Require) -> Self {
        self.wishes.require = Some(require);
        self
    }

    /// What other threads may see while a patch becomes visible; the default is
    /// [`Level::Immediate`].
    pub fn level(mut self, level: Level) -> Self {
        self.wishes.level = Some(level);
        self
    }

    /// Keeps a patch only if `health_check` finds nothing wrong for as long as `duration` after
    /// its commit: it is asked again and again, on a thread of midair's own. With the first
    /// complaint, or when it panics, the generation that was accepted last runs again, and
    /// [`on_refusal`] listeners learn of [`Error::Unhealthy`].
    ///
    /// A patch that follows meanwhile is built upon the one on trial; if it is found unwell
    /// itself, the one that was accepted last runs again.
    pub fn accept_within<E: fmt::Display>(
        mut self,
        duration: Duration,
        health_check: impl Fn() -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        let check = move || health_check().map_err(|error| error.to_string());
        self.health = Some((duration, Arc::new(check)));
        self
    }

    /// How long a hook, or a migration of a persistent static, may take; the default is five
    /// seconds. A patch whose hook takes longer is refused. See [`HookContext`](crate::HookContext).
    pub fn hook_deadline(mut self, deadline: Duration) -> Self {
        self.wishes.hook_deadline = Some(deadline);
        self
    }

    /// Whether to follow the build output; the default is [`Watch::On`].
    ///
    /// Without the feature `watch` nothing is ever followed.
    pub fn watch(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// Keeps the private copies of artifacts below `folder`; the default is `MIDAIR_COPIES`, then
    /// the system's folder for temporary files.
    pub fn copies(mut self, folder: impl Into<PathBuf>) -> Self {
        self.wishes.copies = Some(folder.into());
        self
    }

    /// Starts the runtime with these settings, or gives them to the one that runs already.
    ///
    /// It returns before the build output is found and followed, and may be called from a
    /// constructor.
    ///
    /// In a library that was itself loaded as a patch the settings go to the running program's
    /// domain, which follows what it followed before.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where patching does not work.
    pub fn start(self) -> Result<Runtime, Error> {
        let runtime = Runtime::current()?;
        runtime.connection.ask(self.wishes);
        if let Some((duration, health)) = self.health {
            match runtime.connection {
                Connection::Own(domain) => domain.set_health(duration, health),
                Connection::Remote(remote) => remote.set_health(duration, health),
            }
        }
        if crate::is_hotpatched() {
            return Ok(runtime);
        }
        let section = own_section!();
        crate::start::claim(section);
        crate::start::forget_claims_in_children();
        let join = Join {
            section,
            manifest_dir: PathBuf::new(),
            profile_dir: identity::PROFILE_DIR.into(),
            artifact: self.artifact,
            watch: self.watch,
        };
        runtime.connection.ask(join);
        Ok(runtime)
    }
}

impl Runtime {
    /// Settings, all at their defaults.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// The runtime of this process, started or not.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where patching does not work.
    pub fn current() -> Result<Self, Error> {
        connect().map(|connection| Self { connection })
    }

    /// Patches the program from the artifact at `path`. See [`reload`].
    ///
    /// # Errors
    /// See [`reload`].
    pub fn reload(&self, path: impl AsRef<Path>) -> Result<Report, Error> {
        self.connection.ask(Reload(path.as_ref().to_owned()))
    }

    /// Calls `listener` after each patch. See [`on_patch`].
    pub fn on_patch(&self, listener: impl Fn(&Report) + Send + Sync + 'static) {
        self.listen(Arc::new(OnPatch(listener)));
    }

    /// Calls `listener` after each refusal. See [`on_refusal`].
    pub fn on_refusal(&self, listener: impl Fn(&Error) + Send + Sync + 'static) {
        self.listen(Arc::new(OnRefusal(listener)));
    }

    fn listen(&self, listener: Arc<dyn Listener>) {
        match self.connection {
            Connection::Own(domain) => domain.listen(listener),
            Connection::Remote(remote) => remote.listen(listener),
        }
    }

    /// Waits for the next patch. See [`wait_for_patch`].
    ///
    /// # Errors
    /// See [`wait_for_patch`].
    pub fn wait_for_patch(&self, timeout: Duration) -> Result<Report, Error> {
        match self.connection.ask(Wait(timeout)) {
            Err(Error::Domain { kind: ErrorKind::TimedOut, .. }) => {
                Err(Error::TimedOut { waited: timeout })
            }
            outcome => outcome,
        }
    }

    /// The number of the generation that calls made now run. See [`generation`].
    #[must_use]
    pub fn generation(&self) -> u64 {
        match self.connection {
            Connection::Own(domain) => domain.generation(),
            Connection::Remote(remote) => remote.generation(),
        }
    }

    /// Every generation and attempt so far, oldest first. See [`history`].
    #[must_use]
    pub fn history(&self) -> Vec<PatchRecord> {
        self.connection.ask(History)
    }

    /// The generation that runs. See [`active`].
    ///
    /// # Panics
    /// Never: there is one at any time.
    #[must_use]
    pub fn active(&self) -> PatchRecord {
        let runs = |record: &PatchRecord| {
            matches!(record.outcome, PatchOutcome::Active | PatchOutcome::Provisional)
        };
        self.history().into_iter().rfind(runs).expect("one generation runs")
    }

    /// Goes back to the generation before. See [`rollback`].
    ///
    /// # Errors
    /// See [`rollback`].
    pub fn rollback(&self) -> Result<u64, Error> {
        self.roll_back_to(None)
    }

    /// Goes back, or on, to generation `number`. See [`rollback_to`].
    ///
    /// # Errors
    /// See [`rollback_to`].
    pub fn rollback_to(&self, number: u64) -> Result<u64, Error> {
        self.roll_back_to(Some(number))
    }

    fn roll_back_to(&self, number: Option<u64>) -> Result<u64, Error> {
        self.connection.ask(RollBack(number))
    }

    /// The transition under way, if one is. See [`transition`].
    #[must_use]
    pub fn transition(&self) -> TransitionStatus {
        TransitionStatus { runtime: *self }
    }
}

/// The way from one generation to the next, as far as it is not over.
#[derive(Clone, Copy, Debug)]
pub struct TransitionStatus {
    runtime: Runtime,
}

impl TransitionStatus {
    /// How far it has come; `None` when none is under way.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.runtime.connection.ask(UnderWay)
    }

    /// Who is still in a scope from before it.
    #[must_use]
    pub fn stragglers(&self) -> Vec<Straggler> {
        self.progress().map(|progress| progress.stragglers).unwrap_or_default()
    }

    /// Waits until nobody is.
    ///
    /// # Errors
    /// [`Error::Draining`] when somebody still is after `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            match self.progress() {
                None => return Ok(()),
                Some(Progress { to, stragglers, .. }) if started.elapsed() >= timeout => {
                    return Err(Error::Draining { generation: to, stragglers });
                }
                Some(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    }
}

impl fmt::Debug for RuntimeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeBuilder")
            .field("artifact", &self.artifact)
            .field("watch", &self.watch)
            .field("wishes", &self.wishes)
            .field("accept_within", &self.health.as_ref().map(|(duration, _)| duration))
            .finish()
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

struct OnPatch<F>(F);

impl<F: Fn(&Report) + Send + Sync> Listener for OnPatch<F> {
    fn attempted(&self, outcome: &Result<Report, Error>) {
        if let Ok(report) = outcome {
            (self.0)(report);
        }
    }
}

struct OnRefusal<F>(F);

impl<F: Fn(&Error) + Send + Sync> Listener for OnRefusal<F> {
    fn attempted(&self, outcome: &Result<Report, Error>) {
        if let Err(error) = outcome {
            (self.0)(error);
        }
    }
}

/// Patches the program from the artifact at `path`: reads it, checks it, loads a private copy of
/// it, and sends every caller of its hot functions to the new code.
///
/// It may be called from any thread, also from within a hot function or from within a patch; a
/// second caller waits for the first. It may not be called from a constructor: the patch under way
/// may be waiting for the lock of the loader that the constructor holds. Nothing of the artifact runs before it was checked, and
/// whatever is refused leaves every function as it was.
///
/// # Errors
/// Each variant of [`Error`]; [`Error::hint`] says what to do next. In all of them the old code
/// goes on. [`Error::Busy`] comes from within the constructor of a library that is being loaded
/// as a patch, and when another patch is still under way after ten seconds.
///
/// # Examples
/// ```no_run
/// match midair::reload("target/debug/libgame.so") {
///     Ok(report) => println!("{report}"),
///     Err(error) => eprintln!("{}", error.explain()),
/// }
/// ```
pub fn reload(path: impl AsRef<Path>) -> Result<Report, Error> {
    Runtime::current()?.reload(path)
}

/// Calls `listener` after each patch, on the thread that made it, for as long as the process
/// lives.
///
/// # Errors
/// [`Error::Unsupported`] where patching does not work.
pub fn on_patch(listener: impl Fn(&Report) + Send + Sync + 'static) -> Result<(), Error> {
    Runtime::current()?.on_patch(listener);
    Ok(())
}

/// Calls `listener` with the reason whenever an artifact is refused, on the thread that tried it.
///
/// # Errors
/// [`Error::Unsupported`] where patching does not work.
pub fn on_refusal(listener: impl Fn(&Error) + Send + Sync + 'static) -> Result<(), Error> {
    Runtime::current()?.on_refusal(listener);
    Ok(())
}

/// Waits until the next patch is committed or refused, and returns its report or its reason.
///
/// A patch that came before the call does not count: whoever must not miss one compares
/// [`generation`] first, or uses [`on_patch`].
///
/// # Errors
/// The reason of a refusal, and [`Error::TimedOut`] when nothing came within `timeout`.
pub fn wait_for_patch(timeout: Duration) -> Result<Report, Error> {
    Runtime::current()?.wait_for_patch(timeout)
}

/// The number of the generation that calls made now run; 0 is the code that the program started
/// with. In a [scope](crate::scope()) it is that of the scope.
///
/// # Examples
/// ```
/// assert_eq!(midair::generation(), 0);
/// ```
#[must_use]
pub fn generation() -> u64 {
    Runtime::current().map_or(0, |runtime| runtime.generation())
}

/// Every generation of this process and every attempt that was refused, oldest first; the first
/// one is generation 0, the code that the program started with.
///
/// # Errors
/// [`Error::Unsupported`] where patching does not work.
pub fn history() -> Result<Vec<PatchRecord>, Error> {
    Ok(Runtime::current()?.history())
}

/// The generation that runs.
///
/// # Errors
/// [`Error::Unsupported`] where patching does not work.
pub fn active() -> Result<PatchRecord, Error> {
    Ok(Runtime::current()?.active())
}

/// Goes back to the generation that ran before the one that runs, and returns its number.
///
/// Callers change as they do for a patch: all functions at one instant, scopes keep what they saw.
/// It may be called from within a hot function, and while a transition is under way, which is
/// reversed then.
///
/// # Errors
/// [`Error::NoGeneration`] when the code that the program started with runs; [`Error::Busy`];
/// [`Error::Draining`] when the transition under way came from somewhere else.
pub fn rollback() -> Result<u64, Error> {
    Runtime::current()?.rollback()
}

/// Goes back, or on, to generation `number`, and returns it; 0 is the code that the program started
/// with.
///
/// # Errors
/// [`Error::NoGeneration`], [`Error::Busy`]; [`Error::Draining`] when the transition under way did
/// not come from there.
pub fn rollback_to(number: u64) -> Result<u64, Error> {
    Runtime::current()?.rollback_to(number)
}

/// The way from the generation before to the one that runs, as far as it is not over.
///
/// # Errors
/// [`Error::Unsupported`] where patching does not work.
pub fn transition() -> Result<TransitionStatus, Error> {
    Ok(Runtime::current()?.transition())
}
