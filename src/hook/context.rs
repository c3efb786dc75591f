//! What a hook is told, and the things that one generation hands to the next.

use std::any::type_name;
use std::fmt;

use midair_trampolines::layout::{Layout, layout_hash};
use midair_trampolines::text::RawText;

/// Why a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// A patch is about to run.
    Patch,
    /// An earlier generation, or a later one that was left, is about to run again.
    Rollback,
    /// What was begun is taken back: something failed, and nothing is to have changed.
    Undo,
}

/// What a hook is told: which generation is left, which one comes, and why; and a map of things
/// that one hands to the other.
///
/// # When hooks run
///
/// | what happens | hooks, in this order | `why` |
/// |---|---|---|
/// | a patch | `on_unload` of the generation that runs, `on_load` of the patch | [`Why::Patch`] |
/// | a rollback | `on_unload` of the generation that runs, `on_load` of the one that comes back | [`Why::Rollback`] |
/// | a hook fails, or the patch is given up before its commit | `on_unload` of the patch where its `on_load` had begun, then `on_load` of the generation that goes on | [`Why::Undo`] |
/// | the program loads the library itself | none | |
/// | the program ends | none | |
///
/// Of one generation they run in the order of the link section, which is mostly that of the source;
/// do not depend on it across modules.
///
/// All of them run before the first call reaches the new code, on a thread of midair's own, one
/// after the other. What they call runs the code of the generation that comes, whatever the slots
/// say to others. In `on_unload` too: the hook itself is the old generation's, what it calls
/// through hot functions is new.
///
/// Where a patch migrates state, `on_unload` runs before the migration, `on_load` after it, and
/// both while no scope is open.
///
/// # What may go wrong
///
/// An error, a panic, or more time than
/// [`hook_deadline`](crate::RuntimeBuilder::hook_deadline) allows: the patch is refused
/// ([`Error::Hook`](crate::Error::Hook)), and what was done is undone. The undo runs to the end
/// even where a step of it fails; then both are told ([`Error::Undo`](crate::Error::Undo)). A hook
/// that does not end keeps its thread; whatever it puts into the map later is dropped. A rollback
/// that the program asked for is refused in the same way. One that midair makes by itself, because
/// a patch was found unwell, goes on, and the history says what failed.
///
/// # Handing things over
///
/// [`put`](Self::put) and [`take`](Self::take) move a value from one library into another, which
/// was compiled separately: so its type must be described ([`derive(Layout)`](crate::Layout)), and
/// is compared. A value that nobody takes stays for later generations.
pub struct HookContext<'a> {
    raw: &'a RawContext,
}

/// A context as it crosses from the domain to the image of the hook.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawContext {
    pub(crate) old: u64,
    pub(crate) new: u64,
    /// 0 patch, 1 rollback, 2 undo.
    pub(crate) why: u32,
    /// What the functions below work on.
    pub(crate) desk: *const (),
    pub(crate) put: extern "C" fn(*const (), RawText, RawValue),
    pub(crate) take: extern "C" fn(*const (), RawText, &mut RawValue) -> bool,
}

// SAFETY: numbers, functions, and the address of something that is `Sync`.
unsafe impl Send for RawContext {}
// SAFETY: as for `Send`.
unsafe impl Sync for RawContext {}

/// A value that is handed over.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RawValue {
    pub(crate) data: *mut (),
    /// Which type it is: its key in every edition, its layout, its size.
    kind: [u64; 3],
    ty: RawText,
    pub(crate) discard: extern "C" fn(*mut ()),
}

// SAFETY: made from a value that is `Send`.
unsafe impl Send for RawValue {}

impl RawValue {
    fn of<T: Send + 'static>(value: T, kind: [u64; 3]) -> Self {
        extern "C" fn discard<T>(data: *mut ()) {
            // SAFETY: the box below, which nobody has taken.
            let value = unsafe { Box::from_raw(data.cast::<T>()) };
            crate::domain::guarded("dropping what was handed over", || drop(value));
        }
        let data = Box::into_raw(Box::new(value)).cast();
        Self { data, kind, ty: RawText::new(type_name::<T>()), discard: discard::<T> }
    }

    fn none() -> Self {
        extern "C" fn nothing(_: *mut ()) {}
        let ty = RawText::new("");
        Self { data: std::ptr::null_mut(), kind: [0; 3], ty, discard: nothing }
    }
}

/// What was left under a name is of another type than what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "what was handed over as {name:?} is a `{left}`, which is not the `{wanted}` asked for{}",
    same_name(left, wanted)
)]
#[non_exhaustive]
pub struct HandOverError {
    /// The name.
    pub name: String,
    /// The type of what was left.
    pub left: String,
    /// The type that was asked for.
    pub wanted: String,
}

fn same_name(left: &str, wanted: &str) -> &'static str {
    if left == wanted { ": its layout is another" } else { "" }
}

impl HookContext<'_> {
    /// # Safety
    /// - `raw` is the address of a context of the domain that lives for the time of `'a`.
    pub(super) unsafe fn new(raw: *const ()) -> Self {
        // SAFETY: the caller vouches for it.
        Self { raw: unsafe { &*raw.cast::<RawContext>() } }
    }

    /// The generation that is left.
    #[must_use]
    pub fn old(&self) -> u64 {
        self.raw.old
    }

    /// The generation that comes.
    #[must_use]
    pub fn new_generation(&self) -> u64 {
        self.raw.new
    }

    /// Why.
    #[must_use]
    pub fn why(&self) -> Why {
        match self.raw.why {
            0 => Why::Patch,
            1 => Why::Rollback,
            _ => Why::Undo,
        }
    }

    /// Leaves `value` under `name`; what was there before is dropped.
    ///
    /// A pointer goes as a `usize`, or in a struct of yours that is `Send` and
    /// [described](crate::Layout).
    pub fn put<T: Layout + Send + 'static>(&mut self, name: &str, value: T) {
        (self.raw.put)(self.raw.desk, RawText::new(name), RawValue::of(value, kind_of::<T>()));
    }

    /// Takes what was left under `name`; `None` where nothing was.
    ///
    /// # Errors
    /// It is of another type, or its layout has changed; it stays where it is.
    pub fn take<T: Layout + Send + 'static>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, HandOverError> {
        // SAFETY: the kinds are equal: the type's name and its layout.
        unsafe { self.take_of(name, kind_of::<T>()) }
    }

    /// Leaves a `value` whose type is not described, such as a `Box<dyn Log>`.
    pub fn put_opaque<T: Send + 'static>(&mut self, name: &str, value: T) {
        let kind = opaque_kind_of::<T>();
        (self.raw.put)(self.raw.desk, RawText::new(name), RawValue::of(value, kind));
    }

    /// Takes what [`put_opaque`](Self::put_opaque) left under `name`. Only the name of the type, its
    /// size and its alignment are compared.
    ///
    /// # Errors
    /// It is of another type; it stays where it is.
    ///
    /// # Safety
    /// - `T` is the same type in this library and in the one that left the value, field by field,
    ///   with everything that it leads to: no crate that it comes from has changed between them.
    pub unsafe fn take_opaque<T: Send + 'static>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, HandOverError> {
        // SAFETY: the caller vouches for what the kind does not tell.
        unsafe { self.take_of(name, opaque_kind_of::<T>()) }
    }

    /// # Safety
    /// - A value of this kind is a `T`.
    unsafe fn take_of<T: 'static>(
        &mut self,
        name: &str,
        kind: [u64; 3],
    ) -> Result<Option<T>, HandOverError> {
        let mut value = RawValue::none();
        if !(self.raw.take)(self.raw.desk, RawText::new(name), &mut value) {
            return Ok(None);
        }
        if value.kind != kind {
            // SAFETY: the name of a type, in an image that stays.
            let left = unsafe { value.ty.to_string_lossy() };
            (self.raw.put)(self.raw.desk, RawText::new(name), value);
            let wanted = type_name::<T>().to_owned();
            return Err(HandOverError { name: name.to_owned(), left, wanted });
        }
        // SAFETY: a box of a value of this kind, which was taken out of the map; both images
        // allocate alike.
        Ok(Some(*unsafe { Box::from_raw(value.data.cast::<T>()) }))
    }
}

impl fmt::Debug for HookContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookContext")
            .field("old", &self.old())
            .field("new", &self.new_generation())
            .field("why", &self.why())
            .finish_non_exhaustive()
    }
}

fn kind_of<T: Layout>() -> [u64; 3] {
    [T::KEY.stable(), layout_hash::<T>(), size_of::<T>() as u64]
}

fn opaque_kind_of<T>() -> [u64; 3] {
    let name = midair_trampolines::hash::Hash::new().bytes(type_name::<T>().as_bytes()).finish();
    [name, align_of::<T>() as u64, size_of::<T>() as u64]
}
