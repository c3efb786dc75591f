//! What a relocation may point at, by its kind.

use goblin::elf::sym;

use super::kinds::Kind;
use super::relocations::{OUTSIDE, Relocations};
use super::symbols::Symbol;

const KIND: &str = "its symbol is of another kind";

impl Relocations<'_, '_> {
    /// What is wrong with a relocation of `kind` that names `symbol`, the one with `number`.
    pub(super) fn wrong(
        &self,
        kind: Kind,
        symbol: Symbol,
        number: usize,
        addend: u64,
    ) -> Option<&'static str> {
        let (start, end) = self.span;
        let threads = symbol.kind() == sym::STT_TLS;
        match kind {
            Kind::Relative if number != 0 => Some(KIND),
            Kind::Relative if addend < start || addend > end => Some(OUTSIDE),
            Kind::Chosen if number != 0 || !self.segments.is_executable(addend) => Some(KIND),
            Kind::Relative | Kind::Chosen => None,
            Kind::Call | Kind::Entry if number == 0 || threads || addend != 0 => Some(KIND),
            Kind::Call if symbol.kind() == sym::STT_OBJECT => Some(KIND),
            Kind::Symbol if threads => Some(KIND),
            Kind::Symbol
                if number != 0 && symbol.is_defined() && symbol.kind() != sym::STT_NOTYPE =>
            {
                let address = symbol.value.wrapping_add(addend);
                if address < start || address > end { Some(OUTSIDE) } else { None }
            }
            Kind::Call | Kind::Entry | Kind::Symbol | Kind::Size => None,
            _ if number != 0 && !threads => Some(KIND),
            Kind::ThreadStatic if !self.static_threads => Some(KIND),
            Kind::ThreadOffset if number == 0 => Some(KIND),
            _ => self.wrong_thread(kind, symbol, number, addend),
        }
    }

    /// The same for a relocation that is about thread-local storage.
    fn wrong_thread(
        &self,
        kind: Kind,
        symbol: Symbol,
        number: usize,
        addend: u64,
    ) -> Option<&'static str> {
        if number != 0 && !symbol.is_defined() {
            return None;
        }
        let Some(block) = self.threads else { return Some("there is no thread-local storage") };
        let offset = symbol.value.wrapping_add(addend);
        if kind != Kind::ThreadBlock && offset > block { Some(OUTSIDE) } else { None }
    }
}
