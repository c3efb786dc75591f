//! The system's loader on platforms that are not Unix, through libloading.

use std::path::Path;

use libloading::Library;

use super::Lookup;

/// Maps the library at `path` for ever and runs its constructors.
pub(super) fn open(path: &Path, _lookup: Lookup) -> Result<(), libloading::Error> {
    // SAFETY: the file is our private copy of bytes whose structure was checked; that its
    // constructors may run is what the caller of `reload` vouches for.
    let library = unsafe { Library::new(path) }?;
    // Rust code cannot be unloaded soundly in general, so the handle is never closed.
    std::mem::forget(library);
    Ok(())
}
