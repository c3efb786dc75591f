//! The desk: the stages of transactions that somebody takes step by step, each under a number, so
//! that any image can take them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::Level;
use crate::domain::Domain;
use crate::error::Error;
use crate::report::Report;
use crate::stages::{Checked, Loaded, Prepared, Provisional, Read, Trusted};

/// One stage of a transaction.
enum Stage {
    Read(Read),
    Checked(Checked),
    Trusted(Trusted),
    Loaded(Loaded),
    Prepared(Prepared),
    Provisional(Provisional),
}

/// What is to be done with a stage.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    Check,
    Trust,
    Load,
    Prepare,
    Commit(Level),
    Accept,
    RollBack(String),
    /// Nobody wants it any more.
    Drop,
}

/// The stages that somebody holds.
#[derive(Default)]
pub(crate) struct Desk {
    stages: Mutex<HashMap<u64, Stage>>,
    last: AtomicU64,
}

impl Desk {
    /// Reads the artifact at `path`, and returns the number of its stage.
    ///
    /// # Errors
    /// See [`Read::open`].
    pub(crate) fn open(&self, path: &Path) -> Result<u64, Error> {
        let read = Read::open(path)?;
        // Relaxed: the numbers only have to differ.
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.stages.lock().insert(number, Stage::Read(read));
        Ok(number)
    }

    /// Takes stage `number` one step further. What is refused is gone, and undone.
    ///
    /// # Errors
    /// Those of the step.
    ///
    /// # Panics
    /// When the step is not one of that stage's; the types of `transaction` see to that.
    pub(crate) fn advance(
        &self,
        domain: &'static Domain,
        number: u64,
        step: Move,
    ) -> Result<Report, Error> {
        let stage = self.stages.lock().remove(&number);
        let (stage, report) = match (stage, step) {
            (Some(Stage::Read(read)), Move::Check) => {
                let checked = read.check(domain, None)?;
                let report = checked.report();
                (Stage::Checked(checked), report)
            }
            (Some(Stage::Checked(checked)), Move::Trust) => {
                let report = checked.report();
                (Stage::Trusted(checked.trust()?), report)
            }
            (Some(Stage::Trusted(trusted)), Move::Load) => {
                let loaded = trusted.load()?;
                let report = loaded.report();
                (Stage::Loaded(loaded), report)
            }
            (Some(Stage::Loaded(loaded)), Move::Prepare) => {
                let prepared = loaded.prepare()?;
                let report = prepared.report();
                (Stage::Prepared(prepared), report)
            }
            (Some(Stage::Prepared(prepared)), Move::Commit(level)) => {
                let provisional = prepared.commit(level)?;
                let report = provisional.report().clone();
                (Stage::Provisional(provisional), report)
            }
            (Some(Stage::Provisional(provisional)), Move::Accept) => {
                let report = provisional.accept()?;
                domain.publish(&Ok(report.clone()));
                return Ok(report);
            }
            (Some(Stage::Provisional(provisional)), Move::RollBack(reason)) => {
                let report = provisional.report().clone();
                provisional.roll_back(&reason)?;
                return Ok(report);
            }
            (Some(Stage::Provisional(provisional)), Move::Drop) => {
                let report = provisional.report().clone();
                provisional.roll_back("nobody accepted it")?;
                return Ok(report);
            }
            (_, Move::Drop) => return Ok(Report::nothing()),
            // It was begun by the process that this one was forked from.
            (None, _) => return Err(Error::Busy),
            _ => unreachable!("the types of a transaction allow each step in its place alone"),
        };
        self.stages.lock().insert(number, stage);
        Ok(report)
    }
}
