//! Pairs of signatures, compiled, and whether one may take the place of the other; and pairs of
//! types likewise.
//!
//! Each row has an old and a new edition of a function. A caller that was compiled against the
//! old one must never meet the new one where they mean different things, and another spelling of
//! the same thing must never be refused. What is compared is what a patch is compared by: the
//! text and the layout hash in the record.
#![allow(
    dead_code,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    unused_braces,
    unused_imports,
    unused_mut,
    unused_parens,
    unused_variables,
    clippy::all,
    clippy::wildcard_imports,
    mismatched_lifetime_syntaxes,
    missing_abi,
    private_interfaces,
    trivial_bounds,
    unsafe_op_in_unsafe_fn,
    unused_lifetimes,
    unused_macros,
    unused_qualifications,
    reason = "rows spell one thing in every way there is"
)]

use midair::__private::own_section;
use midair_trampolines::function::Function;
use midair_trampolines::record::{Kind, records};

/// Types of its own for each edition, so that both can have methods of the same name.
macro_rules! types {
    () => {
        use std::collections::HashMap;
        use std::pin::Pin;
        use std::rc::Rc;
        use std::sync::Arc;

        struct Text<'a>(&'a str);
        struct Pair<'a, 'b>(&'a str, &'b str);
        struct Holder<'a, T: ?Sized + 'a>(&'a T);
        struct Buffer<const N: usize>([u8; N]);
        struct Player;
        struct View<'t>(&'t str);
        trait Draw {}
        trait Named<'n> {}
        trait Both {
            type A;
            type B;
        }
        trait Links<'n> {
            type A;
        }
        trait Look {
            fn look(&self, other: &str);
        }
        const LEN: usize = 4;
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    Different,
}

/// One row: the old edition in a module, the new one in another.
macro_rules! rows {
    ($($name:ident: $relation:ident { $($old:tt)* } { $($new:tt)* })*) => {
        $(mod $name {
            mod old {
                types!();
                edition!($($old)*);
            }
            mod new {
                types!();
                edition!($($new)*);
            }
        })*
        const ROWS: &[(&str, Relation)] = &[$((stringify!($name), Relation::$relation)),*];
    };
}

/// A function, to which a body is added, or an `impl` block that has bodies.
macro_rules! edition {
    (impl $($block:tt)*) => {
        #[midair::hotpatch]
        impl $($block)*
    };
    ($($function:tt)*) => {
        #[midair::hotpatch]
        $($function)* {
            unreachable!()
        }
    };
}

rows! {
    // What people edit without a thought.
    argument_names: Same { fn f(a: u8, b: &str) } { fn f(first: u8, _: &str) }
    patterns: Same { fn f(a: (u8, u8)) } { fn f((x, _): (u8, u8)) }
    mutable_bindings: Same { fn f(a: String) } { fn f(mut a: String) }
    trailing_commas: Same { fn f(a: (u8, u16), b: Vec<u8>) } { fn f(a: (u8, u16,), b: Vec<u8,>,) }
    written_unit: Same { fn f(a: fn(u8)) } { fn f(a: fn(u8) -> ()) -> () }
    parentheses: Same { fn f(a: &u8, b: &dyn Draw) } { fn f(a: &(u8), b: &(dyn Draw)) }
    one_tuples: Different { fn f(a: u8) } { fn f(a: (u8,)) }
    argument_order: Different { fn f(a: u8, b: u16) } { fn f(b: u16, a: u8) }
    turbofish: Same { fn f(a: Vec<u8>) } { fn f(a: Vec::<u8>) }
    names_in_pointers: Same { fn f(a: fn(u8, &str)) } { fn f(a: fn(count: u8, _: &str)) }

    // How it is called.
    unsafety: Different { fn f() } { unsafe fn f() }
    asyncness: Different { fn f() } { async fn f() }
    c_abi: Different { fn f() } { extern "C" fn f() }
    unwinding_abi: Different { extern "C" fn f() } { extern "C-unwind" fn f() }
    rust_abi: Same { fn f() } { extern "Rust" fn f() }
    left_out_abi: Same { extern fn f() } { extern "C" fn f() }
    left_out_abi_inside: Same { fn f(a: extern fn(u8)) } { fn f(a: extern "C" fn(u8)) }
    rust_abi_inside: Same { fn f(a: extern "Rust" fn(u8)) } { fn f(a: fn(u8)) }
    abi_inside: Different { fn f(a: extern "C" fn(u8)) } { fn f(a: fn(u8)) }
    unsafety_inside: Different { fn f(a: unsafe fn(u8)) } { fn f(a: fn(u8)) }

    // Names of lifetimes, and leaving them out.
    renamed: Same
        { fn f<'a, 'b>(a: &'a str, b: &'b str) -> &'b str }
        { fn f<'y, 'x>(a: &'y str, b: &'x str) -> &'x str }
    declared_in_another_order: Same
        { fn f<'a, 'b>(a: &'a str, b: &'b str) -> &'b str }
        { fn f<'b, 'a>(a: &'a str, b: &'b str) -> &'b str }
    named_for_elision: Same { fn f(a: &str) -> &str } { fn f<'a>(a: &'a str) -> &'a str }
    underscore_for_elision: Same { fn f(a: &str) -> Text } { fn f(a: &'_ str) -> Text<'_> }
    hidden_in_a_path: Same { fn f(a: Text) -> &str } { fn f<'a>(a: Text<'a>) -> &'a str }
    named_but_not_used_again: Same { fn f(a: &str, b: &str) } { fn f<'a>(a: &'a str, b: &str) }
    elided_from_static: Same { fn f(a: &'static str) -> &str } { fn f(a: &'static str) -> &'static str }
    partly_elided: Same
        { fn f<'a>(a: &'a str, b: &str) -> &'a str }
        { fn f<'a, 'b>(a: &'a str, b: &'b str) -> &'a str }
    longer_result: Different { fn f(a: &str) -> &str } { fn f(a: &str) -> &'static str }
    kept_for_ever: Different { fn f(a: &str) } { fn f(a: &'static str) }
    other_source: Different
        { fn f<'a, 'b>(a: &'a str, b: &'b str) -> &'a str }
        { fn f<'a, 'b>(a: &'a str, b: &'b str) -> &'b str }
    more_sources: Different
        { fn f<'a>(a: &'a str, b: &str) -> &'a str }
        { fn f<'a>(a: &'a str, b: &'a str) -> &'a str }
    kept_in_a_list: Different
        { fn f<'a>(list: &mut Vec<&'a str>, new: &str) }
        { fn f<'a>(list: &mut Vec<&'a str>, new: &'a str) }
    places_in_a_path: Different
        { fn f<'a>(a: Pair<'a, 'static>) }
        { fn f<'a>(a: Pair<'static, 'a>) }
    places_of_ties: Different
        { fn f<'a, 'b>(a: Pair<'a, 'b>) -> &'a str }
        { fn f<'a, 'b>(a: Pair<'a, 'b>) -> &'b str }
    written_places: Same { fn f(a: Pair) } { fn f<'a>(a: Pair<'a, '_>) }
    one_lifetime_twice: Different { fn f(a: Pair<'_, '_>) } { fn f<'a>(a: Pair<'a, 'a>) }

    // Bounds between lifetimes.
    bound_added: Different
        { fn f<'a, 'b>(list: &mut Vec<&'a str>, new: &'b str) }
        { fn f<'a, 'b: 'a>(list: &mut Vec<&'a str>, new: &'b str) }
    bound_added_below: Different
        { fn f<'a, 'b>(list: &mut Vec<&'a str>, new: &'b str) }
        { fn f<'a, 'b>(list: &mut Vec<&'a str>, new: &'b str) where 'b: 'a }
    bound_in_either_place: Same
        { fn f<'a, 'b: 'a>(list: &mut Vec<&'a str>, new: &'b str) }
        { fn f<'y, 'x>(list: &mut Vec<&'y str>, new: &'x str) where 'x: 'y }
    bound_turned_around: Different
        { fn f<'a, 'b: 'a>(list: &mut Vec<&'a str>, new: &'b str) }
        { fn f<'a: 'b, 'b>(list: &mut Vec<&'a str>, new: &'b str) }
    bound_through_another: Same
        { fn f<'a, 'b: 'c, 'c: 'a>(list: &mut Vec<&'a str>, new: &'b str) }
        { fn f<'a, 'b: 'a>(list: &mut Vec<&'a str>, new: &'b str) }
    bound_that_follows: Same
        { fn f<'a, 'b>(a: &'a mut &'b str) }
        { fn f<'a, 'b: 'a>(a: &'a mut &'b str) where 'b: 'a }
    bound_both_ways: Same
        { fn f<'a, 'b>(a: &'a mut Vec<&'b str>, b: &'b str) where 'a: 'b, 'b: 'a }
        { fn f<'a>(a: &'a mut Vec<&'a str>, b: &'a str) }
    bound_to_the_end: Different { fn f<'a>(a: &'a str) } { fn f<'a>(a: &'a str) where 'a: 'static }
    bound_to_the_end_is_static: Same
        { fn f(a: &'static str) }
        { fn f<'a>(a: &'a str) where 'a: 'static }
    bound_on_a_type: Different
        { fn f<'a, 'b>(list: &mut Vec<&'a str>, new: &'b str) }
        { fn f<'a, 'b>(list: &mut Vec<&'a str>, new: &'b str) where &'b str: 'a }
    bound_for_all: Different
        { fn f<'a>(a: &'a str) }
        { fn f<'a>(a: &'a str) where for<'x> &'x Text<'a>: Send }
    bound_without_lifetimes: Same { fn f(a: u8) } { fn f(a: u8) where String: Clone, u8: Copy }
    bound_of_nothing: Same
        { fn f<'a, 'b>(a: &'a str, b: &'b str) }
        { fn f<'a, 'b, 'c>(a: &'a str, b: &'b str) where 'a: 'c, 'b: 'c, 'static: 'a }

    // How long a trait object may live.
    boxed_default: Same { fn f(a: Box<dyn Fn()>) } { fn f(a: Box<dyn Fn() + 'static>) }
    shared_default: Same
        { fn f(a: Rc<dyn Draw>, b: Option<Arc<dyn Draw>>) }
        { fn f(a: Rc<dyn Draw + 'static>, b: Option<Arc<dyn Draw + 'static>>) }
    boxed_short: Different { fn f(a: Box<dyn Fn()>) } { fn f(a: Box<dyn Fn() + '_>) }
    boxed_named: Different { fn f<'a>(a: Box<dyn Fn() + 'a>) } { fn f(a: Box<dyn Fn()>) }
    boxed_short_is_named: Same { fn f<'a>(a: Box<dyn Fn() + 'a>) } { fn f(a: Box<dyn Fn() + '_>) }
    returned_box: Different
        { fn f(a: &str) -> Box<dyn Iterator<Item = u8>> }
        { fn f(a: &str) -> Box<dyn Iterator<Item = u8> + '_> }
    returned_box_named: Same
        { fn f<'a>(a: &'a str) -> Box<dyn Iterator<Item = u8> + 'a> }
        { fn f(a: &str) -> Box<dyn Iterator<Item = u8> + '_> }
    pinned_default: Same
        { fn f() -> Pin<Box<dyn Future<Output = u8>>> }
        { fn f() -> Pin<Box<dyn Future<Output = u8> + 'static>> }
    borrowed_default: Same { fn f<'a>(a: &'a dyn Draw) } { fn f<'a>(a: &'a (dyn Draw + 'a)) }
    borrowed_long: Different { fn f(a: &dyn Draw) } { fn f(a: &(dyn Draw + 'static)) }
    borrowed_box: Same
        { fn f(a: &mut Box<dyn Draw>) }
        { fn f(a: &mut Box<dyn Draw + 'static>) }
    borrowed_short_box: Different
        { fn f(a: &mut Vec<Box<dyn Draw>>, b: Box<dyn Draw>) }
        { fn f<'a>(a: &mut Vec<Box<dyn Draw + 'a>>, b: Box<dyn Draw + 'a>) }
    unknown_container: Different
        { fn f<'a>(a: Holder<'a, dyn Draw>) }
        { fn f<'a>(a: Holder<'a, dyn Draw + 'static>) }
    returned_reference: Different
        { fn f(a: &str) -> &dyn Draw }
        { fn f(a: &str) -> &(dyn Draw + 'static) }
    returned_reference_named: Same
        { fn f(a: &str) -> &dyn Draw }
        { fn f<'a>(a: &'a str) -> &'a (dyn Draw + 'a) }
    in_an_argument_of_a_pointer: Same
        { fn f(a: fn(Box<dyn Draw>)) }
        { fn f(a: fn(Box<dyn Draw + 'static>)) }
    in_an_argument_of_a_pointer_short: Different
        { fn f(a: fn(Box<dyn Draw>)) }
        { fn f(a: fn(Box<dyn Draw + '_>)) }
    raw_default: Same { fn f(a: *const dyn Draw) } { fn f(a: *const (dyn Draw + 'static)) }
    borrowed_underscore: Same { fn f(a: &mut dyn Draw) } { fn f(a: &mut (dyn Draw + '_)) }
    borrowed_for_other: Different
        { fn f<'a>(a: &'a dyn Draw, b: &mut Vec<Box<dyn Draw + 'a>>) }
        { fn f<'a, 'b>(a: &'a (dyn Draw + 'b), b: &mut Vec<Box<dyn Draw + 'b>>) }
    bounded_by_its_trait: Different
        { fn f<'n>(a: Box<dyn Named<'n>>) }
        { fn f<'n>(a: Box<dyn Named<'n> + 'static>) }

    // Lifetimes that a function type binds itself.
    bound_elided: Same
        { fn f(a: &dyn Fn(&str) -> &str) }
        { fn f(a: &dyn for<'x> Fn(&'x str) -> &'x str) }
    bound_renamed: Same
        { fn f(a: for<'a, 'b> fn(&'a str, &'b str) -> &'a str) }
        { fn f(a: for<'y, 'x> fn(&'x str, &'y str) -> &'x str) }
    bound_first_or_second: Different
        { fn f(a: &dyn for<'a, 'b> Fn(&'a str, &'b str) -> &'a str) }
        { fn f(a: &dyn for<'a, 'b> Fn(&'a str, &'b str) -> &'b str) }
    bound_first_or_second_in_a_pointer: Different
        { fn f(a: for<'a, 'b> fn(&'a str, &'b str) -> &'a str) }
        { fn f(a: for<'a, 'b> fn(&'a str, &'b str) -> &'b str) }
    bound_twice: Different
        { fn f(a: fn(&str, &str)) }
        { fn f(a: for<'a> fn(&'a str, &'a str)) }
    bound_or_free: Different
        { fn f<'a>(a: &dyn Fn(&'a str)) }
        { fn f(a: &dyn Fn(&str)) }
    bound_or_free_path: Different
        { fn f<'a>(a: &dyn Fn(Text<'a>)) }
        { fn f(a: &dyn Fn(Text<'_>)) }
    bound_or_free_trait: Different
        { fn f<'a>(a: &dyn Named<'a>) }
        { fn f(a: &dyn for<'a> Named<'a>) }
    bound_or_free_result: Different
        { fn f<'a>(a: &dyn Fn(&str) -> &'a str) }
        { fn f<'a>(a: &dyn Fn(&str) -> &str) }
    bound_deeper: Different
        { fn f(a: &dyn for<'x> Fn(&dyn Fn(&'x str))) }
        { fn f(a: &dyn Fn(&dyn for<'x> Fn(&'x str))) }
    bound_path: Same
        { fn f(a: fn(Text) -> &str) }
        { fn f(a: for<'x> fn(Text<'x>) -> &'x str) }
    bound_in_two_arguments: Same
        { fn f(a: for<'x> fn(&'x u8) -> &'x u8, b: for<'x> fn(&'x u8, &'x u8)) }
        { fn f(a: fn(&u8) -> &u8, b: for<'y> fn(&'y u8, &'y u8)) }
    bound_and_associated: Different
        { fn f<'x>(a: &dyn for<'y> Links<'y, A = Text<'y>>) }
        { fn f<'x>(a: &dyn for<'y> Links<'y, A = Text<'x>>) }
    bound_not_counted_by_elision: Same
        { fn f(a: &str, b: &'static dyn Fn(&u8)) -> Text<'static> }
        { fn f<'x>(a: &'x str, b: &'static dyn for<'y> Fn(&'y u8)) -> Text<'static> }
    result_of_a_result: Different
        { fn f(a: fn(&str) -> Box<dyn Fn(&str) -> &str>) }
        { fn f(a: for<'x> fn(&'x str) -> Box<dyn Fn(&str) -> &'x str + 'x>) }

    // The order of what has none.
    auto_traits: Same
        { fn f(a: Box<dyn Fn() + Send + Sync>) }
        { fn f(a: Box<dyn Sync + Fn() + Send>) }
    auto_traits_and_lifetime: Same
        { fn f<'a>(a: Box<dyn Fn(&'a u8) + Send + 'a>) }
        { fn f<'a>(a: Box<dyn 'a + Send + Fn(&'a u8)>) }
    fewer_auto_traits: Different
        { fn f(a: Box<dyn Fn() + Send + Sync>) }
        { fn f(a: Box<dyn Fn() + Send>) }
    associated_types: Same
        { fn f(a: &dyn Both<A = u8, B = u16>) }
        { fn f(a: &dyn Both<B = u16, A = u8>) }
    associated_types_swapped: Different
        { fn f(a: &dyn Both<A = u8, B = u16>) }
        { fn f(a: &dyn Both<A = u16, B = u8>) }

    // Lengths.
    array_suffix: Same { fn f(a: [u8; 4]) } { fn f(a: [u8; 4usize]) }
    array_base: Same { fn f(a: [u8; 0x10], b: [u8; 1_000]) } { fn f(a: [u8; 16], b: [u8; (1000)]) }
    array_length: Different { fn f(a: [u8; 4]) } { fn f(a: [u8; 5]) }
    constant_suffix: Same { fn f(a: Buffer<4>) } { fn f(a: Buffer<4usize>) }
    constant_braces: Same { fn f(a: Buffer<LEN>, b: Buffer<4>) } { fn f(a: Buffer<{ LEN }>, b: Buffer<{ 4 }>) }
    computed_constants: Different
        { fn f(a: Buffer<{ !0u8 as usize }>) }
        { fn f(a: Buffer<{ !0u16 as usize }>) }

    // Types.
    signs: Different { fn f(a: u8) } { fn f(a: i8) }
    mutability: Different { fn f(a: &u8) } { fn f(a: &mut u8) }
    pointers: Different { fn f(a: *const u8) } { fn f(a: *mut u8) }
    results: Different { fn f() } { fn f() -> u8 }
    keys_and_values: Different { fn f(a: HashMap<u8, u16>) } { fn f(a: HashMap<u16, u8>) }

    // Methods.
    receivers: Same
        { impl Player { fn f(&self, other: &Self) {} } }
        { impl Player { fn f(self: &Self, other: &Player) {} } }
    owned_or_borrowed: Different
        { impl Player { fn f(&self) {} } }
        { impl Player { fn f(self) {} } }
    elided_from_self: Same
        { impl Player { fn f(&self, b: &str) -> &str { "" } } }
        { impl Player { fn f<'a, 'b>(&'a self, b: &'b str) -> &'a str { "" } } }
    not_elided_from_self: Different
        { impl Player { fn f(&self, b: &str) -> &str { "" } } }
        { impl Player { fn f<'b>(&self, b: &'b str) -> &'b str { b } } }
    named_for_the_block: Same
        { impl View<'_> { fn f(&self) -> &str { self.0 } } }
        { impl<'t> View<'t> { fn f<'a>(&'a self) -> &'a str { self.0 } } }
    borrowed_from_the_view: Different
        { impl<'t> View<'t> { fn f(&self) -> &str { self.0 } } }
        { impl<'t> View<'t> { fn f(&self) -> &'t str { self.0 } } }
    bound_on_the_block: Different
        { impl<'t, 'u> Look for Pair<'t, 'u> { fn look(&self, other: &str) {} } }
        { impl<'t, 'u: 't> Look for Pair<'t, 'u> { fn look(&self, other: &str) {} } }
    bound_below_the_block: Same
        { impl<'t, 'u: 't> Look for Pair<'t, 'u> { fn look(&self, other: &str) {} } }
        { impl<'a, 'b> Look for Pair<'a, 'b> where 'b: 'a { fn look(&self, other: &str) {} } }
    block_for_ever: Different
        { impl<'t> Look for View<'t> { fn look(&self, other: &str) {} } }
        { impl Look for View<'static> { fn look(&self, other: &str) {} } }
    pinned_receiver: Same
        { impl Player { fn f(self: Pin<&mut Self>, b: &str) -> &str { "" } } }
        { impl Player { fn f<'a>(self: Pin<&'a mut Self>, b: &str) -> &'a str { "" } } }
    boxed_receiver: Same
        { impl<'t> View<'t> { fn f(self: Box<Self>) -> Self { *self } } }
        { impl<'x> View<'x> { fn f(self: Box<Self>) -> View<'x> { *self } } }
    asynchronous: Different
        { impl Player { async fn f(&self, b: &str) -> &str { "" } } }
        { impl Player { async fn f<'b>(&self, b: &'b str) -> &'b str { b } } }
    bound_on_a_method: Different
        { impl<'t> View<'t> { fn f<'b>(&mut self, b: &'b str) {} } }
        { impl<'t> View<'t> { fn f<'b: 't>(&mut self, b: &'b str) {} } }
    object_itself: Different
        { impl dyn Draw { fn f(&self) {} } }
        { impl<'a> dyn Draw + 'a { fn f(&self) {} } }
}

/// Types under one name in two editions, and whether the records see that they differ.
mod layouts {
    macro_rules! layouts {
        ($($name:ident: $relation:ident { $($old:tt)* } { $($new:tt)* } $ty:ty;)*) => {
            $(mod $name {
                mod old {
                    use std::collections::HashMap;
                    $($old)*
                    #[midair::hotpatch]
                    fn f(a: $ty) {}
                }
                mod new {
                    use std::collections::HashMap;
                    $($new)*
                    #[midair::hotpatch]
                    fn f(a: $ty) {}
                }
            })*
            pub(super) const ROWS: &[(&str, super::Relation)] =
                &[$((stringify!($name), super::Relation::$relation)),*];
        };
    }

    layouts! {
        // In capitals, as constants are.
        capitals_in_a_map: Different
            { struct AABB([f32; 4]); } { struct AABB([f32; 6]); } HashMap<u32, AABB>;
        capitals_as_a_key: Different
            { struct RGB([u8; 3]); } { struct RGB([u8; 4]); } Box<HashMap<RGB, u8>>;
        capitals_in_a_container_of_ones_own: Different
            { struct Grid<T>(Vec<T>); struct HUD(u8); }
            { struct Grid<T>(Vec<T>); struct HUD(u16); }
            &Grid<HUD>;
        capitals_as_they_were: Same
            { struct Grid<T>(Vec<T>); struct HUD(u8); }
            { struct Grid<T>(Vec<T>); struct HUD(u8); }
            &Grid<HUD>;
        capitals_for_a_constant: Same
            { const LEN: usize = 2; struct Buffer<const N: usize>([u8; N]); }
            { const LEN: usize = 2; struct Buffer<const N: usize>([u8; N]); }
            Buffer<LEN>;
        capitals_for_a_constant_that_grew: Different
            { const LEN: usize = 2; struct Buffer<const N: usize>([u8; N]); }
            { const LEN: usize = 3; struct Buffer<const N: usize>([u8; N]); }
            Buffer<LEN>;
        capitals_for_a_tuple_struct_and_its_constructor: Different
            { struct Grid<T>(Vec<T>); struct PX(u8); }
            { struct Grid<T>(Vec<T>); struct PX(u16); }
            Grid<PX>;
        capitals_and_a_macro: Different
            { macro_rules! HUD { () => {}; } struct HUD(u8); }
            { macro_rules! HUD { () => {}; } struct HUD(u16); }
            Vec<HUD>;

        // Through an alias.
        one_primitive_for_another: Different { type Num = u64; } { type Num = f64; } Num;
        one_primitive_for_another_behind: Different
            { type Num = u64; } { type Num = i64; } &Num;
        the_same_primitive: Same { type Num = u64; } { type Num = u64; } Num;
        a_pointer_for_a_number: Different
            { type Handle = usize; } { type Handle = *const u8; } Handle;
        a_number_for_an_own_type: Different
            { type Handle = u64; } { struct Own(u64); type Handle = Own; } Handle;
        floats_in_a_list: Different
            { type List = Vec<[f32; 2]>; } { type List = Vec<[u32; 2]>; } List;
        values_of_a_map: Different
            { struct Big([u8; 4]); type Map = HashMap<u8, Big>; }
            { struct Big([u8; 8]); type Map = HashMap<u8, Big>; }
            &Map;
        errors: Different
            { struct Big([u8; 4]); type Out = Box<Result<u8, Big>>; }
            { struct Big([u8; 8]); type Out = Box<Result<u8, Big>>; }
            Out;
        shared_for_counted: Different
            { struct Big([u8; 4]); type Out = std::rc::Rc<Big>; }
            { struct Big([u8; 4]); type Out = std::sync::Arc<Big>; }
            Out;
    }

    /// Types that only a function knows.
    pub(super) fn local() {
        struct AABB([u8; 7]);
        const LEN: usize = 3;
        struct Buffer<const N: usize>([u8; N]);
        #[midair::hotpatch]
        fn local_types(a: Vec<AABB>, b: Buffer<LEN>) -> usize {
            a.len() + b.0.len()
        }
        assert_eq!(local_types(Vec::new(), Buffer([0; LEN])), 3);
    }
}

/// Features of the processor; the compiler knows their names for one architecture only.
#[cfg(target_arch = "x86_64")]
mod features {
    macro_rules! features {
        ($($name:ident: $(#[$attribute:meta])*;)*) => {
            $(mod $name {
                #[midair::hotpatch]
                $(#[$attribute])*
                fn f() {}
            })*
        };
    }

    features! {
        none:;
        both: #[target_feature(enable = "sse4.2,popcnt")];
        turned: #[target_feature(enable = "popcnt")] #[target_feature(enable = "sse4.2")];
        one: #[target_feature(enable = "popcnt")];
    }
}

/// All hot functions of this program.
fn functions() -> Vec<Function> {
    let bytes = own_section!().snapshot();
    let records = records(&bytes).expect("the section of this program is well formed");
    let functions = records.into_iter().filter(|raw| raw.kind == Kind::Function);
    functions.map(|raw| Function::read(raw).expect("the macro writes good records")).collect()
}

/// The function in module `module`.
fn in_module<'a>(all: &'a [Function], module: &str) -> &'a Function {
    let module = format!("::{module}::");
    let mut found = all.iter().filter(|function| function.name.contains(&module));
    let function = found.next().expect("the edition has a record");
    assert!(found.next().is_none(), "{module} has one function");
    function
}

fn signature<'a>(all: &'a [Function], module: &str) -> &'a str {
    &in_module(all, module).signature
}

#[test]
fn equal_texts_mean_equal_calls() {
    let all = functions();
    let mut wrong = Vec::new();
    for (name, expected) in ROWS {
        let old = signature(&all, &format!("{name}::old"));
        let new = signature(&all, &format!("{name}::new"));
        let found = if old == new { Relation::Same } else { Relation::Different };
        if found != *expected {
            wrong.push(format!("{name} should be {expected:?}:\n  {old}\n  {new}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ROWS.len(), wrong.join("\n"));
}

#[test]
fn equal_layouts_mean_equal_types() {
    layouts::local();
    let all = functions();
    let mut wrong = Vec::new();
    for (name, expected) in layouts::ROWS {
        let old = in_module(&all, &format!("layouts::{name}::old"));
        let new = in_module(&all, &format!("layouts::{name}::new"));
        assert_eq!(old.signature, new.signature, "{name} differs in its types only");
        let same = old.layout_hash == new.layout_hash;
        if same != (*expected == Relation::Same) {
            wrong.push(format!(
                "{name} should be {expected:?}:\n  {:?}\n  {:?}",
                old.types, new.types
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), layouts::ROWS.len(), wrong.join("\n"));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_features_of_the_processor_count() {
    let all = functions();
    let of = |name: &str| signature(&all, &format!("features::{name}"));
    assert_eq!(of("both"), of("turned"));
    assert_ne!(of("both"), of("one"));
    assert_ne!(of("one"), of("none"));
    assert_eq!(of("none"), "fn()");
}
