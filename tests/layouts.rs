//! What `#[derive(Layout)]` and `#[layout]` accept, and what they say: types of every kind, compiled,
//! and read back from this program's own section.
#![allow(
    dead_code,
    explicit_outlives_requirements,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::type_complexity,
    reason = "types are here to be described"
)]
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use midair::__private::own_section;
use midair::{Layout, layout_hash};
use midair_trampolines::layout::{Form, PartKind};
use midair_trampolines::record::{Kind, records};
use midair_trampolines::types::{Node, PartType, Types};

/// All type records of this program.
fn all() -> Vec<Types> {
    let section = own_section!().snapshot();
    let records = records(&section).unwrap().into_iter();
    let types = records.filter(|raw| raw.kind == Kind::Types);
    types.map(|raw| Types::read(raw).unwrap()).collect()
}

/// The one description of `T` in this program, wherever it is.
fn node<T: Layout + ?Sized>() -> Node {
    let mut found: Vec<_> = all().into_iter().flat_map(|types| types.nodes).collect();
    found.retain(|node| node.key == T::KEY.unique());
    found.dedup();
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

/// The fields, as `name: offset`, and variants, as `name = discriminant`.
fn parts(node: &Node) -> Vec<String> {
    let part = |part: &midair_trampolines::types::NodePart| match part.kind {
        PartKind::Variant => format!("{} = {}", part.name, part.value.cast_signed()),
        PartKind::Constant => format!("const {} = {}", part.name, part.value.cast_signed()),
        PartKind::Field => format!("{}: {}", part.name, part.value),
        _ => part.name.clone(),
    };
    node.parts.iter().map(part).collect()
}

#[derive(Layout)]
pub struct Named {
    pub first: u8,
    second: u32,
    r#type: Inner,
}
#[derive(Layout)]
struct Inner(u64, pub u16);
#[derive(Layout)]
struct Unit;
#[derive(Layout)]
#[repr(C, packed(2))]
struct Packed {
    small: u8,
    large: u64,
}
#[derive(Layout)]
#[repr(transparent)]
struct Transparent(f32, PhantomData<Inner>);
#[derive(Layout)]
union Either {
    word: u32,
    float: f32,
}

#[test]
fn structs_and_unions() {
    let named = node::<Named>();
    assert_eq!(named.name, "layouts::Named");
    assert_eq!((named.form, named.size, named.align), (Form::Struct, Some(24), 8));
    assert_eq!(parts(&named), ["first: 20", "second: 16", "type: 0"]);
    assert_eq!(named.parts[2].ty, PartType::Key(Inner::KEY.unique()));
    assert_eq!(parts(&node::<Inner>()), ["0: 0", "1: 8"]);
    assert_eq!((node::<Unit>().size, node::<Unit>().parts.len()), (Some(0), 0));
    let packed = node::<Packed>();
    assert_eq!((packed.repr.as_str(), packed.size), ("C, packed(2)", Some(10)));
    assert_eq!(parts(&packed), ["small: 0", "large: 2"]);
    assert_eq!(node::<Transparent>().repr, "transparent");
    let either = node::<Either>();
    assert_eq!(
        (either.form, parts(&either)),
        (Form::Union, vec!["word: 0".into(), "float: 0".into()])
    );
}

const FIRST: i8 = -3;
#[derive(Layout)]
#[repr(i8)]
enum Signed {
    A = FIRST,
    B,
    C { x: u8 } = 7,
    D(u16, Box<Signed>),
}
#[derive(Layout)]
enum Niche {
    Some(Rc<str>),
    None,
}
#[derive(Layout)]
#[repr(C)]
enum LikeC {
    A(u8),
    B,
}
#[derive(Layout)]
enum Empty {}
#[derive(Layout)]
#[repr(u64)]
enum Large {
    Last = u64::MAX,
}

#[test]
fn enums_of_every_repr() {
    let signed = node::<Signed>();
    assert_eq!((signed.form, signed.repr.as_str()), (Form::Enum, "i8"));
    assert_eq!(parts(&signed), ["A = -3", "B = -2", "C = 7", "x: 0", "D = 8", "0: 0", "1: 1"]);
    assert_eq!(parts(&node::<Niche>()), ["Some = 0", "0: 0", "None = 1"]);
    assert_eq!(node::<Niche>().size, Some(16));
    assert_eq!((node::<LikeC>().repr.as_str(), node::<Empty>().size), ("C", Some(0)));
    assert_eq!(parts(&node::<LikeC>()), ["A = 0", "0: 0", "B = 1"]);
    assert_eq!(parts(&node::<Large>()), ["Last = -1"]);
}

trait Family {
    type Member;
}
#[derive(Layout)]
struct Ours;
impl Family for Ours {
    type Member = u16;
}

#[derive(Layout)]
struct Generic<'a, T: Clone + 'a, const N: usize>
where
    T: Default,
{
    list: [T; N],
    borrowed: &'a T,
    plain: Vec<Inner>,
}
#[derive(Layout)]
struct Associated<F: Family> {
    member: F::Member,
}
#[derive(Layout)]
struct Defaulted<T = u8, const SIGN: bool = true, const LETTER: char = 'x'>(T);
#[derive(Layout)]
struct Unsized<T: ?Sized>(Box<T>);
#[derive(Layout)]
struct Bound<'a, 'b: 'a>(&'a str, &'b mut [u8]);
#[derive(Layout)]
struct Unneeded<T> {
    #[layout(opaque)]
    tag: PhantomData<T>,
    count: u32,
}
struct NotDescribed(u32);

#[derive(Layout)]
pub struct Roots<'a> {
    generic: Generic<'a, u32, 3>,
    other: Generic<'a, u32, 4>,
    associated: Associated<Ours>,
    defaulted: Defaulted,
    letter: Defaulted<u16, false, 'y'>,
    text: Unsized<str>,
    bound: Bound<'a, 'static>,
    unneeded: Unneeded<NotDescribed>,
}

#[test]
fn generics_are_described_where_they_are_used() {
    let generic = node::<Generic<'_, u32, 3>>();
    assert_eq!(generic.name, "layouts::Generic");
    assert_eq!(parts(&generic), ["const N = 3", "list: 32", "borrowed: 24", "plain: 0"]);
    assert_eq!(generic.parameters, [u32::KEY.unique()]);
    assert_ne!(generic.key, node::<Generic<'_, u32, 4>>().key);
    assert_eq!(node::<Associated<Ours>>().parameters, [u16::KEY.unique()]);
    assert_eq!(parts(&node::<Defaulted>()), ["const SIGN = 1", "const LETTER = 120", "0: 0"]);
    assert_ne!(Defaulted::<u8>::KEY, Defaulted::<u8, false>::KEY);
    assert_eq!(node::<Unsized<str>>().size, Some(16));
    assert_eq!(node::<Unneeded<NotDescribed>>().parts.len(), 2);
    // What it leads to whatever it is generic over.
    assert!(
        all().iter().any(|types| types.nodes.iter().any(|n| n.key == Vec::<Inner>::KEY.unique()))
    );
}

#[derive(Layout)]
struct List {
    value: u64,
    next: Option<Box<List>>,
}
#[derive(Layout)]
struct Tree<T> {
    value: T,
    children: Vec<Tree<T>>,
    parent: Option<*const Tree<T>>,
}
#[derive(Layout)]
struct Even<T> {
    value: T,
    next: Option<Box<Odd<T>>>,
}
#[derive(Layout)]
enum Odd<T> {
    More(T, Box<Even<T>>),
    End,
}
#[derive(Layout)]
struct Here {
    there: Vec<There>,
    tree: Tree<There>,
    even: Even<Rc<Here>>,
}
#[derive(Layout)]
struct There(Option<Arc<Here>>, List);

#[test]
fn types_that_lead_to_themselves() {
    for key in [List::KEY, Here::KEY, There::KEY, Tree::<There>::KEY, Odd::<Rc<Here>>::KEY] {
        let found: Vec<_> = all()
            .into_iter()
            .flat_map(|types| types.nodes)
            .filter(|node| node.key == key.unique())
            .collect();
        assert_eq!(found.len(), 1, "{found:?}");
    }
}

type Callback = fn(u32) -> bool;
#[derive(Layout)]
struct Functions<'a> {
    plain: Callback,
    foreign: unsafe extern "C" fn(*const u8) -> i32,
    borrowing: fn(&str, &mut [u8]) -> Option<&'static str>,
    named: for<'x> fn(&'x str, Bound<'x, 'x>) -> &'x str,
    mixed: fn(&'a str, &u8),
    never: fn() -> !,
    objects: (Box<dyn Fn(&str) -> usize + Send>, &'a mut dyn FnMut(u8), Box<dyn FnOnce()>),
    any: Box<dyn std::any::Any + Send>,
    future: std::pin::Pin<Box<dyn Future<Output = Inner> + Send + 'a>>,
}

#[derive(Layout)]
struct Standard {
    numbers: (u8, i128, f64, char, bool, std::num::NonZero<u32>, std::num::NonZeroI64),
    results: Result<Option<String>, Box<dyn std::error::Error + Send + Sync>>,
    boxes: (Box<[u8]>, Rc<str>, Arc<[Inner]>, std::rc::Weak<Inner>, std::sync::Weak<str>),
    cells: (
        std::cell::Cell<u8>,
        std::cell::RefCell<Inner>,
        std::sync::Mutex<Inner>,
        std::sync::RwLock<Inner>,
        std::cell::OnceCell<u8>,
        std::sync::OnceLock<u8>,
        AtomicU64,
        std::sync::atomic::AtomicPtr<Inner>,
    ),
    maps: (HashMap<u8, Inner>, BTreeMap<String, Unit>, HashSet<u8>, BTreeSet<u8>, VecDeque<Inner>),
    twelve: (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u16),
    times: (std::time::Duration, std::time::Instant, std::time::SystemTime),
    paths: (std::path::PathBuf, std::ffi::OsString, &'static std::path::Path),
    cow: (std::borrow::Cow<'static, str>, std::borrow::Cow<'static, [u8]>),
    ranges: (std::ops::Range<u8>, std::ops::RangeInclusive<u8>, std::ops::RangeFull),
    memory: (std::mem::ManuallyDrop<String>, std::mem::MaybeUninit<Inner>, PhantomData<Unit>),
    pinned: std::pin::Pin<Box<Inner>>,
    order: (std::cmp::Ordering, std::sync::atomic::Ordering),
    raw: (*const Inner, *mut [u8], std::ptr::NonNull<u8>),
}

#[test]
fn functions_objects_and_what_std_has() {
    assert_eq!(node::<Functions<'_>>().parts.len(), 9);
    assert_eq!(node::<Callback>().name, "fn");
    assert_eq!(node::<Standard>().parts.len(), 14);
    let twelve = node::<(u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u16)>();
    assert_eq!((twelve.form, twelve.parts[11].value), (Form::Tuple, 12));
}

mod foreign {
    pub struct Far {
        pub id: u32,
        pub weight: Option<Near>,
        pub opaque: super::NotDescribed,
    }
    pub struct Near(pub u8);
    pub enum Choice {
        Yes(u8),
        No { why: String },
    }
}
#[derive(Layout)]
#[layout(of = foreign::Far)]
struct Far {
    id: u32,
    #[layout(with = Option<Near>)]
    weight: Option<foreign::Near>,
    #[layout(opaque)]
    opaque: NotDescribed,
}
#[derive(Layout)]
#[layout(of = foreign::Near)]
struct Near(u8);
#[derive(Layout)]
#[layout(of = foreign::Choice)]
enum Choice {
    Yes(u8),
    No { why: String },
}
#[derive(Layout)]
struct Mirrors {
    #[layout(with = Vec<Far>)]
    far: Vec<foreign::Far>,
    #[layout(with = Choice)]
    choice: foreign::Choice,
}

#[test]
fn foreign_types_are_described_by_mirrors() {
    let mirrors = node::<Mirrors>();
    assert_eq!(mirrors.parts[0].ty, PartType::Key(Vec::<Far>::KEY.unique()));
    let far = node::<Far>();
    assert_eq!((far.name.as_str(), far.size), ("foreign::Far", Some(12)));
    let PartType::Opaque { name, size, .. } = &far.parts[2].ty else { panic!("{far:?}") };
    assert_eq!((name.as_str(), *size), ("NotDescribed", 4));
    assert_eq!(parts(&node::<Choice>()), ["Yes = 0", "0: 0", "No = 1", "why: 0"]);
}

#[midair::layout]
trait Shape: Base + Send + std::fmt::Debug {
    fn area(&self) -> f32;
    fn grow<'a>(&'a mut self, by: &'a Inner) -> &'a str;
    fn into(self: Box<Self>) -> Vec<u8>;
    #[layout(opaque)]
    fn secret(&self, of: NotDescribed);
    fn generic<T>(&self, _: T)
    where
        Self: Sized,
    {
    }
}
#[midair::layout]
trait Base {
    unsafe extern "C" fn id(&self) -> u64 {
        0
    }
}
#[midair::layout]
trait Source<T> {
    type Item;
    fn next(&mut self, of: T) -> Option<Self::Item>;
}
#[derive(Layout)]
struct Objects {
    shape: Box<dyn Shape>,
    shared: Arc<dyn Shape + Send + Sync>,
    source: Rc<dyn Source<Inner, Item = Unit>>,
}

#[test]
fn objects_are_described_by_their_methods() {
    let shape = node::<dyn Shape>();
    assert_eq!((shape.name.as_str(), shape.size), ("dyn layouts::Shape", None));
    let names = ["Base", "std::fmt::Debug", "area", "grow", "into", "secret"];
    assert_eq!(parts(&shape), names);
    assert_eq!(shape.parts[0].ty, PartType::Key(<dyn Base>::KEY.unique()));
    assert_ne!(<dyn Shape>::KEY, <dyn Shape + Send + Sync>::KEY);
    assert_eq!(parts(&node::<dyn Source<Inner, Item = Unit>>()), ["next"]);
}

/// The helper attribute and the attribute of that name beside each other.
mod imported {
    use midair::{Layout, layout};

    #[derive(Layout)]
    pub struct Holder {
        #[layout(opaque)]
        opaque: super::NotDescribed,
        object: Box<dyn Object>,
    }
    #[layout]
    trait Object {
        #[layout(opaque)]
        fn opaque(&self, of: super::NotDescribed);
    }
}

/// Two types of one name.
fn one() -> u64 {
    #[derive(Layout)]
    struct Local(u8);
    Local::KEY.unique()
}
fn other() -> u64 {
    #[derive(Layout)]
    struct Local(u8);
    Local::KEY.unique()
}

#[test]
fn types_of_one_name_are_told_apart() {
    assert_ne!(one(), other());
}

/// The hashes of edits of one type, all of them under one name and path.
macro_rules! hashes {
    ($({ $($item:tt)* })*) => {
        [$({
            #[derive(midair::Layout)]
            $($item)*
            layout_hash::<T>()
        }),*]
    };
}

#[test]
fn the_hash_sees_every_edit_and_nothing_else() {
    let all = hashes! {
        { struct T { a: u32, b: u32 } }
        { struct T { a: u32, c: u32 } }
        { struct T { b: u32, a: u32 } }
        { struct T { a: u32, b: f32 } }
        { struct T { a: u32, b: (u32,) } }
        { struct T { a: u32, b: &'static u32 } }
        { struct T { a: u32, b: &'static i32 } }
        { struct T { a: u32, b: Box<u32> } }
        { struct T { a: u32, b: [u32; 1] } }
        { struct T(u32, u32); }
        { enum T { A(u32, u32) } }
        { enum T { A(u32, u32), B } }
        { enum T { B, A(u32, u32) } }
        { union T { a: u32, b: u32 } }
        { #[repr(C)] struct T { a: u32, b: u32 } }
        { #[repr(align(16))] struct T { a: u32, b: u32 } }
        { enum T { A = 1, B = 2 } }
        { enum T { A = 2, B = 1 } }
    };
    for (at, one) in all.iter().enumerate() {
        assert!(!all[at + 1..].contains(one), "edition {at}");
    }
    let same = hashes! {
        { struct T { a: u32, b: Vec<u8> } }
        { #[cfg(all())] pub(crate) struct T { pub a: core::primitive::u32, b: std::vec::Vec<u8>, } }
    };
    assert_eq!(same[0], same[1]);
    // What is inside counts, and what is behind a pointer does not.
    let inside = hashes! {
        { struct T { a: Option<(u8, u16)> } }
        { struct T { a: Option<(u16, u8)> } }
    };
    assert_ne!(inside[0], inside[1]);
    let behind = |wide: bool| match wide {
        true => {
            #[derive(Layout)]
            struct Part(u64);
            hashes! { { struct T(Vec<Part>); } }
        }
        false => {
            #[derive(Layout)]
            struct Part(u8);
            hashes! { { struct T(Vec<Part>); } }
        }
    };
    assert_eq!(behind(true), behind(false));
}
