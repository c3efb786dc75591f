//! Impls of traits that nobody here wrote, and types of unusual forms.

use std::future::Future;
use std::ops::{Add, AddAssign, Deref, Index, IndexMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use midair::hotpatch;

macro_rules! twice {
    ($call:expr, $expected:expr) => {
        for _ in 0..2 {
            assert_eq!($call, $expected);
        }
    };
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Vector([f32; 2]);

#[hotpatch]
impl Add for Vector {
    type Output = Self;

    fn add(self, other: Self) -> Self::Output {
        Self([self[0] + other[0], self[1] + other[1]])
    }
}

#[hotpatch]
impl AddAssign<&Self> for Vector {
    fn add_assign(&mut self, other: &Self) {
        *self = *self + *other;
    }
}

#[hotpatch]
impl Index<usize> for Vector {
    type Output = f32;

    fn index(&self, index: usize) -> &Self::Output {
        &self.0[index]
    }
}

#[hotpatch]
impl IndexMut<usize> for Vector {
    fn index_mut(&mut self, index: usize) -> &mut f32 {
        &mut self.0[index]
    }
}

#[hotpatch]
impl PartialEq<&str> for Vector {
    fn eq(&self, text: &&str) -> bool {
        format!("{} {}", self[0], self[1]) == *text
    }
}

#[hotpatch]
impl From<&(f32, f32)> for Vector {
    fn from(&(x, y): &(f32, f32)) -> Self {
        Self([x, y])
    }
}

#[hotpatch]
impl Deref for Vector {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

#[hotpatch]
impl<'a> IntoIterator for &'a Vector {
    type Item = &'a f32;
    type IntoIter = std::slice::Iter<'a, f32>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[test]
fn operators_and_conversions() {
    let mut sum = Vector([1.0, 2.0]);
    twice!(sum + sum, Vector([2.0, 4.0]));
    sum += &Vector([1.0, 1.0]);
    sum += &Vector([1.0, 1.0]);
    sum[0] = 7.0;
    sum[0] += 1.0;
    assert!(sum == "8 4");
    assert!(sum == "8 4");
    twice!(Vector::from(&(1.0, 2.0)), Vector([1.0, 2.0]));
    twice!(sum.len(), 2);
    twice!((&sum).into_iter().copied().sum::<f32>(), 12.0);
}

struct Countdown(u8);

#[hotpatch]
impl Future for Countdown {
    type Output = u8;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.0 == 0 {
            return Poll::Ready(42);
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn futures_by_hand() {
    let mut future = std::pin::pin!(Countdown(2));
    let mut context = Context::from_waker(std::task::Waker::noop());
    let mut polls = || future.as_mut().poll(&mut context);
    assert_eq!([polls(), polls(), polls()], [Poll::Pending, Poll::Pending, Poll::Ready(42)]);
}

/// # Safety
/// Nothing depends on it.
unsafe trait Described {
    const NAME: &'static str;

    fn describe(&self) -> String;

    /// # Safety
    /// None.
    unsafe fn raw(&self, at: *const u8) -> u8;
}

macro_rules! described {
    ($($ty:ty = $name:literal),* $(,)?) => {
        $(
            // SAFETY: nothing depends on it.
            #[hotpatch]
            unsafe impl Described for $ty {
                const NAME: &'static str = $name;

                fn describe(&self) -> String {
                    format!("{} of {} bytes", Self::NAME, size_of::<Self>())
                }

                unsafe fn raw(&self, at: *const u8) -> u8 {
                    // SAFETY: the caller's duty.
                    unsafe { *at }
                }
            }
        )*
    };
}

described! {
    (u8, u16) = "tuple",
    [u8; 4] = "array",
    fn(&u8) -> u8 = "pointer",
    Box<dyn Fn(&str) -> &str + Send> = "box",
    &'static str = "text",
    *const u8 = "raw",
}

#[test]
fn types_of_unusual_forms() {
    twice!((1_u8, 2_u16).describe(), "tuple of 4 bytes");
    twice!([0_u8; 4].describe(), "array of 4 bytes");
    let pointer: fn(&u8) -> u8 = |a| *a;
    twice!(pointer.describe(), "pointer of 8 bytes");
    let boxed: Box<dyn Fn(&str) -> &str + Send> = Box::new(|text| text);
    twice!(boxed.describe(), "box of 16 bytes");
    twice!("x".describe(), "text of 16 bytes");
    // SAFETY: the address is that of a byte.
    twice!(unsafe { "x".raw(&7) }, 7);
    let names = crate::records::names();
    for end in ["<(u8,u16) as Described>::raw", "<fn(&u8)->u8 as Described>::describe"] {
        assert!(names.iter().any(|name| name.ends_with(end)), "{names:#?}");
    }
}

trait Shape<'s> {
    type Part<'p>
    where
        Self: 'p,
        's: 'p;

    fn part<'p>(&'p self, of: &'s str) -> Self::Part<'p>
    where
        's: 'p;
}

struct Label<'l>(&'l str);

#[hotpatch]
impl<'l: 's, 's> Shape<'s> for Label<'l> {
    type Part<'p>
        = (&'p str, Option<&'p Self>)
    where
        Self: 'p,
        's: 'p;

    fn part<'p>(&'p self, of: &'s str) -> Self::Part<'p>
    where
        's: 'p,
    {
        (if of.is_empty() { self.0 } else { of }, Some(self))
    }
}

#[test]
fn generic_associated_types() {
    let label = Label("label");
    twice!(label.part("").0, "label");
    twice!(label.part("x").0, "x");
    twice!(label.part("x").1.map(|label| label.0), Some("label"));
}
