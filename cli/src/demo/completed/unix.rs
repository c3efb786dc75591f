//! By the time of the last change of the inode: cargo links or copies a library to its place
//! when the linker is done with it, and either of them sets that time.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// When the file at `path` became what it is. File systems keep this to a few milliseconds, and
/// never say a time that is too late.
pub(crate) fn completed(path: &Path) -> io::Result<SystemTime> {
    let metadata = std::fs::metadata(path)?;
    let seconds = Duration::from_secs(metadata.ctime().try_into().unwrap_or_default());
    let nanoseconds = Duration::from_nanos(metadata.ctime_nsec().try_into().unwrap_or_default());
    Ok(SystemTime::UNIX_EPOCH + seconds + nanoseconds)
}
