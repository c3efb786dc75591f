//! Libraries for systems that this machine is not: real linkers' files around given records, made
//! with nothing but rustc and the rust-lld beside it.

#![allow(clippy::unwrap_used, reason = "test fixtures state their expectations by panicking")]
#![allow(dead_code, reason = "each test uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A target for which rust-lld links a library.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foreign {
    pub(crate) target: &'static str,
    pub(crate) format: &'static str,
    pub(crate) machine: &'static str,
    section: &'static str,
    linker: &'static [&'static str],
}

pub(crate) const FOREIGN: [Foreign; 4] = [
    Foreign {
        target: "x86_64-pc-windows-msvc",
        format: "PE",
        machine: "x86_64",
        section: "midair",
        linker: &["-flavor", "link", "/dll", "/noentry", "/out:OUT"],
    },
    Foreign {
        target: "x86_64-apple-darwin",
        format: "Mach-O",
        machine: "x86_64",
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
        format: "Mach-O",
        machine: "aarch64",
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
        format: "ELF",
        machine: "aarch64",
        section: "midair",
        linker: &["-flavor", "gnu", "-shared", "-o", "OUT"],
    },
];

/// The same for Linux on x86_64, with every table that the loader follows.
pub(crate) const LINUX: Foreign = Foreign {
    target: "x86_64-unknown-linux-gnu",
    format: "ELF",
    machine: "x86_64",
    section: "midair",
    linker: &[
        "-flavor",
        "gnu",
        "-shared",
        "--hash-style=both",
        "--build-id",
        "--eh-frame-hdr",
        "--soname=seed",
        "-z",
        "max-page-size=4096",
        "-o",
        "OUT",
    ],
};

/// Functions, their addresses, a constructor, a thread-local and what is elsewhere, for
/// [`library_with`](Foreign::library_with).
pub(crate) const PARTS: &str = "
unsafe extern \"C\" { safe fn elsewhere(); static DATA: u64; }
#[unsafe(no_mangle)] pub extern \"C\" fn one() { elsewhere() }
#[unsafe(no_mangle)] pub extern \"C\" fn two() -> *const u64 { &raw const LOCAL }
#[unsafe(no_mangle)] pub static mut ADDRESSES: [extern \"C\" fn(); 3] = [one, elsewhere_too, one];
extern \"C\" fn elsewhere_too() { elsewhere() }
#[used] pub static mut OUTSIDE: *const u64 = &raw const DATA;
#[used] #[unsafe(link_section = \".init_array\")] static mut INIT: extern \"C\" fn() = one;
#[thread_local] static LOCAL: u64 = 7;
impl Sync for u64 {}
";

impl Foreign {
    /// A library for this target in `folder`, whose `midair` section holds `records`.
    pub(crate) fn library_of(&self, folder: &Path, records: &[u8]) -> PathBuf {
        self.library_with(folder, records, "")
    }

    /// The same, with `more` source.
    pub(crate) fn library_with(&self, folder: &Path, records: &[u8], more: &str) -> PathBuf {
        let (words, rest) = records.as_chunks();
        assert!(rest.is_empty(), "records are whole words");
        let words: Vec<_> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let source = format!(
            "#![feature(no_core, lang_items, thread_local)]\n#![no_core]\n#![allow(internal_features)]\n\
             #[lang = \"pointee_sized\"] trait PointeeSized {{}}\n\
             #[lang = \"meta_sized\"] trait MetaSized: PointeeSized {{}}\n\
             #[lang = \"sized\"] trait Sized: MetaSized {{}}\n\
             #[lang = \"sync\"] trait Sync {{}}\n\
             #[lang = \"copy\"] trait Copy {{}}\n\
             #[lang = \"drop_in_place\"] fn drop_in_place<T>(_: *mut T) {{}}\n\
             #[used] #[unsafe(link_section = {:?})]\n\
             static mut RECORDS: [u64; {}] = {words:?};\n{more}",
            self.section,
            words.len(),
        );
        let name = |extension: &str| folder.join(format!("{}.{extension}", self.target));
        let (source_file, object, library) = (name("rs"), name("o"), name("lib"));
        std::fs::write(&source_file, source).unwrap();
        run(Command::new("rustc")
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["--edition", "2021", "--crate-type", "lib", "--emit", "obj"])
            .args(["--crate-name", "foreign", "-C", "panic=abort", "--target", self.target, "-o"])
            .args([&object, &source_file]));
        let out = library.to_str().unwrap();
        let arguments = self.linker.iter().map(|argument| argument.replace("OUT", out));
        run(Command::new(rust_lld()).args(arguments).arg(&object));
        library
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
