//! The scenarios that are visited, with the algorithm as it is.

use crate::scenario::Op::{
    Block, Call, Checkpoint, End, Enter, Fork, Leave, Own, Release, StepInto, StepOut,
};
use crate::scenario::Order::{Change, Quiescent, QuiescentInTime, RollBack};
use crate::scenario::Scenario;

/// The first change concerns both functions, the second only one.
const BASE: Scenario = Scenario { code: &[[0, 0], [1, 1], [2, 1]], ..Scenario::QUIET };

/// Scopes, nested and not, and calls outside of them, over two changes.
pub const TWO_CHANGES: Scenario = Scenario {
    name: "two changes",
    threads: [
        &[Enter, Call(0), Call(1), Leave, Call(0)],
        &[Call(1), Call(0)],
        &[Enter, Call(1), Enter, Call(0), Leave, Call(1), Leave],
    ],
    orders: &[Change(1), Change(2)],
    ..BASE
};

/// First calls meet routers.
pub const FIRST_CALLS: Scenario = Scenario {
    name: "first calls",
    is_warm: false,
    threads: [&[Call(0), Call(0)], &[Call(0), Call(1)], &[Enter, Call(0), Call(1), Leave]],
    orders: &[Change(1), RollBack(0)],
    ..BASE
};

/// A change that is taken back, and brought again, while scopes of all sides are there.
pub const REVERSALS: Scenario = Scenario {
    name: "reversals",
    threads: [
        &[Enter, Call(0), Call(1), Leave],
        &[Call(0), Call(0)],
        &[Enter, Call(1), Leave, Enter, Call(0), Leave],
    ],
    orders: &[Change(1), RollBack(0), RollBack(1)],
    ..BASE
};

/// More flips than the ring has places, while a call is being decided.
pub const ROUND_THE_RING: Scenario = Scenario {
    name: "round the ring",
    threads: [&[Call(0), Call(0)], &[Enter, Call(0), Call(0), Leave], &[Call(1)]],
    orders: &[Change(1), RollBack(0), RollBack(1), Change(2), RollBack(1), RollBack(2)],
    ..BASE
};

/// A change that is taken back more often than the ring has places.
pub const BACK_AND_FORTH: Scenario = Scenario {
    name: "back and forth",
    threads: [&[Enter, Call(0), Call(1), Leave], &[Enter, Call(0), Leave], &[Call(0)]],
    orders: &[Change(1), RollBack(0), RollBack(1), RollBack(0), RollBack(1), RollBack(0)],
    ..BASE
};

/// Old code calls through its own slots, which lead through routers for ever; the second change
/// leaves what it calls alone, the third does not.
pub const OLD_FRAMES: Scenario = Scenario {
    name: "old frames",
    code: &[[0, 0], [1, 1], [2, 1], [2, 3]],
    threads: [&[Call(2), Call(1)], &[Enter, Call(2), Call(1), Leave], &[Call(0)]],
    orders: &[Change(1), Change(2), Change(3)],
    ..BASE
};

/// Changes that nobody may be in a scope for, with and without luck.
pub const GATES: Scenario = Scenario {
    name: "gates",
    threads: [
        &[Enter, Call(0), Enter, Call(1), Leave, Leave],
        &[Call(0), Enter, Call(0), Leave],
        &[Enter, Call(1), Leave],
    ],
    orders: &[QuiescentInTime(1), Quiescent(2), Change(0)],
    ..BASE
};

/// A gate that waits for a task, which another thread works at.
pub const GATE_AND_TASK: Scenario = Scenario {
    name: "a gate and a task",
    threads: [
        &[Enter, Own(0), Call(0), Leave, Enter, Call(0), Leave],
        &[StepInto(0), Call(0), Enter, Call(1), Leave, StepOut, Release(0)],
        &[Call(1)],
    ],
    orders: &[Quiescent(1), QuiescentInTime(2)],
    ..BASE
};

/// Tasks that are pinned on one thread and run on others.
pub const TASKS: Scenario = Scenario {
    name: "tasks",
    threads: [
        &[Enter, Own(0), Call(0), Leave, Call(0)],
        &[StepInto(0), Call(0), Own(1), Call(1), StepOut, Release(0)],
        &[StepInto(1), Call(1), Call(0), StepOut, Release(1)],
    ],
    orders: &[Change(1), RollBack(0), Change(2)],
    ..BASE
};

/// Threads that end and leave their pins to others, which begin meanwhile.
pub const BIRTH_AND_DEATH: Scenario = Scenario {
    name: "birth and death",
    is_warm: false,
    threads: [
        &[Enter, Call(0), Leave, End, Enter, Call(1), Leave, End],
        &[Call(0), End, Enter, Call(0), End],
        &[Enter, Call(1), Call(0), Leave, End],
    ],
    orders: &[Change(1), Change(2)],
    ..BASE
};

/// A thread sleeps for ever in a scope: others go on, and what was begun can be taken back.
pub const A_SLEEPER: Scenario = Scenario {
    name: "a sleeper",
    threads: [&[Enter, Call(0), Block], &[Enter, Call(0), Call(1), Leave], &[Call(1), Call(0)]],
    orders: &[Change(1), RollBack(0), QuiescentInTime(2), Change(1)],
    ..BASE
};

/// A loop that is in a scope all its life.
pub const CHECKPOINTS: Scenario = Scenario {
    name: "checkpoints",
    threads: [
        &[Enter, Call(0), Checkpoint, Call(1), Enter, Checkpoint, Call(0), Leave, Leave],
        &[Enter, Call(1), Leave],
        &[Call(0)],
    ],
    orders: &[Change(1), QuiescentInTime(2)],
    ..BASE
};

/// A fork in the middle of anything, by a thread outside of scopes.
pub const FORK: Scenario = Scenario {
    name: "a fork",
    is_warm: false,
    threads: [
        &[Call(0), Fork, Call(0), Enter, Call(1), Leave],
        &[Enter, Call(0), Leave],
        &[Call(0)],
    ],
    orders: &[Change(1), RollBack(0), Change(2)],
    in_child: &[Change(2), RollBack(0)],
    ..BASE
};

/// A fork by a thread in a scope, while a task is pinned and a gate may be closed.
pub const FORK_IN_SCOPE: Scenario = Scenario {
    name: "a fork in a scope",
    threads: [
        &[Enter, Own(0), Call(0), Fork, Call(1), Call(0), Leave, Release(0), Call(0)],
        &[Enter, Call(0), Leave],
        &[Call(1)],
    ],
    orders: &[Change(1), RollBack(0), QuiescentInTime(2)],
    in_child: &[Quiescent(2), Change(0)],
    ..BASE
};

/// A signal handler that calls hot functions, in a scope and not, at any moment.
pub const SIGNALS: Scenario = Scenario {
    name: "signals",
    threads: [&[Enter, Call(0), Call(1), Leave, Call(0)], &[Enter, Call(0), Leave], &[]],
    handler: &[Call(0), Enter, Call(1), Call(0), Leave],
    orders: &[Change(1), QuiescentInTime(2)],
    ..BASE
};

/// The same, where the interrupted thread moves its scope on.
pub const SIGNALS_AND_CHECKPOINTS: Scenario = Scenario {
    name: "signals and checkpoints",
    threads: [&[Enter, Call(0), Checkpoint, Call(1), Leave], &[], &[]],
    handler: &[Enter, Call(1), Call(0), Leave, Call(0)],
    orders: &[Change(1), Change(2), QuiescentInTime(0)],
    ..BASE
};

/// All of them.
pub const ALL: [Scenario; 16] = [
    TWO_CHANGES,
    FIRST_CALLS,
    REVERSALS,
    ROUND_THE_RING,
    BACK_AND_FORTH,
    OLD_FRAMES,
    GATES,
    GATE_AND_TASK,
    TASKS,
    BIRTH_AND_DEATH,
    A_SLEEPER,
    CHECKPOINTS,
    FORK,
    FORK_IN_SCOPE,
    SIGNALS,
    SIGNALS_AND_CHECKPOINTS,
];
