//! The two halves of a barrier between the many that enter scopes and the one that flips.
//!
//! Where the system can interrupt all threads of a process for a barrier (`membarrier` on Linux),
//! those who enter pay for no more than the order of the compiler. Elsewhere both sides pay for a
//! full fence; which of the two it is, is decided once.

#[cfg(loom)]
use loom::sync::atomic::{Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU8, Ordering, compiler_fence, fence};

/// The reader's half.
#[cfg(not(loom))]
#[inline(always)]
pub fn light() {
    // Relaxed: decided before the first thread could get here, by `prepare`.
    if SIDES.load(Ordering::Relaxed) == ONE_SIDED {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// The reader's half.
#[cfg(loom)]
pub fn light() {
    fence(Ordering::SeqCst);
}

/// The writer's half.
#[cfg(not(loom))]
pub fn heavy() {
    fence(Ordering::SeqCst);
    if SIDES.load(Ordering::Relaxed) == ONE_SIDED && !super::process_barrier() {
        // The system takes back what it promised; from here on everybody pays.
        SIDES.store(TWO_SIDED, Ordering::Relaxed);
    }
}

/// The writer's half.
#[cfg(loom)]
pub fn heavy() {
    fence(Ordering::SeqCst);
}

/// Decides who pays. Every thread calls it before its first [`light`] or [`heavy`].
#[cfg(not(loom))]
pub fn prepare() {
    if SIDES.load(Ordering::Relaxed) != UNDECIDED {
        return;
    }
    let sides = if super::register_process_barrier() { ONE_SIDED } else { TWO_SIDED };
    // Whoever comes second decides the same.
    SIDES.store(sides, Ordering::Relaxed);
}

#[cfg(not(loom))]
static SIDES: AtomicU8 = AtomicU8::new(UNDECIDED);
#[cfg(not(loom))]
const UNDECIDED: u8 = 0;
#[cfg(not(loom))]
const ONE_SIDED: u8 = 1;
#[cfg(not(loom))]
const TWO_SIDED: u8 = 2;
