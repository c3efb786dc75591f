//! Debug info that was written to make its reader stumble: whatever it says, the answer comes in
//! bounded time and memory, which the system watches over.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]
#![cfg(all(target_os = "linux", feature = "debuginfo"))]

mod lab;

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use lab::assembler::Assembler;
use lab::limits::{Limits, limited};
use midair::inspect::{Library, compare};
use midair::{Depth, Missing, Require};

/// Ten times what they take in a build without optimisation.
const LIMITS: Limits = Limits { seconds: 60, memory: 2 << 30 };

/// A library whose debug info says what `write` writes: label 0 is what its first function takes
/// and returns.
fn library(strings: &[u8], write: impl FnOnce(&mut Assembler)) -> Library {
    let mut unit = Assembler::new(fuzz::first_record(fuzz::LIBRARY));
    write(&mut unit);
    let (info, abbreviations) = unit.finish();
    fuzz::library_of(&[&info, &abbreviations, strings, &[], &[], &[], &[]])
}

/// What is known of the function that was written of: nothing, or why.
fn shallow(library: &Library) -> Option<String> {
    let all = "its debug info does not tell of this function";
    let mut told = library.functions().into_iter().map(|function| function.shallow);
    told.find(|shallow| shallow.as_deref() != Some(all)).unwrap_or_default()
}

/// The answer to "does it fit `other`?".
fn outcome(one: &Library, other: &Library) -> String {
    let comparison = compare(one, other, Missing::Refuse, Require::Any);
    let deep = comparison.functions.iter().find(|report| report.checked == Depth::DebugInfo);
    deep.map_or_else(String::new, |report| format!("{:?}", report.outcome))
}

/// A list of `len` types that each hold the address of the next, the last that of the first.
fn ring(unit: &mut Assembler, len: u32) {
    for at in 0..len {
        unit.label(at * 2);
        unit.structure("List", 8, |unit| unit.member("next", at * 2 + 1, 0));
        unit.label(at * 2 + 1);
        unit.pointer("*mut List", (at + 1) % len * 2);
    }
}

fn number(at: usize) -> String {
    format!("N{at}")
}

#[test]
fn what_is_written_here_is_understood() {
    let list = library(&[], |unit| ring(unit, 3));
    assert_eq!(shallow(&list), None);
    let other = library(&[], |unit| {
        unit.label(0);
        unit.structure("List", 16, |unit| unit.member("next", 1, 0));
        unit.label(1);
        unit.pointer("*mut List", 0);
    });
    assert_eq!(outcome(&list, &list), "Retargeted");
    assert!(outcome(&list, &other).contains("size 8 -> 16"), "{}", outcome(&list, &other));
}

#[test]
fn an_alias_of_itself() {
    limited("an_alias_of_itself", LIMITS, || {
        for len in [1, 2, 300_000] {
            let library = library(&[], |unit| {
                for at in 0..len {
                    unit.label(at);
                    unit.alias((at + 1) % len);
                }
            });
            assert!(shallow(&library).unwrap().contains("damaged"), "{len}");
        }
    });
}

#[test]
fn types_inside_types() {
    limited("types_inside_types", LIMITS, || {
        const DEPTH: u32 = 100_000;
        let library = library(&[], |unit| {
            for at in 0..DEPTH {
                unit.label(at);
                unit.open_structure("Inside", 8);
                unit.member("more", (at + 1).min(DEPTH - 1), 0);
            }
            (0..DEPTH).for_each(|_| unit.close());
        });
        assert!(shallow(&library).unwrap().contains("exceeds"));
    });
}

#[test]
fn enums_of_many() {
    limited("enums_of_many", LIMITS, || {
        const MANY: usize = 100_000;
        let names = library(&[], |unit| {
            unit.label(0);
            unit.names("Names", (0..MANY).map(number));
        });
        let variants = library(&[], |unit| {
            unit.label(0);
            unit.variants("Variants", (0..MANY).map(number), 1);
            unit.label(1);
            unit.structure("Empty", 0, |_| {});
        });
        for library in [&names, &variants] {
            assert_eq!(outcome(library, library), "Retargeted");
        }
        assert!(outcome(&names, &variants).contains("was Names"));
    });
}

#[test]
fn a_long_way() {
    limited("a_long_way", LIMITS, || {
        let chain = library(&[], |unit| ring(unit, 90_000));
        assert_eq!(outcome(&chain, &chain), "Retargeted");
    });
}

/// Every type of the one meets every type of the other.
#[test]
fn rings_of_two_lengths() {
    limited("rings_of_two_lengths", LIMITS, || {
        let one = library(&[], |unit| ring(unit, 20_011));
        let other = library(&[], |unit| ring(unit, 20_021));
        assert!(outcome(&one, &other).contains("too many"), "{}", outcome(&one, &other));
    });
}

/// `dyn Shape`, and its table.
fn shape(unit: &mut Assembler, name: u32, address: u64) {
    unit.label(0);
    unit.structure("dyn Shape", 0, |_| {});
    unit.table(name, address);
}

#[test]
fn a_table_at_the_end_of_all_addresses() {
    limited("a_table_at_the_end_of_all_addresses", LIMITS, || {
        for address in [u64::MAX, u64::MAX - 24, u64::MAX - 2048] {
            let library = library(b"<S as Shape>::{vtable}\0", |unit| shape(unit, 0, address));
            assert_eq!(shallow(&library), None);
        }
    });
}

#[test]
fn a_name_that_stands_everywhere() {
    limited("a_name_that_stands_everywhere", LIMITS, || {
        let strings = b"<S as Shape>::{vtable}\0".repeat(200_000);
        let library = library(&strings, |unit| {
            shape(unit, 0, 64);
            unit.names("Names", (0..200_000).map(number));
        });
        assert!(shallow(&library).unwrap().contains("exceeds"));
    });
}
