//! One pass over a unit: where the records, the method tables and the functions are, and under
//! which path each type stands.
#![expect(non_upper_case_globals, reason = "gimli names its constants as DWARF does")]

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use gimli::{
    AttributeValue, DW_AT_linkage_name, DW_AT_location, DW_AT_low_pc, DW_AT_name, DW_AT_type,
    DW_TAG_enumeration_type, DW_TAG_namespace, DW_TAG_structure_type, DW_TAG_subprogram,
    DW_TAG_union_type, DW_TAG_variable, DebuggingInformationEntry, DwTag, Dwarf, Unit, UnitOffset,
};

use super::bounds::Bounds;
use super::{Absent, Slice};

/// A unit, and what the pass found in it.
pub(super) struct Scanned<'a> {
    /// The sections that it is described in: of a part that was split off, those of its own file.
    pub(super) dwarf: Rc<Dwarf<Slice<'a>>>,
    pub(super) unit: Unit<Slice<'a>>,
    /// Each record's address and type.
    pub(super) records: Vec<(u64, UnitOffset)>,
    /// Each method table's name and address.
    pub(super) tables: Vec<(String, u64)>,
    /// Each function's address and entry.
    pub(super) functions: Vec<(u64, UnitOffset)>,
    /// The path before the name of each type.
    pub(super) paths: HashMap<UnitOffset, Rc<str>>,
}

/// Looks at every entry of `unit` once.
pub(super) fn scan<'a>(
    (dwarf, unit): (Rc<Dwarf<Slice<'a>>>, Unit<Slice<'a>>),
    records: &HashSet<u64>,
    bounds: &Bounds,
) -> Result<Scanned<'a>, Absent> {
    let mut found = Scanned {
        dwarf: Rc::clone(&dwarf),
        records: Vec::new(),
        tables: Vec::new(),
        functions: Vec::new(),
        paths: HashMap::new(),
        unit,
    };
    // The path that the children of the entry at each depth stand under.
    let mut above: Vec<Rc<str>> = Vec::new();
    let abbreviations = Arc::clone(&found.unit.abbreviations);
    let mut entries = found.unit.header.entries_raw(&abbreviations, None)?;
    let mut entry = DebuggingInformationEntry::null();
    while !entries.is_empty() {
        let offset = entries.next_offset();
        let depth = usize::try_from(entries.next_depth()).unwrap_or_default();
        let Some(abbreviation) = entries.read_abbreviation()? else {
            bounds.entry(0, depth)?;
            continue;
        };
        bounds.entry(abbreviation.attributes().len(), depth)?;
        above.truncate(depth);
        let path: Rc<str> = above.last().cloned().unwrap_or_else(|| Rc::from(""));
        let tag = abbreviation.tag();
        if !is_told_of(tag) {
            // Most entries are parts of functions: nothing in them is asked for.
            entries.skip_attributes(abbreviation.attributes())?;
            above.push(path);
            continue;
        }
        entries.read_attributes(abbreviation.attributes(), &mut entry.attrs)?;
        let inner =
            found.note(&dwarf, (offset, tag), &entry, Rc::clone(&path), (records, bounds))?;
        if !Rc::ptr_eq(&inner, &path) {
            bounds.text(inner.len())?;
        }
        above.push(inner);
    }
    Ok(found)
}

fn is_told_of(tag: DwTag) -> bool {
    matches!(
        tag,
        DW_TAG_namespace
            | DW_TAG_structure_type
            | DW_TAG_union_type
            | DW_TAG_enumeration_type
            | DW_TAG_variable
            | DW_TAG_subprogram
    )
}

impl<'a> Scanned<'a> {
    /// Takes note of one entry, and returns the path that its children stand under.
    fn note(
        &mut self,
        dwarf: &Dwarf<Slice<'a>>,
        (offset, tag): (UnitOffset, DwTag),
        entry: &DebuggingInformationEntry<Slice<'a>>,
        path: Rc<str>,
        (records, bounds): (&HashSet<u64>, &Bounds),
    ) -> Result<Rc<str>, Absent> {
        let own = |unit: &Unit<Slice<'a>>| name(dwarf, unit, entry, bounds);
        match tag {
            DW_TAG_namespace => {
                return Ok(joined(&path, &own(&self.unit)?.unwrap_or_default()).into());
            }
            DW_TAG_structure_type | DW_TAG_union_type | DW_TAG_enumeration_type => {
                self.paths.insert(offset, Rc::clone(&path));
                return Ok(joined(&path, &own(&self.unit)?.unwrap_or_default()).into());
            }
            DW_TAG_variable => {
                let Some(address) = address(dwarf, &self.unit, entry) else { return Ok(path) };
                if records.contains(&address) {
                    if let Some(AttributeValue::UnitRef(ty)) = entry.attr_value(DW_AT_type) {
                        self.records.push((address, ty));
                    }
                } else if entry.attr_value(DW_AT_linkage_name).is_none()
                    && let Some(name) = own(&self.unit)?
                    && name.ends_with("::{vtable}")
                {
                    self.tables.push((name, address));
                }
            }
            _ => {
                if let Some(value) = entry.attr_value(DW_AT_low_pc)
                    && let Some(address) = dwarf.attr_address(&self.unit, value)?
                {
                    self.functions.push((address, offset));
                }
            }
        }
        Ok(path)
    }
}

/// The name of an entry.
pub(super) fn name(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    entry: &DebuggingInformationEntry<Slice<'_>>,
    bounds: &Bounds,
) -> Result<Option<String>, Absent> {
    let Some(value) = entry.attr_value(DW_AT_name) else { return Ok(None) };
    let name = dwarf.attr_string(unit, value)?;
    bounds.text(name.len())?;
    Ok(Some(name.to_string_lossy().into_owned()))
}

/// `path` and `name` with `::` between them.
pub(super) fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") }
}

/// The address of a static.
fn address(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    entry: &DebuggingInformationEntry<Slice<'_>>,
) -> Option<u64> {
    let AttributeValue::Exprloc(expression) = entry.attr_value(DW_AT_location)? else {
        return None;
    };
    let mut operations = expression.operations(unit.encoding());
    match operations.next().ok()?? {
        gimli::Operation::Address { address } => Some(address),
        gimli::Operation::AddressIndex { index } => dwarf.address(unit, index).ok(),
        _ => None,
    }
}
