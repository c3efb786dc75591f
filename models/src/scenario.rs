//! Scenarios: what threads do while which changes are made.

use crate::mutant::Mutant;
use crate::world::{EPOCHS, Generation, SLOTS, THREADS};

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Calls through this slot; the last is that of an old patch, for the last function.
    Call(u8),
    /// Enters a scope.
    Enter,
    /// Leaves the scope that was entered last.
    Leave,
    /// Lets its scope see what is current.
    Checkpoint,
    /// Inside a scope: pins the generation that it sees for this task.
    Own(u8),
    /// Waits until this task is pinned, and goes on inside of it.
    StepInto(u8),
    /// Leaves the task.
    StepOut,
    /// The task ends.
    Release(u8),
    /// Sleeps for ever.
    Block,
    /// Ends; its pin is left to others.
    End,
    /// Forks; from here on the story is the child's, or this never happened.
    Fork,
}

/// What is asked of the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Commits this generation, or rolls a settled one back to it.
    Change(Generation),
    /// The same, when nobody is left in a scope, however long that takes.
    Quiescent(Generation),
    /// The same, or nothing when the deadline passes first, which it may at any moment.
    QuiescentInTime(Generation),
    /// Rolls back to this generation: a further flip of the transition under way, or a transition
    /// of its own when that has ended.
    RollBack(Generation),
}

/// What threads do while which changes are made.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// By generation, which one brought the code that each slot leads to.
    pub code: &'static [[Generation; SLOTS]],
    /// What each thread does.
    pub threads: [&'static [Op]; THREADS],
    /// What the first thread's signal handler does, which runs once, at any moment.
    pub handler: &'static [Op],
    /// What is asked of the runtime.
    pub orders: &'static [Order],
    /// What is asked of a forked child's.
    pub in_child: &'static [Order],
    /// Whether every slot was called, and every thread was in a scope, before the story begins.
    pub is_warm: bool,
    /// A mistake in the algorithm.
    pub mutant: Option<Mutant>,
}

impl Scenario {
    /// Nobody does anything.
    pub const QUIET: Self = Self {
        name: "nothing happens",
        code: &[[0, 0]],
        threads: [&[]; THREADS],
        handler: &[],
        orders: &[],
        in_child: &[],
        is_warm: true,
        mutant: None,
    };

    /// The same, with a mistake in the algorithm.
    #[must_use]
    pub const fn with(self, mutant: Mutant) -> Self {
        Self { mutant: Some(mutant), ..self }
    }

    /// The same without the third thread, which makes it a tenth as large; that one stays where
    /// the story would not end without it.
    #[must_use]
    pub const fn with_two_threads(self) -> Self {
        match self.threads[2] {
            [Op::StepInto(_), ..] => self,
            _ => Self { threads: [self.threads[0], self.threads[1], &[]], ..self },
        }
    }

    pub(crate) fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether some thread does something of the kind `is`.
    pub(crate) fn does(&self, is: impl Fn(&Op) -> bool) -> bool {
        self.threads.iter().any(|program| program.iter().any(&is))
    }

    /// For how many epochs routes are kept.
    pub(crate) fn ring(&self) -> usize {
        if self.has(Mutant::RingOfTwo) { 2 } else { EPOCHS }
    }

    /// The slots that lead elsewhere when `new` runs instead of `old`.
    pub(crate) fn concerned(
        &self,
        old: Generation,
        new: Generation,
    ) -> impl Iterator<Item = usize> {
        (0..SLOTS).filter(move |slot| self.code(old, *slot) != self.code(new, *slot))
    }

    /// The code that `slot` leads to when `generation` runs.
    pub(crate) fn code(&self, generation: Generation, slot: usize) -> Generation {
        self.code[usize::from(generation)][slot]
    }
}
