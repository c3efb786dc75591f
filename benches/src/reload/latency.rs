//! File complete to first new call, with a library of some hundred KiB.

use super::{Lab, Trial, kib, percentile};
use crate::error::Error;
use crate::fixture::Profile;
use crate::rounds::median;
use crate::table::{Row, Table};

const MANNERS: [&str; 3] = ["renamed", "written", "linked"];

pub(super) fn run(lab: &Lab<'_>, table: &mut Table) -> Result<(), Error> {
    let samples = lab.effort.of(400);
    let trial = Trial { part: "latency", profile: Profile::Small, samples, warm_up: 10 };
    let said = lab.host(&trial)?;
    let by_manner = MANNERS.map(|manner| said.all(&format!("latency.{manner}")));
    let all = by_manner.concat();
    let name = |what: &str| format!("file complete to first new call, {what}");
    table.push(Row::new("library size", kib(said.one("size")?), "KiB"));
    table.push(Row::new(name("median"), median(&all), "ms").at_most(25.0));
    table.push(Row::new(name("p99"), percentile(&all, 0.99), "ms").at_most(60.0));
    for (manner, values) in MANNERS.iter().zip(&by_manner) {
        table.push(Row::new(name(&format!("median, {manner}")), median(values), "ms"));
    }
    for part in ["read", "check", "load", "commit"] {
        let values = said.all(&format!("timing.{part}"));
        table.push(Row::new(format!("of that: {part}, median"), median(&values), "ms"));
    }
    let lost = said.all("lost").len() as f64;
    table.push(Row::new("samples", all.len() as f64, ""));
    table.push(Row::new("files never seen", lost, "").at_most(0.0));
    Ok(())
}
