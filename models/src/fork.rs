//! What a forked child makes of the state that it was forked in.

use crate::caller::Caller;
use crate::mutant::Mutant;
use crate::scenario::Scenario;
use crate::world::{Drainer, EPOCHS, Pin, THREADS, Target, Transition, World, Writer, WriterStep};

/// The child that thread `id` forks. Nobody else is there, so all of it is one step.
pub(crate) fn forked(scenario: &Scenario, id: usize, mut world: World) -> World {
    Caller { scenario, id, is_handler: false }.done(&mut world);
    for other in (0..THREADS).filter(|other| *other != id) {
        world.threads[other].is_gone = true;
    }
    world.writer = Writer { at: 0, step: WriterStep::Begin, is_child: true };
    world.drainer = Drainer::Idle;
    world.is_stepping = false;
    forget_others(scenario, id, &mut world);
    if let Some(transition) = world.transition {
        renew(scenario, transition, &mut world);
    }
    rearm(&mut world);
    world
}

/// `Pins::forget_others`.
fn forget_others(scenario: &Scenario, id: usize, world: &mut World) {
    let own = usize::from(world.threads[id].pin);
    for (place, pin) in world.pins.iter_mut().enumerate() {
        if place + 1 != own && !scenario.has(Mutant::ForkKeepsPins) {
            *pin = Pin::default();
        }
    }
    world.owned = [0; EPOCHS];
    if !scenario.has(Mutant::ForkKeepsEra) {
        world.era += 1;
    }
    world.clock.is_closed = false;
}

/// `Domain::renew`: undoes a transition that is not visible, ends one that is.
fn renew(scenario: &Scenario, mut transition: Transition, world: &mut World) {
    if !scenario.has(Mutant::ForkTrustsCount) {
        transition.flips = world.clock.epoch - transition.first;
    }
    world.transition = Some(transition);
    let ends_it = transition.flips == 0 && scenario.has(Mutant::ForkEndsInvisible);
    world.side = if ends_it { transition.new } else { transition.destination() };
    let is_older = |pin: &Pin| pin.epoch != 0 && pin.epoch < world.clock.epoch;
    let is_over = match transition.flips {
        0 => true,
        _ => !world.pins.iter().any(is_older),
    };
    if is_over {
        for slot in scenario.concerned(transition.old, transition.new) {
            world.slots[slot] = Target::Code(scenario.code(world.side, slot));
        }
        world.transition = None;
    }
}

/// `FunctionHead::rearm`, for all slots.
fn rearm(world: &mut World) {
    for slot in 0..world.slots.len() {
        if world.slots[slot] != Target::Shim {
            world.resume[slot] = Some(world.slots[slot]);
            world.slots[slot] = Target::Shim;
        }
    }
}
