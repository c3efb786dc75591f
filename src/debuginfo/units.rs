//! The units of an image, looked into only where something that is asked for can be.
//!
//! A library in development brings megabytes of debug info about others' code. The system's own
//! search finds the bytes of an address or of a name's place far sooner than any walk would, and
//! only the unit around such bytes is walked. Units that were split off, and those of DWARF 5, name
//! addresses and strings by number; then the tables behind these numbers are searched.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use gimli::{Dwarf, DwoId, Section, Unit, UnitHeader};
use midair_trampolines::os;

use super::bounds::Bounds;
use super::sections::Sections;
use super::split::{Part, Split};
use super::tables::Tables;
use super::unit::{Scanned, scan};
use super::{Absent, Slice};
use crate::notice;

/// `DW_OP_addr`, which stands before the address of a static.
const ADDRESS_OF_STATIC: u8 = 3;

/// All units, by the order in which they stand.
pub(super) struct Units<'r, 'a> {
    dwarf: Rc<Dwarf<Slice<'a>>>,
    split: &'r Split<'a>,
    info: &'a [u8],
    strings: &'a [u8],
    addresses: &'a [u8],
    string_offsets: &'a [u8],
    /// Where each unit begins, and its header.
    headers: Vec<(usize, UnitHeader<Slice<'a>>)>,
    /// Those that name addresses or strings by number.
    numbered: Vec<Numbered<'a>>,
    scanned: HashMap<usize, Scanned<'a>>,
    wanted: HashSet<u64>,
    absent: Option<Absent>,
    tables: Tables<'a>,
    pub(super) bounds: Bounds,
}

/// A unit that names addresses and strings by number.
struct Numbered<'a> {
    /// Which.
    number: usize,
    /// Where its addresses begin.
    addresses: usize,
    /// Where the places of its strings begin.
    strings: usize,
    /// What it is, for one that was split off, and its part once that was looked for.
    skeleton: Option<(DwoId, Rc<Unit<Slice<'a>>>)>,
    part: Option<Option<Part<'a>>>,
}

impl<'r, 'a> Units<'r, 'a> {
    /// The units of `sections`, with the records at the addresses `wanted`.
    pub(super) fn new(
        dwarf: Rc<Dwarf<Slice<'a>>>,
        sections: &Sections<'a>,
        split: &'r Split<'a>,
        wanted: &[u64],
    ) -> Result<Self, Absent> {
        let mut headers = Vec::new();
        let mut all = dwarf.units();
        while let Some(header) = all.next()? {
            headers.push((header.offset().0, header));
        }
        let mut tables =
            Tables::new(sections.get(".debug_abbrev"), sections.get(".debug_line"), &headers);
        let addresses = sections.get(".debug_addr");
        let mut numbered = Vec::new();
        if !addresses.is_empty() {
            for (number, (_, header)) in headers.iter().enumerate() {
                numbered.extend(Numbered::of(&dwarf, &mut tables, number, *header)?);
            }
        }
        Ok(Self {
            dwarf,
            split,
            info: sections.get(".debug_info"),
            strings: sections.get(".debug_str"),
            addresses,
            string_offsets: sections.get(".debug_str_offsets"),
            headers,
            numbered,
            scanned: HashMap::new(),
            wanted: wanted.iter().copied().collect(),
            absent: None,
            tables,
            bounds: Bounds::new(),
        })
    }

    /// A unit that was looked into.
    ///
    /// # Panics
    /// When it was not: numbers of units come only from looking into them.
    pub(super) fn get(&self, number: usize) -> &Scanned<'a> {
        self.scanned.get(&number).expect("a unit's number comes from looking into it")
    }

    /// Why a unit could not be looked into so far.
    pub(super) fn take_absent(&mut self) -> Option<Absent> {
        self.absent.take()
    }

    /// The numbers of the units that tell of a wanted record.
    pub(super) fn with_records(&mut self) -> Result<BTreeSet<usize>, Absent> {
        let mut found = BTreeSet::new();
        // All but the lowest two bytes: records stand close together.
        let needles: BTreeSet<[u8; 6]> = self.wanted.iter().map(|at| upper(*at)).collect();
        for needle in needles {
            for at in self.hits(self.info, &needle)? {
                let marked = at >= 3 && self.info[at - 3] == ADDRESS_OF_STATIC;
                if marked && self.wants(self.info, at) {
                    found.extend(self.around(at));
                }
            }
            for at in self.hits(self.addresses, &needle)? {
                if self.wants(self.addresses, at) {
                    found.extend(self.with_number(at - 2, |unit| unit.addresses)?);
                }
            }
        }
        self.look_into(found)
    }

    /// Whether the word whose upper bytes stand at `at` is a wanted address.
    fn wants(&self, bytes: &[u8], at: usize) -> bool {
        let address = at.checked_sub(2).and_then(|start| word(bytes, start));
        address.is_some_and(|address| self.wanted.contains(&address))
    }

    /// The numbers of the units that tell of a function at `address`.
    pub(super) fn with_address(&mut self, address: u64) -> Result<BTreeSet<usize>, Absent> {
        let needle = address.to_le_bytes();
        let hits = self.hits(self.info, &needle)?.into_iter();
        let mut found: BTreeSet<usize> = hits.filter_map(|at| self.around(at)).collect();
        for at in self.hits(self.addresses, &needle)? {
            found.extend(self.with_number(at, |unit| unit.addresses)?);
        }
        self.look_into(found)
    }

    /// The numbers of the units that tell of something whose name ends in `end`.
    pub(super) fn with_name(&mut self, end: &str) -> Result<BTreeSet<usize>, Absent> {
        let needle: Vec<u8> = end.bytes().chain([0]).collect();
        let mut found = BTreeSet::new();
        for place in self.places_of_names(self.strings, &needle)? {
            let place = place.to_le_bytes();
            let hits = self.hits(self.info, &place)?.into_iter();
            found.extend(hits.filter_map(|at| self.around(at)));
            for at in self.hits(self.string_offsets, &place)? {
                found.extend(self.with_number(at, |unit| unit.strings)?);
            }
        }
        found.extend(self.parts_with_name(&needle)?);
        self.look_into(found)
    }

    /// The numbers of the units whose split parts tell of such a name.
    fn parts_with_name(&mut self, needle: &[u8]) -> Result<Vec<usize>, Absent> {
        let mut found = Vec::new();
        // The parts in a package share their strings.
        let mut searched: Option<(&[u8], Vec<u32>)> = None;
        for at in 0..self.numbered.len() {
            let Some((dwarf, _)) = self.part(at)? else { continue };
            let strings = dwarf.debug_str.reader().slice();
            let offsets = dwarf.debug_str_offsets.reader().slice();
            let known = searched.as_ref().is_some_and(|(known, _)| std::ptr::eq(*known, strings));
            if !known {
                searched = Some((strings, self.places_of_names(strings, needle)?));
            }
            for place in searched.iter().flat_map(|(_, places)| places) {
                self.bounds.search(offsets.len())?;
                if os::find(offsets, &place.to_le_bytes()).is_some() {
                    found.push(self.numbered[at].number);
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The number of the unit that the byte at `offset` belongs to.
    fn around(&self, offset: usize) -> Option<usize> {
        self.headers.partition_point(|(start, _)| *start <= offset).checked_sub(1)
    }

    /// The numbers of the units whose table, which begins at `base`, has the byte at `offset`.
    fn with_number(
        &self,
        offset: usize,
        base: fn(&Numbered<'a>) -> usize,
    ) -> Result<Vec<usize>, Absent> {
        self.bounds.search(self.numbered.len() * size_of::<Numbered<'_>>())?;
        let before = self.numbered.iter().map(base).filter(|start| *start <= offset);
        let start = before.max();
        let sharing = self.numbered.iter().filter(|unit| Some(base(unit)) == start);
        Ok(sharing.map(|unit| unit.number).collect())
    }

    /// Where the names begin that end in `needle`, which ends in the zero after them.
    fn places_of_names(&self, strings: &[u8], needle: &[u8]) -> Result<Vec<u32>, Absent> {
        let start = |at: usize| strings[..at].iter().rposition(|byte| *byte == 0);
        let hits = self.hits(strings, needle)?.into_iter();
        let places = hits.map(|at| start(at).map_or(0, |zero| zero + 1));
        Ok(places.filter_map(|place| u32::try_from(place).ok()).collect())
    }

    /// Every place where `needle` stands in `bytes`.
    fn hits(&self, bytes: &[u8], needle: &[u8]) -> Result<Vec<usize>, Absent> {
        self.bounds.search(bytes.len())?;
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(at) = bytes.get(from..).and_then(|rest| os::find(rest, needle)) {
            self.bounds.found()?;
            found.push(from + at);
            from += at + 1;
        }
        Ok(found)
    }

    /// The split part of a unit, looked for once; `None` for one that is whole, or whose part is
    /// absent.
    fn part(&mut self, at: usize) -> Result<Option<Part<'a>>, Absent> {
        let numbered = &mut self.numbered[at];
        let Some((id, skeleton)) = &numbered.skeleton else { return Ok(None) };
        if let Some(known) = &numbered.part {
            return Ok(known.clone());
        }
        let part = match self.split.part(*id, skeleton, &self.dwarf) {
            Ok(part) => Some(part),
            Err(limit @ Absent::TooLarge { .. }) => return Err(limit),
            Err(absent) => {
                notice::debug(format_args!("a unit is passed over: {absent}"));
                self.absent.get_or_insert(absent);
                None
            }
        };
        numbered.part = Some(part.clone());
        Ok(part)
    }

    /// Looks into the units of these numbers, and returns those of them that are there.
    fn look_into(&mut self, numbers: BTreeSet<usize>) -> Result<BTreeSet<usize>, Absent> {
        let mut there = BTreeSet::new();
        for number in numbers {
            if !self.scanned.contains_key(&number) {
                let Some(unit) = self.whole(number)? else { continue };
                let scanned = scan(unit, &self.wanted, &self.bounds)?;
                self.scanned.insert(number, scanned);
            }
            there.insert(number);
        }
        Ok(there)
    }

    /// The unit of this number, or what was split off of it.
    fn whole(&mut self, number: usize) -> Result<Option<Described<'a>>, Absent> {
        let at = self.numbered.binary_search_by_key(&number, |unit| unit.number).ok();
        let skeleton = at.and_then(|at| self.numbered[at].skeleton.clone().map(|(_, s)| (at, s)));
        let Some((at, skeleton)) = skeleton else {
            let unit = self.tables.unit(&self.dwarf, self.headers[number].1)?;
            return Ok(Some((Rc::clone(&self.dwarf), unit)));
        };
        let Some((dwarf, header)) = self.part(at)? else { return Ok(None) };
        // Parts share nothing, unless their package lies.
        self.bounds.tables(dwarf.debug_abbrev.reader().len() + dwarf.debug_line.reader().len())?;
        let mut unit = dwarf.unit(header)?;
        unit.copy_relocated_attributes(&skeleton);
        // The names of files and folders stay in the image.
        unit.line_program = skeleton.line_program.clone();
        unit.comp_dir = skeleton.comp_dir;
        Ok(Some((dwarf, unit)))
    }
}

/// A unit, and the sections that it is described in.
type Described<'a> = (Rc<Dwarf<Slice<'a>>>, Unit<Slice<'a>>);

impl<'a> Numbered<'a> {
    fn of(
        dwarf: &Dwarf<Slice<'a>>,
        tables: &mut Tables<'a>,
        number: usize,
        header: UnitHeader<Slice<'a>>,
    ) -> Result<Option<Self>, Absent> {
        let unit = tables.unit(dwarf, header)?;
        // Before DWARF 5 only split units number anything.
        if unit.dwo_id.is_none() && header.version() < 5 {
            return Ok(None);
        }
        Ok(Some(Self {
            number,
            addresses: unit.addr_base.0,
            strings: unit.str_offsets_base.0,
            skeleton: unit.dwo_id.map(|id| (id, Rc::new(unit))),
            part: None,
        }))
    }
}

fn upper(address: u64) -> [u8; 6] {
    let [_, _, upper @ ..] = address.to_le_bytes();
    upper
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
