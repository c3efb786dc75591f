//! A frame of our own with a personality of our own: it looks at whose panic comes by.
//!
//! The unwinder asks each frame on its way, in two rounds: first who will stop the exception,
//! then, from the beginning, who has to clean up before that. `catch_unwind` says yes to whatever
//! comes and finds out too late that it was raised by another standard library. Our frame says yes
//! to its own alone: Rust's class, and behind the header the *canary*, the address of a static
//! that each standard library has for telling its panics from others'.

use std::any::Any;
use std::arch::naked_asm;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::abort;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Run;
use super::fault::Fault;

/// Calls `run` and returns the panic that was stopped, or null.
///
/// # Safety
/// `arguments` and `value` are what `run` expects.
pub(super) unsafe extern "C-unwind" fn catch(
    run: Run,
    arguments: *mut (),
    value: *mut (),
) -> *mut Fault {
    // Relaxed: the number alone counts.
    if CANARY.load(Ordering::Relaxed) == NOT_LEARNT {
        learn();
    }
    // SAFETY: the caller vouches for the arguments.
    let exception = unsafe { enter(run, arguments, value) };
    if exception.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: stopped just now.
    Fault::new(unsafe { claim(exception) })
}

/// Tells the standard library of this image from others.
pub(super) fn identity() -> usize {
    match CANARY.load(Ordering::Relaxed) {
        NOT_LEARNT => {
            learn();
            identity()
        }
        // Then each image is on its own.
        CLASS_ALONE => (&raw const CANARY).addr(),
        canary => canary,
    }
}

/// The canary of this image's standard library, or one of two numbers that are no address.
static CANARY: AtomicUsize = AtomicUsize::new(NOT_LEARNT);
const NOT_LEARNT: usize = 0;
/// There is none where it is expected.
const CLASS_ALONE: usize = 1;

/// The header that all languages share; what stands behind it is the language's own.
#[repr(C)]
struct Exception {
    class: u64,
    cleanup: *const (),
    private: [usize; 2],
    /// Where Rust's standard library has the canary.
    canary: usize,
}

/// What the unwinder knows of a frame.
#[repr(C)]
struct Context([u8; 0]);

unsafe extern "C-unwind" {
    fn _Unwind_RaiseException(exception: *mut Exception) -> c_int;
}

unsafe extern "C" {
    fn _Unwind_SetGR(context: *mut Context, register: c_int, value: usize);
    fn _Unwind_SetIP(context: *mut Context, address: usize);
    fn _Unwind_GetLanguageSpecificData(context: *mut Context) -> *const ();
}

/// Calls `run` and returns null, or the exception that [`personality`] stopped.
///
/// The language's own data of this frame is the landing pad itself. The personality is reached by
/// a jump nearby, so that the unwind table holds a distance and no symbol of ours is visible.
#[unsafe(naked)]
unsafe extern "C-unwind" fn enter(run: Run, arguments: *mut (), value: *mut ()) -> *mut Exception {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_personality 0x1b, .Lmidair_personality",
        ".cfi_lsda 0x1b, .Lmidair_landing",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "call rax",
        "xor eax, eax",
        // The unwinder comes back here with the exception in rax, and with rsp and rbp as they
        // were for the call.
        ".Lmidair_landing:",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        ".Lmidair_personality:",
        "jmp {personality}",
        personality = sym personality,
    )
}

/// What the unwinder asks and is told, by its numbers.
mod unwinder {
    use std::ffi::c_int;

    pub(super) const VERSION: c_int = 1;
    pub(super) const SEARCH_PHASE: c_int = 1;
    pub(super) const HANDLER_FRAME: c_int = 4;
    pub(super) const FATAL_ERROR: c_int = 3;
    pub(super) const HANDLER_FOUND: c_int = 6;
    pub(super) const INSTALL_CONTEXT: c_int = 7;
    pub(super) const CONTINUE: c_int = 8;
    /// The register for the exception, as unwind tables number it: rax.
    pub(super) const EXCEPTION_REGISTER: c_int = 0;
}

/// Rust's own, whichever standard library.
const CLASS: u64 = u64::from_ne_bytes(*b"MOZ\0RUST");

/// Stops what this image's standard library has raised. The unwinding that ends a thread comes
/// without a search and never finds a handler here.
unsafe extern "C" fn personality(
    version: c_int,
    actions: c_int,
    class: u64,
    exception: *mut Exception,
    context: *mut Context,
) -> c_int {
    if version != unwinder::VERSION {
        return unwinder::FATAL_ERROR;
    }
    if actions & unwinder::SEARCH_PHASE != 0 {
        // SAFETY: asked only of Rust's exceptions, which the unwinder is raising.
        let is_ours = class == CLASS && unsafe { is_ours(exception) };
        return if is_ours { unwinder::HANDLER_FOUND } else { unwinder::CONTINUE };
    }
    if actions & unwinder::HANDLER_FRAME == 0 {
        return unwinder::CONTINUE;
    }
    // SAFETY: the unwinder's own context of this frame, in all three.
    let landing = unsafe { _Unwind_GetLanguageSpecificData(context) };
    // SAFETY: as above.
    unsafe { _Unwind_SetGR(context, unwinder::EXCEPTION_REGISTER, exception.addr()) };
    // SAFETY: as above.
    unsafe { _Unwind_SetIP(context, landing.addr()) };
    unwinder::INSTALL_CONTEXT
}

/// # Safety
/// `exception` is of Rust's class and alive.
unsafe fn is_ours(exception: *const Exception) -> bool {
    match CANARY.load(Ordering::Relaxed) {
        // Whoever enters before it is learnt is about to learn it, and raises nothing else.
        NOT_LEARNT | CLASS_ALONE => true,
        // SAFETY: the caller vouches; all of them are larger than this.
        canary => canary == unsafe { (*exception).canary },
    }
}

/// Gives the exception to the standard library that raised it, for its count of panics and for the
/// payload.
///
/// # Safety
/// `exception` was stopped by [`enter`] and is not used again.
#[cold]
unsafe fn claim(exception: *mut Exception) -> Box<dyn Any + Send> {
    let raise = || -> () {
        // SAFETY: alive, and under way nowhere.
        unsafe { _Unwind_RaiseException(exception) };
        // It returns when nobody catches; the next frame does.
        abort();
    };
    match catch_unwind(AssertUnwindSafe(raise)) {
        Err(payload) => payload,
        Ok(()) => abort(),
    }
}

/// Learns the canary: it is what two exceptions with different payloads have in common.
///
/// Several threads may do so at once, and find the same.
#[cold]
fn learn() {
    let (one, one_payload) = sample(Box::new(1_u8));
    let (two, two_payload) = sample(Box::new([2_u64; 2]));
    let canary = if one == two && one > CLASS_ALONE { one } else { CLASS_ALONE };
    // Relaxed: the number alone counts.
    CANARY.store(canary, Ordering::Relaxed);
    drop((one_payload, two_payload));
}

/// The canary of a panic with this payload, and the payload back.
fn sample(payload: Box<dyn Any + Send>) -> (usize, Box<dyn Any + Send>) {
    unsafe extern "C-unwind" fn raise(payload: *mut (), _: *mut ()) {
        // SAFETY: the variable below, which nobody else uses meanwhile.
        let payload = unsafe { &mut *payload.cast::<Option<Box<dyn Any + Send>>>() };
        if let Some(payload) = payload.take() {
            resume_unwind(payload);
        }
    }
    let mut payload = Some(payload);
    // SAFETY: `raise` gets what it expects.
    let exception = unsafe { enter(raise, (&raw mut payload).cast(), ptr::null_mut()) };
    // SAFETY: `raise` found a payload, so an exception came back.
    let canary = unsafe { (*exception).canary };
    // SAFETY: as above; not used again.
    (canary, unsafe { claim(exception) })
}

#[cfg(test)]
mod tests {
    use super::{_Unwind_RaiseException, CANARY, CLASS, CLASS_ALONE, Exception, identity};
    use crate::unwind::guard;
    use std::ffi::{c_int, c_void};
    use std::ptr;
    use std::sync::atomic::Ordering;

    unsafe extern "C-unwind" {
        fn pthread_exit(value: *mut c_void) -> !;
    }

    /// Runs `entry` on a thread that has no `catch_unwind` of Rust's at its root.
    fn on_a_bare_thread(entry: extern "C-unwind" fn(*mut c_void) -> *mut c_void) -> usize {
        // SAFETY: the same call; only what it says of unwinding differs.
        let entry = unsafe {
            std::mem::transmute::<
                extern "C-unwind" fn(*mut c_void) -> *mut c_void,
                extern "C" fn(*mut c_void) -> *mut c_void,
            >(entry)
        };
        let mut thread = 0;
        // SAFETY: default attributes, and no argument.
        let failed =
            unsafe { libc::pthread_create(&raw mut thread, ptr::null(), entry, ptr::null_mut()) };
        assert_eq!(failed, 0);
        let mut value = ptr::null_mut();
        // SAFETY: the thread that was just made, joined once.
        unsafe { libc::pthread_join(thread, &raw mut value) };
        value.addr()
    }

    /// The unwinder's answer when nobody on the stack wants the exception.
    const END_OF_STACK: c_int = 5;

    fn raise_under_a_guard(class: u64, canary: usize) -> c_int {
        let exception = Exception { class, cleanup: ptr::null(), private: [0; 2], canary };
        let exception = Box::into_raw(Box::new(exception));
        let answer = guard(|| {
            // SAFETY: a whole exception; it comes back because nobody wants it.
            guard(|| unsafe { _Unwind_RaiseException(exception) }).resume()
        });
        // SAFETY: made above, and under way no more.
        drop(unsafe { Box::from_raw(exception) });
        answer.resume()
    }

    #[test]
    fn the_canary_is_learnt_once_and_lies_in_this_image() {
        let canary = identity();
        assert_eq!(canary, identity());
        assert!(canary > CLASS_ALONE);
        assert_eq!(canary, CANARY.load(Ordering::Relaxed));
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let program = std::env::current_exe().unwrap();
        let inside = |line: &str| {
            let (start, end) = line.split_once(' ')?.0.split_once('-')?;
            let word = |text| usize::from_str_radix(text, 16).ok();
            Some((word(start)?..word(end)?).contains(&canary))
        };
        let line = maps.lines().find(|line| inside(line) == Some(true)).unwrap();
        assert!(line.ends_with(program.to_str().unwrap()), "{line}");
    }

    #[test]
    fn exceptions_of_other_languages_and_other_images_pass() {
        extern "C-unwind" fn entry(_: *mut c_void) -> *mut c_void {
            let other_language = u64::from_be_bytes(*b"GNUCC++\0");
            let canary = identity();
            let language = raise_under_a_guard(other_language, canary) == END_OF_STACK;
            let image = raise_under_a_guard(CLASS, canary + 1) == END_OF_STACK;
            ptr::without_provenance_mut(usize::from(language) + 2 * usize::from(image))
        }
        assert_eq!(on_a_bare_thread(entry), 3);
    }

    #[test]
    fn a_thread_can_be_ended_under_a_guard() {
        extern "C-unwind" fn entry(_: *mut c_void) -> *mut c_void {
            let never = guard(|| {
                guard(|| {
                    // SAFETY: no frame on the way has a destructor.
                    unsafe { pthread_exit(ptr::without_provenance_mut(7)) };
                })
                .resume();
            });
            never.resume();
            ptr::without_provenance_mut(1)
        }
        assert_eq!(on_a_bare_thread(entry), 7);
    }
}
