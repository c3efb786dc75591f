//! A panic as data.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::{mem, ptr, slice, str};

use super::identity;

/// A panic that was stopped in one image and is to go on in another.
///
/// Everything that belongs to the standard library that raised it is only touched by the functions
/// of that image: others read the text.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Fault {
    /// Which standard library raised it.
    origin: usize,
    kind: Kind,
    /// The text of the payload, or what stands in its place.
    text: *const u8,
    len: usize,
    payload: Words,
    /// Ends the life of the whole, in the image that made it.
    discard: unsafe extern "C" fn(*mut Self),
}

/// The two words of a `Box<dyn Any + Send>`.
type Words = [*mut (); 2];

/// What the payload is to other images.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A `&'static str` of an image that is never unloaded.
    Literal,
    /// A `String`.
    Text,
    /// Of a type that other images cannot know for sure: a `TypeId` does not cover the layout.
    Other,
}

/// What the standard library calls a payload that is no text.
const UNKNOWN: &str = "Box<dyn Any>";

impl Fault {
    /// The panic whose payload is `payload`.
    #[cold]
    pub(super) fn new(payload: Box<dyn Any + Send>) -> *mut Self {
        let (kind, text) = if let Some(text) = payload.downcast_ref::<&'static str>() {
            (Kind::Literal, *text)
        } else if let Some(text) = payload.downcast_ref::<String>() {
            (Kind::Text, text.as_str())
        } else {
            (Kind::Other, UNKNOWN)
        };
        let (text, len) = (text.as_ptr(), text.len());
        let payload = Box::into_raw(payload);
        // SAFETY: two words of which only `own_payload` makes a box again.
        let payload = unsafe { mem::transmute::<*mut (dyn Any + Send), Words>(payload) };
        let fault = Self { origin: identity(), kind, text, len, payload, discard };
        Box::into_raw(Box::new(fault))
    }

    /// Goes on with the panic in the calling image.
    ///
    /// # Safety
    /// `fault` was made by [`Fault::new`], in whatever image, and is not used again.
    #[cold]
    pub(super) unsafe fn resume(fault: *mut Self) -> ! {
        // SAFETY: the caller vouches for it.
        let origin = unsafe { (*fault).origin };
        if origin == identity() {
            // SAFETY: made by this image, or by one that shares its standard library.
            resume_unwind(unsafe { own_payload(fault) })
        }
        // SAFETY: the caller vouches for it.
        resume_unwind(unsafe { copied_payload(fault) })
    }
}

/// The payload itself.
///
/// # Safety
/// As for [`Fault::resume`], and the fault is of this standard library.
unsafe fn own_payload(fault: *mut Fault) -> Box<dyn Any + Send> {
    // SAFETY: a box that `Fault::new` made; both sides allocate alike, as they share std.
    let fault = unsafe { Box::from_raw(fault) };
    // SAFETY: the words that a `Box<dyn Any + Send>` was taken apart into.
    let payload = unsafe { mem::transmute::<Words, *mut (dyn Any + Send)>(fault.payload) };
    // SAFETY: as above, and only here is a box made of it again.
    unsafe { Box::from_raw(payload) }
}

/// The payload with this image's own text.
///
/// # Safety
/// As for [`Fault::resume`].
unsafe fn copied_payload(fault: *mut Fault) -> Box<dyn Any + Send> {
    // SAFETY: the caller vouches for it; it ends only below.
    let Fault { kind, text, len, discard, .. } = unsafe { ptr::read(fault) };
    // SAFETY: the text lives as long as the payload, a literal as long as its image, for ever.
    let bytes: &'static [u8] = unsafe { slice::from_raw_parts(text, len) };
    // SAFETY: the bytes of a `str`.
    let text = unsafe { str::from_utf8_unchecked(bytes) };
    let copy: Box<dyn Any + Send> = match kind {
        Kind::Literal => Box::new(text),
        Kind::Text | Kind::Other => Box::new(text.to_owned()),
    };
    // SAFETY: the function of the image that made it, called once.
    unsafe { discard(fault) };
    copy
}

/// # Safety
/// `fault` was made by this image and is not used again.
unsafe extern "C" fn discard(fault: *mut Fault) {
    // SAFETY: as the caller vouches.
    let payload = unsafe { own_payload(fault) };
    // A payload whose destructor panics has said what it had to say.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(second);
    }
}
