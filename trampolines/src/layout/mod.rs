//! What a type is made of, told while compiling: the trait that `#[derive(Layout)]` implements,
//! and its impls for the types of std.
//!
//! A [`Description`] is what one type says of itself; a [`Key`] stands for another type in it, so
//! that recursive types need no care. What a type leads to is walked as a list of types, by
//! constant functions that are entered as far as is needed and no further (see [`Roots`]).

mod callables;
mod description;
mod key;
mod reach;
mod standard;

pub use description::{Description, Form, Part, PartKind};
pub use key::Key;
pub use reach::{Both, End, Leaf, Own, Reach, Roots, RootsFallback, Step};
pub use standard::{Lent, LentMut, PRIMITIVES, Primitive};

/// A type whose layout is known field by field, through everything that it leads to.
///
/// `#[derive(midair::Layout)]` implements it for a struct, an enum or a union, and
/// `#[midair::layout]` on a trait does for its trait objects. The common types of std have it.
/// Where all types of a hot function's signature have it, a patch is compared field by field
/// without any debug info.
///
/// # Safety
/// - Two types with equal [`KEY`](Self::KEY) in one program have the same description.
/// - The description is true: code that was compiled against one type can work on another whose
///   description is the same, and so are those of all types that it leads to.
/// - [`Leads`](Self::Leads) names every type whose key the description holds, except those that a
///   record of their own describes.
///
/// A false description makes midair accept a patch that misreads the program's memory. The derive
/// is always right, because it asks the compiler.
#[diagnostic::on_unimplemented(
    message = "the layout of `{Self}` is not described",
    label = "nothing is known of the fields of this type",
    note = "if the type is yours, write midair's `#[derive(Layout)]` on it, or `#[layout]` on the \
            trait behind `dyn`",
    note = "if it is not, write `#[layout(opaque)]` on the field that has it (only size, alignment \
            and name are compared), or `#[layout(with = Mirror)]`, where `Mirror` is a type that \
            describes it"
)]
pub unsafe trait Layout {
    /// Stands for the type in the descriptions of others.
    const KEY: Key;
    /// What the type is made of.
    const DESCRIPTION: Description;
    /// The types that it leads to.
    type Leads: Reach;
}

/// A hash of everything that lies inside a `T`: sizes, names, offsets, variants, recursively. Of
/// what is behind a pointer only the name counts.
#[must_use]
pub const fn layout_hash<T: Layout + ?Sized>() -> u64 {
    T::DESCRIPTION.hash()
}
