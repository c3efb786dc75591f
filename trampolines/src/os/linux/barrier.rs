//! A barrier in every thread of the process, by request to the kernel.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: takes two numbers and a processor that is not looked at, and touches no memory.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Asks for barriers in this process; whether there will be some.
#[must_use]
pub fn register_process_barrier() -> bool {
    membarrier(REGISTER_PRIVATE_EXPEDITED)
}

/// A full barrier in every thread of this process that is running; whether there was one.
#[must_use]
pub fn process_barrier() -> bool {
    // A forked child may have to ask anew.
    membarrier(PRIVATE_EXPEDITED)
        || (register_process_barrier() && membarrier(PRIVATE_EXPEDITED))
        || by_protection().is_ok()
}

/// Taking a right from a page that was just written makes the kernel interrupt every processor
/// that runs this process: the way of those who must do without `membarrier`, as under a filter
/// of system calls that was set up after it had been registered.
fn by_protection() -> io::Result<()> {
    static PAGE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
    const LEN: usize = 4096;
    let mut page = PAGE.load(Ordering::Acquire);
    if page.is_null() {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, wherever the system likes.
        let new = unsafe { libc::mmap(ptr::null_mut(), LEN, rights, flags, -1, 0) };
        if new == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        page = new.cast();
        // One writer at a time asks for barriers, so nobody else has made one meanwhile.
        PAGE.store(page, Ordering::Release);
    }
    let protect = |rights| {
        // SAFETY: a page of our own, which nobody reads.
        match unsafe { libc::mprotect(page.cast(), LEN, rights) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    protect(libc::PROT_READ | libc::PROT_WRITE)?;
    // SAFETY: writable as of now. The page must be there and written for its loss to be told.
    unsafe { page.write_volatile(1) };
    protect(libc::PROT_READ)
}

#[cfg(test)]
mod tests {
    use super::{by_protection, process_barrier, register_process_barrier};

    #[test]
    fn both_ways_answer() {
        if !register_process_barrier() {
            println!("skipped: this system has no membarrier");
        }
        assert!(process_barrier());
        by_protection().unwrap();
        by_protection().unwrap();
    }
}
