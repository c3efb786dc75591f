//! Proof that moved code means what it meant: decoded anew, instruction by instruction.
//!
//! Nothing is taken over from the writing of it but the bytes and the map of places, which has to
//! come out the same.

use super::super::{Defect, Original, Place};
use super::block::Block;
use super::emit::LITERAL;
use super::relocate::Moved;
use super::word::{CALL, Kind, LEAVE_TO, NOP, RETURN_TO, Word, text};

impl Moved {
    /// Takes `moved` for the original of `block` if it means the same.
    pub(super) fn proven(self, block: &Block) -> Result<Original, Defect> {
        let Self(moved) = self;
        let (places, inside, literals) = (Vec::new(), Vec::new(), Vec::new());
        let mut proof = Proof { block, moved: &moved, at: 0, places, inside, literals };
        for (from, was) in block.each() {
            proof.instruction(from, was)?;
        }
        if block.falls_through() {
            let (at, target) = (proof.here(), block.end());
            proof.places.push(Place { from: target, to: at, calls: false });
            proof.jumps(target).ok_or(Defect::NoWayBack { at, target })?;
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
    /// The offset of the next instruction to be looked at.
    at: usize,
    /// What moved where, as found.
    places: Vec<Place>,
    /// Jumps to within the block: where they are, where they lead, where they led.
    inside: Vec<(u64, u64, u64)>,
    /// Offsets of the literals that were read.
    literals: Vec<usize>,
}

/// It is as it should be, or not.
type Proven = Option<()>;

fn ensure(is_true: bool) -> Proven {
    is_true.then_some(())
}

impl Proof<'_> {
    fn here(&self) -> u64 {
        self.moved.address.wrapping_add(self.at as u64)
    }

    fn next(&mut self) -> Option<Word> {
        let code = self.moved.bytes.get(..self.moved.code)?;
        let word = code.get(self.at..)?.first_chunk()?;
        self.at += 4;
        Some(Word(u32::from_le_bytes(*word)))
    }

    fn instruction(&mut self, from: u64, was: Word) -> Result<(), Defect> {
        let (at, to) = (self.at, self.here());
        self.places.push(Place { from, to, calls: was.calls() });
        if self.means(was, from).is_some() {
            return Ok(());
        }
        self.at = at;
        let found = self.next().map_or_else(|| "nothing".to_owned(), |is| text(is, to));
        Err(Defect::Differs { from, to, expected: text(was, from), found })
    }

    /// What comes next means what `was` meant at `from`.
    fn means(&mut self, was: Word, from: u64) -> Proven {
        let Some(target) = was.target(from) else { return ensure(self.next()? == was) };
        match was.kind() {
            Kind::Jump => self.jumps(target),
            Kind::Call => self.calls(target),
            Kind::Conditional => self.branches(was, target),
            Kind::Literal => self.loads(was, target),
            _ => self.names(was, target),
        }
    }

    /// A jump to what was at `target`, directly or through a register that is free.
    fn jumps(&mut self, target: u64) -> Proven {
        let here = self.here();
        let is = self.next()?;
        if is.kind() == Kind::Jump {
            return self.leads(here, is, target);
        }
        self.through(is, here, target)
    }

    fn calls(&mut self, target: u64) -> Proven {
        let here = self.here();
        let is = self.next()?;
        if is.kind() == Kind::Call {
            return ensure(
                is.target(here)? == target && Some(is) == CALL.with_target(here, target),
            );
        }
        ensure(Some(is) == RETURN_TO.with_target(here, here + 12))?;
        let here = self.here();
        let is = self.next()?;
        self.through(is, here, target)
    }

    /// `load` puts `target` into a register, and the next jumps to it.
    fn through(&mut self, load: Word, here: u64, target: u64) -> Proven {
        let register = self.holds(load, here, target)?;
        ensure(Some(register) == self.block.scratch)?;
        ensure(self.next()? == Word(LEAVE_TO.0 | register << 5))
    }

    /// The register into which `load`, at `here`, loads the literal `value`.
    fn holds(&mut self, load: Word, here: u64, value: u64) -> Option<u32> {
        ensure(load.kind() == Kind::Literal && load.0 >> 24 == 0x58)?;
        let at = usize::try_from(load.target(here)?.wrapping_sub(self.moved.address)).ok()?;
        let literal = self.moved.bytes.get(at..)?.first_chunk()?;
        ensure(at >= self.moved.code && u64::from_le_bytes(*literal) == value)?;
        self.literals.push(at);
        Some(load.register())
    }

    /// The operand of `is` means what was at `target`.
    fn leads(&mut self, here: u64, is: Word, target: u64) -> Proven {
        let leads = is.target(here)?;
        match self.block.place(target) {
            Some(place) => self.inside.push((here, leads, place)),
            None => ensure(leads == target)?,
        }
        Some(())
    }

    /// The same condition to the same place, or the opposite one over a jump there.
    fn branches(&mut self, was: Word, target: u64) -> Proven {
        let here = self.here();
        let is = self.next()?;
        let condition = |word: Word| word.with_target(here, here);
        if condition(is) == condition(was) {
            return self.leads(here, is, target);
        }
        let Some(opposite) = was.opposite() else {
            self.at -= 4;
            return self.jumps(target);
        };
        ensure(condition(is).is_some() && condition(is) == condition(opposite))?;
        self.jumps(target)?;
        ensure(is.target(here)? == self.here())
    }

    /// The same load, or one through a register that holds its address.
    fn loads(&mut self, was: Word, target: u64) -> Proven {
        let here = self.here();
        let is = self.next()?;
        if was.with_target(here, target) == Some(is) {
            return Some(());
        }
        let register = self.holds(is, here, target)?;
        let own = was.loads_into_general() && register == was.register();
        ensure(own || Some(register) == self.block.scratch)?;
        ensure(self.next()? == was.load_through(register))
    }

    /// The same address in the same register.
    fn names(&mut self, was: Word, target: u64) -> Proven {
        let here = self.here();
        let is = self.next()?;
        if was.with_target(here, target) == Some(is) {
            return Some(());
        }
        ensure(self.holds(is, here, target)? == was.register())
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
        let leftover = |at: usize| Defect::Leftover { at: self.moved.address + at as u64 };
        let mut at = self.at;
        if at != self.moved.code {
            return Err(leftover(at));
        }
        self.literals.sort_unstable();
        if let Some(&first) = self.literals.first()
            && first == at + 4
            && self.moved.bytes[at..first] == NOP.0.to_le_bytes()
        {
            at = first;
        }
        for &literal in &self.literals {
            if literal != at {
                return Err(leftover(at));
            }
            at += LITERAL as usize;
        }
        if at == self.moved.bytes.len() { Ok(()) } else { Err(leftover(at)) }
    }
}
