//! What can go wrong in a command, how a person is told, and how the program then ends.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::exit::Exit;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// Standard output cannot be written, usually because nobody reads it any more.
    #[error("standard output was closed before the end")]
    Output(#[from] io::Error),
    /// Ctrl-C, or a request to end.
    #[error("interrupted")]
    Interrupted,
    /// A file or folder of the project could not be read or written.
    #[error("{} cannot be used", path.display())]
    File { path: PathBuf, source: io::Error },
    /// The temporary folder could not be made.
    #[error("no temporary folder could be made")]
    TemporaryFolder { source: io::Error },
    /// Cargo did not even start.
    #[error("cargo could not be started")]
    Cargo { source: io::Error },
    /// A build failed.
    #[error("`cargo build` failed ({status})")]
    Build { status: ExitStatus, said: Vec<String> },
    /// Cargo succeeded, but did not say where the program is.
    #[error("`cargo build` made no program called {name}")]
    NoProgram { name: &'static str },
    /// The built program did not start.
    #[error("{} could not be started", path.display())]
    Start { path: PathBuf, source: io::Error },
    /// The program ended by itself.
    #[error("the program ended ({status}) before {awaited}")]
    Ended { status: ExitStatus, awaited: &'static str, said: Vec<String> },
    /// What should have happened did not.
    #[error("{awaited} did not come within {} s", waited.as_secs())]
    Silent { awaited: &'static str, waited: Duration, said: Vec<String> },
    /// A patch that should have been taken was refused.
    #[error("the change was refused, but it should have been taken")]
    Refused { said: Vec<String> },
    /// A patch that should have been refused was taken.
    #[error("the change was taken, but it should have been refused")]
    Taken { said: Vec<String> },
    /// The program's state was lost.
    #[error("the program's count was {before} before the change and {after} after it")]
    StateLost { before: u64, after: u64, said: Vec<String> },
}

impl Error {
    /// Tells the person at standard error, and says how the program ends.
    pub(crate) fn tell(&self) -> Exit {
        // Where nobody reads, nothing can be said.
        let _ = io::stderr().write_all(self.text().as_bytes());
        match self {
            Self::Refused { .. } => Exit::Refused,
            _ => Exit::Failure,
        }
    }

    /// The error, its causes, what the program or cargo said last, and the next step.
    fn text(&self) -> String {
        let mut text = format!("error: {self}\n");
        // The source of `Output` says no more than that somebody closed the pipe.
        let mut cause = self.source();
        while let Some(next) = cause {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  because: {next}");
            cause = next.source();
        }
        if let Some((who, said)) = self.said() {
            let _ = writeln!(text, "  the last that {who} said:");
            for line in said {
                let _ = writeln!(text, "    {line}");
            }
        }
        if let Some(hint) = self.hint() {
            let _ = writeln!(text, "hint: {hint}");
        }
        text
    }

    fn said(&self) -> Option<(&'static str, &[String])> {
        let (who, said) = match self {
            Self::Build { said, .. } => ("cargo", said),
            Self::Ended { said, .. }
            | Self::Silent { said, .. }
            | Self::Refused { said }
            | Self::Taken { said }
            | Self::StateLost { said, .. } => ("the program", said),
            _ => return None,
        };
        (!said.is_empty()).then_some((who, said))
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File { .. } | Self::TemporaryFolder { .. } => {
                Some("see that the disk is not full; TMPDIR names another temporary folder")
            }
            Self::Cargo { .. } => Some("install cargo (https://rustup.rs), or put it on your PATH"),
            Self::Build { .. } => Some(
                "if the compiler itself is at fault, `rustup update stable`; if packages could \
                 not be loaded, connect to the network and run `cargo fetch` first",
            ),
            Self::Start { .. } => {
                Some("see that files in the target folder may be executed (mount option noexec)")
            }
            Self::Ended { .. }
            | Self::Silent { .. }
            | Self::Refused { .. }
            | Self::Taken { .. }
            | Self::StateLost { .. } => Some(
                "`midair demo --keep` leaves the project, so that you can look for the reason; \
                 please report it",
            ),
            Self::Output(_) | Self::Interrupted | Self::NoProgram { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Error;
    use std::time::Duration;

    #[test]
    fn the_hint_comes_last() {
        let error = Error::Silent {
            awaited: "the new answer",
            waited: Duration::from_secs(20),
            said: vec!["count 7: hello".to_owned()],
        };
        let text = error.text();
        assert!(text.starts_with("error: the new answer did not come within 20 s\n"), "{text}");
        assert!(text.contains("    count 7: hello\nhint: "), "{text}");
    }
}
