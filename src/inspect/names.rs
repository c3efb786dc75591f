//! What machine code refers to, in words that do not depend on where anything lies.

use std::collections::HashMap;

use goblin::elf::sym::STT_SECTION;
use midair_arch::Reference;

use super::demangle::{demangle, hash};
use super::elf::{File, Symbol};
use super::memory::{Pointer, word};

/// The names of the places of a file.
pub(super) struct Names<'a> {
    file: &'a File<'a>,
    /// By address.
    symbols: Vec<Symbol<'a>>,
    pointers: HashMap<u64, Pointer<'a>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(file: &'a File<'a>) -> Self {
        let named = |symbol: &Symbol<'_>| {
            let made = symbol.name.starts_with("anon.") || symbol.name.starts_with(".L");
            symbol.section != 0 && symbol.kind != STT_SECTION && !symbol.name.is_empty() && !made
        };
        let mut symbols: Vec<_> = file.symbols().into_iter().filter(named).collect();
        symbols.sort_by_key(|symbol| (symbol.address, symbol.size, symbol.name));
        Self { file, symbols, pointers: file.pointers() }
    }

    /// What the loader will write into the word at `address`; the word itself when it writes
    /// nothing there.
    pub(super) fn pointer_at(&self, address: u64) -> Option<u64> {
        match self.pointers.get(&address) {
            Some(Pointer::Own(target)) => Some(*target),
            Some(Pointer::Named(_)) => None,
            None => word(self.file.bytes_at(address), 0).filter(|target| *target != 0),
        }
    }

    /// The size of the code that a symbol says is at `address`.
    pub(super) fn size_at(&self, address: u64) -> Option<u64> {
        let first = self.symbols.partition_point(|symbol| symbol.address < address);
        let here = self.symbols[first..].iter().take_while(|symbol| symbol.address == address);
        here.map(|symbol| symbol.size).filter(|size| *size > 0).max()
    }

    /// The hash of a symbol at `address`.
    pub(super) fn hash_at(&self, address: u64) -> Option<&'a str> {
        let first = self.symbols.partition_point(|symbol| symbol.address < address);
        let here = self.symbols[first..].iter().take_while(|symbol| symbol.address == address);
        here.take(SAME_PLACE).find_map(|symbol| hash(symbol.name))
    }

    /// The name of `reference`; with a hash behind a `#` where that tells more than the path.
    pub(super) fn name(&self, reference: Reference) -> Option<String> {
        match reference {
            Reference::Code(address) => Some(self.place(address)),
            Reference::Address(address) => Some(self.data(address, TEXT, quoted)),
            Reference::Data { address, len } => Some(self.data(address, len, number)),
        }
    }

    fn data(&self, address: u64, len: usize, show: impl Fn(&[u8]) -> String) -> String {
        let Some(section) = self.file.section_at(address) else { return UNKNOWN.to_owned() };
        let relocated = self.pointers.get(&address);
        if let (".got" | ".got.plt", Some(pointer)) = (section.name, relocated) {
            return match pointer {
                Pointer::Own(target) => self.place(*target),
                Pointer::Named(name) => demangle(name),
            };
        }
        if let Some(name) = self.symbol(address) {
            return name;
        }
        if section.is_code() || section.is_writable() || section.is_empty_in_file() {
            return self.place(address);
        }
        match relocated {
            Some(pointer) => format!("<{} -> {}>", section.name, self.pointed(address, pointer)),
            None => {
                let bytes = self.file.bytes_at(address);
                format!("<{} {}>", section.name, show(&bytes[..bytes.len().min(len)]))
            }
        }
    }

    /// What the constant pointer at `address` leads to: often it is the first half of a `&str`.
    fn pointed(&self, address: u64, pointer: &Pointer<'_>) -> String {
        let target = match pointer {
            Pointer::Own(target) => *target,
            Pointer::Named(name) => return demangle(name),
        };
        if let Some(name) = self.symbol(target) {
            return name;
        }
        let len = word(self.file.bytes_at(address), 8).unwrap_or(0).min(TEXT as u64) as usize;
        let bytes = self.file.bytes_at(target);
        let readable = self.file.section_at(target).is_some_and(|section| !section.is_code());
        match bytes.get(..len) {
            Some(text) if readable && len > 0 => quoted(text),
            _ => self.place(target),
        }
    }

    /// A symbol, or how far from the start of its section it lies.
    fn place(&self, address: u64) -> String {
        self.symbol(address).unwrap_or_else(|| {
            let section = self.file.section_at(address);
            let place = section.and_then(|section| {
                Some(format!("<{}+{:#x}>", section.name, section.offset_of(address)?))
            });
            place.unwrap_or_else(|| UNKNOWN.to_owned())
        })
    }

    /// The symbol that `address` lies in.
    fn symbol(&self, address: u64) -> Option<String> {
        let end = self.symbols.partition_point(|symbol| symbol.address <= address);
        // Of several at the same place the first is as good as any, if it is always the same.
        let symbol = self.symbols[..end].last()?;
        let first = self.symbols.partition_point(|other| other.address < symbol.address);
        let here = self.symbols[first..end].iter().take(SAME_PLACE);
        let covers = |symbol: &&Symbol<'_>| {
            let offset = address - symbol.address;
            offset == 0 || offset < symbol.size
        };
        let symbol = here.into_iter().find(covers)?;
        let path = demangle(symbol.name).replace("::__midair_body", "");
        let name = match hash(symbol.name) {
            Some(hash) => format!("{path}#{hash}"),
            None => path,
        };
        Some(match address - symbol.address {
            0 => name,
            offset => format!("{name}+{offset:#x}"),
        })
    }
}

/// A constant as a number, in the order of the machine.
fn number(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}

/// A constant as text, up to its end mark.
fn quoted(bytes: &[u8]) -> String {
    let end = bytes.iter().skip(1).position(|byte| *byte == 0).map_or(bytes.len(), |at| at + 1);
    format!("\"{}\"", bytes[..end].escape_ascii())
}

/// How many symbols at one place are looked at.
const SAME_PLACE: usize = 64;

/// How many bytes of a constant are shown.
const TEXT: usize = 32;

const UNKNOWN: &str = "<outside>";
