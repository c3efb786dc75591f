//! Bytes between functions that nobody runs.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};

/// How many bytes at the beginning of `code` are padding: no-operations and breakpoints.
///
/// Zero bytes are not: they are what data and cut-off functions look like.
pub(super) fn at_start(code: &[u8]) -> usize {
    runs(code).next().map_or(0, |(from, to)| if from == 0 { to } else { 0 })
}

/// How many bytes at the end of `code` are padding, read from its beginning.
pub(super) fn at_end(code: &[u8]) -> usize {
    runs(code).last().map_or(0, |(from, to)| if to == code.len() { to - from } else { 0 })
}

/// Stretches of padding, in order.
fn runs(code: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    std::iter::from_fn(move || {
        let mut from = None;
        while decoder.can_decode() {
            let at = decoder.position();
            decoder.decode_out(&mut instruction);
            match (from, is_padding(&instruction)) {
                (None, true) => from = Some(at),
                (Some(from), false) => return Some((from, at)),
                _ => {}
            }
        }
        from.map(|from| (from, code.len()))
    })
}

fn is_padding(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Nop | Mnemonic::Int3)
}

/// Where compilers and linkers begin functions, if nobody says otherwise: padding behind a function
/// of unknown size is its own up to here only.
pub(super) const ALIGNMENT: u64 = 16;

#[cfg(test)]
mod tests {
    use super::{at_end, at_start};

    #[test]
    fn no_operations_and_breakpoints_are_padding_zeros_are_not() {
        // nop word [rax+rax]; int3; nop; ret
        let code = [0x66, 0x0f, 0x1f, 0x44, 0, 0, 0xcc, 0x90, 0xc3];
        assert_eq!((at_start(&code), at_end(&code)), (8, 0));
        assert_eq!((at_start(&code[..8]), at_end(&code[..8])), (8, 8));
        assert_eq!((at_start(&[0, 0, 0, 0]), at_end(&[0, 0, 0, 0])), (0, 0));
        assert_eq!((at_start(&[0xc3, 0x90, 0x90]), at_end(&[0xc3, 0x90, 0x90])), (0, 2));
        assert_eq!((at_start(&[]), at_end(&[])), (0, 0));
    }

    #[test]
    fn a_no_operation_that_is_cut_off_is_not_padding() {
        assert_eq!(at_start(&[0x66, 0x0f, 0x1f]), 0);
        assert_eq!(at_start(&[0x90, 0x66, 0x0f, 0x1f]), 1);
    }
}
