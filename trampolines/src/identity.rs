//! The record of an image: which compiler made it, for which machine, under which rules; and the
//! two cells through which the images of a process find each other.

use std::sync::atomic::{AtomicPtr, Ordering};

use crate::record::{Fields, Header, Kind, Malformed, Raw};
use crate::text::{len_u32, pack};

/// What happens to a panic in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanicStrategy {
    /// It unwinds.
    Unwind,
    /// It ends the process.
    Abort,
}

impl PanicStrategy {
    const fn number(self) -> u32 {
        match self {
            Self::Unwind => 1,
            Self::Abort => 2,
        }
    }
}

impl std::fmt::Display for PanicStrategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unwind => "unwind",
            Self::Abort => "abort",
        })
    }
}

/// The fixed part of an identity record.
#[repr(C)]
#[derive(Debug)]
struct IdentityHead {
    header: Header,
    seed: AtomicPtr<()>,
    domain: AtomicPtr<()>,
    panic: u32,
    rustc_len: u32,
    target_len: u32,
    features_len: u32,
    version_len: u32,
    reserved: u32,
}

/// What the build script knows of an image.
#[derive(Debug)]
pub struct IdentityParts<'a> {
    /// `rustc --version --verbose`, the release and commit of it.
    pub rustc: &'a str,
    /// The target triple.
    pub target: &'a str,
    /// The enabled target features, comma-separated.
    pub features: &'a str,
    /// The version of midair.
    pub version: &'a str,
    /// What happens to a panic.
    pub panic: PanicStrategy,
}

/// The identity record of one image.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct IdentityRecord<const TEXT: usize> {
    head: IdentityHead,
    text: [u8; TEXT],
}

impl<const TEXT: usize> IdentityRecord<TEXT> {
    /// The record that holds `parts`; `TEXT` is [`packed_len`](crate::text::packed_len) of
    /// `[rustc, target, features, version]`.
    ///
    /// # Panics
    /// When a text is longer than 4 GiB; in a `static` that is a compile error.
    #[must_use]
    pub const fn new(parts: IdentityParts<'static>) -> Self {
        Self {
            head: IdentityHead {
                header: Header::new(Kind::Identity, size_of::<Self>()),
                seed: AtomicPtr::new(std::ptr::null_mut()),
                domain: AtomicPtr::new(std::ptr::null_mut()),
                panic: parts.panic.number(),
                rustc_len: len_u32(parts.rustc),
                target_len: len_u32(parts.target),
                features_len: len_u32(parts.features),
                version_len: len_u32(parts.version),
                reserved: 0,
            },
            text: pack(&[parts.rustc, parts.target, parts.features, parts.version]),
        }
    }

    /// The cells of this image.
    #[must_use]
    pub const fn cells(&'static self) -> Cells {
        Cells { seed: &self.head.seed, domain: &self.head.domain }
    }
}

/// The two writable cells of an image's identity record.
#[derive(Clone, Copy, Debug)]
pub struct Cells {
    seed: &'static AtomicPtr<()>,
    domain: &'static AtomicPtr<()>,
}

impl Cells {
    /// The cells of the identity record that stands at `record` in a loaded image.
    ///
    /// # Safety
    /// - `record` is the address of an identity record of this format (found by
    ///   [`records`](crate::record::records)) in an image that is never unloaded.
    #[must_use]
    pub unsafe fn at(record: *const u8) -> Self {
        let head = record.cast::<IdentityHead>();
        // SAFETY: the caller vouches for an identity record that stays; the field is inside it.
        let seed = unsafe { &(*head).seed };
        // SAFETY: as above.
        let domain = unsafe { &(*head).domain };
        Self { seed, domain }
    }

    /// The domain's table as the loader wrote it into the file before this image was loaded, or
    /// null in an image that is not a patch.
    #[must_use]
    pub fn seed(&self) -> *const () {
        // Relaxed: written into the file, before the image was mapped.
        self.seed.load(Ordering::Relaxed).cast_const()
    }

    /// The domain's table that this image has joined, or null.
    #[must_use]
    pub fn domain(&self) -> *const () {
        // Acquire: pairs with the Release in `join`.
        self.domain.load(Ordering::Acquire).cast_const()
    }

    /// Notes that this image belongs to the domain of `table`.
    pub fn join(&self, table: *const ()) {
        // Release: pairs with the Acquire in `domain`.
        self.domain.store(table.cast_mut(), Ordering::Release);
    }
}

/// Offset of the seed from the start of the identity record, in bytes.
pub const SEED_OFFSET: usize = std::mem::offset_of!(IdentityHead, seed);

/// An identity record as it was read from a file or from memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Offset of the record from the start of the section, in bytes.
    pub offset: usize,
    /// Release and commit of the compiler.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// The enabled target features, comma-separated.
    pub features: String,
    /// The version of midair.
    pub version: String,
    /// What happens to a panic.
    pub panic: PanicStrategy,
}

impl Identity {
    /// Reads the identity record `raw`.
    ///
    /// # Errors
    /// [`Malformed`] when a field contradicts another.
    pub fn read(raw: Raw<'_>) -> Result<Self, Malformed> {
        use std::mem::offset_of;
        let mut fields = Fields::new(raw, size_of::<IdentityHead>());
        let panic = match fields.word32(offset_of!(IdentityHead, panic))? {
            1 => PanicStrategy::Unwind,
            2 => PanicStrategy::Abort,
            _ => return Err(fields.field("its panic strategy is unknown")),
        };
        let rustc = fields.text(fields.word32(offset_of!(IdentityHead, rustc_len))?)?;
        let target = fields.text(fields.word32(offset_of!(IdentityHead, target_len))?)?;
        let features = fields.text(fields.word32(offset_of!(IdentityHead, features_len))?)?;
        let version = fields.text(fields.word32(offset_of!(IdentityHead, version_len))?)?;
        Ok(Self { offset: raw.offset, rustc, target, features, version, panic })
    }
}

#[cfg(test)]
mod tests {
    use super::{Cells, Identity, IdentityParts, IdentityRecord, PanicStrategy, SEED_OFFSET};
    use crate::record::records;
    use crate::text::packed_len;

    const TEXTS: [&str; 4] = ["1.95.0", "x86_64-unknown-linux-gnu", "sse2", "0.1.0"];
    static RECORD: IdentityRecord<{ packed_len(&TEXTS) }> = IdentityRecord::new(IdentityParts {
        rustc: TEXTS[0],
        target: TEXTS[1],
        features: TEXTS[2],
        version: TEXTS[3],
        panic: PanicStrategy::Abort,
    });

    #[test]
    fn what_was_written_is_read_back_and_the_seed_is_where_the_loader_writes() {
        let start = std::ptr::from_ref(&RECORD).cast::<u8>();
        // SAFETY: the whole record, which lives for ever and is not written while this reads.
        let bytes = unsafe { std::slice::from_raw_parts(start, size_of_val(&RECORD)) };
        let identity = Identity::read(records(bytes).unwrap()[0]).unwrap();
        assert_eq!(identity.rustc, "1.95.0");
        assert_eq!(identity.panic, PanicStrategy::Abort);
        assert_eq!(identity.version, "0.1.0");
        let mut copy: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
            .collect();
        copy[SEED_OFFSET / 8] = 0x1234_5678;
        let copy = copy.leak();
        // SAFETY: a leaked copy of an identity record, with the same alignment.
        let cells = unsafe { Cells::at(copy.as_ptr().cast()) };
        assert_eq!(cells.seed() as usize, 0x1234_5678);
        assert!(RECORD.cells().seed().is_null());
    }
}
