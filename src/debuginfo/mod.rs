//! Types out of debug info: what each hot function takes and returns, and everything that can be
//! reached from there.
//!
//! A record is a static of a type that names the function's own type. So its address, which both
//! sides know, leads to the description of all types of the signature, in optimised code too.

mod methods;
mod sections;
mod types;
mod unit;
mod units;

use std::collections::HashMap;

use gimli::{Dwarf, EndianSlice, LittleEndian};

use crate::types::{Graph, TypeId};
use sections::Sections;
use types::Reader as TypeReader;
use units::Units;

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

/// Reads the types of the function records that stand at the addresses `records` in the file
/// `bytes`.
///
/// # Errors
/// [`Absent`] when there is none, or none that can be read.
pub(crate) fn read(bytes: &[u8], records: &[u64]) -> Result<FunctionTypes, Absent> {
    let sections = Sections::find(bytes)?;
    let dwarf =
        Dwarf::load(|id| Ok::<_, Absent>(Slice::new(sections.get(id.name()), LittleEndian)))?;
    let mut units = Units::new(&dwarf, &sections, records)?;
    let with_records = units.with_records()?;
    let found: Vec<_> = with_records
        .into_iter()
        .flat_map(|number| {
            let records = units.get(number).records.iter();
            records.map(move |(address, ty)| (*address, (number, *ty)))
        })
        .collect();
    if found.is_empty() {
        return Err(Absent::NoTypes);
    }
    let mut types = FunctionTypes::default();
    let mut reader = TypeReader::new(&dwarf, units, &sections, &mut types.graph);
    for (address, record) in found {
        if let Some(function) = reader.function_of_record(record)? {
            types.functions.insert(address, function);
        }
    }
    Ok(types)
}
