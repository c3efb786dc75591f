//! The steps of a thread that calls hot functions, enters scopes and ends.

use crate::mutant::Mutant;
use crate::scenario::{Op, Scenario};
use crate::world::{
    Course, EPOCHS, Fault, Generation, Interruption, Pin, SLOTS, Step, Target, Task, Word, World,
};

/// A thread in one of its courses.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) id: usize,
    pub(crate) is_handler: bool,
}

impl Caller<'_> {
    pub(crate) fn program(self) -> &'static [Op] {
        if self.is_handler { self.scenario.handler } else { self.scenario.threads[self.id] }
    }

    pub(crate) fn course(self, world: &mut World) -> &mut Course {
        let thread = &mut world.threads[self.id];
        if self.is_handler { &mut thread.handler } else { &mut thread.own }
    }

    fn has(self, mutant: Mutant) -> bool {
        self.scenario.has(mutant)
    }

    /// Whether a signal may come in between two of its steps.
    fn is_interruptible(self) -> bool {
        self.id == 0 && !self.is_handler && !self.scenario.handler.is_empty()
    }

    /// Does the next step, if there is one that does not have to wait.
    pub(crate) fn step(self, mut world: World) -> Option<World> {
        let course = *self.course(&mut world);
        let op = *self.program().get(usize::from(course.at))?;
        let moved = self.next(&mut world, op, course.step);
        if moved {
            self.do_what_nobody_sees(&mut world);
        }
        moved.then_some(world)
    }

    /// Entering and leaving nested scopes touches nothing that others could see: it is done along
    /// with the step before.
    fn do_what_nobody_sees(self, world: &mut World) {
        loop {
            let (course, depth) = (*self.course(world), world.threads[self.id].depth);
            let nested = match self.program().get(usize::from(course.at)) {
                Some(Op::Enter) => depth > 0 && !self.has(Mutant::NestedWaitsAtGate),
                Some(Op::Leave) => depth > 1 && !self.has(Mutant::InnerLeaveUnpins),
                _ => false,
            };
            if !nested || course.step != Step::Begin || self.is_interruptible() {
                return;
            }
            self.next(world, self.program()[usize::from(course.at)], Step::Begin);
        }
    }

    fn next(self, world: &mut World, op: Op, step: Step) -> bool {
        match (op, step) {
            (Op::Block, _) => false,
            (_, Step::Begin) => self.begin(world, op),
            (Op::Call(slot), step) => self.call(world, usize::from(slot), step),
            (Op::End, _) => {
                world.pins[self.pin(world)].is_taken = false;
                world.threads[self.id].pin = 0;
                self.done(world)
            }
            (_, step) => self.pass_through_scope(world, op, step),
        }
    }

    fn begin(self, world: &mut World, op: Op) -> bool {
        let thread = &mut world.threads[self.id];
        match op {
            Op::Call(slot) => return self.load(world, usize::from(slot)),
            Op::Enter if thread.depth != 0 => {
                if self.has(Mutant::NestedWaitsAtGate) && world.clock.is_closed {
                    return false;
                }
                thread.depth += 1;
            }
            Op::Enter => return self.enter(world),
            Op::Leave => {
                thread.depth -= 1;
                if thread.depth == 0 || self.has(Mutant::InnerLeaveUnpins) {
                    return self.unpin(world, op);
                }
            }
            Op::Checkpoint => {
                let own = thread.pin != 0
                    && world.pins[self.pin(world)].epoch == world.threads[self.id].view;
                let thread = &mut world.threads[self.id];
                let outermost = thread.depth == 1 || self.has(Mutant::CheckpointInNested);
                if own && outermost {
                    if !self.has(Mutant::CheckpointUnpinsFirst) {
                        thread.depth -= 1;
                    }
                    return self.unpin(world, op);
                }
            }
            Op::Own(task) => {
                let epoch = thread.view;
                world.owned[usize::from(epoch) % EPOCHS] += 1;
                world.tasks[usize::from(task)] = Task::Pinned { epoch, era: world.era };
            }
            Op::StepInto(task) => {
                let Task::Pinned { epoch, .. } = world.tasks[usize::from(task)] else {
                    return false;
                };
                thread.before = (thread.view, thread.depth);
                thread.view = epoch;
                thread.depth += 1;
            }
            Op::StepOut => (thread.view, thread.depth) = std::mem::take(&mut thread.before),
            Op::Release(task) => {
                let Task::Pinned { epoch, era } = world.tasks[usize::from(task)] else {
                    return false;
                };
                world.tasks[usize::from(task)] = Task::Released;
                if era == world.era {
                    world.owned[usize::from(epoch) % EPOCHS] -= 1;
                }
            }
            Op::End if thread.pin == 0 => {}
            Op::End => {
                thread.depth = 0;
                if !self.has(Mutant::GiveBackWithoutLeave) {
                    world.pins[self.pin(world)].epoch = 0;
                }
                return self.go_on(world, Step::LeaveToOthers);
            }
            // The child's story is told by `fork`; this is the parent's, in which nothing happens.
            Op::Fork => {}
            Op::Block => return false,
        }
        self.done(world)
    }

    fn enter(self, world: &mut World) -> bool {
        if world.threads[self.id].pin == 0 {
            return self.go_on(world, Step::Register);
        }
        self.read_clock(world)
    }

    /// The first look of an entry at the clock, or what a handler does that interrupted one.
    fn read_clock(self, world: &mut World) -> bool {
        let held = world.pins[self.pin(world)].epoch;
        let word = world.clock;
        if held != 0 && self.is_handler && !self.has(Mutant::HandlerTakesPin) {
            world.threads[self.id].outer = held;
            return match word.is_closed {
                true => self.go_on(world, Step::WaitAtGate),
                false => self.view(world, word.epoch),
            };
        }
        self.go_on(world, Step::StorePin { word })
    }

    fn pass_through_scope(self, world: &mut World, op: Op, step: Step) -> bool {
        let pin = self.pin(world);
        match step {
            Step::Register => {
                self.register(world);
                self.go_on(world, Step::ReadClock)
            }
            Step::ClearDepth => {
                world.threads[self.id].depth = 0;
                self.go_on(world, Step::ReadClock)
            }
            Step::ReadClock => self.read_clock(world),
            Step::StorePin { word } => {
                world.pins[pin].epoch = word.epoch;
                self.go_on(world, Step::ReadAgain { word })
            }
            Step::ReadAgain { word } => self.read_again(world, word),
            Step::TakeBack => {
                world.pins[pin].epoch = 0;
                self.go_on(world, Step::WaitAtGate)
            }
            Step::WaitAtGate => !world.clock.is_closed && self.read_clock(world),
            Step::SetView { epoch } => self.view(world, epoch),
            Step::SetDepth => self.deepen(world),
            Step::Unpin => {
                let thread = &mut world.threads[self.id];
                world.pins[pin].epoch = std::mem::take(&mut thread.outer);
                if op == Op::Checkpoint {
                    let late = self.has(Mutant::CheckpointUnpinsFirst);
                    let next = if late { Step::ClearDepth } else { Step::ReadClock };
                    return self.go_on(world, next);
                }
                self.done(world)
            }
            other => unreachable!("{other:?} in {op:?}"),
        }
    }

    fn read_again(self, world: &mut World, word: Word) -> bool {
        let again = world.clock;
        if self.has(Mutant::NoSecondLookAtClock) {
            return self.view(world, word.epoch);
        }
        if self.has(Mutant::GateBeforePin) && !word.is_closed && again.epoch == word.epoch {
            return self.view(world, word.epoch);
        }
        if again == word && !word.is_closed {
            if self.is_interruptible() {
                return self.go_on(world, Step::SetView { epoch: word.epoch });
            }
            return self.view(world, word.epoch);
        }
        if again.is_closed {
            return self.go_on(world, Step::TakeBack);
        }
        self.go_on(world, Step::StorePin { word: again })
    }

    fn view(self, world: &mut World, epoch: u8) -> bool {
        world.threads[self.id].view = epoch;
        if self.is_interruptible() {
            return self.go_on(world, Step::SetDepth);
        }
        self.deepen(world)
    }

    fn deepen(self, world: &mut World) -> bool {
        world.threads[self.id].depth += 1;
        self.done(world)
    }

    /// Where no signal can come in, nobody could tell this from the step before.
    fn unpin(self, world: &mut World, op: Op) -> bool {
        match self.is_interruptible() {
            true => self.go_on(world, Step::Unpin),
            false => self.pass_through_scope(world, op, Step::Unpin),
        }
    }

    /// The one load of a call.
    fn load(self, world: &mut World, slot: usize) -> bool {
        self.course(world).began = world.clock.epoch;
        match world.slots[slot] {
            Target::Code(code) => self.run(world, slot, code),
            Target::Shim => {
                let resume = world.resume[slot].unwrap_or(Target::Code(0));
                self.go_on(world, Step::Settle { resume })
            }
            Target::Router => self.enter_router(world),
        }
    }

    fn call(self, world: &mut World, slot: usize, step: Step) -> bool {
        let pin = self.pin(world);
        match step {
            Step::Settle { resume } => {
                if world.slots[slot] == Target::Shim || self.has(Mutant::FirstCallStores) {
                    world.slots[slot] = resume;
                }
                match world.slots[slot] {
                    Target::Code(code) => self.run(world, slot, code),
                    _ => self.enter_router(world),
                }
            }
            Step::PassRegister => {
                self.register(world);
                self.go_on(world, Step::PassClock)
            }
            Step::PassClock => self.pass(world, pin),
            Step::PassStore { epoch } => {
                world.pins[pin].epoch = epoch;
                self.go_on(world, Step::PassAgain { before: 0 })
            }
            Step::PassAgain { before } => {
                let epoch = world.clock.epoch;
                self.go_on(world, Step::LookAgain { epoch, before })
            }
            Step::LookAgain { epoch, before } => match world.slots[slot] {
                Target::Code(code) => self.decide(world, slot, before, code),
                _ => self.go_on(world, Step::Route { epoch, before }),
            },
            Step::Route { epoch, before } => {
                let route = world.routes[function(slot)][usize::from(epoch) % self.scenario.ring()];
                if route.epoch == epoch && !self.has(Mutant::RouterTakesNewest) {
                    return self.decide(world, slot, before, route.code);
                }
                self.go_on(world, Step::Newest { epoch, before })
            }
            Step::Newest { before, .. } => {
                let newest = world.routes[function(slot)].iter().max_by_key(|route| route.epoch);
                let code = newest.filter(|route| route.epoch != 0).map_or(0, |route| route.code);
                self.decide(world, slot, before, code)
            }
            Step::Restore { before } => {
                world.pins[pin].epoch = before;
                self.done(world)
            }
            other => unreachable!("{other:?} in a call"),
        }
    }

    fn enter_router(self, world: &mut World) -> bool {
        let thread = world.threads[self.id];
        if thread.depth != 0 {
            return self.go_on(world, Step::LookAgain { epoch: thread.view, before: 0 });
        }
        if thread.pin == 0 {
            return self.go_on(world, Step::PassRegister);
        }
        self.go_on(world, Step::PassClock)
    }

    fn pass(self, world: &mut World, pin: usize) -> bool {
        let (before, epoch) = (world.pins[pin].epoch, world.clock.epoch);
        if self.has(Mutant::RouterWithoutPin) {
            return self.go_on(world, Step::LookAgain { epoch, before });
        }
        if before == 0 || self.has(Mutant::PassOverwritesPin) {
            return self.go_on(world, Step::PassStore { epoch });
        }
        self.go_on(world, Step::PassAgain { before })
    }

    /// The call runs `code`.
    fn run(self, world: &mut World, slot: usize, code: Generation) -> bool {
        self.judge(world, slot, code);
        self.done(world)
    }

    /// A router knows that the call runs `code`.
    fn decide(self, world: &mut World, slot: usize, before: u8, code: Generation) -> bool {
        self.judge(world, slot, code);
        match world.threads[self.id].depth {
            0 => self.go_on(world, Step::Restore { before }),
            _ => self.done(world),
        }
    }

    /// Whether `code` is what the call may run.
    fn judge(self, world: &mut World, slot: usize, code: Generation) {
        let thread = world.threads[self.id];
        let began = self.course(world).began;
        let runs =
            |epoch: u8| self.scenario.code(world.runs[usize::from(epoch)], function(slot)) == code;
        let fault = if thread.depth != 0 {
            (!runs(thread.view)).then_some(Fault::Mixed)
        } else {
            let was_current = (began..=world.clock.epoch).any(runs);
            (!was_current).then_some(Fault::NotCurrent)
        };
        world.fault = world.fault.or(fault);
    }

    /// `Pins::register`: a pin that another thread left, or a new one.
    fn register(self, world: &mut World) {
        let made = usize::from(world.made);
        let left = (0..made).rev().find(|pin| !world.pins[*pin].is_taken);
        let pin = left.unwrap_or(made);
        if left.is_none() {
            world.made += 1;
            world.pins[pin] = Pin::default();
        }
        world.pins[pin].is_taken = true;
        world.threads[self.id].pin = pin as u8 + 1;
    }

    /// The place of its pin; of no meaning before it has one.
    fn pin(self, world: &World) -> usize {
        usize::from(world.threads[self.id].pin).saturating_sub(1)
    }

    fn go_on(self, world: &mut World, step: Step) -> bool {
        self.course(world).step = step;
        true
    }

    pub(crate) fn done(self, world: &mut World) -> bool {
        if world.threads[self.id].depth == 0 && self.scenario.handler.is_empty() {
            // Nobody reads it outside of scopes.
            world.threads[self.id].view = 0;
        }
        let ended = {
            let end = self.program().len();
            let course = self.course(world);
            course.step = Step::Begin;
            course.began = 0;
            course.at += 1;
            usize::from(course.at) >= end
        };
        if self.is_handler && ended {
            world.threads[self.id].interruption = Interruption::Over;
        }
        true
    }
}

/// What is called through `slot`.
fn function(slot: usize) -> usize {
    slot.min(SLOTS - 1)
}
