//! The hash tables of the dynamic symbols: every walk through them ends, inside them.

use goblin::elf::dynamic as dt;
use goblin::elf::section_header as sh;

use super::dynamic::Dynamic;
use super::sections::Sections;
use super::segments::Segments;
use super::symbols::Symbols;
use super::words::{half, halves};
use crate::format::{Fault, Table};

const TABLE: Table = Table::Hashes;
/// The most buckets that are accepted.
const LIMIT: usize = 1 << 23;
const SHORT: &str = "it is too short";

/// What the hash tables are checked against.
pub(super) struct Hashes<'a, 'b> {
    pub(super) dynamic: &'b Dynamic<'a>,
    pub(super) sections: &'b Sections<'a>,
    pub(super) segments: &'b Segments<'a>,
    pub(super) symbols: &'b Symbols<'a>,
}

impl<'a> Hashes<'a, '_> {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let gnu = self.bytes(dt::DT_GNU_HASH, sh::SHT_GNU_HASH)?;
        let old = self.bytes(dt::DT_HASH, sh::SHT_HASH)?;
        if gnu.is_none() && old.is_none() {
            return Err(TABLE.fault("there is none"));
        }
        gnu.map_or(Ok(()), |bytes| check_gnu(bytes, self.symbols.count))?;
        old.map_or(Ok(()), |bytes| check_old(bytes, self.symbols.count))
    }

    fn bytes(&self, tag: u64, kind: u32) -> Result<Option<&'a [u8]>, Fault> {
        let Some(address) = self.dynamic.value(tag) else { return Ok(None) };
        let section = self.sections.of_kind(kind).next();
        let len = section.map_or(16, |(_, section)| section.sh_size);
        self.segments.at(address, len, TABLE).map(Some)
    }
}

/// The buckets lead into the chains, and the chains end where the symbols do.
fn check_gnu(bytes: &[u8], symbols: usize) -> Result<(), Fault> {
    let number = |at: usize| half(bytes, at).ok_or(TABLE.fault(SHORT));
    let (buckets, first) = (number(0)? as usize, number(4)? as usize);
    let (filter, shift) = (number(8)? as usize, number(12)?);
    if !filter.is_power_of_two() || shift >= 64 || buckets == 0 {
        return Err(TABLE.fault("its header"));
    }
    if buckets > LIMIT {
        return Err(TABLE.too_many(buckets, LIMIT));
    }
    let after = filter.checked_mul(8).and_then(|len| bytes.get(16..)?.get(len..));
    let (tail, _) = after.ok_or(TABLE.fault(SHORT))?.as_chunks::<4>();
    let heads = tail.get(..buckets).ok_or(TABLE.fault(SHORT))?;
    let mut used = false;
    for (index, head) in heads.iter().enumerate() {
        let head = u32::from_le_bytes(*head) as usize;
        if head != 0 {
            used = true;
            if head < first || head >= symbols {
                return Err(TABLE.at(index, "it leads to a symbol that is not there"));
            }
        }
    }
    if used {
        let chains = symbols.checked_sub(first).and_then(|len| tail.get(buckets..)?.get(..len));
        let last = chains.ok_or(TABLE.fault(SHORT))?.last();
        if last.is_none_or(|last| last[0] & 1 == 0) {
            return Err(TABLE.fault("the last chain has no end"));
        }
    }
    Ok(())
}

/// No symbol is on two chains or twice on one, so no chain is a ring.
fn check_old(bytes: &[u8], symbols: usize) -> Result<(), Fault> {
    let (buckets, chains) = half(bytes, 0).zip(half(bytes, 4)).ok_or(TABLE.fault(SHORT))?;
    let (buckets, chains) = (buckets as usize, chains as usize);
    if buckets == 0 || chains != symbols {
        return Err(TABLE.fault("its header"));
    }
    if buckets > LIMIT {
        return Err(TABLE.too_many(buckets, LIMIT));
    }
    let links = halves(bytes).get(2..).unwrap_or_default();
    if links.len() < buckets.saturating_add(chains) {
        return Err(TABLE.fault(SHORT));
    }
    let mut seen = vec![false; symbols];
    for (index, link) in links.iter().take(buckets + chains).enumerate() {
        let symbol = u32::from_le_bytes(*link) as usize;
        if symbol == 0 {
            continue;
        }
        match seen.get_mut(symbol) {
            Some(seen) if !*seen => *seen = true,
            Some(_) => return Err(TABLE.at(index, "two chains meet, or one is a ring")),
            None => return Err(TABLE.at(index, "it leads to a symbol that is not there")),
        }
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use crate::format::Table;
    use crate::format::elf::specimen::Specimen;
    use crate::format::elf::words::half;

    #[test]
    fn walks_through_the_new_table_end_inside_it() {
        let specimen = Specimen::get();
        let range = specimen.section(".gnu.hash");
        let refused = |at: usize, bytes: &[u8], what| {
            specimen.refused(range.start + at, bytes, Table::Hashes, what);
        };
        refused(0, &[0; 4], "its header");
        refused(0, &[0xff; 4], "the limit");
        refused(0, &[0xff, 0xff], "too short");
        refused(8, &[3], "its header");
        refused(8, &[0, 0, 0, 0x80], "too short");
        refused(12, &[64], "its header");
        let filter = half(&specimen.bytes, range.start + 8).unwrap() as usize;
        refused(16 + filter * 8, &[0xff; 4], "a symbol that is not there");
        refused(16 + filter * 8, &[1, 0, 0, 0], "a symbol that is not there");
        refused(range.len() - 4, &[0; 4], "no end");
    }

    #[test]
    fn no_chain_of_the_old_table_is_a_ring() {
        let specimen = Specimen::get();
        let range = specimen.section(".hash");
        let refused = |at: usize, bytes: &[u8], what| {
            specimen.refused(range.start + at, bytes, Table::Hashes, what);
        };
        refused(4, &[0xff], "its header");
        refused(0, &[0xff, 0xff], "too short");
        let buckets = half(&specimen.bytes, range.start).unwrap() as usize;
        // The second symbol follows itself.
        refused(8 + (buckets + 1) * 4, &1_u32.to_le_bytes(), "a ring");
        refused(8 + (buckets + 1) * 4, &[0xff; 4], "a symbol that is not there");
    }
}
