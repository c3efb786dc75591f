//! The domain: the one runtime of a process, whatever number of images have hot functions.

use std::path::Path;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use midair_trampolines::os;
use midair_trampolines::routes::EPOCHS;
use midair_trampolines::section::Section;
use parking_lot::MutexGuard;

use crate::artifact::Stamp;
use crate::desk::Desk;
use crate::error::Error;
use crate::health::Health;
use crate::history::PatchRecord;
use crate::hook::Values;
use crate::notice;
use crate::registry::Registry;
use crate::report::Report;
use crate::stages::Read;
use crate::transition::{Side, Transition};

mod changes;
mod fork;
mod held;
mod news;
mod settings;

use fork::forked;
use held::Locks;
pub(crate) use held::{Held, Transaction};
pub(crate) use news::{Listener, guarded};
pub(crate) use settings::Settings;

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
}

static DOMAIN: AtomicPtr<Domain> = AtomicPtr::new(ptr::null_mut());

impl Domain {
    /// The domain of this copy of midair. Whether it is *the* domain of the process is decided by
    /// [`connect`](crate::connection::connect).
    pub(crate) fn own() -> &'static Self {
        if let Some(domain) = Self::made() {
            return domain;
        }
        // Two threads may both make one; no lock is taken that a forked child could inherit.
        let locks = Box::into_raw(Locks::new(Transaction::default(), Values::default()));
        let made = Box::into_raw(Box::new(Self {
            locks: AtomicPtr::new(locks),
            side: ArcSwap::default(),
            settings: ArcSwap::from_pointee(Settings::default()),
            listeners: ArcSwap::default(),
            transition: ArcSwapOption::empty(),
            generations: [const { AtomicU64::new(0) }; EPOCHS],
        }));
        // Release: pairs with the Acquire in `made`.
        let order = (Ordering::AcqRel, Ordering::Acquire);
        if DOMAIN.compare_exchange(ptr::null_mut(), made, order.0, order.1).is_ok() {
            os::barrier::prepare();
            os::at_fork_child(forked);
        } else {
            // SAFETY: nobody else has seen this box.
            drop(unsafe { Box::from_raw(made) });
            // SAFETY: nor that one, which belonged to it.
            drop(unsafe { Box::from_raw(locks) });
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

    /// Takes over what is known of the images of the process; the history is left as it is.
    pub(crate) fn adopt(&self, registry: &Arc<Registry>) {
        self.side.rcu(|side| Side { registry: Arc::clone(registry), ..Side::clone(side) });
    }

    /// Keeps the history as it is, until the guard is dropped.
    pub(crate) fn telling(&self) -> MutexGuard<'static, ()> {
        self.locks().telling.lock()
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
        // What it learns changes nothing, so old scopes need not end first.
        let mut held = self.hold()?;
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
            None => provisional.accept(),
            Some((duration, health)) => {
                let report = provisional.report().clone();
                provisional.try_out(*duration, Arc::clone(health))?;
                Ok(report)
            }
        }
    }

    /// What one generation left for another.
    pub(crate) fn values(&self) -> Values {
        self.locks().values.clone()
    }

    /// The steps of transactions.
    pub(crate) fn desk(&self) -> &'static Desk {
        &self.locks().desk
    }
}
