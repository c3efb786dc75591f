//! Types as both sides of a comparison know them: a graph of what lies where, read from debug info
//! or from type description records, with indirections as edges, so that recursion needs no care.

use std::collections::HashMap;

mod alias;
mod changes;
mod compare;
mod described;
mod difference;
mod full_name;
mod names;

pub(crate) use compare::{Whose, compare_places, compare_static, places_may_borrow};
#[cfg(feature = "debuginfo")]
pub(crate) use compare::{compare, may_borrow, types_of_static};
pub(crate) use described::{Builder, Nodes};
pub(crate) use difference::{Difference, Step};
pub(crate) use full_name::names;

/// A type in its [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TypeId(pub(crate) u32);

/// Types and what they lead to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    types: Vec<Type>,
    /// The line that a type is declared in, where that is known.
    declared: HashMap<TypeId, String>,
}

/// One type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    /// Its name with its path, without lifetimes.
    pub(crate) name: String,
    /// Size in bytes, where it has one.
    pub(crate) size: Option<u64>,
    /// Alignment in bytes, where it is stated.
    pub(crate) align: Option<u64>,
    /// What is in it.
    pub(crate) kind: Kind,
    /// The types that it is generic over: what a container holds behind an address of bytes.
    pub(crate) parameters: Vec<TypeId>,
}

/// What a type is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number, a character, a truth value, the unit: by the encoding that debug info gives.
    Base { encoding: u64 },
    /// Fields beside each other.
    Struct { fields: Vec<Field> },
    /// Fields one over the other.
    Union { fields: Vec<Field> },
    /// Fields of which only the order is told, not where they lie: those of a variant, as a type
    /// description has it, and what containers of std hold.
    Parts { fields: Vec<Field> },
    /// One of several variants, told apart by a discriminant.
    Enum { discriminant: Option<Field>, variants: Vec<Variant> },
    /// Named numbers.
    Names { values: Vec<(String, u64)> },
    /// The address of another type.
    Pointer { target: Option<TypeId> },
    /// Several of one type.
    Array { element: TypeId, count: Option<u64> },
    /// A function's address: arguments and result.
    Function { arguments: Vec<TypeId>, result: Option<TypeId> },
    /// A type known by a trait: its methods in the order of the table, where a table was found.
    Trait { methods: Option<Vec<Method>> },
    /// Nothing is said of it.
    Opaque,
}

/// A part of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its name; a number in tuples.
    pub(crate) name: String,
    /// Where it lies, in bytes.
    pub(crate) offset: u64,
    /// What it is.
    pub(crate) ty: TypeId,
}

/// One of the variants of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// Its name.
    pub(crate) name: String,
    /// The discriminant that stands for it; `None` for the one that all other values stand for.
    pub(crate) value: Option<u64>,
    /// Its fields, as a type of their own.
    pub(crate) ty: TypeId,
}

/// One method in the table of a trait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    /// Its name.
    pub(crate) name: String,
    /// Its arguments without the first, and its result, as a function type.
    pub(crate) ty: Option<TypeId>,
}

impl Graph {
    /// The type behind `id`.
    pub(crate) fn get(&self, id: TypeId) -> &Type {
        &self.types[id.0 as usize]
    }

    /// Adds a type of which nothing is known yet.
    pub(crate) fn reserve(&mut self) -> TypeId {
        let id = TypeId(u32::try_from(self.types.len()).expect("types are limited in number"));
        self.types.push(Type {
            name: String::new(),
            size: None,
            align: None,
            kind: Kind::Opaque,
            parameters: Vec::new(),
        });
        id
    }

    /// Says what the reserved `id` is.
    pub(crate) fn define(&mut self, id: TypeId, ty: Type) {
        self.types[id.0 as usize] = ty;
    }

    /// Says in which line `id` is declared.
    #[cfg_attr(not(feature = "debuginfo"), expect(dead_code, reason = "only debug info tells"))]
    pub(crate) fn declare(&mut self, id: TypeId, line: String) {
        self.declared.insert(id, line);
    }

    /// The line that `id` is declared in.
    pub(crate) fn declared(&self, id: TypeId) -> Option<&str> {
        self.declared.get(&id).map(String::as_str)
    }

    /// Gives a type another name.
    fn rename(&mut self, id: TypeId, name: String) {
        self.types[id.0 as usize].name = name;
    }

    /// How many types there are.
    #[cfg(feature = "debuginfo")]
    pub(crate) fn len(&self) -> usize {
        self.types.len()
    }
}
