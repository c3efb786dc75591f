//! By the time of the last write.

use std::io;
use std::path::Path;
use std::time::SystemTime;

/// When the file at `path` became what it is.
pub(crate) fn completed(path: &Path) -> io::Result<SystemTime> {
    std::fs::metadata(path)?.modified()
}
