//! Mistakes in the algorithm, each of which the model sees.
#![expect(clippy::print_stdout, reason = "figures, for whoever asks by `--nocapture`")]

use midair_models::explore::visit;
use midair_models::scenarios::{
    BACK_AND_FORTH, BIRTH_AND_DEATH, CHECKPOINTS, FIRST_CALLS, FORK, FORK_IN_SCOPE, GATE_AND_TASK,
    GATES, OLD_FRAMES, REVERSALS, ROUND_THE_RING, SIGNALS_AND_CHECKPOINTS, TASKS, TWO_CHANGES,
};
use midair_models::{Fault, Mutant, Scenario};

/// One test for each: the mistake, where it shows, and as what.
macro_rules! seen {
    ($($name:ident: $mutant:ident in $scenario:ident is $fault:ident;)*) => {
        $(
            #[test]
            fn $name() {
                see(Mutant::$mutant, $scenario.with_two_threads(), Fault::$fault);
            }
        )*
    };
}

seen! {
    flip_before_routers: FlipBeforeRouters in TWO_CHANGES is NotCurrent;
    settle_before_drain: SettleBeforeDrain in TWO_CHANGES is Mixed;
    no_second_look_at_the_clock: NoSecondLookAtClock in TWO_CHANGES is Mixed;
    inner_leave_unpins: InnerLeaveUnpins in GATES is OldStillSeen;
    ring_of_two: RingOfTwo in REVERSALS is Mixed;
    endless_reversals: EndlessReversals in BACK_AND_FORTH is Mixed;
    routes_after_routers: RoutesAfterRouters in FIRST_CALLS is NotCurrent;
    router_without_pin: RouterWithoutPin in ROUND_THE_RING is NotCurrent;
    routes_of_what_changes_only: RoutesOfChangedOnly in OLD_FRAMES is NotCurrent;
    router_takes_the_newest: RouterTakesNewest in FIRST_CALLS is NotCurrent;
    reversal_without_a_flip: ReversalWithoutFlip in REVERSALS is Mixed;
    reversal_settles: ReversalSettles in REVERSALS is Mixed;
    gate_opens_before_the_swap: GateOpensBeforeSwap in GATES is OldStillSeen;
    gate_is_read_before_the_pin: GateBeforePin in GATES is OldStillSeen;
    busy_leaves_the_gate_closed: BusyLeavesGateClosed in CHECKPOINTS is GateLeftClosed;
    busy_leaves_routers: BusyLeavesRouters in GATES is Unsteady;
    nested_waits_at_the_gate: NestedWaitsAtGate in GATES is Stuck;
    give_back_without_leave: GiveBackWithoutLeave in BIRTH_AND_DEATH is Stuck;
    drain_ignores_tasks: DrainIgnoresTasks in GATE_AND_TASK is OldStillSeen;
    drain_asks_tasks_first: DrainAsksTasksFirst in TASKS is Mixed;
    first_call_stores: FirstCallStores in FIRST_CALLS is NotCurrent;
    no_wait_for_the_transition_before: NoWaitForTransition in ROUND_THE_RING is Mixed;
    checkpoint_in_a_nested_scope: CheckpointInNested in CHECKPOINTS is OldStillSeen;
    fork_keeps_pins: ForkKeepsPins in FORK_IN_SCOPE is Stuck;
    fork_ends_what_is_invisible: ForkEndsInvisible in FORK is Unsteady;
    fork_keeps_the_era: ForkKeepsEra in FORK_IN_SCOPE is Stuck;
    fork_trusts_the_count: ForkTrustsCount in FORK is Unsteady;
    pass_overwrites_a_pin: PassOverwritesPin in SIGNALS_AND_CHECKPOINTS is Mixed;
    handler_takes_the_pin: HandlerTakesPin in SIGNALS_AND_CHECKPOINTS is Mixed;
    checkpoint_unpins_first: CheckpointUnpinsFirst in SIGNALS_AND_CHECKPOINTS is Mixed;
}

/// The model finds `fault` when `mutant` is in it.
fn see(mutant: Mutant, scenario: Scenario, fault: Fault) {
    let visit = visit(&scenario.with(mutant), 2_000_000);
    let Some((found, way)) = visit.broken else {
        panic!("{mutant:?} is not seen in {} states of {}", visit.states, scenario.name);
    };
    println!("{mutant:?}: {found:?} after {} steps of {}", way.len(), scenario.name);
    assert_eq!(found, fault, "{}", way.join("\n"));
}
