//! One pass over a unit: where the records, the method tables and the functions are, and under
//! which path each type stands.
#![expect(non_upper_case_globals, reason = "gimli names its constants as DWARF does")]

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use gimli::{
    AttributeValue, DW_AT_linkage_name, DW_AT_location, DW_AT_low_pc, DW_AT_name, DW_AT_type,
    DW_TAG_enumeration_type, DW_TAG_namespace, DW_TAG_structure_type, DW_TAG_subprogram,
    DW_TAG_union_type, DW_TAG_variable, DebuggingInformationEntry, Dwarf, Unit, UnitHeader,
    UnitOffset,
};

use super::{Absent, Slice};

/// A unit, and what the pass found in it.
pub(super) struct Scanned<'a> {
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

/// Looks at every entry of the unit once; `budget` is how many entries may still be looked at.
pub(super) fn scan<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    header: UnitHeader<Slice<'a>>,
    records: &Range<u64>,
    budget: &mut usize,
) -> Result<Scanned<'a>, Absent> {
    let unit = dwarf.unit(header)?;
    let mut found = Scanned {
        records: Vec::new(),
        tables: Vec::new(),
        functions: Vec::new(),
        paths: HashMap::new(),
        unit,
    };
    // The path that the children of the entry at each depth stand under.
    let mut above: Vec<Rc<str>> = Vec::new();
    let mut entries = found.unit.entries();
    while let Some(entry) = entries.next_dfs()? {
        *budget = budget
            .checked_sub(1)
            .ok_or(Absent::TooLarge { what: "entries", limit: super::MAX_ENTRIES })?;
        let depth = usize::try_from(entry.depth()).unwrap_or_default();
        above.truncate(depth);
        let path: Rc<str> = above.last().cloned().unwrap_or_else(|| Rc::from(""));
        let own = match entry.tag() {
            DW_TAG_namespace => {
                joined(&path, &name(dwarf, &found.unit, entry)?.unwrap_or_default()).into()
            }
            DW_TAG_structure_type | DW_TAG_union_type | DW_TAG_enumeration_type => {
                found.paths.insert(entry.offset(), Rc::clone(&path));
                joined(&path, &name(dwarf, &found.unit, entry)?.unwrap_or_default()).into()
            }
            DW_TAG_variable => {
                if let Some(address) = address(&found.unit, entry) {
                    if records.contains(&address) {
                        if let Some(AttributeValue::UnitRef(ty)) = entry.attr_value(DW_AT_type) {
                            found.records.push((address, ty));
                        }
                    } else if entry.attr_value(DW_AT_linkage_name).is_none()
                        && let Some(name) = name(dwarf, &found.unit, entry)?
                        && name.ends_with("::{vtable}")
                    {
                        found.tables.push((name, address));
                    }
                }
                path
            }
            DW_TAG_subprogram => {
                if let Some(value) = entry.attr_value(DW_AT_low_pc)
                    && let Some(address) = dwarf.attr_address(&found.unit, value)?
                {
                    found.functions.push((address, entry.offset()));
                }
                path
            }
            _ => path,
        };
        above.push(own);
    }
    Ok(found)
}

/// The name of an entry.
pub(super) fn name(
    dwarf: &Dwarf<Slice<'_>>,
    unit: &Unit<Slice<'_>>,
    entry: &DebuggingInformationEntry<Slice<'_>>,
) -> Result<Option<String>, Absent> {
    let Some(value) = entry.attr_value(DW_AT_name) else { return Ok(None) };
    Ok(Some(dwarf.attr_string(unit, value)?.to_string_lossy().into_owned()))
}

/// `path` and `name` with `::` between them.
pub(super) fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") }
}

/// The address of a static.
fn address(unit: &Unit<Slice<'_>>, entry: &DebuggingInformationEntry<Slice<'_>>) -> Option<u64> {
    let AttributeValue::Exprloc(expression) = entry.attr_value(DW_AT_location)? else {
        return None;
    };
    let mut operations = expression.operations(unit.encoding());
    match operations.next().ok()?? {
        gimli::Operation::Address { address } => Some(address),
        _ => None,
    }
}
