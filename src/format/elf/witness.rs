//! A witness: whatever damaged file passes, another reader finds the same in it where the loader
//! looks. `MIDAIR_STRESS=50000` damages so many files.

#![expect(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

use std::process::{Command, Stdio};

use goblin::elf::Elf;
use goblin::elf::dynamic as dt;
use midair_arch::Machine;
use object::LittleEndian as Le;
use object::elf::{FileHeader64, PT_LOAD, Sym64};
use object::read::elf::{
    Dyn as _, FileHeader as _, ProgramHeader as _, SectionHeader as _, Sym as _,
};
use object::read::{ReadRef as _, StringTable};

use super::specimen::Specimen;
use super::{Dynamic, File, Sections, Segments, Symbols, read, words};
use crate::format::Container;

/// Sees that the other reader agrees about the file `bytes`, which passed as `container`.
fn confirm(bytes: &[u8], container: &Container) {
    let file = File::read(bytes).unwrap();
    let segments = Segments::read(&file).unwrap();
    let sections = Sections::read(&file).unwrap();
    let dynamic = Dynamic::read(&segments).unwrap();
    let symbols = Symbols::read(&dynamic, &sections, &segments).unwrap();

    let header = FileHeader64::<Le>::parse(bytes).unwrap();
    let theirs = header.sections(Le, bytes).unwrap();
    assert_eq!(theirs.len(), sections.headers.len(), "sections");
    for (ours, theirs) in sections.headers.iter().zip(theirs.iter()) {
        let place = (ours.sh_addr, ours.sh_offset, ours.sh_size, ours.sh_type);
        let same = (theirs.sh_addr(Le), theirs.sh_offset(Le), theirs.sh_size(Le));
        assert_eq!(place, (same.0, same.1, same.2, theirs.sh_type(Le)), "a section");
    }
    let records = container.records.unwrap();
    let (_, section) = theirs.section_by_name(Le, b"midair").unwrap();
    let content = section.data(Le, bytes).unwrap();
    assert_eq!(content, &bytes[records.offset..records.offset + records.len], "the records");
    assert_eq!(section.sh_addr(Le), records.address, "the records' address");

    // From here on as the loader goes: by the segments, never by the sections.
    let loads = header.program_headers(Le, bytes).unwrap();
    let entries = loads.iter().find_map(|load| load.dynamic(Le, bytes).unwrap()).unwrap();
    let used = || entries.iter().take_while(|entry| entry.d_tag(Le) != dt::DT_NULL);
    let value = |tag: u64| used().find(|entry| entry.d_tag(Le) == tag).unwrap().d_val(Le);
    let offset = |address: u64| {
        let load = loads.iter().find(|load| {
            load.p_type(Le) == PT_LOAD && load.data_range(Le, bytes, address, 1).unwrap().is_some()
        });
        let load = load.unwrap();
        address - load.p_vaddr(Le) + load.p_offset(Le)
    };
    let start = offset(value(dt::DT_STRTAB));
    let strings = StringTable::new(bytes, start, start + value(dt::DT_STRSZ));
    let needed: Vec<_> = used()
        .filter(|entry| entry.d_tag(Le) == dt::DT_NEEDED)
        .map(|entry| String::from_utf8_lossy(entry.string(Le, strings).unwrap()).into_owned())
        .collect();
    assert_eq!(needed, container.needed, "the libraries that it asks for");
    for entry in used().filter(|entry| entry.d_tag(Le) != dt::DT_NEEDED) {
        assert_eq!(dynamic.value(entry.d_tag(Le)), Some(entry.d_val(Le)), "a dynamic entry");
    }

    let mut at = offset(value(dt::DT_SYMTAB));
    let table: &[Sym64<Le>] = bytes.read_slice(&mut at, symbols.count).unwrap();
    for (index, symbol) in table.iter().enumerate() {
        let ours = symbols.get(index).unwrap();
        let same = (symbol.st_value(Le), symbol.st_type(), symbol.st_shndx(Le) != 0);
        assert_eq!((ours.value, ours.kind(), ours.is_defined()), same, "symbol {index}");
        let name = words::name(dynamic.strings, symbol.st_name(Le).into(), usize::MAX);
        assert_eq!(symbol.name(Le, strings).ok(), name, "the name of symbol {index}");
    }
}

/// Files that pass with one to three bits of their tables flipped.
fn damaged(specimen: &Specimen, files: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    };
    let names = [".dynamic", ".dynsym", ".dynstr", ".rela.dyn", ".gnu.version_r", "midair"];
    let mut tables: Vec<_> = names.map(|name| specimen.section(name)).into();
    tables.extend([0..64, 64..64 + 12 * 56]);
    let sections = Elf::parse(&specimen.bytes).unwrap().header.e_shoff as usize;
    tables.push(sections..specimen.bytes.len());
    let change = |_| {
        let mut bytes = specimen.bytes.clone();
        for _ in 0..=below(3) {
            let table = &tables[below(tables.len())];
            bytes[table.start + below(table.len())] ^= 1 << below(8);
        }
        bytes
    };
    // Of another machine's libraries nothing is relied on.
    let passes = |bytes: &Vec<u8>| read(bytes).is_ok_and(|file| file.machine == Machine::HOST);
    (0..files).map(change).filter(passes).collect()
}

#[test]
fn another_reader_sees_the_same_in_every_file_that_passes() {
    let specimen = Specimen::get();
    assert_eq!(read(&specimen.bytes).unwrap().machine, Machine::X86_64);
    let stress = std::env::var("MIDAIR_STRESS").ok().and_then(|number| number.parse().ok());
    let files = stress.unwrap_or(1_500);
    let passed = damaged(specimen, files);
    println!("{} of {files} damaged files pass", passed.len());
    assert!(passed.len() > 10 && passed.len() < files);
    for bytes in passed {
        confirm(&bytes, &read(&bytes).unwrap());
    }
}

/// What `readelf` says of the libraries that a file asks for.
fn readelf(path: &std::path::Path) -> Option<Vec<String>> {
    let mut command = Command::new("readelf");
    command.args(["--dynamic", "--wide"]).arg(path).stdin(Stdio::null());
    let output = command.env("LC_ALL", "C").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = said
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| Some(line.split_once('[')?.1.strip_suffix(']')?.to_owned()));
    Some(names.collect())
}

#[test]
fn readelf_sees_the_same_in_files_that_pass() {
    let specimen = Specimen::get();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.so");
    for bytes in damaged(specimen, 200) {
        let needed = read(&bytes).unwrap().needed;
        // Names that are no plain text are shown in ways of its own.
        if needed.iter().any(|name| name.bytes().any(|byte| !byte.is_ascii_graphic())) {
            continue;
        }
        std::fs::write(&path, &bytes).unwrap();
        let Some(names) = readelf(&path) else {
            println!("skipped: readelf is not installed");
            return;
        };
        assert_eq!(names, needed);
    }
}
