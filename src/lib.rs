//! Change the functions of a running Rust program in mid-air: annotate, rebuild, live.
//!
//! ```ignore
//! use midair::prelude::*;
//!
//! #[hotpatch]
//! pub unsafe fn update_camera(dt: f32, original: &dyn Fn()) {
//!     original();
//! }
//! ```
//!
//! Build the crate as a `cdylib`, let a program load it, change a function, run `cargo build`:
//! the running program calls the new code. Nothing else is needed. The first call of any hot
//! function starts the runtime, which follows the crate's own build output; a rebuilt library is
//! read and compared with the running program *before* it is loaded, and a library that does not
//! fit is refused with the reason while the old code goes on.
//!
//! | you want | see |
//! |---|---|
//! | to mark functions, methods, `impl` blocks | [`hotpatch`] |
//! | to know in a constructor or `DllMain` whether this is a patch | [`is_hotpatched`] |
//! | types compared field by field in release builds too | [`derive(Layout)`](macro@Layout), [`macro@layout`] on traits |
//! | another artifact or policy | [`Runtime::builder`] |
//! | to patch when you say so | [`reload`] |
//! | to know what a file says of itself, and whether it would fit | [`inspect`] |
//! | several calls that see one generation | [`scope()`], [`scope_async`], [`Level`] |
//! | back to another generation, and what ran when | [`rollback`], [`rollback_to`], [`history`] |
//! | a patch step by step | [`transaction`] |
//! | to know what happened | [`on_patch`], [`on_refusal`], [`wait_for_patch`], [`Report`] |
//!
//! # What a call costs
//!
//! A hot function compiles to one atomic load and one indirect call. There is no lock, clock,
//! reference count or look-up on that path.
//!
//! # Consistency
//!
//! A call that began in old code ends there; each later call of a function runs its new code, and
//! all functions change at one instant. Inside a [`scope()`] every hot call runs the code of the
//! generation that was current when the scope was entered. [`Level`] says what a patch waits for,
//! `docs/consistency.md` what may be seen, when, and what to choose.
//!
//! # Features
//!
//! | feature | default | what for |
//! |---|---|---|
//! | `auto` | yes | the first call of a hot function starts the runtime |
//! | `watch` (alias `watcher`) | yes | the build output is followed |
//! | `debuginfo` | yes | types are compared field by field where both sides have debug info |
//! | `failpoints` | no | tests make each step of a patch fail: `MIDAIR_FAILPOINT` |
//! | `disassembly` | no | `inspect` shows the machine code of two editions side by side |

mod artifact;
mod connection;
mod copies;
#[cfg(feature = "debuginfo")]
mod debuginfo;
mod deep;
mod desk;
mod digest;
mod domain;
mod editions;
mod environment;
mod error;
mod failpoint;
mod format;
mod hand_over;
mod health;
mod history;
mod hook;
mod identity;
pub mod inspect;
mod level;
mod load;
mod manifest;
mod migration;
mod notice;
mod patch;
mod persist;
pub mod prelude;
mod questions;
mod reason;
mod registry;
mod report;
mod runtime;
mod scope;
mod stages;
mod start;
mod state;
mod table;
pub mod transaction;
mod transition;
mod types;
mod verdict;
#[cfg(feature = "watch")]
mod watch;
mod wire;

/// Says that the crate is a *delta*: a patch that holds only some of the functions, and fits only
/// on top of one artifact, whose SHA-256 is `base`.
///
/// Every other patch is whole: a function that it lacks is refused, or keeps its old code by
/// [`Missing::Keep`]. Of a delta the functions that it lacks go on as they are; but where another
/// artifact runs than the one it builds on, it is refused with [`Error::Base`].
///
/// # Examples
/// ```
/// midair::delta!(base = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
/// ```
#[macro_export]
macro_rules! delta {
    (base = $base:expr) => {
        const _: () = {
            #[used]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__midair"))]
            #[cfg_attr(windows, unsafe(link_section = "midair$m"))]
            #[cfg_attr(not(any(target_vendor = "apple", windows)), unsafe(link_section = "midair"))]
            static DELTA: $crate::__private::DeltaRecord =
                $crate::__private::DeltaRecord::new($base);
        };
    };
}

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use digest::{Digest, NotADigest};
pub use error::{Error, ErrorKind, Rule};
pub use format::{Allocator, Fault, Format, Table};
pub use history::{PatchOutcome, PatchRecord};
pub use hook::{HandOverError, HookContext, Why};
pub use identity::is_hotpatched;
pub use level::Level;
pub use midair_macros::{Layout, hotpatch, layout, on_load, on_unload, persist, scope};
pub use midair_trampolines::layout::{Layout, layout_hash};
pub use migration::{ImportError, StateMigration, Value};
pub use persist::{Persist, PersistGuard, PersistLocal, PersistScoped};
pub use reason::{Reason, reasons};
pub use report::{Depth, FunctionReport, Mismatch, Outcome, Report, Timings};
pub use runtime::{
    Missing, Require, Runtime, RuntimeBuilder, TransitionStatus, Watch, active, generation,
    history, on_patch, on_refusal, reload, rollback, rollback_to, transition, wait_for_patch,
};

pub use scope::{PinnedGeneration, Scope, ScopeAsync, checkpoint, pin_owned, scope, scope_async};

pub use transition::{Progress, Straggler};

#[cfg(feature = "watch")]
use watch::follow;

/// Without the feature `watch` nothing is ever followed.
#[cfg(not(feature = "watch"))]
fn follow(_join: table::Join) {}
