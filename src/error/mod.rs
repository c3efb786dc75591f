//! Everything that can go wrong on the road of a patch, and what to do next.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use midair_trampolines::os::Unsupported;
use midair_trampolines::record::Malformed;

use crate::digest::Digest;
use crate::format::Fault;
use crate::reason::reasons;
use crate::report::FunctionReport;
use crate::transition::Straggler;

mod hint;
mod kind;

pub use kind::ErrorKind;

/// Why a file did not become a patch, or the runtime could not do what was asked.
///
/// Whatever the variant, the functions of the program run the code that they ran before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read.
    #[error("the artifact {} cannot be read", path.display())]
    Read {
        /// The artifact.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a folder, a pipe or a device.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The artifact.
        path: PathBuf,
    },
    /// The file changed while it was being read.
    #[error("the artifact {} changed while it was being read", path.display())]
    Changing {
        /// The artifact.
        path: PathBuf,
    },
    /// The file is larger than any artifact may be.
    #[error("the artifact {} has {size} bytes, more than the limit of {limit}", path.display())]
    TooLarge {
        /// The artifact.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// The bytes are not a whole, loadable library for this process.
    #[error("the artifact {} is not a library that this process can load", path.display())]
    Artifact {
        /// The artifact.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Fault,
    },
    /// Its `midair` section cannot be understood.
    #[error("the records of the artifact {} cannot be read", path.display())]
    Records {
        /// The artifact.
        path: PathBuf,
        /// What is wrong with them.
        source: Malformed,
    },
    /// It has no hot function at all.
    #[error("the artifact {} holds no hot function", path.display())]
    NoFunctions {
        /// The artifact.
        path: PathBuf,
    },
    /// It was built by other rules than the running program.
    #[error("the artifact {} was built differently: {what} is {artifact}, in the running program it is {running}", path.display())]
    Identity {
        /// The artifact.
        path: PathBuf,
        /// What differs.
        what: Rule,
        /// The running program's.
        running: String,
        /// The artifact's.
        artifact: String,
    },
    /// None of its functions is one of this program's.
    #[error("the artifact {} is of the crate {artifact}, but {}", path.display(), hot_crates(running))]
    Foreign {
        /// The artifact.
        path: PathBuf,
        /// The crate of its first function.
        artifact: String,
        /// The crates whose functions are hot in this program.
        running: Vec<String>,
    },
    /// At least one function cannot be exchanged, so none was.
    #[error("{} (in {})", refused_functions(functions), path.display())]
    Refused {
        /// The artifact.
        path: PathBuf,
        /// Every function of the artifact and of the program, with its verdict.
        functions: Vec<FunctionReport>,
    },
    /// The private copy could not be made.
    #[error("no private copy of the artifact could be written to {}", path.display())]
    Copy {
        /// The folder or file that could not be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system's loader refused it.
    #[error("the system's loader refused the artifact {}", path.display())]
    Load {
        /// The artifact.
        path: PathBuf,
        /// What the loader said.
        source: libloading::Error,
    },
    /// After loading, its functions turned out to be somebody else's.
    #[error("the artifact {} was loaded, but {name} is not in it: the loader bound it elsewhere", path.display())]
    Bound {
        /// The artifact.
        path: PathBuf,
        /// The first function that is not its own.
        name: String,
    },
    /// Another patch is under way, on this very thread or for too long.
    #[error("another patch is under way")]
    Busy,
    /// The transition before has not ended: somebody is still in a scope of an older generation.
    #[error("the change to generation {generation} has not ended: {}", still_in_scope(stragglers))]
    Draining {
        /// The generation that is becoming the only one.
        generation: u64,
        /// Who is waited for.
        stragglers: Vec<Straggler>,
    },
    /// Scopes did not end before the deadline of [`Level::Quiescent`](crate::Level::Quiescent).
    #[error("no moment without scopes came within {deadline:?}: {}", still_in_scope(stragglers))]
    NotQuiescent {
        /// How long was waited.
        deadline: Duration,
        /// Who was waited for.
        stragglers: Vec<Straggler>,
    },
    /// It is a delta, and what it builds on does not run.
    #[error("the artifact {} is a delta on {base}, but {} runs", path.display(), digest_or_unknown(running))]
    Base {
        /// The artifact.
        path: PathBuf,
        /// What it builds on.
        base: Digest,
        /// What runs; `None` where its file is gone.
        running: Option<Digest>,
    },
    /// There is no such generation to go back to.
    #[error("there is no generation {number} to go back to")]
    NoGeneration {
        /// The number that was asked for.
        number: u64,
    },
    /// The patch was taken back, because it was found unwell, or by somebody else before it was
    /// accepted.
    #[error("generation {generation} was taken back: {reason}")]
    Unhealthy {
        /// Its number.
        generation: u64,
        /// What the health check said.
        reason: String,
    },
    /// A hook failed, so nothing was changed.
    #[error("the hook {hook} failed: {reason}{}", inside(path))]
    Hook {
        /// The artifact.
        path: PathBuf,
        /// The hook, by its path and name.
        hook: String,
        /// Its error, its panic, or that it took too long.
        reason: String,
    },
    /// A persistent static could not be migrated, so nothing was changed.
    #[error("{name} could not be migrated: {reason}{}", inside(path))]
    Migration {
        /// The artifact.
        path: PathBuf,
        /// The static, by its path and name.
        name: String,
        /// The error or the panic of the migration, or that it took too long.
        reason: String,
    },
    /// A persistent static changes its type, for which a moment without scopes is needed.
    #[error("{name} is to be migrated, which needs a moment without scopes{}", inside(path))]
    NeedsQuiescence {
        /// The artifact.
        path: PathBuf,
        /// The static, by its path and name.
        name: String,
    },
    /// Something failed, and so did hooks that were to undo what had been done. The code that ran
    /// goes on; what those hooks should have brought back may be missing.
    #[error("{reason}; and the undo was not complete: {}", undo.join("; "))]
    Undo {
        /// The artifact.
        path: PathBuf,
        /// What had failed.
        reason: String,
        /// What failed in the undo.
        undo: Vec<String>,
    },
    /// A test made the step fail; only with the feature `failpoints`.
    #[error("the failpoint {step} made this step fail")]
    Injected {
        /// The failpoint.
        step: &'static str,
    },
    /// Nothing came in time.
    #[error("no patch came within {:?}", waited)]
    TimedOut {
        /// How long was waited.
        waited: Duration,
    },
    /// The process has a runtime already, of another version of midair or by another compiler.
    #[error(
        "another library of this process runs midair in another version, or built by another compiler"
    )]
    OtherMidair,
    /// This platform lacks something that patching needs.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A thread of the runtime could not be started.
    #[error("the runtime's thread could not be started")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// The artifact's folder could not be watched.
    #[error("the folder {} cannot be watched", path.display())]
    Watch {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The domain that this image belongs to answered with an error of its own.
    #[error("{message}")]
    Domain {
        /// Which variant it was there.
        kind: ErrorKind,
        /// Its text.
        message: String,
        /// What it advises.
        hint: String,
    },
}

/// One of the rules under which a library is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// Release and commit of rustc.
    #[error("the compiler")]
    Compiler,
    /// The target triple.
    #[error("the target")]
    Target,
    /// Target features that change how arguments are passed.
    #[error("the set of target features that change calls")]
    Features,
    /// What happens to a panic.
    #[error("the panic strategy")]
    Panic,
    /// Whether std is shared, and which.
    #[error("the standard library")]
    Std,
    /// The global allocator.
    #[error("the global allocator")]
    Allocator,
}

impl Error {
    /// Which variant this is, also when it was answered by another image.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } => ErrorKind::Read,
            Self::NotAFile { .. } => ErrorKind::NotAFile,
            Self::Changing { .. } => ErrorKind::Changing,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Artifact { .. } => ErrorKind::Artifact,
            Self::Records { .. } => ErrorKind::Records,
            Self::NoFunctions { .. } => ErrorKind::NoFunctions,
            Self::Identity { .. } => ErrorKind::Identity,
            Self::Foreign { .. } => ErrorKind::Foreign,
            Self::Refused { .. } => ErrorKind::Refused,
            Self::Copy { .. } => ErrorKind::Copy,
            Self::Load { .. } => ErrorKind::Load,
            Self::Bound { .. } => ErrorKind::Bound,
            Self::Busy => ErrorKind::Busy,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Unsupported(_) => ErrorKind::Unsupported,
            Self::Thread { .. } => ErrorKind::Thread,
            Self::Watch { .. } => ErrorKind::Watch,
            Self::Draining { .. } => ErrorKind::Draining,
            Self::NotQuiescent { .. } => ErrorKind::NotQuiescent,
            Self::NoGeneration { .. } => ErrorKind::NoGeneration,
            Self::Unhealthy { .. } => ErrorKind::Unhealthy,
            Self::Base { .. } => ErrorKind::Base,
            Self::Hook { .. } => ErrorKind::Hook,
            Self::Migration { .. } => ErrorKind::Migration,
            Self::NeedsQuiescence { .. } => ErrorKind::NeedsQuiescence,
            Self::Undo { .. } => ErrorKind::Undo,
            Self::Injected { .. } => ErrorKind::Injected,
            Self::OtherMidair => ErrorKind::OtherMidair,
            Self::Domain { kind, .. } => *kind,
        }
    }

    /// The artifact that it is about, where it is about one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Read { path, .. }
            | Self::NotAFile { path }
            | Self::Changing { path }
            | Self::TooLarge { path, .. }
            | Self::Artifact { path, .. }
            | Self::Records { path, .. }
            | Self::NoFunctions { path }
            | Self::Identity { path, .. }
            | Self::Foreign { path, .. }
            | Self::Refused { path, .. }
            | Self::Load { path, .. }
            | Self::Bound { path, .. }
            | Self::Base { path, .. }
            | Self::Hook { path, .. }
            | Self::Migration { path, .. }
            | Self::NeedsQuiescence { path, .. }
            | Self::Undo { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The error, its causes and what to do next, in one line for a person to read.
    #[must_use]
    pub fn explain(&self) -> String {
        format!("{}; {}", self.chain(), self.hint())
    }

    /// The error and its causes in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(next) = cause {
            text.push_str(": ");
            text.push_str(&next.to_string());
            cause = next.source();
        }
        text
    }
}

fn digest_or_unknown(digest: &Option<Digest>) -> String {
    digest.map_or_else(|| "a file that is gone".to_owned(), |digest| digest.to_string())
}

/// ` (in the artifact)`, where one is known.
fn inside(path: &Path) -> String {
    if path.as_os_str().is_empty() { String::new() } else { format!(" (in {})", path.display()) }
}

fn still_in_scope(stragglers: &[Straggler]) -> String {
    match stragglers {
        [] => "the scopes have ended by now".to_owned(),
        [straggler] => straggler.to_string(),
        [straggler, rest @ ..] => format!("{straggler}, and {} more", rest.len()),
    }
}

fn hot_crates(running: &[String]) -> String {
    if running.is_empty() {
        "this program has no hot function, so there is nothing to patch".to_owned()
    } else {
        format!("this program's hot functions are of {}", running.join(", "))
    }
}

fn refused_functions(functions: &[FunctionReport]) -> String {
    let reasons = reasons(functions).into_iter().map(|reason| reason.to_string());
    reasons.collect::<Vec<_>>().join("; ")
}
