//! The choice of a tier, and everything that follows from it.

use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions};

use super::super::patch::WORD;
use super::super::{
    Branch, Defect, Hazard, Means, Original, Passed, Patch, Reason, Refusal, Relays, Tier,
};
use super::block::{Block, calls};
use super::jump::{BREAKPOINT, near_jump, short_jump};
use super::ladder::{Rung, is_inner};
use super::prologue::Prologue;
use super::pun;
use super::relocate::Moved;
use super::text::text;

/// How a function's entry is to be patched.
#[derive(Clone, Debug)]
pub struct Plan {
    tier: Tier,
    passed: Vec<Passed>,
    hazards: Vec<Hazard>,
    rung: Rung,
    old: Vec<u8>,
    traps: Vec<u64>,
}

impl Plan {
    /// Takes the best tier that fits.
    ///
    /// # Errors
    /// [`Refusal`]: what the body does makes every entry jump wrong, or no tier fits.
    pub fn new(prologue: &Prologue<'_>, means: Means) -> Result<Self, Refusal> {
        refuse_doubts(prologue)?;
        let mut passed = Vec::new();
        for tier in Tier::LADDER {
            match Rung::new(tier, prologue, means) {
                Ok(rung) => return Ok(Self::of(prologue, tier, rung, passed)),
                Err(reason) => passed.push(Passed { tier, reason }),
            }
        }
        Err(refusal(prologue, passed))
    }

    /// Takes this tier and no other.
    ///
    /// # Errors
    /// As for [`Plan::new`].
    pub fn with_tier(prologue: &Prologue<'_>, means: Means, tier: Tier) -> Result<Self, Refusal> {
        refuse_doubts(prologue)?;
        match Rung::new(tier, prologue, means) {
            Ok(rung) => Ok(Self::of(prologue, tier, rung, Vec::new())),
            Err(reason) => Err(refusal(prologue, vec![Passed { tier, reason }])),
        }
    }

    fn of(prologue: &Prologue<'_>, tier: Tier, rung: Rung, passed: Vec<Passed>) -> Self {
        let old = prologue.function.code[prologue.pad..][..rung.cover.patch].to_vec();
        let traps = prologue.loops().map(|branch| branch.from);
        // A branch under the patch is written over anyway; threads that are stopped are moved.
        let patched = prologue.entry() + rung.cover.patch as u64;
        let is_trap = |from: &u64| *from >= patched && tier != Tier::StopTheWorld;
        let traps = traps.filter(is_trap).collect();
        let hazards = hazards(prologue, &rung);
        Self { tier, passed, hazards, rung, old, traps }
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
        self.rung.block.entry()
    }

    /// The addresses, in the function, of the instructions that move.
    #[must_use]
    pub const fn moves(&self) -> Range<u64> {
        self.rung.block.entry()..self.rung.block.end()
    }

    /// Where in `free` memory a relay fits, the nearest first.
    pub fn relays(&self, free: impl IntoIterator<Item = Range<u64>>) -> Relays {
        let is_free = self.rung.island.is_some() || self.tier == Tier::StopTheWorld;
        let boundaries = if is_free { &[][..] } else { &self.rung.cover.inner };
        pun::relays(self.jump_at(), boundaries, free)
    }

    /// Writes the moved instructions for a trampoline at `address`.
    ///
    /// # Errors
    /// [`Refusal::OutOfReach`]: something that they refer to is too far from there.
    pub fn relocate(&self, address: u64) -> Result<Moved, Refusal> {
        self.rung.block.relocate(address)
    }

    /// What is to be written for a relay at `relay`.
    ///
    /// # Errors
    /// [`Refusal::RelayDoesNotFit`]
    pub fn patch(&self, relay: u64) -> Result<Patch, Refusal> {
        let address = self.entry();
        let unfit = Refusal::RelayDoesNotFit { address, relay };
        let jump = near_jump(self.jump_at(), relay).ok_or_else(|| unfit.clone());
        let (new, island) = match (self.tier, self.rung.island) {
            (Tier::Breakpoint, _) => (vec![BREAKPOINT], None),
            (_, Some(island)) => {
                let short = short_jump(address, island).ok_or_else(|| unfit.clone())?;
                (short.to_vec(), Some((island, jump?.to_vec())))
            }
            (_, None) => (jump?.to_vec(), None),
        };
        let boundaries = if self.tier == Tier::StopTheWorld {
            Vec::new()
        } else {
            self.rung.cover.inner.clone()
        };
        if boundaries.iter().any(|at| new[*at] != BREAKPOINT) {
            return Err(unfit);
        }
        let (old, traps) = (self.old.clone(), self.traps.clone());
        Ok(Patch { address, old, new, boundaries, traps, island })
    }

    /// Where the jump to the relay lies.
    fn jump_at(&self) -> u64 {
        self.rung.island.unwrap_or(self.entry())
    }

    pub(super) const fn block(&self) -> &Block {
        &self.rung.block
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
        self.proven(plan.block())
    }
}

/// What makes every entry jump wrong: a way back to the entry that no breakpoint tells from a call.
fn refuse_doubts(prologue: &Prologue<'_>) -> Result<(), Refusal> {
    let entry = prologue.entry();
    let to_entry = |branch: &&Branch| branch.to <= entry;
    if let Some(&branch) = prologue.in_doubt.iter().find(to_entry) {
        return Err(Refusal::InDoubt { branch });
    }
    if let Some(&branch) = prologue.sweep.tabled.iter().find(to_entry) {
        return Err(Refusal::TableToEntry { branch });
    }
    match prologue.sweep.untold.first() {
        Some(&address) if prologue.function.size.is_none() => {
            Err(Refusal::NotSeenWhole { address })
        }
        _ => Ok(()),
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
    let at = (address - prologue.function.address) as usize;
    let code = &prologue.function.code[at..];
    let instruction = Decoder::with_ip(64, code, address, DecoderOptions::NONE).decode();
    Refusal::Immovable { address, text: text(&instruction), why }
}

fn hazards(prologue: &Prologue<'_>, rung: &Rung) -> Vec<Hazard> {
    let inner = |branch: &Branch| is_inner(prologue, &rung.cover, branch);
    let mut hazards: Vec<Hazard> =
        prologue.branches_back().filter(inner).map(Hazard::BranchInto).collect();
    hazards.extend(prologue.loops().map(Hazard::LoopToEntry));
    let taken = prologue.sweep.taken.iter().copied();
    hazards.extend(taken.filter(inner).map(Hazard::AddressTaken));
    hazards.extend(prologue.doubts());
    let moved = rung.block.decoder();
    let calling = moved.into_iter().filter(calls);
    hazards.extend(calling.map(|call| Hazard::CallMoved { address: call.ip() }));
    if rung.cover.padding > 0 {
        hazards.push(Hazard::UsesPadding { bytes: rung.cover.padding });
    }
    let first = prologue.entry();
    let last = first + rung.cover.patch as u64 - 1;
    let crossings =
        [(WORD, Hazard::CrossesWord), (LINE, Hazard::CrossesLine), (PAGE, Hazard::CrossesPage)];
    let crossed = crossings.into_iter().filter(|(size, _)| first / size != last / size);
    hazards.extend(crossed.map(|(_, hazard)| hazard));
    hazards
}

const LINE: u64 = 64;
const PAGE: u64 = 4096;
