//! The registry: which images of this process hold hot functions, and through which slots each
//! function is called.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use midair_trampolines::function::{Function, FunctionHead};
use midair_trampolines::identity::Identity;
use midair_trampolines::os::{self, Image};
use midair_trampolines::record::{Kind, Malformed, records};
use midair_trampolines::section::Section;
use midair_trampolines::text::crate_of;

use crate::error::Error;
use crate::manifest::shared_std;
use crate::notice;

/// One image with hot functions.
#[derive(Clone, Debug)]
pub(crate) struct LiveImage {
    /// Its `midair` section.
    pub(crate) section: Section,
    /// The file it was loaded from.
    pub(crate) path: PathBuf,
    /// The addresses it spans.
    pub(crate) span: (usize, usize),
    /// What the loader added to the file's addresses.
    base: usize,
    /// The inode that is mapped.
    #[cfg_attr(not(feature = "watch"), expect(dead_code, reason = "only who follows files asks"))]
    pub(crate) inode: Option<u64>,
    /// By which rules it was compiled.
    pub(crate) identity: Identity,
    /// The shared standard library that it uses, if it has none of its own.
    pub(crate) shared_std: Option<String>,
    /// The image that the program itself loaded and that this one, as a patch, stands for; its
    /// own number in an image of generation 0.
    pub(crate) unit: usize,
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

/// All images and functions of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    images: Vec<Arc<LiveImage>>,
    functions: BTreeMap<Arc<str>, Vec<Live>>,
    /// The bases of images whose records cannot be read; told once.
    unreadable: Vec<usize>,
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

    /// The places of the function called `name`.
    pub(crate) fn lives(&self, name: &str) -> &[Live] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
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
        let known: HashSet<usize> = known.chain(self.unreadable.iter().copied()).collect();
        let fresh = os::images(|base| !known.contains(&base))?;
        let noted = fresh.iter().filter_map(|image| Some((image, image.section?)));
        let reported = extra.iter().filter_map(|section| {
            let holds =
                |image: &&Image| image.span.0 <= section.start() && section.start() < image.span.1;
            Some((fresh.iter().find(holds)?, *section))
        });
        let mut next = Arc::clone(self);
        for (image, section) in noted.chain(reported) {
            if next.image_of(section).is_some() {
                continue;
            }
            let registry = Arc::make_mut(&mut next);
            if let Err(reason) = registry.add(image, section, None) {
                registry.unreadable.push(image.base);
                notice::warn(format_args!(
                    "the hot functions of {} cannot be patched: {reason}",
                    image.path.display()
                ));
            }
        }
        Ok(next)
    }

    /// Adds the hot functions of `image`, as a patch for the image `unit` or as one that the
    /// program loaded itself.
    ///
    /// # Errors
    /// [`Malformed`] when its records cannot be read.
    pub(crate) fn add(
        &mut self,
        image: &Image,
        section: Section,
        unit: Option<usize>,
    ) -> Result<(), Malformed> {
        let bytes = section.snapshot();
        let mut identity = None;
        let mut functions = Vec::new();
        for record in records(&bytes)? {
            match record.kind {
                Kind::Identity => identity = Some(Identity::read(record)?),
                Kind::Function => functions.push(Function::read(record)?),
                _ => {}
            }
        }
        // An executable whose midair lives in a library of its own has no identity record; it was
        // built together with that library.
        let first = || self.images.first().map(|first| first.identity.clone());
        let Some(identity) = identity.or_else(first) else { return Ok(()) };
        let number = self.images.len();
        let mut found = Vec::new();
        for function in functions {
            // SAFETY: the record was read from this section's snapshot just now.
            let head = unsafe { section.function(function.offset) };
            let body = head.body().addr();
            if head.slot().target().is_null() || body < image.span.0 || body >= image.span.1 {
                // Another thread is still loading this image; the next scan meets it whole.
                return Ok(());
            }
            found.push(Live { image: number, head, function: Arc::new(function) });
        }
        for live in found {
            match self.functions.get_mut(live.function.name.as_str()) {
                Some(lives) => lives.push(live),
                None => {
                    self.functions.insert(live.function.name.as_str().into(), vec![live]);
                }
            }
        }
        if unit.is_none() {
            // The host may close what it opened; what midair opens is never closed.
            os::pin(image);
        }
        self.images.push(Arc::new(LiveImage {
            section,
            path: image.path.clone(),
            span: image.span,
            base: image.base,
            // Only for what the program loaded itself does anybody ask whether a file is that one.
            inode: if unit.is_none() { os::mapped_inode(image.span.0) } else { None },
            identity,
            shared_std: shared_std(&image.needed).map(str::to_owned),
            unit: unit.unwrap_or(number),
        }));
        Ok(())
    }

    /// The record of the code that callers of `name` reach now.
    pub(crate) fn current(&self, name: &str) -> Option<&Live> {
        let lives = self.lives(name);
        let target = lives.first()?.head.slot().target();
        lives.iter().find(|live| live.head.body() == target).or_else(|| lives.first())
    }

    /// The program's own image that shares the most functions with `names`.
    pub(crate) fn unit_for<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<usize> {
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for name in names {
            for live in self.lives(name) {
                *shared.entry(self.images[live.image].unit).or_default() += 1;
            }
        }
        shared
            .into_iter()
            .max_by_key(|(unit, count)| (*count, usize::MAX - unit))
            .map(|(unit, _)| unit)
    }
}
