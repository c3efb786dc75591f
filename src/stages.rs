//! The life of a patch: each state a type, each step a method that consumes it and may fail,
//! until the commit, which stores and cannot.
//!
//! The states hold the one transaction of the domain from [`Checked`] on. Dropping one of them
//! undoes what it did; only constructors that ran cannot be undone.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use midair_trampolines::os;
use midair_trampolines::section::Section;

use crate::Level;
use crate::artifact::{Artifact, Stamp};
use crate::digest::Digest;
use crate::domain::{Domain, Held};
use crate::error::Error;
use crate::failpoint::{Failpoint, passed, reached};
use crate::hand_over::{Failing, HandOver, HandedOver};
use crate::health::{Health, healthy};
use crate::history::{Generation, Goal, PatchOutcome, PatchRecord};
use crate::hook::Why;
use crate::load::{self, Loader, SharedLibrary};
use crate::manifest::Manifest;
use crate::patch::Patch;
use crate::registry::Registry;
use crate::report::{Report, Timings};
use crate::transition::{ClosedGate, Side, Transition};

/// An artifact's bytes, and what they say of themselves.
#[derive(Debug)]
pub(crate) struct Read {
    artifact: Artifact,
    manifest: Manifest,
    stamp: Option<Stamp>,
    timings: Timings,
}

/// An artifact that fits the running program.
pub(crate) struct Checked {
    read: Read,
    held: Held,
    patch: Patch,
    repeated: bool,
}

/// An artifact that may be loaded.
pub(crate) struct Trusted {
    checked: Checked,
}

/// An artifact whose code is in the process; its constructors have run, nobody else calls it.
pub(crate) struct Loaded {
    patch: Patch,
    timings: Timings,
    pending: Pending,
}

/// A patch with nothing left to do that could fail, but for a moment without scopes.
///
/// The order of the fields is that of the undo.
pub(crate) struct Prepared {
    handed: Option<Box<HandedOver>>,
    loaded: Loaded,
}

/// A patch that runs, and may still be taken back.
pub(crate) struct Provisional {
    domain: &'static Domain,
    report: Report,
}

impl Read {
    /// Reads the file at `path` whole, and what it says of itself.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let started = Instant::now();
        let stamp = Stamp::of(path);
        let artifact = Artifact::open(path)?;
        reached(Failpoint::Read)?;
        let mut timings = Timings { read: started.elapsed(), ..Timings::default() };
        let started = Instant::now();
        let manifest = artifact.manifest()?;
        timings.check = started.elapsed();
        Ok(Self { artifact, manifest, stamp, timings })
    }

    /// Compares it with the running program, as a new edition of the image whose section is `of`
    /// if that is known.
    ///
    /// # Errors
    /// Why it does not fit; [`Error::Busy`] and [`Error::Draining`] when its turn does not come.
    pub(crate) fn check(
        mut self,
        domain: &'static Domain,
        of: Option<Section>,
    ) -> Result<Checked, Error> {
        let held = domain.begin()?;
        held.rescan()?;
        let started = Instant::now();
        let (registry, settings) = (domain.registry(), domain.settings());
        let unit = of.and_then(|section| registry.image_of(section));
        let patch = Patch::check(&self.artifact, &self.manifest, &registry, &settings, unit)?;
        let repeated = is_repeat(&domain.side(), &patch, &self.artifact);
        if let Some(base) = self.manifest.base.filter(|_| !repeated) {
            let running = running_digest(&domain.side(), patch.unit);
            if running != Some(base) {
                let path = self.artifact.path().to_owned();
                return Err(Error::Base { path, base, running });
            }
        }
        reached(Failpoint::Check)?;
        self.timings.check += started.elapsed();
        Ok(Checked { read: self, held, patch, repeated })
    }
}

impl Checked {
    /// What would be done.
    pub(crate) fn report(&self) -> Report {
        planned(self.held.domain, self.read.artifact.path(), &self.patch, self.read.timings)
    }

    /// Whether it is the very file that runs already, wherever it would.
    pub(crate) const fn is_repeat(&self) -> bool {
        self.repeated
    }

    /// The report of a patch that there is no need for.
    pub(crate) fn repeated(self) -> Report {
        if let Some(stamp) = self.read.stamp {
            self.held.domain.note_committed(self.read.artifact.path(), stamp);
        }
        Report {
            generation: self.held.domain.side().generation(),
            path: self.read.artifact.path().to_owned(),
            functions: Vec::new(),
            timings: self.read.timings,
            repeated: true,
            drained: true,
        }
    }

    /// Decides whether it may be loaded.
    ///
    /// # Errors
    /// None yet: nobody can ask for signatures.
    pub(crate) fn trust(self) -> Result<Trusted, Error> {
        reached(Failpoint::Trust)?;
        Ok(Trusted { checked: self })
    }
}

impl Trusted {
    /// Loads a private copy of it; its constructors run.
    ///
    /// # Errors
    /// [`Error::Copy`], [`Error::Load`], [`Error::Bound`], [`Error::Records`].
    pub(crate) fn load(self) -> Result<Loaded, Error> {
        let Checked { read, mut held, patch, .. } = self.checked;
        let Read { artifact, manifest, stamp, mut timings } = read;
        let started = Instant::now();
        let settings = held.domain.settings();
        let root = settings.copies.as_deref();
        let mut loader = SharedLibrary { copies: &mut held.transaction.copies, root };
        let seed = crate::table::own().cast();
        let loaded = loader.load(&artifact, &manifest, seed, &patch.state.instances(&manifest))?;
        let before = held.domain.side();
        let registry = before.registry.with_patch(artifact.path(), &loaded, &patch);
        let registry = Arc::new(registry.inspect_err(|_| {
            held.transaction.copies.discard(loaded.kept.path());
        })?);
        timings.load = started.elapsed();
        let pending = Pending(Some(Taken { held, artifact, stamp, loaded, before, registry }));
        reached(Failpoint::Records)?;
        Ok(Loaded { patch, timings, pending })
    }
}

impl Loaded {
    /// What would be done.
    pub(crate) fn report(&self) -> Report {
        let taken = self.pending.taken();
        planned(taken.held.domain, taken.artifact.path(), &self.patch, self.timings)
    }

    /// Does everything that remains to be done and may fail: runs the hooks. Where state is
    /// migrated, they wait for the moment without scopes that [`commit`](Prepared::commit) finds.
    ///
    /// # Errors
    /// [`Error::Hook`], [`Error::Undo`]; what was done is undone.
    pub(crate) fn prepare(self) -> Result<Prepared, Error> {
        let migrates = self.patch.state.migrates().is_some();
        let handed = if migrates { None } else { Some(Box::new(self.hand_over()?)) };
        Ok(Prepared { handed, loaded: self })
    }

    fn hand_over(&self) -> Result<HandedOver, Error> {
        let Taken { held, artifact, before, registry, .. } = self.pending.taken();
        let fresh = registry.images().len() - 1;
        let editions = registry.editions().with(self.patch.units.iter().copied(), fresh);
        let hand_over = HandOver {
            domain: held.domain,
            before,
            registry: Arc::new(registry.running(editions)),
            generation: before.history.next_number(),
            fresh: Some(fresh),
            why: Why::Patch,
            path: artifact.path(),
        };
        hand_over.run(&self.patch.state)
    }
}

impl Prepared {
    /// What would be done.
    pub(crate) fn report(&self) -> Report {
        self.loaded.report()
    }

    /// Makes the new code visible.
    ///
    /// # Errors
    /// [`Error::NotQuiescent`]; where state is migrated also [`Error::NeedsQuiescence`] and what the
    /// hand-over says. Nothing has changed then.
    pub(crate) fn commit(self, level: Level) -> Result<Provisional, Error> {
        let gate = self.close(level)?;
        reached(Failpoint::Quiescence)?;
        let Self { handed, loaded } = self;
        let handed = match handed {
            Some(handed) => *handed,
            None => loaded.hand_over()?,
        };
        let Loaded { patch, mut timings, pending } = loaded;
        let domain = pending.taken().held.domain;
        handed.keep();
        let Taken { mut held, artifact, stamp, loaded, registry, .. } = pending.take();
        // What runs may have been accepted since it was loaded.
        let telling = domain.telling();
        let before = domain.side();
        let fresh = registry.images().len() - 1;
        let number = before.history.next_number();
        let editions = registry.editions().with(patch.units.iter().copied(), fresh);
        let generation = Generation {
            number,
            editions: editions.clone(),
            parent: Some(before.generation()),
            image: Some(fresh),
            kept: Some(loaded.kept),
        };
        let entry = PatchRecord {
            generation: number,
            path: artifact.path().to_owned(),
            digest: None,
            time: SystemTime::now(),
            changed: patch.changed(),
            outcome: PatchOutcome::Provisional,
            reason: None,
        };
        let history = Arc::new(before.history.committed(generation, entry));
        let registry = registry.without_types_before(fresh).running(editions);
        let after = Side { registry: Arc::new(registry), history };
        timings.commit = domain.change(Transition::plan(before, after), || {});
        drop(telling);
        drop(gate);

        loaded.rest.write(&artifact);
        if let Some(stamp) = stamp {
            domain.note_committed(artifact.path(), stamp);
        }
        passed(Failpoint::Complete);
        let registry = domain.registry();
        held.transaction.copies.prune(|copy| {
            let image = registry.images().iter().position(|image| image.path == copy);
            image.is_some_and(|image| registry.is_in_use(image))
        });
        drop(held);
        let drained = domain.finish_soon(level);
        let report = Report {
            generation: number,
            path: artifact.path().to_owned(),
            functions: patch.functions,
            timings,
            repeated: false,
            drained,
        };
        Ok(Provisional { domain, report })
    }
}

impl Prepared {
    /// Closes the gate, where the level or a migration asks for it.
    fn close(&self, level: Level) -> Result<Option<ClosedGate>, Error> {
        let Taken { before, artifact, .. } = self.loaded.pending.taken();
        match (level, self.loaded.patch.state.migrates()) {
            (Level::Quiescent { deadline }, _) => {
                let not_quiescent = |stragglers| Error::NotQuiescent { deadline, stragglers };
                let gate = ClosedGate::close(deadline, before.generation());
                gate.map(Some).map_err(not_quiescent)
            }
            (Level::Immediate | Level::Scoped, None) => Ok(None),
            (Level::Immediate | Level::Scoped, Some(name)) => {
                let (path, name) = (artifact.path().to_owned(), name.to_owned());
                Err(Error::NeedsQuiescence { path, name })
            }
        }
    }
}

impl Provisional {
    /// What was done.
    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// Keeps it.
    ///
    /// # Errors
    /// See [`Domain::accept`].
    pub(crate) fn accept(self) -> Result<Report, Error> {
        self.domain.accept(self.report.generation)?;
        Ok(self.report)
    }

    /// Keeps it if `health` has no complaint for as long as `duration`, which a thread of its own
    /// finds out; else takes it back and tells everybody.
    ///
    /// # Errors
    /// [`Error::Thread`]; it was taken back.
    pub(crate) fn try_out(self, duration: Duration, health: Arc<dyn Health>) -> Result<(), Error> {
        let (domain, generation) = (self.domain, self.report.generation);
        let started = reached(Failpoint::Thread);
        let watch = move || match healthy(duration, || health.check()) {
            // Whoever took it back meanwhile knows.
            Ok(()) => drop(domain.accept(generation)),
            Err(reason) => domain.take_back(generation, reason),
        };
        let thread = thread::Builder::new().name("midair-health".to_owned());
        let spawn = || os::without_signals(|| thread.spawn(watch));
        match started.map_err(io::Error::from).and_then(|()| spawn()) {
            Ok(_) => Ok(()),
            Err(source) => {
                self.roll_back("nobody could watch over it")?;
                Err(Error::Thread { source })
            }
        }
    }

    /// Takes it back.
    ///
    /// # Errors
    /// See [`Domain::roll_back`].
    pub(crate) fn roll_back(self, reason: &str) -> Result<(), Error> {
        self.domain.roll_back(Goal::Accepted, reason, Failing::GoOn).map(|_| ())
    }
}

/// Whether `artifact` is the very file that each unit runs which `patch` reaches: one that joined
/// late may not.
fn is_repeat(side: &Side, patch: &Patch, artifact: &Artifact) -> bool {
    let editions = side.registry.editions();
    let running = editions.of(patch.unit);
    let generation = side.history.of_image(running);
    let kept = generation.and_then(|generation| generation.kept.as_ref());
    patch.units.iter().all(|unit| editions.of(*unit) == running)
        && kept.is_some_and(|kept| kept.is_of(artifact.bytes()))
}

/// The digest of the artifact whose code `unit` runs; `None` where its file is gone.
fn running_digest(side: &Side, unit: usize) -> Option<Digest> {
    let number = side.registry.editions().of(unit);
    if let Some(generation) = side.history.of_image(number) {
        return generation.kept.as_ref()?.digest();
    }
    // What the program loaded itself, unless a build has put something else in its place.
    let image = &side.registry.images()[number];
    let same = image.inode.is_some() && Stamp::of(&image.path)?.inode == image.inode;
    same.then(|| std::fs::read(&image.path).ok().map(|bytes| Digest::of(&bytes)))?
}

/// What the patch would do if it were committed now.
fn planned(domain: &Domain, path: &Path, patch: &Patch, timings: Timings) -> Report {
    Report {
        generation: domain.side().history.next_number(),
        path: path.to_owned(),
        functions: patch.functions.clone(),
        timings,
        repeated: false,
        drained: true,
    }
}

/// A loaded library that nobody runs yet. Unless it is taken, dropping it makes sure that nobody
/// ever will.
struct Pending(Option<Taken>);

/// What the commit needs of a loaded library.
struct Taken {
    held: Held,
    artifact: Artifact,
    stamp: Option<Stamp>,
    loaded: load::Loaded,
    before: Side,
    /// With the library as its last image.
    registry: Arc<Registry>,
}

impl Pending {
    fn taken(&self) -> &Taken {
        self.0.as_ref().expect("it is there until it is taken, which consumes this")
    }

    fn take(mut self) -> Taken {
        self.0.take().expect("it is there until it is taken, which consumes this")
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(Taken { mut held, loaded, registry, .. }) = self.0.take() else { return };
        // The file is still that of the parent, and no thread is here that its constructors started.
        if !held.is_own() {
            return;
        }
        // Threads that its constructors may have started go on in what the program runs.
        let fresh = registry.images().len() - 1;
        for lives in registry.functions().values() {
            for live in lives.iter().filter(|live| live.image == fresh) {
                if registry
                    .primary(registry.images()[fresh].unit, &live.function.name)
                    .is_some_and(|primary| primary.image != fresh)
                {
                    live.head.lead_through_router();
                }
            }
        }
        held.domain.adopt(&Arc::new(registry.without_last()));
        held.transaction.copies.discard(loaded.kept.path());
    }
}
