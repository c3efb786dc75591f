//! What types lead to, as a tree of types that constant functions walk.
//!
//! An associated constant is evaluated wherever it is named, even in a branch that is not taken;
//! the description of a recursive type would never end. A constant function is evaluated only when
//! it is called. So the walk is made of generic constant functions, which remember by key what
//! they have met, and recursive types of every kind end where they began.

use std::marker::PhantomData;

use super::description::Bytes;
use super::{Key, Layout};

/// Types, one by one or in a tree.
pub trait Reach {
    /// What is at the root of the tree.
    const STEP: Step;
    /// The type at the root, where there is one.
    type Type: Layout + ?Sized;
    /// What comes first.
    type First: Reach;
    /// What comes then.
    type Second: Reach;
}

/// What is at the root of a tree of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    End,
    /// A type.
    Leaf,
    /// A type that is to be described here, and what it leads to.
    Own,
    /// Two trees.
    Both,
}

/// No type.
#[derive(Debug)]
pub struct End;

/// The type `T`, and what it leads to.
#[derive(Debug)]
pub struct Leaf<T: ?Sized>(PhantomData<T>);

/// The type `T`, described here although it says that it has a record of its own: this one.
#[derive(Debug)]
pub struct Own<T: ?Sized, R>(PhantomData<R>, PhantomData<T>);

/// All of `A` and all of `B`.
#[derive(Debug)]
pub struct Both<A, B>(PhantomData<(A, B)>);

impl Reach for End {
    const STEP: Step = Step::End;
    type Type = ();
    type First = Self;
    type Second = Self;
}

impl<T: Layout + ?Sized> Reach for Leaf<T> {
    const STEP: Step = Step::Leaf;
    type Type = T;
    type First = End;
    type Second = End;
}

impl<T: Layout + ?Sized, R: Reach> Reach for Own<T, R> {
    const STEP: Step = Step::Own;
    type Type = T;
    type First = R;
    type Second = End;
}

impl<A: Reach, B: Reach> Reach for Both<A, B> {
    const STEP: Step = Step::Both;
    type Type = ();
    type First = A;
    type Second = B;
}

/// The question "what do these types lead to?", put to the compiler; see
/// [`Probe`](crate::shape::Probe) for how it is answered where not all of them are described.
#[derive(Debug)]
pub struct Roots<R>(PhantomData<R>);

impl<R: Reach> Roots<R> {
    /// The descriptions of all that can be reached and that has no record of its own.
    pub const NODES: &'static [u8] = nodes::<R>();
    /// The key of the type at the root.
    pub const KEY: u64 = <R::Type as Layout>::KEY.unique();
}

/// What holds where one of the types is not described.
pub trait RootsFallback {
    /// Nothing is described.
    const NODES: &'static [u8] = &[];
    /// No key.
    const KEY: u64 = 0;
}

impl<R> RootsFallback for Roots<R> {}

/// The most types that one record describes.
const MAX_NODES: usize = 2_048;

/// How deep types may be nested before the compiler's own limit on constant functions, 128, is met
/// with a message that does not say what to do.
const MAX_DEPTH: usize = 100;

struct Walk<const ROOM: usize> {
    into: Bytes<ROOM>,
    met: [u64; MAX_NODES],
    count: usize,
    depth: usize,
}

impl<const ROOM: usize> Walk<ROOM> {
    const fn of<R: Reach>() -> Self {
        let mut walk = Self { into: Bytes::new(), met: [0; MAX_NODES], count: 0, depth: 0 };
        walk.tree::<R>();
        walk
    }

    const fn tree<R: Reach>(&mut self) {
        self.depth += 1;
        assert!(
            self.depth < MAX_DEPTH,
            "types lead to ever more generic types: write `#[layout(opaque)]` on one of the fields \
             on the way"
        );
        match R::STEP {
            Step::End => {}
            Step::Leaf => self.leaf::<R::Type>(),
            Step::Own => {
                self.node::<R::Type>();
                self.tree::<R::First>();
            }
            Step::Both => {
                self.tree::<R::First>();
                self.tree::<R::Second>();
            }
        }
        self.depth -= 1;
    }

    const fn leaf<T: Layout + ?Sized>(&mut self) {
        if !T::DESCRIPTION.is_emitted() && self.node::<T>() {
            self.depth += 1;
            self.tree::<T::Leads>();
            self.depth -= 1;
        }
    }

    /// Writes the type down; whether that had not been done before.
    const fn node<T: Layout + ?Sized>(&mut self) -> bool {
        let is_new = self.enter(T::KEY);
        if is_new {
            T::DESCRIPTION.write(T::KEY, &mut self.into);
        }
        is_new
    }

    const fn enter(&mut self, key: Key) -> bool {
        let mut at = 0;
        while at < self.count {
            if self.met[at] == key.unique() {
                return false;
            }
            at += 1;
        }
        assert!(
            self.count < MAX_NODES,
            "one type leads to more than 2048 generic types: write `#[layout(opaque)]` on a field"
        );
        self.met[self.count] = key.unique();
        self.count += 1;
        true
    }
}

/// The bytes of a walk. Their number is not known to the type system, so there are three sizes of
/// room; what is not needed of it ends with the compiler.
struct Written<R, const ROOM: usize>(PhantomData<R>);

impl<R: Reach, const ROOM: usize> Written<R, ROOM> {
    const BYTES: [u8; ROOM] = Walk::<ROOM>::of::<R>().into.into_array();
    const SLICE: &'static [u8] = &Self::BYTES;
}

const fn nodes<R: Reach>() -> &'static [u8] {
    let len = Walk::<0>::of::<R>().into.len();
    let room = match len {
        0 => return &[],
        1..=1_024 => small::<R>(),
        1_025..=16_384 => middle::<R>(),
        16_385..=262_144 => large::<R>(),
        _ => panic!(
            "what one type leads to takes more than 256 KiB to describe: write `#[layout(opaque)]` \
             on a field"
        ),
    };
    room.split_at(len).0
}

// Each room in a function of its own: a constant is evaluated wherever it is named.
const fn small<R: Reach>() -> &'static [u8] {
    Written::<R, 1_024>::SLICE
}

const fn middle<R: Reach>() -> &'static [u8] {
    Written::<R, 16_384>::SLICE
}

const fn large<R: Reach>() -> &'static [u8] {
    Written::<R, 262_144>::SLICE
}
