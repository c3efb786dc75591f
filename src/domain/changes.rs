//! How what runs changes: transitions, their ends and reversals, rollback.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use midair_trampolines::os;
use midair_trampolines::routes::EPOCHS;
use midair_trampolines::scope::{Epoch, PINS, pinned};

use super::Domain;
use super::held::PATIENCE;
use crate::Level;
use crate::error::Error;
use crate::failpoint::{Failpoint, passed, reached};
use crate::hand_over::{Failing, HandOver};
use crate::history::Goal;
use crate::hook::Why;
use crate::notice;
use crate::transition::{Progress, Side, Transition};

/// For how long a transition is brought to its end by the thread that began it; then another one
/// waits for those who are left in old scopes.
const AT_ONCE: Duration = Duration::from_millis(1);

/// Whether the calling thread is in a scope of an epoch that is over.
pub(super) fn is_in_older_scope() -> bool {
    pinned().is_some_and(|epoch| epoch < PINS.clock().now().epoch())
}

impl Domain {
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
        let goal = number.map_or(Goal::Before, Goal::Number);
        self.roll_back(goal, "the program asked for it", Failing::Refuse).map(|(_, now)| now)
    }

    /// Goes back to `goal`, for `reason`; returns what ran before, and what runs now.
    ///
    /// A transition that is under way is reversed, when it came from there. What is the goal is
    /// found out when nobody else can change what runs.
    ///
    /// # Errors
    /// [`Error::NoGeneration`], [`Error::Busy`], [`Error::Draining`]; where hooks that fail count,
    /// [`Error::Hook`] and [`Error::Undo`].
    pub(crate) fn roll_back(
        &'static self,
        goal: Goal,
        reason: &str,
        failing: Failing,
    ) -> Result<(u64, u64), Error> {
        let held = self.hold()?;
        let before = self.side();
        let running = before.generation();
        let number = goal.within(&before.history)?;
        let Some(generation) = before.history.generation(number) else {
            return Err(Error::NoGeneration { number });
        };
        if running == number {
            return Ok((running, number));
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
        let telling = self.telling();
        let before = self.side();
        let history = Arc::new(before.history.rolled_back(number, &reason));
        let after = Side { registry, history };
        // It may have come to its end meanwhile.
        if !self.reverse(&after)? {
            self.change(Transition::plan(before, after), || {});
        }
        drop(telling);
        handed.keep();
        drop(held);
        self.finish_soon(Level::Immediate);
        notice::info(format_args!("generation {number} runs again: {reason}"));
        Ok((running, number))
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
    pub(crate) fn number(&self, epoch: Epoch, generation: u64) {
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

    /// Ends the transition under way: at once, or when those who are left in older scopes have
    /// ended, which `level` may wish to wait for; else a thread waits for them. Whether it has
    /// ended.
    pub(crate) fn finish_soon(&'static self, level: Level) -> bool {
        // Who is in an older scope itself would wait for itself.
        let patience = match level {
            Level::Scoped if !is_in_older_scope() => PATIENCE,
            _ => AT_ONCE,
        };
        let started = Instant::now();
        while started.elapsed() < patience {
            if self.finish() {
                return true;
            }
            if started.elapsed() < AT_ONCE {
                std::thread::yield_now();
            } else {
                std::thread::sleep(Duration::from_micros(200));
            }
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
    ///
    /// # Errors
    /// [`Error::Unhealthy`] when it was taken back before.
    pub(crate) fn accept(&self, number: u64) -> Result<(), Error> {
        let _telling = self.telling();
        if let Some(reason) = self.side().history.taken_back(number) {
            return Err(Error::Unhealthy { generation: number, reason });
        }
        self.side.rcu(|side| Side {
            registry: Arc::clone(&side.registry),
            history: Arc::new(side.history.now_accepted(number)),
        });
        Ok(())
    }

    /// Takes generation `number` back because of `reason`, if it still runs, and tells everybody.
    pub(crate) fn take_back(&'static self, generation: u64, reason: String) {
        let outcome = match self.roll_back(Goal::InsteadOf(generation), &reason, Failing::GoOn) {
            // Another one runs already, or somebody wanted this one back.
            Ok((running, now)) if running == now => return,
            Ok(_) => Error::Unhealthy { generation, reason },
            Err(error) => error,
        };
        self.publish(&Err(outcome));
    }

    /// The number of the generation that calls made now run: in a scope, that of the scope.
    pub(crate) fn generation(&self) -> u64 {
        let epoch = pinned().unwrap_or_else(|| PINS.clock().now().epoch());
        // Relaxed: the flip that began the epoch published it.
        self.generations[epoch.number() as usize % EPOCHS].load(Ordering::Relaxed)
    }
}
