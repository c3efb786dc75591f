//! The tiers, tried one after the other.

use super::super::{Means, Reason, Tier};
use super::block::Block;
use super::prologue::Prologue;
use super::word::NOP;

/// How `tier` patches the entry: the instructions that move, or why it cannot.
pub(super) fn block(tier: Tier, prologue: &Prologue<'_>, means: Means) -> Result<Block, Reason> {
    let loops = !prologue.loops.is_empty();
    match tier {
        Tier::PatchableEntry if prologue.word(prologue.pad) != Some(NOP) => {
            return Err(Reason::NotPatchable);
        }
        Tier::Punned | Tier::ShortJump => return Err(Reason::NoSuchTier),
        Tier::StopTheWorld if !means.stop => return Err(Reason::NeedsStop),
        Tier::Breakpoint if !means.breakpoint_alone => return Err(Reason::NotAskedFor),
        Tier::Breakpoint if !means.traps => return Err(Reason::NeedsTraps),
        Tier::PatchableEntry | Tier::FirstInstruction if loops && !means.traps => {
            return Err(Reason::NeedsTraps);
        }
        _ => {}
    }
    let block = Block::new(prologue)?;
    if tier == Tier::StopTheWorld && loops {
        // Threads are moved, but not what their callees return to.
        if let Some((address, _)) = block.each().find(|(_, word)| word.calls()) {
            return Err(Reason::CallReturnsInto { address });
        }
    }
    Ok(block)
}
