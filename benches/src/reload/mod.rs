//! What a reload costs, measured in host processes that know nothing of midair.

pub(crate) mod check;
mod latency;
mod memory;
mod stall;
mod storm;

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::args::{Effort, Part};
use crate::error::{Error, at};
use crate::fixture::{Fixtures, Profile, library_name};
use crate::host::{self, Said};
use crate::table::Table;

/// Measures `parts`.
pub(crate) fn run(parts: &[Part], effort: Effort) -> Result<Table, Error> {
    let mut table = Table::new("reload");
    with_lab(effort, |lab| {
        for part in parts {
            match part {
                Part::Latency => latency::run(lab, &mut table)?,
                Part::Stall => stall::run(lab, &mut table)?,
                Part::Memory => memory::run(lab, &mut table)?,
                Part::Storm => storm::run(lab, &mut table)?,
                Part::Peers => peers(lab, &mut table)?,
            }
        }
        Ok(())
    })?;
    Ok(table)
}

/// Runs `work` with the fixtures that every part works with.
fn with_lab<R>(
    effort: Effort,
    work: impl FnOnce(&Lab<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let fixtures = Fixtures::new()?;
    work(&Lab { host: fixtures.host()?, fixtures: &fixtures, effort })
}

#[cfg(feature = "peers")]
fn peers(lab: &Lab<'_>, table: &mut Table) -> Result<(), Error> {
    crate::peers::reload(lab.fixtures, table, lab.effort)
}

#[cfg(not(feature = "peers"))]
fn peers(_lab: &Lab<'_>, table: &mut Table) -> Result<(), Error> {
    table.note("the peers are measured with `--features peers`");
    Ok(())
}

/// What every part works with.
struct Lab<'a> {
    fixtures: &'a Fixtures,
    host: PathBuf,
    effort: Effort,
}

/// One run of the host.
struct Trial<'a> {
    part: &'a str,
    profile: Profile,
    samples: usize,
    warm_up: usize,
}

impl Lab<'_> {
    /// Runs the host in a folder that is removed afterwards.
    fn host(&self, trial: &Trial<'_>) -> Result<Said, Error> {
        let editions = self.fixtures.editions(trial.profile)?;
        let folder = folder()?;
        let artifact = folder.path().join(library_name("bench_hot"));
        eprintln!("measuring {}: {} samples", trial.part, trial.samples);
        let mut command = Command::new(&self.host);
        command.arg(trial.part).arg(&artifact);
        command.args([trial.samples.to_string(), trial.warm_up.to_string()]).args(editions);
        command.env("MIDAIR_ARTIFACT", &artifact).env("MIDAIR_COPIES", folder.path());
        command.env_remove("MIDAIR_LOG");
        host::run(trial.part, &mut command, folder.path())
    }
}

/// A folder for the files of one run.
pub(crate) fn folder() -> Result<TempDir, Error> {
    tempfile::Builder::new().prefix("midair-bench-").tempdir().map_err(at(std::env::temp_dir()))
}

/// The value that `share` of all values do not exceed: 0.99 for the 99th percentile.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// The greatest of `values`.
pub(crate) fn longest(values: &[f64]) -> f64 {
    percentile(values, 1.0)
}

/// Bytes in KiB.
fn kib(bytes: f64) -> f64 {
    bytes / 1024.0
}

#[cfg(test)]
mod tests {
    use super::{longest, percentile};

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 0.99), 198.0);
        assert_eq!(percentile(&values, 0.5), 100.0);
        assert_eq!(longest(&values), 200.0);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
