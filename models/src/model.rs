//! The model: who may do the next step, and what must be true after each.

use crate::caller::Caller;
use crate::explore::System;
use crate::scenario::{Op, Scenario};
use crate::world::{Drainer, Fault, Interruption, Route, SLOTS, THREADS, Target, Task, World};
use crate::{fork, writer};

/// Who does a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A thread.
    Thread(usize),
    /// The signal handler on the first thread.
    Handler,
    /// A thread, which forks; what follows is the child's story.
    Fork(usize),
    /// Whoever changes what runs.
    Writer,
    /// Its deadline.
    Deadline,
    /// Its patience.
    Patience,
    /// Whoever ends transitions.
    Drainer,
}

impl System for Scenario {
    type State = World;
    type Step = Actor;
    type Fault = Fault;

    fn initial(&self) -> World {
        let mut world = World::new();
        if self.is_warm {
            for slot in 0..SLOTS {
                let code = self.code(0, slot);
                world.slots[slot] = Target::Code(code);
                world.routes[slot][1] = Route { epoch: 1, code };
            }
            world.made = THREADS as u8;
            for id in 0..THREADS {
                world.threads[id].pin = id as u8 + 1;
                world.pins[id].is_taken = true;
            }
        }
        world
    }

    fn steps(&self, world: &World, next: &mut Vec<(Actor, World)>) {
        let mut add = |actor, to: Option<World>| next.extend(to.map(|world| (actor, world)));
        for id in 0..THREADS {
            let thread = &world.threads[id];
            if thread.is_gone {
                continue;
            }
            let interrupted = id == 0 && thread.interruption == Interruption::Now;
            let caller = Caller { scenario: self, id, is_handler: interrupted };
            let actor = if interrupted { Actor::Handler } else { Actor::Thread(id) };
            add(actor, caller.step(*world));
            if !interrupted && self.threads[id].get(usize::from(thread.own.at)) == Some(&Op::Fork) {
                add(Actor::Fork(id), Some(fork::forked(self, id, *world)));
            }
        }
        add(Actor::Handler, interrupt(self, *world));
        add(Actor::Writer, writer::write(self, *world));
        add(Actor::Deadline, writer::give_up(self, *world));
        add(Actor::Patience, writer::lose_patience(self, *world));
        add(Actor::Drainer, writer::drain(self, *world));
    }

    fn name(&self, world: &World, actor: Actor) -> String {
        match actor {
            Actor::Thread(id) | Actor::Fork(id) => {
                let course = world.threads[id].own;
                let op = self.threads[id].get(usize::from(course.at));
                format!("{actor:?}: {:?} in {op:?}", course.step)
            }
            Actor::Handler => format!("{actor:?}: {:?}", world.threads[0].handler),
            Actor::Drainer => format!("{actor:?}: {:?}", world.drainer),
            _ => format!("{actor:?}: {:?}", world.writer.step),
        }
    }

    fn fault(&self, world: &World, is_last: bool) -> Option<Fault> {
        if world.fault.is_some() {
            return world.fault;
        }
        if !is_steady(self, world) {
            return Some(Fault::Unsteady);
        }
        let is_done = writer::is_done(self, world);
        if is_done && world.clock.is_closed {
            return Some(Fault::GateLeftClosed);
        }
        (is_last && !(is_done && has_ended(self, world))).then_some(Fault::Stuck)
    }
}

/// A signal comes in.
fn interrupt(scenario: &Scenario, mut world: World) -> Option<World> {
    let thread = &mut world.threads[0];
    let may = !scenario.handler.is_empty()
        && thread.interruption == Interruption::NotYet
        && usize::from(thread.own.at) < scenario.threads[0].len();
    thread.interruption = Interruption::Now;
    may.then_some(world)
}

/// While no transition is under way, every slot leads straight to the code that runs.
fn is_steady(scenario: &Scenario, world: &World) -> bool {
    let running = world.runs[usize::from(world.clock.epoch)];
    let leads_there = |slot: usize| {
        let code = Target::Code(scenario.code(running, slot));
        match world.slots[slot] {
            Target::Shim => world.resume[slot].unwrap_or(Target::Code(0)) == code,
            target => target == code,
        }
    };
    world.transition.is_some() || (world.side == running && (0..SLOTS).all(leads_there))
}

/// Whether everybody has done what they were to do, but for those that sleep for ever, and the
/// transition has ended unless one of these is in an old scope.
fn has_ended(scenario: &Scenario, world: &World) -> bool {
    let mut nobody_sleeps = true;
    for id in (0..THREADS).filter(|id| !world.threads[*id].is_gone) {
        match scenario.threads[id].get(usize::from(world.threads[id].own.at)) {
            None => {}
            Some(Op::Block) => nobody_sleeps &= !world.is_in_scope(id),
            Some(_) => return false,
        }
    }
    let nobody_pinned = !world
        .tasks
        .iter()
        .any(|task| matches!(task, Task::Pinned { era, .. } if *era == world.era));
    let settled = world.transition.is_none() && world.drainer == Drainer::Idle;
    settled || !(nobody_sleeps && nobody_pinned)
}
