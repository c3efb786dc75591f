//! Methods: blocks, single marks, traits.

use std::pin::Pin;
use std::rc::Rc;

use midair::hotpatch;

macro_rules! twice {
    ($call:expr, $expected:expr) => {
        for _ in 0..2 {
            assert_eq!($call, $expected);
        }
    };
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Player {
    health: u32,
    name: String,
}

#[hotpatch]
impl Player {
    const FULL: u32 = 100;

    fn new(name: &str) -> Self {
        Self { health: Self::FULL, name: name.to_owned() }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn hit(&mut self, (base, armour): (u32, u32)) -> &mut Self {
        self.health -= base - armour;
        self
    }

    fn rename(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    fn boxed(self: Box<Self>) -> u32 {
        self.health
    }

    fn counted(self: Rc<Self>) -> usize {
        Rc::strong_count(&self)
    }

    fn pinned(mut self: Pin<&mut Self>, add: u32) -> u32 {
        self.health += add;
        self.health
    }

    #[expect(clippy::needless_arbitrary_self_type, reason = "it works")]
    fn explicit(self: &mut Self, other: &Self, _: [u8; Self::FULL as usize]) -> u32 {
        self.health + other.health + Self::helper()
    }

    fn helper() -> u32 {
        1
    }

    fn all(list: Vec<Self>) -> Option<Self> {
        list.into_iter().max_by_key(|player| player.health)
    }

    fn recursive(&self, depth: u32) -> u32 {
        if depth == 0 { self.health } else { 1 + self.recursive(depth - 1) }
    }

    unsafe extern "C" fn raw(&self, add: u32) -> u32 {
        self.health + add
    }
}

#[test]
fn every_receiver() {
    let mut player = Player::new("Ada");
    let again = Player::new("Ada");
    assert_eq!(player, again);
    twice!(player.name(), "Ada");
    assert_eq!(player.hit((10, 5)).hit((10, 5)).health, 90);
    twice!(player.clone().rename("Bob").name(), "Bob");
    twice!(Box::new(player.clone()).boxed(), 90);
    twice!(Rc::new(player.clone()).counted(), 1);
    assert_eq!(Pin::new(&mut player).pinned(1), 91);
    assert_eq!(Pin::new(&mut player).pinned(1), 92);
    twice!(player.explicit(&again, [0; 100]), 193);
    twice!(Player::all(vec![player.clone(), again.clone()]), Some(again.clone()));
    twice!(player.recursive(3), 95);
    // SAFETY: the method has no duties.
    twice!(unsafe { player.raw(1) }, 93);
    let pointer: fn(&Player) -> &str = Player::name;
    assert_eq!(pointer(&player), "Ada");
}

struct Chosen(u32);

#[hotpatch]
#[warn(dead_code)]
impl Chosen {
    #[hotpatch]
    fn hot(&self) -> u32 {
        self.cold(1u8)
    }

    fn cold<T: Into<u32>>(&self, add: T) -> u32 {
        self.0 + add.into()
    }

    #[cfg_attr(debug_assertions, doc = "conditional", midair::hotpatch)]
    fn conditional(&self) -> u32 {
        self.0
    }

    #[cfg_attr(not(all()), midair::hotpatch)]
    const fn left_alone(&self) -> u32 {
        self.0
    }

    #[cfg(not(all()))]
    #[hotpatch]
    fn absent(&self) -> Absent {}
}

#[test]
fn only_the_marked_ones() {
    let chosen = Chosen(1);
    twice!(chosen.hot(), 2);
    twice!(chosen.conditional(), 1);
    twice!(chosen.left_alone(), 1);
    let names = crate::records::names();
    assert!(names.iter().any(|name| name.ends_with("methods::Chosen::hot")));
    assert!(!names.iter().any(|name| name.ends_with("Chosen::cold")));
}

mod traits {
    pub(super) trait Tick {
        type Item;
        const STEP: u32;

        fn tick(&mut self, by: u32) -> Self::Item;

        fn peek(&self) -> u32;

        fn twice(&self) -> u32 {
            self.peek() * 2
        }

        fn fresh() -> Self
        where
            Self: Sized;
    }

    pub(super) trait View<'a, T> {
        fn view(&self, of: &'a [T]) -> &'a T;
    }
}

#[hotpatch]
impl traits::Tick for Player {
    type Item = (u32, Option<Box<Self>>);
    const STEP: u32 = 3;

    fn tick(&mut self, by: u32) -> Self::Item {
        let item: Self::Item = (self.peek() + by * Self::STEP, None);
        item
    }

    fn peek(&self) -> u32 {
        self.health
    }

    fn fresh() -> Self
    where
        Self: Sized,
    {
        Self::default()
    }
}

#[hotpatch]
impl traits::Tick for u32 {
    type Item = u32;
    const STEP: u32 = 1;

    fn tick(&mut self, by: u32) -> u32 {
        *self += by;
        self.twice()
    }

    fn peek(&self) -> u32 {
        *self
    }

    fn fresh() -> Self {
        7
    }
}

#[test]
fn impls_of_traits() {
    use traits::Tick as _;
    let mut player = Player::new("Ada");
    twice!(player.tick(2), (106, None));
    twice!(player.twice(), 200);
    twice!(<Player as traits::Tick>::fresh(), Player::default());
    let mut number = 1_u32;
    assert_eq!(number.tick(1), 4);
    assert_eq!(number.tick(1), 6);
    let object: &dyn Fn() -> u32 = &<u32 as traits::Tick>::fresh;
    twice!(object(), 7);
    let names = crate::records::names();
    assert!(names.iter().any(|name| name.ends_with("methods::<Player as traits::Tick>::tick")));
    assert!(names.iter().any(|name| name.ends_with("methods::<u32 as traits::Tick>::tick")));
}

struct Lines<'a, 'b> {
    text: &'a str,
    other: &'a &'b str,
}

#[hotpatch]
impl<'a, 'b> Lines<'a, 'b> {
    fn new(text: &'a str, other: &'a &'b str) -> Self {
        Self { text, other }
    }

    fn first(&self) -> &'a str {
        self.text.lines().next().unwrap_or(self.other)
    }

    fn pick<'c>(&'c self, own: bool, from: &'c str) -> &'c str {
        if own { self.text } else { from }
    }

    fn replace(&mut self, with: &'a str) -> Lines<'_, 'b> {
        self.text = with;
        Lines { text: self.text, other: self.other }
    }
}

#[hotpatch]
impl Lines<'_, '_> {
    fn len(&self) -> usize {
        self.text.len()
    }

    fn same(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[hotpatch]
impl<'a> traits::View<'a, u8> for Lines<'a, '_>
where
    'a: 'a,
{
    fn view(&self, of: &'a [u8]) -> &'a u8 {
        &of[self.text.len()]
    }
}

#[hotpatch]
impl<'a> traits::View<'a, u16> for &Lines<'_, '_> {
    fn view(&self, of: &'a [u16]) -> &'a u16 {
        &of[self.text.len()]
    }
}

#[test]
fn lifetimes_of_the_impl() {
    use traits::View as _;
    let other = "other";
    let mut lines = Lines::new("ab\ncd", &other);
    let again = Lines::new("ab\ncd", &other);
    twice!(lines.first(), "ab");
    twice!(lines.pick(false, "x"), "x");
    twice!(lines.len(), 5);
    assert!(lines.same(&again) && lines.same(&again));
    twice!(lines.view(&[0_u8, 1, 2, 3, 4, 5]), &5);
    twice!(traits::View::<u16>::view(&&lines, &[0, 1, 2, 3, 4, 5]), &5);
    twice!(lines.replace("z").text, "z");
}

trait Speaks {
    fn speak(&self) -> String;
}

#[hotpatch]
impl dyn Speaks {
    fn loud(&self) -> String {
        self.speak().to_uppercase()
    }
}

#[hotpatch]
impl Speaks for str {
    fn speak(&self) -> String {
        self.to_owned()
    }
}

#[hotpatch]
impl Speaks for [u8] {
    fn speak(&self) -> String {
        format!("{self:?}")
    }
}

impl Speaks for Player {
    #[hotpatch(Player as Speaks)]
    fn speak(&self) -> String {
        self.name().to_owned()
    }
}

impl Player {
    #[hotpatch(Player)]
    fn lone(&self, other: Self) -> Self {
        Self { health: self.health + other.health, ..other }
    }

    #[hotpatch]
    fn without_self(a: u8) -> u8 {
        a
    }
}

impl<'a> Lines<'a, '_> {
    #[hotpatch(Lines<'a, '_>)]
    fn lone(&self) -> &'a str {
        self.text
    }
}

#[test]
fn unsized_types_and_lone_methods() {
    let player = Player::new("Ada");
    let object: &(dyn Speaks + 'static) = &player;
    twice!(object.loud(), "ADA");
    twice!("ab".speak(), "ab");
    twice!([1_u8, 2][..].speak(), "[1, 2]");
    twice!(player.lone(Player::new("Bob")).name(), "Bob");
    twice!(Player::without_self(3), 3);
    twice!(Lines::new("text", &"").lone(), "text");
    let names = crate::records::names();
    assert!(names.iter().any(|name| name.ends_with("methods::Player::lone")));
}

#[cfg(target_arch = "x86_64")]
struct Hasher(u32);

#[cfg(target_arch = "x86_64")]
#[hotpatch]
impl Hasher {
    #[target_feature(enable = "sse4.2")]
    fn add(&mut self, byte: u8) -> u32 {
        self.0 = std::arch::x86_64::_mm_crc32_u8(self.0, byte);
        self.0
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn target_features_of_methods() {
    if !std::arch::is_x86_feature_detected!("sse4.2") {
        println!("skipped: the processor has no sse4.2");
        return;
    }
    let mut hasher = Hasher(0);
    // SAFETY: the feature was detected.
    let first = unsafe { hasher.add(1) };
    // SAFETY: as above.
    assert_ne!(first, unsafe { hasher.add(1) });
}

struct Noisy(u8);

#[hotpatch]
impl Drop for Noisy {
    fn drop(&mut self) {
        LAST.with(|last| last.set(self.0));
    }
}

thread_local! {
    static LAST: std::cell::Cell<u8> = const { std::cell::Cell::new(0) };
}

#[hotpatch]
impl Iterator for Noisy {
    type Item = u8;

    fn next(&mut self) -> Option<Self::Item> {
        self.0 = self.0.checked_sub(1)?;
        Some(self.0)
    }
}

#[hotpatch]
impl std::fmt::Display for Noisy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write as _;
        f.write_char('n')?;
        write!(f, "{}", self.0)
    }
}

#[test]
fn traits_of_the_standard_library() {
    let mut noisy = Noisy(4);
    assert_eq!(noisy.by_ref().collect::<Vec<_>>(), [3, 2, 1, 0]);
    twice!(noisy.to_string(), "n0");
    noisy.0 = 9;
    drop(noisy);
    drop(Noisy(9));
    assert_eq!(LAST.with(std::cell::Cell::get), 9);
}
