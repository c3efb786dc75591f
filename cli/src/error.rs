//! What can go wrong in a command, how a person is told, and how the program then ends.

use std::borrow::Cow;
use std::error::Error as _;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use midair::ErrorKind;
use midair::inspect::CodeError;

use crate::exit::Exit;
use crate::screen::harmless;

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
    /// A library could not be read.
    #[error(transparent)]
    Library(midair::Error),
    /// The library that might become a patch could not be read.
    #[error(transparent)]
    Candidate(midair::Error),
    /// The code of a function could not be shown.
    #[error(transparent)]
    Code(CodeError),
}

impl Error {
    /// Tells the person at standard error, and says how the program ends.
    pub(crate) fn tell(&self) -> Exit {
        // Where nobody reads, nothing can be said.
        let _ = io::stderr().write_all(self.text().as_bytes());
        match self {
            Self::Refused { .. } => Exit::Refused,
            Self::Candidate(error) => match error.kind() {
                ErrorKind::Artifact | ErrorKind::Records | ErrorKind::NoFunctions => Exit::Refused,
                _ => Exit::Failure,
            },
            _ => Exit::Failure,
        }
    }

    /// The error, its causes, what the program or cargo said last, and the next step.
    fn text(&self) -> String {
        let mut text = format!("error: {}\n", harmless(&self.to_string()));
        // The source of `Output` says no more than that somebody closed the pipe.
        let mut cause = self.source();
        while let Some(next) = cause {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  because: {}", harmless(&next.to_string()));
            cause = next.source();
        }
        if let Some((who, said)) = self.said() {
            let _ = writeln!(text, "  the last that {who} said:");
            for line in said {
                let _ = writeln!(text, "    {line}");
            }
        }
        for candidate in self.candidates() {
            let _ = writeln!(text, "  {}", harmless(candidate));
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

    /// The functions that may have been meant.
    fn candidates(&self) -> &[String] {
        match self {
            Self::Code(
                CodeError::Unknown { candidates, .. } | CodeError::Ambiguous { candidates, .. },
            ) => &candidates[..candidates.len().min(CANDIDATES)],
            _ => &[],
        }
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Library(error) | Self::Candidate(error) => Some(error.hint().into()),
            Self::Code(error) => code_hint(error).map(Cow::Borrowed),
            _ => self.demo_hint().map(Cow::Borrowed),
        }
    }

    fn demo_hint(&self) -> Option<&'static str> {
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
            _ => None,
        }
    }
}

fn code_hint(error: &CodeError) -> Option<&'static str> {
    match error {
        CodeError::Unknown { .. } => Some("name one of the functions above, or its last segments"),
        CodeError::Ambiguous { .. } => Some("name more of its segments"),
        CodeError::Unsupported { .. } => {
            Some("`midair check` compares files of every machine and format, without their code")
        }
        CodeError::Endless { .. } => {
            Some("build without `strip`: the symbol table says where a function ends")
        }
        _ => None,
    }
}

/// The most functions that an error names.
const CANDIDATES: usize = 40;

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
