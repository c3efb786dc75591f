//! What one type says of itself.

use super::{Key, Layout};
use crate::hash::Hash;
use crate::shape::UNSIZED;

/// What one type says of itself; other types stand in it by their keys.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    form: Form,
    name: &'static str,
    /// How its layout is chosen, as the `repr` attributes say.
    repr: &'static str,
    size: u64,
    align: u64,
    count: u64,
    hash: u64,
    parameters: &'static [Key],
    parts: &'static [Part],
    is_emitted: bool,
}

/// What kind of type it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// Known by its name: a number, or a type of std without parameters.
    Base,
    /// Fields beside each other.
    Struct,
    /// Fields one over the other.
    Union,
    /// One of several variants, each with its fields.
    Enum,
    /// A generic type of std: what lies in it, and what it leads to.
    Container,
    /// Types beside each other that have no name of their own.
    Tuple,
    /// Several of one type.
    Array,
    /// The address of another type.
    Pointer,
    /// A function's address.
    Function,
    /// A trait object of which the methods are known.
    Trait,
    /// `dyn Fn(A) -> B` and its like.
    Callable,
    /// Nothing but its name is known.
    Opaque,
}

impl Form {
    const ALL: [Self; 12] = [
        Self::Base,
        Self::Struct,
        Self::Union,
        Self::Enum,
        Self::Container,
        Self::Tuple,
        Self::Array,
        Self::Pointer,
        Self::Function,
        Self::Trait,
        Self::Callable,
        Self::Opaque,
    ];

    /// The number that stands for it in a record.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// One part of a type.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub(crate) kind: PartKind,
    pub(crate) name: &'static str,
    /// The offset of a field, the discriminant of a variant.
    pub(crate) value: u64,
    /// The type of the part; 0 where it has none, or one of which only this is known.
    pub(crate) key: u64,
    pub(crate) opaque: Option<Opaque>,
    hash: u64,
}

/// A type of which no more is known than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opaque {
    pub(crate) name: &'static str,
    pub(crate) size: u64,
    pub(crate) align: u64,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartKind {
    /// A field; those after a variant belong to that variant.
    Field,
    /// A variant.
    Variant,
    /// An argument of a function.
    Argument,
    /// What a function returns.
    Result,
    /// A method of a trait object.
    Method,
    /// A trait whose methods the object has as well.
    Supertrait,
    /// A constant that the type is generic over.
    Constant,
}

impl PartKind {
    const ALL: [Self; 7] = [
        Self::Field,
        Self::Variant,
        Self::Argument,
        Self::Result,
        Self::Method,
        Self::Supertrait,
        Self::Constant,
    ];

    /// The number that stands for it in a record.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl Part {
    /// A part that lies inside the type.
    #[must_use]
    pub const fn held<T: Layout + ?Sized>(kind: PartKind, name: &'static str, value: u64) -> Self {
        Self { kind, name, value, key: T::KEY.unique(), opaque: None, hash: T::DESCRIPTION.hash() }
    }

    /// A part that the type leads to.
    #[must_use]
    pub const fn behind<T: Layout + ?Sized>(kind: PartKind, name: &'static str) -> Self {
        let (key, hash) = (T::KEY.unique(), T::KEY.stable());
        Self { kind, name, value: 0, key, opaque: None, hash }
    }

    /// A part without a type: a variant or a constant.
    #[must_use]
    pub const fn plain(kind: PartKind, name: &'static str, value: u64) -> Self {
        Self { kind, name, value, key: 0, opaque: None, hash: 0 }
    }

    /// A field of type `F`, written `ty`, of which no more is to be known.
    #[must_use]
    pub const fn opaque<F>(name: &'static str, value: u64, ty: &'static str) -> Self {
        let opaque =
            Opaque { name: ty, size: size_of::<F>() as u64, align: align_of::<F>() as u64 };
        let hash = Hash::new().bytes(ty.as_bytes()).word(opaque.size).word(opaque.align).finish();
        Self { kind: PartKind::Field, name, value, key: 0, opaque: Some(opaque), hash }
    }

    /// A method of which no more is compared than its `tokens`.
    #[must_use]
    pub const fn method(name: &'static str, tokens: &'static str) -> Self {
        Self { kind: PartKind::Method, ..Self::opaque::<fn()>(name, 0, tokens) }
    }

    /// A field of the foreign type `F`, which `M` describes.
    ///
    /// # Panics
    /// While compiling, when the two differ in size or alignment.
    #[must_use]
    pub const fn mirrored<F, M: Layout>(name: &'static str, value: u64) -> Self {
        assert!(
            size_of::<F>() == size_of::<M>() && align_of::<F>() == align_of::<M>(),
            "the type that `#[layout(with = ..)]` names has another size or alignment than the field"
        );
        Self::held::<M>(PartKind::Field, name, value)
    }
}

impl Description {
    /// What the sized type `T` says of itself.
    #[must_use]
    pub const fn of<T>(
        form: Form,
        name: &'static str,
        parameters: &'static [Key],
        parts: &'static [Part],
    ) -> Self {
        let (size, align) = (size_of::<T>() as u64, align_of::<T>() as u64);
        Self::new(form, name, (size, align), parameters, parts)
    }

    /// What a type without a size says of itself.
    #[must_use]
    pub const fn without_size(
        form: Form,
        name: &'static str,
        parameters: &'static [Key],
        parts: &'static [Part],
    ) -> Self {
        Self::new(form, name, (UNSIZED, 0), parameters, parts)
    }

    const fn new(
        form: Form,
        name: &'static str,
        (size, align): (u64, u64),
        parameters: &'static [Key],
        parts: &'static [Part],
    ) -> Self {
        let new = Self {
            form,
            name,
            repr: "",
            size,
            align,
            count: UNSIZED,
            hash: 0,
            parameters,
            parts,
            is_emitted: false,
        };
        Self { hash: new.computed_hash(), ..new }
    }

    /// With `repr` attributes.
    #[must_use]
    pub const fn with_repr(self, repr: &'static str) -> Self {
        let new = Self { repr, ..self };
        Self { hash: new.computed_hash(), ..new }
    }

    /// With so many elements.
    #[must_use]
    pub const fn with_count(self, count: usize) -> Self {
        let new = Self { count: count as u64, ..self };
        Self { hash: new.computed_hash(), ..new }
    }

    /// With a record of its own, so that nobody else has to describe it.
    #[must_use]
    pub const fn emitted(self) -> Self {
        Self { is_emitted: true, ..self }
    }

    /// Whether it has a record of its own, or is known to every midair.
    #[must_use]
    pub const fn is_emitted(&self) -> bool {
        self.is_emitted
    }

    /// A hash of all that is in it, and of what lies inside the types of its parts.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    const fn computed_hash(&self) -> u64 {
        let mut hash = Hash::new()
            .bytes(self.name.as_bytes())
            .bytes(self.repr.as_bytes())
            .word(self.form.number() as u64)
            .word(self.size)
            .word(self.align)
            .word(self.count);
        let mut at = 0;
        while at < self.parameters.len() {
            hash = hash.word(self.parameters[at].stable());
            at += 1;
        }
        let mut at = 0;
        while at < self.parts.len() {
            let part = &self.parts[at];
            hash = hash
                .word(part.kind.number() as u64)
                .bytes(part.name.as_bytes())
                .word(part.value)
                .word(part.hash);
            at += 1;
        }
        hash.finish()
    }

    /// Writes it into a record, as `key`.
    pub(crate) const fn write<const ROOM: usize>(&self, key: Key, into: &mut Bytes<ROOM>) {
        into.word64(key.unique());
        into.word64(self.hash);
        into.word64(self.size);
        into.word64(self.align);
        into.word64(self.count);
        into.byte(self.form.number());
        into.text(self.name);
        into.text(self.repr);
        into.word16(self.parameters.len());
        let mut at = 0;
        while at < self.parameters.len() {
            into.word64(self.parameters[at].unique());
            at += 1;
        }
        into.word16(self.parts.len());
        let mut at = 0;
        while at < self.parts.len() {
            self.parts[at].write(into);
            at += 1;
        }
    }
}

impl Part {
    const fn write<const ROOM: usize>(&self, into: &mut Bytes<ROOM>) {
        into.byte(self.kind.number());
        into.text(self.name);
        into.word64(self.value);
        into.word64(self.key);
        if self.key == 0 {
            match self.opaque {
                None => into.byte(0),
                Some(opaque) => {
                    into.byte(1);
                    into.text(opaque.name);
                    into.word64(opaque.size);
                    into.word64(opaque.align);
                }
            }
        }
    }
}

/// Bytes of a record under construction; with no `ROOM`, only their number.
pub(crate) struct Bytes<const ROOM: usize> {
    bytes: [u8; ROOM],
    len: usize,
}

impl<const ROOM: usize> Bytes<ROOM> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; ROOM], len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn into_array(self) -> [u8; ROOM] {
        self.bytes
    }

    pub(crate) const fn put(&mut self, bytes: &[u8]) {
        if ROOM > 0 {
            let (_, rest) = self.bytes.split_at_mut(self.len);
            let (place, _) = rest.split_at_mut(bytes.len());
            place.copy_from_slice(bytes);
        }
        self.len += bytes.len();
    }

    const fn byte(&mut self, byte: u8) {
        self.put(&[byte]);
    }

    const fn word16(&mut self, word: usize) {
        assert!(word <= u16::MAX as usize, "a type has more than 65535 fields, or a name as long");
        self.put(&(word as u16).to_le_bytes());
    }

    const fn word64(&mut self, word: u64) {
        self.put(&word.to_le_bytes());
    }

    const fn text(&mut self, text: &str) {
        self.word16(text.len());
        self.put(text.as_bytes());
    }
}
