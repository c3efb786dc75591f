//! The words of writable memory that relocations have claimed: a linker lets only one write each.

use goblin::elf::program_header as ph;

use super::segments::Segments;

/// One bit for each word between the first writable byte and the last that the file fills.
pub(super) struct Places {
    start: u64,
    bits: Vec<u64>,
}

impl Places {
    pub(super) fn of(segments: &Segments<'_>) -> Self {
        let writable = || segments.loads().filter(|load| load.p_flags & ph::PF_W != 0);
        let start = writable().map(|load| load.p_vaddr).min().unwrap_or(0) & !7;
        let end = writable().map(|load| load.p_vaddr.saturating_add(load.p_filesz)).max();
        // Segments far apart would need more bits than there are relocations.
        let words = end.unwrap_or(0).saturating_sub(start).div_ceil(8).min(LIMIT);
        Self { start, bits: vec![0; (words / 64 + 1) as usize] }
    }

    /// Claims the 8 bytes at `place`; false where another relocation has claimed some of them.
    pub(super) fn claim(&mut self, place: u64) -> bool {
        let offset = place.wrapping_sub(self.start);
        self.claim_word(offset / 8) && (offset & 7 == 0 || self.claim_word(offset / 8 + 1))
    }

    fn claim_word(&mut self, word: u64) -> bool {
        let Some(bits) = self.bits.get_mut((word / 64) as usize) else { return true };
        let bit = 1 << (word % 64);
        let free = *bits & bit == 0;
        *bits |= bit;
        free
    }
}

/// 1 GiB of writable memory.
const LIMIT: u64 = 1 << 27;

/// The symbols that already have an entry of some kind.
pub(super) struct Taken(Vec<u64>);

impl Taken {
    pub(super) fn of(symbols: usize) -> Self {
        Self(vec![0; symbols / 64 + 1])
    }

    /// Takes the symbol with number `number`; false where it was taken.
    pub(super) fn take(&mut self, number: usize) -> bool {
        let Some(bits) = self.0.get_mut(number / 64) else { return true };
        let bit = 1 << (number % 64);
        let free = *bits & bit == 0;
        *bits |= bit;
        free
    }
}
