//! Proof that moved code means what it meant: decoded anew, instruction by instruction.
//!
//! Nothing is taken over from the writing of it but the bytes and the map of places, which has to
//! come out the same.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, OpKind};

use super::super::{Defect, Original, Place};
use super::block::{Block, calls, ends_flow};
use super::emit::LITERAL;
use super::jump::{BREAKPOINT, CALL_THROUGH, JUMP_THROUGH, RELAY_LEN};
use super::relocate::Moved;
use super::text::text;

impl Moved {
    /// Takes `moved` for the original of `block` if it means the same.
    pub(super) fn proven(self, block: &Block) -> Result<Original, Defect> {
        let Self(moved) = self;
        let mut proof = Proof::new(block, &moved);
        proof.landing_pad()?;
        let mut falls_through = true;
        for instruction in &mut block.decoder() {
            proof.instruction(&instruction)?;
            falls_through = !ends_flow(&instruction);
        }
        if falls_through {
            proof.way_back()?;
        }
        proof.places()?;
        proof.targets()?;
        proof.literals()?;
        Ok(moved)
    }
}

struct Proof<'a> {
    block: &'a Block,
    moved: &'a Original,
    decoder: Decoder<'a>,
    /// What moved where, as found.
    places: Vec<Place>,
    /// Jumps to within the block: where they are, where they lead, where they led.
    inside: Vec<(u64, u64, u64)>,
    /// Offsets of the literals that were read.
    literals: Vec<usize>,
}

impl<'a> Proof<'a> {
    fn new(block: &'a Block, moved: &'a Original) -> Self {
        let code = moved.bytes.get(..moved.code).unwrap_or_default();
        let decoder = Decoder::with_ip(64, code, moved.address, DecoderOptions::NONE);
        let (places, inside, literals) = (Vec::new(), Vec::new(), Vec::new());
        Self { block, moved, decoder, places, inside, literals }
    }

    fn landing_pad(&mut self) -> Result<(), Defect> {
        let pad = self.block.landing_pad();
        if !self.moved.bytes.starts_with(pad) {
            return Err(Defect::Leftover { at: self.moved.address });
        }
        if !pad.is_empty() {
            self.next();
        }
        Ok(())
    }

    fn next(&mut self) -> Instruction {
        self.decoder.decode()
    }

    fn instruction(&mut self, was: &Instruction) -> Result<(), Defect> {
        let is = self.next();
        self.places.push(Place { from: was.ip(), to: is.ip(), calls: calls(was) });
        let same = if was.op0_kind() == OpKind::NearBranch64 {
            self.branch(was, &is)
        } else if was.is_ip_rel_memory_operand() {
            self.refers(was, &is)
        } else {
            self.bytes_of(&is) == Some(self.block.bytes_of(was))
        };
        if same { Ok(()) } else { Err(differs(was, &is)) }
    }

    fn bytes_of(&self, it: &Instruction) -> Option<&[u8]> {
        let at = usize::try_from(it.ip().wrapping_sub(self.moved.address)).ok()?;
        self.moved.bytes.get(at..at + it.len())
    }

    /// A branch has the same condition and leads to the same place, directly or by a detour.
    fn branch(&mut self, was: &Instruction, is: &Instruction) -> bool {
        let target = was.near_branch_target();
        if was.is_call_near() {
            let direct = is.is_call_near() && is.near_branch_target() == target;
            return direct || self.reads_literal(is, CALL_THROUGH, target);
        }
        if was.is_jmp_short_or_near() {
            return self.jumps(is, target);
        }
        if was.is_jcc_short_or_near() {
            if !is.is_jcc_short_or_near() {
                return false;
            }
            if is.condition_code() == was.condition_code() {
                return self.leads(is, target);
            }
            let mut opposite = *was;
            opposite.negate_condition_code();
            return is.condition_code() == opposite.condition_code() && self.jumps_over(is, target);
        }
        self.is_same_but_last(was, is) && self.counter(is, target)
    }

    /// The same bytes but for the last, a short distance.
    fn is_same_but_last(&self, was: &Instruction, is: &Instruction) -> bool {
        let was = self.block.bytes_of(was).split_last();
        let is = self.bytes_of(is).and_then(<[u8]>::split_last);
        was.zip(is).is_some_and(|((_, was), (_, is))| was == is)
    }

    /// `is` jumps, always, to what was at `target`.
    fn jumps(&mut self, is: &Instruction, target: u64) -> bool {
        let direct = is.is_jmp_short_or_near() && self.leads(is, target);
        direct || self.reads_literal(is, JUMP_THROUGH, target)
    }

    /// The operand of `is` means what was at `target`.
    fn leads(&mut self, is: &Instruction, target: u64) -> bool {
        let leads = is.near_branch_target();
        match self.block.place(target) {
            Some(place) => {
                self.inside.push((is.ip(), leads, place));
                true
            }
            None => leads == target,
        }
    }

    /// `is` jumps over one jump to `target`.
    fn jumps_over(&mut self, is: &Instruction, target: u64) -> bool {
        let jump = self.next();
        self.jumps(&jump, target) && is.near_branch_target() == jump.next_ip()
    }

    /// `is` jumps over a short jump to a jump to `target`, and that short jump over it.
    fn counter(&mut self, is: &Instruction, target: u64) -> bool {
        let over = self.next();
        is.near_branch_target() == over.next_ip()
            && over.is_jmp_short()
            && self.jumps_over(&over, target)
    }

    /// The same instruction with the same address, or the address in full.
    fn refers(&mut self, was: &Instruction, is: &Instruction) -> bool {
        // Equal but for their own places: operands are compared as the addresses they mean.
        if is == was && is.is_ip_rel_memory_operand() && is.len() == was.len() {
            return true;
        }
        let register = was.op0_register().full_register();
        let address = is.code() == Code::Mov_r64_imm64
            && is.op0_register() == register
            && is.immediate64() == was.ip_rel_memory_address();
        match was.code() {
            Code::Lea_r64_m => address,
            Code::Mov_r64_rm64 | Code::Mov_r32_rm32 => {
                let load = self.next();
                address
                    && load.code() == was.code()
                    && load.op0_register() == was.op0_register()
                    && load.op1_kind() == OpKind::Memory
                    && load.memory_base() == register
                    && load.memory_index() == iced_x86::Register::None
                    && load.memory_index_scale() == 1
                    && load.memory_displacement64() == 0
                    && load.segment_prefix() == was.segment_prefix()
            }
            _ => false,
        }
    }

    /// `is` goes through a literal that holds `target`.
    fn reads_literal(&mut self, is: &Instruction, opcode: [u8; 3], target: u64) -> bool {
        if is.len() != RELAY_LEN || !self.bytes_of(is).is_some_and(|it| it.starts_with(&opcode)) {
            return false;
        }
        let offset = is.ip_rel_memory_address().wrapping_sub(self.moved.address);
        let Ok(at) = usize::try_from(offset) else { return false };
        self.literals.push(at);
        let bytes = at.checked_add(LITERAL as usize).and_then(|end| self.moved.bytes.get(at..end));
        at >= self.moved.code && bytes == Some(&target.to_le_bytes())
    }

    fn way_back(&mut self) -> Result<(), Defect> {
        let (is, target) = (self.next(), self.block.end());
        self.places.push(Place { from: target, to: is.ip(), calls: false });
        let direct = is.is_jmp_short_or_near() && is.near_branch_target() == target;
        if direct || self.reads_literal(&is, JUMP_THROUGH, target) {
            return Ok(());
        }
        Err(Defect::NoWayBack { at: is.ip(), target })
    }

    /// The map says what was found.
    fn places(&self) -> Result<(), Defect> {
        let wrong = self.places.iter().zip(&self.moved.places).find(|(found, said)| found != said);
        let longer = self.moved.places.get(self.places.len());
        let missing = self.places.get(self.moved.places.len());
        match wrong.map(|(found, _)| found).or(longer).or(missing) {
            Some(place) => Err(Defect::Misplaced { from: place.from, to: place.to }),
            None => Ok(()),
        }
    }

    /// Jumps within the block lead to the same instructions.
    fn targets(&self) -> Result<(), Defect> {
        for &(at, leads, target) in &self.inside {
            let place = self.places.iter().find(|place| place.from == target);
            if place.is_none_or(|place| place.to != leads) {
                return Err(Defect::Target { at, target });
            }
        }
        Ok(())
    }

    /// Behind the code there are literals that were read, and nothing else.
    fn literals(&mut self) -> Result<(), Defect> {
        let code = self.decoder.position();
        let leftover = |at: usize| Defect::Leftover { at: self.moved.address + at as u64 };
        if code != self.moved.code {
            return Err(leftover(code));
        }
        self.literals.sort_unstable();
        let mut at = code;
        for &literal in &self.literals {
            let gap = self.moved.bytes.get(at..literal).ok_or_else(|| leftover(at))?;
            if gap.len() >= LITERAL as usize || gap.iter().any(|byte| *byte != BREAKPOINT) {
                return Err(leftover(at));
            }
            at = literal + LITERAL as usize;
        }
        if at == self.moved.bytes.len() { Ok(()) } else { Err(leftover(at)) }
    }
}

#[cold]
fn differs(was: &Instruction, is: &Instruction) -> Defect {
    Defect::Differs { from: was.ip(), to: is.ip(), expected: text(was), found: text(is) }
}
