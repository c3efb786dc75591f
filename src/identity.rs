//! The identity of the image that this copy of midair is linked into.

use midair_trampolines::identity::{Cells, IdentityParts, IdentityRecord, PanicStrategy};
use midair_trampolines::text::packed_len;

/// The compiler, by release and commit.
pub(crate) const RUSTC: &str = env!("MIDAIR_RUSTC");
const TARGET: &str = env!("MIDAIR_TARGET");
const FEATURES: &str = env!("MIDAIR_FEATURES");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folder that cargo built this copy of midair into, as its build script saw it.
pub(crate) const PROFILE_DIR: &str = env!("MIDAIR_PROFILE_DIR");

#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__midair"))]
#[cfg_attr(windows, unsafe(link_section = "midair$m"))]
#[cfg_attr(not(any(target_vendor = "apple", windows)), unsafe(link_section = "midair"))]
static IDENTITY: IdentityRecord<{ packed_len(&[RUSTC, TARGET, FEATURES, VERSION]) }> =
    IdentityRecord::new(IdentityParts {
        rustc: RUSTC,
        target: TARGET,
        features: FEATURES,
        version: VERSION,
        panic: if cfg!(panic = "abort") { PanicStrategy::Abort } else { PanicStrategy::Unwind },
    });

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod note {
    use midair_trampolines::os::Note;

    unsafe extern "C" {
        #[link_name = "__start_midair"]
        static START: u8;
        #[link_name = "__stop_midair"]
        static STOP: u8;
    }

    #[used]
    #[unsafe(link_section = ".note.midair")]
    static NOTE: Note = Note::new(&raw const START, &raw const STOP);
}

/// The cells of this image.
pub(crate) fn cells() -> Cells {
    IDENTITY.cells()
}

/// Whether this code runs inside a library that midair loaded as a patch.
///
/// In the library that the program loaded itself the answer is `false`, in each rebuilt library
/// that midair loads it is `true`, even while its constructors or its `DllMain` run. It reads one
/// static of its own image: no lock, no environment variable, no look-up.
///
/// # Examples
/// ```
/// # fn install_hooks() {}
/// // At the top of `DllMain` or of a constructor: what the first load has set up must not be set
/// // up again by each patch.
/// if !midair::is_hotpatched() {
///     install_hooks();
/// }
/// ```
#[must_use]
pub fn is_hotpatched() -> bool {
    !cells().seed().is_null()
}
