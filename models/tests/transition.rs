//! The transition in every order of steps: nothing is ever seen that must not be.
//!
//! Each scenario is visited with two of its threads in the ordinary suite, and with all three by
//!
//! ```text
//! cargo test --release -p midair-models --test transition -- --ignored --nocapture
//! ```
#![expect(clippy::print_stdout, reason = "figures, for whoever asks by `--nocapture`")]

use std::time::Instant;

use midair_models::Scenario;
use midair_models::explore::visit;
use midair_models::scenarios;

/// Visits all states, and returns how many there are.
fn visited(scenario: &Scenario, limit: usize) -> usize {
    let started = Instant::now();
    let visit = visit(scenario, limit);
    let (name, states, took) = (scenario.name, visit.states, started.elapsed());
    println!("{name}: {states} states, {} steps deep, {took:.1?}", visit.depth);
    if let Some((fault, way)) = visit.broken {
        panic!("{name}: {fault:?} after {} steps:\n{}", way.len(), way.join("\n"));
    }
    states
}

/// Every scenario with two threads; and at least a million states together.
#[test]
fn nothing_is_seen_that_must_not_be() {
    let states: usize =
        scenarios::ALL.iter().map(|whole| visited(&whole.with_two_threads(), 1_500_000)).sum();
    println!("{states} states");
    assert!(states >= 1_000_000, "only {states} states");
}

#[test]
#[ignore = "minutes and gigabytes"]
fn nothing_is_seen_that_must_not_be_by_three_threads() {
    let states: usize = scenarios::ALL.iter().map(|whole| visited(whole, 60_000_000)).sum();
    println!("{states} states");
}
