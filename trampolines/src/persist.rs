//! The record of a persistent static: what the macro emits, and what is read back from it.
//!
//! Each image has storage of its own for each of its statics; which storage its code works on
//! stands in a cell of the record. A patch is given the cell's contents in its private copy, before
//! it is loaded, so that even its constructors find the state of the program.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::facts::{Facts, Told};
use crate::function::{Function, Origin};
use crate::hash::Hash;
use crate::record::{Fields, Kind, Malformed, Raw};
use crate::shape::Shape;
use crate::text::{RawText, pack};

/// The fixed part of the record of a persistent static.
#[repr(C)]
#[derive(Debug)]
pub struct StaticHead {
    facts: Facts,
    /// Null until somebody asks, or until a patch is given what the program works on.
    instance: AtomicPtr<()>,
    own: Address,
    migrate: Address,
    export: Address,
    import: Address,
    discard: Address,
}

/// An address inside a record, filled by the loader.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
struct Address(*const ());

// SAFETY: an address that only whoever knows its type makes use of.
unsafe impl Send for Address {}
// SAFETY: as for `Send`; the field itself is never written after the loader filled it.
unsafe impl Sync for Address {}

/// How a static is reached, and what becomes of it when its type changes.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// By reference, whenever anybody likes: its type never changes.
    Plain = 0,
    /// By reference, one value for each thread: its type never changes.
    Local = 1,
    /// Inside a scope alone: its type may change when no scope is open.
    Scoped = 2,
    /// Inside a scope alone; its type can tell what it holds, and be made of what another tells.
    Portable = 3,
}

impl Access {
    const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Plain),
            1 => Some(Self::Local),
            2 => Some(Self::Scoped),
            3 => Some(Self::Portable),
            _ => None,
        }
    }

    /// Whether it is reached inside scopes alone.
    #[must_use]
    pub const fn is_scoped(self) -> bool {
        matches!(self, Self::Scoped | Self::Portable)
    }
}

/// Takes text or bytes across from one image to another, once.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Sink {
    /// What `take` works on.
    pub context: *mut (),
    /// Takes the bytes, which are lent for the time of the call.
    pub take: extern "C" fn(*mut (), RawText),
}

/// Makes a new instance out of the old one and stores its address; the reason goes to the sink
/// when it cannot. Returns whether it could.
pub type Migrate = unsafe extern "C" fn(old: *const (), new: &mut *mut (), failed: Sink) -> bool;

/// Gives away the form of an instance that describes itself, or the reason why there is none.
/// Returns whether there is.
pub type Export = unsafe extern "C" fn(old: *const (), told: Sink) -> bool;

/// Makes an instance out of such a form.
pub type Import = unsafe extern "C" fn(form: RawText, new: &mut *mut (), failed: Sink) -> bool;

/// Ends the life of an instance that `Migrate` or `Import` of the same record made.
pub type Discard = unsafe extern "C" fn(instance: *mut ());

/// Everything the macro knows about one persistent static.
#[derive(Debug)]
pub struct StaticParts<const SHAPES: usize> {
    /// `module::path::NAME`.
    pub name: &'static str,
    /// `static` and the normalised type.
    pub signature: &'static str,
    /// The version of the crate.
    pub version: &'static str,
    /// The source file, as the compiler names it.
    pub file: &'static str,
    /// The texts of the types that `shapes` describe, one a line.
    pub types: &'static str,
    /// The line of the static in `file`.
    pub line: u32,
    /// What the compiler says of the type, and of the type that it is migrated from.
    pub shapes: [Shape; SHAPES],
    /// How it is reached.
    pub access: Access,
    /// The storage of this image; for [`Access::Local`], the function that finds it.
    pub own: *const (),
    /// A [`Migrate`], or null.
    pub migrate: *const (),
    /// An [`Export`], or null.
    pub export: *const (),
    /// An [`Import`], or null.
    pub import: *const (),
    /// A [`Discard`], or null where nothing is ever made.
    pub discard: *const (),
    /// Where the crate lies.
    pub origin: &'static Origin,
}

/// The record of one persistent static, as it stands in the link section.
///
/// `TYPES` is a tuple of the static's type and of the type that it is migrated from, if one is
/// named. No value of it exists: debug info finds the types in it.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct StaticRecord<TYPES, const SHAPES: usize, const TEXT: usize> {
    head: StaticHead,
    shapes: [Shape; SHAPES],
    text: [u8; TEXT],
    types: PhantomData<TYPES>,
}

// SAFETY: there is no `TYPES` in it, only its name; the rest is `Sync` by itself.
unsafe impl<TYPES, const SHAPES: usize, const TEXT: usize> Sync
    for StaticRecord<TYPES, SHAPES, TEXT>
{
}

impl<TYPES, const SHAPES: usize, const TEXT: usize> StaticRecord<TYPES, SHAPES, TEXT> {
    /// The record that holds `parts`; `TEXT` is [`packed_len`](crate::text::packed_len) of
    /// `[name, signature, version, file, types]`.
    ///
    /// # Panics
    /// When a text or the record is longer than 4 GiB; in a `static` that is a compile error.
    #[must_use]
    pub const fn new(parts: StaticParts<SHAPES>) -> Self {
        let texts = [parts.name, parts.signature, parts.version, parts.file, parts.types];
        Self {
            head: StaticHead {
                facts: Facts::new(Told {
                    kind: Kind::Static,
                    size: size_of::<Self>(),
                    flags: parts.access as u32,
                    texts,
                    line: parts.line,
                    body_hash: access_hash(parts.access),
                    shapes: &parts.shapes,
                    origin: parts.origin,
                }),
                instance: AtomicPtr::new(std::ptr::null_mut()),
                own: Address(parts.own),
                migrate: Address(parts.migrate),
                export: Address(parts.export),
                import: Address(parts.import),
                discard: Address(parts.discard),
            },
            shapes: parts.shapes,
            text: pack(&texts),
            types: PhantomData,
        }
    }

    /// The fixed part.
    #[must_use]
    pub const fn head(&self) -> &StaticHead {
        &self.head
    }
}

/// Proves that the number of the access was not damaged.
const fn access_hash(access: Access) -> u64 {
    Hash::new().word(access as u64).finish()
}

/// Offset of the cell that says what the code of an image works on, in bytes from the start of
/// the record.
pub const INSTANCE_OFFSET: usize = std::mem::offset_of!(StaticHead, instance);

impl StaticHead {
    /// What the code of this image works on: one load.
    #[inline(always)]
    #[must_use]
    pub fn instance(&self) -> *const () {
        // Acquire: pairs with the Release in `lead_to`.
        let instance = self.instance.load(Ordering::Acquire);
        if instance.is_null() { self.begin() } else { instance }
    }

    /// Nobody has given this image anything: it works on what is its own.
    #[cold]
    fn begin(&self) -> *const () {
        let order = (Ordering::AcqRel, Ordering::Acquire);
        let own = self.own.0.cast_mut();
        match self.instance.compare_exchange(std::ptr::null_mut(), own, order.0, order.1) {
            Ok(_) => own,
            Err(given) => given,
        }
    }

    /// Lets the code of this image work on `instance`.
    pub fn lead_to(&self, instance: *const ()) {
        // Release: pairs with the Acquire in `instance`.
        self.instance.store(instance.cast_mut(), Ordering::Release);
    }

    /// Makes an instance of this record's type out of one of the type that it is migrated from.
    #[must_use]
    pub fn migrate(&self) -> Option<Migrate> {
        // SAFETY: the macro puts a function of this type there, or null.
        unsafe { std::mem::transmute::<*const (), Option<Migrate>>(self.migrate.0) }
    }

    /// Tells what an instance of this record's type holds.
    #[must_use]
    pub fn export(&self) -> Option<Export> {
        // SAFETY: the macro puts a function of this type there, or null.
        unsafe { std::mem::transmute::<*const (), Option<Export>>(self.export.0) }
    }

    /// Makes an instance of this record's type out of what another told.
    #[must_use]
    pub fn import(&self) -> Option<Import> {
        // SAFETY: the macro puts a function of this type there, or null.
        unsafe { std::mem::transmute::<*const (), Option<Import>>(self.import.0) }
    }

    /// Ends the life of an instance that this record's functions made.
    #[must_use]
    pub fn discard(&self) -> Option<Discard> {
        // SAFETY: the macro puts a function of this type there, or null.
        unsafe { std::mem::transmute::<*const (), Option<Discard>>(self.discard.0) }
    }
}

/// The record of a persistent static as it was read from a file or from memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Static {
    /// Name, place and type, as for a function that takes nothing and returns the static.
    pub item: Function,
    /// The type that it can be migrated from.
    pub from: Vec<(String, Shape)>,
    /// How it is reached.
    pub access: Access,
}

impl Static {
    /// Reads the static record `raw`.
    ///
    /// # Errors
    /// [`Malformed`] when a field contradicts another, or a hash its contents.
    pub fn read(raw: Raw<'_>) -> Result<Self, Malformed> {
        let mut item = Function::read_behind(raw, size_of::<StaticHead>())?;
        let fields = Fields::new(raw, 0);
        let access = fields.word32(std::mem::offset_of!(Facts, flags))?;
        let access = Access::from_number(access)
            .filter(|access| item.body_hash == access_hash(*access))
            .ok_or_else(|| fields.field("a static that is reached in a way that is not known"))?;
        let (types, from): (Vec<_>, _) =
            item.types.into_iter().partition(|(_, shape)| shape.place == 0);
        if types.is_empty() {
            return Err(fields.field("a static without a type"));
        }
        item.types = types;
        Ok(Self { item, from, access })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::ptr;

    use super::{Access, INSTANCE_OFFSET, Static, StaticParts, StaticRecord};
    use crate::function::Origin;
    use crate::hook::{Hook, HookRecord, When};
    use crate::persist::Sink;
    use crate::record::{Malformed, records};
    use crate::shape::{Fallback as _, Probe, Shape};
    use crate::text::{RawText, packed_len};

    const TEXTS: [&str; 5] = ["game::SCORE", "static u64", "1.2.3", "src/lib.rs", "u64\nu32"];
    static ORIGIN: Origin = Origin { manifest_dir: RawText::new("/game") };
    static SCORE: u64 = 7;
    static RECORD: StaticRecord<(u64, u32), 2, { packed_len(&TEXTS) }> =
        StaticRecord::new(StaticParts {
            name: TEXTS[0],
            signature: TEXTS[1],
            version: TEXTS[2],
            file: TEXTS[3],
            types: TEXTS[4],
            line: 7,
            shapes: [
                Shape::new(0, <Probe<u64>>::EXTENT, <Probe<u64>>::BEHIND),
                Shape::new(1, <Probe<u32>>::EXTENT, <Probe<u32>>::BEHIND),
            ],
            access: Access::Scoped,
            own: (&raw const SCORE).cast(),
            migrate: ptr::null(),
            export: ptr::null(),
            import: ptr::null(),
            discard: ptr::null(),
            origin: &ORIGIN,
        });
    static HOOK: HookRecord<{ packed_len(&["game::leave"]) }> =
        HookRecord::new(When::Unload, "game::leave", run);

    unsafe extern "C" fn run(_: *const (), _: Sink) -> bool {
        true
    }

    fn bytes<T>(record: &'static T) -> Vec<u8> {
        let start = ptr::from_ref(record).cast::<u8>();
        // SAFETY: the whole record, which lives for ever; its words are stored to by nobody else.
        unsafe { std::slice::from_raw_parts(start, size_of_val(record)) }.to_vec()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let bytes = bytes(&RECORD);
        let read = Static::read(records(&bytes).unwrap()[0]).unwrap();
        assert_eq!((read.item.name.as_str(), read.access), ("game::SCORE", Access::Scoped));
        let types = |of: &[(String, Shape)]| -> Vec<String> {
            of.iter().map(|(text, _)| text.clone()).collect()
        };
        assert_eq!(
            (types(&read.item.types), types(&read.from)),
            (vec!["u64".into()], vec!["u32".into()])
        );
        assert!(INSTANCE_OFFSET + 8 <= bytes.len());
    }

    #[test]
    fn a_hook_is_read_back_and_one_of_another_time_is_refused() {
        let mut bytes = bytes(&HOOK);
        let read = Hook::read(records(&bytes).unwrap()[0]).unwrap();
        assert_eq!((read.name.as_str(), read.when), ("game::leave", When::Unload));
        bytes[8] = 9;
        let refused = Hook::read(records(&bytes).unwrap()[0]).unwrap_err();
        assert!(matches!(refused, Malformed::Field { offset: 0, .. }), "{refused}");
    }

    #[test]
    fn no_flipped_bit_makes_another_type_or_another_way_of_reaching_it() {
        let whole = bytes(&RECORD);
        let original = Static::read(records(&whole).unwrap()[0]).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(found) = records(&flipped) else { continue };
            let Some(Ok(read)) = found.first().map(|raw| Static::read(*raw)) else { continue };
            assert_eq!(read.item.signature, original.item.signature, "bit {bit}");
            assert_eq!(read.access, original.access, "bit {bit}");
            let hashes = |of: &Static| -> Vec<u64> {
                of.item.types.iter().chain(&of.from).map(|(_, shape)| shape.hash).collect()
            };
            assert_eq!(hashes(&read), hashes(&original), "bit {bit}");
        }
    }

    #[test]
    fn an_image_works_on_its_own_storage_until_it_is_given_another() {
        static RECORD: StaticRecord<(u64,), 0, 8> = StaticRecord::new(StaticParts {
            name: "a",
            signature: "b",
            version: "",
            file: "",
            types: "",
            line: 1,
            shapes: [],
            access: Access::Plain,
            own: (&raw const SCORE).cast(),
            migrate: ptr::null(),
            export: ptr::null(),
            import: ptr::null(),
            discard: ptr::null(),
            origin: &ORIGIN,
        });
        let head = RECORD.head();
        assert_eq!(head.instance(), (&raw const SCORE).cast());
        let other = 8_u64;
        head.lead_to((&raw const other).cast());
        assert_eq!(head.instance(), (&raw const other).cast());
        head.lead_to(ptr::null());
        assert_eq!(head.instance(), (&raw const SCORE).cast());
        assert!(head.migrate().is_none() && head.discard().is_none());
    }
}
