//! Threads that midair starts: no signal of the host reaches them, and the first of an image holds
//! that image before it runs a single instruction of it.

use std::ffi::{CString, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `start` with every signal blocked that is not raised by an instruction, so that a thread
/// which `start` makes gets none of those that the host waits for on its own threads.
pub fn without_signals<R>(start: impl FnOnce() -> R) -> R {
    const RAISED: [c_int; 7] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGTRAP,
        libc::SIGSYS,
        libc::SIGABRT,
    ];
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: initialises the set that it is given.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    for signal in RAISED {
        // SAFETY: an initialised set and a valid signal.
        unsafe { libc::sigdelset(all.as_mut_ptr(), signal) };
    }
    // SAFETY: an initialised set; the old mask goes into our own variable.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    let started = start();
    // SAFETY: the mask that was read above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    started
}

/// What the code in [`THUNK`] works with. It reads the fields by their offsets.
#[repr(C)]
struct Start {
    address_of: unsafe extern "C" fn(*const c_void, *mut libc::Dl_info) -> c_int,
    code: *const c_void,
    info: *mut libc::Dl_info,
    open: unsafe extern "C" fn(*const libc::c_char, c_int) -> *mut c_void,
    flags: usize,
    entry: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
}

/// Machine code that belongs to no image: it looks up the image of `code`, holds it, and only
/// then enters it. If the image is gone, the thread ends.
///
/// ```text
/// 00 push rbx                     20 mov  rdi, [rax]        ; Dl_info.dli_fname
/// 01 mov  rbx, rdi                23 mov  rsi, [rbx + 32]   ; flags
/// 04 mov  rdi, [rbx + 8]          27 call [rbx + 24]        ; dlopen(name, flags)
/// 08 mov  rsi, [rbx + 16]         2a test rax, rax
/// 0c call [rbx]                   2d je   3a
/// 0e test eax, eax                2f mov  rdi, [rbx + 48]
/// 10 je   3a                      33 mov  rax, [rbx + 40]
/// 12 mov  rax, [rbx + 16]         37 pop  rbx
/// 16 nop x10                      38 jmp  rax
///                                 3a xor  eax, eax
///                                 3c pop  rbx
///                                 3d ret
/// ```
const THUNK: [u8; 0x3e] = [
    0x53, 0x48, 0x89, 0xfb, 0x48, 0x8b, 0x7b, 0x08, 0x48, 0x8b, 0x73, 0x10, 0xff, 0x13, 0x85, 0xc0,
    0x74, 0x28, 0x48, 0x8b, 0x43, 0x10, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
    0x48, 0x8b, 0x38, 0x48, 0x8b, 0x73, 0x20, 0xff, 0x53, 0x18, 0x48, 0x85, 0xc0, 0x74, 0x0b, 0x48,
    0x8b, 0x7b, 0x30, 0x48, 0x8b, 0x43, 0x28, 0x5b, 0xff, 0xe0, 0x31, 0xc0, 0x5b, 0xc3,
];

/// Starts a thread that runs `entry(argument)`, having made sure before that the image of `entry`
/// stays for ever.
///
/// The caller waits for no lock of the loader, which another thread may hold while it runs a
/// constructor that waits for the caller. The host may close the library as soon as this returns:
/// then `entry` either holds the image already or never runs, and `argument` is leaked.
///
/// # Errors
/// Whatever the system reports; `entry` will not run.
///
/// # Safety
/// - `argument` may be used from another thread, for as long as `entry` uses it.
pub unsafe fn start_holding_image(
    entry: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> io::Result<()> {
    if is_program(entry as *const ()) {
        // Never closed, and nothing that the loader could hold.
        // SAFETY: a thread's function, with an argument for which the caller vouches.
        return unsafe { start_thread(entry, argument) };
    }
    let thunk = thunk()?;
    let info: *mut libc::Dl_info = Box::leak(Box::new(
        // SAFETY: four pointers, for which null is a value.
        unsafe { MaybeUninit::zeroed().assume_init() },
    ));
    // Leaked like `info`: nobody can tell when the thread is past the thunk.
    let start: *mut Start = Box::leak(Box::new(Start {
        address_of: libc::dladdr,
        code: entry as *const c_void,
        info,
        open: libc::dlopen,
        flags: (libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE) as usize,
        entry,
        argument,
    }));
    // SAFETY: the bytes of `THUNK`, which take one pointer and return one, as a thread does.
    let thunk: extern "C" fn(*mut c_void) -> *mut c_void = unsafe { std::mem::transmute(thunk) };
    // SAFETY: the thunk gets what it expects; the caller vouches for what it hands on.
    unsafe { start_thread(thunk, start.cast()) }
}

/// # Safety
/// `argument` is what `entry` expects, and may be used from another thread.
unsafe fn start_thread(
    entry: extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> io::Result<()> {
    let mut thread = 0;
    let failed = without_signals(|| {
        // SAFETY: default attributes; the caller vouches for entry and argument.
        unsafe { libc::pthread_create(&raw mut thread, ptr::null(), entry, argument) }
    });
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    // SAFETY: just made, and joined by nobody.
    unsafe { libc::pthread_detach(thread) };
    Ok(())
}

/// Whether `code` lies in the executable, found without a lock of the loader: from the program
/// headers that the system passed to this process.
fn is_program(code: *const ()) -> bool {
    // SAFETY: reads numbers that the system passed to this process.
    let at = unsafe { libc::getauxval(libc::AT_PHDR) } as usize;
    // SAFETY: as above.
    let count = unsafe { libc::getauxval(libc::AT_PHNUM) } as usize;
    if at == 0 {
        return false;
    }
    // SAFETY: the executable's own program headers, mapped for as long as the process lives.
    let headers = unsafe { std::slice::from_raw_parts(at as *const libc::Elf64_Phdr, count) };
    let own = headers.iter().find(|header| header.p_type == libc::PT_PHDR);
    let Some(base) = own.map(|own| at.wrapping_sub(own.p_vaddr as usize)) else { return false };
    headers.iter().filter(|header| header.p_type == libc::PT_LOAD).any(|header| {
        let start = base.wrapping_add(header.p_vaddr as usize);
        (start..start.wrapping_add(header.p_memsz as usize)).contains(&code.addr())
    })
}

/// The address of the thunk's code, made at the first need; never writable and executable at once.
fn thunk() -> io::Result<usize> {
    static THUNK_AT: AtomicUsize = AtomicUsize::new(0);
    // Acquire: pairs with the Release below.
    let made = THUNK_AT.load(Ordering::Acquire);
    if made != 0 {
        return Ok(made);
    }
    const PAGE: usize = 4096;
    let (readable, anonymous) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, wherever the system likes.
    let page =
        unsafe { libc::mmap(ptr::null_mut(), PAGE, readable | libc::PROT_WRITE, anonymous, -1, 0) };
    if page == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a writable page of our own, larger than the code.
    unsafe { ptr::copy_nonoverlapping(THUNK.as_ptr(), page.cast(), THUNK.len()) };
    // SAFETY: that same page, which nobody writes to any more.
    if unsafe { libc::mprotect(page, PAGE, readable | libc::PROT_EXEC) } != 0 {
        let error = io::Error::last_os_error();
        // SAFETY: our own page, which nobody knows.
        unsafe { libc::munmap(page, PAGE) };
        return Err(error);
    }
    // Two threads may both have made one; either will do, and a page is little to lose.
    // Release: pairs with the Acquire above.
    THUNK_AT.store(page.addr(), Ordering::Release);
    Ok(page.addr())
}

/// Names the calling thread.
pub fn name_thread(name: &str) {
    if let Ok(name) = CString::new(name) {
        // SAFETY: always the calling thread.
        let own = unsafe { libc::pthread_self() };
        // SAFETY: a thread that runs, and a C string.
        unsafe { libc::pthread_setname_np(own, name.as_ptr()) };
    }
}

/// The number by which the system knows the calling thread.
#[must_use]
pub fn thread_number() -> u64 {
    // SAFETY: takes nothing and cannot fail.
    u64::from(unsafe { libc::gettid() }.unsigned_abs())
}

/// The name of the thread that the system knows by `number`; `None` when it is gone.
#[must_use]
pub fn thread_name(number: u64) -> Option<String> {
    let name = std::fs::read(format!("/proc/self/task/{number}/comm")).ok()?;
    Some(String::from_utf8_lossy(name.trim_ascii_end()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{start_holding_image, thread_name, thread_number, without_signals};
    use std::ffi::c_void;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    #[test]
    fn a_thread_is_known_by_number_and_name_while_it_is_there() {
        let thread = std::thread::Builder::new().name("midair-own".to_owned());
        let number = thread
            .spawn(|| {
                let number = thread_number();
                assert_eq!(thread_name(number).as_deref(), Some("midair-own"));
                number
            })
            .unwrap()
            .join()
            .unwrap();
        assert_ne!(number, thread_number());
    }

    #[test]
    fn a_thread_starts_through_the_thunk() {
        static SEEN: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn entry(argument: *mut c_void) -> *mut c_void {
            SEEN.fetch_add(argument.addr(), Ordering::SeqCst);
            std::ptr::null_mut()
        }
        for _ in 0..3 {
            // SAFETY: the argument is a number.
            unsafe { start_holding_image(entry, std::ptr::without_provenance_mut(7)) }.unwrap();
        }
        let started = Instant::now();
        while SEEN.load(Ordering::SeqCst) != 21 && started.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        assert_eq!(SEEN.load(Ordering::SeqCst), 21);
    }

    #[test]
    fn signals_are_blocked_for_the_time_of_the_start_alone() {
        let blocked = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
            u64::from_str_radix(mask, 16).unwrap()
        };
        let before = blocked();
        let during = without_signals(blocked);
        let terminate = 1_u64 << (libc::SIGTERM - 1);
        let trap = 1_u64 << (libc::SIGTRAP - 1);
        assert_eq!(during & terminate, terminate);
        assert_eq!(during & trap, 0);
        assert_eq!(blocked(), before);
    }
}
