//! The first call of a hot function: where a program that says nothing to midair meets it.

use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use midair_trampolines::function::FunctionHead;
use midair_trampolines::os;
use midair_trampolines::section::Section;

use crate::Watch;
use crate::connection::{Connection, connect};
use crate::domain::{Domain, guarded};
use crate::error::Error;
use crate::identity;
use crate::notice;
use crate::table::Join;

/// The sections whose images have asked for a runtime: one for each image that this copy of
/// midair serves, which is more than one only where midair lives in a shared Rust library.
static CLAIMS: [AtomicUsize; 32] = [const { AtomicUsize::new(0) }; 32];

/// Starts the runtime if nobody has, settles the slot, and returns where the call goes on.
///
/// It may run in a constructor, under the loader's lock, while other threads wait for that lock.
/// So it takes no lock of the loader and waits for no thread: it starts one, which does the rest.
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
pub(crate) fn forget_claims_in_children() {
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
    let join: *mut Join = Box::into_raw(Box::new(join));
    // SAFETY: the box is handed to the thread, which is the only one that uses it.
    if let Err(error) = unsafe { os::start_holding_image(begin, join.cast()) } {
        // SAFETY: the thread does not run, so the box is still this one's.
        drop(unsafe { Box::from_raw(join) });
        notice::warn(format_args!(
            "nothing is patched by itself: no thread could be started: {error}"
        ));
    }
}

/// The first thread of an image; its image stays from here on, whatever the host does.
extern "C" fn begin(join: *mut c_void) -> *mut c_void {
    // SAFETY: `start` made it from a box and keeps no claim on it.
    let join = *unsafe { Box::from_raw(join.cast::<Join>()) };
    guarded("the start of the runtime", || {
        os::name_thread("midair-start");
        forget_claims_in_children();
        match connect() {
            Ok(Connection::Own(_)) => take_in(join),
            Ok(Connection::Remote(remote)) => remote.ask(&join),
            Err(error) => {
                notice::warn(format_args!("nothing can be patched: {}", error.explain()));
            }
        }
    });
    std::ptr::null_mut()
}

/// Takes an image into this domain, on behalf of whichever image asks.
///
/// It returns at once: whoever asks may be a constructor, and hold the loader's lock.
pub(crate) fn join(join: Join) {
    let thread = thread::Builder::new().name("midair-join".to_owned());
    let started = os::without_signals(|| {
        thread.spawn(move || guarded("an image that joined", || take_in(join)))
    });
    if let Err(source) = started {
        notice::warn(format_args!(
            "an image could not join: {}",
            Error::Thread { source }.explain()
        ));
    }
}

fn take_in(join: Join) {
    if let Err(error) = Domain::own().join(join.section) {
        notice::warn(format_args!("an image could not join: {}", error.explain()));
        return;
    }
    crate::follow(join);
}
