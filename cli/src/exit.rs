//! How a command ends, for scripts.

use std::process::{ExitCode, Termination};

/// How a command ended. The numbers never change their meaning.
///
/// | code | meaning |
/// |---|---|
/// | 0 | everything that was asked for was done |
/// | 1 | any failure that has no number of its own: a file, a build, an interruption |
/// | 2 | the command line was not understood |
/// | 3 | committed, and old code is still running somewhere |
/// | 4 | there was nothing to do |
/// | 5 | a patch was refused, and the old code goes on |
/// | 6 | another patch is under way |
/// | 7 | done for some of several programs |
/// | 8 | committed, and old code was still running when the deadline passed |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked for was done.
    Success = 0,
    /// Any failure that has no number of its own.
    Failure = 1,
    /// The command line was not understood.
    Usage = 2,
    /// Committed, and old code is still running somewhere.
    Draining = 3,
    /// There was nothing to do.
    Nothing = 4,
    /// A patch was refused, and the old code goes on.
    Refused = 5,
    /// Another patch is under way.
    Busy = 6,
    /// Done for some of several programs.
    Partly = 7,
    /// Committed, and old code was still running when the deadline passed.
    Overdue = 8,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}
