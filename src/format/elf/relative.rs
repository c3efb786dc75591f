//! Packed relative relocations (`DT_RELR`): an address, then bitmaps of the words that follow it.

use goblin::elf::program_header as ph;

use super::relocations::{LIMIT, OUTSIDE, READ_ONLY, Relocations, TABLE};
use super::words::word;
use crate::format::Fault;

/// A word of the table has so many bits that stand for a word of memory each.
const BITS: u64 = 63;

impl Relocations<'_, '_> {
    /// Decodes the table, and checks each place and the address that stands there.
    ///
    /// # Source
    /// System V Application Binary Interface, Relative Relocation Table.
    pub(super) fn check_packed(&mut self, entries: &[[u8; 8]]) -> Result<(), Fault> {
        let mut next: Option<u64> = None;
        let mut places = 0_usize;
        for (index, entry) in entries.iter().enumerate() {
            let entry = u64::from_le_bytes(*entry);
            if entry & 1 == 0 {
                if next.is_some_and(|next| entry < next) {
                    return Err(TABLE.at(index, "it is out of order"));
                }
                self.check_place(entry, index)?;
                next = entry.checked_add(8);
                places += 1;
                continue;
            }
            let base = next.ok_or(TABLE.at(index, "a bitmap without an address"))?;
            let mut bits = entry >> 1;
            places += bits.count_ones() as usize;
            if places > LIMIT {
                return Err(TABLE.too_many(places, LIMIT));
            }
            while bits != 0 {
                let place = base.saturating_add(u64::from(bits.trailing_zeros()) * 8);
                self.check_place(place, index)?;
                bits &= bits - 1;
            }
            next = Some(base.saturating_add(BITS * 8));
        }
        Ok(())
    }

    fn check_place(&mut self, place: u64, index: usize) -> Result<(), Fault> {
        self.enter(place, 8, index)?;
        self.claim(place, index)?;
        let load = self.segments.load(place, 8).filter(|load| load.p_flags & ph::PF_W != 0);
        let load = load.ok_or(TABLE.at(index, READ_ONLY))?;
        let bytes = self.segments.bytes_of(load)?;
        let target = word(bytes, (place - load.p_vaddr) as usize);
        let target = target.ok_or(TABLE.at(index, OUTSIDE))?;
        if target < self.span.0 || target > self.span.1 {
            return Err(TABLE.at(index, OUTSIDE));
        }
        if place >= self.constructors.span.0 && place < self.constructors.span.1 {
            self.constructors.fill(place, self.segments.is_executable(target))?;
        }
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use crate::format::Table;
    use crate::format::elf::specimen::Specimen;

    #[test]
    fn packed_relocations_are_unpacked_and_checked() {
        let specimen = Specimen::built(&["-Clink-arg=-Wl,-z,pack-relative-relocs"]).unwrap();
        let table = specimen.section(".relr.dyn").start;
        let refused = |at: usize, bytes: &[u8], what| {
            specimen.refused(at, bytes, Table::Relocations, what);
        };
        refused(table, &1_u64.to_le_bytes(), "a bitmap without an address");
        refused(table, &64_u64.to_le_bytes(), "outside writable memory");
        refused(table, &(u64::MAX - 1).to_le_bytes(), "outside writable memory");
        let constructors = specimen.section(".init_array").start;
        let what = "no code";
        specimen.refused(constructors, &64_u64.to_le_bytes(), Table::Constructors, what);
        refused(constructors, &[0xff; 8], "outside the library");
    }
}
