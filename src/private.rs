//! What the attribute macros expand to; not for use by hand, and free to change in any release.

use std::pin::Pin;

pub use midair_macros::hotpatch;
pub use midair_trampolines::delta::DeltaRecord;
pub use midair_trampolines::function::{FunctionHead, FunctionParts, FunctionRecord, Origin};
pub use midair_trampolines::hook::{HookRecord, When};
pub use midair_trampolines::layout::{
    Both, Description, End, Form, Key, Leaf, Lent, LentMut, Own, Part, PartKind, Roots,
    RootsFallback,
};
pub use midair_trampolines::persist::{Access, Sink, StaticParts, StaticRecord};
pub use midair_trampolines::routes::Code;
pub use midair_trampolines::section::Section;
pub use midair_trampolines::shape::{Fallback, Probe, Shape, kind};
pub use midair_trampolines::text::{RawText, packed_len};
pub use midair_trampolines::types::{Described, TypeRecord};
use midair_trampolines::unwind::{Guarded, GuardedFuture};
pub use midair_trampolines::unwind::{cross, give, take};
pub use midair_trampolines::{Slot, own_section};

#[cfg(feature = "failpoints")]
pub use crate::failpoint::NAMES as FAILPOINTS;
pub use crate::hook::{HookOutcome, run_hook};
pub use crate::migration::{discard, export, import, migrate};
pub use crate::persist::{Found, find_local};
pub use crate::start::first_call;

/// Where a call goes that found the router in its slot.
#[inline]
pub fn route(head: &'static FunctionHead) -> Code {
    match head.onward() {
        Some(code) => code,
        None => ask(head),
    }
}

#[cold]
fn ask(head: &'static FunctionHead) -> Code {
    crate::scope::route(head)
}

/// Gives the address `code` the type of `_witness`.
///
/// The witness is the body coerced to a function pointer, so that the compiler infers every type
/// and lifetime of the signature and the macro has to spell none.
///
/// # Safety
/// - `F` is a function pointer type.
/// - `code` is a function of exactly that type: the body itself, its shim, or a later body whose
///   signature and layouts were checked to be equal.
#[inline(always)]
pub unsafe fn like<F: Copy>(_witness: F, code: *const ()) -> F {
    const { assert!(size_of::<F>() == size_of::<*const ()>()) };
    // SAFETY: the caller says that `F` is a function pointer of this code's type; the sizes were
    // compared above.
    unsafe { std::mem::transmute_copy(&code) }
}

/// The shape of the type `$ty` at place `$place` of a signature.
#[doc(hidden)]
#[macro_export]
macro_rules! __midair_shape {
    ($place:expr, $ty:ty) => {{
        #[allow(unused_imports, reason = "in scope only for types that nothing is known of")]
        use $crate::__private::Fallback as _;
        $crate::__private::Shape::of_kind(
            $place,
            <$crate::__private::Probe<$ty>>::EXTENT,
            <$crate::__private::Probe<$ty>>::BEHIND,
            $crate::__private::kind(
                <$crate::__private::Probe<$ty>>::NAME,
                <$crate::__private::Probe<$ty>>::PARTS,
            ),
        )
    }};
}

pub use crate::__midair_shape as shape;

/// The shape of `$name`, which is a type or a constant; tokens do not tell.
///
/// An import brings along what the name means among types and among values. Where it means no
/// type, the one behind the glob is found: names that are imported one by one come first.
#[doc(hidden)]
#[macro_export]
macro_rules! __midair_shape_of_name {
    ($place:expr, $name:ident) => {{
        #[allow(
            unused_imports,
            clippy::wildcard_imports,
            reason = "in scope only for constants"
        )]
        use $crate::__private::constant::*;
        #[allow(unused_imports, reason = "of a constant, nothing is asked")]
        use $name as __MidairNamed;
        $crate::__private::shape!($place, __MidairNamed)
    }};
}

pub use crate::__midair_shape_of_name as shape_of_name;

/// What [`shape_of_name`] finds for a constant.
pub mod constant {
    /// Stands for a constant among types.
    #[derive(Debug)]
    pub struct __MidairNamed;
}

/// The shape of `!`, which cannot be probed on stable Rust.
#[must_use]
pub const fn never(place: u32) -> Shape {
    Shape::new(place, Some((0, 1)), None)
}

/// The text, or an empty one where the compiler was not started by cargo.
#[must_use]
pub const fn or_empty(text: Option<&'static str>) -> &'static str {
    match text {
        Some(text) => text,
        None => "",
    }
}

/// What stands behind the slot of an `async fn` returns this: the size of a future changes with
/// its body, that of a box does not.
///
/// Whoever polls it enters through a table of functions, past every slot; so it hands its panics
/// over as data, in whatever image.
pub type SendFuture<R> = Pin<Box<dyn Future<Output = Guarded<R>> + Send + 'static>>;

/// [`SendFuture`] for `#[hotpatch(?Send)]`.
pub type LocalFuture<R> = Pin<Box<dyn Future<Output = Guarded<R>> + 'static>>;

/// Boxes `future` and forgets for how long it may live, so that no lifetime has to be named in
/// the signature of the code behind the slot.
///
/// # Safety
/// - What comes back is dropped before `'a` ends.
pub unsafe fn detach<'a, R>(
    // The compiler shows this line where a future is not `Send`.
    future: impl Future<Output = R> + Send + 'a, // `#[hotpatch(?Send)]` lifts this
) -> SendFuture<R> {
    let boxed: Pin<Box<dyn Future<Output = Guarded<R>> + Send + 'a>> =
        Box::pin(GuardedFuture::new(future));
    // SAFETY: the types differ in a lifetime only, and the caller keeps to it.
    unsafe { std::mem::transmute(boxed) }
}

/// [`detach`] for a future that stays on its thread.
///
/// # Safety
/// - What comes back is dropped before `'a` ends.
pub unsafe fn detach_local<'a, R>(future: impl Future<Output = R> + 'a) -> LocalFuture<R> {
    let boxed: Pin<Box<dyn Future<Output = Guarded<R>> + 'a>> =
        Box::pin(GuardedFuture::new(future));
    // SAFETY: the types differ in a lifetime only, and the caller keeps to it.
    unsafe { std::mem::transmute(boxed) }
}
