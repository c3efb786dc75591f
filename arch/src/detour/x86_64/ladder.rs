//! The tiers, tried one after the other.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};

use super::super::patch::WORD;
use super::super::{Branch, Means, Reason, Tier};
use super::block::{Block, Cover, calls};
use super::jump::{BREAKPOINT, JUMP_LEN};
use super::prologue::Prologue;

/// How a tier patches the entry.
#[derive(Clone, Debug)]
pub(super) struct Rung {
    pub(super) cover: Cover,
    pub(super) block: Block,
    /// Where the long jump behind a short one goes.
    pub(super) island: Option<u64>,
}

impl Rung {
    /// How `tier` patches the entry, or why it cannot.
    pub(super) fn new(tier: Tier, prologue: &Prologue<'_>, means: Means) -> Result<Self, Reason> {
        if tier != Tier::StopTheWorld && prologue.loops().next().is_some() && !means.traps {
            return Err(Reason::NeedsTraps);
        }
        match tier {
            Tier::PatchableEntry if !is_long_nop(prologue) => Err(Reason::NotPatchable),
            Tier::PatchableEntry | Tier::FirstInstruction => first_instruction(prologue, means),
            Tier::Punned => punned(prologue, means),
            Tier::ShortJump => short_jump(prologue, means),
            Tier::StopTheWorld => stopped(prologue, means),
            Tier::Breakpoint => breakpoint(prologue, means),
        }
    }

    fn of(prologue: &Prologue<'_>, cover: Cover) -> Result<Self, Reason> {
        let block = Block::new(prologue, &cover)?;
        Ok(Self { cover, block, island: None })
    }
}

fn is_long_nop(prologue: &Prologue<'_>) -> bool {
    let code = &prologue.function.code[prologue.pad..];
    let first = Decoder::new(64, code, DecoderOptions::NONE).decode();
    first.mnemonic() == Mnemonic::Nop && first.len() >= JUMP_LEN
}

fn first_instruction(prologue: &Prologue<'_>, means: Means) -> Result<Rung, Reason> {
    let cover = Cover::new(prologue, JUMP_LEN)?;
    if let Some(&len) = cover.inner.first() {
        return Err(Reason::FirstInstructionShort { len });
    }
    one_store(prologue, &cover, means)?;
    Rung::of(prologue, cover)
}

/// Without breakpoints to keep threads out, the patch has to be there all at once.
fn one_store(prologue: &Prologue<'_>, cover: &Cover, means: Means) -> Result<(), Reason> {
    let (first, last) = (prologue.entry(), prologue.entry() + cover.patch as u64 - 1);
    if means.traps || (first / WORD == last / WORD && cover.inner.is_empty()) {
        return Ok(());
    }
    Err(Reason::NotOneStore { address: first })
}

fn punned(prologue: &Prologue<'_>, means: Means) -> Result<Rung, Reason> {
    if !means.traps {
        return Err(Reason::NeedsTraps);
    }
    Rung::of(prologue, Cover::new(prologue, JUMP_LEN)?)
}

fn short_jump(prologue: &Prologue<'_>, means: Means) -> Result<Rung, Reason> {
    let cover = Cover::new(prologue, 2)?;
    one_store(prologue, &cover, means)?;
    let island = island(prologue, &cover).ok_or(Reason::NoPadding)?;
    let mut rung = Rung::of(prologue, cover)?;
    rung.island = Some(island);
    Ok(rung)
}

/// The place nearest to the entry, in padding, that takes a near jump and that a short one reaches.
fn island(prologue: &Prologue<'_>, cover: &Cover) -> Option<u64> {
    let from = prologue.entry() + 2;
    let above = prologue.function.address - prologue.padding_above() as u64;
    let above = (above..prologue.function.address).rev();
    let behind = prologue.end() + cover.padding as u64;
    let behind = behind..prologue.end() + prologue.padding_behind() as u64;
    let fits = |at: &u64| {
        let Ok(distance) = i8::try_from(at.wrapping_sub(from).cast_signed()) else { return false };
        // Where a thread may stand between the two bytes, the second is a breakpoint.
        cover.inner.is_empty() || distance.cast_unsigned() == BREAKPOINT
    };
    let len = JUMP_LEN as u64;
    let mut above = above.skip(JUMP_LEN - 1).take_while(|at| from - at <= REACH).filter(fits);
    let mut behind = behind
        .clone()
        .take_while(|at| at.wrapping_sub(from) <= REACH && at + len <= behind.end)
        .filter(fits);
    above.next().or_else(|| behind.next())
}

fn stopped(prologue: &Prologue<'_>, means: Means) -> Result<Rung, Reason> {
    if !means.stop {
        return Err(Reason::NeedsStop);
    }
    let cover = Cover::new(prologue, JUMP_LEN)?;
    let inner = |branch: &Branch| is_inner(prologue, &cover, branch);
    let mut into = prologue.branches_back().chain(prologue.sweep.taken.iter().copied());
    if let Some(branch) = into.find(inner) {
        return Err(Reason::BranchInto { branch });
    }
    let rung = Rung::of(prologue, cover)?;
    // Threads that stand in the patch are moved, but not what their callees return to. Around a
    // loop that moves, neither may anybody return into it, who would jump to the entry.
    let loops = prologue.loops().next().is_some();
    let until = if loops { rung.block.end() } else { prologue.entry() + JUMP_LEN as u64 };
    let returns = |it: &Instruction| calls(it) && it.next_ip() < until;
    match rung.block.decoder().iter().find(returns) {
        Some(call) => Err(Reason::CallReturnsInto { address: call.ip() }),
        None => Ok(rung),
    }
}

fn breakpoint(prologue: &Prologue<'_>, means: Means) -> Result<Rung, Reason> {
    if !means.breakpoint_alone {
        return Err(Reason::NotAskedFor);
    }
    if !means.traps {
        return Err(Reason::NeedsTraps);
    }
    Rung::of(prologue, Cover::new(prologue, 1)?)
}

/// Whether a branch leads under the patch, but not to its beginning.
pub(super) fn is_inner(prologue: &Prologue<'_>, cover: &Cover, branch: &Branch) -> bool {
    let at = branch.to.wrapping_sub(prologue.entry());
    at > 0 && at < cover.patch as u64
}

/// How far a short jump reaches, at most.
const REACH: u64 = 130;
