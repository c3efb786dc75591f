//! Persistent statics as a program uses them: one storage, whatever generation's code works on it.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::thread::LocalKey;

use midair_trampolines::persist::StaticHead;
use midair_trampolines::unwind::{Guarded, guard};

use crate::scope::Scope;

/// A static that keeps its value and its address through every patch; it dereferences to the
/// value. Made by [`#[persist]`](macro@crate::persist).
///
/// Reaching it costs one load.
///
/// # Examples
/// ```ignore
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[midair::persist]
/// static FRAMES: AtomicU64 = AtomicU64::new(0);
///
/// #[midair::hotpatch]
/// fn frame() {
///     FRAMES.fetch_add(1, Ordering::Relaxed);
/// }
/// ```
pub struct Persist<T: 'static> {
    head: &'static StaticHead,
    value: PhantomData<fn() -> &'static T>,
}

impl<T: Sync> Persist<T> {
    /// The static of this record.
    ///
    /// # Safety
    /// - `head` is of a record of a static of type `T` that is reached by reference.
    #[doc(hidden)]
    #[must_use]
    pub const unsafe fn of_record(head: &'static StaticHead) -> Self {
        Self { head, value: PhantomData }
    }

    /// The value, which stays where it is for the life of the program.
    #[inline(always)]
    #[must_use]
    pub fn get(&self) -> &'static T {
        // SAFETY: a `T` that lives for ever: that of this image, or one that the loader found to
        // be of an equal type.
        unsafe { &*self.head.instance().cast::<T>() }
    }
}

impl<T: Sync> Deref for Persist<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        self.get()
    }
}

impl<T: Sync + fmt::Debug> fmt::Debug for Persist<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// A static that keeps its value through every patch, and whose type a patch may change: it is
/// reached inside scopes alone. Made by [`#[persist(scoped)]`](macro@crate::persist), and by
/// `#[persist(migrate)]`.
///
/// A patch that changes the type waits for a moment when no scope is open
/// ([`Level::Quiescent`](crate::Level::Quiescent)), makes the new value out of the old one, and
/// runs with it from then on. The old value stays with the generations that know its type: going
/// back to one of them finds it as it was when it was migrated.
///
/// A constructor of the patch runs before the migration, and finds the value that is written in the
/// source.
pub struct PersistScoped<T: 'static> {
    head: &'static StaticHead,
    value: PhantomData<fn() -> &'static T>,
}

impl<T: Send + Sync> PersistScoped<T> {
    /// The static of this record.
    ///
    /// # Safety
    /// - `head` is of a record of a static of type `T` that is reached inside scopes.
    #[doc(hidden)]
    #[must_use]
    pub const unsafe fn of_record(head: &'static StaticHead) -> Self {
        Self { head, value: PhantomData }
    }

    /// The value, for as long as the guard lives, which is a [scope](crate::scope()): while a
    /// patch waits for scopes to end, it waits here.
    #[inline]
    pub fn enter(&self) -> PersistGuard<T> {
        let scope = Scope::enter();
        // SAFETY: a `T` that lives for ever. The scope was entered before the load: a migration
        // that came before is seen, and none comes while it is open.
        let value = unsafe { &*self.head.instance().cast::<T>() };
        PersistGuard { value, _scope: scope }
    }

    /// Runs `work` with the value, in a scope.
    #[inline]
    pub fn with<R>(&self, work: impl FnOnce(&T) -> R) -> R {
        work(&self.enter())
    }
}

impl<T: Send + Sync + fmt::Debug> fmt::Debug for PersistScoped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.enter().fmt(f)
    }
}

/// The value of a [`PersistScoped`], in a scope that ends when this is dropped.
#[must_use = "the scope ends when this is dropped"]
pub struct PersistGuard<T: 'static> {
    value: &'static T,
    _scope: Scope,
}

impl<T> Deref for PersistGuard<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for PersistGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// A thread-local static that keeps its values through every patch: each thread has one for as
/// long as it lives. Made by `#[persist]` on a `thread_local!`.
///
/// The values belong to the library that had the static first: its code makes them, and drops them
/// when their threads end.
pub struct PersistLocal<T: 'static> {
    head: &'static StaticHead,
    value: PhantomData<fn() -> &'static T>,
}

/// The calling thread's value, null while the thread's values are dropped; or the panic of making
/// it, as data.
#[doc(hidden)]
pub type Found = Guarded<*const ()>;

type Find = extern "C-unwind" fn() -> Found;

impl<T> PersistLocal<T> {
    /// The static of this record.
    ///
    /// # Safety
    /// - `head` is of a record of a thread-local static of type `T`.
    #[doc(hidden)]
    #[must_use]
    pub const unsafe fn of_record(head: &'static StaticHead) -> Self {
        Self { head, value: PhantomData }
    }

    /// Runs `work` with the calling thread's value, which is made now if it was not there.
    ///
    /// # Panics
    /// While the thread ends and the value is gone, and when making it panics.
    pub fn with<R>(&self, work: impl FnOnce(&T) -> R) -> R {
        self.try_with(work).expect("the thread is ending, and its value is gone")
    }

    /// Runs `work` with the calling thread's value; `None` while the thread ends and the value is
    /// gone.
    ///
    /// # Panics
    /// When making the value panics.
    pub fn try_with<R>(&self, work: impl FnOnce(&T) -> R) -> Option<R> {
        // SAFETY: the record of a thread-local static leads to a function of this type.
        let find = unsafe { std::mem::transmute::<*const (), Find>(self.head.instance()) };
        let value = find().resume().cast::<T>();
        // SAFETY: null, or this thread's `T`: its destructor runs on this thread, not before this
        // call returns.
        unsafe { value.as_ref() }.map(work)
    }
}

impl<T> fmt::Debug for PersistLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersistLocal").finish_non_exhaustive()
    }
}

/// What the record of a thread-local static leads to.
#[doc(hidden)]
pub fn find_local<T>(values: &'static LocalKey<T>) -> Found {
    guard(|| values.try_with(|value| std::ptr::from_ref(value).cast()).unwrap_or_default())
}
