//! Whole files: what linkers write passes, what they do not write ends quickly in a fault.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use midair_arch::Machine;
use proptest::prelude::*;

use super::read;
use super::specimen::Specimen;
use crate::format::foreign::FOREIGN;
use crate::format::{Allocator, Binding, Fault, Table};

#[test]
fn every_linker_writes_what_passes() {
    const OTHER: &str = "-Clinker-features=-lld";
    let ways: [&[&str]; 9] = [
        &[],
        &["-O"],
        &["-Clink-arg=-Wl,-z,pack-relative-relocs"],
        &["-Cprefer-dynamic"],
        &["-Cstrip=symbols"],
        &[OTHER, "-Clink-arg=-fuse-ld=bfd"],
        &[OTHER, "-Clink-arg=-fuse-ld=bfd", "-Clink-arg=-Wl,-z,pack-relative-relocs"],
        &[OTHER, "-Clink-arg=-fuse-ld=gold"],
        &[OTHER, "-Clink-arg=-fuse-ld=mold"],
    ];
    for way in ways {
        let Some(specimen) = Specimen::built(way) else {
            println!("skipped: {way:?}");
            continue;
        };
        let container = read(&specimen.bytes).unwrap_or_else(|fault| panic!("{way:?}: {fault}"));
        assert_eq!(container.machine, Machine::X86_64);
        assert_eq!(container.records.unwrap().len, 32, "{way:?}");
        assert!(container.needed.iter().any(|name| name.starts_with("lib")), "{way:?}");
        assert_ne!(container.binding, Binding::AskLoader, "{way:?}");
        assert_ne!(container.allocator, Allocator::Own, "{way:?}");
    }
}

#[test]
fn the_libraries_of_this_process_pass_up_to_their_records() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut paths: Vec<PathBuf> = maps
        .lines()
        .filter_map(|line| Some(PathBuf::from(&line[line.find('/')?..])))
        .filter(|path| path.to_string_lossy().contains(".so"))
        .collect();
    paths.dedup();
    assert!(paths.len() > 2, "{paths:?}");
    for path in paths {
        let bytes = Specimen::found(&path).bytes;
        assert_eq!(Specimen::check(&bytes, Machine::X86_64), Ok(()), "{}", path.display());
        assert_eq!(read(&bytes), Err(Fault::NoRecords), "{}", path.display());
    }
}

#[test]
#[ignore = "looks at thousands of libraries"]
fn every_library_of_this_machine_passes() {
    let folders = std::env::var("MIDAIR_LIBRARIES").unwrap_or("/usr/lib".to_owned());
    let mut folders: Vec<PathBuf> = folders.split(':').map(PathBuf::from).collect();
    let mut wrong = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.to_string_lossy().contains(".so") {
                wrong.extend(fault_of(&path).map(|fault| format!("{}: {fault}", path.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The fault of a library for this machine.
fn fault_of(path: &Path) -> Option<Fault> {
    let bytes = std::fs::read(path).ok()?;
    // The class, the kind and the machine.
    let ours = bytes.starts_with(b"\x7fELF\x02") && bytes.get(16..20) == Some(&[3, 0, 62, 0]);
    if ours { Specimen::check(&bytes, Machine::X86_64).err() } else { None }
}

#[test]
fn a_library_for_the_other_processor_passes_by_its_rules() {
    let dir = tempfile::tempdir().unwrap();
    let other = FOREIGN.iter().find(|foreign| foreign.target.contains("linux")).unwrap();
    let bytes = other.library(dir.path());
    assert_eq!(Specimen::check(&bytes, Machine::Aarch64), Ok(()));
}

#[test]
fn the_format_has_one_version() {
    let specimen = Specimen::get();
    for at in [6, 20] {
        let fault = read(&specimen.with(at, &[2])).unwrap_err();
        assert!(matches!(fault, Fault::Inconsistent { .. }), "{fault}");
    }
}

#[test]
fn a_symbol_table_without_a_kind_and_with_a_giant_size_is_none() {
    let specimen = Specimen::get();
    let header = specimen.header(".symtab");
    let mut bytes = specimen.with(header + 4, &[0; 4]);
    bytes[header + 32..header + 40].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    assert_eq!(read(&bytes).unwrap().allocator, Allocator::Unknown);
}

#[test]
fn symbols_that_share_one_endless_name_cost_no_time() {
    let specimen = Specimen::get();
    let mut bytes = specimen.bytes.clone();
    let place = |bytes: &mut Vec<u8>, name: &str, len: usize| {
        let at = specimen.header(name) + 24;
        let range = [bytes.len() as u64, len as u64].map(u64::to_le_bytes).concat();
        bytes[at..at + 16].copy_from_slice(&range);
    };
    place(&mut bytes, ".strtab", 10 << 20);
    bytes.extend(vec![b'a'; 10 << 20]);
    place(&mut bytes, ".symtab", 400_000 * 24);
    bytes.extend(vec![0; 400_000 * 24]);
    let started = Instant::now();
    assert_eq!(read(&bytes).unwrap().allocator, Allocator::Unknown);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    place(&mut bytes, ".shstrtab", 10 << 20);
    let at = specimen.header(".shstrtab") + 24;
    let strings = specimen.bytes.len() as u64;
    bytes[at..at + 8].copy_from_slice(&strings.to_le_bytes());
    assert!(matches!(read(&bytes), Err(Fault::Table { table: Table::Sections, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400, failure_persistence: None, ..Default::default()
    })]
    #[test]
    fn damaged_tables_never_make_the_checks_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 1..16),
    ) {
        let specimen = Specimen::get();
        let mut bytes = specimen.bytes.clone();
        // The tables of a library come first, and last.
        let (head, tail) = (0x4000, bytes.len() - specimen.header(".text"));
        for (at, word) in edits {
            let at = at.index((head + tail) / 4) * 4;
            let at = if at < head { at } else { bytes.len() - tail + (at - head) };
            let end = (at + 4).min(bytes.len());
            // Small numbers pass more checks than large ones.
            let word = word >> (word % 32);
            bytes[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
        }
        let _ = Specimen::check(&bytes, Machine::X86_64);
        let _ = Specimen::check(&bytes, Machine::Aarch64);
        let _ = read(&bytes);
    }
}
