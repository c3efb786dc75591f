//! Four threads that call while 500 rebuilt libraries come in.

use super::{Lab, Trial};
use crate::error::Error;
use crate::fixture::Profile;
use crate::table::{Row, Table};

pub(super) fn run(lab: &Lab<'_>, table: &mut Table) -> Result<(), Error> {
    let samples = lab.effort.of(500);
    let trial = Trial { part: "storm", profile: Profile::Small, samples, warm_up: 0 };
    let said = lab.host(&trial)?;
    table.push(Row::new("rebuilt libraries", said.one("presented")?, ""));
    table.push(Row::new("reloads", said.one("generation")?, ""));
    table.push(Row::new("calls", said.one("calls")?, ""));
    table.push(Row::new("wrong results", said.one("wrong")?, "").at_most(0.0));
    table.push(Row::new("libraries never seen", said.one("lost")?, "").at_most(0.0));
    table.push(Row::new("final version everywhere", said.one("last")?, "1=yes"));
    Ok(())
}
