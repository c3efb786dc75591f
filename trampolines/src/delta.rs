//! The record of a delta: a patch that holds only some functions, and names the artifact that it
//! builds on.

use std::sync::atomic::AtomicU64;

use crate::record::{Fields, Header, Kind, Malformed, Raw};

/// The record of a delta, as it stands in the link section.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct DeltaRecord {
    header: Header,
    base: [u8; 32],
    /// Nothing is ever stored here; a record without a cell in it would land in another section.
    cell: AtomicU64,
}

impl DeltaRecord {
    /// The record of a delta that builds on the artifact whose SHA-256 is `base`, in hexadecimal
    /// digits.
    ///
    /// # Panics
    /// When `base` is no SHA-256; in a `static` that is a compile error.
    #[must_use]
    pub const fn new(base: &str) -> Self {
        Self {
            header: Header::new(Kind::Delta, size_of::<Self>()),
            base: digest(base.as_bytes()),
            cell: AtomicU64::new(0),
        }
    }

    /// Reads the SHA-256 that the delta record `raw` names.
    ///
    /// # Errors
    /// [`Malformed`] when the record is too short.
    pub fn read(raw: Raw<'_>) -> Result<[u8; 32], Malformed> {
        let at = std::mem::offset_of!(Self, base);
        let base = raw.bytes.get(at..).and_then(<[u8]>::first_chunk);
        base.copied().ok_or_else(|| Fields::new(raw, 0).field("it has no room for a digest"))
    }
}

const fn digest(text: &[u8]) -> [u8; 32] {
    assert!(text.len() == 64, "the digest that a delta builds on has 64 hexadecimal digits");
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < 32 {
        bytes[at] = nibble(text[2 * at]) << 4 | nibble(text[2 * at + 1]);
        at += 1;
    }
    bytes
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => panic!("the digest that a delta builds on has hexadecimal digits only"),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::DeltaRecord;
    use crate::record::{Kind, Raw};

    #[test]
    fn what_was_written_is_read_back() {
        let text = "00ff10".to_owned() + &"7A".repeat(29);
        let record = DeltaRecord::new(&text);
        let start = std::ptr::from_ref(&record).cast::<u8>();
        // SAFETY: the whole record.
        let bytes = unsafe { std::slice::from_raw_parts(start, size_of::<DeltaRecord>()) };
        let raw = Raw { offset: 0, kind: Kind::Delta, bytes };
        let read = DeltaRecord::read(raw).unwrap();
        assert_eq!((read[..3].to_vec(), read[31]), (vec![0, 255, 16], 0x7a));
        assert!(DeltaRecord::read(Raw { bytes: &bytes[..39], ..raw }).is_err());
    }
}
