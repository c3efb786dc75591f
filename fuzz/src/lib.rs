//! Where hostile bytes enter: one function for each target. Each must come back, whatever it is
//! given, and states what holds of what was accepted.
//!
//! The ordinary suite feeds the same functions with the corpus (`tests/corpus.rs`).

#![allow(
    unreachable_pub,
    dead_code,
    unused_imports,
    reason = "a library here, a module of the tests there, which use a part of it each"
)]

mod sections;

use midair::inspect::{Library, Verdict, compare};
use midair::{Allocator, FunctionReport, Mismatch, Missing, Outcome, Require};
use midair_trampolines::function::Function;
use midair_trampolines::hash::Hash;
use midair_trampolines::identity::Identity;
use midair_trampolines::record::{Kind, records};
use midair_trampolines::types::Types;

pub use self::sections::{DEBUG_INFO, joined, section};

/// The content of a `midair` section, as it is and with the hashes of its type descriptions put
/// right: a fuzzer does not find hashes, and what comes behind them is to be met too.
pub fn manifest(bytes: &[u8]) {
    section_of(bytes);
    section_of(&with_hashes(bytes));
}

/// `bytes` with the right hash in each record of types that states lengths which it has.
fn with_hashes(bytes: &[u8]) -> Vec<u8> {
    let mut right = bytes.to_vec();
    for record in records(bytes).unwrap_or_default() {
        if record.kind == Kind::Types
            && let Some(hash) = hash_of_types(record.bytes)
        {
            right[record.offset + 8..record.offset + 16].copy_from_slice(&hash.to_le_bytes());
        }
    }
    right
}

/// The hash that belongs into a record of types, whose lengths come behind it and its texts behind
/// the keys of its roots.
fn hash_of_types(record: &[u8]) -> Option<u64> {
    let half =
        |at: usize| Some(u32::from_le_bytes(*record.get(at..)?.first_chunk::<4>()?) as usize);
    let (name, roots, nodes) = (half(16)?, half(20)?, half(24)?);
    let (keys, texts) = record.get(32..)?.split_at_checked(roots.checked_mul(8)?)?;
    let (name, texts) = texts.split_at_checked(name)?;
    let keys = keys.as_chunks().0.iter().map(|key| u64::from_le_bytes(*key));
    let hash = keys.fold(Hash::new().bytes(name), Hash::word);
    Some(hash.bytes(texts.get(..nodes)?).finish())
}

fn section_of(bytes: &[u8]) {
    let Ok(records) = records(bytes) else { return };
    let mut end = 0;
    for record in records {
        assert!(record.offset >= end && record.offset.is_multiple_of(8), "records overlap");
        end = record.offset + record.bytes.len();
        assert_eq!(record.bytes, &bytes[record.offset..end]);
        match record.kind {
            Kind::Identity => {
                let Ok(identity) = Identity::read(record) else { continue };
                let texts = [&identity.rustc, &identity.target, &identity.features];
                let len: usize = texts.iter().map(|text| text.len()).sum();
                assert!(len <= record.bytes.len(), "texts are longer than their record");
            }
            Kind::Function => {
                let Ok(function) = Function::read(record) else { continue };
                assert!(!function.name.is_empty());
                let texts = [&function.name, &function.signature, &function.file];
                let len: usize = texts.iter().map(|text| text.len()).sum();
                assert!(len <= record.bytes.len(), "texts are longer than their record");
            }
            Kind::Types => {
                let Ok(types) = Types::read(record) else { continue };
                let len: usize = types.nodes.iter().map(|node| node.name.len()).sum();
                assert!(len + types.name.len() <= record.bytes.len(), "texts are longer than they");
                assert!(types.nodes.len() + types.roots.len() <= record.bytes.len() / 8);
            }
            _ => {}
        }
    }
}

/// A whole file of any format.
pub fn artifact(bytes: &[u8]) {
    let Ok(library) = Library::parse("artifact".as_ref(), bytes.to_vec()) else { return };
    assert!(library.sizes().mapped <= bytes.len() as u64);
    assert!(!library.functions().is_empty());
    let _ = (library.warnings(), library.identity(), library.needed());
    fits_itself(&library);
    code(&library);
}

/// Debug info, in the place of a real library's.
pub fn dwarf(bytes: &[u8]) {
    fits_itself(&with_debug_info(bytes));
}

/// A real library with the debug info in `bytes`: sections as [`joined`] puts them together.
pub fn with_debug_info(bytes: &[u8]) -> Library {
    library_of(&sections::split(bytes))
}

/// A real library with `sections` for its [`DEBUG_INFO`].
pub fn library_of(sections: &[&[u8]; DEBUG_INFO.len()]) -> Library {
    let file = sections::replaced(LIBRARY, sections);
    // Debug info is not loaded, so nothing in it is a reason to refuse the library.
    Library::parse("debug info".as_ref(), file)
        .unwrap_or_else(|error| panic!("{error}; make the corpus anew: see docs/fuzzing.md"))
}

/// The library that debug info is put into.
pub const LIBRARY: &[u8] = include_bytes!("../corpus/artifact/seed-x86_64-linux");

/// Where the first function's record is in the file `library` before loading.
pub fn first_record(library: &[u8]) -> u64 {
    let (address, section) = section(library, "midair").expect("the library has records");
    let records = records(section).expect("they are whole");
    let function = records.iter().find(|record| record.kind == Kind::Function);
    address + function.expect("one is of a function").offset as u64
}

/// Whatever a library is, it differs in nothing from itself. It would be refused only for what it
/// is: two functions of one name, an allocator of its own.
fn fits_itself(library: &Library) {
    let comparison = compare(library, library, Missing::Refuse, Require::Any);
    let own_allocator = library.identity().allocator == Allocator::Own;
    assert!(comparison.identical && !comparison.is_foreign());
    assert_eq!(comparison.rules.len(), usize::from(own_allocator), "{:?}", comparison.rules);
    let refused = |report: &FunctionReport| match &report.outcome {
        Outcome::Refused(Mismatch::Ambiguous) => true,
        Outcome::Refused(_) => panic!("{report:?}"),
        _ => false,
    };
    let ambiguous = comparison.functions.iter().any(refused);
    let expected = if ambiguous || own_allocator { Verdict::Refused } else { Verdict::Identical };
    assert_eq!(comparison.verdict(), expected);
}

/// The machine code of its first functions, beside itself.
#[cfg(feature = "disassembly")]
fn code(library: &Library) {
    for function in library.functions().iter().take(4) {
        if let Ok(difference) = midair::inspect::compare_code(library, library, &function.name) {
            assert_eq!(difference.changed(), 0, "{}", function.name);
        }
    }
}

#[cfg(not(feature = "disassembly"))]
fn code(_: &Library) {}
