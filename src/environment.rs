//! The variables that midair reads, once and early: later a host may be changing its environment
//! while a thread of midair reads it.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::OnceLock;

use log::LevelFilter;
use midair_trampolines::os;

/// What the environment says.
#[derive(Debug)]
pub(crate) struct Environment {
    /// `MIDAIR_ARTIFACT`: the files to follow.
    #[cfg_attr(not(feature = "watch"), expect(dead_code, reason = "only who follows files asks"))]
    pub(crate) artifact: Option<OsString>,
    /// `MIDAIR_COPIES`: the folder for private copies.
    pub(crate) copies: Option<PathBuf>,
    /// `MIDAIR_LOG`: how much is said where there is no logger.
    pub(crate) log: LevelFilter,
    /// Whether standard error is a terminal that shows colour, and nobody asked for none.
    pub(crate) colour: bool,
}

/// The environment as it was when somebody first asked.
pub(crate) fn environment() -> &'static Environment {
    static READ: OnceLock<Environment> = OnceLock::new();
    READ.get_or_init(|| {
        let log = os::variable("MIDAIR_LOG");
        let log = log.as_ref().and_then(|level| level.to_str()?.parse().ok());
        Environment {
            artifact: os::variable("MIDAIR_ARTIFACT"),
            copies: os::variable("MIDAIR_COPIES").map(PathBuf::from),
            log: log.unwrap_or(LevelFilter::Info),
            colour: io::stderr().is_terminal()
                && os::variable("NO_COLOR").is_none()
                && os::variable("TERM").is_none_or(|term| term != "dumb"),
        }
    })
}
