//! Loading: from checked bytes to code in this process.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use midair_trampolines::os::{self, Image};
use midair_trampolines::section::Section;

use crate::artifact::Artifact;
use crate::copies::{Copies, Kept};
use crate::error::Error;
use crate::failpoint::{Failpoint, reached};
use crate::format::Binding;
use crate::manifest::Manifest;
use crate::notice;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix::open;
#[cfg(not(unix))]
mod other;
#[cfg(not(unix))]
use other::open;

/// Code that was brought into this process, and will stay in it.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The image that it has become.
    pub(crate) image: Image,
    /// Its `midair` section.
    pub(crate) section: Section,
    /// What is to be done when the new code runs.
    pub(crate) rest: Rest,
    /// The copy that it was loaded from.
    pub(crate) kept: Kept,
}

/// The part of a private copy that only debuggers read.
#[derive(Debug)]
pub(crate) struct Rest {
    copy: PathBuf,
    from: usize,
}

impl Rest {
    /// Completes the copy. Where that fails, backtraces lack symbols; nothing else does.
    pub(crate) fn write(self, artifact: &Artifact) {
        let file = OpenOptions::new().append(true).open(&self.copy);
        let written = file.and_then(|mut file| file.write_all(&artifact.bytes()[self.from..]));
        if let Err(error) = written {
            notice::warn(format_args!(
                "backtraces will lack symbols: {} could not be completed: {error}",
                self.copy.display()
            ));
        }
    }
}

/// A way to bring checked code into this process.
pub(crate) trait Loader {
    /// Loads `artifact`, whose manifest was checked, with `seed` in its identity record and
    /// `instances`, by where they belong in the file, in the records of its statics.
    ///
    /// # Errors
    /// [`Error::Copy`], [`Error::Load`], [`Error::Bound`]; no slot has changed.
    fn load(
        &mut self,
        artifact: &Artifact,
        manifest: &Manifest,
        seed: *const (),
        instances: &[(usize, *const ())],
    ) -> Result<Loaded, Error>;
}

/// Loads a shared library by way of a private copy.
pub(crate) struct SharedLibrary<'a> {
    /// Where the copies are kept.
    pub(crate) copies: &'a mut Copies,
    /// The folder for them, if somebody named one.
    pub(crate) root: Option<&'a Path>,
}

/// Whose symbols a library's own references find first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    /// Decided by the file.
    AsBuilt,
    /// The library's own, by request to the loader.
    OwnFirst,
}

impl Loader for SharedLibrary<'_> {
    fn load(
        &mut self,
        artifact: &Artifact,
        manifest: &Manifest,
        seed: *const (),
        instances: &[(usize, *const ())],
    ) -> Result<Loaded, Error> {
        // Most of a library in development is debug info, which the loader never looks at: it
        // follows when the new code runs.
        let mut bytes = artifact.bytes()[..manifest.mapped()].to_vec();
        let seed = [(manifest.seed_offset(), seed)];
        let mut originals: Vec<_> = seed
            .iter()
            .chain(instances)
            .map(|(offset, address)| {
                let address = (address.expose_provenance() as u64).to_le_bytes();
                overwrite(&mut bytes, *offset, &address)
            })
            .collect();
        let lookup = match manifest.binding() {
            Binding::Own => Lookup::AsBuilt,
            Binding::Edit { offset, bytes: edit } => {
                originals.push(overwrite(&mut bytes, *offset, edit));
                Lookup::AsBuilt
            }
            Binding::AskLoader => Lookup::OwnFirst,
        };
        let copy = self.copies.write(self.root, artifact.path(), &bytes)?;
        drop(bytes);
        let loaded = open(&copy, lookup)
            .map_err(|source| Error::Load { path: artifact.path().to_owned(), source })
            .and_then(|()| reached(Failpoint::Load).map_err(Error::from))
            .and_then(|()| found(artifact, manifest, &copy, originals));
        if loaded.is_err() {
            self.copies.discard(&copy);
        }
        loaded
    }
}

/// Finds the image that was just loaded and makes sure that it is what the manifest described.
fn found(
    artifact: &Artifact,
    manifest: &Manifest,
    copy: &Path,
    originals: Vec<(usize, Vec<u8>)>,
) -> Result<Loaded, Error> {
    let bound =
        |name: &str| Error::Bound { path: PathBuf::from(artifact.path()), name: name.to_owned() };
    let image = os::image_named(copy)?.ok_or_else(|| bound("the library itself"))?;
    let (len, address) = manifest.section;
    let expected = image.base.wrapping_add(address as usize);
    let section =
        image.section.filter(|section| section.start() == expected && section.len() <= len);
    let section = section.ok_or_else(|| bound("its midair section"))?;
    for function in &manifest.functions {
        // SAFETY: the manifest read this record from the same bytes of the file, and the section
        // starts where the manifest said.
        let head = unsafe { section.function(function.offset) };
        if !head.is_filled(image.span) {
            return Err(bound(&function.name));
        }
    }
    let rest = Rest { copy: copy.to_owned(), from: manifest.mapped() };
    Ok(Loaded { image, section, rest, kept: Kept::new(copy.to_owned(), originals) })
}

/// Writes `edit` at `offset`, and returns where that was and what stood there.
fn overwrite(bytes: &mut [u8], offset: usize, edit: &[u8]) -> (usize, Vec<u8>) {
    let place = &mut bytes[offset..offset + edit.len()];
    let original = place.to_vec();
    place.copy_from_slice(edit);
    (offset, original)
}
