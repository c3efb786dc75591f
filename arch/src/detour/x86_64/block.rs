//! The instructions that move: those under the patch, and the loop that they are part of.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};

use super::super::{Branch, Reason};
use super::prologue::Prologue;
use super::role::Role;

/// What a patch of some length covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cover {
    /// How long the patch is.
    pub(super) patch: usize,
    /// How long the instructions are that begin under it.
    pub(super) len: usize,
    /// Offsets under the patch, beyond the first, at which instructions begin.
    pub(super) inner: Vec<usize>,
    /// How many bytes of padding it reaches over.
    pub(super) padding: usize,
}

impl Cover {
    /// What a patch of `patch` bytes at the entry covers.
    pub(super) fn new(prologue: &Prologue<'_>, patch: usize) -> Result<Self, Reason> {
        let code = &prologue.function.code[prologue.pad..prologue.body_len()];
        let mut cover = Self { patch, len: 0, inner: Vec::new(), padding: 0 };
        let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
        while cover.len < patch && prologue.sweep.boundaries.has(prologue.pad + cover.len) {
            if cover.len > 0 {
                cover.inner.push(cover.len);
            }
            cover.len += decoder.decode().len();
        }
        if cover.len < patch {
            // Bytes of the body that are no instruction are data, not room.
            let whole = cover.len == code.len();
            let room = cover.len + if whole { prologue.padding_behind() } else { 0 };
            if room < patch {
                return Err(Reason::TooShort { room, need: patch });
            }
            cover.padding = patch - cover.len;
        }
        cover.refuse_overlaps(prologue)?;
        Ok(cover)
    }

    fn refuse_overlaps(&self, prologue: &Prologue<'_>) -> Result<(), Reason> {
        let covered = prologue.pad..prologue.pad + self.patch;
        let mut covered = covered.filter(|at| prologue.sweep.overlapping.has(*at));
        let Some(at) = covered.next() else { return Ok(()) };
        Err(Reason::Overlap { address: prologue.function.address + at as u64 })
    }
}

/// The instructions that move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The landing pad and what follows it, as far as it moves.
    bytes: Vec<u8>,
    /// Where the function begins.
    pub(super) start: u64,
    /// How long the landing pad is.
    pub(super) pad: usize,
    /// How many bytes the patch writes over, the landing pad not counted.
    pub(super) patch: usize,
    /// Where its instructions begin.
    starts: Vec<u64>,
    /// Where the function ends.
    body_end: u64,
}

impl Block {
    /// The block that moves for a patch of `cover`.
    pub(super) fn new(prologue: &Prologue<'_>, cover: &Cover) -> Result<Self, Reason> {
        let mut end = prologue.pad + cover.len;
        for last in prologue.loops() {
            let at = (last.from - prologue.function.address) as usize;
            end = end.max(instructions_end(prologue, at, last)?);
        }
        let bytes = prologue.function.code[..end].to_vec();
        let start = prologue.function.address;
        let (pad, patch, body_end) = (prologue.pad, cover.patch, prologue.end());
        let mut block = Self { bytes, start, pad, patch, starts: Vec::new(), body_end };
        block.starts = block.decoder().iter().map(|it| it.ip()).collect();
        block.check()?;
        Ok(block)
    }

    /// Every instruction can move, and jumps among them lead from boundary to boundary.
    fn check(&self) -> Result<(), Reason> {
        for instruction in &mut self.decoder() {
            let address = instruction.ip();
            let role = Role::of(&instruction, self);
            match role.map_err(|why| Reason::Immovable { address, why })? {
                Role::Jump(target, _) if self.place(target).is_some_and(|at| !self.begins(at)) => {
                    let why = "it jumps into the middle of an instruction that moves";
                    return Err(Reason::Immovable { address, why });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn begins(&self, address: u64) -> bool {
        self.starts.binary_search(&address).is_ok()
    }

    /// Whether a call of `target` would be a call into the middle of the function.
    pub(super) fn is_own_middle(&self, target: u64) -> bool {
        (self.entry() + 1..self.body_end).contains(&target)
    }

    /// Where its first instruction is in the function.
    pub(super) const fn entry(&self) -> u64 {
        self.start + self.pad as u64
    }

    /// Where the function goes on behind it.
    pub(super) const fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The landing pad.
    pub(super) fn landing_pad(&self) -> &[u8] {
        &self.bytes[..self.pad]
    }

    /// The bytes of its instructions.
    pub(super) fn code(&self) -> &[u8] {
        &self.bytes[self.pad..]
    }

    /// The bytes of one of its instructions.
    pub(super) fn bytes_of(&self, instruction: &Instruction) -> &[u8] {
        let at = (instruction.ip() - self.start) as usize;
        &self.bytes[at..at + instruction.len()]
    }

    /// Its instructions, in order.
    pub(super) fn decoder(&self) -> Decoder<'_> {
        Decoder::with_ip(64, self.code(), self.entry(), DecoderOptions::NONE)
    }

    /// The place in the block that a jump to `target` means: a jump to the landing pad means the
    /// first instruction. What is read in two ways goes on where it was, unless that is patched.
    pub(super) fn place(&self, target: u64) -> Option<u64> {
        let place = target.max(self.entry());
        let moves = self.begins(place) || self.is_patched(place, 1);
        (target >= self.start && moves).then_some(place)
    }

    /// Whether `address` is written over.
    pub(super) fn is_patched(&self, address: u64, len: u64) -> bool {
        address < self.entry() + self.patch as u64 && address.saturating_add(len) > self.entry()
    }
}

/// Whether an instruction leaves an address to return to.
pub(super) fn calls(instruction: &Instruction) -> bool {
    instruction.is_call_near()
        || instruction.is_call_near_indirect()
        || instruction.is_call_far_indirect()
}

/// Whether nothing comes behind an instruction.
pub(super) fn ends_flow(instruction: &Instruction) -> bool {
    matches!(
        instruction.flow_control(),
        FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::Return
            | FlowControl::Exception
    )
}

impl Prologue<'_> {
    /// Branches back to the entry, that are no calls.
    pub(super) fn loops(&self) -> impl Iterator<Item = Branch> + '_ {
        self.sweep.branches.iter().copied().filter(|branch| branch.to <= self.entry())
    }
}

/// The end of the instruction at `at`, where all before it can move in one piece.
fn instructions_end(prologue: &Prologue<'_>, at: usize, last: Branch) -> Result<usize, Reason> {
    let code = &prologue.function.code[prologue.pad..prologue.body_len()];
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let mut end = prologue.pad;
    if !prologue.sweep.boundaries.has(at) {
        return Err(Reason::Overlap { address: last.from });
    }
    while end <= at {
        if !prologue.sweep.boundaries.has(end) || end > MAX_BLOCK {
            return Err(Reason::LoopTooLong { branch: last });
        }
        end += decoder.decode().len();
    }
    Ok(end)
}

/// A longer loop is left where it is.
const MAX_BLOCK: usize = 1 << 12;
