//! Types out of debug info: what each hot function takes and returns, and everything that can be
//! reached from there.
//!
//! A record is a static of a type that names the function's own type. So its address, which both
//! sides know, leads to the description of all types of the signature, in optimised code too.

mod methods;
mod sections;
mod types;
mod unit;

use std::collections::HashMap;
use std::ops::Range;

use gimli::{Dwarf, EndianSlice, LittleEndian, UnitHeader};

use crate::types::{Graph, TypeId};
use methods::Tables;
use sections::Sections;
use types::Reader as TypeReader;
use unit::Scanned;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// The types of the hot functions of one image.
#[derive(Clone, Debug, Default)]
pub(crate) struct FunctionTypes {
    /// All types that can be reached.
    pub(crate) graph: Graph,
    /// The function type of each record, by the record's address in the file.
    pub(crate) functions: HashMap<u64, TypeId>,
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Absent {
    /// The library was built without it, or it was stripped.
    #[error("it has no debug info")]
    None,
    /// It was built with line tables only.
    #[error("its debug info tells lines but no types")]
    NoTypes,
    /// Its sections are compressed.
    #[error("its debug info is compressed")]
    Compressed,
    /// It is larger than what is read.
    #[error("its debug info exceeds {limit} {what}")]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// The most that is read.
        limit: usize,
    },
    /// It cannot be understood.
    #[error("its debug info is damaged: {reason}")]
    Damaged {
        /// What the parser said.
        reason: String,
    },
    /// The file is gone or another one by now.
    #[error("the file that was loaded is gone")]
    Gone,
}

impl From<gimli::Error> for Absent {
    fn from(error: gimli::Error) -> Self {
        Self::Damaged { reason: error.to_string() }
    }
}

/// The most types that are read for one image.
const MAX_TYPES: usize = 200_000;

/// The most entries that are looked at in one image.
const MAX_ENTRIES: usize = 4_000_000;

/// Reads the types of all function records that stand in `records`, addresses in the file
/// `bytes`; `crates` are the crates that they are of.
///
/// # Errors
/// [`Absent`] when there is none, or none that can be read.
pub(crate) fn read(
    bytes: &[u8],
    records: Range<u64>,
    crates: &[String],
) -> Result<FunctionTypes, Absent> {
    let sections = Sections::find(bytes)?;
    let dwarf =
        Dwarf::load(|id| Ok::<_, Absent>(Slice::new(sections.get(id.name()), LittleEndian)))?;
    let mut scanned = Vec::new();
    let mut budget = MAX_ENTRIES;
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        if is_of(&dwarf, header, crates)? {
            scanned.push(unit::scan(&dwarf, header, &records, &mut budget)?);
        }
    }
    let found = scanned.iter().any(|unit: &Scanned<'_>| !unit.records.is_empty());
    if !found {
        return Err(Absent::NoTypes);
    }
    let tables = Tables::new(&scanned, &sections);
    let mut types = FunctionTypes::default();
    let mut reader = TypeReader::new(&dwarf, &scanned, &tables, &mut types.graph);
    for (number, unit) in scanned.iter().enumerate() {
        for (address, ty) in &unit.records {
            if let Some(function) = reader.function_of_record((number, *ty))? {
                types.functions.insert(*address, function);
            }
        }
    }
    Ok(types)
}

/// Whether the unit is of one of `crates`: rustc names it after the root file and the crate.
fn is_of(
    dwarf: &Dwarf<Slice<'_>>,
    header: UnitHeader<Slice<'_>>,
    crates: &[String],
) -> Result<bool, Absent> {
    let abbreviations = dwarf.abbreviations(&header)?;
    let mut entries = header.entries(&abbreviations);
    let Some(root) = entries.next_dfs()? else { return Ok(false) };
    let Some(name) = root.attr_value(gimli::DW_AT_name) else { return Ok(true) };
    let gimli::AttributeValue::DebugStrRef(at) = name else { return Ok(true) };
    let name = dwarf.string(at)?.to_string_lossy();
    let Some((_, of)) = name.rsplit_once("/@/") else { return Ok(true) };
    // Incremental builds, which are those of the workspace at hand, name the unit by a hash alone.
    let Some((of, _)) = of.split_once('.') else { return Ok(true) };
    Ok(crates.iter().any(|name| name == of))
}
