//! Jump tables, as far as compilers' idioms tell where they are.

use iced_x86::{Code, Instruction, Register};

use super::super::Memory;

/// Follows, instruction by instruction, which register holds the address of which table.
#[derive(Default)]
pub(super) struct Tables {
    /// What the last `lea reg, [rip+..]` put into each register; 0 for nothing.
    addresses: [u64; 16],
    /// The table that the last `movsxd reg, [base+index*4]` read.
    relative: u64,
}

/// Where an indirect jump leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// To one of these places in the body.
    Within(Vec<u64>),
    /// Out of the body: a pointer to another function is read from a fixed place.
    Away,
    /// Nobody knows.
    Anywhere,
}

impl Tables {
    /// Takes note of an instruction that is no branch.
    pub(super) fn note(&mut self, instruction: &Instruction) {
        match instruction.code() {
            Code::Lea_r64_m if instruction.is_ip_rel_memory_operand() => {
                let register = instruction.op0_register().number();
                self.addresses[register] = instruction.ip_rel_memory_address();
            }
            Code::Movsxd_r64_rm32 if instruction.memory_index_scale() == 4 => {
                let base = instruction.memory_base();
                if base.is_gpr64() && instruction.memory_index() != Register::None {
                    self.relative = self.addresses[base.number()];
                }
            }
            _ => {}
        }
    }

    /// Where the indirect jump `instruction` leads, of a body that spans `inside`.
    pub(super) fn leads(
        &mut self,
        instruction: &Instruction,
        inside: &std::ops::Range<u64>,
        memory: &impl Memory,
    ) -> Leads {
        let plain = instruction.code() == Code::Jmp_rm64;
        let found = if plain && instruction.op0_register().is_gpr64() {
            let table = std::mem::take(&mut self.relative);
            entries(table, inside, |at| Some(at_distance(table, read::<4>(memory, at)?)))
        } else if plain && instruction.memory_index_scale() == 8 {
            let base = instruction.memory_base();
            let table = match base {
                Register::None => instruction.memory_displacement64(),
                _ if base.is_gpr64() && instruction.memory_displacement64() == 0 => {
                    self.addresses[base.number()]
                }
                _ => 0,
            };
            entries(table, inside, |at| Some(u64::from_le_bytes(read::<8>(memory, at)?)))
        } else {
            // Through a field or a global: a call that does not come back.
            return Leads::Away;
        };
        if found.is_empty() { Leads::Anywhere } else { Leads::Within(found) }
    }
}

/// The entries of the table, up to the first that leads out of the body.
///
/// What follows a table may be read along; it counts only if it leads into the body as well.
fn entries<const N: usize>(
    table: u64,
    inside: &std::ops::Range<u64>,
    entry: impl Fn(Slot<N>) -> Option<u64>,
) -> Vec<u64> {
    if table == 0 {
        return Vec::new();
    }
    let slots = (0..MAX_ENTRIES).map(|at| Slot(table.wrapping_add(at * N as u64)));
    slots.map_while(entry).take_while(|target| inside.contains(target)).collect()
}

/// The address of an entry of `N` bytes.
struct Slot<const N: usize>(u64);

fn read<const N: usize>(memory: &impl Memory, at: Slot<N>) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    memory.read(at.0, &mut bytes).then_some(bytes)
}

fn at_distance(table: u64, distance: [u8; 4]) -> u64 {
    table.wrapping_add_signed(i32::from_le_bytes(distance).into())
}

/// No `match` that a compiler made a table of has been seen with more.
const MAX_ENTRIES: u64 = 1 << 14;
