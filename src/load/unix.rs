//! `dlopen`, through libloading.

use std::path::Path;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::Lookup;

/// `RTLD_DEEPBIND` of glibc.
#[cfg(target_os = "linux")]
const OWN_FIRST: i32 = 8;
/// Two-level namespaces look at home first anyway.
#[cfg(not(target_os = "linux"))]
const OWN_FIRST: i32 = 0;

/// Maps the library at `path` for ever and runs its constructors.
pub(super) fn open(path: &Path, lookup: Lookup) -> Result<(), libloading::Error> {
    let lookup = match lookup {
        Lookup::AsBuilt => 0,
        Lookup::OwnFirst => OWN_FIRST,
    };
    // SAFETY: the file is our private copy of bytes whose structure was checked; that its
    // constructors may run is what the caller of `reload` vouches for.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL | lookup) }?;
    // Rust code cannot be unloaded soundly in general, so the handle is never closed.
    std::mem::forget(library);
    Ok(())
}
