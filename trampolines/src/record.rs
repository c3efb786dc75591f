//! The head that every record begins with, and reading records out of bytes.
//!
//! A record is the bytes that a macro (or midair itself) emits into the link section `midair`:
//! `#[repr(C)]`, little-endian, 8-aligned, its size first. Names and texts stand inline, so a
//! record can be read from a file without applying a single relocation; pointers in it are filled
//! by the loader and mean nothing in the file.
//!
//! Every record is interior-mutable, so that all of them land in one writable section: with a
//! read-only one among them some linkers make two sections, and enumeration misses one.

/// The version of the record format that this build writes and reads.
pub const FORMAT: u16 = 2;

/// What a record describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A hot function.
    Function,
    /// A static that keeps its value through every patch.
    Static,
    /// A function that runs when a generation comes or goes.
    Hook,
    /// What types are made of.
    Types,
    /// The image: compiler, target, panic strategy.
    Identity,
    /// What a delta builds on.
    Delta,
}

impl Kind {
    /// The number that stands for this kind in a record.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Function => 1,
            Self::Static => 2,
            Self::Hook => 3,
            Self::Types => 5,
            Self::Identity => 6,
            Self::Delta => 7,
        }
    }

    const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Function),
            2 => Some(Self::Static),
            3 => Some(Self::Hook),
            5 => Some(Self::Types),
            6 => Some(Self::Identity),
            7 => Some(Self::Delta),
            _ => None,
        }
    }
}

/// The first eight bytes of every record.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    size: u32,
    kind: u16,
    format: u16,
}

impl Header {
    /// The header of a record of `kind` that takes `size` bytes in all.
    ///
    /// # Panics
    /// When `size` does not fit into 32 bits; in a `static` that is a compile error.
    #[must_use]
    pub const fn new(kind: Kind, size: usize) -> Self {
        assert!(size <= u32::MAX as usize, "a record is longer than 4 GiB");
        Self { size: size as u32, kind: kind.number(), format: FORMAT }
    }
}

/// One record as it was found: where, what, and its bytes (the header included).
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// Offset of the record from the start of the section.
    pub offset: usize,
    /// What it describes.
    pub kind: Kind,
    /// All of its bytes.
    pub bytes: &'a [u8],
}

/// Why the bytes of a section are not a sequence of records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A record begins, but the section ends before it does.
    #[error("the record at offset {offset} of the midair section is cut short")]
    Cut {
        /// Offset from the start of the section, in bytes.
        offset: usize,
    },
    /// The size is not a multiple of 8, or smaller than a header.
    #[error(
        "the record at offset {offset} of the midair section states an impossible size of {size} bytes"
    )]
    Size {
        /// Offset from the start of the section, in bytes.
        offset: usize,
        /// The stated size, in bytes.
        size: u32,
    },
    /// A newer or older midair wrote it.
    #[error("the record at offset {offset} has format {found}, this midair reads format {FORMAT}")]
    Format {
        /// Offset from the start of the section, in bytes.
        offset: usize,
        /// The stated format.
        found: u16,
    },
    /// Its kind is not one that this midair knows.
    #[error("the record at offset {offset} is of kind {found}, which this midair does not know")]
    Kind {
        /// Offset from the start of the section, in bytes.
        offset: usize,
        /// The stated kind.
        found: u16,
    },
    /// A field inside it contradicts its size.
    #[error("the record at offset {offset} is inconsistent: {field}")]
    Field {
        /// Offset from the start of the section, in bytes.
        offset: usize,
        /// Which field, and how.
        field: &'static str,
    },
    /// More records than any program has.
    #[error("the midair section holds more than {limit} records")]
    TooMany {
        /// The most that is accepted.
        limit: usize,
    },
}

/// The most records that one image may hold.
pub const MAX_RECORDS: usize = 1 << 20;

/// All records of a section, in order; a size word of 0 is padding.
///
/// # Errors
/// [`Malformed`] when the bytes are not a sequence of records of this format.
pub fn records(section: &[u8]) -> Result<Vec<Raw<'_>>, Malformed> {
    let mut found = Vec::new();
    let mut offset = 0;
    while offset < section.len() {
        let rest = &section[offset..];
        let size = word32(rest, 0).ok_or(Malformed::Cut { offset })?;
        if size == 0 {
            offset += 8;
            continue;
        }
        if size % 8 != 0 || (size as usize) < size_of::<Header>() {
            return Err(Malformed::Size { offset, size });
        }
        let bytes = rest.get(..size as usize).ok_or(Malformed::Cut { offset })?;
        let format = word16(bytes, 6).ok_or(Malformed::Cut { offset })?;
        if format != FORMAT {
            return Err(Malformed::Format { offset, found: format });
        }
        let number = word16(bytes, 4).ok_or(Malformed::Cut { offset })?;
        let kind = Kind::from_number(number).ok_or(Malformed::Kind { offset, found: number })?;
        if found.len() == MAX_RECORDS {
            return Err(Malformed::TooMany { limit: MAX_RECORDS });
        }
        found.push(Raw { offset, kind, bytes });
        offset += size as usize;
    }
    Ok(found)
}

fn word16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Reads the fields of one record with bounds, and its texts in order.
pub(crate) struct Fields<'a> {
    raw: Raw<'a>,
    texts: usize,
}

impl<'a> Fields<'a> {
    /// The record `raw`, whose texts begin at `texts`.
    pub(crate) fn new(raw: Raw<'a>, texts: usize) -> Self {
        Self { raw, texts }
    }

    pub(crate) fn word32(&self, at: usize) -> Result<u32, Malformed> {
        word32(self.raw.bytes, at).ok_or(Malformed::Cut { offset: self.raw.offset })
    }

    pub(crate) fn word64(&self, at: usize) -> Result<u64, Malformed> {
        let bytes = self.raw.bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_le_bytes).ok_or(Malformed::Cut { offset: self.raw.offset })
    }

    /// Takes the next text, `len` bytes long.
    pub(crate) fn text(&mut self, len: u32) -> Result<String, Malformed> {
        let end = self.texts + len as usize;
        let bytes = self.raw.bytes.get(self.texts..end);
        let bytes = bytes.ok_or_else(|| self.field("a text reaches past its end"))?;
        self.texts = end;
        let text = std::str::from_utf8(bytes).map_err(|_| self.field("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    pub(crate) fn field(&self, field: &'static str) -> Malformed {
        Malformed::Field { offset: self.raw.offset, field }
    }
}

#[cfg(test)]
mod tests {
    use super::{FORMAT, Kind, Malformed, records};

    fn record(size: u32, kind: u16, format: u16) -> Vec<u8> {
        let mut bytes = size.to_le_bytes().to_vec();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(format.to_le_bytes());
        bytes.resize(size as usize, 7);
        bytes
    }

    #[test]
    fn padding_between_records_is_passed_over() {
        let mut section = vec![0; 8];
        section.extend(record(16, Kind::Function.number(), FORMAT));
        section.extend([0; 24]);
        section.extend(record(24, Kind::Identity.number(), FORMAT));
        let found = records(&section).unwrap();
        let kinds: Vec<_> = found.iter().map(|raw| (raw.offset, raw.kind)).collect();
        assert_eq!(kinds, [(8, Kind::Function), (48, Kind::Identity)]);
    }

    #[test]
    fn what_is_unknown_or_cut_is_refused() {
        let cut = records(&record(16, 1, FORMAT)[..12]).unwrap_err();
        assert_eq!(cut, Malformed::Cut { offset: 0 });
        let newer = records(&record(16, 1, FORMAT + 1)).unwrap_err();
        assert_eq!(newer, Malformed::Format { offset: 0, found: FORMAT + 1 });
        let unknown = records(&record(16, 99, FORMAT)).unwrap_err();
        assert_eq!(unknown, Malformed::Kind { offset: 0, found: 99 });
        let odd = records(&[9, 0, 0, 0, 1, 0, 1, 0, 0]).unwrap_err();
        assert_eq!(odd, Malformed::Size { offset: 0, size: 9 });
    }
}
