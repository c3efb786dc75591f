//! The choice of a tier, and everything that follows from it.

use std::ops::Range;

use super::super::relays::{Pattern, Reach};
use super::super::{Defect, Hazard, Means, Original, Passed, Patch, Reason, Refusal, Relays, Tier};
use super::block::Block;
use super::jump::{BREAKPOINT, JUMP_LEN, RELAY_LEN, jump};
use super::ladder;
use super::prologue::Prologue;
use super::relocate::Moved;
use super::word::text;

/// How a function's entry is to be patched.
#[derive(Clone, Debug)]
pub struct Plan {
    tier: Tier,
    passed: Vec<Passed>,
    hazards: Vec<Hazard>,
    block: Block,
    traps: Vec<u64>,
}

impl Plan {
    /// Takes the best tier that fits.
    ///
    /// # Errors
    /// [`Refusal`]: part of the body is not seen, or no tier fits.
    pub fn new(prologue: &Prologue<'_>, means: Means) -> Result<Self, Refusal> {
        Self::choose(prologue, means, &Tier::LADDER)
    }

    /// Takes this tier and no other.
    ///
    /// # Errors
    /// As for [`Plan::new`].
    pub fn with_tier(prologue: &Prologue<'_>, means: Means, tier: Tier) -> Result<Self, Refusal> {
        Self::choose(prologue, means, &[tier])
    }

    fn choose(prologue: &Prologue<'_>, means: Means, tiers: &[Tier]) -> Result<Self, Refusal> {
        if let Some(address) = prologue.unseen() {
            return Err(Refusal::NotSeenWhole { address });
        }
        let mut passed = Vec::new();
        for &tier in tiers {
            match ladder::block(tier, prologue, means) {
                Ok(block) => return Ok(Self::of(prologue, tier, block, passed)),
                Err(reason) => passed.push(Passed { tier, reason }),
            }
        }
        Err(refusal(prologue, passed))
    }

    fn of(prologue: &Prologue<'_>, tier: Tier, block: Block, passed: Vec<Passed>) -> Self {
        let traps = prologue.loops.iter().map(|branch| branch.from);
        // A branch under the patch is written over anyway; threads that are stopped are moved.
        let is_trap = |from: &u64| *from > prologue.entry() && tier != Tier::StopTheWorld;
        let traps = traps.filter(is_trap).collect();
        let hazards = hazards(prologue, tier, &block);
        Self { tier, passed, hazards, block, traps }
    }

    /// The tier.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.tier
    }

    /// The better tiers, and why they do not fit.
    #[must_use]
    pub fn passed(&self) -> &[Passed] {
        &self.passed
    }

    /// What is to be known before it is carried out.
    #[must_use]
    pub fn hazards(&self) -> &[Hazard] {
        &self.hazards
    }

    /// Where the patch goes.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.block.entry()
    }

    /// The landing pad that stays before the patch, for [`relay`](super::relay) to undo.
    #[must_use]
    pub fn landing_pad(&self) -> Option<u32> {
        self.block.pad().map(|pad| pad.0)
    }

    /// The addresses, in the function, of the instructions that move.
    #[must_use]
    pub const fn moves(&self) -> Range<u64> {
        self.block.entry()..self.block.end()
    }

    /// Where in `free` memory a relay fits, the nearest first.
    pub fn relays(&self, free: impl IntoIterator<Item = Range<u64>>) -> Relays {
        let reach = Reach {
            origin: self.entry(),
            span: (-(1 << 27), (1 << 27) - 1),
            pattern: Pattern::new(JUMP_LEN as u32 - 1, 0),
            relay: RELAY_LEN,
        };
        Relays::new(reach, free)
    }

    /// Writes the moved instructions for a trampoline at `address`, a multiple of four.
    ///
    /// # Errors
    /// [`Refusal::OutOfReach`]: something that they refer to is too far from there, and no register
    /// is free to go the long way.
    pub fn relocate(&self, address: u64) -> Result<Moved, Refusal> {
        self.block.relocate(address)
    }

    /// What is to be written for a relay at `relay`.
    ///
    /// # Errors
    /// [`Refusal::RelayDoesNotFit`]
    pub fn patch(&self, relay: u64) -> Result<Patch, Refusal> {
        let address = self.entry();
        let new = match self.tier {
            Tier::Breakpoint => BREAKPOINT,
            _ => jump(address, relay).ok_or(Refusal::RelayDoesNotFit { address, relay })?,
        };
        Ok(Patch {
            address,
            old: self.block.patched().0.to_le_bytes().to_vec(),
            new: new.to_vec(),
            boundaries: Vec::new(),
            traps: self.traps.clone(),
            island: None,
        })
    }
}

impl Moved {
    /// The bytes, as written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    /// Proves, instruction by instruction, that the bytes mean what `plan` moves.
    ///
    /// # Errors
    /// The first [`Defect`].
    pub fn verify(self, plan: &Plan) -> Result<Original, Defect> {
        self.proven(&plan.block)
    }
}

/// The refusal that tells most.
fn refusal(prologue: &Prologue<'_>, passed: Vec<Passed>) -> Refusal {
    let immovable = passed.iter().find_map(|passed| match passed.reason {
        Reason::Immovable { address, why } => Some((address, why)),
        _ => None,
    });
    let Some((address, why)) = immovable else {
        return Refusal::NoTier { address: prologue.entry(), passed };
    };
    let word = prologue.word((address - prologue.function.address) as usize);
    let text = word.map(|word| text(word, address)).unwrap_or_default();
    Refusal::Immovable { address, text, why }
}

fn hazards(prologue: &Prologue<'_>, tier: Tier, block: &Block) -> Vec<Hazard> {
    let mut hazards: Vec<Hazard> =
        prologue.loops.iter().copied().map(Hazard::LoopToEntry).collect();
    hazards.extend(prologue.doubts());
    let calls = block.each().filter(|(_, word)| word.calls());
    hazards.extend(calls.map(|(address, _)| Hazard::CallMoved { address }));
    if tier != Tier::StopTheWorld {
        let at_entry = (block.entry(), block.patched());
        let trapped = block.each().filter(|(at, _)| prologue.loops.iter().any(|it| it.from == *at));
        let written = trapped.filter(|it| *it != at_entry).chain([at_entry]);
        let bad = written.filter(|(_, word)| !word.is_replaceable());
        hazards.extend(bad.map(|(address, _)| Hazard::NotReplaceable { address }));
    }
    hazards
}
