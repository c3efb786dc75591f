//! The crossing from one generation to another: its hooks, one after the other, and the way back.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use midair_trampolines::hook::{Hook, HookHead, When};
use midair_trampolines::os;
use midair_trampolines::scope::{Epoch, depth};

use super::context::{RawContext, Why};
use super::outcome::reason_of;
use super::values::{Desk, put, take};
use crate::domain::Domain;
use crate::editions::Editions;
use crate::failpoint::{Failpoint, reached};
use crate::notice;
use crate::registry::Registry;
use crate::scope::Stepped;

/// From which generation to which, for the hooks of both.
#[derive(Clone)]
pub(crate) struct Crossing {
    pub(crate) domain: &'static Domain,
    /// Knows the images of both.
    pub(crate) registry: Arc<Registry>,
    pub(crate) old: End,
    pub(crate) new: End,
    pub(crate) why: Why,
    /// The epoch that it is, which the hooks of an undo see, and the one to come, which the others
    /// see.
    pub(crate) epochs: [Epoch; 2],
    pub(crate) deadline: Duration,
}

/// A generation, as far as hooks are concerned.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) generation: u64,
    pub(crate) editions: Editions,
}

/// A hook that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) hook: String,
    pub(crate) reason: String,
}

/// How far a crossing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// Hooks of the generation that is left have begun.
    Left,
    /// Hooks of the one that comes have begun.
    Arrived,
}

/// A crossing under way. Dropping it goes back, unless it was [kept](Self::keep).
pub(crate) struct Crossed {
    crossing: Crossing,
    /// Whether a hook was left running.
    abandoned: Arc<AtomicBool>,
    come: Option<Step>,
}

impl Crossing {
    /// A crossing whose hooks have not begun.
    pub(crate) fn begin(self) -> Crossed {
        Crossed { crossing: self, abandoned: Arc::default(), come: None }
    }

    /// Whether there is any hook to run.
    pub(crate) fn has_hooks(&self) -> bool {
        let sides = [[&self.old, &self.new], [&self.new, &self.old]];
        let mut images = sides.into_iter().flat_map(|[of, without]| self.images(of, without));
        images.any(|image| !self.registry.images()[image].hooks.is_empty())
    }

    /// Runs the hooks of one side's images that the other side does not run.
    fn run(
        &self,
        abandoned: &AtomicBool,
        [of, without]: [&End; 2],
        when: When,
        why: Why,
    ) -> Vec<Failed> {
        let mut failed = Vec::new();
        for image in self.images(of, without) {
            for (hook, head) in &self.registry.images()[image].hooks {
                if hook.when == when
                    && let Err(reason) = self.run_one(abandoned, hook, head, why)
                {
                    failed.push(Failed { hook: hook.name.clone(), reason });
                    // An undo goes on: what it can still bring back, it brings back.
                    if why != Why::Undo {
                        return failed;
                    }
                }
            }
        }
        failed
    }

    fn images(&self, of: &End, without: &End) -> BTreeSet<usize> {
        let units: BTreeSet<usize> =
            self.registry.images().iter().map(|image| image.unit).collect();
        let run = |side: &End| -> BTreeSet<usize> {
            units.iter().map(|unit| side.editions.of(*unit)).collect()
        };
        run(of).difference(&run(without)).copied().collect()
    }

    /// Runs a hook on a thread of its own, for as long as it may take.
    fn run_one(
        &self,
        abandoned: &AtomicBool,
        hook: &Hook,
        head: &'static HookHead,
        why: Why,
    ) -> Result<(), String> {
        let desk = Arc::new(Desk::new(self.domain.values()));
        let ((old, new), epoch) = match why {
            Why::Undo => ((self.new.generation, self.old.generation), self.epochs[0]),
            Why::Patch | Why::Rollback => {
                ((self.old.generation, self.new.generation), self.epochs[1])
            }
        };
        let why = match why {
            Why::Patch => 0,
            Why::Rollback => 1,
            Why::Undo => 2,
        };
        let theirs = Arc::clone(&desk);
        let has_forgotten = Arc::new(AtomicBool::new(false));
        let forgotten = Arc::clone(&has_forgotten);
        let work = move || {
            let stepped = Stepped::into(epoch);
            let desk = Arc::as_ptr(&theirs).cast();
            let context = RawContext { old, new, why, desk, put, take };
            let outcome = reason_of(|failed| {
                // SAFETY: a context and a sink that live for the time of the call.
                unsafe { (head.run())((&raw const context).cast(), failed) }
            });
            if depth() > 1 {
                // A guard that was forgotten may be looked through for ever. The thread's own end
                // takes its pin back.
                forgotten.store(true, Ordering::Release);
                std::mem::forget(stepped);
            }
            outcome.map_or(Ok(()), Err)
        };
        notice::debug(format_args!("hook {} begins", hook.name));
        let outcome = within(self.domain, self.deadline, work);
        desk.is_closed.store(true, Ordering::Release);
        // Its thread has a share of the desk for as long as it runs.
        if Arc::strong_count(&desk) > 1 || has_forgotten.load(Ordering::Acquire) {
            abandoned.store(true, Ordering::Release);
        }
        outcome
    }
}

impl Crossed {
    /// Runs the hooks of the generation that is left.
    ///
    /// # Errors
    /// The first that failed.
    pub(crate) fn leave(&mut self) -> Result<(), Failed> {
        self.come = Some(Step::Left);
        let Crossing { old, new, why, .. } = &self.crossing;
        first(self.crossing.run(&self.abandoned, [old, new], When::Unload, *why))
    }

    /// Runs the hooks of the generation that comes.
    ///
    /// # Errors
    /// The first that failed.
    pub(crate) fn arrive(&mut self) -> Result<(), Failed> {
        self.come = Some(Step::Arrived);
        let Crossing { old, new, why, .. } = &self.crossing;
        first(self.crossing.run(&self.abandoned, [new, old], When::Load, *why))
    }

    /// Set when a hook is left running.
    pub(crate) fn abandoned(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.abandoned)
    }

    /// The new generation runs: there is no way back.
    pub(crate) fn keep(mut self) {
        self.come = None;
    }

    /// Goes back; returns what failed on the way.
    pub(crate) fn undo(mut self) -> Vec<Failed> {
        self.go_back()
    }

    fn go_back(&mut self) -> Vec<Failed> {
        let Some(come) = self.come.take() else { return Vec::new() };
        let Crossing { old, new, .. } = &self.crossing;
        let mut failed = Vec::new();
        if come == Step::Arrived {
            failed.extend(self.crossing.run(&self.abandoned, [new, old], When::Unload, Why::Undo));
        }
        failed.extend(self.crossing.run(&self.abandoned, [old, new], When::Load, Why::Undo));
        failed
    }
}

impl Drop for Crossed {
    fn drop(&mut self) {
        for Failed { hook, reason } in self.go_back() {
            notice::warn(format_args!("hook {hook} failed in the undo: {reason}"));
        }
    }
}

fn first(failed: Vec<Failed>) -> Result<(), Failed> {
    failed.into_iter().next().map_or(Ok(()), Err)
}

/// Runs `work` on a thread of its own, and waits for it no longer than `deadline`.
///
/// # Errors
/// What it returned, or that it did not end; then its thread goes on without anybody.
pub(crate) fn within<R: Send + 'static>(
    domain: &'static Domain,
    deadline: Duration,
    work: impl FnOnce() -> Result<R, String> + Send + 'static,
) -> Result<R, String> {
    let (done, outcome) = channel();
    let thread = thread::Builder::new().name("midair-hook".to_owned());
    let run = move || {
        domain.hold_here();
        // Nobody listens when it took too long.
        let _ = done.send(work());
    };
    reached(Failpoint::Thread)
        .map_err(io::Error::from)
        .and_then(|()| os::without_signals(|| thread.spawn(run)))
        .map_err(|source| format!("its thread could not be started: {source}"))?;
    let outcome = outcome.recv_timeout(deadline);
    domain.hold_here();
    match outcome {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => Err(format!(
            "it did not end within {deadline:?}; its thread, `midair-hook`, is left to itself"
        )),
        Err(RecvTimeoutError::Disconnected) => Err("its thread ended without an answer".to_owned()),
    }
}
