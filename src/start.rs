//! The first call of a hot function: where a program that says nothing to midair meets it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use midair_trampolines::function::FunctionHead;
use midair_trampolines::os;
use midair_trampolines::section::Section;

use crate::Watch;
use crate::connection::{Connection, connect};
use crate::domain::Domain;
use crate::identity;
use crate::notice;
use crate::table::Join;

/// The sections whose images have asked for a runtime: one for each image that this copy of
/// midair serves, which is more than one only where midair lives in a shared Rust library.
static CLAIMS: [AtomicUsize; 32] = [const { AtomicUsize::new(0) }; 32];

/// Starts the runtime if nobody has, settles the slot, and returns where the call goes on.
///
/// It may run anywhere a hot function may: in a constructor, under the loader's lock, in a signal
/// handler's thread. So it waits for nothing; the thread that it starts does the rest.
#[cold]
pub fn first_call(head: &'static FunctionHead, section: Section) -> *const () {
    if cfg!(feature = "auto") && !crate::is_hotpatched() && claim(section) {
        // SAFETY: lent by a static of the image that is calling.
        let manifest_dir = unsafe { head.origin().manifest_dir.to_string_lossy() };
        start(automatic(section, manifest_dir.into()));
    }
    head.settle()
}

/// What an image asks for when nobody says anything.
fn automatic(section: Section, manifest_dir: PathBuf) -> Join {
    Join {
        section,
        manifest_dir,
        profile_dir: identity::PROFILE_DIR.into(),
        artifact: None,
        watch: if cfg!(feature = "watch") { Watch::On } else { Watch::Off },
    }
}

/// Whether the caller is the first for this image: one compare-exchange, and never a wait.
pub(crate) fn claim(section: Section) -> bool {
    for cell in &CLAIMS {
        // Relaxed: whoever wins publishes nothing through this cell.
        let order = Ordering::Relaxed;
        match cell.compare_exchange(0, section.start(), order, order) {
            Ok(_) => return true,
            Err(claimed) if claimed == section.start() => return false,
            Err(_) => {}
        }
    }
    false
}

/// After a fork every image claims anew: the threads of the parent are not in the child.
fn forget_claims_in_children() {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    unsafe extern "C" fn forget() {
        for cell in &CLAIMS {
            cell.store(0, Ordering::Relaxed);
        }
    }
    // Relaxed: the answer alone counts.
    if !REGISTERED.swap(true, Ordering::Relaxed) {
        os::at_fork_child(forget);
    }
}

fn start(join: Join) {
    let thread = thread::Builder::new().name("midair-start".to_owned());
    let started = thread.spawn(move || {
        // The very first thing: from here on the host may close its library, and this code stays.
        os::pin_code(first_call as *const ());
        forget_claims_in_children();
        match connect() {
            Ok(Connection::Own(_)) => self::join(join),
            Ok(Connection::Remote(remote)) => remote.join(&join),
            Err(error) => {
                notice::warn(format_args!("nothing can be patched: {}", error.explain()));
            }
        }
    });
    if let Err(error) = started {
        notice::warn(format_args!(
            "nothing is patched by itself: no thread could be started: {error}"
        ));
    }
}

/// Takes an image into this domain, on behalf of whichever image asks.
pub(crate) fn join(join: Join) {
    if let Err(error) = Domain::own().join(join.section) {
        notice::warn(format_args!("an image could not join: {}", error.explain()));
        return;
    }
    crate::follow(join);
}
