//! The instruction set that a file is for.

use std::fmt;

/// An instruction set, as ELF, PE and Mach-O files name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Machine {
    /// AMD64, also called Intel 64.
    X86_64,
    /// The 64-bit Arm architecture.
    Aarch64,
    /// 32-bit x86.
    X86,
    /// 32-bit Arm.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
    /// Any other, by the number its file format gives it.
    Other(u32),
}

impl Machine {
    /// The machine that this code was compiled for.
    pub const HOST: Self = if cfg!(target_arch = "x86_64") {
        Self::X86_64
    } else if cfg!(target_arch = "aarch64") {
        Self::Aarch64
    } else if cfg!(target_arch = "x86") {
        Self::X86
    } else if cfg!(target_arch = "arm") {
        Self::Arm
    } else if cfg!(target_arch = "riscv64") {
        Self::Riscv64
    } else {
        Self::Other(0)
    };

    /// The machine that `e_machine` of an ELF header names.
    ///
    /// # Source
    /// System V Application Binary Interface, ELF header; `is_64` is its class.
    #[must_use]
    pub const fn from_elf(e_machine: u16, is_64: bool) -> Self {
        match (e_machine, is_64) {
            (62, true) => Self::X86_64,
            (183, true) => Self::Aarch64,
            (3, false) => Self::X86,
            (40, false) => Self::Arm,
            (243, true) => Self::Riscv64,
            _ => Self::Other(e_machine as u32),
        }
    }

    /// The machine that a COFF header names.
    ///
    /// # Source
    /// Microsoft, PE Format, Machine Types.
    #[must_use]
    pub const fn from_coff(machine: u16) -> Self {
        match machine {
            0x8664 => Self::X86_64,
            0xaa64 => Self::Aarch64,
            0x014c => Self::X86,
            0x01c4 => Self::Arm,
            0x5064 => Self::Riscv64,
            _ => Self::Other(machine as u32),
        }
    }

    /// The machine that a Mach-O header names.
    ///
    /// # Source
    /// Apple, mach/machine.h.
    #[must_use]
    pub const fn from_mach(cpu_type: u32) -> Self {
        match cpu_type {
            0x0100_0007 => Self::X86_64,
            0x0100_000c => Self::Aarch64,
            0x0000_0007 => Self::X86,
            0x0000_000c => Self::Arm,
            _ => Self::Other(cpu_type),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X86_64 => f.write_str("x86_64"),
            Self::Aarch64 => f.write_str("aarch64"),
            Self::X86 => f.write_str("x86"),
            Self::Arm => f.write_str("arm"),
            Self::Riscv64 => f.write_str("riscv64"),
            Self::Other(number) => write!(f, "machine {number:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Machine;

    #[test]
    fn each_format_names_the_same_machines() {
        assert_eq!(Machine::from_elf(62, true), Machine::X86_64);
        assert_eq!(Machine::from_coff(0x8664), Machine::X86_64);
        assert_eq!(Machine::from_mach(0x0100_0007), Machine::X86_64);
        assert_eq!(Machine::from_elf(183, true), Machine::Aarch64);
        assert_eq!(Machine::from_coff(0xaa64), Machine::Aarch64);
        assert_eq!(Machine::from_mach(0x0100_000c), Machine::Aarch64);
    }

    #[test]
    fn the_x32_class_is_not_the_64_bit_machine() {
        assert_eq!(Machine::from_elf(62, false), Machine::Other(62));
    }

    #[test]
    fn an_unknown_machine_is_named_by_its_number() {
        assert_eq!(Machine::from_elf(0x1234, true).to_string(), "machine 0x1234");
    }
}
