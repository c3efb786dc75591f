//! In what way an instruction depends on where it lies.

use iced_x86::{Code, Instruction, OpKind, Register};

use super::block::Block;

/// What an instruction refers to, relative to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    Plain,
    /// It jumps, and this is the last byte of its opcode.
    Jump(u64, Branching),
    /// It calls.
    Call(u64),
    /// It reads, writes or names an address.
    Refers(u64),
}

/// The kinds of relative jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Branching {
    /// Always.
    Always,
    /// On the flags, by the condition's number.
    Flags(u8),
    /// `loop` and `jrcxz`, which have no long form.
    Counter,
}

impl Role {
    /// The role of an instruction of `block`, or what forbids moving it.
    pub(super) fn of(instruction: &Instruction, block: &Block) -> Result<Self, &'static str> {
        if instruction.is_invalid() {
            return Err("it is no instruction");
        }
        if instruction.code() == Code::Int3 {
            return Err("a breakpoint stands there, and what it hides is not known");
        }
        if instruction.memory_base() == Register::EIP {
            return Err("its address is cut to 32 bits");
        }
        if instruction.is_ip_rel_memory_operand() {
            return refers(instruction, block);
        }
        match instruction.op0_kind() {
            OpKind::NearBranch64 => branches(instruction, block),
            OpKind::NearBranch32 | OpKind::NearBranch16 => Err("its target is cut short"),
            _ => Ok(Self::Plain),
        }
    }
}

fn refers(instruction: &Instruction, block: &Block) -> Result<Role, &'static str> {
    let address = instruction.ip_rel_memory_address();
    let len = instruction.memory_size().size().max(1) as u64;
    let names_only = instruction.code() == Code::Lea_r64_m || instruction.code() == Code::Lea_r32_m;
    if !names_only && block.is_patched(address, len) {
        return Err("it reads or writes bytes that are patched");
    }
    Ok(Role::Refers(address))
}

fn branches(instruction: &Instruction, block: &Block) -> Result<Role, &'static str> {
    let target = instruction.near_branch_target();
    let (prefixes, condition) = opcode(instruction, block.bytes_of(instruction));
    // A wide instruction is of full size whatever other prefixes say.
    let is_wide = prefixes.last().is_some_and(|byte| byte & 0xf8 == REX_W);
    if prefixes.contains(&OPERAND_SIZE) && !is_wide {
        return Err("processors disagree on its length");
    }
    if instruction.is_call_near() {
        if block.is_own_middle(target) {
            return Err("it calls into its own function, perhaps to learn where it is");
        }
        return Ok(Role::Call(target));
    }
    let branching = if instruction.is_jmp_short_or_near() {
        Branching::Always
    } else if instruction.is_jcc_short_or_near() {
        Branching::Flags(condition)
    } else if instruction.is_loop() || instruction.is_loopcc() || instruction.is_jcx_short() {
        Branching::Counter
    } else {
        return Err("it leads elsewhere in a way of its own");
    };
    Ok(Role::Jump(target, branching))
}

/// The prefixes of a branch, and the number of the condition in its opcode, if it has one.
fn opcode<'a>(instruction: &Instruction, bytes: &'a [u8]) -> (&'a [u8], u8) {
    let is_short = instruction.is_jcc_short()
        || instruction.is_jmp_short()
        || instruction.is_loop()
        || instruction.is_loopcc()
        || instruction.is_jcx_short();
    // The distance comes last, the opcode before it.
    let last = bytes.len() - if is_short { 2 } else { 5 };
    let first = last - usize::from(instruction.is_jcc_near());
    (&bytes[..first], bytes[last] & 0xf)
}

const OPERAND_SIZE: u8 = 0x66;
const REX_W: u8 = 0x48;
