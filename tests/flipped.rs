//! Flipped bits and cut files: the check answers in bounded time, whatever is wrong, and refuses
//! what would make the loader reach outside. Nothing of these files is ever loaded.
//!
//! `MIDAIR_STRESS=1` does the same to a library with the whole of midair in it.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod lab;

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::sync::OnceLock;

use goblin::elf::Elf;
use goblin::elf::section_header::{SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS};
use lab::limits::{Limits, limited};
use lab::small::small;
use lab::{Fixture, target_dir};
use midair::inspect::Library;
use midair::{Error, Fault};

/// For all files of a test together.
const LIMITS: Limits = Limits { seconds: 3_600, memory: 4 << 30 };

/// For one file, in seconds: the system ends the process that takes longer.
const PATIENCE: u32 = 30;

const FUNCTIONS: &str = "
record!(VALUE, value, \"fn(u64) -> u64\", (u64, u64));
pub fn value(x: u64) -> u64 { OWN.get() ^ x }
std::thread_local!(static OWN: std::cell::Cell<u64> = const { std::cell::Cell::new(7) });
#[unsafe(no_mangle)]
pub extern \"C\" fn call_value(x: u64) -> u64 { value(x) }
#[unsafe(no_mangle)]
pub static mut FUNCTIONS: [extern \"C\" fn(u64) -> u64; 2] = [call_value, call_value];
#[used] #[unsafe(link_section = \".init_array\")]
static CONSTRUCTOR: extern \"C\" fn() = { extern \"C\" fn constructor() {} constructor };
";

/// A whole library that is accepted.
fn library() -> &'static [u8] {
    static LIBRARY: OnceLock<Vec<u8>> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let path = if std::env::var_os("MIDAIR_STRESS").is_some() {
            let whole = "#[midair::hotpatch]\npub fn value(x: u64) -> u64 { x + 1 }\n";
            let fixture = Fixture::new("lab_flipped_whole", whole);
            let kept = target_dir().join("lab_flipped_whole.so");
            fixture.build_to(&kept);
            kept
        } else {
            let both = "-Clink-arg=-Wl,--hash-style=both";
            small("lab_flipped", FUNCTIONS, "strip = \"debuginfo\"", both)
        };
        let bytes = fs::read(path).unwrap();
        check(&bytes).unwrap();
        bytes
    })
}

/// What the check says, if it says it in time.
fn check(bytes: &[u8]) -> Result<Library, Error> {
    // SAFETY: a number; the signal that it asks for ends the process.
    unsafe { libc::alarm(PATIENCE) };
    let answer = Library::parse("flipped.so".as_ref(), bytes.to_vec());
    // SAFETY: as above; no signal comes any more.
    unsafe { libc::alarm(0) };
    answer
}

/// Reproducible numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// Where in the file what stands, as far as flips are made there one by one.
fn headers(bytes: &[u8]) -> Vec<(String, Range<usize>)> {
    let elf = Elf::parse(bytes).unwrap();
    let (segments, sections) = (elf.header.e_phoff as usize, elf.header.e_shoff as usize);
    let mut parts = vec![
        ("the file's header".to_owned(), 0..64),
        ("program headers".to_owned(), segments..segments + elf.program_headers.len() * 56),
        ("section headers".to_owned(), sections..sections + elf.section_headers.len() * 64),
    ];
    parts.extend(metadata(bytes).into_iter().filter(|(name, _)| is_header(name)));
    parts
}

fn is_header(name: &str) -> bool {
    matches!(name, "midair" | ".dynamic") || name.starts_with(".note")
}

/// What the loader follows, as against what only the code reads.
fn is_table(name: &str) -> bool {
    const STARTS: [&str; 6] = [".dyn", ".gnu.", ".hash", ".rela.", ".relr.", ".eh_frame_hdr"];
    !is_header(name) && STARTS.iter().any(|start| name.starts_with(start))
}

/// The sections that are loaded and are no code.
fn metadata(bytes: &[u8]) -> Vec<(String, Range<usize>)> {
    let elf = Elf::parse(bytes).unwrap();
    let told = elf.section_headers.iter().filter(|section| {
        let flags = section.sh_flags;
        let loaded = flags & u64::from(SHF_ALLOC) != 0 && section.sh_type != SHT_NOBITS;
        loaded && flags & u64::from(SHF_EXECINSTR) == 0 && section.sh_size > 0
    });
    let part = |section: &goblin::elf::SectionHeader| {
        let name = elf.shdr_strtab.get_at(section.sh_name).unwrap().to_owned();
        let start = section.sh_offset as usize;
        (name, start..start + section.sh_size as usize)
    };
    told.map(part).collect()
}

/// Flips bit `bit` of `bytes`, asks, and flips it back; whether it was accepted.
fn flipped(bytes: &mut [u8], bit: usize) -> bool {
    bytes[bit / 8] ^= 1 << (bit % 8);
    let accepted = check(bytes).is_ok();
    bytes[bit / 8] ^= 1 << (bit % 8);
    accepted
}

#[test]
fn every_bit_of_records_and_headers_is_answered() {
    limited("every_bit_of_records_and_headers_is_answered", LIMITS, || {
        let mut bytes = library().to_vec();
        let (mut all, mut taken) = (0, 0);
        for (name, part) in headers(library()) {
            let bits = part.start * 8..part.end * 8;
            let flips = bits.len();
            let accepted = bits.filter(|bit| flipped(&mut bytes, *bit)).count();
            println!("{name}: {flips} flips, {accepted} accepted");
            (all, taken) = (all + flips, taken + accepted);
        }
        println!("{all} flips, {taken} accepted");
        // Much of a header is for others than the loader: names, alignments, what a section is linked
        // to. What the loader follows is refused one by one below.
        assert!(all > 10_000 && taken < all, "{taken} of {all} accepted");
    });
}

#[test]
fn twenty_thousand_bits_elsewhere_are_answered() {
    limited("twenty_thousand_bits_elsewhere_are_answered", LIMITS, || {
        let mut bytes = library().to_vec();
        let parts: Vec<_> =
            metadata(library()).into_iter().filter(|(name, _)| is_table(name)).collect();
        let seed = std::env::var("MIDAIR_SEED").ok().and_then(|seed| seed.parse().ok());
        let mut random = Random(seed.unwrap_or(0x9e37_79b9_7f4a_7c15_u64));
        let mut told = String::new();
        let (each, mut taken) = (20_000_usize.div_ceil(parts.len()), 0);
        for (name, part) in parts {
            let accepted = (0..each)
                .filter(|_| flipped(&mut bytes, part.start * 8 + random.below(part.len() * 8)))
                .count();
            taken += accepted;
            writeln!(told, "{name}: {each} flips, {accepted} accepted").unwrap();
        }
        println!("{told}{taken} accepted in all");
        assert!(taken > 0, "text that nobody reads may be changed");
    });
}

/// Whether `bytes` are refused for what is in a table.
fn refused(bytes: &[u8]) -> bool {
    matches!(check(bytes), Err(Error::Artifact { source: Fault::Table { .. }, .. }))
}

/// A copy of the library with `value` at `at`.
fn with(at: usize, value: u64) -> Vec<u8> {
    let mut bytes = library().to_vec();
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    bytes
}

#[test]
fn what_leads_outside_is_refused() {
    limited("what_leads_outside_is_refused", LIMITS, || {
        const OUTSIDE: [u64; 4] = [1 << 24, 1 << 40, 1 << 63, u64::MAX - 7];
        let elf = Elf::parse(library()).unwrap();
        let range =
            |name: &str| metadata(library()).into_iter().find(|(part, _)| part == name).unwrap().1;
        let array = elf.section_headers.iter().find(|s| s.sh_type == 14).unwrap();
        let constructors = array.vm_range();
        let mut counts = [0; 4];
        for entry in range(".rela.dyn").step_by(24).chain(range(".rela.plt").step_by(24)) {
            let word = |at: usize| {
                u64::from_le_bytes(library()[entry + at..entry + at + 8].try_into().unwrap())
            };
            for outside in OUTSIDE {
                assert!(refused(&with(entry, outside)), "place {outside:#x} of {entry:#x}");
                counts[0] += 1;
                if word(8) as u32 == 8 {
                    assert!(refused(&with(entry + 16, outside)), "target {outside:#x}");
                    counts[1] += 1;
                }
            }
            if constructors.contains(&(word(0) as usize)) {
                for data in [0, array.sh_addr, elf.header.e_phoff] {
                    assert!(refused(&with(entry + 16, data)), "constructor at {data:#x}");
                    counts[2] += 1;
                }
            }
        }
        for entry in range(".dynsym").step_by(24).skip(1) {
            if library()[entry + 6..entry + 8] == [0; 2] {
                continue;
            }
            for outside in OUTSIDE {
                assert!(refused(&with(entry + 8, outside)), "symbol at {outside:#x}");
                counts[3] += 1;
            }
        }
        let [places, targets, constructors, symbols] = counts;
        println!(
            "refused: {places} places, {targets} targets, {constructors} constructors, {symbols} symbols"
        );
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    });
}

#[test]
fn a_library_cut_at_any_byte_is_refused() {
    limited("a_library_cut_at_any_byte_is_refused", LIMITS, || {
        // Exports, so that most of it is tables.
        let mut source = FUNCTIONS.to_owned();
        for number in 0..560 {
            writeln!(
                source,
                "#[unsafe(no_mangle)] pub extern \"C\" fn exported_{number}(x: u64) -> u64 {{ x ^ {number} }}"
            )
            .unwrap();
        }
        let path = small("lab_cut", &source, "strip = \"debuginfo\"", "");
        let bytes = fs::read(path).unwrap();
        assert!((64 << 10..128 << 10).contains(&bytes.len()), "{} bytes", bytes.len());
        check(&bytes).unwrap();
        let taken: Vec<usize> =
            (0..bytes.len()).filter(|len| check(&bytes[..*len]).is_ok()).collect();
        println!("{} cuts, {} accepted", bytes.len(), taken.len());
        assert_eq!(taken, Vec::<usize>::new());
    });
}
