//! Debug info that was split off an image: `.dwo` files where the build left them, or a `.dwp`
//! package beside the library; and the proof that they are of the same build.
//!
//! The number that a unit and its split part share is no such proof by itself: it is made of the
//! part's file name and of a hash that leaves out what is named behind a pointer. Incremental
//! builds give each part a name of its own. Others use the name again, write over the file while
//! the program runs, and get the same number for another layout: then the order of writing tells,
//! and only while the library is the one that lies where it was linked.

use std::cell::{Cell, OnceCell};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use gimli::{Dwarf, DwarfPackage, DwoId, LittleEndian, Unit, UnitHeader};

use super::sections::Sections;
use super::{Absent, Origin, Slice};
use crate::artifact::{MAX_BYTES, Stamp};

/// A unit's split part: where it is described, and its header.
pub(super) type Part<'a> = (Rc<Dwarf<Slice<'a>>>, UnitHeader<Slice<'a>>);

/// Looks for the split parts of one image.
pub(super) struct Split<'a> {
    origin: &'a Origin,
    files: &'a Files,
    package: OnceCell<Option<Result<Package<'a>, Absent>>>,
}

/// The package of all parts.
struct Package<'a> {
    path: PathBuf,
    stamp: Stamp,
    parts: DwarfPackage<Slice<'a>>,
}

impl<'a> Split<'a> {
    /// Looks for what belongs to the library of `origin`, and keeps what it reads in `files`.
    pub(super) fn new(origin: &'a Origin, files: &'a Files) -> Self {
        Self { origin, files, package: OnceCell::new() }
    }

    /// The part that `skeleton`, a unit of `parent`, stands for.
    pub(super) fn part(
        &self,
        id: DwoId,
        skeleton: &Unit<Slice<'a>>,
        parent: &Dwarf<Slice<'a>>,
    ) -> Result<Part<'a>, Absent> {
        if self.origin.stamp.is_none() {
            return Err(Absent::SplitUnknown);
        }
        let name = match skeleton.dwo_name()? {
            Some(name) => parent.attr_string(skeleton, name)?.to_string_lossy().into_owned(),
            None => String::new(),
        };
        let folder = skeleton.comp_dir.map(|dir| dir.to_string_lossy().into_owned());
        let named = Path::new(&folder.unwrap_or_default()).join(&name);
        let package = self.package.get_or_init(|| self.open_package().transpose());
        match package {
            Some(Ok(package)) => {
                if let Some(dwarf) = package.parts.find_cu(id, parent)? {
                    let file = (&*package.path, package.stamp);
                    proves(file, &named, Written::After, self.origin)?;
                    let header = dwarf.units().next()?;
                    let header = header.ok_or_else(|| Absent::stale(&package.path))?;
                    return Ok((Rc::new(dwarf), header));
                }
            }
            Some(Err(absent)) => return Err(absent.clone()),
            None => {}
        }
        let places = self.places(&named);
        for place in &places {
            if let Some(part) = self.open_part(place, &named, id, parent)? {
                return Ok(part);
            }
        }
        match package {
            // It was split off into the package, which is now that of another build.
            Some(Ok(package)) => Err(Absent::stale(&package.path)),
            _ => Err(Absent::SplitGone {
                looked: self.packages().into_iter().chain(places).collect(),
            }),
        }
    }

    /// Where the package may be.
    fn packages(&self) -> Vec<PathBuf> {
        let mut whole = OsString::from(&self.origin.path);
        whole.push(".dwp");
        vec![whole.into(), self.origin.path.with_extension("dwp")]
    }

    /// Where the part may be that the compiler wrote to `named`: beside the library too, for one
    /// that was carried elsewhere together with its parts.
    fn places(&self, named: &Path) -> Vec<PathBuf> {
        let mut places = vec![named.to_owned()];
        if let (Some(folder), Some(name)) = (self.origin.path.parent(), named.file_name()) {
            places.extend([folder.join(name), folder.join("deps").join(name)]);
        }
        let mut seen = Vec::new();
        places.retain(|place| {
            let fresh = !seen.contains(place);
            seen.push(place.clone());
            fresh
        });
        places
    }

    fn open_package(&self) -> Result<Option<Package<'a>>, Absent> {
        for path in self.packages() {
            let Some((bytes, stamp)) = self.files.read(&path)? else { continue };
            let sections = Sections::find(bytes)?;
            let empty = Slice::new(&[], LittleEndian);
            let parts = DwarfPackage::load(
                |id| {
                    let contents = id.dwo_name().map_or(&[][..], |name| sections.get(name));
                    Ok::<_, Absent>(Slice::new(contents, LittleEndian))
                },
                empty,
            )?;
            return Ok(Some(Package { path, stamp, parts }));
        }
        Ok(None)
    }

    /// The part with the number `id`, written to `named`, out of the file at `path`, if there is
    /// such a file.
    fn open_part(
        &self,
        path: &Path,
        named: &Path,
        id: DwoId,
        parent: &Dwarf<Slice<'a>>,
    ) -> Result<Option<Part<'a>>, Absent> {
        let Some((bytes, stamp)) = self.files.read(path)? else { return Ok(None) };
        let sections = Sections::find(bytes)?;
        let mut dwarf = Dwarf::load(|id| {
            let contents = id.dwo_name().map_or(&[][..], |name| sections.get(name));
            Ok::<_, Absent>(Slice::new(contents, LittleEndian))
        })?;
        dwarf.make_dwo(parent);
        let mut headers = dwarf.units();
        while let Some(header) = headers.next()? {
            if dwarf.unit(header)?.dwo_id == Some(id) {
                proves((path, stamp), named, Written::Before, self.origin)?;
                return Ok(Some((Rc::new(dwarf), header)));
            }
        }
        Err(Absent::stale(path))
    }
}

/// Whether a build writes a file before it links the library, or afterwards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Before,
    After,
}

/// Sees that the file at `path`, in which the part that the compiler wrote to `part` was found, was
/// made together with the library of `origin`.
fn proves(
    (path, stamp): (&Path, Stamp),
    part: &Path,
    written: Written,
    origin: &Origin,
) -> Result<(), Absent> {
    if is_named_once(part) {
        return Ok(());
    }
    // Whoever builds anew replaces the library there before its package is written; of a copy
    // nothing tells when it was linked.
    let built = origin.path.file_name().and_then(|name| Some(part.parent()?.join(name)));
    let built = built.and_then(|built| Stamp::of(&built));
    let Some(linked) = origin.stamp.filter(|stamp| built == Some(*stamp)) else {
        return Err(Absent::SplitUnproven { file: path.to_owned() });
    };
    let in_turn = match written {
        Written::Before => stamp.modified <= linked.modified,
        Written::After => stamp.modified >= linked.modified,
    };
    if in_turn { Ok(()) } else { Err(Absent::stale(path)) }
}

/// Whether no other build gives the same name: incremental ones put a random word of their own
/// before `.rcgu.dwo`, behind the name of the code generation unit.
fn is_named_once(part: &Path) -> bool {
    const WORD: usize = 7;
    let name = part.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut words = name.strip_suffix(".rcgu.dwo").unwrap_or_default().rsplit('.');
    let (word, unit) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let random =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    word.len() == WORD && random(word) && unit.len() > 2 * WORD && random(unit)
}

/// The files that were read, kept as long as anything in them is looked at.
#[derive(Default)]
pub(super) struct Files {
    first: OnceCell<Box<Kept>>,
    bytes: Cell<u64>,
    count: Cell<usize>,
}

struct Kept {
    bytes: Vec<u8>,
    next: OnceCell<Box<Self>>,
}

/// The most files that are read for one image.
const MAX_FILES: usize = 4_096;

impl Files {
    /// The contents of the regular file at `path`, and its state; `None` when there is none.
    pub(super) fn read(&self, path: &Path) -> Result<Option<(&[u8], Stamp)>, Absent> {
        // A pipe would block at opening, so what it is comes first.
        if !std::fs::metadata(path).is_ok_and(|meta| meta.is_file()) {
            return Ok(None);
        }
        let Ok(mut file) = File::open(path) else { return Ok(None) };
        let Ok(meta) = file.metadata() else { return Ok(None) };
        let stamp = Stamp::from_meta(&meta);
        self.count.set(self.count.get() + 1);
        self.bytes.set(self.bytes.get().saturating_add(stamp.len));
        if self.count.get() > MAX_FILES {
            return Err(Absent::TooLarge { what: "files", limit: MAX_FILES });
        }
        if self.bytes.get() > MAX_BYTES {
            return Err(Absent::TooLarge { what: "bytes", limit: MAX_BYTES as usize });
        }
        let mut bytes = Vec::with_capacity(stamp.len as usize + 1);
        let read = (&mut file).take(stamp.len + 1).read_to_end(&mut bytes);
        let after = file.metadata().ok().map(|meta| Stamp::from_meta(&meta));
        // Whoever is writing it writes it for another build.
        if read.is_err() || after != Some(stamp) || bytes.len() as u64 != stamp.len {
            return Err(Absent::stale(path));
        }
        Ok(Some((self.keep(bytes), stamp)))
    }

    fn keep(&self, bytes: Vec<u8>) -> &[u8] {
        let mut place = &self.first;
        while let Some(kept) = place.get() {
            place = &kept.next;
        }
        &place.get_or_init(|| Box::new(Kept { bytes, next: OnceCell::new() })).bytes
    }
}

#[cfg(test)]
mod tests {
    use super::is_named_once;
    use std::path::Path;

    #[test]
    fn names_that_are_used_again_are_told_apart() {
        let once = |name: &str| is_named_once(Path::new(name));
        assert!(once("/t/deps/game.052m9m14qqmbfu4x8o9an6vn3.0y12nm7.rcgu.dwo"));
        assert!(once("game-7207da595907c8c3.evs6nretwc5hb99ym8baw7pt3.0ralf21.rcgu.dwo"));
        assert!(!once("game.game.9a73737615555505-cgu.0.rcgu.dwo"));
        assert!(!once("game.052m9m14qqmbfu4x8o9an6vn3.rcgu.dwo"));
        assert!(!once("game.dwo"));
        assert!(!once(""));
    }
}
