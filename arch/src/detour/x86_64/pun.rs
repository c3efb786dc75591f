//! Punned jumps: distances whose bytes are breakpoints where a thread may stand.

use std::ops::Range;

use super::jump::{BREAKPOINT, JUMP_LEN, RELAY_LEN};

/// Which bytes of a near jump's distance are given, as bits of the distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pun {
    mask: u32,
}

impl Pun {
    /// Every distance will do.
    #[must_use]
    pub const fn free() -> Self {
        Self { mask: 0 }
    }

    /// The bytes at these offsets of the jump are breakpoints.
    #[must_use]
    pub fn at(boundaries: &[usize]) -> Self {
        let inside = boundaries.iter().filter(|at| (1..JUMP_LEN).contains(*at));
        Self { mask: inside.fold(0, |mask, at| mask | 0xff << (8 * (at - 1))) }
    }

    /// Whether a jump may have this distance.
    #[must_use]
    pub const fn fits(self, distance: i32) -> bool {
        distance.cast_unsigned() & self.mask == BREAKPOINTS & self.mask
    }

    /// The least distance that fits and is not less than `least`.
    fn up(self, least: i32) -> Option<i32> {
        next(rank(least), self.mask, rank_bits(BREAKPOINTS) & self.mask).map(unrank)
    }

    /// The greatest distance that fits and is not more than `most`.
    fn down(self, most: i32) -> Option<i32> {
        // Counting down is counting the complement up.
        let found = next(!rank(most), self.mask, !rank_bits(BREAKPOINTS) & self.mask)?;
        Some(unrank(!found))
    }
}

/// The addresses at which a relay fits a jump, the nearest first.
#[derive(Clone, Debug)]
pub struct Relays {
    origin: u64,
    pun: Pun,
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
    /// Relays for a near jump at `jump` whose distance is a `pun`, inside of `free` memory.
    pub fn new(jump: u64, pun: Pun, free: impl IntoIterator<Item = Range<u64>>) -> Self {
        let origin = jump.wrapping_add(JUMP_LEN as u64);
        let mut lanes = Vec::new();
        for range in free {
            let Some((low, high)) = distances(origin, &range) else { continue };
            if high >= 0 {
                let next = pun.up(low.max(0)).filter(|next| *next <= high);
                lanes.extend(next.map(|next| Lane { next, last: high }));
            }
            if low < 0 {
                let next = pun.down(high.min(-1)).filter(|next| *next >= low);
                lanes.extend(next.map(|next| Lane { next, last: low }));
            }
        }
        Self { origin, pun, lanes }
    }
}

impl Iterator for Relays {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let lanes = self.lanes.iter().enumerate();
        let (at, _) = lanes.min_by_key(|(_, lane)| lane.next.unsigned_abs())?;
        let Lane { next, last } = self.lanes[at];
        let following = if last >= 0 {
            next.checked_add(1).and_then(|least| self.pun.up(least)).filter(|it| *it <= last)
        } else {
            next.checked_sub(1).and_then(|most| self.pun.down(most)).filter(|it| *it >= last)
        };
        match following {
            Some(following) => self.lanes[at].next = following,
            None => drop(self.lanes.swap_remove(at)),
        }
        Some(self.origin.wrapping_add_signed(next.into()))
    }
}

/// The distances from `origin` at which a relay lies inside of `range`.
fn distances(origin: u64, range: &Range<u64>) -> Option<(i32, i32)> {
    let last = range.end.checked_sub(RELAY_LEN as u64)?;
    let low = i128::from(range.start) - i128::from(origin);
    let high = i128::from(last) - i128::from(origin);
    let low = i32::try_from(low.max(i32::MIN.into())).ok()?;
    let high = i32::try_from(high.min(i32::MAX.into())).ok()?;
    (low <= high).then_some((low, high))
}

/// The least number from `least` on whose bits under `mask` are `bits`.
fn next(least: u32, mask: u32, bits: u32) -> Option<u32> {
    let wrong = (least & mask) ^ bits;
    let Some(top) = wrong.checked_ilog2() else { return Some(least) };
    // Bits above the highest wrong one are right.
    if bits >> top & 1 == 1 {
        let low = u32::MAX >> (31 - top);
        return Some(least & !low | bits & low);
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

const BREAKPOINTS: u32 = u32::from_ne_bytes([BREAKPOINT; 4]);

#[cfg(test)]
mod tests {
    use std::iter;

    use proptest::prelude::*;

    use super::{Pun, Relays};

    /// Every subset of the four boundaries.
    fn puns() -> impl Strategy<Value = Pun> {
        proptest::sample::subsequence(vec![1usize, 2, 3, 4], 0..=4).prop_map(|at| Pun::at(&at))
    }

    #[test]
    fn the_bytes_on_boundaries_are_breakpoints() {
        let jump = 0x5555_0000_0000;
        let pun = Pun::at(&[1, 4]);
        let found: Vec<u64> = Relays::new(jump, pun, iter::once(0..u64::MAX)).take(300).collect();
        assert_eq!(found.len(), 300);
        for relay in found {
            let bytes = super::super::near_jump(jump, relay).unwrap();
            assert_eq!((bytes[1], bytes[4]), (0xcc, 0xcc));
        }
    }

    #[test]
    fn four_boundaries_leave_one_address() {
        let jump = 0x5555_0000_0000_u64;
        let found: Vec<u64> =
            Relays::new(jump, Pun::at(&[1, 2, 3, 4]), iter::once(0..u64::MAX)).collect();
        assert_eq!(found, [jump + 5 - 0x3333_3334]);
    }

    #[test]
    fn ranges_are_kept_and_nearer_ones_come_first() {
        let jump = 0x1_0000_0000_u64;
        let origin = jump + 5;
        let free = [origin + 0x1000..origin + 0x1009, origin - 20..origin - 10, 0..3];
        let found: Vec<u64> = Relays::new(jump, Pun::free(), free).collect();
        let near = [origin - 17, origin - 18, origin - 19, origin - 20];
        let far = [origin + 0x1000, origin + 0x1001, origin + 0x1002];
        assert_eq!(found, [near.as_slice(), &far].concat());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn up_and_down_skip_nothing(pun in puns(), from: i32) {
            let up = pun.up(from);
            prop_assert!(up.is_none_or(|it| it >= from && pun.fits(it)));
            let limit = up.unwrap_or(i32::MAX).min(from.saturating_add(2000));
            prop_assert!((from..limit).all(|it| !pun.fits(it)));
            let down = pun.down(from);
            prop_assert!(down.is_none_or(|it| it <= from && pun.fits(it)));
            let limit = down.unwrap_or(i32::MIN).max(from.saturating_sub(2000));
            prop_assert!((limit..=from).rev().take_while(|it| *it > limit).all(|it| !pun.fits(it)));
        }

        #[test]
        fn nothing_fits_beyond_what_is_found(pun in puns(), byte: u8, low: u16) {
            // The next that fits is at most one step of the lowest free byte away, or there is none.
            let from = i32::from_le_bytes([low as u8, (low >> 8) as u8, byte, 0x10]);
            let (up, down) = (pun.up(from), pun.down(from));
            prop_assert_eq!(pun.fits(from), up == Some(from));
            prop_assert_eq!(pun.fits(from), down == Some(from));
            if let (Some(up), Some(down)) = (up, down) {
                prop_assert!(down <= from && from <= up);
                prop_assert_eq!(pun.up(down.saturating_add(1).max(down)), if up == down { pun.up(up.saturating_add(1)) } else { Some(up) });
            }
        }
    }
}
