//! The record of a hot function: what the macro emits, and what is read back from it.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::Slot;
use crate::facts::{Facts, Told, layout_hash, signature_hash};
use crate::record::{Fields, Kind, Malformed, Raw};
use crate::routes::{Code, Edition, Routes};
#[cfg(not(loom))]
use crate::scope;
use crate::shape::{SHAPE_LEN, Shape};
use crate::text::{RawText, pack};
use crate::unwind::{Entry, Run};

/// The fixed part of a function record.
///
/// `hash` fields and lengths are read from the file; everything from `slot` on is filled by the
/// loader and lives only in a running program.
#[repr(C)]
#[derive(Debug)]
pub struct FunctionHead {
    facts: Facts,
    slot: &'static Slot,
    body: CodeAddress,
    shim: CodeAddress,
    entry: Entry,
    router: CodeAddress,
    onward: AtomicPtr<()>,
    resume: AtomicPtr<()>,
    primary: AtomicPtr<()>,
    routes: Routes,
    origin: &'static Origin,
}

/// Where the crate of a hot function lies on the machine that compiled it.
#[repr(C)]
#[derive(Debug)]
pub struct Origin {
    /// The folder of the package's `Cargo.toml`; empty when cargo did not compile it.
    pub manifest_dir: RawText,
}

/// An address of code inside a record, filled by the loader.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct CodeAddress(*const ());

// SAFETY: an address that is only compared, stored into a slot or called by macro-made code.
unsafe impl Send for CodeAddress {}
// SAFETY: as for `Send`; the field itself is never written after the loader filled it.
unsafe impl Sync for CodeAddress {}

/// Everything the macro knows about one hot function.
#[derive(Debug)]
pub struct FunctionParts<'a, const SHAPES: usize> {
    /// `module::path::name`, with the type for methods.
    pub name: &'a str,
    /// The normalised signature: what must be equal for a call to be right.
    pub signature: &'a str,
    /// The version of the crate.
    pub version: &'a str,
    /// The source file, as the compiler names it.
    pub file: &'a str,
    /// The texts of the types that `shapes` describe, one a line.
    pub types: &'a str,
    /// The line of the function in `file`.
    pub line: u32,
    /// Hash of the tokens of the body.
    pub body_hash: u64,
    /// What the compiler says of every type in the signature.
    pub shapes: [Shape; SHAPES],
    /// The user's code.
    pub body: *const (),
    /// What callers go through; it holds `shim`. All slots of an image stand close together, so
    /// that a commit touches as little memory as can be.
    pub slot: &'static Slot,
    /// Starts the runtime, settles the slot, and calls on.
    pub shim: *const (),
    /// The user's code for callers in an image with another standard library; `None` where no
    /// panic can leave it.
    pub guarded: Option<Run>,
    /// Asks where the call belongs, and calls on.
    pub router: *const (),
    /// Where the crate lies.
    pub origin: &'static Origin,
}

/// The record of one hot function, as it stands in the link section.
///
/// `TYPES` is a tuple of the function's result and arguments. No value of it exists: it stands in
/// the type of the static, so that debug info, where there is some, describes all of them.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct FunctionRecord<TYPES, const SHAPES: usize, const TEXT: usize> {
    head: FunctionHead,
    shapes: [Shape; SHAPES],
    text: [u8; TEXT],
    types: PhantomData<TYPES>,
}

// SAFETY: there is no `TYPES` in it, only its name; the rest is `Sync` by itself.
unsafe impl<TYPES, const SHAPES: usize, const TEXT: usize> Sync
    for FunctionRecord<TYPES, SHAPES, TEXT>
{
}

impl<TYPES, const SHAPES: usize, const TEXT: usize> FunctionRecord<TYPES, SHAPES, TEXT> {
    /// The record that holds `parts`; `TEXT` is [`packed_len`](crate::text::packed_len) of
    /// `[name, signature, version, file, types]`.
    ///
    /// # Panics
    /// When a text or the record is longer than 4 GiB; in a `static` that is a compile error.
    #[must_use]
    #[cfg(not(loom))]
    pub const fn new(parts: FunctionParts<'static, SHAPES>) -> Self {
        Self {
            head: FunctionHead {
                facts: Facts::new(Told {
                    kind: Kind::Function,
                    size: size_of::<Self>(),
                    flags: 0,
                    texts: [parts.name, parts.signature, parts.version, parts.file, parts.types],
                    line: parts.line,
                    body_hash: parts.body_hash,
                    shapes: &parts.shapes,
                    origin: parts.origin,
                }),
                slot: parts.slot,
                body: CodeAddress(parts.body),
                shim: CodeAddress(parts.shim),
                entry: Entry::new(parts.guarded),
                router: CodeAddress(parts.router),
                onward: AtomicPtr::new(std::ptr::null_mut()),
                resume: AtomicPtr::new(std::ptr::null_mut()),
                primary: AtomicPtr::new(std::ptr::null_mut()),
                routes: Routes::new(),
                origin: parts.origin,
            },
            shapes: parts.shapes,
            text: pack(&[parts.name, parts.signature, parts.version, parts.file, parts.types]),
            types: PhantomData,
        }
    }

    /// The fixed part.
    #[must_use]
    pub const fn head(&self) -> &FunctionHead {
        &self.head
    }
}

/// Offset of the address of the user's code from the start of a function record, in bytes.
pub const BODY_OFFSET: usize = std::mem::offset_of!(FunctionHead, body);

/// One store into a slot, with everything that it needs: records are large and lie apart, so a
/// commit that had to look into each of them would take many times as long.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    slot: &'static Slot,
    code: CodeAddress,
}

impl Turn {
    /// Makes the store.
    pub fn turn(self) {
        self.slot.point(self.code.0);
    }
}

impl FunctionHead {
    /// The slot that this image's callers go through.
    #[must_use]
    pub const fn slot(&self) -> &'static Slot {
        self.slot
    }

    /// Whether the loader has filled this record in the image that spans `span`, and all of it
    /// leads into that image: the slot to the shim, or to the body when it was called already.
    #[must_use]
    pub fn is_filled(&self, span: (usize, usize)) -> bool {
        let inside = |address: usize| span.0 <= address && address < span.1;
        let slot = std::ptr::from_ref(self.slot).addr();
        // The slot's address is looked at before what is in it.
        inside(self.body.0.addr())
            && inside(self.shim.0.addr())
            && inside(self.router.0.addr())
            && inside(slot)
            && slot.is_multiple_of(align_of::<Slot>())
            && [self.shim.0, self.body.0].contains(&self.slot.target())
    }

    /// The code of this function in this image.
    #[must_use]
    pub const fn body(&self) -> *const () {
        self.body.0
    }

    /// The entry to the code of this function in this image, for callers in an image with another
    /// standard library; `None` where no panic can leave it.
    #[must_use]
    pub fn guarded(&self) -> Option<*const ()> {
        self.entry.address()
    }

    /// Whose code the callers of this function run in each epoch: those of this image, and those
    /// of all images whose records [follow](Self::follow) this one.
    #[must_use]
    pub const fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Lets the router of this image ask the routes of `primary`, the function's first record.
    pub fn follow(&self, primary: &'static Self) {
        // Release: pairs with the Acquire in `primary`.
        self.primary.store(std::ptr::from_ref(primary).cast_mut().cast(), Ordering::Release);
    }

    #[cfg(not(loom))]
    fn primary(&self) -> &Self {
        // Acquire: pairs with the Release in `follow`.
        let primary = self.primary.load(Ordering::Acquire).cast::<Self>();
        // SAFETY: null, or a record that `follow` was given, which lives for ever.
        unsafe { primary.as_ref() }.unwrap_or(self)
    }

    /// The code of this function in this image and all that follows from it, with `apart` as in
    /// [`Edition::new`].
    #[must_use]
    pub fn edition(&self, apart: bool) -> Edition {
        Edition::new(std::ptr::from_ref(self).cast(), apart)
    }

    /// The code of `edition`, as this image's callers enter it.
    fn code_of(&self, edition: Edition) -> Code {
        // SAFETY: editions are made of records, which live for ever.
        let source = unsafe { &*edition.record().cast::<Self>() };
        let apart = edition.is_apart() && !std::ptr::eq(source, self);
        match source.guarded() {
            Some(guarded) if apart => Code::guarded(guarded),
            _ => Code::plain(source.body.0),
        }
    }

    /// Where a call goes at once that found the router in the slot: to guarded code. `None` while
    /// it has to be asked where the caller belongs.
    #[inline]
    #[must_use]
    pub fn onward(&self) -> Option<Code> {
        // Acquire: pairs with the Release in `lead_to`.
        let entry = self.onward.load(Ordering::Acquire).cast_const();
        (!entry.is_null()).then(|| Code::guarded(entry))
    }

    /// From now on, whoever finds the router in the slot is asked where it belongs.
    pub fn ask(&self) {
        // Release: whoever finds nothing here finds the routes that were set before.
        self.onward.store(std::ptr::null_mut(), Ordering::Release);
    }

    /// Sends callers through the router, where they are [asked](Self::ask).
    ///
    /// It touches nothing but the slot: many slots are pointed at their routers between two
    /// instants that lie close together.
    pub fn lead_through_router(&self) {
        debug_assert!(self.onward().is_none(), "callers are asked before they are sent here");
        self.to_router().turn();
    }

    /// The store that sends callers through the router, for later.
    #[must_use]
    pub const fn to_router(&self) -> Turn {
        Turn { slot: self.slot, code: self.router }
    }

    /// Sends callers to the code of `edition` at once; to guarded code by way of the router, which
    /// knows how that is called.
    pub fn lead_to(&self, edition: Edition) {
        let code = self.code_of(edition);
        if code.is_guarded() {
            // Release: pairs with the Acquire in `onward`. A caller that found the router in the
            // slot earlier is sent here, or to what its epoch runs.
            self.onward.store(code.address().cast_mut(), Ordering::Release);
            self.slot.point(self.router.0);
        } else {
            self.slot.point(code.address());
        }
    }

    /// Where a call goes that found the router in the slot: to the code of the epoch in which the
    /// caller is, or to what the slot holds by now.
    #[must_use]
    #[cfg(not(loom))]
    pub fn route(&self) -> Code {
        scope::decided(|epoch| {
            let target = self.slot.target();
            if target != self.router.0 {
                return Code::plain(target);
            }
            let primary = self.primary();
            // A task of before a fork may see an epoch that is long over. Where there has been no
            // transition at all, the first record's code is the one that runs.
            let edition = primary.routes.at(epoch).or_else(|| primary.routes.newest());
            self.code_of(edition.unwrap_or_else(|| primary.edition(true)))
        })
    }

    /// Where the crate lies on the machine that compiled it.
    #[must_use]
    pub const fn origin(&self) -> &'static Origin {
        self.origin
    }

    /// Moves the slot from the shim to where calls are to go on, and returns what it then holds.
    ///
    /// That is the body, or what [`rearm`](Self::rearm) found in the slot.
    pub fn settle(&self) -> *const () {
        // Acquire: pairs with the Release in `rearm`.
        let resume = self.resume.load(Ordering::Acquire).cast_const();
        let onward = if resume.is_null() { self.body.0 } else { resume };
        self.slot.settle(self.shim.0, onward)
    }

    /// Sends the next call through the shim once more, then on to where it goes today.
    ///
    /// Only for a process that has just been forked and has no other thread yet: a commit between
    /// the two stores would be lost.
    pub fn rearm(&self) {
        let current = self.slot.target();
        if current == self.shim.0 {
            return;
        }
        // Release: pairs with the Acquire in `settle`.
        self.resume.store(current.cast_mut(), Ordering::Release);
        self.slot.retarget(self.shim.0);
    }
}

/// A function record as it was read from a file or from memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Offset of the record from the start of the section, in bytes.
    pub offset: usize,
    /// `module::path::name`, with the type for methods.
    pub name: String,
    /// The normalised signature.
    pub signature: String,
    /// The version of the crate.
    pub version: String,
    /// The source file, as the compiler named it.
    pub file: String,
    /// The line of the function in `file`.
    pub line: u32,
    /// Hash of `signature`.
    pub signature_hash: u64,
    /// Hash of all shapes.
    pub layout_hash: u64,
    /// Hash of the tokens of the body.
    pub body_hash: u64,
    /// Hash of the folder of the package.
    pub package_hash: u64,
    /// Every type in the signature: its text and its shape.
    pub types: Vec<(String, Shape)>,
}

impl Function {
    /// Reads the function record `raw`.
    ///
    /// # Errors
    /// [`Malformed`] when a field contradicts another, or a hash its contents.
    pub fn read(raw: Raw<'_>) -> Result<Self, Malformed> {
        Self::read_behind(raw, size_of::<FunctionHead>())
    }

    /// Reads the facts of the record `raw`, whose shapes follow its first `fixed` bytes.
    pub(crate) fn read_behind(raw: Raw<'_>, fixed: usize) -> Result<Self, Malformed> {
        let fields = Fields::new(raw, 0);
        let count = fields.word32(offset(Field::Shapes))? as usize;
        let texts = count
            .checked_mul(SHAPE_LEN)
            .and_then(|len| len.checked_add(fixed))
            .filter(|texts| *texts <= raw.bytes.len())
            .ok_or_else(|| fields.field("more types than it has room for"))?;
        let mut fields = Fields::new(raw, texts);
        let name = fields.text(fields.word32(offset(Field::NameLen))?)?;
        let signature = fields.text(fields.word32(offset(Field::SignatureLen))?)?;
        let version = fields.text(fields.word32(offset(Field::VersionLen))?)?;
        let file = fields.text(fields.word32(offset(Field::FileLen))?)?;
        let labels = fields.text(fields.word32(offset(Field::TypesLen))?)?;
        let shapes = (0..count)
            .map(|index| read_shape(&fields, fixed + index * SHAPE_LEN))
            .collect::<Result<Vec<_>, _>>()?;
        let labels: Vec<_> = labels.lines().map(str::to_owned).collect();
        if labels.len() != shapes.len() {
            return Err(fields.field("it does not name as many types as it describes"));
        }
        if name.is_empty() {
            return Err(fields.field("it has no name"));
        }
        let function = Self {
            offset: raw.offset,
            signature_hash: fields.word64(offset(Field::SignatureHash))?,
            layout_hash: fields.word64(offset(Field::LayoutHash))?,
            body_hash: fields.word64(offset(Field::BodyHash))?,
            package_hash: fields.word64(offset(Field::PackageHash))?,
            line: fields.word32(offset(Field::Line))?,
            name,
            signature,
            version,
            file,
            types: labels.into_iter().zip(shapes).collect(),
        };
        function.check_hashes(&fields)?;
        Ok(function)
    }

    /// Whether the cells of the record `raw`, as it was read from a file, are as the compiler left
    /// them: what they hold would be called.
    ///
    /// # Errors
    /// [`Malformed`] when one of them is not empty.
    pub fn check_cells(raw: Raw<'_>) -> Result<(), Malformed> {
        use std::mem::offset_of;
        let fields = Fields::new(raw, 0);
        let cells = offset_of!(FunctionHead, onward)..offset_of!(FunctionHead, origin);
        for at in cells.step_by(size_of::<u64>()) {
            if fields.word64(at)? != 0 {
                return Err(fields.field("a cell of the running program is filled in the file"));
            }
        }
        Ok(())
    }

    fn check_hashes(&self, fields: &Fields<'_>) -> Result<(), Malformed> {
        if self.signature_hash != signature_hash(&self.signature) {
            return Err(fields.field("the signature's hash is not that of its text"));
        }
        let shapes: Vec<_> = self.types.iter().map(|(_, shape)| *shape).collect();
        let intact = shapes.iter().all(|shape| shape.computed_hash() == shape.hash);
        if !intact || self.layout_hash != layout_hash(&shapes) {
            return Err(fields.field("the layout's hash is not that of its types"));
        }
        Ok(())
    }
}

fn read_shape(fields: &Fields<'_>, at: usize) -> Result<Shape, Malformed> {
    Ok(Shape {
        hash: fields.word64(at)?,
        size: fields.word64(at + 8)?,
        inner_size: fields.word64(at + 16)?,
        align: fields.word32(at + 24)?,
        inner_align: fields.word32(at + 28)?,
        place: fields.word32(at + 32)?,
        kind: fields.word32(at + 36)?,
    })
}

/// The fields that are read from a file.
#[derive(Clone, Copy)]
enum Field {
    SignatureHash,
    LayoutHash,
    BodyHash,
    PackageHash,
    Shapes,
    NameLen,
    SignatureLen,
    VersionLen,
    FileLen,
    TypesLen,
    Line,
}

const fn offset(field: Field) -> usize {
    use std::mem::offset_of;
    match field {
        Field::SignatureHash => offset_of!(Facts, signature_hash),
        Field::LayoutHash => offset_of!(Facts, layout_hash),
        Field::BodyHash => offset_of!(Facts, body_hash),
        Field::PackageHash => offset_of!(Facts, package_hash),
        Field::Shapes => offset_of!(Facts, shapes),
        Field::NameLen => offset_of!(Facts, name_len),
        Field::SignatureLen => offset_of!(Facts, signature_len),
        Field::VersionLen => offset_of!(Facts, version_len),
        Field::FileLen => offset_of!(Facts, file_len),
        Field::TypesLen => offset_of!(Facts, types_len),
        Field::Line => offset_of!(Facts, line),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Function, FunctionParts, FunctionRecord, Origin};
    use crate::Slot;
    use crate::record::{Malformed, records};
    use crate::shape::{Fallback as _, Probe, Shape};
    use crate::text::{RawText, packed_len};

    const TEXTS: [&str; 5] = ["game::update", "fn(u32)->u8", "1.2.3", "src/lib.rs", "u32\nu8"];
    static ORIGIN: Origin = Origin { manifest_dir: RawText::new("/game") };
    static SLOT: Slot = Slot::new(shim as *const ());
    static RECORD: FunctionRecord<(u8, u32), 2, { packed_len(&TEXTS) }> =
        FunctionRecord::new(FunctionParts {
            name: TEXTS[0],
            signature: TEXTS[1],
            version: TEXTS[2],
            file: TEXTS[3],
            types: TEXTS[4],
            line: 7,
            body_hash: 42,
            shapes: [
                Shape::new(1, <Probe<u32>>::EXTENT, <Probe<u32>>::BEHIND),
                Shape::new(0, <Probe<u8>>::EXTENT, <Probe<u8>>::BEHIND),
            ],
            body: body as *const (),
            slot: &SLOT,
            shim: shim as *const (),
            guarded: None,
            router: router as *const (),
            origin: &ORIGIN,
        });

    fn body() {}
    fn shim() {
        std::hint::black_box(1);
    }
    fn router() {
        std::hint::black_box(2);
    }

    fn bytes() -> Vec<u8> {
        let start = std::ptr::from_ref(&RECORD).cast::<u8>();
        // SAFETY: the whole record, which lives for ever; no test retargets its slot while this
        // reads (the one that does owns its record).
        unsafe { std::slice::from_raw_parts(start, size_of_val(&RECORD)) }.to_vec()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let bytes = bytes();
        let function = Function::read(records(&bytes).unwrap()[0]).unwrap();
        assert_eq!(function.name, "game::update");
        assert_eq!(function.signature, "fn(u32)->u8");
        assert_eq!((function.version.as_str(), function.line), ("1.2.3", 7));
        assert_eq!(function.file, "src/lib.rs");
        let types: Vec<_> =
            function.types.iter().map(|(text, shape)| (text.as_str(), shape.place)).collect();
        assert_eq!(types, [("u32", 1), ("u8", 0)]);
    }

    #[test]
    fn every_flipped_bit_before_the_pointers_is_noticed_or_harmless() {
        let whole = bytes();
        let original = Function::read(records(&whole).unwrap()[0]).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(found) = records(&flipped) else { continue };
            let Some(Ok(function)) = found.first().map(|raw| Function::read(*raw)) else {
                continue;
            };
            // A flip may change a name, a version, a line or the body's hash: none of them is
            // trusted for the safety of a call. What decides that must never change unseen.
            assert_eq!(function.signature, original.signature, "bit {bit}");
            let shapes = |f: &Function| -> Vec<_> {
                f.types.iter().map(|(_, s)| (s.hash, s.size, s.align)).collect()
            };
            assert_eq!(shapes(&function), shapes(&original), "bit {bit}");
        }
    }

    #[test]
    fn a_name_that_reaches_out_of_the_record_is_refused() {
        let mut bytes = bytes();
        let at = super::offset(super::Field::NameLen);
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let refused = Function::read(records(&bytes).unwrap()[0]).unwrap_err();
        assert!(matches!(refused, Malformed::Field { offset: 0, .. }), "{refused}");
    }

    #[test]
    fn a_cell_that_is_filled_in_a_file_is_refused() {
        let raw_of = |bytes: &[u8]| Function::check_cells(records(bytes).unwrap()[0]);
        let mut bytes = bytes();
        raw_of(&bytes).unwrap();
        for at in [
            std::mem::offset_of!(super::FunctionHead, onward),
            std::mem::offset_of!(super::FunctionHead, resume),
            std::mem::offset_of!(super::FunctionHead, primary),
            std::mem::offset_of!(super::FunctionHead, routes),
        ] {
            bytes[at] = 8;
            let refused = raw_of(&bytes).unwrap_err();
            assert!(refused.to_string().contains("is filled in the file"), "{refused}");
            bytes[at] = 0;
        }
    }

    #[test]
    fn a_rearmed_slot_goes_through_the_shim_and_then_on() {
        static SLOT: Slot = Slot::new(shim as *const ());
        let record: FunctionRecord<((),), 0, 8> = FunctionRecord::new(FunctionParts {
            name: "a",
            signature: "b",
            version: "",
            file: "",
            types: "",
            line: 1,
            body_hash: 1,
            shapes: [],
            body: body as *const (),
            slot: &SLOT,
            shim: shim as *const (),
            guarded: None,
            router: router as *const (),
            origin: &ORIGIN,
        });
        let patch = bytes as *const ();
        record.head().slot().retarget(patch);
        record.head().rearm();
        assert_eq!(record.head().slot().target(), shim as *const ());
        assert_eq!(record.head().settle(), patch);
        assert_eq!(record.head().slot().target(), patch);
    }
}
