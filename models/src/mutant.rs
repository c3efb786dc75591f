//! Mistakes that could be made in the algorithm, each of which the model has to see.

/// One mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The clock is flipped before the routers stand in the slots.
    FlipBeforeRouters,
    /// The slots lead straight to the new code while older epochs are pinned.
    SettleBeforeDrain,
    /// An entry does not look at the clock again after it has stored its pin.
    NoSecondLookAtClock,
    /// Leaving a nested scope takes the pin of the outermost one back.
    InnerLeaveUnpins,
    /// Routes are kept for two epochs instead of four.
    RingOfTwo,
    /// A transition may be reversed as often as anybody likes.
    EndlessReversals,
    /// What callers run before and after is written after the routers went into the slots.
    RoutesAfterRouters,
    /// A router decides without a pin.
    RouterWithoutPin,
    /// What callers run is written for the functions that change, not for those that old patches
    /// call through their routers as well.
    RoutesOfChangedOnly,
    /// A router sends everybody to the newest code.
    RouterTakesNewest,
    /// A reversal changes what the epoch leads to that it is, instead of beginning another.
    ReversalWithoutFlip,
    /// A reversal puts the old code straight into the slots.
    ReversalSettles,
    /// The gate opens before the state is swapped.
    GateOpensBeforeSwap,
    /// An entry looks at the gate first, and pins afterwards whatever it shows by then.
    GateBeforePin,
    /// A gate that did not get its way stays closed.
    BusyLeavesGateClosed,
    /// A deadline passes after the routers went into the slots, and they stay there.
    BusyLeavesRouters,
    /// A nested scope waits at the gate as well.
    NestedWaitsAtGate,
    /// A thread that ends leaves its pin to others with what it has pinned.
    GiveBackWithoutLeave,
    /// The drain does not ask for the pins of tasks.
    DrainIgnoresTasks,
    /// The drain asks for the pins of tasks first, then for those of threads.
    DrainAsksTasksFirst,
    /// A first call stores where it went instead of comparing.
    FirstCallStores,
    /// A transition begins before the one before it has ended.
    NoWaitForTransition,
    /// A checkpoint inside a nested scope moves on.
    CheckpointInNested,
    /// A forked child keeps the pins of threads that it does not have.
    ForkKeepsPins,
    /// A forked child brings a transition to its end that was not visible yet.
    ForkEndsInvisible,
    /// A forked child takes the pins of its parent's tasks for its own.
    ForkKeepsEra,
    /// A forked child asks how often the clock was to be flipped, not how often it was.
    ForkTrustsCount,
    /// A router overwrites the pin of the scope entry that it interrupts.
    PassOverwritesPin,
    /// A scope in a signal handler takes back the pin of the scope entry that it interrupted.
    HandlerTakesPin,
    /// A checkpoint takes its pin back while it still counts as a scope.
    CheckpointUnpinsFirst,
}
