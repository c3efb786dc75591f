//! The things that generations hand over to each other, by name.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use midair_trampolines::text::RawText;
use parking_lot::Mutex;

use super::context::RawValue;

/// What was left, and nobody has taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(Arc<Mutex<HashMap<String, RawValue>>>);

impl Values {
    /// The same things behind a lock that nobody holds, in a child that has just been forked.
    pub(crate) fn renewed(&self) -> Self {
        let taken = self.0.try_lock().map(|mut values| std::mem::take(&mut *values));
        Self(Arc::new(Mutex::new(taken.unwrap_or_default())))
    }
}

/// What a hook reaches the values through: nothing, once it has been given up.
#[derive(Debug)]
pub(super) struct Desk {
    values: Values,
    pub(super) is_closed: AtomicBool,
}

impl Desk {
    pub(super) fn new(values: Values) -> Self {
        Self { values, is_closed: AtomicBool::new(false) }
    }
}

/// Leaves a value.
pub(super) extern "C" fn put(desk: *const (), name: RawText, value: RawValue) {
    // SAFETY: every context keeps its desk alive.
    let desk = unsafe { &*desk.cast::<Desk>() };
    // SAFETY: lent for the time of the call.
    let name = unsafe { name.to_string_lossy() };
    let dropped = if desk.is_closed.load(Ordering::Acquire) {
        Some(value)
    } else {
        desk.values.0.lock().insert(name, value)
    };
    // Outside of the lock: it is code of somebody else's.
    if let Some(value) = dropped {
        (value.discard)(value.data);
    }
}

/// Takes a value; whether there was one.
pub(super) extern "C" fn take(desk: *const (), name: RawText, into: &mut RawValue) -> bool {
    // SAFETY: every context keeps its desk alive.
    let desk = unsafe { &*desk.cast::<Desk>() };
    // SAFETY: lent for the time of the call.
    let name = unsafe { name.to_string_lossy() };
    if desk.is_closed.load(Ordering::Acquire) {
        return false;
    }
    let value = desk.values.0.lock().remove(&name);
    value.map(|value| *into = value).is_some()
}
