//! The key that stands for a type.

use crate::hash::Hash;

/// Stands for a type in the descriptions of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    unique: u64,
    stable: u64,
}

impl Key {
    /// The key of the type that is known as `name` everywhere.
    #[must_use]
    pub const fn named(name: &str) -> Self {
        let hash = Hash::new().bytes(name.as_bytes()).finish();
        Self { unique: hash, stable: hash }
    }

    /// The key of a user's type: `path` is its module path and name, `place` tells it apart from
    /// others of that path (in two functions of one module, in two versions of one crate).
    #[must_use]
    pub const fn defined(path: &str, place: &[&str], tokens: u64, extent: (usize, usize)) -> Self {
        let stable = Hash::new().bytes(path.as_bytes());
        let mut unique = stable.word(tokens).word(extent.0 as u64).word(extent.1 as u64);
        let mut at = 0;
        while at < place.len() {
            unique = unique.word(place[at].len() as u64).bytes(place[at].as_bytes());
            at += 1;
        }
        Self { unique: unique.finish(), stable: stable.finish() }
    }

    /// The key of this generic type for the parameter `of`.
    #[must_use]
    pub const fn with(self, of: Self) -> Self {
        Self {
            unique: Hash::new().word(self.unique).word(of.unique).finish(),
            stable: Hash::new().word(self.stable).word(of.stable).finish(),
        }
    }

    /// The key of this generic type for the constant `number`.
    #[must_use]
    pub const fn number(self, number: u128) -> Self {
        let (low, high) = (number as u64, (number >> 64) as u64);
        Self {
            unique: Hash::new().word(self.unique).word(low).word(high).finish(),
            stable: Hash::new().word(self.stable).word(low).word(high).finish(),
        }
    }

    /// The number by which it is known inside one image.
    #[must_use]
    pub const fn unique(self) -> u64 {
        self.unique
    }

    /// The number by which it is known in every edition.
    #[must_use]
    pub const fn stable(self) -> u64 {
        self.stable
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn the_order_and_the_nesting_of_parameters_count() {
        let (a, b, c) = (Key::named("a"), Key::named("b"), Key::named("c"));
        let all = [a.with(b).with(c), a.with(c).with(b), a.with(b.with(c)), a.with(b), a];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| other.unique() != one.unique()), "{at}");
        }
    }

    #[test]
    fn the_place_tells_apart_within_an_image_only() {
        let one = Key::defined("a::B", &["1", "2"], 7, (8, 8));
        let other = Key::defined("a::B", &["12", ""], 7, (8, 8));
        assert_eq!(one.stable(), other.stable());
        assert_ne!(one.unique(), other.unique());
    }
}
