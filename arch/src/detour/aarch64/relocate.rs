//! The moved block, written anew for another place.

use super::super::{Original, Place, Refusal};
use super::block::Block;
use super::emit::Emitter;
use super::jump::load_address;
use super::word::{JUMP, Kind, LEAVE_TO, RETURN_TO, Word, text};

/// Bytes that should mean what the block means; nobody has checked them.
///
/// Verifying them turns them into an [`Original`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved(pub(super) Original);

impl Block {
    /// Writes the block for `address`.
    pub(super) fn relocate(&self, address: u64) -> Result<Moved, Refusal> {
        let mut writer = Writer { block: self, emitter: Emitter::new(address), at: self.entry() };
        let mut places = Vec::new();
        for (from, word) in self.each() {
            places.push(Place { from, to: writer.emitter.here(), calls: word.calls() });
            writer.at = from;
            let target = word.target(from).unwrap_or_default();
            writer.instruction(word, target).ok_or_else(|| Refusal::OutOfReach {
                address: from,
                text: text(word, from),
                target,
            })?;
        }
        if self.falls_through() {
            let (address, target) = (writer.at, self.end());
            places.push(Place { from: target, to: writer.emitter.here(), calls: false });
            let back = || Refusal::OutOfReach { address, text: "the way back".into(), target };
            writer.jump(target).ok_or_else(back)?;
        }
        let (bytes, code) = writer.emitter.finish(&places);
        Ok(Moved(Original { address, bytes, places, code }))
    }
}

struct Writer<'a> {
    block: &'a Block,
    emitter: Emitter,
    at: u64,
}

/// Written, or out of reach.
type Written = Option<()>;

impl Writer<'_> {
    fn instruction(&mut self, word: Word, target: u64) -> Written {
        match word.kind() {
            Kind::Jump => match self.block.place(target) {
                Some(place) => self.emitter.refer_to_moved(JUMP, place),
                None => self.jump(target)?,
            },
            Kind::Conditional => self.conditional(word, target)?,
            Kind::Call => self.call(word, target)?,
            Kind::Address | Kind::Page => {
                if !self.emitter.relative(word, target) {
                    self.emitter.refer_to_literal(load_address(word.register()), target);
                }
            }
            Kind::Literal => self.load(word, target)?,
            _ => self.emitter.plain(word),
        }
        Some(())
    }

    fn jump(&mut self, target: u64) -> Written {
        if !self.emitter.relative(JUMP, target) {
            self.through(target)?;
        }
        Some(())
    }

    fn call(&mut self, word: Word, target: u64) -> Written {
        if !self.emitter.relative(word, target) {
            // The address to return to is behind the two instructions that jump.
            self.block.scratch?;
            self.emitter.relative(RETURN_TO, self.emitter.here() + 12).then_some(())?;
            self.through(target)?;
        }
        Some(())
    }

    /// A jump to an address in full, which needs a register.
    fn through(&mut self, target: u64) -> Written {
        let scratch = self.block.scratch?;
        self.emitter.refer_to_literal(load_address(scratch), target);
        self.emitter.plain(Word(LEAVE_TO.0 | scratch << 5));
        Some(())
    }

    fn conditional(&mut self, word: Word, target: u64) -> Written {
        if let Some(place) = self.block.place(target) {
            self.emitter.refer_to_moved(word, place);
            return Some(());
        }
        if self.emitter.relative(word, target) {
            return Some(());
        }
        // The opposite condition jumps over the long way; `b.al` has none.
        let Some(opposite) = word.opposite() else { return self.jump(target) };
        let here = self.emitter.here();
        let is_near = JUMP.with_target(here + 4, target).is_some();
        let over = here + if is_near { 8 } else { 12 };
        self.emitter.relative(opposite, over).then_some(())?;
        self.jump(target)
    }

    fn load(&mut self, word: Word, target: u64) -> Written {
        if self.emitter.relative(word, target) {
            return Some(());
        }
        // A general register can hold the address first.
        let general = word.loads_into_general().then(|| word.register());
        let base = general.or(self.block.scratch)?;
        self.emitter.refer_to_literal(load_address(base), target);
        self.emitter.plain(word.load_through(base));
        Some(())
    }
}
