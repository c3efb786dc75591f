//! Free functions.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Display;
use std::ptr::NonNull;

use midair::hotpatch;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    x: i32,
    y: i32,
}

struct Words<'a> {
    list: Vec<&'a str>,
}

type Shape3 = [f32; 3];

/// Calls `$call` through the shim and directly.
macro_rules! twice {
    ($call:expr, $expected:expr) => {
        for _ in 0..2 {
            assert_eq!($call, $expected);
        }
    };
}

#[hotpatch]
fn nothing() {}

#[hotpatch]
fn patterns(
    mut a: u32,
    _: String,
    (b, c): (u32, u32),
    Point { x, y: up }: Point,
    [first, .., last]: [i32; 3],
    &d: &u8,
) -> i64 {
    a += 1;
    i64::from(a + b + c) + i64::from(x + up + first + last) + i64::from(d)
}

#[test]
fn every_pattern() {
    nothing();
    nothing();
    let point = Point { x: 10, y: 20 };
    twice!(patterns(1, String::new(), (2, 3), point, [4, 5, 6], &7), 54);
}

#[hotpatch]
fn borrowed<'a>(words: &'a Words<'_>, index: usize) -> &'a str {
    words.list[index]
}

#[hotpatch]
fn longest<'a>(left: &'a str, right: &'a str) -> &'a str {
    if left.len() >= right.len() { left } else { right }
}

#[hotpatch]
#[expect(clippy::multiple_bound_locations, reason = "both places work")]
fn outlives<'a, 'b: 'a>(left: &'a mut &'b str, right: &'b str) -> &'a str
where
    'b: 'a,
{
    *left = right;
    left
}

#[hotpatch]
fn forever() -> &'static str {
    "for ever"
}

#[hotpatch]
fn exclusive(point: &mut Point, list: &mut Vec<Point>) -> usize {
    point.x += 1;
    list.push(*point);
    list.len()
}

#[test]
fn references_and_lifetimes() {
    let words = Words { list: vec!["one", "three"] };
    twice!(borrowed(&words, 1), "three");
    twice!(longest("a", "bc"), "bc");
    let mut word = "old";
    twice!(outlives(&mut word, "new"), "new");
    assert_eq!(word, "new");
    twice!(forever(), "for ever");
    let mut point = Point { x: 0, y: 0 };
    let mut list = Vec::new();
    assert_eq!(exclusive(&mut point, &mut list), 1);
    assert_eq!(exclusive(&mut point, &mut list), 2);
    assert_eq!((point.x, list[0].x), (2, 1));
}

#[hotpatch]
unsafe fn update_camera(dt: f32, original: &dyn Fn()) -> f32 {
    original();
    dt * 2.0
}

#[hotpatch]
fn shown(values: &[&dyn Display], boxed: Box<dyn Fn(u32) -> u32 + Send + '_>) -> String {
    let all: Vec<_> = values.iter().map(ToString::to_string).collect();
    format!("{} {}", all.join(","), boxed(1))
}

#[hotpatch]
fn pointers(value: Option<NonNull<u32>>, array: &[f32; 2], raw: *const u8) -> f32 {
    let sum = array[0] + array[1];
    if value.is_none() && raw.is_null() { sum } else { -sum }
}

#[hotpatch]
fn callbacks(on: fn(&u8) -> u8, with: for<'a> fn(&'a str) -> &'a str) -> (u8, usize) {
    (on(&3), with("abc").len())
}

#[hotpatch]
fn containers(map: &HashMap<String, Vec<Point>>, _shape: Shape3) -> Result<Point, Box<str>> {
    map.get("here").and_then(|list| list.first()).copied().ok_or_else(|| "nowhere".into())
}

#[test]
fn types_of_every_kind() {
    let calls = Cell::new(0);
    // SAFETY: the function has no duties.
    twice!(unsafe { update_camera(1.5, &|| calls.set(calls.get() + 1)) }, 3.0);
    assert_eq!(calls.get(), 2);
    let offset = 4;
    twice!(shown(&[&1, &"x"], Box::new(|n| n + offset)), "1,x 5");
    twice!(pointers(None, &[1.0, 2.0], std::ptr::null()), 3.0);
    twice!(callbacks(|byte| byte + 1, |text| &text[1..]), (4, 2));
    let mut map = HashMap::new();
    twice!(containers(&map, [0.0; 3]), Err("nowhere".into()));
    map.insert("here".to_owned(), vec![Point { x: 1, y: 2 }]);
    twice!(containers(&map, [0.0; 3]), Ok(Point { x: 1, y: 2 }));
}

#[hotpatch]
extern "C" fn c_abi(a: u8, b: f64) -> f64 {
    f64::from(a) + b
}

#[hotpatch]
unsafe extern "C-unwind" fn unwinding(fail: bool) -> u32 {
    assert!(!fail, "as asked");
    1
}

#[hotpatch]
#[unsafe(no_mangle)]
extern "C" fn midair_test_no_mangle(a: u32) -> u32 {
    a + 1
}

#[unsafe(export_name = "midair_test_exported")]
#[hotpatch]
unsafe extern "system" fn exported(a: u32) -> u32 {
    a + 2
}

#[test]
fn foreign_conventions() {
    unsafe extern "C" {
        #[link_name = "midair_test_no_mangle"]
        fn by_name(a: u32) -> u32;
    }
    unsafe extern "system" {
        fn midair_test_exported(a: u32) -> u32;
    }
    twice!(c_abi(1, 2.0), 3.0);
    // SAFETY: none of these functions has duties; so for all of them.
    twice!(unsafe { unwinding(false) }, 1);
    // SAFETY: as above.
    assert!(std::panic::catch_unwind(|| unsafe { unwinding(true) }).is_err());
    // SAFETY: as above.
    twice!(unsafe { by_name(1) }, 2);
    // SAFETY: as above.
    twice!(unsafe { midair_test_exported(1) }, 3);
    // SAFETY: as above.
    twice!(unsafe { exported(1) }, 3);
    let pointer: extern "C" fn(u8, f64) -> f64 = c_abi;
    twice!(pointer(1, 1.0), 2.0);
}

#[hotpatch]
fn factorial(n: u64) -> u64 {
    if n < 2 { 1 } else { n * factorial(n - 1) }
}

#[hotpatch]
fn never(code: u8) -> ! {
    std::panic::panic_any(code)
}

#[hotpatch]
#[expect(clippy::too_many_arguments, reason = "the point of the test")]
fn twelve(
    a: u8,
    b: u16,
    c: u32,
    d: u64,
    e: i8,
    f: i16,
    g: i32,
    h: i64,
    i: f32,
    j: f64,
    k: bool,
    l: char,
) -> String {
    format!("{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}")
}

#[test]
fn recursion_divergence_and_many_arguments() {
    twice!(factorial(5), 120);
    for _ in 0..2 {
        let payload = std::panic::catch_unwind(|| never(7)).expect_err("it panics");
        assert_eq!(payload.downcast_ref::<u8>(), Some(&7));
    }
    let all = || twelve(1, 2, 3, 4, 5, 6, 7, 8, 9.0, 10.5, true, 'x');
    twice!(all(), "12345678910.5truex");
}

/// Documented.
#[hotpatch]
#[must_use = "for the test"]
#[inline]
#[cold]
#[expect(unused_variables, reason = "lint levels reach the code")]
fn attributes(unused: u8) -> u8 {
    #![allow(clippy::needless_return, reason = "inner attributes work")]
    return 1;
}

#[cfg_attr(debug_assertions, midair::hotpatch)]
fn conditional(a: u8) -> u8 {
    a + 1
}

#[cfg_attr(not(all()), midair::hotpatch)]
const fn left_alone(a: u8) -> u8 {
    a + 1
}

#[test]
fn attributes_go_where_they_belong() {
    twice!(attributes(0), 1);
    twice!(conditional(1), 2);
    twice!(left_alone(1), 2);
}

#[cfg(target_arch = "x86_64")]
#[hotpatch]
#[target_feature(enable = "sse4.2")]
fn with_feature(a: u32) -> u32 {
    std::arch::x86_64::_mm_crc32_u8(0, a as u8)
}

#[cfg(target_arch = "x86_64")]
#[test]
fn target_features() {
    if !std::arch::is_x86_feature_detected!("sse4.2") {
        println!("skipped: the processor has no sse4.2");
        return;
    }
    // SAFETY: the feature was detected.
    let call = || unsafe { with_feature(1) };
    assert_ne!(call(), 0);
    assert_eq!(call(), call());
}

mod inner {
    use super::Point;

    const STEP: i32 = 5;

    #[midair::hotpatch]
    pub(super) fn step(point: Point) -> i32 {
        helper(point) + STEP
    }

    fn helper(point: Point) -> i32 {
        point.x
    }
}

macro_rules! hot {
    ($(#[$attribute:meta])* $vis:vis $name:ident($($arg:ident: $ty:ty),*) -> $out:ty $body:block) => {
        $(#[$attribute])*
        #[midair::hotpatch]
        $vis fn $name($($arg: $ty),*) -> $out $body
    };
    (item $item:item) => {
        #[midair::hotpatch]
        $item
    };
}

hot!(
    /// Made by a macro.
    pub(crate) made(a: &'static [u8], b: Option<u8>) -> (usize, Option<u8>) { (a.len(), b) }
);
hot!(item fn made_whole(a: u8) -> u8 { a });

#[test]
fn modules_blocks_and_macros() {
    #[hotpatch]
    fn local(a: Local) -> u8 {
        a.0
    }
    struct Local(u8);

    twice!(inner::step(Point { x: 1, y: 0 }), 6);
    twice!(local(Local(3)), 3);
    twice!(made(b"ab", Some(1)), (2, Some(1)));
    twice!(made_whole(3), 3);
}

#[hotpatch]
fn own_items() -> u8 {
    struct One;
    impl One {
        fn new() -> Self {
            Self
        }
        fn value(&self) -> u8 {
            const VALUE: u8 = 1;
            VALUE
        }
    }
    static COUNT: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
    COUNT.fetch_add(One::new().value(), std::sync::atomic::Ordering::Relaxed)
}

const LEN: usize = 2;
struct Buffer<const N: usize>([u8; N]);

#[hotpatch]
fn constants(buffer: Buffer<LEN>, array: [u8; LEN + 1]) -> usize {
    buffer.0.len() + array.len()
}

#[hotpatch]
fn raw_names(r#type: u8, code: u8) -> u8 {
    r#type + code
}

#[test]
fn names_do_not_collide() {
    assert_eq!((own_items(), own_items()), (0, 1));
    twice!(constants(Buffer([0; 2]), [0; 3]), 5);
    twice!(raw_names(1, 2), 3);
}
