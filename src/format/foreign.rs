//! Test artifacts for systems that this machine is not, with the real records of this test program.

#![expect(clippy::unwrap_used, reason = "test fixtures state their expectations by panicking")]

use std::path::Path;

use midair_trampolines::function::{FunctionParts, FunctionRecord, Origin};
use midair_trampolines::layout::{Leaf, Roots};
use midair_trampolines::shape::{Fallback as _, Probe, Shape};
use midair_trampolines::text::{RawText, packed_len};
use midair_trampolines::types::{Described, TypeRecord};
use midair_trampolines::{Slot, own_section};

pub(crate) use self::maker::{FOREIGN, Foreign};

#[path = "../../tests/lab/foreign.rs"]
mod maker;

const TEXTS: [&str; 5] = ["game::update", "fn(u32)", "1.2.3", "src/lib.rs", "u32"];

static SLOT: Slot = Slot::new(code as *const ());

#[used]
#[unsafe(link_section = "midair")]
static FUNCTION: FunctionRecord<((), u32), 1, { packed_len(&TEXTS) }> =
    FunctionRecord::new(FunctionParts {
        name: TEXTS[0],
        signature: TEXTS[1],
        version: TEXTS[2],
        file: TEXTS[3],
        types: TEXTS[4],
        line: 7,
        body_hash: 42,
        shapes: [Shape::new(1, <Probe<u32>>::EXTENT, <Probe<u32>>::BEHIND)],
        body: code as *const (),
        slot: &SLOT,
        shim: code as *const (),
        guarded: None,
        router: code as *const (),
        origin: &Origin { manifest_dir: RawText::new("/game") },
    });

const DESCRIBED: Described<2> = Described {
    keys: [<Roots<Leaf<Vec<u32>>>>::KEY, <Roots<Leaf<u32>>>::KEY],
    nodes: [<Roots<Leaf<Vec<u32>>>>::NODES, <Roots<Leaf<u32>>>::NODES],
};

#[used]
#[unsafe(link_section = "midair")]
static TYPES: TypeRecord<2, { DESCRIBED.len(TEXTS[0]) }> = TypeRecord::new(TEXTS[0], DESCRIBED);

fn code() {}

impl Foreign {
    /// A library for this target that holds this program's own records.
    pub(crate) fn library(&self, folder: &Path) -> Vec<u8> {
        std::fs::read(self.library_of(folder, &own_section!().snapshot())).unwrap()
    }
}
