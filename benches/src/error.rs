//! What can go wrong while measuring.

use std::io;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// A file of a fixture could not be made or read.
    #[error("{} cannot be used", path.display())]
    File { path: PathBuf, source: io::Error },
    /// A program could not be started.
    #[error("{} cannot be started", program.display())]
    Start { program: PathBuf, source: io::Error },
    /// A fixture does not build.
    #[error("the fixture {what} does not build:\n{output}")]
    Build { what: String, output: String },
    /// A host process did not end well.
    #[error("the host of `{part}` ended with {status}")]
    Host { part: String, status: ExitStatus },
    /// A host process did not end at all, and was killed.
    #[error("the host of `{part}` did not end and was killed")]
    Hung { part: String },
    /// A host process did not say what it should.
    #[error("the host of `{part}` did not report `{key}`")]
    Silent { part: String, key: String },
    /// A library of a fixture could not be loaded.
    #[error("the fixture {} cannot be loaded", path.display())]
    Load { path: PathBuf, source: libloading::Error },
    /// A patch that should have been taken was not.
    #[error("midair did not patch")]
    Patch { source: Box<midair::Error> },
    /// A patch was taken, and the calls did not follow.
    #[error("{} was taken as a patch, but calls still run the old code", path.display())]
    Old { path: PathBuf },
    /// The table could not be written.
    #[error("the table cannot be written")]
    Output { source: io::Error },
}

impl Error {
    /// Prints the error with its causes.
    pub(crate) fn report(&self) -> ExitCode {
        eprint!("error: {self}");
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            eprint!(": {error}");
            cause = error.source();
        }
        eprintln!();
        ExitCode::FAILURE
    }
}

/// Turns an I/O error on `path` into ours.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { path, source }
}
