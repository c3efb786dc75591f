//! The instructions of a whole body: where they begin, and which branches lead to its head.

use std::ops::Range;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, OpKind, Register};

use super::super::{Branch, Function, Memory};
use super::places::Places;
use super::tables::{Leads, Tables};

/// What was found in a body.
#[derive(Debug)]
pub(super) struct Sweep {
    /// Offsets at which instructions begin.
    pub(super) boundaries: Places,
    /// Those that begin inside of others: code that is read in two ways.
    pub(super) overlapping: Places,
    /// Branches to the head that are no calls.
    pub(super) branches: Vec<Branch>,
    /// Calls to the head.
    pub(super) calls: Vec<Branch>,
    /// Jumps through tables to the head.
    pub(super) tabled: Vec<Branch>,
    /// Instructions that take the address of a place in the head.
    pub(super) taken: Vec<Branch>,
    /// Indirect jumps of which nobody knows where they lead.
    pub(super) untold: Vec<u64>,
    /// What is no instruction.
    pub(super) undecodable: Vec<u64>,
    /// One past the last byte of the last instruction.
    pub(super) end: usize,
    /// Whether an instruction begins inside of another.
    pub(super) overlaps: bool,
}

impl Sweep {
    /// Reads every byte of the body, then whatever its branches lead to besides.
    pub(super) fn every_byte(function: &Function<'_>, memory: &impl Memory) -> Self {
        let mut sweeper = Sweeper::new(function, memory, Until::End);
        sweeper.run(0);
        sweeper.cut_tables();
        sweeper.until = Until::Terminator;
        sweeper.follow();
        sweeper.found
    }

    /// Reads what can be reached from the first byte.
    pub(super) fn reached(function: &Function<'_>, memory: &impl Memory) -> Self {
        let mut sweeper = Sweeper::new(function, memory, Until::Terminator);
        sweeper.run(0);
        sweeper.follow();
        sweeper.found.tabled = sweeper.entries;
        sweeper.found.tabled.retain(|entry| entry.to - sweeper.inside.start < HEAD);
        sweeper.found
    }

    /// Whether all bytes are instructions, in one way only.
    pub(super) fn is_certain(&self) -> bool {
        self.undecodable.is_empty() && !self.overlaps
    }
}

/// Where a run through the bytes ends.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    End,
    Terminator,
}

struct Sweeper<'a, M> {
    decoder: Decoder<'a>,
    inside: Range<u64>,
    targets: Places,
    tables: Tables,
    memory: &'a M,
    until: Until,
    /// The entries of jump tables, table by table.
    entries: Vec<Branch>,
    found: Sweep,
}

impl<'a, M: Memory> Sweeper<'a, M> {
    fn new(function: &Function<'a>, memory: &'a M, until: Until) -> Self {
        let body = function.body();
        let found = Sweep {
            boundaries: Places::none(body.len()),
            overlapping: Places::none(body.len()),
            branches: Vec::new(),
            calls: Vec::new(),
            tabled: Vec::new(),
            taken: Vec::new(),
            untold: Vec::new(),
            undecodable: Vec::new(),
            end: 0,
            overlaps: false,
        };
        Self {
            decoder: Decoder::with_ip(64, body, function.address, DecoderOptions::NONE),
            inside: function.address..function.address.saturating_add(body.len() as u64),
            targets: Places::none(body.len()),
            tables: Tables::default(),
            memory,
            until,
            entries: Vec::new(),
            found,
        }
    }

    /// Ends each table before the first entry that is no boundary: what follows a table is read
    /// along, and only by chance leads into the body.
    fn cut_tables(&mut self) {
        let mut cut = None;
        for entry in std::mem::take(&mut self.entries) {
            let at = (entry.to - self.inside.start) as usize;
            if cut == Some(entry.from) || !self.found.boundaries.has(at) {
                cut = Some(entry.from);
            } else if (at as u64) < HEAD {
                self.found.tabled.push(entry);
            }
        }
    }

    /// Reads on at targets that no instruction was found at, until there are none.
    fn follow(&mut self) {
        while let Some(at) =
            self.targets.first_outside(&self.found.boundaries, &self.found.overlapping)
        {
            self.run(at);
        }
    }

    /// Reads from `at` until there is something that was read before.
    fn run(&mut self, at: usize) {
        let len = (self.inside.end - self.inside.start) as usize;
        let inside_another = at < self.found.end && self.is_inside_another(at);
        let mut at = at;
        self.move_to(at);
        let mut instruction = Instruction::default();
        while at < len && !self.found.boundaries.has(at) && !self.found.overlapping.has(at) {
            self.decoder.decode_out(&mut instruction);
            if inside_another || instruction.is_invalid() {
                self.found.overlaps |= inside_another;
                self.found.overlapping.add(at);
            } else {
                self.found.boundaries.add(at);
            }
            if instruction.is_invalid() {
                self.found.undecodable.push(self.inside.start + at as u64);
                if self.until == Until::Terminator {
                    break;
                }
                at += 1;
                self.move_to(at);
                continue;
            }
            at += instruction.len();
            self.found.end = self.found.end.max(at);
            if self.note(&instruction) && self.until == Until::Terminator {
                break;
            }
        }
    }

    /// Whether an instruction that was read before has a later byte at `at`.
    fn is_inside_another(&mut self, at: usize) -> bool {
        let start = (at.saturating_sub(MAX_LEN)..at).rev();
        let Some(start) = start.into_iter().find(|at| self.found.boundaries.has(*at)) else {
            return false;
        };
        self.move_to(start);
        start + self.decoder.decode().len() > at
    }

    fn move_to(&mut self, at: usize) {
        self.decoder.set_ip(self.inside.start + at as u64);
        // Never past the end, which is the only thing it complains of.
        let _ = self.decoder.set_position(at);
    }

    /// Takes note of where the instruction leads; true if nothing comes behind it.
    fn note(&mut self, instruction: &Instruction) -> bool {
        match instruction.flow_control() {
            FlowControl::Next => {
                self.tables.note(instruction);
                self.note_address(instruction);
                false
            }
            FlowControl::UnconditionalBranch => {
                self.note_target(instruction);
                true
            }
            FlowControl::IndirectBranch => {
                self.note_indirect(instruction);
                true
            }
            FlowControl::Return | FlowControl::Exception => true,
            FlowControl::Interrupt => instruction.code() == Code::Int3,
            _ => {
                self.note_target(instruction);
                false
            }
        }
    }

    fn note_target(&mut self, instruction: &Instruction) {
        if instruction.op0_kind() == OpKind::NearBranch64 {
            let branch = Branch { from: instruction.ip(), to: instruction.near_branch_target() };
            if self.leads_to_head(branch.to) {
                let calls = instruction.is_call_near();
                let list = if calls { &mut self.found.calls } else { &mut self.found.branches };
                list.push(branch);
            }
        }
    }

    /// Takes note of a place in the body; true if it is in the head.
    fn leads_to_head(&mut self, target: u64) -> bool {
        let at = target.wrapping_sub(self.inside.start);
        if self.inside.contains(&target) {
            self.targets.add(at as usize);
        }
        at < HEAD
    }

    fn note_indirect(&mut self, instruction: &Instruction) {
        match self.tables.leads(instruction, &self.inside, self.memory) {
            Leads::Within(targets) => {
                let from = instruction.ip();
                self.entries.extend(targets.iter().map(|&to| Branch { from, to }));
                if self.until == Until::Terminator {
                    for to in targets {
                        self.leads_to_head(to);
                    }
                }
            }
            Leads::Anywhere => self.found.untold.push(instruction.ip()),
            Leads::Away => {}
        }
    }

    fn note_address(&mut self, instruction: &Instruction) {
        if instruction.memory_base() == Register::RIP {
            let to = instruction.ip_rel_memory_address();
            if to.wrapping_sub(self.inside.start) < HEAD {
                self.found.taken.push(Branch { from: instruction.ip(), to });
            }
        }
    }
}

/// No patch reaches further than this from the beginning of a function.
const HEAD: u64 = 32;
/// The longest instruction.
const MAX_LEN: usize = 15;
