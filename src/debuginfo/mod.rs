//! Types out of debug info: what each hot function takes and returns, and everything that can be
//! reached from there.
//!
//! A record is a static of a type that names the function's own type. So its address, which both
//! sides know, leads to the description of all types of the signature, in optimised code too.

mod bounds;
mod methods;
mod sections;
mod separate;
mod split;
mod tables;
mod types;
mod unit;
mod units;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use gimli::{Dwarf, EndianSlice, LittleEndian};

use crate::artifact::Stamp;
use crate::types::{Graph, TypeId};
pub(crate) use separate::is_split;
use split::{Files, Split};
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
    /// Why others are not among them, where that is known.
    pub(crate) missing: Option<Absent>,
}

/// Where a library was read from, and the state of the file then; `None` where its bytes alone are
/// known, and no other file is looked at on their word.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) path: PathBuf,
    pub(crate) stamp: Option<Stamp>,
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
    #[error("its debug info is compressed ({how}), which is not read")]
    Compressed {
        /// By which method.
        how: &'static str,
    },
    /// It was split off, and what was split off is nowhere.
    #[error("its debug info was split off, and is neither at {}", listed(looked))]
    SplitGone {
        /// Where it was looked for.
        looked: Vec<PathBuf>,
    },
    /// It was split off, and what was split off was made by another build.
    #[error("its debug info was split off, and {} is of another build", file.display())]
    SplitStale {
        /// What was found.
        file: PathBuf,
    },
    /// It was split off, and nothing tells of which build it is.
    #[error(
        "its debug info was split off, and nothing proves that {} is of the same build: the \
         library is no longer where it was linked, and a build that is not incremental uses the \
         names of its files again",
        file.display()
    )]
    SplitUnproven {
        /// What was found.
        file: PathBuf,
    },
    /// It was split off, and there is no file to look beside.
    #[error("its debug info was split off, and of the library only the bytes are known")]
    SplitUnknown,
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

impl Absent {
    fn stale(file: &Path) -> Self {
        Self::SplitStale { file: file.to_owned() }
    }
}

fn listed(places: &[PathBuf]) -> String {
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    places.join(" nor at ")
}

/// The most types that are read for one image.
const MAX_TYPES: usize = 200_000;

/// Reads the types of the function records that stand at the addresses `records` in the file
/// `bytes`, which was read from `origin`.
///
/// # Errors
/// [`Absent`] when there is none, or none that can be read.
pub(crate) fn read(
    bytes: &[u8],
    records: &[u64],
    origin: &Origin,
) -> Result<FunctionTypes, Absent> {
    let files = Files::default();
    let sections = separate::sections(bytes, origin, &files)?;
    let dwarf =
        Dwarf::load(|id| Ok::<_, Absent>(Slice::new(sections.get(id.name()), LittleEndian)))?;
    let split = Split::new(origin, &files);
    let mut units = Units::new(Rc::new(dwarf), &sections, &split, records)?;
    let with_records = units.with_records()?;
    let missing = units.take_absent();
    let found: Vec<_> = with_records
        .into_iter()
        .flat_map(|number| {
            let records = units.get(number).records.iter();
            records.map(move |(address, ty)| (*address, (number, *ty)))
        })
        .collect();
    if found.is_empty() {
        return Err(missing.unwrap_or(Absent::NoTypes));
    }
    let mut types = FunctionTypes { missing, ..FunctionTypes::default() };
    let mut reader = TypeReader::new(units, &sections, &mut types.graph);
    for (address, record) in found {
        if let Some(function) = reader.function_of_record(record)? {
            types.functions.insert(address, function);
        }
    }
    Ok(types)
}
