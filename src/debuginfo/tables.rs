//! The tables that units share, read so that no two units make the same bytes be read again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use gimli::{
    Abbreviations, AttributeValue, DW_AT_stmt_list, DebugAbbrev, DebuggingInformationEntry, Dwarf,
    LittleEndian, Unit, UnitHeader,
};

use super::{Absent, Slice};

/// The abbreviations and the heads of the line programs of an image.
pub(super) struct Tables<'a> {
    abbreviations: &'a [u8],
    /// Where tables of abbreviations begin.
    starts: BTreeSet<usize>,
    known: HashMap<usize, Arc<Abbreviations>>,
    lines: &'a [u8],
    /// How many bytes of heads of line programs may still be read: each belongs to one unit.
    heads: usize,
}

impl<'a> Tables<'a> {
    /// The tables of the units with these `headers`.
    pub(super) fn new(
        abbreviations: &'a [u8],
        lines: &'a [u8],
        headers: &[(usize, UnitHeader<Slice<'a>>)],
    ) -> Self {
        let starts = headers.iter().map(|(_, header)| header.debug_abbrev_offset().0).collect();
        Self { abbreviations, starts, known: HashMap::new(), lines, heads: lines.len() }
    }

    /// The unit with this `header`.
    pub(super) fn unit(
        &mut self,
        dwarf: &Dwarf<Slice<'a>>,
        header: UnitHeader<Slice<'a>>,
    ) -> Result<Unit<Slice<'a>>, Absent> {
        let abbreviations = self.abbreviations(&header)?;
        self.spend_head(&header, &abbreviations)?;
        Ok(Unit::new_with_abbreviations(dwarf, header, abbreviations)?)
    }

    /// A table ends where the next begins.
    fn abbreviations(
        &mut self,
        header: &UnitHeader<Slice<'a>>,
    ) -> Result<Arc<Abbreviations>, Absent> {
        let start = header.debug_abbrev_offset().0;
        if let Some(known) = self.known.get(&start) {
            return Ok(Arc::clone(known));
        }
        let end = self.starts.range(start + 1..).next().copied().unwrap_or(usize::MAX);
        let bytes = &self.abbreviations[..end.min(self.abbreviations.len())];
        let table = header.abbreviations(&DebugAbbrev::new(bytes, LittleEndian))?;
        let table = Arc::new(table);
        self.known.insert(start, Arc::clone(&table));
        Ok(table)
    }

    /// Notes that the head of the unit's line program will be read.
    fn spend_head(
        &mut self,
        header: &UnitHeader<Slice<'a>>,
        abbreviations: &Abbreviations,
    ) -> Result<(), Absent> {
        let mut root = DebuggingInformationEntry::null();
        header.entries_raw(abbreviations, None)?.read_entry(&mut root)?;
        let Some(AttributeValue::DebugLineRef(start)) = root.attr_value(DW_AT_stmt_list) else {
            return Ok(());
        };
        let len = head_len(self.lines.get(start.0..).unwrap_or_default());
        let left = self.heads.checked_sub(len);
        self.heads = left.ok_or_else(|| Absent::Damaged {
            reason: "line programs share their bytes".to_owned(),
        })?;
        Ok(())
    }
}

/// The length of the head of the line program at the start of `bytes`; 0 when it is not there.
fn head_len(bytes: &[u8]) -> usize {
    let half = |at: usize| bytes.get(at..)?.first_chunk().map(|half| u32::from_le_bytes(*half));
    let version = bytes.get(4..).and_then(<[u8]>::first_chunk).map(|at| u16::from_le_bytes(*at));
    // From version 5 on the sizes of addresses and selectors come before the length.
    let at = if version >= Some(5) { 8 } else { 6 };
    half(at).map_or(0, |len| (len as usize).saturating_add(at + 4).min(bytes.len()))
}
