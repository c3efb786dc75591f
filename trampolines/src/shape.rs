//! The shape of a type as far as the compiler tells it without help: size, alignment, and what
//! the type points to.
//!
//! `<Probe<T>>::SHAPE_OF` picks, while compiling and on stable Rust, the most that is known of
//! `T`: an inherent constant wins over a trait's constant of the same name wherever its bounds
//! hold. The fallback trait must be in scope where the constant is named.

use std::marker::PhantomData;

use crate::hash::Hash;

/// Size and alignment of a type, and of what it points to, for one place of a signature.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Hash of everything below, without the place.
    pub hash: u64,
    /// Size in bytes, or [`UNSIZED`].
    pub size: u64,
    /// Size in bytes of the type behind a pointer or container, or [`UNSIZED`].
    pub inner_size: u64,
    /// Alignment in bytes; 0 when unsized.
    pub align: u32,
    /// Alignment in bytes of the type behind; 0 when unsized.
    pub inner_align: u32,
    /// 0 for the return type, n for the n-th argument.
    pub place: u32,
    /// 0: nothing is known beyond size and alignment. Other values are for later formats.
    pub depth: u32,
}

/// The size of a type whose size is not known while compiling.
pub const UNSIZED: u64 = u64::MAX;

/// The bytes that a [`Shape`] takes in a record.
pub const SHAPE_LEN: usize = size_of::<Shape>();

/// Size and alignment, or nothing for an unsized type.
pub type Extent = Option<(usize, usize)>;

impl Shape {
    /// The shape at `place` from what the probes found.
    #[must_use]
    pub const fn new(place: u32, own: Extent, inner: Extent) -> Self {
        let (size, align) = flat(own);
        let (inner_size, inner_align) = flat(inner);
        let hash = Hash::new()
            .word(size)
            .word(align as u64)
            .word(inner_size)
            .word(inner_align as u64)
            .finish();
        Self { hash, size, inner_size, align, inner_align, place, depth: 0 }
    }

    /// Whether both describe the same type, as far as shapes can tell.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.place == other.place && self.hash == other.hash
    }
}

const fn flat(extent: Extent) -> (u64, u32) {
    match extent {
        Some((size, align)) => (size as u64, align as u32),
        None => (UNSIZED, 0),
    }
}

/// The question "what is known of `T`?", put to the compiler.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T> Probe<T> {
    /// Size and alignment of a sized type.
    pub const EXTENT: Extent = Some((size_of::<T>(), align_of::<T>()));
}

impl<T: Behind + ?Sized> Probe<T> {
    /// Size and alignment of what `T` points to or contains.
    pub const BEHIND: Extent = T::EXTENT;
}

/// What holds of every type: nothing is known.
pub trait Fallback {
    /// The extent of an unsized type.
    const EXTENT: Extent = None;
    /// What a type that hides nothing hides.
    const BEHIND: Extent = None;
}

impl<T: ?Sized> Fallback for Probe<T> {}

/// A type that leads to another one, so that a size behind it is seen even through an alias.
pub trait Behind {
    /// Size and alignment of the type it leads to.
    const EXTENT: Extent;
}

macro_rules! behind {
    ($($(#[$doc:meta])* [$($generics:tt)*] $kind:ty;)*) => {
        $(impl<T $($generics)*> Behind for $kind {
            const EXTENT: Extent = Some((size_of::<T>(), align_of::<T>()));
        })*
    };
}

behind! {
    [] &T;
    [] &mut T;
    [] *const T;
    [] *mut T;
    [] Box<T>;
    [] Option<T>;
    [] Vec<T>;
    [] std::rc::Rc<T>;
    [] std::sync::Arc<T>;
    [] std::ptr::NonNull<T>;
    [] [T];
    [] &[T];
    [] &mut [T];
    [, const N: usize] [T; N];
}

#[cfg(test)]
mod tests {
    use super::{Fallback as _, Probe, Shape};

    type Alias = Box<[u64; 3]>;

    #[test]
    fn probes_pick_the_most_that_is_known() {
        assert_eq!(<Probe<u32>>::EXTENT, Some((4, 4)));
        assert_eq!(<Probe<str>>::EXTENT, None);
        assert_eq!(<Probe<dyn Fn()>>::EXTENT, None);
        assert_eq!(<Probe<u32>>::BEHIND, None);
        assert_eq!(<Probe<Alias>>::BEHIND, Some((24, 8)));
    }

    #[test]
    fn a_change_behind_an_alias_changes_the_shape() {
        let old = Shape::new(1, <Probe<Box<[u64; 2]>>>::EXTENT, <Probe<Box<[u64; 2]>>>::BEHIND);
        let new = Shape::new(1, <Probe<Alias>>::EXTENT, <Probe<Alias>>::BEHIND);
        assert!(!old.same(&new));
    }
}
