//! What 200 reloads leave behind.

use super::{Lab, Trial, kib};
use crate::error::Error;
use crate::fixture::Profile;
use crate::table::{Row, Table};

/// What a reload may keep besides its file, in KiB.
const LIMIT: f64 = 64.0;

pub(super) fn run(lab: &Lab<'_>, table: &mut Table) -> Result<(), Error> {
    let samples = lab.effort.of(200);
    let trial = Trial { part: "memory", profile: Profile::Small, samples, warm_up: 20 };
    let said = lab.host(&trial)?;
    let grown = |what: &str| -> Result<f64, Error> {
        Ok(said.one(&format!("after.{what}"))? - said.one(&format!("before.{what}"))?)
    };
    let size = kib(said.one("size")?);
    let rss = grown("rss")? / samples as f64;
    let reloads = said.one("generation")? - trial.warm_up as f64;
    table.push(Row::new("reloads measured", reloads, ""));
    table.push(Row::new("rss per reload", rss, "KiB"));
    table.push(Row::new("file size", size, "KiB"));
    table.push(Row::new("rss per reload above file size", rss - size, "KiB").at_most(LIMIT));
    for what in ["descriptors", "threads"] {
        table.push(Row::new(format!("{what} leaked"), grown(what)?, "").at_most(0.0));
    }
    Ok(())
}
