//! x86_64 machine code as text that does not depend on where it lies: addresses are given names.

use std::collections::BTreeMap;

use iced_x86::{
    Decoder, DecoderOptions, Formatter, IntelFormatter, OpKind, SymbolResolver, SymbolResult,
};

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Where it lies.
    pub address: u64,
    /// Mnemonic and operands; a jump within the same code goes to `<local>`.
    pub text: String,
    /// Where it jumps to, if that is within the same code.
    pub local: Option<u64>,
}

/// What an instruction refers to outside the code it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// It calls or jumps there.
    Code(u64),
    /// It takes the address of something there.
    Address(u64),
    /// It reads or writes this many bytes there.
    Data {
        /// Where.
        address: u64,
        /// How many bytes.
        len: usize,
    },
}

/// Disassembles `code`, which lies at `address`; `name` names what it refers to.
///
/// What no name is found for is named by its address.
#[must_use]
pub fn disassemble(
    code: &[u8],
    address: u64,
    mut name: impl FnMut(Reference) -> Option<String>,
) -> Vec<Instruction> {
    let decoder = || Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let inside = address..address.saturating_add(code.len() as u64);
    let mut names: BTreeMap<u64, String> = BTreeMap::new();
    for instruction in decoder().into_iter() {
        for (target, reference) in references(&instruction) {
            let local = matches!(reference, Reference::Code(_)) && inside.contains(&target);
            let found = if local { Some(LOCAL.to_owned()) } else { name(reference) };
            if let Some(found) = found {
                names.insert(target, found);
            }
        }
    }
    let mut formatter = IntelFormatter::with_options(Some(Box::new(Names(names))), None);
    let options = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    // Whether a jump is short depends on what lies between.
    options.set_show_branch_size(false);
    let mut lines = Vec::new();
    for instruction in decoder().into_iter() {
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let local = is_near_branch(&instruction).then(|| instruction.near_branch_target());
        let local = local.filter(|target| inside.contains(target));
        lines.push(Instruction { address: instruction.ip(), text, local });
    }
    lines
}

fn is_near_branch(instruction: &iced_x86::Instruction) -> bool {
    instruction.op_count() > 0 && is_branch_operand(instruction.op0_kind())
}

fn is_branch_operand(kind: OpKind) -> bool {
    matches!(kind, OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64)
}

/// What an instruction refers to by a distance from itself.
fn references(instruction: &iced_x86::Instruction) -> Vec<(u64, Reference)> {
    let mut found = Vec::new();
    if is_near_branch(instruction) {
        let target = instruction.near_branch_target();
        found.push((target, Reference::Code(target)));
    }
    if instruction.is_ip_rel_memory_operand() {
        let address = instruction.ip_rel_memory_address();
        let len = instruction.memory_size().size();
        let reference = match len {
            0 => Reference::Address(address),
            _ => Reference::Data { address, len },
        };
        found.push((address, reference));
    }
    found
}

/// The names of addresses, for the formatter.
struct Names(BTreeMap<u64, String>);

impl SymbolResolver for Names {
    fn symbol(
        &mut self,
        instruction: &iced_x86::Instruction,
        _operand: u32,
        instruction_operand: Option<u32>,
        address: u64,
        _address_size: u32,
    ) -> Option<SymbolResult<'_>> {
        // Only distances are addresses; an immediate or a displacement may look like one.
        let kind = instruction.op_kind(instruction_operand?);
        let memory = kind == OpKind::Memory && instruction.is_ip_rel_memory_operand();
        if !memory && !is_branch_operand(kind) {
            return None;
        }
        Some(SymbolResult::with_str(address, self.0.get(&address)?))
    }
}

/// Stands for every place within the code itself.
const LOCAL: &str = "<local>";

#[cfg(test)]
mod tests {
    use super::{Reference, disassemble};

    // cmp dword [rip+0x10], 0; je +2; mov eax, 1 (cut: 5 bytes); call +0x100; ret
    const CODE: [u8; 20] =
        [0x83, 0x3d, 0x10, 0, 0, 0, 0, 0x74, 0x05, 0xb8, 1, 0, 0, 0, 0xe8, 0, 1, 0, 0, 0xc3];

    fn texts(address: u64, name: impl FnMut(Reference) -> Option<String>) -> Vec<String> {
        disassemble(&CODE, address, name).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn what_is_referred_to_is_named() {
        let mut asked = Vec::new();
        let lines = texts(0x1000, |reference| {
            asked.push(reference);
            Some(match reference {
                Reference::Code(_) => "helper".to_owned(),
                _ => "STATE".to_owned(),
            })
        });
        let data = Reference::Data { address: 0x1017, len: 4 };
        assert_eq!(asked, [data, Reference::Code(0x1113)]);
        assert_eq!(
            lines,
            ["cmp dword ptr [STATE], 0", "je <local>", "mov eax, 1", "call helper", "ret"]
        );
    }

    #[test]
    fn moved_code_reads_as_equal() {
        let name = |reference| {
            Some(match reference {
                Reference::Code(_) => "helper".to_owned(),
                _ => "STATE".to_owned(),
            })
        };
        assert_eq!(texts(0x1000, name), texts(0xffff_0000, name));
    }

    #[test]
    fn bytes_that_are_no_code_are_no_trouble() {
        for at in 0..CODE.len() {
            let lines = disassemble(&CODE[at..], u64::MAX - 3, |_| None);
            assert!(!lines.is_empty());
        }
        assert!(disassemble(&[], 0, |_| None).is_empty());
    }
}
