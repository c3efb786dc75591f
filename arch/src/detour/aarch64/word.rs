//! Instructions, as far as they depend on where they lie; all others mean the same everywhere.

use std::fmt;

/// One instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u32);

/// What there is to know of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It means the same everywhere and goes on with the next.
    Plain,
    /// `b`
    Jump,
    /// `bl`
    Call,
    /// `b.cond` and `bc.cond`, `cbz` and `cbnz`, `tbz` and `tbnz`.
    Conditional,
    /// `adr`
    Address,
    /// `adrp`
    Page,
    /// A load, or a prefetch, from a distance.
    Literal,
    /// `br` and its like.
    IndirectJump,
    /// `blr` and its like.
    IndirectCall,
    /// Nothing comes behind it: `ret`, `eret`, `udf`.
    End,
    /// `brk` and `hlt`: somebody's breakpoint.
    Breakpoint,
    /// It depends on its place in a way of its own, or nobody knows.
    Immovable(&'static str),
}

/// Where a relative operand is, and what it counts.
#[derive(Clone, Copy)]
enum Operand {
    /// Bits at a position, so many, counting instructions.
    Words(u32, u32),
    /// The 21 bits of `adr`, counting bytes.
    Bytes,
    /// The 21 bits of `adrp`, counting pages.
    Pages,
}

impl Word {
    /// What kind of instruction it is.
    pub(super) const fn kind(self) -> Kind {
        let word = self.0;
        if word >> 16 == 0 {
            return Kind::End;
        }
        match word >> 24 & 0x1f {
            0x10 if word >> 31 == 0 => return Kind::Address,
            0x10 => return Kind::Page,
            _ => {}
        }
        if word & 0x3b00_0000 == 0x1800_0000 {
            let is_free = word >> 30 == 3 && word & VECTOR != 0;
            return if is_free { Kind::Immovable("it is no instruction") } else { Kind::Literal };
        }
        if uses_counter_to_sign(word) {
            return Kind::Immovable("it signs or checks an address with its own");
        }
        // Branches, exceptions and system instructions: op0 is 101x.
        if word >> 26 & 7 == 5 { branch(word) } else { Kind::Plain }
    }

    const fn operand(self) -> Option<Operand> {
        Some(match self.kind() {
            Kind::Jump | Kind::Call => Operand::Words(0, 26),
            Kind::Conditional if self.0 & TEST_MASK == TEST_BIT => Operand::Words(5, 14),
            Kind::Conditional | Kind::Literal => Operand::Words(5, 19),
            Kind::Address => Operand::Bytes,
            Kind::Page => Operand::Pages,
            _ => return None,
        })
    }

    /// What its relative operand means, if it has one and lies at `address`.
    pub(super) const fn target(self, address: u64) -> Option<u64> {
        let Some(operand) = self.operand() else { return None };
        Some(match operand {
            Operand::Words(at, len) => address.wrapping_add_signed(signed(self.0 >> at, len) * 4),
            Operand::Bytes => address.wrapping_add_signed(signed(self.split(), 21)),
            Operand::Pages => page(address).wrapping_add_signed(signed(self.split(), 21) * PAGE),
        })
    }

    /// The same instruction for `address`, where it means `target`; `None` if it does not reach.
    pub(super) const fn with_target(self, address: u64, target: u64) -> Option<Self> {
        let Some(operand) = self.operand() else { return None };
        match operand {
            Operand::Words(at, len) => {
                let distance = target.wrapping_sub(address).cast_signed();
                if distance % 4 != 0 || !fits(distance / 4, len) {
                    return None;
                }
                let mask = (1u32 << len) - 1;
                let bits = (distance / 4) as u32 & mask;
                Some(Self(self.0 & !(mask << at) | bits << at))
            }
            Operand::Bytes => self.with_split(target.wrapping_sub(address).cast_signed()),
            Operand::Pages => {
                let distance = page(target).wrapping_sub(page(address)).cast_signed();
                if !target.is_multiple_of(PAGE as u64) {
                    None
                } else {
                    self.with_split(distance / PAGE)
                }
            }
        }
    }

    /// The opposite of a conditional branch; `None` if there is none (`b.al`).
    pub(super) const fn opposite(self) -> Option<Self> {
        if self.0 & CONDITION_MASK != CONDITION {
            return Some(Self(self.0 ^ 1 << 24));
        }
        if self.0 & 0xe == 0xe { None } else { Some(Self(self.0 ^ 1)) }
    }

    /// The register that it writes to, or loads into, where that is all it does with it.
    pub(super) const fn register(self) -> u32 {
        self.0 & 0x1f
    }

    /// A load through `base` that does what this load from a distance does.
    pub(super) const fn load_through(self, base: u32) -> Self {
        let opcode = match (self.0 & VECTOR != 0, self.0 >> 30) {
            (false, 0) => 0xb940_0000,
            (false, 1) => 0xf940_0000,
            (false, 2) => 0xb980_0000,
            (false, _) => 0xf980_0000,
            (true, 0) => 0xbd40_0000,
            (true, 1) => 0xfd40_0000,
            (true, _) => 0x3dc0_0000,
        };
        Self(opcode | base << 5 | self.register())
    }

    /// Whether this load goes into a register that can hold an address on the way.
    pub(super) const fn loads_into_general(self) -> bool {
        self.0 & VECTOR == 0 && self.0 >> 30 != 3 && self.register() != ZERO
    }

    /// How many bytes this load reads.
    pub(super) const fn load_len(self) -> u64 {
        match (self.0 & VECTOR != 0, self.0 >> 30) {
            (false, 1) | (true, 1) => 8,
            (true, 2) => 16,
            (false, 3) => 1,
            _ => 4,
        }
    }

    /// Whether the register of this number may be one of its operands, wherever they are.
    pub(super) const fn may_name(self, register: u32) -> bool {
        self.0 & 0x1f == register
            || self.0 >> 5 & 0x1f == register
            || self.0 >> 10 & 0x1f == register
            || self.0 >> 16 & 0x1f == register
    }

    /// Whether execution does not go on behind it.
    pub(super) const fn ends_flow(self) -> bool {
        matches!(self.kind(), Kind::Jump | Kind::IndirectJump | Kind::End | Kind::Breakpoint)
    }

    /// Whether it leaves an address to return to.
    pub(super) const fn calls(self) -> bool {
        matches!(self.kind(), Kind::Call | Kind::IndirectCall)
    }

    /// Whether the architecture promises that it may be replaced under a running thread.
    pub(super) const fn is_replaceable(self) -> bool {
        // svc, hvc, smc; isb.
        let is_exception = self.0 & 0xffe0_001c == 0xd400_0000 && self.0 & 3 != 0;
        let is_barrier = self.0 & 0xffff_f0ff == 0xd503_30df;
        let is_breakpoint = self.0 & 0xffe0_001f == 0xd420_0000;
        matches!(self.kind(), Kind::Jump | Kind::Call)
            || self.0 == NOP.0
            || is_exception
            || is_barrier
            || is_breakpoint
    }

    /// Whether an indirect call may land on it.
    pub(super) const fn is_landing_pad(self) -> bool {
        matches!(self.0, BTI_C | BTI_JC) || self.undoes_signing().is_some()
    }

    /// What takes back the signing that this landing pad does.
    pub(super) const fn undoes_signing(self) -> Option<Self> {
        match self.0 {
            PACIASP => Some(Self(AUTIASP)),
            PACIBSP => Some(Self(AUTIBSP)),
            _ => None,
        }
    }

    const fn split(self) -> u32 {
        (self.0 >> 5 & 0x7_ffff) << 2 | self.0 >> 29 & 3
    }

    const fn with_split(self, value: i64) -> Option<Self> {
        if !fits(value, 21) {
            return None;
        }
        let value = value as u32;
        let bits = (value & 3) << 29 | (value >> 2 & 0x7_ffff) << 5;
        Some(Self(self.0 & !0x60ff_ffe0 | bits))
    }
}

/// The group of branches, of which what is not known may be one of any kind.
const fn branch(word: u32) -> Kind {
    if word & 0x7c00_0000 == 0x1400_0000 {
        return if word >> 31 == 0 { Kind::Jump } else { Kind::Call };
    }
    let is_compare = word & 0x7e00_0000 == 0x3400_0000;
    if is_compare || word & TEST_MASK == TEST_BIT || word & CONDITION_MASK == CONDITION {
        return Kind::Conditional;
    }
    // br, blr, ret, eret, and those that check a signature: opc tells which.
    if word & 0xfe1f_0000 == 0xd61f_0000 {
        return match word >> 21 & 0xf {
            0 | 8 => Kind::IndirectJump,
            1 | 9 => Kind::IndirectCall,
            2 | 4 => Kind::End,
            _ => Kind::Immovable("it is no branch that is known"),
        };
    }
    match word >> 24 {
        // brk, hlt, and calls of the system.
        0xd4 if word & 0x00e0_001f == 0x0020_0000 || word & 0x00e0_001f == 0x0040_0000 => {
            Kind::Breakpoint
        }
        0xd4 => Kind::Plain,
        0xd5 if word == PACM => Kind::Immovable("it signs or checks an address with its own"),
        0xd5 => Kind::Plain,
        _ => Kind::Immovable("it is no branch that is known"),
    }
}

/// `paciasppc`, `autiasppc` and their like.
const fn uses_counter_to_sign(word: u32) -> bool {
    word & 0xffff_8000 == 0xdac1_8000 || word & 0xff80_001f == 0xf380_001f
}

const fn signed(bits: u32, len: u32) -> i64 {
    ((bits << (32 - len)).cast_signed() >> (32 - len)) as i64
}

const fn fits(value: i64, len: u32) -> bool {
    value >= -(1 << (len - 1)) && value < 1 << (len - 1)
}

const fn page(address: u64) -> u64 {
    address & !(PAGE as u64 - 1)
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// An instruction as text: what it is, and where it leads, if it depends on where it lies; and its
/// word.
#[must_use]
pub fn describe(word: u32, address: u64) -> String {
    text(Word(word), address)
}

pub(super) fn text(word: Word, address: u64) -> String {
    let name = match word.kind() {
        Kind::Jump => "b",
        Kind::Call => "bl",
        Kind::Conditional if word.0 & TEST_MASK == TEST_BIT => {
            if word.0 >> 24 & 1 == 0 {
                "tbz"
            } else {
                "tbnz"
            }
        }
        Kind::Conditional if word.0 & CONDITION_MASK == CONDITION => "b.cond",
        Kind::Conditional => {
            if word.0 >> 24 & 1 == 0 {
                "cbz"
            } else {
                "cbnz"
            }
        }
        Kind::Address => "adr",
        Kind::Page => "adrp",
        Kind::Literal if word.load_len() == 1 => "prfm",
        Kind::Literal => "ldr",
        Kind::Breakpoint => "brk",
        _ => "",
    };
    match word.target(address) {
        Some(target) => format!("{name} {target:#x} ({word:?})"),
        None => format!("{name} {word:?}").trim_start().to_owned(),
    }
}

/// `nop`
pub(super) const NOP: Word = Word(0xd503_201f);
/// `b`, to itself.
pub(super) const JUMP: Word = Word(0x1400_0000);
/// `bl`, to itself.
pub(super) const CALL: Word = Word(0x9400_0000);
/// `ldr x0`, from itself.
pub(super) const LOAD_ADDRESS: Word = Word(0x5800_0000);
/// `br x0`
pub(super) const JUMP_TO: Word = Word(0xd61f_0000);
/// `ret x0`, which, unlike `br`, may land where no landing pad is.
pub(super) const LEAVE_TO: Word = Word(0xd65f_0000);
/// `adr x30`, of itself.
pub(super) const RETURN_TO: Word = Word(0x1000_001e);
/// The register that reads as zero.
pub(super) const ZERO: u32 = 31;

const PAGE: i64 = 4096;
const VECTOR: u32 = 1 << 26;
const TEST_MASK: u32 = 0x7e00_0000;
const TEST_BIT: u32 = 0x3600_0000;
const CONDITION_MASK: u32 = 0xff00_0000;
const CONDITION: u32 = 0x5400_0000;
const BTI_C: u32 = 0xd503_245f;
const BTI_JC: u32 = 0xd503_24df;
const PACIASP: u32 = 0xd503_233f;
const PACIBSP: u32 = 0xd503_237f;
const AUTIASP: u32 = 0xd503_23bf;
const AUTIBSP: u32 = 0xd503_23ff;
const PACM: u32 = 0xd503_24ff;
