//! Instructions as text, for refusals.

use iced_x86::{Formatter, Instruction, IntelFormatter};

/// The instruction as Intel's manuals write it.
#[cold]
pub(super) fn text(instruction: &Instruction) -> String {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_rip_relative_addresses(false);
    let mut text = String::new();
    formatter.format(instruction, &mut text);
    text
}
