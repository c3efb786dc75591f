//! The state of the model: what memory holds, how far each thread has come, and what must be true.

/// A generation of the code; 0 is what the program started with.
pub(crate) type Generation = u8;

/// Functions that the program calls, each through a slot of its own.
pub(crate) const SLOTS: usize = 2;
/// One more slot: that of an old patch for the last function. Nobody but old frames calls through
/// it, so it leads through its router for ever.
pub(crate) const OLD_SLOT: usize = SLOTS;
/// Threads that call them.
pub(crate) const THREADS: usize = 3;
/// Tasks that hold pins of their own.
pub(crate) const TASKS: usize = 2;
/// Epochs that a route is kept for.
pub(crate) const EPOCHS: usize = 4;
/// Epochs that any scenario can reach.
const LAST_EPOCH: usize = 10;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Shim,
    Router,
    /// The code that this generation brought.
    Code(Generation),
}

/// `scope::Word`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Word {
    pub(crate) epoch: u8,
    pub(crate) is_closed: bool,
}

/// `scope::Pin`; one that nobody made yet is not among the `made` ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pin {
    pub(crate) epoch: u8,
    pub(crate) is_taken: bool,
}

/// A task's `scope::OwnedPin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    NotYet,
    Pinned { epoch: u8, era: u8 },
    Released,
}

/// `routes::Route`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    pub(crate) epoch: u8,
    pub(crate) code: Generation,
}

/// `transition::Transition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Transition {
    pub(crate) first: u8,
    pub(crate) flips: u8,
    pub(crate) old: Generation,
    pub(crate) new: Generation,
}

/// One of a thread's two courses of work: its own, and that of a signal handler which interrupts
/// it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Course {
    /// Which operation of its program is next or under way.
    pub(crate) at: u8,
    /// How far that operation has come.
    pub(crate) step: Step,
    /// The epoch that it was when the call under way began.
    pub(crate) began: u8,
}

/// How far an operation has come; the numbers are what the real code has in local variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Begin,
    // Entering an outermost scope.
    Register,
    ReadClock,
    StorePin { word: Word },
    ReadAgain { word: Word },
    TakeBack,
    WaitAtGate,
    SetView { epoch: u8 },
    SetDepth,
    // Leaving one.
    Unpin,
    ClearDepth,
    // A first call.
    Settle { resume: Target },
    // A call that found the router.
    PassRegister,
    PassClock,
    PassStore { epoch: u8 },
    PassAgain { before: u8 },
    LookAgain { epoch: u8, before: u8 },
    Route { epoch: u8, before: u8 },
    Newest { epoch: u8, before: u8 },
    Restore { before: u8 },
    // A thread that ends.
    LeaveToOthers,
}

/// What a thread knows of itself: `scope::thread::Thread`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Thread {
    /// Its pin, counted from 1; 0 for none.
    pub(crate) pin: u8,
    pub(crate) depth: u8,
    pub(crate) view: u8,
    /// What the interrupted course had pinned when a handler entered a scope.
    pub(crate) outer: u8,
    /// What `step_into` returned: view and depth.
    pub(crate) before: (u8, u8),
    /// It was not there when the process was forked.
    pub(crate) is_gone: bool,
    pub(crate) own: Course,
    pub(crate) handler: Course,
    pub(crate) interruption: Interruption,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Interruption {
    NotYet,
    Now,
    Over,
}

/// How far the thread that changes things has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Writer {
    /// Which operation of its script is next or under way.
    pub(crate) at: u8,
    pub(crate) step: WriterStep,
    /// It is the one of the forked child.
    pub(crate) is_child: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WriterStep {
    Begin,
    // A gate that waits for scopes to end.
    Scan { next: u8 },
    // A transition: `plan` is not known to anybody yet.
    Announce { plan: Transition, next: u8 },
    Publish { plan: Transition },
    Route { next: u8 },
    Swap,
    Count,
    Flip,
    Side,
    OpenGate,
    // A reversal.
    SetBack { next: u8 },
    Hooks,
    CountBack,
    FlipBack,
    SideBack,
}

/// How far the thread that ends transitions has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Drainer {
    Idle,
    Scan { next: u8 },
    Settle { next: u8 },
    Clear,
}

/// What was found to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A call in a scope ran other code than that of the scope's generation.
    Mixed,
    /// A call outside of scopes ran code that was not current at any instant of the call: old code
    /// after the flip, new code before it, or code of another generation.
    NotCurrent,
    /// No transition is under way, and a slot leads elsewhere than straight to the code that runs.
    Unsteady,
    /// A scope or a pinned task of the old generation was there when the state was swapped.
    OldStillSeen,
    /// The gate is closed, and nobody is about to open it.
    GateLeftClosed,
    /// Everybody waits, or a transition does not end though nobody is left in an old scope.
    Stuck,
}

/// One state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub(crate) clock: Word,
    pub(crate) slots: [Target; SLOTS + 1],
    /// Where a slot went before the process was forked.
    pub(crate) resume: [Option<Target>; SLOTS + 1],
    pub(crate) routes: [[Route; EPOCHS]; SLOTS],
    pub(crate) pins: [Pin; THREADS],
    /// How many of them were made.
    pub(crate) made: u8,
    pub(crate) owned: [i8; EPOCHS],
    pub(crate) era: u8,
    pub(crate) tasks: [Task; TASKS],
    pub(crate) threads: [Thread; THREADS],
    /// Somebody brings the transition a step further.
    pub(crate) is_stepping: bool,
    pub(crate) writer: Writer,
    pub(crate) drainer: Drainer,
    pub(crate) transition: Option<Transition>,
    /// The generation that the runtime says it runs.
    pub(crate) side: Generation,
    /// What is to run in each epoch: the truth that calls are held against.
    pub(crate) runs: [Generation; LAST_EPOCH],
    /// A call that ran the wrong code, or a swap at the wrong time.
    pub(crate) fault: Option<Fault>,
}

impl World {
    /// The program has started, and nobody has called anything.
    pub(crate) fn new() -> Self {
        let course = Course { at: 0, step: Step::Begin, began: 0 };
        let thread = Thread {
            pin: 0,
            depth: 0,
            view: 0,
            outer: 0,
            before: (0, 0),
            is_gone: false,
            own: course,
            handler: course,
            interruption: Interruption::NotYet,
        };
        let mut slots = [Target::Shim; SLOTS + 1];
        slots[OLD_SLOT] = Target::Router;
        Self {
            clock: Word { epoch: 1, is_closed: false },
            slots,
            resume: [None; SLOTS + 1],
            routes: [[Route::default(); EPOCHS]; SLOTS],
            pins: [Pin::default(); THREADS],
            made: 0,
            owned: [0; EPOCHS],
            era: 0,
            tasks: [Task::NotYet; TASKS],
            threads: [thread; THREADS],
            is_stepping: false,
            writer: Writer { at: 0, step: WriterStep::Begin, is_child: false },
            drainer: Drainer::Idle,
            transition: None,
            side: 0,
            runs: [0; LAST_EPOCH],
            fault: None,
        }
    }

    /// Whether thread `id` is in a scope, as far as anybody could tell from its work.
    pub(crate) fn is_in_scope(&self, id: usize) -> bool {
        let thread = &self.threads[id];
        let entered = matches!(thread.own.step, Step::SetView { .. } | Step::SetDepth);
        !thread.is_gone && (thread.depth != 0 || entered)
    }
}

impl Transition {
    pub(crate) fn is_forward(self) -> bool {
        !self.flips.is_multiple_of(2)
    }

    pub(crate) fn destination(self) -> Generation {
        if self.is_forward() { self.new } else { self.old }
    }
}
