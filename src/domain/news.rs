//! Who wants to know: listeners, waiters, and what came of the attempts so far.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Domain;
use crate::error::{Error, ErrorKind};
use crate::history::{PatchRecord, Refusals};
use crate::notice;
use crate::report::Report;

/// The attempts so far.
#[derive(Default)]
pub(super) struct Attempts {
    count: u64,
    last: Option<Arc<Result<Report, Error>>>,
    pub(super) refusals: Refusals,
}

/// Somebody who wants to know of patches and refusals.
pub(crate) trait Listener: Send + Sync {
    /// Called after each attempt, on the thread that made it, with no lock of the runtime held.
    fn attempted(&self, outcome: &Result<Report, Error>);
}

/// Runs `work`, whose panic ends here: it must end neither the runtime's thread nor, at the border
/// between two images, the process.
pub(crate) fn guarded(what: &str, work: impl FnOnce()) {
    if std::panic::catch_unwind(AssertUnwindSafe(work)).is_err() {
        notice::warn(format_args!("{what} panicked; the runtime goes on"));
    }
}

/// An outcome for one more reader.
fn echo(outcome: &Result<Report, Error>) -> Result<Report, Error> {
    match outcome {
        Ok(report) => Ok(report.clone()),
        Err(Error::Refused { path, functions }) => {
            Err(Error::Refused { path: path.clone(), functions: functions.clone() })
        }
        Err(error) => {
            Err(Error::Domain { kind: error.kind(), message: error.chain(), hint: error.hint() })
        }
    }
}

impl Domain {
    /// Takes note of what came of an attempt, and tells everybody who wants to know, and the person
    /// at the keyboard.
    pub(crate) fn publish(&self, outcome: &Result<Report, Error>) {
        match outcome {
            Ok(report) if report.repeated => {
                notice::debug(format_args!("{report}"));
                return;
            }
            Ok(report) => notice::info(format_args!("{report}")),
            Err(error) => {
                notice::warn(format_args!("refused, the old code goes on: {}", error.explain()));
            }
        }
        self.tell(outcome);
    }

    /// Takes note of what came of an attempt, wakes everybody who waits for one, and calls everybody
    /// who listens.
    pub(super) fn tell(&self, outcome: &Result<Report, Error>) {
        {
            let locks = self.locks();
            let mut attempts = locks.attempts.lock();
            attempts.count += 1;
            // What was taken back is told of where it was committed.
            if let Err(error) = outcome
                && error.kind() != ErrorKind::Unhealthy
            {
                let path = error.path().map(Path::to_owned).unwrap_or_default();
                let running = self.side.load().generation();
                attempts.refusals.push(PatchRecord::refused(running, path, error.chain()));
            }
            attempts.last = Some(Arc::new(echo(outcome)));
            locks.changed.notify_all();
        }
        for listener in self.listeners.load().iter() {
            guarded("a listener", || listener.attempted(outcome));
        }
    }

    /// Adds somebody who wants to know, for as long as the process lives.
    pub(crate) fn listen(&self, listener: Arc<dyn Listener>) {
        self.listeners.rcu(|listeners| {
            let mut listeners = Vec::clone(listeners);
            listeners.push(Arc::clone(&listener));
            listeners
        });
    }

    /// The outcome of the next attempt, or [`Error::TimedOut`].
    pub(crate) fn wait(&self, timeout: Duration) -> Result<Report, Error> {
        let started = Instant::now();
        let locks = self.locks();
        let mut attempts = locks.attempts.lock();
        let before = attempts.count;
        while attempts.count == before {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() || locks.changed.wait_for(&mut attempts, left).timed_out() {
                break;
            }
        }
        match &attempts.last {
            Some(outcome) if attempts.count != before => echo(outcome),
            _ => Err(Error::TimedOut { waited: timeout }),
        }
    }
}
