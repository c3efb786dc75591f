//! The record of a hook: a function that runs when a generation comes or goes.

use std::sync::atomic::AtomicU32;

use crate::persist::Sink;
use crate::record::{Fields, Header, Kind, Malformed, Raw};
use crate::text::{len_u32, pack};

/// When a hook runs.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Its generation is about to run.
    Load = 0,
    /// Its generation is about to be left.
    Unload = 1,
}

/// Runs the hook with a context of the runtime; the reason goes to the sink when it fails. Returns
/// whether it did not.
pub type Run = unsafe extern "C" fn(context: *const (), failed: Sink) -> bool;

/// The fixed part of the record of a hook.
#[repr(C)]
#[derive(Debug)]
pub struct HookHead {
    header: Header,
    when: u32,
    name_len: u32,
    run: Run,
    /// Nothing is ever stored here; a record without a cell in it would land in another section.
    cell: AtomicU32,
}

/// The record of one hook, as it stands in the link section.
#[repr(C, align(8))]
#[derive(Debug)]
pub struct HookRecord<const TEXT: usize> {
    head: HookHead,
    text: [u8; TEXT],
}

impl<const TEXT: usize> HookRecord<TEXT> {
    /// The record of the hook `name`; `TEXT` is [`packed_len`](crate::text::packed_len) of it.
    #[must_use]
    pub const fn new(when: When, name: &'static str, run: Run) -> Self {
        let header = Header::new(Kind::Hook, size_of::<Self>());
        let name_len = len_u32(name);
        let head = HookHead { header, when: when as u32, name_len, run, cell: AtomicU32::new(0) };
        Self { head, text: pack(&[name]) }
    }
}

impl HookHead {
    /// The code.
    #[must_use]
    pub const fn run(&self) -> Run {
        self.run
    }
}

/// The record of a hook as it was read from a file or from memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Offset of the record from the start of the section, in bytes.
    pub offset: usize,
    /// `module::path::name`.
    pub name: String,
    /// When it runs.
    pub when: When,
}

impl Hook {
    /// Reads the hook record `raw`.
    ///
    /// # Errors
    /// [`Malformed`] when a field contradicts another.
    pub fn read(raw: Raw<'_>) -> Result<Self, Malformed> {
        use std::mem::offset_of;
        let mut fields = Fields::new(raw, size_of::<HookHead>());
        let when = match fields.word32(offset_of!(HookHead, when))? {
            0 => When::Load,
            1 => When::Unload,
            _ => return Err(fields.field("a hook that runs at a time that is not known")),
        };
        let name = fields.text(fields.word32(offset_of!(HookHead, name_len))?)?;
        if name.is_empty() {
            return Err(fields.field("it has no name"));
        }
        Ok(Self { offset: raw.offset, name, when })
    }
}
