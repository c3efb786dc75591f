//! Functions of x86_64 and what becomes of their entries, as bytes with the assembly beside them.
//!
//! `BLESS=1` rewrites the golden file; read the difference before you commit it.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use std::fmt::Write;

use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
use midair_arch::detour::x86_64::{Plan, Prologue};
use midair_arch::detour::{Function, Means, Memory, Original};

struct Case {
    name: &'static str,
    code: &'static str,
    /// Of `code`, how much a symbol names; all of it where nothing else is said.
    size: Size,
    above: &'static str,
    means: Means,
    trampoline: u64,
    /// An address and what is to be read there.
    table: (u64, &'static [i32]),
}

enum Size {
    Whole,
    Of(usize),
    Unknown,
}

const ADDRESS: u64 = 0x7f00_0040_1000;
const NEAR: u64 = 0x7f00_0050_0000;
const FAR: u64 = 0x1000_0000;
const TABLE: u64 = 0x7f00_0060_0000;
const WITHOUT_TRAPS: Means = Means { traps: false, stop: true, breakpoint_alone: false };

const fn case(name: &'static str, code: &'static str) -> Case {
    Case {
        name,
        code,
        size: Size::Whole,
        above: "",
        means: Means::TRAPS,
        trampoline: NEAR,
        table: (0, &[]),
    }
}

impl Case {
    const fn size(mut self, size: Size) -> Self {
        self.size = size;
        self
    }

    const fn above(mut self, above: &'static str) -> Self {
        self.above = above;
        self
    }

    const fn means(mut self, means: Means) -> Self {
        self.means = means;
        self
    }

    const fn far(mut self) -> Self {
        self.trampoline = FAR;
        self
    }

    const fn table(mut self, table: &'static [i32]) -> Self {
        self.table = (TABLE, table);
        self
    }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("a no-operation made for it", "0f 1f 44 00 00 | b8 01 00 00 00 | c3"),
    case("the same behind a landing pad", "f3 0f 1e fa | 0f 1f 44 00 00 | c3"),
    case("no-operations of one byte", "90 | 90 | 90 | 90 | 90 | c3"),
    case("a first instruction that is long enough", "b8 01 00 00 00 | c3"),
    case("a frame", "55 | 48 89 e5 | 48 83 ec 10 | c9 | c3"),
    case("a frame behind a landing pad", "f3 0f 1e fa | 55 | 48 89 e5 | 48 83 ec 10 | c9 | c3"),
    case("a slow first block", "53 | 0f 31 | 5b | 48 89 c8 | c3"),
    case("a loop back into the patch", "31 c0 | 48 ff c0 | 48 39 f8 | 75 f8 | c3"),
    case("a loop back to the entry", "48 ff c0 | 48 39 f8 | 75 f8 | c3"),
    case("a loop back to the entry, without breakpoints", "48 ff c0 | 48 39 f8 | 75 f8 | c3").means(WITHOUT_TRAPS),
    case("the same with a call in it", "ff d6 | 48 39 f8 | 75 f9 | c3"),
    case("the same with a call in it, without breakpoints", "ff d6 | 48 39 f8 | 75 f9 | c3").means(WITHOUT_TRAPS),
    case("a loop back to the landing pad", "f3 0f 1e fa | 48 ff c0 | 48 39 f8 | 75 f4 | c3"),
    case("an indirect call at the entry", "ff d7 | 48 83 c0 01 | c3"),
    case("the same, without breakpoints", "ff d7 | 48 83 c0 01 | c3").means(WITHOUT_TRAPS),
    case("a call that moves", "53 | e8 00 10 00 00 | 5b | c3"),
    case("a call of itself", "53 | e8 fa ff ff ff | 5b | c3"),
    case("a call to learn where it is", "e8 00 00 00 00 | 58 | c3"),
    case("the same under the patch only", "90 | e8 00 00 00 00 | 58 | c3"),
    case("a short conditional jump out of the block", "85 ff | 74 06 | 89 f8 | c3 | 66 90 | 90 | 31 c0 | c3"),
    case("a short conditional jump within the block", "85 ff | 74 01 | 90 | 31 c0 | c3"),
    case("a near conditional jump", "85 ff | 0f 84 f8 0f 00 00 | c3"),
    case("a jump on rcx", "e3 06 | 31 c0 | 90 | 90 | 90 | c3 | c3"),
    case("a jump on ecx", "67 e3 05 | 31 c0 | 90 | 90 | 90 | c3"),
    case("a counting loop within the block", "ff c0 | e2 fc | 90 | c3"),
    case("a counting loop to the patch", "31 c0 | 90 | ff c0 | 85 c0 | e2 fa | c3"),
    case("a load from a distance", "48 8b 05 f9 0f 00 00 | c3"),
    case("an immediate behind the distance", "83 3d f9 0f 00 00 00 | 74 01 | c3 | c3"),
    case("an address of its own code", "48 8d 05 f9 ff ff ff | c3"),
    case("an address inside the patch", "90 | 48 8d 05 f9 ff ff ff | 48 8d 0d f4 ff ff ff | c3"),
    case("an address inside the patch, without breakpoints", "90 | 90 | 48 8d 05 f8 ff ff ff | c3").means(WITHOUT_TRAPS),
    case("a load of its own code", "90 | 48 8b 05 f8 ff ff ff | c3"),
    case("a jump cut to 16 bits by some", "66 e9 00 10 00 00 | c3"),
    case("an address cut to 32 bits", "67 8b 05 00 10 00 00 | c3"),
    case("the start of a transaction", "c7 f8 00 10 00 00 | c3"),
    case("far: jumps and calls", "53 | e8 00 10 00 00 | 5b | c3").far(),
    case("far: a conditional jump", "85 ff | 74 06 | 89 f8 | c3 | 66 90 | 90 | 31 c0 | c3").far(),
    case("far: a counting loop", "e3 06 | 31 c0 | 90 | 90 | 90 | c3 | c3").far(),
    case("far: an address", "48 8d 05 f9 0f 00 00 | c3").far(),
    case("far: loads", "4c 8b 25 f9 0f 00 00 | c3").far(),
    case("far: a short load", "44 8b 2d f9 0f 00 00 | c3").far(),
    case("far: what needs a register", "48 01 05 f9 0f 00 00 | c3").far(),
    case("nothing but ret, with padding", "c3 | 66 2e 0f 1f 84 00 00 00 00 00").size(Size::Of(1)),
    case("three bytes, with padding", "31 c0 | c3 | 0f 1f 40 00 | 66 90").size(Size::Of(3)),
    case("three bytes, without room", "31 c0 | c3").size(Size::Of(3)),
    case("three bytes, zeros behind", "31 c0 | c3 | 00 00 00 00 00").size(Size::Of(3)),
    case("three bytes, padding above", "31 c0 | c3").size(Size::Of(3)).above("66 90 | 0f 1f 44 00 00"),
    case("a thunk", "eb 00"),
    case("one byte, for which a breakpoint alone is left", "c3").means(Means::ALL),
    case("a frame, padding above, without breakpoints", "48 89 f8 | 48 01 f0 | c3").above("c3 | 90 | 0f 1f 44 00 00").means(WITHOUT_TRAPS),
    case("a frame that starts with one byte, padding above, without breakpoints", "55 | 48 89 e5 | 5d | c3").above("c3 | 90 | 0f 1f 44 00 00").means(WITHOUT_TRAPS),
    case("a frame with nothing above, without breakpoints", "55 | 48 89 e5 | 5d | c3").means(WITHOUT_TRAPS),
    case("a prefix that is jumped over", "85 ff | 74 01 | f0 0f b1 16 | c3"),
    case("a prefix that is jumped over, within the block", "89 f8 | 85 ff | 74 01 | f0 0f b1 16 | c3"),
    case("the same in a loop that moves", "89 f8 | 85 ff | 75 fc | 74 01 | f0 0f b1 16 | 75 f2 | c3"),
    case("a prefix that is jumped over, later", "b9 01 00 00 00 | 85 ff | 74 01 | f0 0f b1 16 | c3"),
    case("a breakpoint at the entry", "cc | 48 89 e5 | 5d | c3"),
    case("a breakpoint under the patch", "55 | cc | 89 e5 | 5d | c3"),
    case("no instruction", "06 07 | 90 90 90 90"),
    case("an end that is none", "0f 0b"),
    case("an end that is none, with padding", "0f 0b | cc cc cc cc").size(Size::Of(2)),
    case("size unknown, seen whole", "48 85 ff | 74 03 | 31 c0 | c3 | 90 | c3 | 0f 1f 00 | 00 00 00").size(Size::Unknown),
    case("size unknown, an indirect jump", "48 85 ff | 74 03 | ff e0 | 90 | c3").size(Size::Unknown),
    case("size unknown, a call through a field", "48 8b 07 | 90 | ff 60 18").size(Size::Unknown),
    case("a jump table", "48 8d 15 f9 ef 1f 00 | 48 63 04 ba | 48 01 d0 | 3e ff e0 | 31 c0 | c3 | 90 | c3").table(&[-0x1feff0, -0x1fefef, 0]),
    case("a jump table that leads to the entry", "48 8d 15 f9 ef 1f 00 | 48 63 04 ba | 48 01 d0 | 3e ff e0 | 31 c0 | c3 | 90 | c3").table(&[-0x1feff0, -0x1ff000]),
    case("a jump table that cannot be read", "48 8d 15 f9 ef 1f 00 | 48 63 04 ba | 48 01 d0 | 3e ff e0 | 31 c0 | c3 | 90 | c3"),
    case("data in the body that may be a jump to the entry", "b8 01 00 00 00 | c3 | 06 07 | eb f6"),
];

/// The jump tables of a case.
struct Table(u64, &'static [i32]);

impl Memory for Table {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        let Some(at) = address.checked_sub(self.0) else { return false };
        let Some(entry) = self.1.get(at as usize / 4) else { return false };
        into.copy_from_slice(&entry.to_le_bytes());
        true
    }
}

fn listing(into: &mut String, code: &[u8], address: u64, note: impl Fn(u64) -> Option<u64>) {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    while decoder.can_decode() {
        let from = decoder.position();
        let instruction = decoder.decode();
        let mut text = String::new();
        let mut formatter = IntelFormatter::new();
        formatter.options_mut().set_rip_relative_addresses(false);
        formatter.format(&instruction, &mut text);
        if let Some(from) = note(instruction.ip()) {
            text = format!("{text:<40} ; {from:x}");
        }
        lab::line(into, instruction.ip(), &code[from..decoder.position()], &text);
    }
}

fn trampoline(into: &mut String, original: &Original) {
    let of = |at| original.places().iter().find(|place| place.to == at).map(|place| place.from);
    let (code, literals) = original.bytes().split_at(original.code_len());
    listing(into, code, original.address(), of);
    if literals.is_empty() {
        return;
    }
    let (gap, literals) = literals.split_at(literals.len() % 8);
    let start = original.address() + (code.len() + gap.len()) as u64;
    if !gap.is_empty() {
        lab::line(into, start - gap.len() as u64, gap, "");
    }
    for (number, literal) in literals.as_chunks::<8>().0.iter().enumerate() {
        let text = format!("dq {:x}h", u64::from_le_bytes(*literal));
        lab::line(into, start + 8 * number as u64, literal, &text);
    }
}

fn told(case: &Case) -> String {
    let mut out = format!("## {}\n", case.name);
    let (code, above) = (lab::bytes(case.code), lab::bytes(case.above));
    let size = match case.size {
        Size::Whole => Some(code.len()),
        Size::Of(size) => Some(size),
        Size::Unknown => None,
    };
    listing(&mut out, &code, ADDRESS, |_| None);
    let function = Function { address: ADDRESS, code: &code, size, above: &above };
    match outcome(&function, case) {
        Ok(text) => out + &text,
        Err(refusal) => out + &format!("refused: {refusal}\n"),
    }
}

fn outcome(function: &Function<'_>, case: &Case) -> Result<String, midair_arch::detour::Refusal> {
    let prologue = Prologue::decode(function, &Table(case.table.0, case.table.1))?;
    let plan = Plan::new(&prologue, case.means)?;
    let mut out = format!("{}\n", plan.tier());
    for hazard in plan.hazards() {
        writeln!(out, "- {hazard:x?}").unwrap();
    }
    let original = plan.relocate(case.trampoline)?.verify(&plan).unwrap();
    trampoline(&mut out, &original);
    let relay =
        plan.relays([0x1_0000..0x7f00_0040_0000, NEAR + 0x1000..0x7fff_ffff_0000]).next().unwrap();
    let patch = plan.patch(relay)?;
    writeln!(out, "patch, for a relay at {relay:x}").unwrap();
    if let Some((at, island)) = &patch.island {
        listing(&mut out, island, *at, |_| None);
    }
    listing(&mut out, &patch.new, patch.address, |_| None);
    for trap in &patch.traps {
        lab::line(&mut out, *trap, &[0xcc], "int3");
    }
    for &at in &patch.boundaries {
        assert_eq!(patch.new[at], 0xcc);
        assert!(original.resume(patch.address + at as u64).is_some_and(|_| at < patch.new.len()));
    }
    Ok(out)
}

#[test]
fn every_function_is_planned_and_moved_as_before() {
    let told: Vec<String> = CASES.iter().map(told).collect();
    lab::golden("x86_64.txt", &told.join("\n"));
}

#[test]
fn what_calls_in_the_block_return_to_is_known() {
    // push rbx; call; pop rbx; ret: the call is the last that moves.
    let code = lab::bytes("53 | e8 00 10 00 00 | 5b | c3");
    let prologue = Prologue::decode(&Function::sized(ADDRESS, &code, code.len()), &()).unwrap();
    let plan = Plan::new(&prologue, Means::TRAPS).unwrap();
    let original = plan.relocate(NEAR).unwrap().verify(&plan).unwrap();
    let returns: Vec<_> = original.returns().map(|place| (place.from, place.to)).collect();
    assert_eq!(returns, [(ADDRESS + 6, NEAR + 6)]);
    assert_eq!(original.resume(ADDRESS + 1), Some(NEAR + 1));
    assert_eq!(original.resume(ADDRESS + 2), None);
}
