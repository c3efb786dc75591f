//! Functions of aarch64 and what becomes of their entries, as words with the assembly beside them.
//!
//! `BLESS=1` rewrites the golden file; read the difference before you commit it.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

mod lab;

use std::fmt::Write;

use midair_arch::detour::aarch64::{Plan, Prologue, describe, relay};
use midair_arch::detour::{Function, Means, Original, Refusal};

struct Case {
    name: &'static str,
    /// Words, and what an assembler makes them from.
    code: &'static [(u32, &'static str)],
    size_is_known: bool,
    means: Means,
    trampoline: u64,
}

const ADDRESS: u64 = 0x7f00_0040_1000;
const NEAR: u64 = 0x7f00_0040_8000;
const MIDDLE: u64 = 0x7f00_0140_0000;
const FAR: u64 = 0x1000_0000;
const WITHOUT_TRAPS: Means = Means { traps: false, stop: true, breakpoint_alone: false };

const fn case(name: &'static str, code: &'static [(u32, &'static str)]) -> Case {
    Case { name, code, size_is_known: true, means: Means::TRAPS, trampoline: NEAR }
}

impl Case {
    const fn unknown(mut self) -> Self {
        self.size_is_known = false;
        self
    }

    const fn means(mut self, means: Means) -> Self {
        self.means = means;
        self
    }

    const fn mid(mut self) -> Self {
        self.trampoline = MIDDLE;
        self
    }

    const fn far(mut self) -> Self {
        self.trampoline = FAR;
        self
    }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("a no-operation made for it", &[(0xd503201f, "nop"), (0x52800020, "mov w0, #1"), (0xd65f03c0, "ret")]),
    case("a frame", &[(0xa9bf7bfd, "stp x29, x30, [sp, #-16]!"), (0x910003fd, "mov x29, sp"), (0xa8c17bfd, "ldp x29, x30, [sp], #16"), (0xd65f03c0, "ret")]),
    case("a frame behind a landing pad", &[(0xd503245f, "bti c"), (0xa9bf7bfd, "stp x29, x30, [sp, #-16]!"), (0xd65f03c0, "ret")]),
    case("a landing pad that signs", &[(0xd503233f, "paciasp"), (0xa9bf7bfd, "stp x29, x30, [sp, #-16]!"), (0xa8c17bfd, "ldp x29, x30, [sp], #16"), (0xd50323bf, "autiasp"), (0xd65f03c0, "ret")]),
    case("the same with the other key", &[(0xd503237f, "pacibsp"), (0xa9bf7bfd, "stp x29, x30, [sp, #-16]!"), (0xd65f03c0, "ret")]),
    case("a landing pad, then signing", &[(0xd503245f, "bti c"), (0xd503233f, "paciasp"), (0xa9bf7bfd, "stp x29, x30, [sp, #-16]!"), (0xd65f03c0, "ret")]),
    case("a jump", &[(0x14000400, "b #0x1000")]),
    case("a jump back to the entry", &[(0x14000000, "b #0")]),
    case("a jump within reach of a jump only", &[(0x54008000, "b.eq #0x1000"), (0xd65f03c0, "ret")]).mid(),
    case("a call", &[(0x94000400, "bl #0x1000"), (0xd65f03c0, "ret")]),
    case("a call of itself", &[(0x94000000, "bl #0"), (0xd65f03c0, "ret")]),
    case("a call to learn where it is", &[(0x94000002, "bl #8"), (0xd65f03c0, "ret"), (0xd65f03c0, "ret")]),
    case("an address", &[(0x10ff8000, "adr x0, #-4096"), (0xd65f03c0, "ret")]),
    case("an address of its own", &[(0x10000003, "adr x3, #0"), (0xd65f03c0, "ret")]),
    case("a page", &[(0x90001000, "adrp x0, #0x200000"), (0xd65f03c0, "ret")]),
    case("a load of a word", &[(0x18004001, "ldr w1, #0x800"), (0xd65f03c0, "ret")]),
    case("a load of its own code", &[(0x18000001, "ldr w1, #0"), (0xd65f03c0, "ret")]),
    case("a conditional branch", &[(0x54000201, "b.ne #0x40"), (0xd65f03c0, "ret")]),
    case("compare and branch", &[(0xb4000205, "cbz x5, #0x40"), (0xd65f03c0, "ret")]),
    case("test a bit and branch", &[(0x37180205, "tbnz w5, #3, #0x40"), (0xd65f03c0, "ret")]),
    case("a loop back to the entry", &[(0xf1000400, "subs x0, x0, #1"), (0x54ffffe1, "b.ne #-4"), (0xd65f03c0, "ret")]),
    case("the same by another branch", &[(0xd1000400, "sub x0, x0, #1"), (0xb5ffffe0, "cbnz x0, #-4"), (0xd65f03c0, "ret")]),
    case("the same by a test of a bit", &[(0xd1000400, "sub x0, x0, #1"), (0xb647ffe0, "tbz x0, #40, #-4"), (0xd65f03c0, "ret")]),
    case("a loop back to the landing pad", &[(0xd503245f, "bti c"), (0xf1000400, "subs x0, x0, #1"), (0x54ffffc1, "b.ne #-8"), (0xd65f03c0, "ret")]),
    case("a loop back to a landing pad that signs", &[(0xd503233f, "paciasp"), (0xd1000400, "sub x0, x0, #1"), (0xd50323bf, "autiasp"), (0x17fffffd, "b #-12")]),
    case("a loop, without breakpoints", &[(0xf1000400, "subs x0, x0, #1"), (0x54ffffe1, "b.ne #-4"), (0xd65f03c0, "ret")]).means(WITHOUT_TRAPS),
    case("a loop with a call, without breakpoints", &[(0xf1000400, "subs x0, x0, #1"), (0xd63f0020, "blr x1"), (0x54ffffc1, "b.ne #-8"), (0xd65f03c0, "ret")]).means(WITHOUT_TRAPS),
    case("far: a jump", &[(0x14000400, "b #0x1000")]).far(),
    case("far: a call", &[(0x94000400, "bl #0x1000"), (0xd65f03c0, "ret")]).far(),
    case("far: an address", &[(0x10008007, "adr x7, #0x1000"), (0xd65f03c0, "ret")]).far(),
    case("far: a page", &[(0x9000101e, "adrp x30, #0x200000"), (0xd65f03c0, "ret")]).far(),
    case("far: a load of a double word", &[(0x58004001, "ldr x1, #0x800"), (0xd65f03c0, "ret")]).far(),
    case("far: a load with sign", &[(0x98004001, "ldrsw x1, #0x800"), (0xd65f03c0, "ret")]).far(),
    case("far: a load of four bytes into a vector register", &[(0x1c004001, "ldr s1, #0x800"), (0xd65f03c0, "ret")]).far(),
    case("far: of eight", &[(0x5c004002, "ldr d2, #0x800"), (0xd65f03c0, "ret")]).far(),
    case("far: of sixteen", &[(0x9c004003, "ldr q3, #0x800"), (0xd65f03c0, "ret")]).far(),
    case("far: a prefetch", &[(0xd8004000, "prfm pldl1keep, #0x800"), (0xd65f03c0, "ret")]).far(),
    case("far: a load to nowhere", &[(0x5800401f, "ldr xzr, #0x800"), (0xd65f03c0, "ret")]).far(),
    case("far: a conditional branch", &[(0x5400020b, "b.lt #0x40"), (0xd65f03c0, "ret")]).far(),
    case("far: a condition that always holds", &[(0x5400020e, "b.al #0x40"), (0xd65f03c0, "ret")]).far(),
    case("far: compare and branch", &[(0x35000205, "cbnz w5, #0x40"), (0xd65f03c0, "ret")]).far(),
    case("far: test a bit and branch", &[(0xb6400205, "tbz x5, #40, #0x40"), (0xd65f03c0, "ret")]).far(),
    case("far: one of the two registers is taken", &[(0xaa0003f1, "mov x17, x0"), (0xd65f03c0, "ret")]).far(),
    case("far: both are taken", &[(0x8b000211, "add x17, x16, x0"), (0xd65f03c0, "ret")]).far(),
    case("far: in a loop no register is free", &[(0xf1000400, "subs x0, x0, #1"), (0x54ffffe1, "b.ne #-4"), (0xd65f03c0, "ret")]).far(),
    case("an indirect call", &[(0xd63f0100, "blr x8"), (0xd65f03c0, "ret")]),
    case("a jump to nobody knows where", &[(0xaa0003e1, "mov x1, x0"), (0xd61f0020, "br x1")]),
    case("the same, size unknown", &[(0xaa0003e1, "mov x1, x0"), (0xd61f0020, "br x1")]).unknown(),
    case("size unknown, seen whole", &[(0xb4000060, "cbz x0, #12"), (0x52800020, "mov w0, #1"), (0xd65f03c0, "ret"), (0x52800040, "mov w0, #2"), (0xd65f03c0, "ret"), (0x00000000, "dc 0")]).unknown(),
    case("a breakpoint", &[(0xd4200020, "brk #0x1"), (0xd65f03c0, "ret")]),
    case("no instruction", &[(0x00000000, "dc 0"), (0xd65f03c0, "ret")]),
    case("signing with its own address", &[(0xdac1a3fe, "dc 0xdac1a3fe"), (0xd65f03c0, "ret")]),
    case("a branch that nobody knows", &[(0x74000040, "dc 0x74000040"), (0xd65f03c0, "ret")]),
];

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word))
}

fn listing(into: &mut String, code: &[u8], address: u64, note: impl Fn(u64) -> Option<u64>) {
    for (number, word) in words(code).enumerate() {
        let at = address + 4 * number as u64;
        let mut text = describe(word, at);
        if let Some(from) = note(at) {
            text = format!("{text:<40} ; {from:x}");
        }
        lab::line(into, at, &word.to_le_bytes(), &text);
    }
}

fn trampoline(into: &mut String, original: &Original) {
    let of = |at| original.places().iter().find(|place| place.to == at).map(|place| place.from);
    let (code, rest) = original.bytes().split_at(original.code_len());
    listing(into, code, original.address(), of);
    let (gap, literals) = rest.split_at(rest.len() % 8);
    let start = original.address() + code.len() as u64;
    listing(into, gap, start, |_| None);
    for (number, literal) in literals.as_chunks::<8>().0.iter().enumerate() {
        let text = format!("dq {:#x}", u64::from_le_bytes(*literal));
        lab::line(into, start + (gap.len() + 8 * number) as u64, literal, &text);
    }
}

fn told(case: &Case) -> String {
    let mut out = format!("## {}\n", case.name);
    for (number, (word, text)) in case.code.iter().enumerate() {
        lab::line(&mut out, ADDRESS + 4 * number as u64, &word.to_le_bytes(), text);
    }
    let code: Vec<u8> = case.code.iter().flat_map(|(word, _)| word.to_le_bytes()).collect();
    let size = case.size_is_known.then_some(code.len());
    match outcome(&Function { address: ADDRESS, code: &code, size, above: &[] }, case) {
        Ok(text) => out + &text,
        Err(refusal) => out + &format!("refused: {refusal}\n"),
    }
}

fn outcome(function: &Function<'_>, case: &Case) -> Result<String, Refusal> {
    let prologue = Prologue::decode(function, &())?;
    let plan = Plan::new(&prologue, case.means)?;
    let mut out = format!("{}\n", plan.tier());
    for hazard in plan.hazards() {
        writeln!(out, "- {hazard:x?}").unwrap();
    }
    let original = plan.relocate(case.trampoline)?.verify(&plan).unwrap();
    trampoline(&mut out, &original);
    let at = plan.relays([0x1_0000..0x7f00_0040_0000, NEAR + 0x1000..0x7fff_ffff_0000]).next();
    let at = at.unwrap();
    writeln!(out, "relay").unwrap();
    listing(&mut out, &relay(at, at & !0xfff, plan.landing_pad()).unwrap(), at, |_| None);
    let patch = plan.patch(at)?;
    writeln!(out, "patch").unwrap();
    listing(&mut out, &patch.new, patch.address, |_| None);
    for trap in &patch.traps {
        assert!(original.resume(*trap).is_some());
        lab::line(&mut out, *trap, &0xd420_0000_u32.to_le_bytes(), "brk #0");
    }
    Ok(out)
}

#[test]
fn every_function_is_planned_and_moved_as_before() {
    let told: Vec<String> = CASES.iter().map(told).collect();
    lab::golden("aarch64.txt", &told.join("\n"));
}
