//! The symbols that tell which global allocator a library brings.

use super::sections::Sections;
use super::words::{half, name, quarter};
use crate::format::{Allocator, Fault, Table};

const ENTRY: &[u8] = b"___rust_alloc_zeroed";
const DEFAULT: &[u8] = b"___rdl_alloc";
/// The section of a symbol that another library has.
const UNDEFINED: u16 = 0;
/// The longest name that is looked at; those that are looked for have fewer than 64 bytes.
const NAME: usize = 256;
/// The most symbols that are looked at: 100 MB of them.
const LIMIT: usize = 1 << 22;

/// Where the allocator's entries are functions of their own, the default has functions of std
/// behind them and `#[global_allocator]` has not. Link-time optimisation melts them into their
/// callers; then nothing can be told.
pub(super) fn of(sections: &Sections<'_>, is_64: bool) -> Result<Allocator, Fault> {
    let named = |wanted: &[u8]| Some(sections.bytes_of(sections.named(wanted)?));
    let (Some(symbols), Some(strings)) = (named(b".symtab"), named(b".strtab")) else {
        return Ok(Allocator::Unknown);
    };
    let (size, section) = if is_64 { (24, 6) } else { (16, 14) };
    let count = symbols.len() / size;
    if count > LIMIT {
        return Err(Table::AllSymbols.too_many(count, LIMIT));
    }
    let mut entry = false;
    for symbol in symbols.chunks_exact(size) {
        let at = half(symbol, 0).unwrap_or(0);
        let name = name(strings, u64::from(at), NAME).unwrap_or_default();
        if name.ends_with(DEFAULT) {
            return Ok(Allocator::System);
        }
        // What is only asked for comes with the standard library that all share.
        let is_here = quarter(symbol, section) != Some(UNDEFINED);
        entry |= is_here && name.ends_with(ENTRY);
    }
    Ok(if entry { Allocator::Own } else { Allocator::Unknown })
}
