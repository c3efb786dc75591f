//! A library as its file describes it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use midair_arch::Machine;
use midair_trampolines::function::Function as Record;
use midair_trampolines::shape::UNSIZED;

use super::described::{self, Described};
use super::sizes::{self, Sizes};
use super::warning::{self, Warning};
use crate::artifact::Artifact;
use crate::deep::{self, Known};
use crate::error::Error;
use crate::format::{Allocator, Format};
use crate::manifest::Manifest;
use crate::report::Depth;

/// A library that was read, and checked as any patch is before it is loaded.
#[derive(Debug)]
pub struct Library {
    artifact: Artifact,
    manifest: Manifest,
    types: OnceLock<Arc<Known>>,
}

/// By which rules a library was built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// Release and commit of the compiler.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// What happens to a panic: `unwind` or `abort`.
    pub panic: String,
    /// The enabled target features, comma-separated.
    pub features: String,
    /// The version of midair that it is linked with.
    pub midair: String,
    /// The shared standard library that it asks for; `None` when it has a copy of its own.
    pub shared_std: Option<String>,
    /// The global allocator that it brings.
    pub allocator: Allocator,
}

/// A hot function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Function {
    /// `module::path::name`, with the type for methods.
    pub name: String,
    /// Its signature as it is compared: lifetimes and the names of arguments are not in it.
    pub signature: String,
    /// The version of its crate.
    pub version: String,
    /// The source file, as the compiler named it.
    pub file: String,
    /// The line in that file.
    pub line: u32,
    /// Hash of the signature.
    pub signature_hash: u64,
    /// Hash of size and alignment of every type in the signature.
    pub layout_hash: u64,
    /// Hash of the tokens of the body.
    pub body_hash: u64,
    /// The types in the signature.
    pub types: Vec<Type>,
    /// How its types are known.
    pub depth: Depth,
    /// Why its types are known by size and alignment only; `None` when they are known field by
    /// field.
    pub shallow: Option<String>,
}

/// A type in a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Type {
    /// 0 for the return type, n for the n-th argument.
    pub place: u32,
    /// The type, as the signature names it.
    pub text: String,
    /// Size in bytes; `None` for a type that has none of its own.
    pub size: Option<u64>,
    /// Alignment in bytes.
    pub align: u32,
}

impl Library {
    /// Reads the library at `path`.
    ///
    /// # Errors
    /// - [`Error::Read`], [`Error::NotAFile`], [`Error::TooLarge`] and [`Error::Changing`] when it
    ///   cannot be read;
    /// - [`Error::Artifact`], [`Error::Records`] and [`Error::NoFunctions`] when it is not a whole
    ///   library with hot functions.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::read(Artifact::open(path)?)
    }

    /// Reads the library whose file's content is `bytes`, for those who have it from elsewhere
    /// than a file: an archive, a download. Messages and [`path`](Self::path) call it `name`.
    ///
    /// Any bytes may be given: what is no library is an error, and nothing of it ever runs.
    ///
    /// # Errors
    /// - [`Error::TooLarge`] when there are more bytes than are accepted of a file;
    /// - [`Error::Artifact`], [`Error::Records`] and [`Error::NoFunctions`] when they are not a
    ///   whole library with hot functions.
    ///
    /// # Examples
    /// ```
    /// use midair::inspect::Library;
    ///
    /// let error = Library::parse("from the archive".as_ref(), b"text".to_vec()).unwrap_err();
    /// assert_eq!(error.kind(), midair::ErrorKind::Artifact);
    /// ```
    pub fn parse(name: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        Self::read(Artifact::of_bytes(name, bytes)?)
    }

    fn read(artifact: Artifact) -> Result<Self, Error> {
        let manifest = artifact.manifest()?;
        Ok(Self { artifact, manifest, types: OnceLock::new() })
    }

    /// Where it was read from, or what [`parse`](Self::parse) was told to call it.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.artifact.path()
    }

    /// The format of its file.
    #[must_use]
    pub fn format(&self) -> Format {
        self.manifest.container().format
    }

    /// The machine that it is for.
    #[must_use]
    pub fn machine(&self) -> Machine {
        self.manifest.container().machine
    }

    /// The libraries that it asks for by name.
    #[must_use]
    pub fn needed(&self) -> &[String] {
        &self.manifest.container().needed
    }

    /// By which rules it was built.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let identity = &self.manifest.identity;
        Identity {
            rustc: identity.rustc.clone(),
            target: identity.target.clone(),
            panic: identity.panic.to_string(),
            features: identity.features.clone(),
            midair: identity.version.clone(),
            shared_std: self.manifest.shared_std().map(str::to_owned),
            allocator: self.manifest.allocator(),
        }
    }

    /// Its hot functions, by name.
    #[must_use]
    pub fn functions(&self) -> Vec<Function> {
        let mut functions: Vec<_> =
            self.manifest.functions.iter().map(|record| self.function(record)).collect();
        functions.sort_by(|one, other| one.name.cmp(&other.name));
        functions
    }

    /// The types that it describes, by name: those with `#[derive(Layout)]`, and what they and the
    /// hot functions lead to.
    #[must_use]
    pub fn described(&self) -> Vec<Described> {
        described::of(&self.manifest.types)
    }

    /// How large it and its parts are.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        sizes::of(self.bytes(), self.format(), self.manifest.mapped())
    }

    /// What about it may surprise whoever patches with it.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        warning::of(self.bytes(), &self.manifest)
    }

    fn function(&self, record: &Record) -> Function {
        Function {
            name: record.name.clone(),
            signature: crate::report::spaced(&record.signature),
            version: record.version.clone(),
            file: record.file.clone(),
            line: record.line,
            signature_hash: record.signature_hash,
            layout_hash: record.layout_hash,
            body_hash: record.body_hash,
            types: record.types.iter().map(ty).collect(),
            depth: self.types().depth(self.manifest.spot_of(record)),
            shallow: self.types().shallow(self.manifest.spot_of(record)),
        }
    }

    pub(super) fn shallow(&self, record: &Record) -> Option<String> {
        self.types().shallow(self.manifest.spot_of(record))
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.artifact.bytes()
    }

    /// What is known of its types, read when it is first asked for.
    pub(super) fn types(&self) -> &Known {
        self.types.get_or_init(|| deep::of_artifact(&self.artifact, &self.manifest))
    }
}

fn ty((text, shape): &(String, midair_trampolines::shape::Shape)) -> Type {
    Type {
        place: shape.place,
        text: text.clone(),
        size: (shape.size != UNSIZED).then_some(shape.size),
        align: shape.align,
    }
}
