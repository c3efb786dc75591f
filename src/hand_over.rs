//! The hand-over from one generation to the next: everything that a patch or a rollback does with
//! the program's state before it is visible, and that may fail. Dropping it undoes it.

use std::path::Path;
use std::sync::Arc;

use crate::domain::Domain;
use crate::error::Error;
use crate::failpoint::{Failpoint, reached};
use crate::hook::{Crossed, Crossing, End, Failed, Why};
use crate::registry::Registry;
use crate::state::{Migrated, State};
use crate::transition::{Side, Transition};

/// State that was handed over to a generation that nobody sees yet.
///
/// The order of the fields is that of the undo.
pub(crate) struct HandedOver {
    crossed: Crossed,
    migrated: Migrated,
    routed: Option<Routed>,
}

/// Callers are sent through their routers, which lead to the old code; hooks, which see the epoch
/// to come, are led to the new.
struct Routed(Option<Transition>);

impl Drop for Routed {
    fn drop(&mut self) {
        // It was never flipped: this leads back to the old code.
        if let Some(transition) = &self.0 {
            transition.retract();
            transition.settle();
        }
    }
}

/// What becomes of a rollback whose hooks fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    /// It is refused, and undone.
    Refuse,
    /// It goes on: what runs must not go on running.
    GoOn,
}

/// What is handed over, and on what occasion.
pub(crate) struct HandOver<'a> {
    pub(crate) domain: &'static Domain,
    pub(crate) before: &'a Side,
    /// With the images of both, running the new one's code.
    pub(crate) registry: Arc<Registry>,
    /// The number of the generation that comes.
    pub(crate) generation: u64,
    /// The image that the patch brings.
    pub(crate) fresh: Option<usize>,
    pub(crate) why: Why,
    pub(crate) path: &'a Path,
}

impl HandOver<'_> {
    /// Runs the hooks, and the migrations of `state` between them.
    ///
    /// # Errors
    /// [`Error::Hook`], [`Error::Migration`]; [`Error::Undo`] where the undo failed as well.
    pub(crate) fn run(self, state: &State) -> Result<HandedOver, Error> {
        let mut handed = self.begin();
        match self.go(&mut handed, state) {
            Ok(()) => Ok(handed),
            Err(error) => Err(handed.undone(error, self.path)),
        }
    }

    /// Runs the hooks on the way back to a generation that ran before, for `reason`; returns what
    /// the history is to say. Where a transition is `under_way`, it has routed the callers.
    ///
    /// # Errors
    /// As for [`run`](Self::run), where hooks that fail count.
    pub(crate) fn back(
        self,
        under_way: bool,
        reason: &str,
        failing: Failing,
    ) -> Result<(HandedOver, String), Error> {
        let mut handed = if under_way {
            let (crossed, migrated) = (self.crossing().begin(), Migrated::default());
            HandedOver { crossed, migrated, routed: None }
        } else {
            self.begin()
        };
        let mut reason = reason.to_owned();
        match failing {
            Failing::Refuse => {
                if let Err(error) = self.go(&mut handed, &State::default()) {
                    return Err(handed.undone(error, self.path));
                }
            }
            Failing::GoOn => {
                let failed = [handed.crossed.leave(), handed.crossed.arrive()];
                for Failed { hook, reason: why } in failed.into_iter().filter_map(Result::err) {
                    reason.push_str(&format!("; the hook {hook} failed on the way back: {why}"));
                }
            }
        }
        Ok((handed, reason))
    }

    fn go(&self, handed: &mut HandedOver, state: &State) -> Result<(), Error> {
        let failed =
            |Failed { hook, reason }| Error::Hook { path: self.path.to_owned(), hook, reason };
        handed.crossed.leave().map_err(failed)?;
        reached(Failpoint::Unload)?;
        if let Some(fresh) = self.fresh {
            let deadline = self.domain.settings().hook_deadline;
            handed.migrated = state.migrate(self.domain, &self.registry, fresh, deadline).map_err(
                |(name, reason)| Error::Migration { path: self.path.to_owned(), name, reason },
            )?;
            reached(Failpoint::Migration)?;
            handed.migrated.show(handed.crossed.abandoned());
        }
        handed.crossed.arrive().map_err(failed)?;
        reached(Failpoint::Arrive)?;
        Ok(())
    }

    fn begin(&self) -> HandedOver {
        let crossing = self.crossing();
        // Without hooks nobody looks at the new generation before it is visible.
        let routed = crossing.has_hooks().then(|| self.route());
        HandedOver { crossed: crossing.begin(), migrated: Migrated::default(), routed }
    }

    fn route(&self) -> Routed {
        let (registry, history) = (Arc::clone(&self.registry), Arc::clone(&self.before.history));
        let after = Side { registry, history };
        let transition = Transition::plan(self.before.clone(), after);
        transition.announce();
        transition.route();
        Routed(Some(transition))
    }

    fn crossing(&self) -> Crossing {
        // Hooks that ask which generation runs ask in that epoch.
        self.domain.number(Transition::next_epoch(), self.generation);
        let registry = Arc::clone(&self.registry);
        Crossing {
            domain: self.domain,
            old: End {
                generation: self.before.generation(),
                editions: self.before.registry.editions().clone(),
            },
            new: End { generation: self.generation, editions: registry.editions().clone() },
            registry,
            why: self.why,
            epochs: [Transition::epoch(), Transition::next_epoch()],
            deadline: self.domain.settings().hook_deadline,
        }
    }
}

impl HandedOver {
    /// The new generation is about to be visible: there is no way back.
    pub(crate) fn keep(self) {
        let Self { crossed, migrated, routed } = self;
        crossed.keep();
        migrated.keep();
        // The slots stay as they are: the commit routes and settles them itself.
        if let Some(mut routed) = routed {
            routed.0 = None;
        }
    }

    /// Undoes everything because of `error`; returns what is to be told.
    fn undone(self, error: Error, path: &Path) -> Error {
        let Self { crossed, migrated, routed } = self;
        let failed = crossed.undo();
        drop((migrated, routed));
        if failed.is_empty() {
            return error;
        }
        let undo = failed.into_iter().map(|Failed { hook, reason }| format!("{hook}: {reason}"));
        Error::Undo { path: path.to_owned(), reason: error.chain(), undo: undo.collect() }
    }
}
