//! What a command is to do, decided once, before any work.

use crate::demo;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) command: Command,
}

/// The command, with its settings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `midair demo`.
    Demo(demo::Options),
}
