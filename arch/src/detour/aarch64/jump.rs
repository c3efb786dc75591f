//! Jumps and relays, as bytes.

use super::word::{JUMP, JUMP_TO, LOAD_ADDRESS, Word};

/// A jump.
///
/// `None` where `to` is more than 128 megabytes away.
#[must_use]
pub fn jump(from: u64, to: u64) -> Option<[u8; JUMP_LEN]> {
    Some(JUMP.with_target(from, to)?.0.to_le_bytes())
}

/// A relay: it takes back what the landing pad did that stays in place, and jumps to what the slot
/// at `slot` holds. It uses `x17`, as the linker's own veneers do.
///
/// `pad` is the landing pad, if there is one. `None` where the slot is more than four gigabytes
/// away, or not aligned.
#[must_use]
pub fn relay(at: u64, slot: u64, pad: Option<u32>) -> Option<Vec<u8>> {
    let undo = pad.and_then(|pad| Word(pad).undoes_signing());
    let at = at + if undo.is_some() { 4 } else { 0 };
    let page = Word(0x9000_0000 | SCRATCH).with_target(at, slot & !0xfff)?;
    if !slot.is_multiple_of(8) {
        return None;
    }
    let within = (slot & 0xfff) as u32 / 8;
    let load = Word(0xf940_0000 | within << 10 | SCRATCH << 5 | SCRATCH);
    let words = undo.into_iter().chain([page, load, Word(JUMP_TO.0 | SCRATCH << 5)]);
    Some(words.flat_map(|word| word.0.to_le_bytes()).collect())
}

/// `ldr register, literal`
pub(super) const fn load_address(register: u32) -> Word {
    Word(LOAD_ADDRESS.0 | register)
}

/// How long a jump is.
pub const JUMP_LEN: usize = 4;
/// How long a relay is, at most.
pub const RELAY_LEN: usize = 16;
/// `brk #0`
pub const BREAKPOINT: [u8; 4] = 0xd420_0000_u32.to_le_bytes();
/// A register that callers do not expect to be kept on the way to a function.
const SCRATCH: u32 = 17;

#[cfg(test)]
mod tests {
    use super::{jump, relay};

    #[test]
    fn jumps_reach_as_far_as_their_operands() {
        assert_eq!(jump(0x1000, 0x1000), Some([0, 0, 0, 0x14]));
        assert_eq!(jump(0x1000, 0x0ffc), Some([0xff, 0xff, 0xff, 0x17]));
        let from = 0x7f00_0000_0000_u64;
        assert_eq!(jump(from, from + (1 << 27) - 4), Some([0xff, 0xff, 0xff, 0x15]));
        assert_eq!(jump(from, from + (1 << 27)), None);
        assert_eq!(jump(from, from - (1 << 27)), Some([0, 0, 0, 0x16]));
        assert_eq!(jump(from, from + 2), None);
    }

    #[test]
    fn a_relay_undoes_what_the_landing_pad_did() {
        let words = |pad| -> Vec<u32> {
            let bytes = relay(0x40_0ffc, 0x41_2348, pad).unwrap();
            bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
        };
        // adrp x17, 0x412000; ldr x17, [x17, #0x348]; br x17
        assert_eq!(words(None), [0xd000_0091, 0xf941_a631, 0xd61f_0220]);
        assert_eq!(words(Some(0xd503_245f)), words(None));
        // autiasp; from the next page on, two pages less
        assert_eq!(words(Some(0xd503_233f)), [0xd503_23bf, 0xb000_0091, 0xf941_a631, 0xd61f_0220]);
        assert_eq!(relay(0, 0x1004, None), None);
        assert_eq!(relay(0, 1 << 33, None), None);
    }
}
