//! The moved block, written anew for another place.

use iced_x86::{Code, Decoder, Instruction, Register};

use super::super::{Original, Place, Refusal};
use super::block::{Block, calls, ends_flow};
use super::emit::Emitter;
use super::jump::{CALL_THROUGH, JUMP_LEN, JUMP_THROUGH, NEAR, RELAY_LEN, distance};
use super::role::{Branching, Role};
use super::text::text;

/// Bytes that should mean what the block means; nobody has checked them.
///
/// Verifying them turns them into an [`Original`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved(pub(super) Original);

impl Block {
    /// Writes the block for `address`.
    pub(super) fn relocate(&self, address: u64) -> Result<Moved, Refusal> {
        let mut writer = Writer { block: self, emitter: Emitter::new(address), places: Vec::new() };
        writer.emitter.plain(self.landing_pad());
        let mut decoder = self.decoder();
        let mut falls_through = true;
        let mut instruction = Instruction::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            writer.instruction(&instruction, &decoder)?;
            falls_through = !ends_flow(&instruction);
        }
        if falls_through {
            let to = writer.emitter.here();
            writer.places.push(Place { from: self.end(), to, calls: false });
            writer.jump(self.end());
        }
        let Writer { emitter, places, .. } = writer;
        let (bytes, code) = emitter.finish(&places);
        Ok(Moved(Original { address, bytes, places, code }))
    }
}

struct Writer<'a> {
    block: &'a Block,
    emitter: Emitter,
    places: Vec<Place>,
}

impl Writer<'_> {
    fn instruction(&mut self, it: &Instruction, decoder: &Decoder<'_>) -> Result<(), Refusal> {
        self.places.push(Place { from: it.ip(), to: self.emitter.here(), calls: calls(it) });
        let immovable = |why| Refusal::Immovable { address: it.ip(), text: text(it), why };
        match Role::of(it, self.block).map_err(immovable)? {
            Role::Plain => self.emitter.plain(self.block.bytes_of(it)),
            Role::Call(target) => self.call(target),
            Role::Jump(target, Branching::Always) => self.jump_or_inside(target),
            Role::Jump(target, Branching::Flags(number)) => self.conditional(number, target),
            Role::Jump(target, Branching::Counter) => self.counter(it, target),
            Role::Refers(target) => self.refers(it, decoder, target)?,
        }
        Ok(())
    }

    fn call(&mut self, target: u64) {
        if !self.emitter.relative(&[0xe8], target) {
            self.emitter.refer_to_literal(&CALL_THROUGH, target);
        }
    }

    fn jump_or_inside(&mut self, target: u64) {
        match self.block.place(target) {
            Some(place) => self.emitter.refer_to_moved(&[NEAR], place),
            None => self.jump(target),
        }
    }

    /// A jump out of the block.
    fn jump(&mut self, target: u64) {
        if !self.emitter.relative(&[NEAR], target) {
            self.emitter.refer_to_literal(&JUMP_THROUGH, target);
        }
    }

    fn conditional(&mut self, number: u8, target: u64) {
        let near = [0x0f, 0x80 | number];
        if let Some(place) = self.block.place(target) {
            self.emitter.refer_to_moved(&near, place);
        } else if !self.emitter.relative(&near, target) {
            // The opposite condition jumps over the long way.
            self.emitter.plain(&[0x70 | (number ^ 1), RELAY_LEN as u8]);
            self.emitter.refer_to_literal(&JUMP_THROUGH, target);
        }
    }

    /// `loop` and its like reach 127 bytes only: over a jump to the next instruction, to a jump
    /// that goes where they went.
    fn counter(&mut self, it: &Instruction, target: u64) {
        let bytes = self.block.bytes_of(it);
        self.emitter.plain(&bytes[..bytes.len() - 1]);
        self.emitter.plain(&[2]);
        let jump_end = self.emitter.here() + 2 + JUMP_LEN as u64;
        let is_near = self.block.place(target).is_some() || distance(jump_end, target).is_some();
        let over = if is_near { JUMP_LEN } else { RELAY_LEN };
        self.emitter.plain(&[0xeb, over as u8]);
        self.jump_or_inside(target);
    }

    fn refers(
        &mut self,
        it: &Instruction,
        decoder: &Decoder<'_>,
        target: u64,
    ) -> Result<(), Refusal> {
        let end = self.emitter.here().wrapping_add(it.len() as u64);
        let Some(distance) = distance(end, target) else { return self.refers_far(it, target) };
        let mut bytes = [0; 15];
        let bytes = &mut bytes[..it.len()];
        bytes.copy_from_slice(self.block.bytes_of(it));
        let at = decoder.get_constant_offsets(it).displacement_offset();
        bytes[at..at + 4].copy_from_slice(&distance.to_le_bytes());
        self.emitter.plain(bytes);
        Ok(())
    }

    /// An address in full needs a register: only one that is written to anyway may be taken.
    fn refers_far(&mut self, it: &Instruction, target: u64) -> Result<(), Refusal> {
        let register = it.op0_register().full_register();
        match it.code() {
            Code::Lea_r64_m => self.load_address(register, target),
            Code::Mov_r64_rm64 | Code::Mov_r32_rm32
                if register != Register::RSP && it.segment_prefix() == Register::None =>
            {
                self.load_address(register, target);
                self.load_through(register, it.code() == Code::Mov_r64_rm64);
            }
            _ => return Err(Refusal::OutOfReach { address: it.ip(), text: text(it), target }),
        }
        Ok(())
    }

    /// `mov register, value`, in full.
    fn load_address(&mut self, register: Register, value: u64) {
        let number = register.number() as u8;
        self.emitter.plain(&[0x48 | number >> 3, 0xb8 | number & 7]);
        self.emitter.plain(&value.to_le_bytes());
    }

    /// `mov register, [register]`.
    fn load_through(&mut self, register: Register, is_wide: bool) {
        let number = register.number() as u8;
        let (high, low) = (number >> 3, number & 7);
        let rex = 0x40 | u8::from(is_wide) << 3 | high << 2 | high;
        self.emitter.plain(&[rex, 0x8b, 0x40 | low << 3 | low]);
        if low == 4 {
            // r12, like rsp, can only be named in a second byte.
            self.emitter.plain(&[0x24]);
        }
        self.emitter.plain(&[0]);
    }
}
