//! Failpoints: the named places in the life of a patch where a test makes it fail, or ends the
//! process.
//!
//! `MIDAIR_FAILPOINT=name` lets the step of that name fail, `MIDAIR_FAILPOINT=name=kill` ends the
//! process there as `kill -9` does. Only with the feature `failpoints` does anybody look.

#[cfg(feature = "failpoints")]
mod on;
#[cfg(feature = "failpoints")]
pub(crate) use on::reached;

#[cfg(not(feature = "failpoints"))]
mod off;
#[cfg(not(feature = "failpoints"))]
pub(crate) use off::reached;

use crate::error::Error;

/// A step that may fail, or that the process may end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Failpoint {
    /// The file was read.
    Read,
    /// It was compared with the program.
    Check,
    /// The policy was asked.
    Trust,
    /// Its private copy was written.
    Copy,
    /// The loader has loaded it; its constructors have run.
    Load,
    /// Its records were found in memory.
    Records,
    /// The gate is closed, and nobody is in a scope.
    Quiescence,
    /// The hooks of the generation that is left have run.
    Unload,
    /// New instances of statics were made.
    Migration,
    /// The hooks of the generation that comes have run.
    Arrive,
    /// A thread is to be started.
    Thread,
    /// Callers go through their routers, which lead to the old code.
    Route,
    /// The new generation is visible; nobody has taken note of it.
    Flip,
    /// The commit was noted.
    Note,
    /// The private copy was completed.
    Complete,
    /// Nobody is left in an older scope.
    Drain,
    /// A rollback is about to be visible.
    RollBack,
}

/// What each is called, in order.
#[cfg_attr(not(feature = "failpoints"), expect(unreachable_pub, reason = "only tests name it"))]
pub const NAMES: [&str; 17] = [
    "read",
    "check",
    "trust",
    "copy",
    "load",
    "records",
    "quiescence",
    "unload",
    "migration",
    "arrive",
    "thread",
    "route",
    "flip",
    "note",
    "complete",
    "drain",
    "roll-back",
];

impl Failpoint {
    /// What it is called.
    pub(crate) const fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// The error of a step that was made to fail.
    pub(crate) fn error(self) -> Error {
        Error::Injected { step: self.name() }
    }
}

/// A step was made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Injected(pub(crate) Failpoint);

impl From<Injected> for Error {
    fn from(Injected(failpoint): Injected) -> Self {
        failpoint.error()
    }
}

impl From<Injected> for std::io::Error {
    fn from(Injected(failpoint): Injected) -> Self {
        Self::other(failpoint.error())
    }
}

/// A place where nothing can fail any more, but the process can end.
pub(crate) fn passed(failpoint: Failpoint) {
    // Whoever asks for a failure here gets none: there is nobody to tell.
    let _ = reached(failpoint);
}
