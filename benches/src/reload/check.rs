//! What the check before loading takes, with and without debug info to compare types by.

use super::{Lab, Trial, kib};
use crate::args::Effort;
use crate::error::Error;
use crate::fixture::Profile;
use crate::rounds::median;
use crate::table::{Row, Table};

/// Measures the check of a stripped release library and of a library as `cargo build` makes it,
/// with midair itself unoptimised.
pub(crate) fn run(effort: Effort) -> Result<Table, Error> {
    let mut table = Table::new("check");
    super::with_lab(effort, |lab| {
        part(lab, &mut table, Profile::Small, "no debug info", (2.0, 2.0))?;
        part(lab, &mut table, Profile::Debug, "debug library", (150.0, 20.0))
    })?;
    Ok(table)
}

fn part(
    lab: &Lab<'_>,
    table: &mut Table,
    profile: Profile,
    what: &str,
    (first, later): (f64, f64),
) -> Result<(), Error> {
    let samples = lab.effort.of(60);
    let said = lab.host(&Trial { part: "latency", profile, samples, warm_up: 0 })?;
    let mut checks = said.all("timing.check");
    // The notes of a patch are taken when its copy is complete, which a slow disk delays.
    checks.retain(|check| *check > 0.0);
    // The first one also reads the types of the running program, which are kept.
    let (head, rest) = checks.split_first().unwrap_or((&f64::NAN, &[]));
    table.push(Row::new(format!("{what}: file size"), kib(said.one("size")?), "KiB"));
    table.push(Row::new(format!("{what}: first check"), *head, "ms").at_most(first));
    table
        .push(Row::new(format!("{what}: later checks, median"), median(rest), "ms").at_most(later));
    Ok(())
}
