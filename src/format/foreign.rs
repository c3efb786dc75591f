//! Test artifacts for systems that this machine is not: real linkers' files around the real
//! records of this test program, made with nothing but rustc and the rust-lld beside it.

#![expect(clippy::unwrap_used, reason = "test fixtures state their expectations by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use midair_trampolines::function::{FunctionParts, FunctionRecord, Origin};
use midair_trampolines::layout::{Leaf, Roots};
use midair_trampolines::own_section;
use midair_trampolines::shape::{Fallback as _, Probe, Shape};
use midair_trampolines::text::{RawText, packed_len};
use midair_trampolines::types::{Described, TypeRecord};

const TEXTS: [&str; 5] = ["game::update", "fn(u32)", "1.2.3", "src/lib.rs", "u32"];

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
        shim: code as *const (),
        guarded: std::ptr::null(),
        adapter: std::ptr::null(),
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

/// A target for which rust-lld links a library.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foreign {
    pub(crate) target: &'static str,
    section: &'static str,
    linker: &'static [&'static str],
}

pub(crate) const FOREIGN: [Foreign; 4] = [
    Foreign {
        target: "x86_64-pc-windows-msvc",
        section: "midair",
        linker: &["-flavor", "link", "/dll", "/noentry", "/out:OUT"],
    },
    Foreign {
        target: "x86_64-apple-darwin",
        section: "__DATA,__midair",
        linker: &[
            "-flavor",
            "darwin",
            "-dylib",
            "-arch",
            "x86_64",
            "-platform_version",
            "macos",
            "10.12",
            "10.12",
            "-o",
            "OUT",
        ],
    },
    Foreign {
        target: "aarch64-apple-darwin",
        section: "__DATA,__midair",
        linker: &[
            "-flavor",
            "darwin",
            "-dylib",
            "-arch",
            "arm64",
            "-platform_version",
            "macos",
            "11.0",
            "11.0",
            "-o",
            "OUT",
        ],
    },
    Foreign {
        target: "aarch64-unknown-linux-gnu",
        section: "midair",
        linker: &["-flavor", "gnu", "-shared", "-o", "OUT"],
    },
];

impl Foreign {
    /// A library for this target that holds this program's own records.
    pub(crate) fn library(&self, folder: &Path) -> Vec<u8> {
        let records = own_section!().snapshot();
        let source = format!(
            "#![feature(no_core, lang_items)]\n#![no_core]\n#![allow(internal_features)]\n\
             #[lang = \"pointee_sized\"] trait PointeeSized {{}}\n\
             #[lang = \"meta_sized\"] trait MetaSized: PointeeSized {{}}\n\
             #[lang = \"sized\"] trait Sized: MetaSized {{}}\n\
             #[lang = \"sync\"] trait Sync {{}}\n\
             #[lang = \"copy\"] trait Copy {{}}\n\
             #[lang = \"drop_in_place\"] fn drop_in_place<T>(_: *mut T) {{}}\n\
             #[used] #[unsafe(link_section = {:?})]\n\
             static mut RECORDS: [u8; {}] = {:?};\n",
            self.section,
            records.len(),
            records
        );
        let name = |extension: &str| folder.join(format!("{}.{extension}", self.target));
        let (source_file, object, library) = (name("rs"), name("o"), name("lib"));
        std::fs::write(&source_file, source).unwrap();
        run(Command::new("rustc")
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["--edition", "2021", "--crate-type", "lib", "--emit", "obj"])
            .args(["--crate-name", "foreign", "-C", "panic=abort", "--target", self.target])
            .arg("-o")
            .arg(&object)
            .arg(&source_file));
        let out = library.to_str().unwrap();
        let arguments = self.linker.iter().map(|argument| argument.replace("OUT", out));
        run(Command::new(rust_lld()).args(arguments).arg(&object));
        std::fs::read(library).unwrap()
    }
}

fn rust_lld() -> PathBuf {
    let print = |what: &str| {
        let output = Command::new("rustc").args(["--print", what]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (sysroot, host) = (print("sysroot"), print("host-tuple"));
    Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}
