//! The facts that a record of a function or a static states before everything else: hashes, and
//! how many shapes and which texts follow its fixed part.

use crate::function::Origin;
use crate::hash::Hash;
use crate::record::{Header, Kind};
use crate::shape::Shape;
use crate::text::len_u32;

/// What can be read from the file, at the front of a record.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) header: Header,
    pub(crate) signature_hash: u64,
    pub(crate) layout_hash: u64,
    pub(crate) body_hash: u64,
    pub(crate) package_hash: u64,
    pub(crate) flags: u32,
    pub(crate) shapes: u32,
    pub(crate) name_len: u32,
    pub(crate) signature_len: u32,
    pub(crate) version_len: u32,
    pub(crate) file_len: u32,
    pub(crate) types_len: u32,
    pub(crate) line: u32,
}

/// What the facts of a record are made from.
pub(crate) struct Told<'a> {
    pub(crate) kind: Kind,
    /// The bytes that the whole record takes.
    pub(crate) size: usize,
    pub(crate) flags: u32,
    /// Name, signature, version, file and types, in the order in which they follow.
    pub(crate) texts: [&'static str; 5],
    pub(crate) line: u32,
    pub(crate) body_hash: u64,
    pub(crate) shapes: &'a [Shape],
    pub(crate) origin: &'static Origin,
}

impl Facts {
    pub(crate) const fn new(told: Told<'_>) -> Self {
        let [name, signature, version, file, types] = told.texts;
        Self {
            header: Header::new(told.kind, told.size),
            signature_hash: signature_hash(signature),
            layout_hash: layout_hash(told.shapes),
            body_hash: told.body_hash,
            package_hash: package_hash(told.origin),
            flags: told.flags,
            shapes: told.shapes.len() as u32,
            name_len: len_u32(name),
            signature_len: len_u32(signature),
            version_len: len_u32(version),
            file_len: len_u32(file),
            types_len: len_u32(types),
            line: told.line,
        }
    }
}

pub(crate) const fn signature_hash(signature: &str) -> u64 {
    Hash::new().bytes(signature.as_bytes()).finish()
}

/// Tells two packages of one name apart, as far as they lie in different folders.
const fn package_hash(origin: &Origin) -> u64 {
    Hash::new().bytes(origin.manifest_dir.bytes()).finish()
}

pub(crate) const fn layout_hash(shapes: &[Shape]) -> u64 {
    let mut hash = Hash::new();
    let mut at = 0;
    while at < shapes.len() {
        hash = hash.word(shapes[at].place as u64).word(shapes[at].hash);
        at += 1;
    }
    hash.finish()
}
