//! The units of an image, looked into only where something that is asked for can be.
//!
//! A library in development brings megabytes of debug info about others' code. The system's own
//! search finds the bytes of an address or of a name's place far sooner than any walk would, and
//! only the unit around such bytes is walked.

use std::collections::{BTreeSet, HashMap, HashSet};

use gimli::{Dwarf, UnitHeader};
use midair_trampolines::os;

use super::sections::Sections;
use super::unit::{Scanned, scan};
use super::{Absent, MAX_ENTRIES, Slice};

/// `DW_OP_addr`, which stands before the address of a static.
const ADDRESS_OF_STATIC: u8 = 3;

/// All units, by the order in which they stand.
pub(super) struct Units<'r, 'a> {
    dwarf: &'r Dwarf<Slice<'a>>,
    info: &'a [u8],
    strings: &'a [u8],
    /// Where each unit begins, and its header.
    headers: Vec<(usize, UnitHeader<Slice<'a>>)>,
    scanned: HashMap<usize, Scanned<'a>>,
    wanted: HashSet<u64>,
    budget: usize,
}

impl<'r, 'a> Units<'r, 'a> {
    /// The units of `sections`, with the records at the addresses `wanted`.
    pub(super) fn new(
        dwarf: &'r Dwarf<Slice<'a>>,
        sections: &Sections<'a>,
        wanted: &[u64],
    ) -> Result<Self, Absent> {
        let mut headers = Vec::new();
        let mut all = dwarf.units();
        while let Some(header) = all.next()? {
            headers.push((header.offset().0, header));
        }
        Ok(Self {
            dwarf,
            info: sections.get(".debug_info"),
            strings: sections.get(".debug_str"),
            headers,
            scanned: HashMap::new(),
            wanted: wanted.iter().copied().collect(),
            budget: MAX_ENTRIES,
        })
    }

    /// A unit that was looked into.
    ///
    /// # Panics
    /// When it was not: numbers of units come only from looking into them.
    pub(super) fn get(&self, number: usize) -> &Scanned<'a> {
        self.scanned.get(&number).expect("a unit's number comes from looking into it")
    }

    /// The numbers of the units that tell of a wanted record.
    pub(super) fn with_records(&mut self) -> Result<BTreeSet<usize>, Absent> {
        let mut found = BTreeSet::new();
        // All but the lowest two bytes: records stand close together.
        let needles: BTreeSet<[u8; 6]> = self.wanted.iter().map(|at| upper(*at)).collect();
        for needle in needles {
            for at in hits(self.info, &needle) {
                let address = at.checked_sub(2).and_then(|start| word(self.info, start));
                let marked = at >= 3 && self.info[at - 3] == ADDRESS_OF_STATIC;
                if marked && address.is_some_and(|address| self.wanted.contains(&address)) {
                    found.extend(self.around(at));
                }
            }
        }
        self.look_into(found)
    }

    /// The numbers of the units that tell of a function at `address`.
    pub(super) fn with_address(&mut self, address: u64) -> Result<BTreeSet<usize>, Absent> {
        let needle = address.to_le_bytes();
        let found = hits(self.info, &needle).filter_map(|at| self.around(at)).collect();
        self.look_into(found)
    }

    /// The numbers of the units that tell of something whose name ends in `end`.
    pub(super) fn with_name(&mut self, end: &str) -> Result<BTreeSet<usize>, Absent> {
        let needle: Vec<u8> = end.bytes().chain([0]).collect();
        let mut found = BTreeSet::new();
        for at in hits(self.strings, &needle) {
            let start = self.strings[..at].iter().rposition(|byte| *byte == 0).map_or(0, |z| z + 1);
            let Ok(place) = u32::try_from(start) else { continue };
            found.extend(hits(self.info, &place.to_le_bytes()).filter_map(|at| self.around(at)));
        }
        self.look_into(found)
    }

    /// The number of the unit that the byte at `offset` belongs to.
    fn around(&self, offset: usize) -> Option<usize> {
        self.headers.partition_point(|(start, _)| *start <= offset).checked_sub(1)
    }

    fn look_into(&mut self, numbers: BTreeSet<usize>) -> Result<BTreeSet<usize>, Absent> {
        for number in &numbers {
            if !self.scanned.contains_key(number) {
                let header = self.headers[*number].1;
                let scanned = scan(self.dwarf, header, &self.wanted, &mut self.budget)?;
                self.scanned.insert(*number, scanned);
            }
        }
        Ok(numbers)
    }
}

fn upper(address: u64) -> [u8; 6] {
    let [_, _, upper @ ..] = address.to_le_bytes();
    upper
}

/// Every place where `needle` stands in `bytes`; at most so many that it stays an answer.
fn hits<'a>(bytes: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    const MOST: usize = 1 << 20;
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + os::find(bytes.get(from..)?, needle)?;
        from = at + 1;
        Some(at)
    })
    .take(MOST)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
