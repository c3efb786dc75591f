//! The transition in every order of steps: nothing is ever seen that must not be.
//!
//! Each scenario is visited whole with two of its threads in the ordinary suite; with all three as
//! far as five million states go, the nearest first, by
//!
//! ```text
//! cargo test -p midair-models --test transition -- --ignored --nocapture
//! ```
#![expect(clippy::print_stdout, reason = "figures, for whoever asks by `--nocapture`")]

use std::time::Instant;

use midair_models::explore::{Visit, visit};
use midair_models::{Fault, Scenario, scenarios};

/// Visits the states of a scenario.
fn visited(scenario: &Scenario, limit: usize) -> Visit<Fault> {
    let started = Instant::now();
    let visit = visit(scenario, limit);
    let (name, states, took) = (scenario.name, visit.states, started.elapsed());
    let whole = if visit.is_whole { "whole" } else { "not whole" };
    println!("{name}: {states} states, {whole}, {} steps deep, {took:.1?}", visit.depth);
    if let Some((fault, way)) = &visit.broken {
        panic!("{name}: {fault:?} after {} steps:\n{}", way.len(), way.join("\n"));
    }
    visit
}

/// Every scenario with two threads; and at least a million states together.
#[test]
fn nothing_is_seen_that_must_not_be() {
    let mut states = 0;
    for scenario in &scenarios::ALL {
        let visit = visited(&scenario.with_two_threads(), 1_500_000);
        assert!(visit.is_whole, "{} has grown", scenario.name);
        states += visit.states;
    }
    println!("{states} states");
    assert!(states >= 1_000_000, "only {states} states");
}

#[test]
#[ignore = "minutes, and a gigabyte"]
fn nothing_is_seen_that_must_not_be_by_three_threads() {
    let states: usize = scenarios::ALL.iter().map(|all| visited(all, 5_000_000).states).sum();
    println!("{states} states");
}
