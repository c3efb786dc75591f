//! What a hot call costs is seen in the machine code of a release build: one load of the slot and
//! one indirect call.

#![allow(clippy::print_stdout, reason = "a test says what it skips and what it saw")]

#[path = "lab/mod.rs"]
mod lab;
#[path = "macros/project.rs"]
mod project;

use std::path::PathBuf;

use goblin::elf::Elf;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};
use lab::{cargo, library, target_dir};

use crate::project::project;

const SOURCE: &str = r#"
pub struct Player(u64);

#[midair::hotpatch]
impl Player {
    pub fn add(&mut self, n: u64) -> u64 { self.0 += n; self.0 }
}

#[midair::hotpatch]
pub fn hot(a: u64, b: u64) -> u64 { a * b + 1 }

#[midair::hotpatch]
pub unsafe extern "C" fn foreign(a: u64) -> u64 { a + 1 }

#[unsafe(no_mangle)]
pub extern "C-unwind" fn calls_function(a: u64, b: u64) -> u64 { hot(a, b) ^ 0x55 }

#[unsafe(no_mangle)]
pub extern "C-unwind" fn calls_method(player: &mut Player, n: u64) -> u64 { player.add(n) ^ 0x55 }

#[unsafe(no_mangle)]
pub extern "C-unwind" fn calls_foreign(a: u64) -> u64 { unsafe { foreign(a) ^ 0x55 } }

#[unsafe(no_mangle)]
pub extern "C-unwind" fn calls_last(a: u64, b: u64) -> u64 { hot(a, b) }

#[unsafe(no_mangle)]
pub extern "C-unwind" fn calls_in_a_loop(a: u64) -> u64 { (0..a).map(|b| hot(a, b)).sum() }

#[midair::hotpatch]
#[unsafe(no_mangle)]
pub extern "C" fn exported(a: u64) -> u64 { a + 3 }
"#;

#[test]
fn a_hot_call_is_one_load_and_one_indirect_call() {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("skipped: reads ELF files for x86_64");
        return;
    }
    let library = build();
    let bytes = std::fs::read(&library).expect("cargo built it");
    let image = Image::read(&bytes);
    for caller in [
        "calls_function",
        "calls_method",
        "calls_foreign",
        "calls_last",
        "calls_in_a_loop",
        // What is exported is the wrapper itself, and it is nothing but a hot call.
        "exported",
    ] {
        let code = image.code(caller);
        println!(
            "{caller}:\n{}",
            code.iter().map(|line| format!("  {line}\n")).collect::<String>()
        );
        assert_hot_call(&image, caller, &code);
    }
}

/// One load out of the section of slots, one indirect call through what was loaded, and no other
/// call, lock, or access to a static.
fn assert_hot_call(image: &Image<'_>, caller: &str, code: &[Instruction]) {
    let calls: Vec<_> = code.iter().filter(|line| is_call(line)).collect();
    let [call] = calls[..] else {
        panic!("{caller} makes {} calls", calls.len());
    };
    assert!(!code.iter().any(Instruction::has_lock_prefix), "{caller} locks");
    let statics: Vec<_> = code.iter().filter(|line| line.is_ip_rel_memory_operand()).collect();
    let [load] = statics[..] else {
        panic!("{caller} reads {} statics", statics.len());
    };
    assert!(
        image.slots.contains(&load.ip_rel_memory_address()),
        "{caller} loads from {:#x}, which is no slot",
        load.ip_rel_memory_address()
    );
    if load == call {
        return;
    }
    assert_eq!((load.mnemonic(), load.op0_kind()), (Mnemonic::Mov, OpKind::Register));
    match call.op0_kind() {
        OpKind::Register => assert_eq!(call.op0_register(), load.op0_register(), "{caller}"),
        kind => panic!("{caller} calls through {kind:?}: {call}"),
    }
}

fn is_call(line: &Instruction) -> bool {
    matches!(
        line.flow_control(),
        FlowControl::Call | FlowControl::IndirectCall | FlowControl::IndirectBranch
    ) || line.flow_control() == FlowControl::UnconditionalBranch && !line.is_jmp_short()
}

struct Image<'a> {
    bytes: &'a [u8],
    elf: Elf<'a>,
    /// The addresses of the slots.
    slots: std::ops::Range<u64>,
}

impl<'a> Image<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let elf = Elf::parse(bytes).expect("an ELF file");
        let slots = elf
            .section_headers
            .iter()
            .find(|section| elf.shdr_strtab.get_at(section.sh_name) == Some("midair_slots"))
            .map(|section| section.sh_addr..section.sh_addr + section.sh_size)
            .expect("the library has slots");
        Self { bytes, elf, slots }
    }

    /// The instructions of an exported function.
    fn code(&self, name: &str) -> Vec<Instruction> {
        let symbol = self
            .elf
            .dynsyms
            .iter()
            .find(|symbol| self.elf.dynstrtab.get_at(symbol.st_name) == Some(name))
            .unwrap_or_else(|| panic!("{name} is exported"));
        let section = &self.elf.section_headers[symbol.st_shndx];
        let start = (symbol.st_value - section.sh_addr + section.sh_offset) as usize;
        let bytes = &self.bytes[start..start + symbol.st_size as usize];
        Decoder::with_ip(64, bytes, symbol.st_value, DecoderOptions::NONE)
            .into_iter()
            .filter(|line| line.mnemonic() != Mnemonic::Nop)
            .collect()
    }
}

fn build() -> PathBuf {
    let name = "machine_code_fixture";
    let folder = project(name, "2024", "crate-type = [\"cdylib\"]", SOURCE);
    let output = cargo(folder.path())
        .args(["build", "--release", "--offline", "--quiet"])
        .env("CARGO_TARGET_DIR", target_dir())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target_dir().join("release").join(library(name))
}
