//! Random instructions, for tests: whatever decodes, and made to measure what depends on its place.

use iced_x86::{Code, Decoder, DecoderOptions, Encoder, Instruction, MemoryOperand, Register};
use proptest::prelude::*;

/// Where streams lie.
pub(super) const ADDRESS: u64 = 0x7f00_0040_1000;

/// One instruction of a stream.
#[derive(Clone, Debug)]
enum Piece {
    /// The first instruction in these bytes, if there is one.
    Bytes([u8; 15]),
    /// A branch of this kind to the start of an earlier instruction.
    Back(Code, prop::sample::Index),
    /// A branch of this kind, so far from the beginning.
    Branch(Code, i16),
    /// A memory operand so far from the beginning.
    Refers(Code, i32),
}

/// Bytes of up to a dozen instructions.
pub(super) fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 1..12).prop_map(|pieces| encode(&pieces))
}

fn piece() -> impl Strategy<Value = Piece> {
    let branch = prop::sample::select(BRANCHES.to_vec());
    let refers = prop::sample::select(REFERENCES.to_vec());
    prop_oneof![
        4 => any::<[u8; 15]>().prop_map(Piece::Bytes),
        1 => (branch.clone(), any::<prop::sample::Index>())
            .prop_map(|(code, index)| Piece::Back(code, index)),
        1 => (branch.clone(), -20i16..60).prop_map(|(code, at)| Piece::Branch(code, at)),
        1 => (branch, any::<i16>()).prop_map(|(code, at)| Piece::Branch(code, at)),
        1 => (refers.clone(), -40i32..40).prop_map(|(code, at)| Piece::Refers(code, at)),
        1 => (refers, any::<i32>()).prop_map(|(code, at)| Piece::Refers(code, at)),
    ]
}

fn encode(pieces: &[Piece]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut starts = vec![ADDRESS];
    for piece in pieces {
        let here = ADDRESS + bytes.len() as u64;
        let instruction = match piece {
            Piece::Bytes(random) => {
                Some(Decoder::with_ip(64, random, here, DecoderOptions::NONE).decode())
            }
            Piece::Back(code, index) => Instruction::with_branch(*code, *index.get(&starts)).ok(),
            Piece::Branch(code, at) => {
                Instruction::with_branch(*code, ADDRESS.wrapping_add_signed((*at).into())).ok()
            }
            Piece::Refers(code, at) => {
                Some(reference(*code, here.wrapping_add_signed((*at).into())))
            }
        };
        let instruction = instruction.filter(|it| !it.is_invalid());
        if let (Piece::Bytes(random), Some(it)) = (piece, instruction) {
            // As it is: an encoder would choose its own form.
            bytes.extend_from_slice(&random[..it.len()]);
        } else if let Some(it) = instruction {
            let mut encoder = Encoder::new(64);
            // A short branch may not reach; then there is none.
            if encoder.encode(&it, here).is_ok() {
                bytes.extend(encoder.take_buffer());
            }
        }
        starts.push(ADDRESS + bytes.len() as u64);
    }
    bytes
}

fn reference(code: Code, address: u64) -> Instruction {
    let memory = MemoryOperand::with_base_displ(Register::RIP, address.cast_signed());
    match code {
        Code::Cmp_rm32_imm8 => Instruction::with2(code, memory, 7),
        Code::Call_rm64 | Code::Jmp_rm64 => Instruction::with1(code, memory),
        Code::Mov_rm64_r64 => Instruction::with2(code, memory, Register::R9),
        Code::Mov_r32_rm32 => Instruction::with2(code, Register::R12D, memory),
        Code::Movups_xmm_xmmm128 => Instruction::with2(code, Register::XMM9, memory),
        _ => Instruction::with2(code, Register::R13, memory),
    }
    .expect("these forms exist")
}

const BRANCHES: [Code; 9] = [
    Code::Je_rel8_64,
    Code::Jg_rel32_64,
    Code::Jmp_rel8_64,
    Code::Jmp_rel32_64,
    Code::Call_rel32_64,
    Code::Loop_rel8_64_RCX,
    Code::Loopne_rel8_64_ECX,
    Code::Jrcxz_rel8_64,
    Code::Jecxz_rel8_64,
];

const REFERENCES: [Code; 8] = [
    Code::Lea_r64_m,
    Code::Mov_r64_rm64,
    Code::Mov_r32_rm32,
    Code::Mov_rm64_r64,
    Code::Cmp_rm32_imm8,
    Code::Call_rm64,
    Code::Jmp_rm64,
    Code::Movups_xmm_xmmm128,
];
