//! The record of type descriptions: what the macros emit beside a hot function and for a type, and
//! what is read back from it.
//!
//! A record describes everything that its roots lead to and that has no record of its own. So the
//! records of an image together are a graph, whose nodes name each other by key.

use std::sync::atomic::AtomicU32;

use crate::hash::Hash;
use crate::layout::{Form, PartKind};
use crate::record::{Fields, Header, Kind, Malformed, Raw};
use crate::shape::UNSIZED;
use crate::text::len_u32;

/// The fixed part of a type record.
#[repr(C)]
#[derive(Debug)]
struct TypeHead {
    header: Header,
    hash: u64,
    name_len: u32,
    roots: u32,
    nodes_len: u32,
    /// Nothing is ever stored here; a record without a cell in it would land in another section.
    cell: AtomicU32,
}

/// The descriptions of types, as they stand in the link section.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct TypeRecord<const ROOTS: usize, const BYTES: usize> {
    head: TypeHead,
    roots: [u64; ROOTS],
    bytes: [u8; BYTES],
}

/// What a record is made from: the types at its roots, and all that they lead to.
#[derive(Clone, Copy, Debug)]
pub struct Described<const ROOTS: usize> {
    /// The key of each, 0 for a type that is not described.
    pub keys: [u64; ROOTS],
    /// The descriptions that each of them brings.
    pub nodes: [&'static [u8]; ROOTS],
}

impl<const ROOTS: usize> Described<ROOTS> {
    /// The number of bytes that a record called `name` takes for its name and its descriptions.
    #[must_use]
    pub const fn len(&self, name: &str) -> usize {
        let mut sum = name.len();
        let mut at = 0;
        while at < ROOTS {
            sum += self.nodes[at].len();
            at += 1;
        }
        sum.next_multiple_of(8)
    }
}

impl<const ROOTS: usize, const BYTES: usize> TypeRecord<ROOTS, BYTES> {
    /// The record of the types of the function `name`, the result first, or of a type, when `name`
    /// is empty. `BYTES` is [`Described::len`].
    ///
    /// # Panics
    /// When `BYTES` is too small; in a `static` that is a compile error.
    #[must_use]
    pub const fn new(name: &str, described: Described<ROOTS>) -> Self {
        let Described { keys, nodes } = described;
        let mut bytes = [0; BYTES];
        let mut hash = Hash::new().bytes(name.as_bytes());
        let mut end = put(&mut bytes, 0, name.as_bytes());
        let mut at = 0;
        while at < ROOTS {
            hash = hash.word(keys[at]);
            at += 1;
        }
        let mut at = 0;
        while at < ROOTS {
            hash = hash.bytes(nodes[at]);
            end = put(&mut bytes, end, nodes[at]);
            at += 1;
        }
        let head = TypeHead {
            header: Header::new(Kind::Types, size_of::<Self>()),
            hash: hash.finish(),
            name_len: len_u32(name),
            roots: ROOTS as u32,
            nodes_len: (end - name.len()) as u32,
            cell: AtomicU32::new(0),
        };
        Self { head, roots: keys, bytes }
    }
}

const fn put(bytes: &mut [u8], at: usize, part: &[u8]) -> usize {
    let (_, rest) = bytes.split_at_mut(at);
    let (place, _) = rest.split_at_mut(part.len());
    place.copy_from_slice(part);
    at + part.len()
}

/// A type record as it was read from a file or from memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Types {
    /// The function whose types these are; empty for the record of a type.
    pub name: String,
    /// The keys of the function's result and arguments, 0 for what is not described; or that of
    /// the type.
    pub roots: Vec<u64>,
    /// What they lead to.
    pub nodes: Vec<Node>,
}

/// One type as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// By what others name it.
    pub key: u64,
    /// Hash of all that lies inside it.
    pub hash: u64,
    /// Size in bytes; nothing for a type that has none.
    pub size: Option<u64>,
    /// Alignment in bytes.
    pub align: u64,
    /// The number of elements of an array.
    pub count: Option<u64>,
    /// What kind of type it is.
    pub form: Form,
    /// Its name with its path, without parameters.
    pub name: String,
    /// Its `repr` attributes.
    pub repr: String,
    /// The keys of the types that it is generic over.
    pub parameters: Vec<u64>,
    /// What it is made of.
    pub parts: Vec<NodePart>,
}

/// One part of a type as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePart {
    /// What it is.
    pub kind: PartKind,
    /// Its name.
    pub name: String,
    /// The offset of a field, the discriminant of a variant, a constant.
    pub value: u64,
    /// Its type.
    pub ty: PartType,
}

/// The type of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartType {
    /// It has none.
    None,
    /// The type of this key.
    Key(u64),
    /// A type of which no more is known.
    Opaque {
        /// As its author wrote it.
        name: String,
        /// Size in bytes.
        size: u64,
        /// Alignment in bytes.
        align: u64,
    },
}

impl Types {
    /// Reads the type record `raw`.
    ///
    /// # Errors
    /// [`Malformed`] when a field contradicts another, or the hash the contents.
    pub fn read(raw: Raw<'_>) -> Result<Self, Malformed> {
        use std::mem::offset_of;
        const ROOTS: usize = size_of::<TypeHead>();
        let fields = Fields::new(raw, 0);
        let roots = fields.word32(offset_of!(TypeHead, roots))? as usize;
        let bytes = roots
            .checked_mul(8)
            .and_then(|len| len.checked_add(ROOTS))
            .filter(|bytes| *bytes <= raw.bytes.len())
            .ok_or_else(|| fields.field("more types than it has room for"))?;
        let mut fields = Fields::new(raw, bytes);
        let name = fields.text(fields.word32(offset_of!(TypeHead, name_len))?)?;
        let roots: Vec<_> =
            (0..roots).map(|at| fields.word64(ROOTS + at * 8)).collect::<Result<_, _>>()?;
        let len = fields.word32(offset_of!(TypeHead, nodes_len))? as usize;
        let start = bytes + name.len();
        let nodes = start
            .checked_add(len)
            .and_then(|end| raw.bytes.get(start..end))
            .ok_or_else(|| fields.field("descriptions of types reach past its end"))?;
        let hash = Hash::new().bytes(name.as_bytes());
        let hash = roots.iter().fold(hash, |hash, root| hash.word(*root)).bytes(nodes);
        if hash.finish() != fields.word64(offset_of!(TypeHead, hash))? {
            return Err(fields.field("the hash of its types is not that of their descriptions"));
        }
        let mut reader = Reader { rest: nodes };
        let mut read = Vec::new();
        while !reader.rest.is_empty() {
            let node = reader.node().map_err(|reason| fields.field(reason))?;
            read.push(node);
        }
        Ok(Self { name, roots, nodes: read })
    }
}

/// Takes descriptions apart.
struct Reader<'a> {
    rest: &'a [u8],
}

/// Why a description cannot be read.
type Reason = &'static str;

impl<'a> Reader<'a> {
    fn node(&mut self) -> Result<Node, Reason> {
        let (key, hash) = (self.word64()?, self.word64()?);
        let (size, align, count) = (self.word64()?, self.word64()?, self.word64()?);
        let number = |number| (number != UNSIZED).then_some(number);
        Ok(Node {
            key,
            hash,
            size: number(size),
            align,
            count: number(count),
            form: Form::from_number(self.byte()?).ok_or("a type of a kind that is not known")?,
            name: self.text()?,
            repr: self.text()?,
            parameters: self.several(8, Self::word64)?,
            parts: self.several(Self::SMALLEST_PART, Self::part)?,
        })
    }

    /// The bytes of a part without a name.
    const SMALLEST_PART: usize = 1 + 2 + 8 + 8;

    fn part(&mut self) -> Result<NodePart, Reason> {
        let kind = PartKind::from_number(self.byte()?);
        let kind = kind.ok_or("a part of a type, of a kind that is not known")?;
        let (name, value) = (self.text()?, self.word64()?);
        let ty = match self.word64()? {
            0 => match self.byte()? {
                0 => PartType::None,
                1 => {
                    let name = self.text()?;
                    PartType::Opaque { name, size: self.word64()?, align: self.word64()? }
                }
                _ => return Err("a part of a type, of a kind that is not known"),
            },
            key => PartType::Key(key),
        };
        Ok(NodePart { kind, name, value, ty })
    }

    /// A list whose elements take at least `smallest` bytes each, so that no number in a file
    /// makes more room than the file itself takes.
    fn several<T>(
        &mut self,
        smallest: usize,
        one: fn(&mut Self) -> Result<T, Reason>,
    ) -> Result<Vec<T>, Reason> {
        let count = usize::from(self.word16()?);
        if count * smallest > self.rest.len() {
            return Err("a description that is cut short");
        }
        (0..count).map(|_| one(self)).collect()
    }

    fn text(&mut self) -> Result<String, Reason> {
        let len = usize::from(self.word16()?);
        let text = std::str::from_utf8(self.take(len)?);
        Ok(text.map_err(|_| "the name of a type is not UTF-8")?.to_owned())
    }

    fn byte(&mut self) -> Result<u8, Reason> {
        Ok(self.take(1)?[0])
    }

    fn word16(&mut self) -> Result<u16, Reason> {
        let bytes = self.take(2)?.try_into().expect("two bytes were taken");
        Ok(u16::from_le_bytes(bytes))
    }

    fn word64(&mut self) -> Result<u64, Reason> {
        let bytes = self.take(8)?.try_into().expect("eight bytes were taken");
        Ok(u64::from_le_bytes(bytes))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Reason> {
        let (taken, rest) =
            self.rest.split_at_checked(len).ok_or("a description that is cut short")?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::{Described, Node, PartType, TypeRecord, Types};
    use crate::layout::{
        Both, Description, Form, Key, Layout, Leaf, Own, Part, PartKind, Roots, RootsFallback as _,
    };
    use crate::record::{Malformed, records};

    /// Generic and recursive through another type.
    struct Even<T> {
        _value: T,
        _next: Option<Box<Odd<T>>>,
    }
    struct Odd<T> {
        _next: Option<Box<Even<T>>>,
    }
    struct Unknown;

    // SAFETY: written as the derive writes it.
    unsafe impl<T: Layout> Layout for Even<T> {
        const KEY: Key = Key::defined("Even", &[], 0, (0, 0)).with(T::KEY);
        const DESCRIPTION: Description = Description::of::<Self>(
            Form::Struct,
            "Even",
            &[T::KEY],
            &[
                Part::held::<T>(PartKind::Field, "_value", 0),
                Part::held::<Option<Box<Odd<T>>>>(PartKind::Field, "_next", 8),
                Part::opaque::<Unknown>("unknown", 0, "Unknown"),
            ],
        );
        type Leads = Both<Leaf<T>, Leaf<Option<Box<Odd<T>>>>>;
    }
    // SAFETY: as above.
    unsafe impl<T: Layout> Layout for Odd<T> {
        const KEY: Key = Key::defined("Odd", &[], 0, (0, 0)).with(T::KEY);
        const DESCRIPTION: Description = Description::of::<Self>(
            Form::Struct,
            "Odd",
            &[T::KEY],
            &[Part::held::<Option<Box<Even<T>>>>(PartKind::Field, "_next", 0)],
        );
        type Leads = Leaf<Option<Box<Even<T>>>>;
    }

    const DESCRIBED: Described<2> = Described {
        keys: [<Roots<Leaf<Vec<Even<u64>>>>>::KEY, <Roots<Leaf<Unknown>>>::KEY],
        nodes: [<Roots<Leaf<Vec<Even<u64>>>>>::NODES, <Roots<Leaf<Unknown>>>::NODES],
    };
    static RECORD: TypeRecord<2, { DESCRIBED.len("game::update") }> =
        TypeRecord::new("game::update", DESCRIBED);

    fn bytes() -> Vec<u8> {
        let start = std::ptr::from_ref(&RECORD).cast::<u8>();
        // SAFETY: the whole record, which lives for ever; nothing is ever stored into it.
        unsafe { std::slice::from_raw_parts(start, size_of_val(&RECORD)) }.to_vec()
    }

    fn read(bytes: &[u8]) -> Result<Types, Malformed> {
        Types::read(records(bytes)?[0])
    }

    #[test]
    fn recursive_generic_types_are_described_once_each() {
        let types = read(&bytes()).unwrap();
        assert_eq!(types.name, "game::update");
        assert_eq!(types.roots, [Vec::<Even<u64>>::KEY.unique(), 0]);
        let names: Vec<_> = types.nodes.iter().map(|node| node.name.as_str()).collect();
        let (option, boxed) = ("core::option::Option", "alloc::boxed::Box");
        assert_eq!(names, ["alloc::vec::Vec", "Even", option, boxed, "Odd", option, boxed]);
        let even: &Node = &types.nodes[1];
        assert_eq!((even.size, even.align, even.form), (Some(16), 8, Form::Struct));
        assert_eq!(even.parts[0].ty, PartType::Key(u64::KEY.unique()));
        let opaque = PartType::Opaque { name: "Unknown".into(), size: 0, align: 1 };
        assert_eq!(even.parts[2].ty, opaque);
    }

    #[test]
    fn what_has_a_record_of_its_own_is_described_there_alone() {
        assert!(<Roots<Leaf<u64>>>::NODES.is_empty());
        assert!(!<Roots<Own<u64, Leaf<u8>>>>::NODES.is_empty());
    }

    #[test]
    fn every_flipped_bit_is_noticed_or_harmless() {
        let whole = bytes();
        let original = read(&whole).unwrap();
        let mut harmless = 0;
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(types) = read(&flipped) {
                assert_eq!(types, original, "bit {bit}");
                harmless += 1;
            }
        }
        // The cell, and what fills up to eight bytes.
        assert!(harmless <= 32 + 7 * 8, "{harmless}");
    }

    #[test]
    fn a_record_cut_short_anywhere_is_refused() {
        let whole = bytes();
        for len in (8..whole.len()).step_by(8) {
            let mut cut = whole[..len].to_vec();
            cut[..4].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
            let refused = read(&cut).unwrap_err();
            assert!(
                matches!(refused, Malformed::Field { .. } | Malformed::Cut { .. }),
                "{len}: {refused}"
            );
        }
    }

    #[test]
    fn a_count_that_no_room_is_for_makes_none() {
        let mut reader = super::Reader { rest: &[0xff, 0xff, 0, 0] };
        assert!(reader.several(8, super::Reader::word64).is_err());
    }
}
