//! By signals.

use std::sync::atomic::{AtomicBool, Ordering};

static PENDING: AtomicBool = AtomicBool::new(false);

pub(super) fn listen() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let handler: extern "C" fn(libc::c_int) = note;
        // SAFETY: `note` only stores to an atomic, which a handler may do at any moment. The
        // disposition of a signal that was ignored before, as under nohup, is put back.
        let before = unsafe { libc::signal(signal, handler as libc::sighandler_t) };
        if before == libc::SIG_IGN {
            // SAFETY: this restores what was there.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
    }
}

pub(super) fn pending() -> bool {
    // Relaxed: nothing else is published through it.
    PENDING.load(Ordering::Relaxed)
}

extern "C" fn note(_signal: libc::c_int) {
    PENDING.store(true, Ordering::Relaxed);
}
