//! The transition: how the slots of a plan go from the code of one epoch to that of the next, all
//! at one instant, and back if need be.
//!
//! | step | slots hold | a call outside of scopes runs | a call in a scope runs |
//! |---|---|---|---|
//! | planned | the old code | old | old |
//! | [`route`](Transition::route) | the old code or the router | old | old |
//! | [`flip`](Transition::flip): one store | the router | new | the code of its scope's epoch |
//! | drained: no older epoch is pinned | the router | new | new |
//! | [`settle`](Transition::settle) | the router or the new code | new | new |
//!
//! A reversal is another flip, which [`announce_reversal`](Transition::announce_reversal) prepares:
//! after it the old code is the one to come.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use midair_trampolines::function::{FunctionHead, Turn};
use midair_trampolines::os;
use midair_trampolines::routes::{EPOCHS, Edition};
use midair_trampolines::scope::{Epoch, Gate, PINS, pinned};

use crate::history::History;
use crate::registry::{Live, Registry};

/// One slot, and whose code its callers run before and after.
#[derive(Clone, Copy, Debug)]
struct Step {
    head: &'static FunctionHead,
    old: Edition,
    new: Edition,
}

/// What the runtime knows on one side of a transition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    pub(crate) registry: Arc<Registry>,
    pub(crate) history: Arc<History>,
}

impl Side {
    /// The number of the generation that runs on this side.
    pub(crate) fn generation(&self) -> u64 {
        self.history.active().number
    }
}

/// Slots on their way to other code.
#[derive(Debug)]
pub(crate) struct Transition {
    /// The first record of every function, whose routes all others follow: those that change come
    /// first.
    primaries: Vec<Step>,
    /// How many of them change.
    changing: usize,
    /// The slots of patches that were the newest and will not be: they lead through their routers
    /// from now on, since only frames from before call through them.
    leaving: Vec<Step>,
    /// The slots of patches that will be the newest.
    arriving: Vec<Step>,
    /// The stores that send everybody through the routers.
    turns: Vec<Turn>,
    /// Before it.
    old: Side,
    /// After it.
    new: Side,
    /// The epoch in which it was planned.
    first: Epoch,
    /// How often the clock was flipped for it: an odd number leads to the new code, an even one
    /// back to the old.
    flips: AtomicU64,
    pub(crate) started: Instant,
}

/// Which way a transition goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Back,
}

impl Direction {
    fn reversed(self) -> Self {
        match self {
            Self::Forward => Self::Back,
            Self::Back => Self::Forward,
        }
    }
}

impl Step {
    fn towards(&self, direction: Direction) -> Edition {
        match direction {
            Direction::Forward => self.new,
            Direction::Back => self.old,
        }
    }
}

/// Work that delays the end of a transition: it began before, and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Straggler {
    /// The number that the system gave the thread; 0 for a task that holds a pin of its own.
    pub thread: u64,
    /// The thread's name; for tasks, how many pins are held.
    pub name: String,
    /// How long it has been waited for. When its scope began is not known: no clock is read there.
    pub waited: Duration,
    /// The generation that it sees.
    pub generation: u64,
}

/// How far the transition under way has come: it is visible, and somebody is still in a scope that
/// sees what was before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The generation that is left.
    pub from: u64,
    /// The generation that new calls and new scopes run.
    pub to: u64,
    /// How many slots still lead through their routers.
    pub slots: u64,
    /// Since when.
    pub since: Duration,
    /// Who is waited for.
    pub stragglers: Vec<Straggler>,
}

impl fmt::Display for Straggler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, name, waited, generation } = self;
        let in_scope =
            format_args!("in a scope of generation {generation}, waited for {waited:.1?}");
        match thread {
            0 => write!(f, "{name} {in_scope}"),
            _ => write!(f, "thread {name:?} ({thread}) {in_scope}"),
        }
    }
}

impl Transition {
    /// Plans the way of all slots from what they lead to in `old` to what they lead to in `new`,
    /// whose registry knows the images of both.
    ///
    /// Nothing is visible yet.
    pub(crate) fn plan(old: Side, new: Side) -> Self {
        let registry = &new.registry;
        let sides = [old.registry.editions(), new.registry.editions()];
        let (mut primaries, mut leaving, mut arriving) = (Vec::new(), Vec::new(), Vec::new());
        for (name, lives) in registry.functions() {
            for live in lives {
                let unit = registry.images()[live.image].unit;
                let [old, new] = sides.map(|side| side.edition(registry, live, lives));
                let step = Step { head: live.head, old, new };
                let is_primary = |primary: &Live| primary.image == live.image;
                if registry.primary(unit, name).is_some_and(is_primary) {
                    primaries.push(step);
                    continue;
                }
                let [was, will_be] = sides.map(|side| side.of(unit) == live.image);
                match (was, will_be) {
                    (true, false) => leaving.push(step),
                    (false, true) => arriving.push(step),
                    _ => {}
                }
            }
        }
        primaries.sort_by_key(|step| step.old == step.new);
        let changing = primaries.partition_point(|step| step.old != step.new);
        let turning = primaries[..changing].iter().chain(&leaving);
        let turns = turning.map(|step| step.head.to_router()).collect();
        let (first, started) = (PINS.clock().now().epoch(), Instant::now());
        let flips = AtomicU64::new(0);
        Self { primaries, changing, leaving, arriving, turns, old, new, first, flips, started }
    }

    /// Says in all routes what callers run before and after, lets the routers concerned ask them,
    /// and sends the callers of a patch that nobody runs yet there.
    pub(crate) fn announce(&self) {
        for step in &self.primaries {
            step.head.routes().set(self.first, step.old);
            step.head.routes().set(self.first.next(), step.new);
        }
        for step in self.routed().chain(&self.arriving) {
            step.head.ask();
        }
        for step in &self.arriving {
            step.head.lead_through_router();
        }
    }

    /// The slots whose callers are sent through their routers.
    fn routed(&self) -> impl Iterator<Item = &Step> {
        self.primaries[..self.changing].iter().chain(&self.leaving)
    }

    /// Sends all callers through their routers, which still lead to the old code.
    pub(crate) fn route(&self) {
        for turn in &self.turns {
            turn.turn();
        }
    }

    /// Begins the next epoch: from this instant calls run the other code, but for those in scopes
    /// that were entered before. `then` is done at that instant.
    pub(crate) fn flip(&self, then: impl FnOnce()) {
        // Relaxed: one writer at a time; readers only report.
        self.flips.fetch_add(1, Ordering::Relaxed);
        PINS.flip_and(then);
    }

    /// Says in every slot's routes what its callers run when the transition is reversed, which the
    /// next flip does; whether that can be done once more.
    pub(crate) fn announce_reversal(&self) -> bool {
        // One epoch of the ring is that of scopes entered before the transition.
        if self.flips() + 1 >= EPOCHS as u64 {
            return false;
        }
        let (next, direction) = (Self::next_epoch(), self.direction().reversed());
        for step in &self.primaries {
            step.head.routes().set(next, step.towards(direction));
        }
        true
    }

    /// Says in all routes that what was announced does not come.
    pub(crate) fn retract(&self) {
        for step in &self.primaries {
            step.head.routes().set(self.first.next(), step.old);
        }
    }

    /// What the runtime knows when it is over.
    pub(crate) fn destination(&self) -> &Side {
        match self.direction() {
            Direction::Forward => &self.new,
            Direction::Back => &self.old,
        }
    }

    /// What the runtime knows on the far side.
    pub(crate) fn destination_after(&self) -> &Side {
        &self.new
    }

    /// The generation that it would lead to if it were reversed.
    pub(crate) fn reversed_generation(&self) -> u64 {
        match self.direction() {
            Direction::Forward => self.old.generation(),
            Direction::Back => self.new.generation(),
        }
    }

    /// The epoch that it is.
    pub(crate) fn epoch() -> Epoch {
        PINS.clock().now().epoch()
    }

    /// The epoch after the one that it is.
    pub(crate) fn next_epoch() -> Epoch {
        Self::epoch().next()
    }

    /// Which way it goes now.
    pub(crate) fn direction(&self) -> Direction {
        if self.flips().is_multiple_of(2) { Direction::Back } else { Direction::Forward }
    }

    /// Whether it has become visible.
    pub(crate) fn is_visible(&self) -> bool {
        self.flips() != 0
    }

    /// Counts its flips by the clock, in a child that may have been forked between a count and its
    /// flip.
    pub(crate) fn recount(&self) {
        let flips = PINS.clock().now().epoch().number() - self.first.number();
        self.flips.store(flips, Ordering::Relaxed);
    }

    fn flips(&self) -> u64 {
        self.flips.load(Ordering::Relaxed)
    }

    /// Whether everybody sees the epoch of the last flip.
    pub(crate) fn is_drained(&self) -> bool {
        !PINS.any_before(PINS.clock().now().epoch())
    }

    /// Sends callers to their code directly, when nobody is left who sees anything else.
    pub(crate) fn settle(&self) {
        let direction = self.direction();
        let newest = match direction {
            Direction::Forward => &self.arriving,
            Direction::Back => &self.leaving,
        };
        for step in self.primaries[..self.changing].iter().chain(newest) {
            step.head.lead_to(step.towards(direction));
        }
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        let to = self.destination().generation();
        let ends = [self.old.generation(), self.new.generation()];
        Progress {
            from: if ends[0] == to { ends[1] } else { ends[0] },
            to,
            slots: (self.changing + self.leaving.len() + self.arriving.len()) as u64,
            since: self.started.elapsed(),
            stragglers: self.stragglers(),
        }
    }

    /// Who delays its end.
    pub(crate) fn stragglers(&self) -> Vec<Straggler> {
        let (from, to) = (self.old.generation(), self.new.generation());
        // Flips lead there and back in turn.
        let generation = |epoch: Epoch| match (epoch.number() - self.first.number()) % 2 {
            0 => from,
            _ => to,
        };
        stragglers(PINS.clock().now().epoch(), self.started, generation)
    }
}

/// Who has pinned an epoch before `epoch`, and has been waited for since `started`.
fn stragglers(epoch: Epoch, started: Instant, generation: impl Fn(Epoch) -> u64) -> Vec<Straggler> {
    let waited = started.elapsed();
    let threads = PINS.threads_before(epoch).map(|pinned| Straggler {
        thread: pinned.thread,
        name: os::thread_name(pinned.thread).unwrap_or_default(),
        waited,
        generation: generation(pinned.epoch),
    });
    let tasks = PINS.owned_before(epoch).map(|(pinned, count)| Straggler {
        thread: 0,
        name: format!("{count} pinned task{}", if count == 1 { "" } else { "s" }),
        waited,
        generation: generation(pinned),
    });
    threads.chain(tasks).collect()
}

/// A closed gate; it opens when this is dropped.
#[derive(Debug)]
pub(crate) struct ClosedGate(());

impl ClosedGate {
    /// Closes the gate and waits until no scope is left, or `deadline` has passed.
    ///
    /// # Errors
    /// Who is still in a scope; the gate is open again.
    pub(crate) fn close(deadline: Duration, generation: u64) -> Result<Self, Vec<Straggler>> {
        let started = Instant::now();
        let next = Transition::next_epoch();
        if pinned().is_some() {
            // The caller would wait for itself, and hold up everybody else meanwhile.
            return Err(stragglers(next, started, |_| generation));
        }
        PINS.set_gate(Gate::Closed);
        let closed = Self(());
        while PINS.any_before(next) {
            if started.elapsed() >= deadline {
                return Err(stragglers(next, started, |_| generation));
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(closed)
    }
}

impl Drop for ClosedGate {
    fn drop(&mut self) {
        PINS.set_gate(Gate::Open);
    }
}

#[cfg(test)]
mod tests {
    use super::{Direction, Ordering, Side, Transition};

    #[test]
    fn a_child_forked_between_the_count_and_the_flip_asks_the_clock() {
        let transition = Transition::plan(Side::default(), Side::default());
        transition.flips.fetch_add(1, Ordering::Relaxed);
        assert_eq!(transition.direction(), Direction::Forward);
        transition.recount();
        assert_eq!(transition.direction(), Direction::Back);
        assert!(!transition.is_visible());
    }
}
