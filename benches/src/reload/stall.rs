//! The longest stall of a caller, with a debug library of 8 MB and midair itself unoptimised.

use super::{Lab, Trial, kib, longest};
use crate::error::Error;
use crate::fixture::Profile;
use crate::rounds::median;
use crate::table::{Row, Table};

/// What a caller may feel of a reload, in milliseconds.
const LIMIT: f64 = 0.5;

pub(super) fn run(lab: &Lab<'_>, table: &mut Table) -> Result<(), Error> {
    let samples = lab.effort.of(40);
    let trial = Trial { part: "stall", profile: Profile::Debug, samples, warm_up: 2 };
    let said = lab.host(&trial)?;
    table.push(Row::new("debug library size", kib(said.one("size")?), "KiB"));
    let (reload, control) = (said.all("reload.gap"), said.all("control.gap"));
    rows(table, "longest stall", longest(&reload), longest(&control));
    rows(table, "median of longest stalls", median(&reload), median(&control));
    for (when, gaps) in [("with reloads", &reload), ("control", &control)] {
        let share = gaps.iter().filter(|gap| **gap > LIMIT).count() as f64 / gaps.len() as f64;
        table.push(Row::new(
            format!("windows with a stall over {LIMIT} ms, {when}"),
            share,
            "part",
        ));
    }
    let (reload, control) = (said.all("reload.running"), said.all("control.running"));
    rows(table, "longest stall on a processor", longest(&reload), longest(&control));
    table.push(Row::new("debug reload, window", median(&said.all("window")), "ms"));
    for part in ["read", "check", "load", "commit"] {
        let values = said.all(&format!("timing.{part}"));
        table.push(Row::new(format!("debug reload, {part}, median"), median(&values), "ms"));
    }
    Ok(())
}

/// With, without, and the difference.
fn rows(table: &mut Table, name: &str, with: f64, without: f64) {
    table.push(Row::new(format!("{name}, with reloads"), with, "ms"));
    table.push(Row::new(format!("{name}, control"), without, "ms"));
    table.push(Row::new(format!("{name}, above control"), with - without, "ms").at_most(LIMIT));
}
