//! Every function that real libraries name: how many entries can be patched, and by which means.
//!
//! The short test takes libc and libm where they are; the long one takes all there are and measures:
//! `cargo test --release -p midair-arch --test x86_64_libraries -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]
#![allow(clippy::print_stdout, reason = "figures are what the long test is for")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use goblin::elf::Elf;
use goblin::elf::section_header::{SHF_EXECINSTR, SHT_NOBITS};
use goblin::elf::sym::{STT_FUNC, STT_GNU_IFUNC};
use iced_x86::{Decoder, DecoderOptions, OpKind};
use midair_arch::detour::x86_64::{Plan, Prologue};
use midair_arch::detour::{Branch, Function, Hazard, Means, Memory, Original, Refusal, Tier};

/// A file whose code is looked at as if it were loaded at [`BASE`].
struct Library {
    bytes: Vec<u8>,
    /// Address, offset in the file, length, executable.
    sections: Vec<(u64, usize, usize, bool)>,
    /// Address and size.
    functions: Vec<(u64, usize)>,
    /// Addresses by name.
    names: BTreeMap<String, u64>,
}

const BASE: u64 = 0x7f00_0000_0000;

impl Library {
    fn open(path: &Path) -> Option<Self> {
        let bytes = fs::read(path).ok()?;
        let elf = Elf::parse(&bytes).unwrap();
        let real =
            elf.section_headers.iter().filter(|it| it.sh_addr != 0 && it.sh_type != SHT_NOBITS);
        let sections = real.map(|it| {
            let executable = it.sh_flags & u64::from(SHF_EXECINSTR) != 0;
            (BASE + it.sh_addr, it.sh_offset as usize, it.sh_size as usize, executable)
        });
        let sections: Vec<_> = sections.collect();
        let symbols = elf.dynsyms.iter().chain(elf.syms.iter());
        let functions = symbols.filter(|it| {
            matches!(it.st_type(), STT_FUNC | STT_GNU_IFUNC) && it.st_value != 0 && it.st_size != 0
        });
        let mut names = BTreeMap::new();
        let mut functions: Vec<_> = functions
            .map(|it| {
                let name = elf.dynstrtab.get_at(it.st_name).unwrap_or_default();
                names.insert(name.to_owned(), BASE + it.st_value);
                (BASE + it.st_value, it.st_size as usize)
            })
            .collect();
        // Of aliases, the longest names the function.
        functions.sort_unstable_by_key(|&(address, size)| (address, std::cmp::Reverse(size)));
        functions.dedup_by_key(|(address, _)| *address);
        Some(Self { bytes, sections, functions, names })
    }

    /// The function of this name.
    fn named(&self, name: &str) -> Option<Function<'_>> {
        let address = self.names.get(name)?;
        self.function(self.functions.iter().position(|it| it.0 == *address)?)
    }

    /// Function by function, with what is around it.
    fn each(&self) -> impl Iterator<Item = Function<'_>> {
        (0..self.functions.len()).filter_map(|at| self.function(at))
    }

    fn function(&self, at: usize) -> Option<Function<'_>> {
        let (address, size) = self.functions[at];
        let section = self.sections.iter().find(|it| (it.0..it.0 + it.2 as u64).contains(&address));
        let &(start, offset, len, true) = section? else { return None };
        let end = start + len as u64;
        let next = self.functions.get(at + 1).map_or(end, |it| it.0.min(end));
        let before = at.checked_sub(1).map(|at| self.functions[at].0 + self.functions[at].1 as u64);
        let before = before.unwrap_or(start).clamp(start, address);
        let bytes = |from: u64, to: u64| {
            &self.bytes[offset + (from - start) as usize..offset + (to - start) as usize]
        };
        let to = next.max(address + size as u64).min(end);
        Some(Function {
            address,
            code: bytes(address, to),
            size: Some(size),
            above: bytes(before, address),
        })
    }
}

impl Memory for Library {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        let section = self.sections.iter().find(|it| (it.0..it.0 + it.2 as u64).contains(&address));
        let Some(&(start, offset, ..)) = section else { return false };
        let from = offset + (address - start) as usize;
        let Some(bytes) = self.bytes.get(from..from + into.len()) else { return false };
        into.copy_from_slice(bytes);
        true
    }
}

#[derive(Default)]
struct Count {
    functions: usize,
    long_enough: usize,
    planned: usize,
    tiers: BTreeMap<Tier, usize>,
    refused: Vec<Refusal>,
    instructions: usize,
    planning: Duration,
    moving: Duration,
    loops: usize,
    /// How many could be planned if no symbol told their size.
    unsized_too: usize,
}

impl Count {
    fn library(&mut self, library: &Library, step: usize) {
        for function in library.each().step_by(step) {
            self.functions += 1;
            let plan = self.plan(&function, library);
            let decoder = Decoder::with_ip(64, function.code, 0, DecoderOptions::NONE);
            let own = |it: &iced_x86::Instruction| it.ip() < function.size.unwrap() as u64;
            self.instructions += decoder.into_iter().take_while(own).count();
            let long_enough = function.size.unwrap() >= 5;
            self.long_enough += usize::from(long_enough);
            let unsized_too = Prologue::decode(&Function { size: None, ..function }, library)
                .and_then(|prologue| Plan::new(&prologue, Means::TRAPS));
            self.unsized_too += usize::from(long_enough && unsized_too.is_ok());
            match plan {
                Ok(plan) => {
                    self.planned += usize::from(long_enough);
                    *self.tiers.entry(plan.tier()).or_default() += 1;
                    self.carry_out(&function, &plan);
                }
                Err(refusal) if long_enough => self.refused.push(refusal),
                Err(_) => {}
            }
        }
    }

    /// The plan, and how long it takes when the machine does nothing else: the best of three.
    fn plan(&mut self, function: &Function<'_>, library: &Library) -> Result<Plan, Refusal> {
        let mut times = [Duration::MAX; 3];
        let mut plan = None;
        for time in &mut times {
            let before = Instant::now();
            let prologue = Prologue::decode(function, library);
            plan = Some(prologue.and_then(|prologue| Plan::new(&prologue, Means::TRAPS)));
            *time = before.elapsed();
        }
        self.planning += times.into_iter().min().unwrap();
        plan.unwrap()
    }

    /// A trampoline is written and proven, near and far away, and a relay found.
    fn carry_out(&mut self, function: &Function<'_>, plan: &Plan) {
        let before = Instant::now();
        let near = plan.relocate(BASE - 0x100_0000).unwrap().verify(plan).unwrap();
        self.moving += before.elapsed();
        match plan.relocate(0x1_0000_0000) {
            Ok(far) => drop(far.verify(plan).unwrap()),
            Err(Refusal::OutOfReach { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        let relay = plan.relays([BASE - 0x8000_0000..BASE, BASE + 0x1000_0000..BASE + 0x8000_0000]);
        let patch = relay.take(1).find_map(|relay| plan.patch(relay).ok()).expect("a relay fits");
        self.loops += usize::from(!patch.traps.is_empty());
        bears_branches(function, plan, &near);
    }
}

/// Whatever in the body jumps back, by a plain reading of it, meets what it may meet.
fn bears_branches(function: &Function<'_>, plan: &Plan, original: &Original) {
    let patch = plan.entry()..plan.entry() + if plan.tier() == Tier::ShortJump { 2 } else { 5 };
    let body = &function.code[..function.size.unwrap()];
    for it in &mut Decoder::with_ip(64, body, function.address, DecoderOptions::NONE) {
        if it.op0_kind() != OpKind::NearBranch64 || it.is_call_near() {
            continue;
        }
        let target = it.near_branch_target();
        if target == plan.entry() {
            assert!(plan.moves().contains(&it.ip()), "the loop at {target:#x} does not move whole");
            assert!(original.resume(it.ip()).is_some());
        } else if patch.contains(&target) {
            assert_eq!(plan.tier(), Tier::Punned, "a branch into {target:#x}");
            let told = Hazard::BranchInto(Branch { from: it.ip(), to: target });
            assert!(plan.hazards().contains(&told), "{told:x?} is not told");
            assert!(original.resume(target).is_some());
        }
    }
}

/// Where libraries of these names are, in the system's folders and the compiler's.
fn find(name: &str) -> Option<PathBuf> {
    let sysroot = std::process::Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout).ok()?.trim()).join("lib");
    let folders = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64"];
    let folders = folders.iter().map(PathBuf::from).chain([sysroot]);
    folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten().find_map(|entry| {
        let found = entry.file_name().to_string_lossy().starts_with(name);
        let path = entry.path();
        let is_elf = || fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"));
        (found && is_elf()).then_some(path.clone())
    })
}

fn count(names: &[(&str, usize)]) -> Count {
    let mut all = Count::default();
    for (name, step) in names {
        let Some(library) = find(name).and_then(|path| Library::open(&path)) else {
            println!("skipped: {name} is not here");
            continue;
        };
        let mut count = Count::default();
        count.library(&library, *step);
        println!("{name}: {} functions, {:?}", count.functions, count.tiers);
        for refusal in &count.refused {
            println!("  {refusal}");
        }
        all.functions += count.functions;
        all.long_enough += count.long_enough;
        all.planned += count.planned;
        all.instructions += count.instructions;
        all.planning += count.planning;
        all.moving += count.moving;
        all.loops += count.loops;
        all.unsized_too += count.unsized_too;
        for (tier, number) in count.tiers {
            *all.tiers.entry(tier).or_default() += number;
        }
    }
    all
}

#[track_caller]
fn nearly_all_are_planned(count: &Count) {
    let share = count.planned as f64 / count.long_enough.max(1) as f64;
    println!("{} functions, {:?}", count.functions, count.tiers);
    println!("{} with a loop back to the entry", count.loops);
    println!("{} if no symbol told their size", count.unsized_too);
    println!("{:.4} of {} functions of 5 bytes or more", share, count.long_enough);
    assert!(share >= 0.999 || count.long_enough == 0, "{} planned", count.planned);
}

#[test]
fn functions_of_the_c_library_can_be_patched() {
    nearly_all_are_planned(&count(&[("libc.so.6", 1), ("libm.so.6", 1)]));
}

#[test]
fn branches_back_into_the_patch_are_told() {
    let known = [
        ("libc.so.6", "sem_trywait"),
        ("libc.so.6", "pthread_rwlock_tryrdlock"),
        ("libcrypto.so.3", "CRYPTO_atomic_or"),
    ];
    for (library, name) in known {
        let Some(library) = find(library).and_then(|path| Library::open(&path)) else {
            println!("skipped: {library} is not here");
            continue;
        };
        let Some(function) = library.named(name) else {
            println!("skipped: {name} is not here");
            continue;
        };
        let prologue = Prologue::decode(&function, &library).unwrap();
        let plan = Plan::new(&prologue, Means::TRAPS).unwrap();
        println!("{name}: {}, {:x?}", plan.tier(), plan.hazards());
        let mut count = Count::default();
        count.carry_out(&function, &plan);
    }
}

#[test]
#[ignore = "reads hundreds of megabytes; see the head of this file"]
fn functions_of_all_libraries_can_be_patched() {
    let count = count(&[
        ("libc.so.6", 1),
        ("libm.so.6", 1),
        ("libcrypto.so.3", 1),
        ("libstdc++.so.6", 1),
        ("libpython3.11.so.1.0", 1),
        ("libsqlite3.so.0", 1),
        ("libz.so.1", 1),
        ("libLLVM-15.so", 4),
        ("librustc_driver", 8),
    ]);
    nearly_all_are_planned(&count);
    let each = |time: Duration| time.as_nanos() / count.functions as u128;
    let allowed = 2000 + 30 * count.instructions as u128 / count.functions as u128;
    println!(
        "{} ns a plan ({} allowed, {} instructions a function), {} ns to move and prove",
        each(count.planning),
        allowed,
        count.instructions / count.functions,
        each(count.moving)
    );
    assert!(cfg!(debug_assertions) || each(count.planning) <= allowed);
}
