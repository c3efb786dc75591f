//! The steps of whoever changes what runs, and of whoever ends what was begun.

use crate::mutant::Mutant;
use crate::scenario::{Op, Order, Scenario};
use crate::world::{
    Drainer, EPOCHS, Fault, Generation, Route, SLOTS, THREADS, Target, Task, Transition, World,
    WriterStep,
};

/// What is asked of the runtime, in whichever process it is.
fn orders(scenario: &Scenario, world: &World) -> &'static [Order] {
    if world.writer.is_child { scenario.in_child } else { scenario.orders }
}

/// Whether all was done that was asked for.
pub(crate) fn is_done(scenario: &Scenario, world: &World) -> bool {
    usize::from(world.writer.at) >= orders(scenario, world).len()
}

/// The next step of the writer, if it does not have to wait.
pub(crate) fn write(scenario: &Scenario, mut world: World) -> Option<World> {
    let order = *orders(scenario, &world).get(usize::from(world.writer.at))?;
    let mut writing = Writing { scenario, world: &mut world, order };
    let mut moved = writing.step();
    // What the next step writes is read by a forked child alone.
    while moved && !scenario.does(|op| *op == Op::Fork) && writing.is_private() {
        moved = writing.step();
    }
    moved.then_some(world)
}

/// The deadline of a gate passes, if one may.
pub(crate) fn give_up(scenario: &Scenario, mut world: World) -> Option<World> {
    let order = *orders(scenario, &world).get(usize::from(world.writer.at))?;
    let waits = match (order, world.writer.step) {
        (Order::QuiescentInTime(_), WriterStep::Scan { .. }) => true,
        (Order::QuiescentInTime(_), WriterStep::Swap) => scenario.has(Mutant::BusyLeavesRouters),
        _ => false,
    };
    if !waits {
        return None;
    }
    if matches!(world.writer.step, WriterStep::Swap) {
        (world.transition, world.is_stepping) = (None, false);
    }
    world.clock.is_closed = scenario.has(Mutant::BusyLeavesGateClosed);
    Writing { scenario, world: &mut world, order }.done();
    Some(world)
}

/// Somebody sleeps for ever in a scope: the next transaction gives up waiting for the one before.
pub(crate) fn lose_patience(scenario: &Scenario, mut world: World) -> Option<World> {
    let order = *orders(scenario, &world).get(usize::from(world.writer.at))?;
    let sleeps = (0..THREADS).any(|id| {
        let at = usize::from(world.threads[id].own.at);
        scenario.threads[id].get(at) == Some(&Op::Block)
    });
    let waits = world.writer.step == WriterStep::Begin && world.transition.is_some();
    if !(sleeps && waits) {
        return None;
    }
    Writing { scenario, world: &mut world, order }.done();
    Some(world)
}

struct Writing<'a> {
    scenario: &'a Scenario,
    world: &'a mut World,
    order: Order,
}

impl Writing<'_> {
    fn has(&self, mutant: Mutant) -> bool {
        self.scenario.has(mutant)
    }

    fn go_on(&mut self, step: WriterStep) -> bool {
        self.world.writer.step = step;
        true
    }

    fn done(&mut self) -> bool {
        self.world.writer.at += 1;
        self.go_on(WriterStep::Begin)
    }

    /// Whether the next step writes nothing that callers read.
    fn is_private(&self) -> bool {
        use WriterStep::{Count, CountBack, Publish, Side, SideBack};
        let step = self.world.writer.step;
        matches!(step, Publish { .. } | Count | Side | CountBack | SideBack)
    }

    fn is_quiescent(&self) -> bool {
        matches!(self.order, Order::Quiescent(_) | Order::QuiescentInTime(_))
    }

    fn target(&self) -> Generation {
        match self.order {
            Order::Change(to)
            | Order::Quiescent(to)
            | Order::QuiescentInTime(to)
            | Order::RollBack(to) => to,
        }
    }

    fn step(&mut self) -> bool {
        match self.world.writer.step {
            WriterStep::Begin => self.begin(),
            WriterStep::Scan { next } => {
                let before = self.world.clock.epoch + 1;
                match scanned(self.scenario, self.world, before, next) {
                    Scanned::Waits => false,
                    Scanned::UpTo(next) => self.go_on(WriterStep::Scan { next }),
                    Scanned::Nobody => self.plan(),
                }
            }
            WriterStep::Announce { plan, next } => self.announce(plan, next),
            WriterStep::Publish { plan } => {
                self.world.transition = Some(plan);
                self.after_publishing()
            }
            WriterStep::Route { next } => self.route(next),
            WriterStep::Swap => self.swap(),
            WriterStep::Count => {
                self.transition().flips += 1;
                self.go_on(WriterStep::Flip)
            }
            WriterStep::Flip => self.flip(),
            WriterStep::Side => {
                self.world.side = self.transition().destination();
                self.world.is_stepping = false;
                if self.is_quiescent() && !self.has(Mutant::GateOpensBeforeSwap) {
                    return self.go_on(WriterStep::OpenGate);
                }
                self.done()
            }
            WriterStep::OpenGate => {
                self.world.clock.is_closed = false;
                self.done()
            }
            WriterStep::SetBack { next } => self.set_back(next),
            WriterStep::Hooks => self.take_back(),
            WriterStep::CountBack => {
                self.transition().flips += 1;
                self.go_on(WriterStep::FlipBack)
            }
            WriterStep::FlipBack => {
                self.world.clock.epoch += 1;
                self.go_on(WriterStep::SideBack)
            }
            WriterStep::SideBack => {
                self.world.side = self.transition().destination();
                self.world.is_stepping = false;
                self.done()
            }
        }
    }

    fn begin(&mut self) -> bool {
        if let (Order::RollBack(to), Some(transition)) = (self.order, self.world.transition) {
            return self.reverse(transition, to);
        }
        if self.world.transition.is_some() && !self.has(Mutant::NoWaitForTransition) {
            return false;
        }
        if self.world.side == self.target() {
            return self.done();
        }
        if self.is_quiescent() {
            self.world.clock.is_closed = true;
            return self.go_on(WriterStep::Scan { next: 0 });
        }
        self.plan()
    }

    fn plan(&mut self) -> bool {
        let first = self.world.clock.epoch;
        let plan = Transition { first, flips: 0, old: self.world.side, new: self.target() };
        self.world.runs[usize::from(first) + 1] = plan.new;
        self.world.is_stepping = true;
        if self.is_quiescent() && self.has(Mutant::GateOpensBeforeSwap) {
            self.world.clock.is_closed = false;
        }
        if self.has(Mutant::RoutesAfterRouters) {
            return self.go_on(WriterStep::Publish { plan });
        }
        self.go_on(WriterStep::Announce { plan, next: 0 })
    }

    /// `Transition::announce`: two routes for each slot.
    fn announce(&mut self, plan: Transition, next: u8) -> bool {
        let slots = self.routed(plan);
        let mut sets = slots.flat_map(|slot| [(slot, 0, plan.old), (slot, 1, plan.new)]);
        match sets.nth(usize::from(next)) {
            Some((slot, later, generation)) => {
                self.set(slot, plan.first + later, generation);
                self.go_on(WriterStep::Announce { plan, next: next + 1 })
            }
            None if self.has(Mutant::RoutesAfterRouters) => self.go_on(WriterStep::Swap),
            None => self.go_on(WriterStep::Publish { plan }),
        }
    }

    /// The slots whose routes are written: all of them, since old patches' routers ask for those
    /// of functions that do not change as well.
    fn routed(&self, plan: Transition) -> impl Iterator<Item = usize> + use<> {
        let some = self.has(Mutant::RoutesOfChangedOnly);
        let scenario = *self.scenario;
        (0..SLOTS).filter(move |slot| {
            !some || scenario.concerned(plan.old, plan.new).any(|changed| changed == *slot)
        })
    }

    /// `Routes::set`.
    fn set(&mut self, slot: usize, epoch: u8, generation: Generation) {
        let code = self.scenario.code(generation, slot);
        let place = usize::from(epoch) % self.scenario.ring();
        self.world.routes[slot][place] = Route { epoch, code };
    }

    fn after_publishing(&mut self) -> bool {
        if self.has(Mutant::FlipBeforeRouters) {
            return self.go_on(WriterStep::Swap);
        }
        self.go_on(WriterStep::Route { next: 0 })
    }

    fn route(&mut self, next: u8) -> bool {
        let plan = *self.transition();
        match self.scenario.concerned(plan.old, plan.new).nth(usize::from(next)) {
            Some(slot) => {
                self.world.slots[slot] = Target::Router;
                self.go_on(WriterStep::Route { next: next + 1 })
            }
            None if self.has(Mutant::RoutesAfterRouters) => {
                self.go_on(WriterStep::Announce { plan, next: 0 })
            }
            None if self.has(Mutant::FlipBeforeRouters) => self.go_on(WriterStep::Side),
            None => self.go_on(WriterStep::Swap),
        }
    }

    /// The state of persistent statics becomes that of the new code.
    fn swap(&mut self) -> bool {
        self.check_that_nobody_sees_old();
        self.go_on(WriterStep::Count)
    }

    fn flip(&mut self) -> bool {
        self.check_that_nobody_sees_old();
        self.world.clock.epoch += 1;
        match self.has(Mutant::FlipBeforeRouters) {
            true => self.go_on(WriterStep::Route { next: 0 }),
            false => self.go_on(WriterStep::Side),
        }
    }

    fn check_that_nobody_sees_old(&mut self) {
        let world = &mut *self.world;
        let in_scope = (0..THREADS).any(|id| world.is_in_scope(id));
        let pinned = world.tasks.iter().any(|task| match task {
            Task::Pinned { era, .. } => *era == world.era,
            Task::NotYet | Task::Released => false,
        });
        if (in_scope || pinned) && self.is_quiescent() {
            self.world.fault = self.world.fault.or(Some(Fault::OldStillSeen));
        }
    }

    /// `Domain::reverse`: nobody is in the middle of ending it, or else this waits.
    fn reverse(&mut self, transition: Transition, to: Generation) -> bool {
        if self.world.is_stepping {
            return false;
        }
        let ends = (transition.old, transition.new);
        let leads_to = if transition.is_forward() { ends.0 } else { ends.1 };
        let room = usize::from(transition.flips) + 1 < EPOCHS;
        if leads_to != to || !(room || self.has(Mutant::EndlessReversals)) {
            return self.done();
        }
        if self.has(Mutant::ReversalSettles) {
            self.world.runs[usize::from(self.world.clock.epoch) + 1] = to;
            for slot in self.scenario.concerned(transition.old, transition.new) {
                self.world.slots[slot] = Target::Code(self.scenario.code(to, slot));
            }
            (self.world.transition, self.world.side) = (None, to);
            self.world.clock.epoch += 1;
            self.world.drainer = Drainer::Idle;
            return self.done();
        }
        // Whoever looks whether it is drained begins anew.
        self.world.drainer = Drainer::Idle;
        self.world.is_stepping = true;
        let later = u8::from(!self.has(Mutant::ReversalWithoutFlip));
        if later != 0 {
            self.world.runs[usize::from(self.world.clock.epoch) + 1] = to;
        }
        self.go_on(WriterStep::SetBack { next: 0 })
    }

    /// `Transition::reverse`.
    fn set_back(&mut self, next: u8) -> bool {
        let transition = *self.transition();
        let to = self.target();
        let later = u8::from(!self.has(Mutant::ReversalWithoutFlip));
        match self.routed(transition).nth(usize::from(next)) {
            Some(slot) => {
                self.set(slot, self.world.clock.epoch + later, to);
                self.go_on(WriterStep::SetBack { next: next + 1 })
            }
            None if later == 0 => {
                self.transition().flips += 1;
                self.go_on(WriterStep::SideBack)
            }
            None => {
                self.world.is_stepping = false;
                self.go_on(WriterStep::Hooks)
            }
        }
    }

    /// Hooks ran, and the transition may have come to its end meanwhile: then going back is a
    /// transition of its own.
    fn take_back(&mut self) -> bool {
        if self.world.is_stepping {
            return false;
        }
        if self.world.transition.is_none() {
            return self.plan();
        }
        self.world.drainer = Drainer::Idle;
        self.world.is_stepping = true;
        self.go_on(WriterStep::CountBack)
    }

    fn transition(&mut self) -> &mut Transition {
        self.world.transition.as_mut().expect("the step comes after it was published")
    }
}

/// How far a look at the pins came.
enum Scanned {
    /// Somebody is waited for.
    Waits,
    UpTo(u8),
    Nobody,
}

/// One step of `Pins::any_before`, which looks at the threads' pins, the newest first, then at
/// those of tasks. The real one begins anew when it finds somebody; this one waits for them, and
/// so looks less often than the real one does.
fn scanned(scenario: &Scenario, world: &World, epoch: u8, next: u8) -> Scanned {
    let tasks_first = scenario.has(Mutant::DrainAsksTasksFirst);
    let threads = usize::from(world.made);
    // How many epochs a task may have pinned.
    let tasks = if scenario.does(|op| matches!(op, Op::Own(_))) { EPOCHS - 1 } else { 0 };
    let at = usize::from(next);
    let (is_task, place) = match (tasks_first, at) {
        (false, at) if at < threads => (false, at),
        (false, at) => (true, at - threads),
        (true, at) if at < tasks => (true, at),
        (true, at) => (false, at - tasks),
    };
    let is_held = if is_task {
        if place >= tasks {
            return Scanned::Nobody;
        }
        let before = usize::from(epoch).checked_sub(place + 1).filter(|epoch| *epoch != 0);
        let held = before.is_some_and(|epoch| world.owned[epoch % EPOCHS] != 0);
        held && !scenario.has(Mutant::DrainIgnoresTasks)
    } else {
        let Some(place) = threads.checked_sub(place + 1) else { return Scanned::Nobody };
        let pin = world.pins[place].epoch;
        pin != 0 && pin < epoch
    };
    if is_held { Scanned::Waits } else { Scanned::UpTo(next + 1) }
}

/// The next step of whoever ends the transition under way, if it does not have to wait.
pub(crate) fn drain(scenario: &Scenario, mut world: World) -> Option<World> {
    let transition = world.transition?;
    let concerned = || scenario.concerned(transition.old, transition.new);
    match world.drainer {
        Drainer::Idle if world.is_stepping => return None,
        Drainer::Idle if scenario.has(Mutant::SettleBeforeDrain) => {
            world.is_stepping = true;
            world.drainer = Drainer::Settle { next: 0 };
        }
        Drainer::Idle => return scan(scenario, world, 0),
        Drainer::Scan { next } => return scan(scenario, world, next),
        Drainer::Settle { next } => match concerned().nth(usize::from(next)) {
            Some(slot) => {
                let code = scenario.code(transition.destination(), slot);
                world.slots[slot] = Target::Code(code);
                world.drainer = Drainer::Settle { next: next + 1 };
            }
            None => world.drainer = Drainer::Clear,
        },
        Drainer::Clear => {
            world.transition = None;
            world.drainer = Drainer::Idle;
            world.is_stepping = false;
        }
    }
    Some(world)
}

fn scan(scenario: &Scenario, mut world: World, next: u8) -> Option<World> {
    match scanned(scenario, &world, world.clock.epoch, next) {
        Scanned::Waits => return None,
        Scanned::UpTo(next) => world.drainer = Drainer::Scan { next },
        Scanned::Nobody => {
            world.is_stepping = true;
            world.drainer = Drainer::Settle { next: 0 };
        }
    }
    Some(world)
}
