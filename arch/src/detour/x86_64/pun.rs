//! Punned jumps: distances whose bytes are breakpoints where a thread may stand.

use std::ops::Range;

use super::super::Relays;
use super::super::relays::{Pattern, Reach};
use super::jump::{BREAKPOINT, JUMP_LEN, RELAY_LEN};

/// The relays that fit a near jump at `jump` with breakpoints at these offsets of it.
pub(super) fn relays(
    jump: u64,
    boundaries: &[usize],
    free: impl IntoIterator<Item = Range<u64>>,
) -> Relays {
    let inside = boundaries.iter().filter(|at| (1..JUMP_LEN).contains(*at));
    let mask = inside.fold(0, |mask, at| mask | 0xff << (8 * (at - 1)));
    let reach = Reach {
        origin: jump.wrapping_add(JUMP_LEN as u64),
        span: (i32::MIN, i32::MAX),
        pattern: Pattern::new(mask, u32::from_ne_bytes([BREAKPOINT; 4])),
        relay: RELAY_LEN,
    };
    Relays::new(reach, free)
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::relays;

    #[test]
    fn the_bytes_on_boundaries_are_breakpoints() {
        let jump = 0x5555_0000_0000;
        let found: Vec<u64> = relays(jump, &[1, 4], iter::once(0..u64::MAX)).take(300).collect();
        assert_eq!(found.len(), 300);
        for relay in found {
            let bytes = super::super::near_jump(jump, relay).unwrap();
            assert_eq!((bytes[1], bytes[4]), (0xcc, 0xcc));
        }
    }

    #[test]
    fn four_boundaries_leave_one_address() {
        let jump = 0x5555_0000_0000_u64;
        let found: Vec<u64> = relays(jump, &[1, 2, 3, 4], iter::once(0..u64::MAX)).collect();
        assert_eq!(found, [jump + 5 - 0x3333_3334]);
    }

    #[test]
    fn ranges_are_kept_and_nearer_ones_come_first() {
        let jump = 0x1_0000_0000_u64;
        let origin = jump + 5;
        let free = [origin + 0x1000..origin + 0x1009, origin - 20..origin - 10, 0..3];
        let found: Vec<u64> = relays(jump, &[], free).collect();
        let near = [origin - 17, origin - 18, origin - 19, origin - 20];
        let far = [origin + 0x1000, origin + 0x1001, origin + 0x1002];
        assert_eq!(found, [near.as_slice(), &far].concat());
    }
}
