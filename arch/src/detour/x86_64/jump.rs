//! Jumps and relays, as bytes.

/// A near jump.
///
/// `None` where `to` is more than two gigabytes away.
#[must_use]
pub fn near_jump(from: u64, to: u64) -> Option<[u8; JUMP_LEN]> {
    let [a, b, c, d] = distance(from.wrapping_add(JUMP_LEN as u64), to)?.to_le_bytes();
    Some([NEAR, a, b, c, d])
}

/// A short jump, of two bytes.
#[must_use]
pub fn short_jump(from: u64, to: u64) -> Option<[u8; 2]> {
    let distance = distance(from.wrapping_add(2), to)?;
    Some([0xeb, i8::try_from(distance).ok()?.cast_unsigned()])
}

/// A jump to anywhere, with its target behind it.
#[must_use]
pub fn far_jump(to: u64) -> [u8; RELAY_LEN + 8] {
    let mut bytes = [0; RELAY_LEN + 8];
    bytes[..3].copy_from_slice(&JUMP_THROUGH);
    bytes[RELAY_LEN..].copy_from_slice(&to.to_le_bytes());
    bytes
}

/// A relay: a jump to what the slot at `slot` holds.
///
/// It expects no landing pad (`notrack`): a slot may hold any function.
#[must_use]
pub fn relay(at: u64, slot: u64) -> Option<[u8; RELAY_LEN]> {
    let [a, b, c, d] = distance(at.wrapping_add(RELAY_LEN as u64), slot)?.to_le_bytes();
    let [x, y, z] = JUMP_THROUGH;
    Some([x, y, z, a, b, c, d])
}

/// What a relative operand says that ends at `from` and means `to`.
pub(super) fn distance(from: u64, to: u64) -> Option<i32> {
    i32::try_from(to.wrapping_sub(from).cast_signed()).ok()
}

/// How long a near jump is.
pub const JUMP_LEN: usize = 5;
/// How long a relay is.
pub const RELAY_LEN: usize = 7;
/// `int3`.
pub const BREAKPOINT: u8 = 0xcc;

pub(super) const NEAR: u8 = 0xe9;
/// `notrack jmp qword ptr [rip+..]`, but for the distance.
pub(super) const JUMP_THROUGH: [u8; 3] = [0x3e, 0xff, 0x25];
/// `notrack call qword ptr [rip+..]`, but for the distance.
pub(super) const CALL_THROUGH: [u8; 3] = [0x3e, 0xff, 0x15];

#[cfg(test)]
mod tests {
    use super::{far_jump, near_jump, relay, short_jump};

    #[test]
    fn jumps_reach_as_far_as_their_operands() {
        assert_eq!(near_jump(0x1000, 0x1005), Some([0xe9, 0, 0, 0, 0]));
        assert_eq!(near_jump(0x1000, 0x1000), Some([0xe9, 0xfb, 0xff, 0xff, 0xff]));
        let from = 0x7f00_0000_0000_u64;
        let last = from + 5 + 0x7fff_ffff;
        assert_eq!(near_jump(from, last), Some([0xe9, 0xff, 0xff, 0xff, 0x7f]));
        assert_eq!(near_jump(from, last + 1), None);
        assert_eq!(near_jump(from, from + 5 - 0x8000_0000), Some([0xe9, 0, 0, 0, 0x80]));
        assert_eq!(near_jump(from, from + 4 - 0x8000_0000), None);
        assert_eq!(short_jump(0x1000, 0x1002 + 127), Some([0xeb, 0x7f]));
        assert_eq!(short_jump(0x1000, 0x1002 - 128), Some([0xeb, 0x80]));
        assert_eq!(short_jump(0x1000, 0x1002 + 128), None);
        assert_eq!(relay(0x1000, 0x1007), Some([0x3e, 0xff, 0x25, 0, 0, 0, 0]));
        assert_eq!(relay(0x1000, 1 << 40), None);
        assert_eq!(far_jump(0x0102_0304_0506_0708)[7..], [8, 7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn distances_wrap_around_as_the_processor_does() {
        assert_eq!(near_jump(u64::MAX - 4, 0), Some([0xe9, 0, 0, 0, 0]));
        assert_eq!(near_jump(2, u64::MAX), Some([0xe9, 0xf8, 0xff, 0xff, 0xff]));
    }
}
