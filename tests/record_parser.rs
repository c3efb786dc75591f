//! The reader of records under arbitrary and damaged bytes: an answer or a typed error, never more
//! than the bytes themselves hold.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

use midair_trampolines::function::Function;
use midair_trampolines::identity::Identity;
use midair_trampolines::record::{FORMAT, Kind, MAX_RECORDS, Malformed, records};
use midair_trampolines::types::Types;
use proptest::prelude::*;
use proptest::sample::Index;

/// Real records, as a linker left them.
const SECTION: &[u8] = include_bytes!("../fuzz/corpus/manifest/seed-records");

/// What is in a section, in words; each record is read, and none is lost.
fn read(section: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut found = Vec::new();
    for record in records(section)? {
        assert_eq!(&section[record.offset..record.offset + record.bytes.len()], record.bytes);
        found.push(match record.kind {
            Kind::Function => Function::read(record)?.name,
            Kind::Identity => Identity::read(record)?.rustc,
            Kind::Types => Types::read(record)?.name,
            kind => panic!("no reader for {kind:?}"),
        });
    }
    let texts: usize = found.iter().map(String::len).sum();
    assert!(texts <= section.len());
    Ok(found)
}

/// Where the records of [`SECTION`] are, and how long.
fn places() -> Vec<(usize, usize)> {
    let places = records(SECTION).unwrap().into_iter();
    places.map(|record| (record.offset, record.bytes.len())).collect()
}

/// A header that states `size`.
fn header(size: u32, kind: u16, format: u16) -> Vec<u8> {
    let mut bytes = size.to_le_bytes().to_vec();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(format.to_le_bytes());
    bytes
}

#[test]
fn whole_records_are_read() {
    assert_eq!(read(SECTION).unwrap().len(), places().len());
    assert!(places().len() > 3);
}

#[test]
fn more_records_than_any_program_has_are_refused() {
    let one = header(8, Kind::Function.number(), FORMAT);
    let refused = records(&one.repeat(MAX_RECORDS + 1)).unwrap_err();
    assert_eq!(refused, Malformed::TooMany { limit: MAX_RECORDS });
    assert_eq!(records(&one.repeat(MAX_RECORDS)).unwrap().len(), MAX_RECORDS);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = read(&bytes);
    }

    /// Behind a header that is believed, nothing else is.
    #[test]
    fn arbitrary_contents_are_read_or_refused(
        kind in prop::sample::select(vec![Kind::Function, Kind::Types, Kind::Identity]),
        words in prop::collection::vec(prop_oneof![any::<u64>(), 0..64_u64], 0..48),
    ) {
        let mut bytes = header(8 + words.len() as u32 * 8, kind.number(), FORMAT);
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        if let Err(refused) = read(&bytes) {
            let typed = matches!(refused, Malformed::Cut { offset: 0 } | Malformed::Field { offset: 0, .. });
            prop_assert!(typed, "{refused}");
        }
    }

    #[test]
    fn damaged_records_are_read_or_refused(
        edits in prop::collection::vec((any::<Index>(), any::<u32>(), 0..32_u32), 1..6),
    ) {
        let mut bytes = SECTION.to_vec();
        for (at, value, shift) in edits {
            let at = at.index(bytes.len() / 4) * 4;
            // Small numbers pass more checks than large ones.
            bytes[at..at + 4].copy_from_slice(&(value >> shift).to_le_bytes());
        }
        let _ = read(&bytes);
    }

    /// A length, count or size that reaches further than the record is a typed error.
    #[test]
    fn what_reaches_further_than_its_record_is_refused(record in any::<Index>(), beyond in 0..1_u32 << 20) {
        let (offset, len) = *record.get(&places());
        let size = len as u32 + 8 + beyond / 8 * 8;
        let mut bytes = SECTION[offset..offset + len].to_vec();
        bytes[..4].copy_from_slice(&size.to_le_bytes());
        prop_assert_eq!(records(&bytes).unwrap_err(), Malformed::Cut { offset: 0 });
        // Every half-word that is a length in a function or in types.
        let lengths: &[usize] = match records(&SECTION[offset..offset + len]).unwrap()[0].kind {
            Kind::Function => &[44, 48, 52, 56, 60, 64],
            Kind::Types => &[16, 20, 24],
            _ => &[28, 32, 36, 40],
        };
        for at in lengths {
            let mut bytes = SECTION[offset..offset + len].to_vec();
            bytes[*at..*at + 4].copy_from_slice(&size.to_le_bytes());
            let refused = read(&bytes).unwrap_err();
            prop_assert!(matches!(refused, Malformed::Field { .. }), "{at}: {refused}");
        }
    }

    #[test]
    fn records_cut_anywhere_are_refused(record in any::<Index>(), len in any::<Index>()) {
        let (offset, whole) = *record.get(&places());
        let len = 1 + len.index(whole - 1);
        let refused = read(&SECTION[offset..offset + len]).unwrap_err();
        prop_assert_eq!(refused, Malformed::Cut { offset: 0 });
    }

    #[test]
    fn another_format_or_kind_is_named(format in any::<u16>(), kind in any::<u16>()) {
        let bytes = header(8, kind, format);
        match records(&bytes) {
            Err(Malformed::Format { found, .. }) => prop_assert!(found == format && format != FORMAT),
            Err(Malformed::Kind { found, .. }) => prop_assert_eq!(found, kind),
            other => prop_assert!(other.is_ok_and(|found| found[0].kind.number() == kind)),
        }
    }
}
