//! The descriptions of function pointers, and of trait objects of std.

use std::any::Any;
use std::error::Error;
use std::fmt::{Debug, Display, Write};

use super::standard::tree;
use super::{Both, Description, End, Form, Key, Layout, Leaf, Part, PartKind};

macro_rules! pointers {
    ($(($($param:ident)*))*) => {
        $(
            pointers!(@abi "fn" ($($param)*) fn($($param),*) -> R);
            pointers!(@abi "unsafe fn" ($($param)*) unsafe fn($($param),*) -> R);
            pointers!(@abi "extern \"C\" fn" ($($param)*) extern "C" fn($($param),*) -> R);
            pointers!(@abi "unsafe extern \"C\" fn" ($($param)*)
                unsafe extern "C" fn($($param),*) -> R);
            pointers!(@abi "extern \"C-unwind\" fn" ($($param)*)
                extern "C-unwind" fn($($param),*) -> R);
            pointers!(@abi "unsafe extern \"C-unwind\" fn" ($($param)*)
                unsafe extern "C-unwind" fn($($param),*) -> R);
            pointers!(@abi "extern \"system\" fn" ($($param)*)
                extern "system" fn($($param),*) -> R);
            pointers!(@abi "unsafe extern \"system\" fn" ($($param)*)
                unsafe extern "system" fn($($param),*) -> R);
            objects!(@all "dyn Fn" ($($param)*) Fn($($param),*) -> R);
            objects!(@all "dyn FnMut" ($($param)*) FnMut($($param),*) -> R);
            objects!(@all "dyn FnOnce" ($($param)*) FnOnce($($param),*) -> R);
        )*
    };
    (@abi $name:literal ($($param:ident)*) $ty:ty) => {
        // SAFETY: words, arguments and result are there, in order.
        unsafe impl<$($param: Layout,)* R: Layout> Layout for $ty {
            const KEY: Key = Key::named($name)$(.with($param::KEY))*.with(R::KEY);
            const DESCRIPTION: Description = Description::of::<Self>(
                Form::Function,
                $name,
                &[],
                &[
                    $(Part::behind::<$param>(PartKind::Argument, ""),)*
                    Part::behind::<R>(PartKind::Result, ""),
                ],
            );
            type Leads = tree!(R $(, $param)*);
        }
    };
}

macro_rules! objects {
    (@all $name:literal ($($param:ident)*) $($bound:tt)*) => {
        objects!(@one $name, "", ($($param)*) dyn $($bound)* + 'a);
        objects!(@one $name, " + Send", ($($param)*) dyn $($bound)* + Send + 'a);
        objects!(@one $name, " + Sync", ($($param)*) dyn $($bound)* + Sync + 'a);
        objects!(@one $name, " + Send + Sync", ($($param)*) dyn $($bound)* + Send + Sync + 'a);
    };
    (@one $name:literal, $auto:literal, ($($param:ident)*) $ty:ty) => {
        // SAFETY: the trait, arguments and result are there, in order.
        unsafe impl<'a, $($param: Layout,)* R: Layout> Layout for $ty {
            const KEY: Key = Key::named(concat!($name, $auto))$(.with($param::KEY))*.with(R::KEY);
            const DESCRIPTION: Description = Description::without_size(
                Form::Callable,
                concat!($name, $auto),
                &[],
                &[
                    $(Part::behind::<$param>(PartKind::Argument, ""),)*
                    Part::behind::<R>(PartKind::Result, ""),
                ],
            );
            type Leads = tree!(R $(, $param)*);
        }
    };
}

pointers! {
    ()
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
    (A B C D E F G)
    (A B C D E F G H)
    (A B C D E F G H I)
    (A B C D E F G H I J)
    (A B C D E F G H I J K)
    (A B C D E F G H I J K L)
}

/// Trait objects of std: their methods belong to the compiler.
macro_rules! known {
    ($($name:literal $(<$param:ident>)? $bound:path;)*) => {
        $(
            known!(@one $name, "", $($param)?; dyn $bound + 'a);
            known!(@one $name, " + Send", $($param)?; dyn $bound + Send + 'a);
            known!(@one $name, " + Send + Sync", $($param)?; dyn $bound + Send + Sync + 'a);
        )*
    };
    (@one $name:literal, $auto:literal, $($param:ident)?; $ty:ty) => {
        // SAFETY: the name says which trait it is.
        unsafe impl<'a, $($param: Layout)?> Layout for $ty {
            const KEY: Key = Key::named(concat!($name, $auto))$(.with($param::KEY))?;
            const DESCRIPTION: Description = Description::without_size(
                Form::Opaque,
                concat!($name, $auto),
                &[$($param::KEY)?],
                &[],
            );
            type Leads = tree!($($param)?);
        }
    };
}

known! {
    "dyn core::any::Any" Any;
    "dyn core::error::Error" Error;
    "dyn core::fmt::Debug" Debug;
    "dyn core::fmt::Display" Display;
    "dyn core::fmt::Write" Write;
    "dyn std::io::Read" std::io::Read;
    "dyn std::io::Write" std::io::Write;
    "dyn core::future::future::Future" <T> Future<Output = T>;
    "dyn core::iter::traits::iterator::Iterator" <T> Iterator<Item = T>;
}
