//! The descriptions of the types of std.
//!
//! What std's own types are made of is no business of a patch: both sides are compiled by one
//! compiler with the std that belongs to it. What counts is which type it is, and what it holds.

use std::mem::offset_of;

use super::{Both, Description, End, Form, Key, Layout, Leaf, Part, PartKind};
use crate::shape::Extent;

/// A type that every midair knows, and that no record describes therefore.
#[derive(Clone, Copy, Debug)]
pub struct Primitive {
    /// By what others name it.
    pub key: u64,
    /// Its name with its path.
    pub name: &'static str,
    /// Size and alignment, where it has a size.
    pub extent: Extent,
}

macro_rules! primitives {
    ($($ty:ty = $name:literal $(, $unsized:ident)?;)*) => {
        $(primitives!(@one $ty, $name $(, $unsized)?);)*
        /// All of them.
        pub const PRIMITIVES: &[Primitive] = &[$(Primitive {
            key: Key::named($name).unique(),
            name: $name,
            extent: primitives!(@extent $ty $(, $unsized)?),
        }),*];
    };
    (@one $ty:ty, $name:literal) => {
        // SAFETY: the name says which type it is.
        unsafe impl Layout for $ty {
            const KEY: Key = Key::named($name);
            const DESCRIPTION: Description =
                Description::of::<Self>(Form::Base, $name, &[], &[]).emitted();
            type Leads = End;
        }
    };
    (@one $ty:ty, $name:literal, unsized) => {
        // SAFETY: the name says which type it is.
        unsafe impl Layout for $ty {
            const KEY: Key = Key::named($name);
            const DESCRIPTION: Description =
                Description::without_size(Form::Base, $name, &[], &[]).emitted();
            type Leads = End;
        }
    };
    (@extent $ty:ty) => { Some((size_of::<$ty>(), align_of::<$ty>())) };
    (@extent $ty:ty, unsized) => { None };
}

primitives! {
    () = "()";
    bool = "bool";
    char = "char";
    f32 = "f32";
    f64 = "f64";
    i8 = "i8";
    i16 = "i16";
    i32 = "i32";
    i64 = "i64";
    i128 = "i128";
    isize = "isize";
    u8 = "u8";
    u16 = "u16";
    u32 = "u32";
    u64 = "u64";
    u128 = "u128";
    usize = "usize";
    str = "str", unsized;
    std::any::TypeId = "core::any::TypeId";
    std::alloc::Layout = "core::alloc::layout::Layout";
    std::cmp::Ordering = "core::cmp::Ordering";
    std::convert::Infallible = "core::convert::Infallible";
    std::ffi::CStr = "core::ffi::c_str::CStr", unsized;
    std::ffi::CString = "alloc::ffi::c_str::CString";
    std::ffi::OsStr = "std::ffi::os_str::OsStr", unsized;
    std::ffi::OsString = "std::ffi::os_str::OsString";
    std::ffi::c_void = "core::ffi::c_void";
    std::fmt::Error = "core::fmt::Error";
    std::fs::File = "std::fs::File";
    std::hash::RandomState = "std::hash::random::RandomState";
    std::hash::DefaultHasher = "std::hash::random::DefaultHasher";
    std::io::Error = "std::io::error::Error";
    std::io::ErrorKind = "std::io::error::ErrorKind";
    std::marker::PhantomPinned = "core::marker::PhantomPinned";
    std::net::IpAddr = "core::net::ip_addr::IpAddr";
    std::net::Ipv4Addr = "core::net::ip_addr::Ipv4Addr";
    std::net::Ipv6Addr = "core::net::ip_addr::Ipv6Addr";
    std::net::SocketAddr = "core::net::socket_addr::SocketAddr";
    std::net::SocketAddrV4 = "core::net::socket_addr::SocketAddrV4";
    std::net::SocketAddrV6 = "core::net::socket_addr::SocketAddrV6";
    std::net::TcpListener = "std::net::tcp::TcpListener";
    std::net::TcpStream = "std::net::tcp::TcpStream";
    std::net::UdpSocket = "std::net::udp::UdpSocket";
    std::num::NonZeroI8 = "core::num::nonzero::NonZero<i8>";
    std::num::NonZeroI16 = "core::num::nonzero::NonZero<i16>";
    std::num::NonZeroI32 = "core::num::nonzero::NonZero<i32>";
    std::num::NonZeroI64 = "core::num::nonzero::NonZero<i64>";
    std::num::NonZeroI128 = "core::num::nonzero::NonZero<i128>";
    std::num::NonZeroIsize = "core::num::nonzero::NonZero<isize>";
    std::num::NonZeroU8 = "core::num::nonzero::NonZero<u8>";
    std::num::NonZeroU16 = "core::num::nonzero::NonZero<u16>";
    std::num::NonZeroU32 = "core::num::nonzero::NonZero<u32>";
    std::num::NonZeroU64 = "core::num::nonzero::NonZero<u64>";
    std::num::NonZeroU128 = "core::num::nonzero::NonZero<u128>";
    std::num::NonZeroUsize = "core::num::nonzero::NonZero<usize>";
    std::num::ParseFloatError = "core::num::dec2flt::ParseFloatError";
    std::num::ParseIntError = "core::num::error::ParseIntError";
    std::ops::RangeFull = "core::ops::range::RangeFull";
    std::path::Path = "std::path::Path", unsized;
    std::path::PathBuf = "std::path::PathBuf";
    std::str::Utf8Error = "core::str::error::Utf8Error";
    std::string::FromUtf8Error = "alloc::string::FromUtf8Error";
    String = "alloc::string::String";
    std::sync::Barrier = "std::sync::barrier::Barrier";
    std::sync::Condvar = "std::sync::poison::condvar::Condvar";
    std::sync::Once = "std::sync::poison::once::Once";
    std::sync::atomic::AtomicBool = "core::sync::atomic::AtomicBool";
    std::sync::atomic::AtomicI8 = "core::sync::atomic::AtomicI8";
    std::sync::atomic::AtomicI16 = "core::sync::atomic::AtomicI16";
    std::sync::atomic::AtomicI32 = "core::sync::atomic::AtomicI32";
    std::sync::atomic::AtomicI64 = "core::sync::atomic::AtomicI64";
    std::sync::atomic::AtomicIsize = "core::sync::atomic::AtomicIsize";
    std::sync::atomic::AtomicU8 = "core::sync::atomic::AtomicU8";
    std::sync::atomic::AtomicU16 = "core::sync::atomic::AtomicU16";
    std::sync::atomic::AtomicU32 = "core::sync::atomic::AtomicU32";
    std::sync::atomic::AtomicU64 = "core::sync::atomic::AtomicU64";
    std::sync::atomic::AtomicUsize = "core::sync::atomic::AtomicUsize";
    std::sync::atomic::Ordering = "core::sync::atomic::Ordering";
    std::task::RawWaker = "core::task::wake::RawWaker";
    std::task::Waker = "core::task::wake::Waker";
    std::thread::Thread = "std::thread::Thread";
    std::thread::ThreadId = "std::thread::id::ThreadId";
    std::time::Duration = "core::time::Duration";
    std::time::Instant = "std::time::Instant";
    std::time::SystemTime = "std::time::SystemTime";
    std::process::ExitStatus = "std::process::ExitStatus";
}

/// Types of std that borrow, and lead nowhere else.
macro_rules! borrowing {
    ($($ty:ty = $name:literal;)*) => {
        $(
            // SAFETY: the name says which type it is.
            unsafe impl Layout for $ty {
                const KEY: Key = Key::named($name);
                const DESCRIPTION: Description =
                    Description::of::<Self>(Form::Opaque, $name, &[], &[]);
                type Leads = End;
            }
        )*
    };
}

borrowing! {
    std::fmt::Arguments<'_> = "&core::fmt::Arguments";
    std::fmt::Formatter<'_> = "&core::fmt::Formatter";
    std::panic::Location<'_> = "&core::panic::location::Location";
    std::str::Chars<'_> = "&core::str::iter::Chars";
    std::task::Context<'_> = "&core::task::wake::Context";
}

/// The tree of these types.
macro_rules! tree {
    () => { End };
    ($one:ty $(,)?) => { Leaf<$one> };
    ($one:ty, $($more:ty),+) => { Both<Leaf<$one>, tree!($($more),+)> };
}
pub(super) use tree;

/// Generic types of std: their parameters, and those of which values lie inside.
macro_rules! containers {
    ($($name:literal $ty:ty { $($param:ident),* $(; $($held:ident),*)? })*) => {
        $(
            // SAFETY: the name says which type it is, and all that it is generic over is there.
            unsafe impl<$($param: Layout),*> Layout for $ty {
                const KEY: Key = Key::named($name)$(.with($param::KEY))*;
                const DESCRIPTION: Description = Description::of::<Self>(
                    Form::Container,
                    $name,
                    &[$($param::KEY),*],
                    &[$($(Part::held::<$held>(PartKind::Field, stringify!($held), 0)),*)?],
                );
                type Leads = tree!($($param),*);
            }
        )*
    };
}

containers! {
    "alloc::collections::binary_heap::BinaryHeap" std::collections::BinaryHeap<T> { T }
    "alloc::collections::btree::map::BTreeMap" std::collections::BTreeMap<K, V> { K, V }
    "alloc::collections::btree::set::BTreeSet" std::collections::BTreeSet<T> { T }
    "alloc::collections::linked_list::LinkedList" std::collections::LinkedList<T> { T }
    "alloc::collections::vec_deque::VecDeque" std::collections::VecDeque<T> { T }
    "alloc::vec::Vec" Vec<T> { T }
    "alloc::vec::into_iter::IntoIter" std::vec::IntoIter<T> { T }
    "core::cell::Cell" std::cell::Cell<T> { T; T }
    "core::cell::RefCell" std::cell::RefCell<T> { T; T }
    "core::cell::UnsafeCell" std::cell::UnsafeCell<T> { T; T }
    "core::cell::lazy::LazyCell" std::cell::LazyCell<T, F> { T, F; T, F }
    "core::cell::once::OnceCell" std::cell::OnceCell<T> { T; T }
    "core::cmp::Reverse" std::cmp::Reverse<T> { T; T }
    "core::hash::BuildHasherDefault" std::hash::BuildHasherDefault<H> { H }
    "core::iter::adapters::rev::Rev" std::iter::Rev<T> { T; T }
    "core::mem::manually_drop::ManuallyDrop" std::mem::ManuallyDrop<T> { T; T }
    "core::mem::maybe_uninit::MaybeUninit" std::mem::MaybeUninit<T> { T; T }
    "core::num::saturating::Saturating" std::num::Saturating<T> { T; T }
    "core::num::wrapping::Wrapping" std::num::Wrapping<T> { T; T }
    "core::ops::control_flow::ControlFlow" std::ops::ControlFlow<B, C> { B, C; B, C }
    "core::ops::range::Bound" std::ops::Bound<T> { T; T }
    "core::ops::range::Range" std::ops::Range<T> { T; T }
    "core::ops::range::RangeFrom" std::ops::RangeFrom<T> { T; T }
    "core::ops::range::RangeInclusive" std::ops::RangeInclusive<T> { T; T }
    "core::ops::range::RangeTo" std::ops::RangeTo<T> { T; T }
    "core::ops::range::RangeToInclusive" std::ops::RangeToInclusive<T> { T; T }
    "core::option::Option" Option<T> { T; T }
    "core::pin::Pin" std::pin::Pin<P> { P; P }
    "core::result::Result" Result<T, E> { T, E; T, E }
    "core::sync::atomic::AtomicPtr" std::sync::atomic::AtomicPtr<T> { T }
    "core::task::poll::Poll" std::task::Poll<T> { T; T }
    "std::collections::hash::map::HashMap" std::collections::HashMap<K, V, S> { K, V, S; S }
    "std::collections::hash::set::HashSet" std::collections::HashSet<T, S> { T, S; S }
    "std::sync::lazy_lock::LazyLock" std::sync::LazyLock<T, F> { T, F; T, F }
    "std::sync::mpsc::Receiver" std::sync::mpsc::Receiver<T> { T }
    "std::sync::mpsc::Sender" std::sync::mpsc::Sender<T> { T }
    "std::sync::mpsc::SyncSender" std::sync::mpsc::SyncSender<T> { T }
    "std::sync::once_lock::OnceLock" std::sync::OnceLock<T> { T; T }
    "std::sync::poison::PoisonError" std::sync::PoisonError<T> { T; T }
    "std::sync::poison::mutex::Mutex" std::sync::Mutex<T> { T; T }
    "std::sync::poison::rwlock::RwLock" std::sync::RwLock<T> { T; T }
    "std::thread::JoinHandle" std::thread::JoinHandle<T> { T }
    "std::thread::local::LocalKey" std::thread::LocalKey<T> { T }
}

/// Types of std that lead to one other type, which may have no size; with lifetimes or without.
macro_rules! leading {
    ($($form:ident $($life:lifetime)? $name:literal $ty:ty;)*) => {
        $(
            // SAFETY: the name says which type it is, and what it leads to is there.
            unsafe impl<$($life,)? T: Layout + ?Sized> Layout for $ty {
                const KEY: Key = Key::named($name).with(T::KEY);
                const DESCRIPTION: Description =
                    Description::of::<Self>(Form::$form, $name, &[T::KEY], &[]);
                type Leads = Leaf<T>;
            }
        )*
    };
}

leading! {
    Pointer "&" &T;
    Pointer "&mut " &mut T;
    Pointer "*const " *const T;
    Pointer "*mut " *mut T;
    Container "alloc::boxed::Box" Box<T>;
    Container "alloc::rc::Rc" std::rc::Rc<T>;
    Container "alloc::rc::Weak" std::rc::Weak<T>;
    Container "alloc::sync::Arc" std::sync::Arc<T>;
    Container "alloc::sync::Weak" std::sync::Weak<T>;
    Container "core::marker::PhantomData" std::marker::PhantomData<T>;
    Container "core::ptr::non_null::NonNull" std::ptr::NonNull<T>;
    Container 'a "&core::cell::Ref" std::cell::Ref<'a, T>;
    Container 'a "&core::cell::RefMut" std::cell::RefMut<'a, T>;
    Container 'a "&std::sync::poison::mutex::MutexGuard" std::sync::MutexGuard<'a, T>;
    Container 'a "&std::sync::poison::rwlock::RwLockReadGuard" std::sync::RwLockReadGuard<'a, T>;
    Container 'a "&std::sync::poison::rwlock::RwLockWriteGuard" std::sync::RwLockWriteGuard<'a, T>;
}

/// Described as `&T` is: what the macros write for a reference that a function takes for every
/// lifetime, as no impl can be written for `for<'a> fn(&'a T)`.
#[derive(Debug)]
pub struct Lent<T: ?Sized>(*const T);

/// [`Lent`] for `&mut T`.
#[derive(Debug)]
pub struct LentMut<T: ?Sized>(*mut T);

leading! {
    Pointer "&" Lent<T>;
    Pointer "&mut " LentMut<T>;
}

/// Iterators over what is borrowed.
macro_rules! walking {
    ($($name:literal $ty:ty;)*) => {
        $(
            // SAFETY: the name says which type it is, and what it leads to is there.
            unsafe impl<'a, T: Layout> Layout for $ty {
                const KEY: Key = Key::named($name).with(T::KEY);
                const DESCRIPTION: Description =
                    Description::of::<Self>(Form::Container, $name, &[T::KEY], &[]);
                type Leads = Leaf<T>;
            }
        )*
    };
}

walking! {
    "&core::slice::iter::Iter" std::slice::Iter<'a, T>;
    "&core::slice::iter::IterMut" std::slice::IterMut<'a, T>;
}

// SAFETY: the name says which type it is, and both of its forms are there.
unsafe impl<B: Layout + ToOwned<Owned: Layout> + ?Sized> Layout for std::borrow::Cow<'_, B> {
    const KEY: Key = Key::named("&alloc::borrow::Cow").with(B::KEY).with(B::Owned::KEY);
    const DESCRIPTION: Description = Description::of::<Self>(
        Form::Container,
        "&alloc::borrow::Cow",
        &[B::KEY],
        &[Part::held::<B::Owned>(PartKind::Field, "Owned", 0)],
    );
    type Leads = Both<Leaf<B>, Leaf<B::Owned>>;
}

// SAFETY: elements follow each other.
unsafe impl<T: Layout> Layout for [T] {
    const KEY: Key = Key::named("[]").with(T::KEY);
    const DESCRIPTION: Description =
        Description::without_size(Form::Array, "", &[], &[Part::held::<T>(PartKind::Field, "", 0)]);
    type Leads = Leaf<T>;
}

// SAFETY: as for slices, and their number is there.
unsafe impl<T: Layout, const N: usize> Layout for [T; N] {
    const KEY: Key = Key::named("[;]").with(T::KEY).number(N as u128);
    const DESCRIPTION: Description =
        Description::of::<Self>(Form::Array, "", &[], &[Part::held::<T>(PartKind::Field, "", 0)])
            .with_count(N);
    type Leads = Leaf<T>;
}

macro_rules! tuples {
    ($(($($param:ident $at:tt),*))*) => {
        $(
            // SAFETY: the compiler says where each part lies.
            unsafe impl<$($param: Layout),*> Layout for ($($param,)*) {
                const KEY: Key = Key::named("(,)")$(.with($param::KEY))*;
                const DESCRIPTION: Description = Description::of::<Self>(
                    Form::Tuple,
                    "",
                    &[],
                    &[$(Part::held::<$param>(
                        PartKind::Field,
                        stringify!($at),
                        offset_of!(Self, $at) as u64,
                    )),*],
                );
                type Leads = tree!($($param),*);
            }
        )*
    };
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}
