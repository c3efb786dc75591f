//! Every kind of hot function, under lints that forgive nothing.
#![deny(warnings, missing_docs, unreachable_pub, rust_2018_idioms, unsafe_op_in_unsafe_fn)]
#![deny(unused_qualifications, single_use_lifetimes, unused_lifetimes, trivial_casts)]
#![deny(elided_lifetimes_in_paths, explicit_outlives_requirements, let_underscore_drop)]
#![deny(missing_debug_implementations, non_local_definitions, redundant_imports, unnameable_types)]

use std::fmt;
use std::ptr::NonNull;

use midair::{Layout, hotpatch, layout};

/// A player.
#[derive(Debug, Default)]
pub struct Player {
    health: u32,
}

/// A view.
#[derive(Debug)]
pub struct View<'a> {
    text: &'a str,
}

#[derive(Debug)]
struct Private(u8);

/// A tree.
#[derive(Debug, Layout)]
pub struct Tree<'a, T, const N: usize> {
    children: Vec<Tree<'a, T, N>>,
    values: [Option<T>; N],
    text: &'a str,
    call: fn(&str, &mut T) -> bool,
    #[layout(opaque)]
    private: Private,
}

/// A choice.
#[derive(Clone, Copy, Debug, Layout)]
#[repr(u8)]
#[non_exhaustive]
pub enum Choice {
    /// One.
    One(u32),
    /// Two.
    Two {
        /// A field.
        field: i8,
    } = 7,
}

/// A word, or bytes.
#[derive(Layout)]
#[expect(missing_debug_implementations, reason = "a union has none")]
pub union Word {
    /// Whole.
    pub word: u32,
    /// In parts.
    pub bytes: [u8; 4],
}

/// A base.
#[layout]
pub trait Base {
    /// Names it.
    fn name(&self) -> &str;
}

/// A shape.
#[layout]
pub trait Shape<T>: Base + fmt::Debug {
    /// An associated type.
    type Unit;
    /// Measures.
    fn measure(&mut self, by: &T) -> Self::Unit;
    /// Not of objects.
    fn generic<U>(&self, of: U) -> U
    where
        Self: Sized,
    {
        of
    }
}

/// Draws.
#[hotpatch]
pub fn draw(tree: &Tree<'_, Choice, 3>, shape: &mut dyn Shape<u8, Unit = u16>) -> usize {
    tree.values.len() + tree.children.len() + tree.text.len() + usize::from(shape.measure(&1))
}

/// Free.
#[must_use]
#[hotpatch]
pub fn free(mut a: u32, (b, c): (u32, u32), _: &dyn Fn()) -> u32 {
    a += 1;
    a + b + c
}

/// Exported.
#[hotpatch]
#[unsafe(no_mangle)]
pub extern "C" fn exported(a: u32) -> u32 {
    a
}

/// Exported, too.
#[hotpatch]
#[unsafe(export_name = "exported_too")]
pub extern "C" fn renamed(a: Option<NonNull<u8>>) -> bool {
    a.is_some()
}

/// Unsafe.
///
/// # Safety
/// None.
#[hotpatch]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unsafely(a: *const u8) -> u8 {
    // SAFETY: as above.
    unsafe { *a }
}

/// Old.
#[deprecated(note = "for the test")]
#[hotpatch]
pub fn old(text: &str) -> &str {
    text
}

#[hotpatch]
fn private(value: Private) -> u8 {
    value.0
}

#[hotpatch]
#[allow(clippy::too_many_arguments)]
fn many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
    a + b + c + d + e + f + g + h
}

#[hotpatch]
#[expect(clippy::too_many_arguments)]
fn many_expected(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
    a + b + c + d + e + f + g + h
}

#[hotpatch]
#[expect(dead_code, reason = "nobody calls it")]
fn dead(_a: u8) -> ! {
    std::process::abort()
}

/// Diverges.
#[hotpatch]
pub fn never(code: i32) -> ! {
    std::process::exit(code)
}

/// Slow.
#[hotpatch]
pub async fn slow(text: &str, count: &mut usize) -> usize {
    std::future::ready(()).await;
    *count += 1;
    text.len() + *count
}

/// Local.
#[hotpatch(?Send)]
pub async fn local(text: std::rc::Rc<str>) -> usize {
    std::future::ready(()).await;
    text.len()
}

/// Calls everything that is private.
#[must_use]
pub fn all() -> u8 {
    private(Private(1)) + many(1, 1, 1, 1, 1, 1, 1, 1) + many_expected(1, 1, 1, 1, 1, 1, 1, 1)
}

#[hotpatch]
impl Player {
    /// The most.
    pub const FULL: u32 = 100;

    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        Self { health: Self::FULL }
    }

    /// Hits.
    pub fn hit(&mut self, base: u32) -> &mut Self {
        self.health -= base;
        self
    }

    /// The health.
    #[must_use]
    pub fn health(&self, _of: u8) -> u32 {
        let Self { health } = self;
        *health
    }

    /// Consumes.
    #[must_use]
    pub fn consume(mut self, other: Self) -> Self {
        self.health += other.health;
        self
    }

    /// Waits.
    pub async fn wait(&self, text: &str) -> &u32 {
        std::future::ready(text.len()).await;
        &self.health
    }
}

#[hotpatch]
impl fmt::Display for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.health)
    }
}

#[hotpatch]
impl<'a> View<'a> {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The same.
    #[must_use]
    pub fn same<'b>(&'b self, other: &'b View<'a>) -> &'b View<'a> {
        if self.text.is_empty() { other } else { self }
    }
}

#[hotpatch]
impl Iterator for View<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<Self::Item> {
        let first = *self.text.as_bytes().first()?;
        self.text = &self.text[1..];
        Some(first)
    }
}

#[hotpatch]
impl Drop for Private {
    fn drop(&mut self) {
        self.0 = 0;
    }
}

/// A trait.
pub trait Tick {
    /// An item.
    type Item;
    /// Ticks.
    fn tick(&mut self, by: u32) -> Self::Item;
}

#[hotpatch]
impl Tick for Private {
    type Item = Option<Self>;

    fn tick(&mut self, by: u32) -> Self::Item {
        Some(Self(u8::try_from(by).ok()?))
    }
}

/// Ticks.
pub fn ticks() {
    drop(Private(1).tick(1));
}

/// In capitals.
#[derive(Debug)]
pub struct RGB(pub u8, pub u8, pub u8);
/// A length.
pub const LEN: usize = 4;
/// Bytes.
#[derive(Debug)]
pub struct Buffer<const N: usize>(pub [u8; N]);

/// Names that may be types or constants.
#[must_use]
#[hotpatch]
pub fn capitals(colours: &[Option<RGB>], buffer: &Buffer<LEN>) -> usize {
    colours.len() + buffer.0.len()
}
