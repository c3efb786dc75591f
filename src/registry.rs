//! The registry: which images of this process hold hot functions, and through which slots each
//! function is called.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use midair_trampolines::function::{Function, FunctionHead};
use midair_trampolines::hook::{Hook, HookHead};
use midair_trampolines::identity::{Cells, Identity};
use midair_trampolines::os::{self, Image};
use midair_trampolines::persist::{Static, StaticHead};
use midair_trampolines::record::{Kind, Malformed, records};
use midair_trampolines::section::Section;
use midair_trampolines::text::crate_of;
use midair_trampolines::types::Types;

use crate::deep::{Known, Spot};
use crate::editions::Editions;
use crate::error::Error;
use crate::load::Loaded;
use crate::manifest::shared_std;
use crate::notice;
use crate::patch::Patch;

/// One image with hot functions.
#[derive(Clone, Debug)]
pub(crate) struct LiveImage {
    /// Its `midair` section.
    pub(crate) section: Section,
    /// The file it was loaded from.
    pub(crate) path: PathBuf,
    /// What the loader added to the file's addresses.
    base: usize,
    /// The inode that is mapped.
    pub(crate) inode: Option<u64>,
    /// By which rules it was compiled.
    pub(crate) identity: Identity,
    /// The shared standard library that it uses, if it has none of its own.
    pub(crate) shared_std: Option<String>,
    /// What is known of its types; forgotten once a newer edition runs that has all that it has,
    /// unless the program loaded it itself.
    pub(crate) types: Option<Arc<Known>>,
    /// The image that the program itself loaded and that this one, as a patch, stands for; its
    /// own number in an image of generation 0.
    pub(crate) unit: usize,
    /// What the unit ran before this patch: where functions are found that the patch lacks.
    pub(crate) parent: Option<usize>,
    /// What runs when its generation comes or goes.
    pub(crate) hooks: Vec<(Hook, &'static HookHead)>,
}

impl LiveImage {
    /// The name of `function`, and where its record stands in the file.
    pub(crate) fn spot_of<'a>(&self, function: &'a Function) -> Spot<'a> {
        let section = self.section.start().wrapping_sub(self.base) as u64;
        (&function.name, section + function.offset as u64)
    }
}

/// One function in one image.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    /// Which image.
    pub(crate) image: usize,
    /// Its live record.
    pub(crate) head: &'static FunctionHead,
    /// What the record says.
    pub(crate) function: Arc<Function>,
}

/// One persistent static in one image.
#[derive(Clone, Debug)]
pub(crate) struct LiveStatic {
    /// Which image.
    pub(crate) image: usize,
    /// Its live record.
    pub(crate) head: &'static StaticHead,
    /// What the record says.
    pub(crate) record: Arc<Static>,
}

/// All images and functions of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    images: Vec<Arc<LiveImage>>,
    functions: BTreeMap<Arc<str>, Vec<Live>>,
    /// Every persistent static by name, in each image that has it.
    statics: BTreeMap<Arc<str>, Vec<LiveStatic>>,
    /// Whose code each unit runs.
    editions: Editions,
    /// The bases of images whose records cannot be read, and of refused patches.
    passed_over: Vec<usize>,
}

impl Registry {
    /// The images, in the order in which they were found.
    pub(crate) fn images(&self) -> &[Arc<LiveImage>] {
        &self.images
    }

    /// Every function by name, with its slot in each image.
    pub(crate) fn functions(&self) -> &BTreeMap<Arc<str>, Vec<Live>> {
        &self.functions
    }

    /// Whose code each unit runs.
    pub(crate) fn editions(&self) -> &Editions {
        &self.editions
    }

    /// The registry when units run the code of `editions`.
    pub(crate) fn running(&self, editions: Editions) -> Self {
        Self { editions, ..self.clone() }
    }

    /// The place of the code that the callers of a function in `unit` reach now.
    pub(crate) fn current<'a>(&self, unit: usize, lives: &'a [Live]) -> Option<&'a Live> {
        self.editions.source(self, unit, lives)
    }

    /// The first place of the function called `name` in `unit`: the one whose routes all others
    /// follow.
    pub(crate) fn primary(&self, unit: usize, name: &str) -> Option<&Live> {
        self.lives(name).iter().find(|live| self.images[live.image].unit == unit)
    }

    /// Whether any caller reaches code of image `number` now.
    pub(crate) fn is_in_use(&self, number: usize) -> bool {
        self.functions.values().any(|lives| {
            let reached = |live: &Live| {
                let unit = self.images[live.image].unit;
                self.current(unit, lives).is_some_and(|source| source.image == number)
            };
            lives.iter().any(reached)
        })
    }

    /// The places of the function called `name`.
    pub(crate) fn lives(&self, name: &str) -> &[Live] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// The places of the persistent static called `name` in `unit` and its editions.
    pub(crate) fn statics_of(&self, unit: usize, name: &str) -> Vec<&LiveStatic> {
        let places = self.statics.get(name).map_or(&[][..], Vec::as_slice);
        places.iter().filter(|live| self.images[live.image].unit == unit).collect()
    }

    /// The persistent static called `name` in image `number`.
    pub(crate) fn static_in(&self, number: usize, name: &str) -> Option<&LiveStatic> {
        self.statics.get(name)?.iter().find(|live| live.image == number)
    }

    /// The number of the image whose section is `section`.
    pub(crate) fn image_of(&self, section: Section) -> Option<usize> {
        self.images.iter().position(|image| image.section == section)
    }

    /// The crates that have hot functions.
    pub(crate) fn crates(&self) -> Vec<String> {
        let mut crates: Vec<_> =
            self.functions.keys().map(|name| crate_of(name).to_owned()).collect();
        crates.dedup();
        crates
    }

    /// The registry with every image added that the process has loaded since; `extra` are
    /// sections that images reported themselves.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where images cannot be found.
    pub(crate) fn rescanned(self: &Arc<Self>, extra: &[Section]) -> Result<Arc<Self>, Error> {
        let known = self.images.iter().map(|image| image.base);
        let known: HashSet<usize> = known.chain(self.passed_over.iter().copied()).collect();
        let fresh = os::images(|base| !known.contains(&base))?;
        let noted = fresh.iter().filter_map(|image| Some((image, image.section?)));
        let reported = extra.iter().filter_map(|section| {
            let holds =
                |image: &&Image| image.span.0 <= section.start() && section.start() < image.span.1;
            Some((fresh.iter().find(holds)?, *section))
        });
        let mut next = Arc::clone(self);
        for (image, section) in noted.chain(reported) {
            if next.image_of(section).is_some() || !stays(image) {
                continue;
            }
            let registry = Arc::make_mut(&mut next);
            match registry.add(image, section, None) {
                Ok(Added::Whole) => {}
                // Another thread is still loading it; the next scan meets it whole.
                Ok(Added::NotYet) => {}
                Ok(Added::Refused) => registry.passed_over.push(image.base),
                Err(reason) => {
                    registry.passed_over.push(image.base);
                    notice::warn(format_args!(
                        "the hot functions of {} cannot be patched: {reason}",
                        image.path.display()
                    ));
                }
            }
        }
        Ok(next)
    }

    /// The registry without the image that was added last, which will not be found again: a patch
    /// that was refused after it had been loaded.
    pub(crate) fn without_last(&self) -> Self {
        let mut next = self.clone();
        let number = next.images.len() - 1;
        if let Some(image) = next.images.pop() {
            next.passed_over.push(image.base);
        }
        next.functions.retain(|_, lives| {
            lives.retain(|live| live.image != number);
            !lives.is_empty()
        });
        next.statics.retain(|_, lives| {
            lives.retain(|live| live.image != number);
            !lives.is_empty()
        });
        next
    }

    /// The registry with `patch`, which was `loaded`, as its last image; nobody runs its code yet.
    ///
    /// # Errors
    /// [`Error::Records`] or [`Error::Bound`] when it is not what its file said.
    pub(crate) fn with_patch(
        &self,
        path: &Path,
        loaded: &Loaded,
        patch: &Patch,
    ) -> Result<Self, Error> {
        let mut next = self.clone();
        match next.add(&loaded.image, loaded.section, Some(patch)) {
            Ok(Added::Whole) => Ok(next),
            Ok(_) => Err(Error::Bound {
                path: path.to_owned(),
                name: "the library's own identity".to_owned(),
            }),
            Err(source) => Err(Error::Records { path: path.to_owned(), source }),
        }
    }

    /// The registry without the types of those editions with which nothing will be compared any
    /// more, now that image `number` runs: what they have, it has as well, or their unit has.
    pub(crate) fn without_types_before(&self, number: usize) -> Self {
        let unit = self.images[number].unit;
        let needed = self.compared_beside(unit, number);
        let mut next = self.clone();
        for (other, image) in next.images.iter_mut().enumerate() {
            let stays = other == unit || other == number || needed.contains(&other);
            if !stays && image.unit == unit && image.types.is_some() {
                *image = Arc::new(LiveImage { types: None, ..LiveImage::clone(image) });
            }
        }
        next
    }

    /// The images whose types alone tell of a function, or of what a static holds, that neither
    /// image `number` nor its `unit` has.
    fn compared_beside(&self, unit: usize, number: usize) -> BTreeSet<usize> {
        let stays = |image: usize| image == unit || image == number;
        let knows =
            |image: usize| self.images[image].unit == unit && self.images[image].types.is_some();
        let mut needed = BTreeSet::new();
        for lives in self.functions.values() {
            if !lives.iter().any(|live| stays(live.image)) {
                // Each was compared with those before it.
                needed.extend(lives.iter().map(|live| live.image).rfind(|image| knows(*image)));
            }
        }
        for lives in self.statics.values() {
            let mut newest: BTreeMap<*const (), usize> = BTreeMap::new();
            for live in lives.iter().filter(|live| knows(live.image)) {
                let known = newest.entry(live.head.instance()).or_insert(live.image);
                *known = if stays(*known) { *known } else { live.image };
            }
            needed.extend(newest.into_values());
        }
        needed
    }

    /// Adds the hot functions of `image`, which stays for ever, as those of `patch` or as of one that
    /// the program loaded itself.
    fn add(
        &mut self,
        image: &Image,
        section: Section,
        patch: Option<&Patch>,
    ) -> Result<Added, Malformed> {
        let records = Records::read(section)?;
        if patch.is_none() && records.is_patch {
            // It was loaded as a patch and refused afterwards.
            return Ok(Added::Refused);
        }
        // An executable whose midair lives in a library of its own has no identity record; it was
        // built together with that library.
        let first = || self.images.first().map(|first| first.identity.clone());
        let Some(identity) = records.identity.clone().or_else(first) else {
            return Ok(Added::NotYet);
        };
        let number = self.images.len();
        let whole = records.functions.iter().all(|(head, _)| {
            let inside = |address: usize| image.span.0 <= address && address < image.span.1;
            // The slot's address is looked at before what is in it: the loader fills both.
            inside(head.body().addr())
                && inside(std::ptr::from_ref(head.slot()).addr())
                && !head.slot().target().is_null()
        });
        if !whole {
            return Ok(Added::NotYet);
        }
        let known = patch.map(|patch| Arc::clone(&patch.types));
        let types = known.unwrap_or_else(|| Arc::new(records.types(image, section)));
        for (head, function) in records.functions {
            let live = Live { image: number, head, function: Arc::new(function) };
            if let Some(patch) = patch
                && let Some(primary) = self.primary(patch.unit, live.function.name.as_str())
            {
                live.head.follow(primary.head);
            }
            match self.functions.get_mut(live.function.name.as_str()) {
                Some(lives) => lives.push(live),
                None => {
                    self.functions.insert(live.function.name.as_str().into(), vec![live]);
                }
            }
        }
        for (head, record) in records.statics {
            let lives = self.statics.entry(record.item.name.as_str().into()).or_default();
            lives.push(LiveStatic { image: number, head, record: Arc::new(record) });
        }
        self.images.push(Arc::new(LiveImage {
            section,
            path: image.path.clone(),
            base: image.base,
            // Only for what the program loaded itself does anybody ask whether a file is that one.
            inode: if patch.is_none() { os::mapped_inode(image.span.0) } else { None },
            identity,
            shared_std: shared_std(&image.needed).map(str::to_owned),
            types: Some(types),
            unit: patch.map_or(number, |patch| patch.unit),
            parent: patch.map(|patch| self.editions.of(patch.unit)),
            hooks: records.hooks,
        }));
        Ok(Added::Whole)
    }

    /// The program's own image that shares the most functions with `names`.
    pub(crate) fn unit_for<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<usize> {
        let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
        for name in names {
            let units: BTreeSet<_> =
                self.lives(name).iter().map(|live| self.images[live.image].unit).collect();
            for unit in units {
                *shared.entry(unit).or_default() += 1;
            }
        }
        shared
            .into_iter()
            .max_by_key(|(unit, count)| (*count, Reverse(*unit)))
            .map(|(unit, _)| unit)
    }

    /// The functions that image `unit` or the edition that it runs has.
    pub(crate) fn functions_of(&self, unit: usize) -> impl Iterator<Item = (&str, &[Live])> {
        let newest = self.editions.of(unit);
        self.functions
            .iter()
            .filter(move |(_, lives)| {
                lives.iter().any(|live| live.image == unit || live.image == newest)
            })
            .map(|(name, lives)| (&**name, lives.as_slice()))
    }
}

/// What came of adding an image.
enum Added {
    /// All of its functions are known now.
    Whole,
    /// The loader is not done with it.
    NotYet,
    /// It is a patch that was refused after it was loaded.
    Refused,
}

/// What the records of a loaded image say.
#[derive(Default)]
struct Records {
    identity: Option<Identity>,
    is_patch: bool,
    functions: Vec<(&'static FunctionHead, Function)>,
    types: Vec<Types>,
    statics: Vec<(&'static StaticHead, Static)>,
    hooks: Vec<(Hook, &'static HookHead)>,
}

impl Records {
    /// What will be known of the types of `image`, whose records these are.
    fn types(&self, image: &Image, section: Section) -> Known {
        let start = section.start().wrapping_sub(image.base) as u64;
        let functions = self.functions.iter().map(|(_, function)| function.offset);
        let statics = self.statics.iter().map(|(_, record)| record.item.offset);
        let records = functions.chain(statics).map(|offset| start + offset as u64).collect();
        let inode = os::mapped_inode(image.span.0);
        Known::of_image(&image.path, inode, records, self.types.clone())
    }

    /// Reads the records of an image that stays.
    fn read(section: Section) -> Result<Self, Malformed> {
        let bytes = section.snapshot();
        let mut read = Self::default();
        for record in records(&bytes)? {
            match record.kind {
                Kind::Identity => {
                    read.identity = Some(Identity::read(record)?);
                    // SAFETY: an identity record was read at this place just now.
                    let cells = unsafe { Cells::at(section.record(record.offset)) };
                    read.is_patch = !cells.seed().is_null();
                }
                Kind::Function => {
                    let function = Function::read(record)?;
                    // SAFETY: a function record was read at this place just now.
                    let head = unsafe { section.function(record.offset) };
                    read.functions.push((head, function));
                }
                Kind::Types => read.types.push(Types::read(record)?),
                Kind::Static => {
                    let persistent = Static::read(record)?;
                    // SAFETY: a static record was read at this place just now.
                    let head = unsafe { section.persistent(record.offset) };
                    read.statics.push((head, persistent));
                }
                Kind::Hook => {
                    let hook = Hook::read(record)?;
                    // SAFETY: a hook record was read at this place just now.
                    let head = unsafe { section.hook(record.offset) };
                    read.hooks.push((hook, head));
                }
                _ => {}
            }
        }
        Ok(read)
    }
}

/// Sees that `image` stays for ever; whether it is still the one that was found.
fn stays(image: &Image) -> bool {
    if !os::pin(image) {
        return false;
    }
    let again = if image.is_program { Ok(None) } else { os::image_named(&image.path) };
    match again {
        Ok(Some(again)) => again.base == image.base && again.section == image.section,
        _ => image.is_program,
    }
}
