//! What a command is to do, decided once, before any work.

use crate::{check, demo, diff, inspect};

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
    /// `midair inspect`.
    Inspect(inspect::Options),
    /// `midair check`.
    Check(check::Options),
    /// `midair diff`.
    Diff(diff::Options),
}

/// For whom a command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// A person.
    Text,
    /// A script.
    Json,
}
