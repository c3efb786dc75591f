//! The machine code of one function in two editions of a library.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use midair_arch::{Instruction, Machine, disassemble};
use midair_trampolines::function::{BODY_OFFSET, Function};

use super::Library;
use super::align::align;
use super::elf::File;
use super::names::Names;
use crate::format::Format;

/// Two editions of a function's code, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeDifference {
    /// The function, by its full name.
    pub function: String,
    /// The instructions of both.
    pub rows: Vec<Row>,
}

/// One instruction of either edition, or of both.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// In the old edition.
    pub old: Option<Line>,
    /// In the new edition.
    pub new: Option<Line>,
    /// Whether they differ in more than where they lie.
    pub changed: bool,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// How far from the start of the function it lies, in bytes.
    pub offset: u64,
    /// The number of the place in the function that this is, if anything jumps to it.
    pub label: Option<usize>,
    /// Mnemonic and operands, with names for addresses.
    pub text: String,
}

/// Why the code of a function cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// No hot function has that name.
    #[error("{} has no hot function called {name}", path.display())]
    Unknown {
        /// The library.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// Those that it has.
        candidates: Vec<String>,
    },
    /// Several hot functions end in that name.
    #[error("{name} is the name of {} hot functions in {}", candidates.len(), path.display())]
    Ambiguous {
        /// The library.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// Those that are called so.
        candidates: Vec<String>,
    },
    /// Code of that kind is not read.
    #[error("{} holds {machine} code in {format}; the code of x86_64 in ELF is what is shown", path.display())]
    Unsupported {
        /// The library.
        path: PathBuf,
        /// The machine that it is for.
        machine: Machine,
        /// The format of its file.
        format: Format,
    },
    /// Its record leads nowhere.
    #[error("the record of {name} in {} does not lead to code", path.display())]
    Nowhere {
        /// The library.
        path: PathBuf,
        /// The function.
        name: String,
    },
    /// No symbol says where the function ends.
    #[error("{} does not tell where the code of {name} ends", path.display())]
    Endless {
        /// The library.
        path: PathBuf,
        /// The function.
        name: String,
    },
    /// It is longer than what is shown.
    #[error("the code of {name} in {} has {size} bytes, more than the limit of {limit}", path.display())]
    TooLong {
        /// The library.
        path: PathBuf,
        /// The function.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The most that is shown, in bytes.
        limit: u64,
    },
}

/// The most bytes of code that are shown.
const MAX_CODE: u64 = 1 << 18;

impl CodeDifference {
    /// How many rows differ.
    #[must_use]
    pub fn changed(&self) -> usize {
        self.rows.iter().filter(|row| row.changed).count()
    }
}

/// Compares the code of the function called `name`, in full or by its last segments.
///
/// Code that merely lies elsewhere is equal: what it calls and what it refers to are compared by
/// name, constants by their value, jumps within the function by where they lead.
///
/// # Errors
/// [`CodeError`]
pub fn compare_code(old: &Library, new: &Library, name: &str) -> Result<CodeDifference, CodeError> {
    let ours = find(old, name)?;
    let theirs = find(new, &ours.name)?;
    let (mut old, mut new) = (code(old, ours)?, code(new, theirs)?);
    // The function's own hash is another one where the crates are of other versions or places:
    // then hashes tell nothing.
    if old.hash.is_none() || old.hash != new.hash {
        without_hashes(&mut old.instructions);
        without_hashes(&mut new.instructions);
    }
    let (old, new) = (old.instructions, new.instructions);
    let pairs = align(&texts(&old), &texts(&new));
    let places: BTreeMap<u64, u64> = pairs
        .iter()
        .filter_map(|(ours, theirs)| Some((old[(*ours)?].address, new[(*theirs)?].address)))
        .collect();
    let (old_lines, new_lines) = (lines(&old), lines(&new));
    let row = |(ours, theirs): &(Option<usize>, Option<usize>)| {
        let changed = match (ours, theirs) {
            (Some(ours), Some(theirs)) => differs(&old[*ours], &new[*theirs], &places),
            _ => true,
        };
        let line = |lines: &[Line], at: &Option<usize>| at.map(|at| lines[at].clone());
        shown(Row { old: line(&old_lines, ours), new: line(&new_lines, theirs), changed })
    };
    Ok(CodeDifference { function: ours.name.clone(), rows: pairs.iter().map(row).collect() })
}

/// The row with hashes where nothing else differs.
fn shown(mut row: Row) -> Row {
    let plain = |line: &Option<Line>| line.as_ref().map(|line| without_hash(&line.text));
    let (old, new) = (plain(&row.old), plain(&row.new));
    if row.changed && old == new {
        return row;
    }
    for (line, text) in [(&mut row.old, old), (&mut row.new, new)] {
        if let (Some(line), Some(text)) = (line, text) {
            line.text = text;
        }
    }
    row
}

fn without_hashes(code: &mut [Instruction]) {
    for instruction in code {
        instruction.text = without_hash(&instruction.text);
    }
}

/// `text` without the hash behind a `#`.
fn without_hash(text: &str) -> String {
    let is_hash = |rest: &&str| {
        rest.get(..16).is_some_and(|hash| hash.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    match text.split_once('#').filter(|(_, rest)| is_hash(rest)) {
        Some((before, rest)) => format!("{before}{}", &rest[16..]),
        None => text.to_owned(),
    }
}

fn texts(code: &[Instruction]) -> Vec<&str> {
    code.iter().map(|line| line.text.as_str()).collect()
}

/// Whether two instructions differ; jumps within the function lead to places that are paired.
fn differs(old: &Instruction, new: &Instruction, places: &BTreeMap<u64, u64>) -> bool {
    let target = old.local.and_then(|target| places.get(&target).copied());
    old.text != new.text || (old.local.is_some() && target != new.local)
}

fn find<'a>(library: &'a Library, name: &str) -> Result<&'a Function, CodeError> {
    let functions = &library.manifest().functions;
    let path = library.path().to_owned();
    let names = |functions: &[&Function]| {
        let names: BTreeSet<_> = functions.iter().map(|function| function.name.clone()).collect();
        names.into_iter().collect()
    };
    let exact: Vec<_> = functions.iter().filter(|function| function.name == name).collect();
    let by_end = |function: &&Function| {
        function.name.strip_suffix(name).is_some_and(|rest| rest.ends_with("::"))
    };
    let found = if exact.is_empty() { functions.iter().filter(by_end).collect() } else { exact };
    match &found[..] {
        [function] => Ok(function),
        [] => {
            let all: Vec<_> = functions.iter().collect();
            Err(CodeError::Unknown { path, name: name.to_owned(), candidates: names(&all) })
        }
        _ => Err(CodeError::Ambiguous { path, name: name.to_owned(), candidates: names(&found) }),
    }
}

/// The code of a function, and the hash of its symbol.
struct Code {
    instructions: Vec<Instruction>,
    hash: Option<String>,
}

/// The code of `function`.
fn code(library: &Library, function: &Function) -> Result<Code, CodeError> {
    let path = || library.path().to_owned();
    let name = || function.name.clone();
    let (machine, format) = (library.machine(), library.format());
    let nowhere = || CodeError::Nowhere { path: path(), name: name() };
    if (machine, format) != (Machine::X86_64, Format::Elf) {
        return Err(CodeError::Unsupported { path: path(), machine, format });
    }
    let file = File::read(library.bytes()).ok_or_else(nowhere)?;
    let names = Names::new(&file);
    let cell = library.manifest().address_of(function).saturating_add(BODY_OFFSET as u64);
    let start = names.pointer_at(cell).ok_or_else(nowhere)?;
    let size =
        names.size_at(start).ok_or_else(|| CodeError::Endless { path: path(), name: name() })?;
    if size > MAX_CODE {
        return Err(CodeError::TooLong { path: path(), name: name(), size, limit: MAX_CODE });
    }
    let bytes = file.code_at(start).get(..size as usize).ok_or_else(nowhere)?;
    let instructions = disassemble(bytes, start, |reference| names.name(reference));
    Ok(Code { instructions, hash: names.hash_at(start).map(str::to_owned) })
}

/// The lines of `code`, with numbers for the places that it jumps to.
fn lines(code: &[Instruction]) -> Vec<Line> {
    let targets: BTreeSet<u64> = code.iter().filter_map(|line| line.local).collect();
    let numbers: BTreeMap<u64, usize> = targets.into_iter().zip(1..).collect();
    let start = code.first().map_or(0, |line| line.address);
    let line = |line: &Instruction| {
        let number = line.local.and_then(|target| numbers.get(&target));
        let text = match number {
            Some(number) => line.text.replace("<local>", &format!("<local {number}>")),
            None => line.text.clone(),
        };
        let label = numbers.get(&line.address).copied();
        Line { offset: line.address.wrapping_sub(start), label, text }
    };
    code.iter().map(line).collect()
}
