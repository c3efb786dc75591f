//! The manifest: what an artifact says of itself, read from its bytes before anything is loaded.

use std::path::Path;

use midair_arch::Machine;
use midair_trampolines::delta::DeltaRecord;
use midair_trampolines::function::Function;
use midair_trampolines::hook::Hook;
use midair_trampolines::identity::{Identity, SEED_OFFSET};
use midair_trampolines::persist::{INSTANCE_OFFSET, Static};
use midair_trampolines::record::{Kind, records};
use midair_trampolines::text::crate_of;
use midair_trampolines::types::Types;

use crate::deep::Spot;
use crate::digest::Digest;
use crate::error::Error;
use crate::format::{self, Allocator, Binding, Container, Fault, Format};
use crate::verdict::Build;

/// What an artifact says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    container: Container,
    /// Length of the `midair` section in bytes, and its address before loading.
    pub(crate) section: (usize, u64),
    /// Offset of the section in the file, in bytes.
    offset: usize,
    /// The image's identity.
    pub(crate) identity: Identity,
    /// Its hot functions, in the order of the section.
    pub(crate) functions: Vec<Function>,
    /// The artifact that it builds on, where it is a delta.
    pub(crate) base: Option<Digest>,
    /// What it says of types.
    pub(crate) types: Vec<Types>,
    /// Its persistent statics.
    pub(crate) statics: Vec<Static>,
    /// Its hooks.
    pub(crate) hooks: Vec<Hook>,
}

impl Manifest {
    /// Reads the manifest of the artifact `bytes`, of any format and machine.
    pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let faulty = |source| Error::Artifact { path: path.to_owned(), source };
        let malformed = |source| Error::Records { path: path.to_owned(), source };
        let container = format::read(bytes).map_err(faulty)?;
        let place = container.records.ok_or_else(|| faulty(Fault::NoRecords))?;
        let section = &bytes[place.offset..place.offset + place.len];
        let mut identities = Vec::new();
        let mut functions = Vec::new();
        let mut base = None;
        let mut types = Vec::new();
        let (mut statics, mut hooks) = (Vec::new(), Vec::new());
        for record in records(section).map_err(malformed)? {
            match record.kind {
                Kind::Identity => identities.push(Identity::read(record).map_err(malformed)?),
                Kind::Function => {
                    functions.push(Function::read(record).map_err(malformed)?);
                    Function::check_cells(record).map_err(malformed)?;
                }
                Kind::Types => types.push(Types::read(record).map_err(malformed)?),
                Kind::Delta => {
                    base = Some(Digest::from_bytes(DeltaRecord::read(record).map_err(malformed)?));
                }
                Kind::Static => statics.push(Static::read(record).map_err(malformed)?),
                Kind::Hook => hooks.push(Hook::read(record).map_err(malformed)?),
                // `records` refuses every kind that this version does not know.
                _ => {}
            }
        }
        let [identity] = &identities[..] else {
            return Err(faulty(Fault::Identities { found: identities.len() }));
        };
        if functions.is_empty() {
            return Err(Error::NoFunctions { path: path.to_owned() });
        }
        Ok(Self {
            section: (place.len, place.address),
            offset: place.offset,
            identity: identity.clone(),
            functions,
            base,
            types,
            statics,
            hooks,
            container,
        })
    }

    /// Whether this process could load it at all.
    pub(crate) fn check_host(&self) -> Result<(), Fault> {
        if self.container.format != Format::HOST {
            return Err(Fault::Format { found: self.container.format });
        }
        if self.container.machine != Machine::HOST {
            return Err(Fault::Machine { found: self.container.machine });
        }
        Ok(())
    }

    /// The shared standard library that it asks for, if it does not bring its own.
    pub(crate) fn shared_std(&self) -> Option<&str> {
        shared_std(&self.container.needed)
    }

    /// By which rules it was built.
    pub(crate) fn build(&self) -> Build<'_> {
        Build { identity: &self.identity, shared_std: self.shared_std() }
    }

    /// Where the record of `function` stands, before loading.
    pub(crate) fn address_of(&self, function: &Function) -> u64 {
        self.section.1 + function.offset as u64
    }

    /// The name of `function`, and where its record stands, before loading.
    pub(crate) fn spot_of<'a>(&self, function: &'a Function) -> Spot<'a> {
        (&function.name, self.address_of(function))
    }

    /// What its file is, as far as it was checked.
    pub(crate) fn container(&self) -> &Container {
        &self.container
    }

    /// The global allocator that it brings.
    pub(crate) fn allocator(&self) -> Allocator {
        self.container.allocator
    }

    /// How many of the artifact's bytes, from the first on, are mapped when it is loaded.
    pub(crate) fn mapped(&self) -> usize {
        self.container.mapped
    }

    /// How its own symbols are made to win.
    pub(crate) fn binding(&self) -> &Binding {
        &self.container.binding
    }

    /// Where in the file the address of the domain's table belongs, in bytes.
    pub(crate) fn seed_offset(&self) -> usize {
        self.offset + self.identity.offset + SEED_OFFSET
    }

    /// Where in the file the cell of a persistent static is, in bytes.
    pub(crate) fn instance_offset(&self, of: &Static) -> usize {
        self.offset + of.item.offset + INSTANCE_OFFSET
    }

    /// The crate of its first function.
    pub(crate) fn crate_name(&self) -> &str {
        self.functions.first().map_or("", |function| crate_of(&function.name))
    }
}

/// The name of the shared standard library among the libraries that an image asks for.
pub(crate) fn shared_std(needed: &[String]) -> Option<&str> {
    needed.iter().map(String::as_str).find(|name| {
        name.starts_with("libstd-") || name.starts_with("std-") || name.contains("/libstd-")
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::Manifest;
    use crate::error::Error;
    use crate::format::Fault;
    use crate::format::foreign::FOREIGN;

    #[test]
    fn records_are_read_from_every_format_and_loaded_from_none_that_is_foreign() {
        let dir = tempfile::tempdir().unwrap();
        for foreign in FOREIGN {
            let bytes = foreign.library(dir.path());
            let manifest = Manifest::read(Path::new("x"), &bytes).unwrap_or_else(|error| {
                panic!("{}: {}", foreign.target, error.explain());
            });
            let update = manifest.functions.iter().find(|f| f.name == "game::update").unwrap();
            assert_eq!(update.signature, "fn(u32)", "{}", foreign.target);
            assert_eq!(update.types[0].1.size, 4);
            assert_eq!(manifest.identity.version, env!("CARGO_PKG_VERSION"));
            assert_eq!(manifest.crate_name(), "game");
            let types = manifest.types.iter().find(|types| types.name == update.name).unwrap();
            assert_eq!(types.nodes[0].name, "alloc::vec::Vec", "{}", foreign.target);
            assert_eq!(types.nodes[0].parameters, types.roots[1..]);
            let refused = manifest.check_host().unwrap_err();
            let typed = if foreign.target.contains("linux") {
                matches!(refused, Fault::Machine { .. })
            } else {
                matches!(refused, Fault::Format { .. })
            };
            assert!(typed, "{}: {refused}", foreign.target);
            // The seed's place is inside the file and empty, in every format.
            let at = manifest.seed_offset();
            assert_eq!(bytes[at..at + 8], [0; 8], "{}", foreign.target);
        }
    }

    #[test]
    fn a_foreign_library_cut_anywhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for foreign in FOREIGN {
            let bytes = foreign.library(dir.path());
            let whole = Manifest::read(Path::new("x"), &bytes).unwrap();
            for cut in (0..bytes.len()).step_by(7) {
                // What stands after the last table that anybody reads may be missing unnoticed,
                // but never a record.
                if let Ok(manifest) = Manifest::read(Path::new("x"), &bytes[..cut]) {
                    assert_eq!(manifest.functions, whole.functions, "{} at {cut}", foreign.target);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]
        #[test]
        fn hostile_bytes_never_make_the_parser_panic(
            seed in 0_usize..4,
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24),
        ) {
            static LIBRARIES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
            let libraries = LIBRARIES.get_or_init(|| {
                let dir = tempfile::tempdir().unwrap();
                FOREIGN.iter().map(|foreign| foreign.library(dir.path())).collect()
            });
            let mut bytes = libraries[seed].clone();
            for (at, byte) in edits {
                // Half of the edits hit the headers, where they hurt most.
                let len = if byte % 2 == 0 { 1_024 } else { bytes.len() };
                let at = at.index(len.min(bytes.len()));
                bytes[at] = byte;
            }
            let manifest = Manifest::read(Path::new("x"), &bytes);
            let typed = matches!(
                manifest,
                Ok(_) | Err(Error::Artifact { .. } | Error::Records { .. } | Error::NoFunctions { .. })
            );
            prop_assert!(typed);
        }
    }
}
