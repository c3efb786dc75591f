//! Debug info that no compiler writes.

use std::collections::HashMap;

/// The forms of the attributes that are written.
const ADDRESS: u8 = 0x01;
const STRING: u8 = 0x08;
const STRP: u8 = 0x0e;
const UDATA: u8 = 0x0f;
const REF4: u8 = 0x13;
const EXPRLOC: u8 = 0x18;

const NAME: u8 = 0x03;
const BYTE_SIZE: u8 = 0x0b;
const TYPE: u8 = 0x49;

/// What an entry is: its number among the abbreviations, its tag, whether it has children, and its
/// attributes.
type Kind = (u8, u8, bool, &'static [(u8, u8)]);

const UNIT: Kind = (1, 0x11, true, &[]);
const STATIC: Kind = (2, 0x34, false, &[(TYPE, REF4), (0x02, EXPRLOC)]);
const STRUCT: Kind = (3, 0x13, true, &[(NAME, STRING), (BYTE_SIZE, UDATA)]);
const PARAMETER: Kind = (4, 0x2f, false, &[(TYPE, REF4)]);
const MEMBER: Kind = (5, 0x0d, false, &[(NAME, STRING), (TYPE, REF4), (0x38, UDATA)]);
const ALIAS: Kind = (6, 0x16, false, &[(TYPE, REF4)]);
const POINTER: Kind = (7, 0x0f, false, &[(NAME, STRING), (TYPE, REF4)]);
const NAMES: Kind = (8, 0x04, true, &[(NAME, STRING), (BYTE_SIZE, UDATA)]);
const VALUE: Kind = (9, 0x28, false, &[(NAME, STRING), (0x1c, UDATA)]);
const PART: Kind = (10, 0x33, true, &[]);
const VARIANT: Kind = (11, 0x19, true, &[(0x16, UDATA)]);
const TABLE: Kind = (12, 0x34, false, &[(NAME, STRP), (0x02, EXPRLOC)]);
const FUNCTION: Kind = (13, 0x2e, true, &[(NAME, STRING), (0x11, ADDRESS)]);
const ARGUMENT: Kind = (14, 0x05, false, &[(TYPE, REF4)]);
const KINDS: [Kind; 14] = [
    UNIT, STATIC, STRUCT, PARAMETER, MEMBER, ALIAS, POINTER, NAMES, VALUE, PART, VARIANT, TABLE,
    FUNCTION, ARGUMENT,
];

/// Where entries will be known to be.
pub(crate) type Label = u32;

/// One unit while it is written.
pub(crate) struct Assembler {
    info: Vec<u8>,
    places: HashMap<Label, u32>,
    references: Vec<(usize, Label)>,
}

impl Assembler {
    /// A unit whose record at `address` is of the function that takes the type at label 0.
    pub(crate) fn new(address: u64) -> Self {
        let (record, types) = (u32::MAX, u32::MAX - 1);
        let mut unit = Self { info: Vec::new(), places: HashMap::new(), references: Vec::new() };
        // The length comes at the end; version 4, the abbreviations at 0, addresses of 8 bytes.
        unit.info.extend([0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8]);
        unit.begin(UNIT);
        unit.begin(STATIC);
        unit.reference(record);
        unit.place(address);
        unit.label(record);
        unit.structure("Record", 8, |unit| {
            unit.begin(PARAMETER);
            unit.reference(types);
        });
        unit.label(types);
        unit.structure("Types", 8, |unit| {
            unit.member("__0", 0, 0);
            unit.member("__1", 0, 0);
        });
        unit
    }

    /// The next entry is what `label` means.
    pub(crate) fn label(&mut self, label: Label) {
        self.places.insert(label, self.info.len() as u32);
    }

    fn begin(&mut self, kind: Kind) {
        self.info.push(kind.0);
    }

    fn reference(&mut self, label: Label) {
        self.references.push((self.info.len(), label));
        self.info.extend([0; 4]);
    }

    fn place(&mut self, address: u64) {
        self.info.extend([9, 3]);
        self.info.extend(address.to_le_bytes());
    }

    /// A table of methods at `address`, whose name is at `name` in `.debug_str`.
    pub(crate) fn table(&mut self, name: u32, address: u64) {
        self.begin(TABLE);
        self.info.extend(name.to_le_bytes());
        self.place(address);
    }

    fn text(&mut self, text: &str) {
        self.info.extend(text.as_bytes());
        self.info.push(0);
    }

    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.info.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.info.push(number as u8);
    }

    pub(crate) fn structure(&mut self, name: &str, size: u64, children: impl FnOnce(&mut Self)) {
        self.open_structure(name, size);
        children(self);
        self.close();
    }

    /// What follows is inside of it, until it is closed.
    pub(crate) fn open_structure(&mut self, name: &str, size: u64) {
        self.begin(STRUCT);
        self.text(name);
        self.number(size);
    }

    pub(crate) fn close(&mut self) {
        self.info.push(0);
    }

    pub(crate) fn member(&mut self, name: &str, ty: Label, offset: u64) {
        self.begin(MEMBER);
        self.text(name);
        self.reference(ty);
        self.number(offset);
    }

    pub(crate) fn alias(&mut self, ty: Label) {
        self.begin(ALIAS);
        self.reference(ty);
    }

    pub(crate) fn pointer(&mut self, name: &str, ty: Label) {
        self.begin(POINTER);
        self.text(name);
        self.reference(ty);
    }

    /// An enum without fields.
    pub(crate) fn names(&mut self, name: &str, values: impl Iterator<Item = String>) {
        self.begin(NAMES);
        self.text(name);
        self.number(4);
        for (number, value) in values.enumerate() {
            self.begin(VALUE);
            self.text(&value);
            self.number(number as u64);
        }
        self.close();
    }

    /// An enum with fields, each variant of which has the type at `ty`.
    pub(crate) fn variants(
        &mut self,
        name: &str,
        variants: impl Iterator<Item = String>,
        ty: Label,
    ) {
        self.structure(name, 8, |unit| {
            unit.begin(PART);
            for (number, variant) in variants.enumerate() {
                unit.begin(VARIANT);
                unit.number(number as u64);
                unit.member(&variant, ty, 0);
                unit.close();
            }
            unit.close();
        });
    }

    /// A function at `address` that takes the types at `arguments`.
    pub(crate) fn function(&mut self, name: &str, address: u64, arguments: &[Label]) {
        self.begin(FUNCTION);
        self.text(name);
        self.info.extend(address.to_le_bytes());
        for argument in arguments {
            self.begin(ARGUMENT);
            self.reference(*argument);
        }
        self.close();
    }

    /// The contents of `.debug_info` and `.debug_abbrev`.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        self.close();
        for (at, label) in self.references {
            self.info[at..at + 4].copy_from_slice(&self.places[&label].to_le_bytes());
        }
        let len = self.info.len() as u32 - 4;
        self.info[..4].copy_from_slice(&len.to_le_bytes());
        let mut abbreviations = Vec::new();
        for (number, tag, children, attributes) in KINDS {
            abbreviations.extend([number, tag, u8::from(children)]);
            abbreviations.extend(attributes.iter().flat_map(|(name, form)| [*name, *form]));
            abbreviations.extend([0, 0]);
        }
        abbreviations.push(0);
        (self.info, abbreviations)
    }
}
