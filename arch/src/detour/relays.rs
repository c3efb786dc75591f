//! Addresses at which a relay fits a jump: those whose distance has given bits, the nearest first.

use std::ops::Range;

/// Which bits of a distance are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    mask: u32,
    bits: u32,
}

impl Pattern {
    /// Distances that have these `bits` where `mask` has ones.
    pub(super) const fn new(mask: u32, bits: u32) -> Self {
        Self { mask, bits: bits & mask }
    }

    /// The least distance that fits and is not less than `least`.
    fn up(self, least: i32) -> Option<i32> {
        next(rank(least), self.mask, rank_bits(self.bits) & self.mask).map(unrank)
    }

    /// The greatest distance that fits and is not more than `most`.
    fn down(self, most: i32) -> Option<i32> {
        // Counting down is counting the complement up.
        let found = next(!rank(most), self.mask, !rank_bits(self.bits) & self.mask)?;
        Some(unrank(!found))
    }
}

/// What a jump can say of its distance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// What the distance is counted from.
    pub(super) origin: u64,
    /// The least and the greatest distance.
    pub(super) span: (i32, i32),
    /// Which bits of it are given.
    pub(super) pattern: Pattern,
    /// How long the relay is, which has to lie inside of free memory.
    pub(super) relay: usize,
}

impl Reach {
    /// The distances at which a relay lies inside of `range`.
    fn within(&self, range: &Range<u64>) -> Option<(i32, i32)> {
        let last = range.end.checked_sub(self.relay as u64)?;
        let low = i128::from(range.start) - i128::from(self.origin);
        let high = i128::from(last) - i128::from(self.origin);
        let low = i32::try_from(low.max(self.span.0.into())).ok()?;
        let high = i32::try_from(high.min(self.span.1.into())).ok()?;
        (low <= high).then_some((low, high))
    }
}

/// The addresses at which a relay fits a jump, the nearest first.
#[derive(Clone, Debug)]
pub struct Relays {
    reach: Reach,
    lanes: Vec<Lane>,
}

/// Distances that are still to be looked at, away from the jump.
#[derive(Clone, Debug)]
struct Lane {
    /// The nearest of them that fits.
    next: i32,
    /// The farthest.
    last: i32,
}

impl Relays {
    /// Relays that a jump reaches, inside of `free` memory.
    pub(super) fn new(reach: Reach, free: impl IntoIterator<Item = Range<u64>>) -> Self {
        let pattern = reach.pattern;
        let mut lanes = Vec::new();
        for range in free {
            let Some((low, high)) = reach.within(&range) else { continue };
            if high >= 0 {
                let next = pattern.up(low.max(0)).filter(|next| *next <= high);
                lanes.extend(next.map(|next| Lane { next, last: high }));
            }
            if low < 0 {
                let next = pattern.down(high.min(-1)).filter(|next| *next >= low);
                lanes.extend(next.map(|next| Lane { next, last: low }));
            }
        }
        Self { reach, lanes }
    }
}

impl Iterator for Relays {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let lanes = self.lanes.iter().enumerate();
        let (at, _) = lanes.min_by_key(|(_, lane)| lane.next.unsigned_abs())?;
        let Lane { next, last } = self.lanes[at];
        let following = if last >= 0 {
            next.checked_add(1)
                .and_then(|least| self.reach.pattern.up(least))
                .filter(|it| *it <= last)
        } else {
            next.checked_sub(1)
                .and_then(|most| self.reach.pattern.down(most))
                .filter(|it| *it >= last)
        };
        match following {
            Some(following) => self.lanes[at].next = following,
            None => drop(self.lanes.swap_remove(at)),
        }
        Some(self.reach.origin.wrapping_add_signed(next.into()))
    }
}

/// The least number from `least` on whose bits under `mask` are `bits`.
fn next(least: u32, mask: u32, bits: u32) -> Option<u32> {
    let wrong = (least & mask) ^ bits;
    let Some(top) = wrong.checked_ilog2() else { return Some(least) };
    // Bits above the highest wrong one are right.
    if bits >> top & 1 == 1 {
        let low = u32::MAX >> (31 - top);
        return Some(least & !low | bits);
    }
    // It is too large there: count up in the bits above that are not given.
    let above = (u64::from(least | mask) >> (top + 1)) + 1;
    let counted = u32::try_from(above << (top + 1)).ok()?;
    Some(counted & !mask | bits)
}

/// Numbers in the order of distances.
const fn rank(distance: i32) -> u32 {
    rank_bits(distance.cast_unsigned())
}

const fn rank_bits(bits: u32) -> u32 {
    bits ^ 1 << 31
}

const fn unrank(rank: u32) -> i32 {
    rank_bits(rank).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Pattern;

    impl Pattern {
        fn fits(self, distance: i32) -> bool {
            distance.cast_unsigned() & self.mask == self.bits
        }
    }

    /// Each byte given or not, and the lowest bits, as alignment does.
    fn patterns() -> impl Strategy<Value = Pattern> {
        let bytes = proptest::array::uniform4(any::<bool>());
        (bytes, any::<u32>(), any::<bool>()).prop_map(|(bytes, bits, is_aligned)| {
            let given = bytes.map(|given| if given { 0xff } else { 0 });
            let mask = u32::from_le_bytes(given) | if is_aligned { 3 } else { 0 };
            Pattern::new(mask, bits)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn up_and_down_skip_nothing(pattern in patterns(), from: i32) {
            let up = pattern.up(from);
            prop_assert!(up.is_none_or(|it| it >= from && pattern.fits(it)));
            let limit = up.unwrap_or(i32::MAX).min(from.saturating_add(2000));
            prop_assert!((from..limit).all(|it| !pattern.fits(it)));
            let down = pattern.down(from);
            prop_assert!(down.is_none_or(|it| it <= from && pattern.fits(it)));
            let limit = down.unwrap_or(i32::MIN).max(from.saturating_sub(2000));
            prop_assert!((limit..from).all(|it| it == limit || !pattern.fits(it)));
        }

        #[test]
        fn up_and_down_are_neighbours(pattern in patterns(), from: i32) {
            let (up, down) = (pattern.up(from), pattern.down(from));
            prop_assert_eq!(pattern.fits(from), up == Some(from));
            prop_assert_eq!(pattern.fits(from), down == Some(from));
            if let (Some(up), Some(down)) = (up, down)
                && up != down
            {
                prop_assert_eq!(pattern.up(down + 1), Some(up));
                prop_assert_eq!(pattern.down(up - 1), Some(down));
            }
        }
    }
}
