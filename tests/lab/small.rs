//! Small libraries: real records between what rustc and its linker write, with the standard library
//! shared and no runtime. They are short enough to be damaged at every byte.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Fixture, library, target_dir};

/// What stands before the source: `record!(NAME, function, "signature", (Result, Arguments))`, the
/// image's identity, and a description of types.
const RECORDS: &str = "
use midair_trampolines::function::{FunctionParts, FunctionRecord, Origin};
use midair_trampolines::identity::{IdentityParts, IdentityRecord, PanicStrategy};
use midair_trampolines::shape::{Fallback as _, Probe, Shape as Extents};
use midair_trampolines::layout::{Leaf, Roots};
use midair_trampolines::text::{RawText, packed_len};
use midair_trampolines::types::{Described, TypeRecord};

macro_rules! record {
    ($record:ident, $function:ident, $signature:literal, ($($kind:ty),*)) => {
        #[used]
        #[unsafe(link_section = \"midair\")]
        static $record: FunctionRecord<
            ($($kind,)*),
            { [$(stringify!($kind)),*].len() },
            { packed_len(&$function::TEXTS) },
        > = FunctionRecord::new(FunctionParts {
            name: $function::TEXTS[0],
            signature: $function::TEXTS[1],
            version: $function::TEXTS[2],
            file: $function::TEXTS[3],
            types: $function::TEXTS[4],
            line: line!(),
            body_hash: 42,
            shapes: [$(Extents::new(0, <Probe<$kind>>::EXTENT, <Probe<$kind>>::BEHIND)),*],
            body: $function as *const (),
            slot: &$function::SLOT,
            shim: $function as *const (),
            guarded: None,
            router: $function as *const (),
            origin: &Origin { manifest_dir: RawText::new(\"/small\") },
        });
        mod $function {
            pub static SLOT: midair_trampolines::Slot =
                midair_trampolines::Slot::new(super::$function as *const ());
            pub const TEXTS: [&str; 5] = [
                concat!(module_path!()),
                $signature,
                \"0.1.0\",
                file!(),
                concat!($(stringify!($kind), \"\\n\"),*),
            ];
        }
    };
}

const IDENTITY: [&str; 4] = [\"1.95.0\", \"x86_64-unknown-linux-gnu\", \"sse2\", \"0.1.0\"];
#[used]
#[unsafe(link_section = \"midair\")]
static IDENTITY_RECORD: IdentityRecord<{ packed_len(&IDENTITY) }> =
    IdentityRecord::new(IdentityParts {
        rustc: IDENTITY[0],
        target: IDENTITY[1],
        features: IDENTITY[2],
        version: IDENTITY[3],
        panic: PanicStrategy::Unwind,
    });

type Rich = Roots<Leaf<Vec<Option<Box<(u8, String)>>>>>;
const RICH: Described<1> = Described { keys: [Rich::KEY], nodes: [Rich::NODES] };
#[used]
#[unsafe(link_section = \"midair\")]
static TYPES: TypeRecord<1, { RICH.len(\"small\") }> = TypeRecord::new(\"small\", RICH);
";

/// The library of a crate called `name` (unique among all tests) with this `source`; `settings`
/// are more lines of the profile, `flags` more arguments for rustc.
pub(crate) fn small(name: &str, source: &str, settings: &str, flags: &str) -> PathBuf {
    let source = format!("{RECORDS}{source}");
    let mut fixture = Fixture::plain(name, &source, "crate-type = [\"cdylib\"]", "");
    let trampolines = Path::new(env!("CARGO_MANIFEST_DIR")).join("trampolines");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [lib]\ncrate-type = [\"cdylib\"]\n\n[workspace]\n\n\
         [dependencies]\nmidair-trampolines = {{ path = {trampolines:?} }}\n\n\
         [profile.small]\ninherits = \"release\"\nopt-level = \"z\"\ncodegen-units = 1\n{settings}\n\
         [profile.small.package.\"*\"]\ndebug = false\n"
    );
    fs::write(fixture.dir().join("Cargo.toml"), manifest).unwrap();
    let target = target_dir().join("small");
    fixture.output = target.join("small").join(library(name));
    fixture.variables = vec![
        ("CARGO_TARGET_DIR".to_owned(), target.display().to_string()),
        ("RUSTFLAGS".to_owned(), format!("-Cprefer-dynamic {flags}")),
    ];
    fixture.arguments = vec!["--profile".to_owned(), "small".to_owned()];
    let kept = target_dir().join(name).with_extension("so");
    fixture.build_to(&kept);
    kept
}
