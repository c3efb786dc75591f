//! The shape of a type as far as the compiler tells it without help: size, alignment, which
//! primitive it is, and what it points to or contains.
//!
//! `<Probe<T>>::EXTENT` and its siblings pick, while compiling and on stable Rust, the most that
//! is known of `T`: an inherent constant wins over a trait's constant of the same name wherever
//! its bounds hold. The [`Fallback`] trait must be in scope where the constant is named.

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
    /// Which type it is, as far as that is known: a hash of the primitives and containers that it
    /// is made of, and of the sizes of all that it contains. 0 when nothing is known.
    pub kind: u32,
}

/// The size of a type whose size is not known while compiling.
pub const UNSIZED: u64 = u64::MAX;

/// The bytes that a [`Shape`] takes in a record.
pub const SHAPE_LEN: usize = size_of::<Shape>();

/// Size and alignment, or nothing for an unsized type.
pub type Extent = Option<(usize, usize)>;

impl Shape {
    /// The shape at `place` of which nothing but extents is known.
    #[must_use]
    pub const fn new(place: u32, own: Extent, inner: Extent) -> Self {
        Self::of_kind(place, own, inner, 0)
    }

    /// The shape at `place` from what the probes found.
    #[must_use]
    pub const fn of_kind(place: u32, own: Extent, inner: Extent, kind: u32) -> Self {
        let (size, align) = flat(own);
        let (inner_size, inner_align) = flat(inner);
        let shape = Self { hash: 0, size, inner_size, align, inner_align, place, kind };
        Self { hash: shape.computed_hash(), ..shape }
    }

    /// Whether both describe the same type, as far as shapes can tell.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.place == other.place && self.hash == other.hash
    }

    /// What `hash` must be.
    pub(crate) const fn computed_hash(&self) -> u64 {
        Hash::new()
            .word(self.size)
            .word(self.align as u64)
            .word(self.inner_size)
            .word(self.inner_align as u64)
            .word(self.kind as u64)
            .finish()
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
    pub const EXTENT: Extent = extent::<T>();
}

impl<T: Behind + ?Sized> Probe<T> {
    /// Size and alignment of what `T` points to or contains.
    pub const BEHIND: Extent = T::EXTENT;
    /// The sizes and alignments of all that `T` contains.
    pub const PARTS: u32 = T::PARTS;
}

impl<T: Known + ?Sized> Probe<T> {
    /// Which type it is.
    pub const NAME: u32 = T::NAME;
}

/// What holds of every type: nothing is known.
pub trait Fallback {
    /// The extent of an unsized type.
    const EXTENT: Extent = None;
    /// What a type that hides nothing hides.
    const BEHIND: Extent = None;
    /// The parts of a type that contains nothing.
    const PARTS: u32 = 0;
    /// The name of a type that is not known.
    const NAME: u32 = 0;
}

impl<T: ?Sized> Fallback for Probe<T> {}

/// The [`kind`](Shape::kind) of a type with these answers.
#[must_use]
pub const fn kind(name: u32, parts: u32) -> u32 {
    match (name, parts) {
        (0, 0) => 0,
        _ => folded(Hash::new().word(name as u64).word(parts as u64)),
    }
}

const fn extent<T>() -> Extent {
    Some((size_of::<T>(), align_of::<T>()))
}

const fn folded(hash: Hash) -> u32 {
    let hash = hash.finish();
    let folded = (hash ^ (hash >> 32)) as u32;
    if folded == 0 { 1 } else { folded }
}

/// A type that leads to others, so that sizes behind it are seen even through an alias.
pub trait Behind {
    /// Size and alignment of the type it leads to; of several, those of all of them in a tuple.
    const EXTENT: Extent;
    /// Which container it is, and the size and alignment of each type it leads to.
    const PARTS: u32;
}

/// A type that is known by name: a primitive, or a pointer to or container of such types only.
///
/// `u64` and `f64` have the same extent, but do not travel in the same registers.
pub trait Known {
    /// A hash of the name.
    const NAME: u32;
}

/// The parts of the container `name` that leads to types of these extents.
const fn parts(name: &str, extents: &[Extent]) -> u32 {
    let mut hash = Hash::new().bytes(name.as_bytes());
    let mut at = 0;
    while at < extents.len() {
        let (size, align) = flat(extents[at]);
        hash = hash.word(size).word(align as u64);
        at += 1;
    }
    folded(hash)
}

/// The name of the container `name` of types with these names.
const fn name(name: &str, names: &[u32]) -> u32 {
    let mut hash = Hash::new().bytes(name.as_bytes());
    let mut at = 0;
    while at < names.len() {
        hash = hash.word(names[at] as u64);
        at += 1;
    }
    folded(hash)
}

macro_rules! primitives {
    ($($kind:ty),* $(,)?) => {
        $(impl Known for $kind {
            const NAME: u32 = name(stringify!($kind), &[]);
        })*
    };
}

primitives! {
    (), bool, char, f32, f64, i8, i16, i32, i64, i128, isize, str, u8, u16, u32, u64, u128, usize,
    String,
}

/// Containers by all their parameters; `; N` is a length.
macro_rules! containers {
    ($($kind:ty { $($param:ident),* $(; $len:ident)? })*) => {
        $(
            impl<$($param,)* $(const $len: usize)?> Behind for $kind {
                const EXTENT: Extent = extent::<($($param,)*)>();
                const PARTS: u32 = parts(stringify!($kind), &[$(extent::<$param>()),*]);
            }
            impl<$($param: Known,)* $(const $len: usize)?> Known for $kind {
                const NAME: u32 = name(stringify!($kind), &[$($param::NAME,)* $($len as u32)?]);
            }
        )*
    };
}

containers! {
    &T { T }
    &mut T { T }
    *const T { T }
    *mut T { T }
    [T] { T }
    &[T] { T }
    &mut [T] { T }
    [T; N] { T; N }
    Box<T> { T }
    Box<[T]> { T }
    Option<T> { T }
    Result<T, E> { T, E }
    Vec<T> { T }
    std::cell::Cell<T> { T }
    std::cell::OnceCell<T> { T }
    std::cell::RefCell<T> { T }
    std::collections::BTreeMap<K, V> { K, V }
    std::collections::BTreeSet<T> { T }
    std::collections::BinaryHeap<T> { T }
    std::collections::HashMap<K, V, S> { K, V, S }
    std::collections::HashSet<T, S> { T, S }
    std::collections::LinkedList<T> { T }
    std::collections::VecDeque<T> { T }
    std::pin::Pin<T> { T }
    std::ptr::NonNull<T> { T }
    std::rc::Rc<T> { T }
    std::rc::Rc<[T]> { T }
    std::rc::Weak<T> { T }
    std::sync::Arc<T> { T }
    std::sync::Arc<[T]> { T }
    std::sync::Mutex<T> { T }
    std::sync::OnceLock<T> { T }
    std::sync::RwLock<T> { T }
    std::sync::Weak<T> { T }
    (A,) { A }
    (A, B) { A, B }
    (A, B, C) { A, B, C }
    (A, B, C, D) { A, B, C, D }
    (A, B, C, D, E) { A, B, C, D, E }
    (A, B, C, D, E, F) { A, B, C, D, E, F }
    (A, B, C, D, E, F, G) { A, B, C, D, E, F, G }
    (A, B, C, D, E, F, G, H) { A, B, C, D, E, F, G, H }
    (A, B, C, D, E, F, G, H, I) { A, B, C, D, E, F, G, H, I }
    (A, B, C, D, E, F, G, H, I, J) { A, B, C, D, E, F, G, H, I, J }
    (A, B, C, D, E, F, G, H, I, J, K) { A, B, C, D, E, F, G, H, I, J, K }
    (A, B, C, D, E, F, G, H, I, J, K, L) { A, B, C, D, E, F, G, H, I, J, K, L }
}

impl Known for std::hash::RandomState {
    const NAME: u32 = name("RandomState", &[]);
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Fallback as _, Probe, Shape, kind};

    type Alias = Box<[u64; 3]>;

    /// The shape of a type that is no parameter.
    macro_rules! shape {
        ($kind:ty) => {
            Shape::of_kind(
                1,
                <Probe<$kind>>::EXTENT,
                <Probe<$kind>>::BEHIND,
                kind(<Probe<$kind>>::NAME, <Probe<$kind>>::PARTS),
            )
        };
    }

    #[test]
    fn probes_pick_the_most_that_is_known() {
        assert_eq!(<Probe<u32>>::EXTENT, Some((4, 4)));
        assert_eq!(<Probe<str>>::EXTENT, None);
        assert_eq!(<Probe<dyn Fn()>>::EXTENT, None);
        assert_eq!(<Probe<u32>>::BEHIND, None);
        assert_eq!(<Probe<Alias>>::BEHIND, Some((24, 8)));
        assert_eq!(<Probe<HashMap<u8, Alias>>>::BEHIND, Some((32, 8)));
        assert_eq!(<Probe<dyn Fn()>>::NAME, 0);
    }

    #[test]
    fn a_change_behind_an_alias_changes_the_shape() {
        assert!(!shape!(Box<[u64; 2]>).same(&shape!(Alias)));
        assert!(shape!(Box<[u64; 3]>).same(&shape!(Alias)));
    }

    #[test]
    fn every_parameter_of_a_container_counts() {
        struct Wide;
        let all = [
            shape!(HashMap<u8, [Wide; 2]>),
            shape!(HashMap<[u64; 2], u64>),
            shape!(HashMap<u64, [u64; 2]>),
            shape!(std::collections::BTreeMap<u64, [u64; 2]>),
            shape!(HashMap<u64, [i64; 2]>),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| !one.same(other)), "{at}");
        }
    }

    #[test]
    fn primitives_of_one_size_differ() {
        for other in [shape!(f64), shape!(i64), shape!(usize), shape!(*const u8)] {
            assert!(!shape!(u64).same(&other));
        }
        assert!(!shape!(Option<Vec<f32>>).same(&shape!(Option<Vec<u32>>)));
        assert!(!shape!((u8, f32)).same(&shape!((u8, u32))));
        assert!(!shape!(bool).same(&shape!(u8)));
    }
}
