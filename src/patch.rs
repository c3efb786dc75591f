//! The patch: an artifact's functions compared with the program's, one by one, and the stores
//! that follow when every one of them fits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use midair_trampolines::function::Function;
use midair_trampolines::shape::{Shape, UNSIZED};

use crate::Missing;
use crate::artifact::Artifact;
use crate::deep::{self, Answer, Known};
use crate::domain::Settings;
use crate::error::{Error, Rule};
use crate::format::Allocator;
use crate::manifest::Manifest;
use crate::registry::{Live, LiveImage, Registry};
use crate::report::{Depth, FunctionReport, Mismatch, Outcome};

/// An artifact that was compared with the running program and fits.
#[derive(Debug)]
pub(crate) struct Patch {
    /// The program's image that it is a new edition of.
    pub(crate) unit: usize,
    /// What is to happen, by name.
    pub(crate) functions: Vec<FunctionReport>,
    /// What is known of its types.
    pub(crate) types: Arc<Known>,
}

impl Patch {
    /// Compares `manifest` with `registry`, as a new edition of image `of` or, when that is not
    /// known, of the image that it shares the most functions with.
    ///
    /// # Errors
    /// [`Error::Artifact`] for another format or machine, [`Error::Foreign`],
    /// [`Error::Identity`], and [`Error::Refused`] with the verdict on each function.
    pub(crate) fn check(
        artifact: &Artifact,
        manifest: &Manifest,
        registry: &Registry,
        settings: &Settings,
        of: Option<usize>,
    ) -> Result<Self, Error> {
        let path = artifact.path();
        manifest
            .check_host()
            .map_err(|source| Error::Artifact { path: path.to_owned(), source })?;
        let names = || manifest.functions.iter().map(|function| function.name.as_str());
        let known = names().any(|name| !registry.lives(name).is_empty());
        let Some(unit) = of.filter(|_| known).or_else(|| registry.unit_for(names())) else {
            return Err(Error::Foreign {
                path: path.to_owned(),
                artifact: manifest.crate_name().to_owned(),
                running: registry.crates(),
            });
        };
        let reach = Reach::of(manifest, registry, unit);
        for image in &reach.images {
            check_identity(path, manifest, &registry.images()[*image])?;
        }
        let types = deep::of_artifact(artifact.bytes(), manifest);
        let comparison = Comparison { manifest, registry, reach: &reach, types: &types };
        let functions = comparison.verdicts(settings.missing);
        if functions.iter().any(|function| matches!(function.outcome, Outcome::Refused(_))) {
            return Err(Error::Refused { path: path.to_owned(), functions });
        }
        Ok(Self { unit, functions, types })
    }

    /// Points every slot within reach at the code that image `new` of `registry` brings.
    ///
    /// Only stores: nothing in here can fail.
    pub(crate) fn commit(registry: &Registry, new: usize) {
        let reach = Reach::of_image(registry, new);
        for lives in registry.functions().values() {
            let Some(source) = lives.iter().find(|live| live.image == new) else { continue };
            let body = source.head.body();
            for live in lives.iter().filter(|live| reach.images.contains(&live.image)) {
                live.head.slot().retarget(body);
            }
        }
    }
}

/// The images whose callers a patch reaches: those of its own unit, and of every other one that
/// is an edition of the same package and that the patch can replace whole.
///
/// Another library that merely shares a dependency keeps its own copy of it, with its own statics;
/// another package of the same name is none of the patch's business.
struct Reach {
    unit: usize,
    images: BTreeSet<usize>,
}

impl Reach {
    fn of(manifest: &Manifest, registry: &Registry, unit: usize) -> Self {
        let functions: BTreeMap<&str, u64> =
            manifest.functions.iter().map(|f| (f.name.as_str(), f.package_hash)).collect();
        Self::new(registry, unit, &functions)
    }

    fn of_image(registry: &Registry, image: usize) -> Self {
        let functions: BTreeMap<&str, u64> = registry
            .functions()
            .values()
            .flatten()
            .filter(|live| live.image == image)
            .map(|live| (live.function.name.as_str(), live.function.package_hash))
            .collect();
        Self::new(registry, registry.images()[image].unit, &functions)
    }

    fn new(registry: &Registry, unit: usize, functions: &BTreeMap<&str, u64>) -> Self {
        let same = |lives: &[Live], of: usize| {
            lives.iter().filter(|live| registry.images()[live.image].unit == of).all(|live| {
                functions.get(live.function.name.as_str()) == Some(&live.function.package_hash)
            })
        };
        let mut units: BTreeSet<usize> = registry.images().iter().map(|image| image.unit).collect();
        units.retain(|of| {
            *of == unit || registry.functions_of(*of).all(|(_, lives)| same(lives, *of))
        });
        let images = registry.images().iter().enumerate();
        let images = images.filter(|(_, image)| units.contains(&image.unit)).map(|(at, _)| at);
        Self { unit, images: images.collect() }
    }

    /// The places of `lives` that are within reach.
    fn within<'a>(&self, lives: &'a [Live]) -> Vec<&'a Live> {
        lives.iter().filter(|live| self.images.contains(&live.image)).collect()
    }
}

fn check_identity(path: &Path, manifest: &Manifest, image: &LiveImage) -> Result<(), Error> {
    let (new, old) = (&manifest.identity, &image.identity);
    let own = "a copy of its own".to_owned();
    let std = |name: Option<&str>| name.map_or_else(|| own.clone(), str::to_owned);
    let rules = [
        (Rule::Compiler, old.rustc.clone(), new.rustc.clone()),
        (Rule::Target, old.target.clone(), new.target.clone()),
        (Rule::Features, abi_features(&old.features), abi_features(&new.features)),
        (Rule::Panic, old.panic.to_string(), new.panic.to_string()),
        (Rule::Std, std(image.shared_std.as_deref()), std(manifest.shared_std())),
    ];
    for (what, running, artifact) in rules {
        if running != artifact {
            return Err(Error::Identity { path: path.to_owned(), what, running, artifact });
        }
    }
    if manifest.allocator() == Allocator::Own {
        return Err(Error::Identity {
            path: path.to_owned(),
            what: Rule::Allocator,
            running: "the one that is in use".to_owned(),
            artifact: "another copy of one that is not the system's".to_owned(),
        });
    }
    Ok(())
}

/// The features that decide in which registers arguments travel.
fn abi_features(features: &str) -> String {
    const ABI: [&str; 8] = ["soft-float", "x87", "sse", "sse2", "avx", "avx512f", "neon", "sve"];
    let found: BTreeSet<_> = features.split(',').filter(|name| ABI.contains(name)).collect();
    found.into_iter().collect::<Vec<_>>().join(",")
}

/// An artifact beside the program.
struct Comparison<'a> {
    manifest: &'a Manifest,
    registry: &'a Registry,
    reach: &'a Reach,
    types: &'a Known,
}

impl Comparison<'_> {
    fn verdicts(&self, missing: Missing) -> Vec<FunctionReport> {
        let mut artifact: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
        for function in &self.manifest.functions {
            artifact.entry(&function.name).or_default().push(function);
        }
        let mut reports = Vec::new();
        for (name, editions) in &artifact {
            let lives = self.reach.within(self.registry.lives(name));
            let new = editions[0];
            let (outcome, checked) = match editions.len() {
                1 => self.verdict(&lives, new),
                _ => (Outcome::Refused(Mismatch::Ambiguous), Depth::Shallow),
            };
            let old = current(&lives);
            let body_changed = old.is_none_or(|old| old.function.body_hash != new.body_hash);
            let name = (*name).to_owned();
            reports.push(FunctionReport { name, outcome, checked, body_changed });
        }
        for (name, lives) in self.registry.functions_of(self.reach.unit) {
            if artifact.contains_key(name) {
                continue;
            }
            // What only a patch brought is called by that patch alone, whose slots stay.
            let called = lives.iter().any(|live| live.image == self.reach.unit);
            let outcome = match missing {
                Missing::Refuse if called => Outcome::Refused(Mismatch::Missing),
                _ => Outcome::Missing,
            };
            let (name, checked) = (name.to_owned(), Depth::Shallow);
            reports.push(FunctionReport { name, outcome, checked, body_changed: false });
        }
        reports.sort_by(|one, other| one.name.cmp(&other.name));
        reports
    }

    /// Compares `new` with each edition of the function that some caller was compiled against.
    fn verdict(&self, lives: &[&Live], new: &Function) -> (Outcome, Depth) {
        if lives.is_empty() {
            return (Outcome::New, Depth::Shallow);
        }
        let images: BTreeSet<_> = lives.iter().map(|live| live.image).collect();
        if images.len() != lives.len() {
            return (Outcome::Refused(Mismatch::Ambiguous), Depth::Shallow);
        }
        // What the types are decides; where one side does not know them, what they are called and
        // how large they are.
        let mut depth = Depth::DebugInfo;
        let mut compared = false;
        for live in lives {
            let shallow = mismatch(&live.function, new);
            match self.deep(live, new) {
                Some(Answer::Different(mismatch)) => {
                    return (Outcome::Refused(mismatch), Depth::DebugInfo);
                }
                Some(Answer::Same) => {
                    compared = true;
                    if let Some(mismatch) = shallow.filter(|_| !only_spelling(&live.function, new))
                    {
                        return (Outcome::Refused(mismatch), Depth::DebugInfo);
                    }
                }
                Some(Answer::Unknown) => {
                    depth = Depth::Shallow;
                    if let Some(mismatch) = shallow {
                        return (Outcome::Refused(mismatch), Depth::Shallow);
                    }
                }
                // An edition between: what it was compared with then is compared with now.
                None => {}
            }
        }
        (Outcome::Retargeted, if compared { depth } else { Depth::Shallow })
    }

    /// The deep comparison with one edition; `None` for one whose types were forgotten.
    fn deep(&self, live: &Live, new: &Function) -> Option<Answer> {
        let image = &self.registry.images()[live.image];
        let known = image.types.as_ref()?;
        let address = self.manifest.section.1 + new.offset as u64;
        Some(known.compare(image.address_of(&live.function), self.types, address))
    }
}

/// The place of the code that callers of a function reach now.
fn current<'a>(lives: &[&'a Live]) -> Option<&'a Live> {
    let target = lives.first()?.head.slot().target();
    let runs = |live: &&&Live| live.head.body() == target;
    lives.iter().find(runs).or_else(|| lives.first()).copied()
}

/// Whether two signatures whose types are the same differ in how these are written alone: an alias,
/// a path. Words before the arguments, their number, and what lifetimes tie are no spelling.
fn only_spelling(old: &Function, new: &Function) -> bool {
    let words = |signature: &str| signature.split_once("fn(").map(|(words, _)| words.to_owned());
    let places = |function: &Function| -> BTreeSet<u32> {
        function.types.iter().map(|(_, shape)| shape.place).collect()
    };
    let tied = |signature: &str| signature.contains('\'');
    words(&old.signature) == words(&new.signature)
        && places(old) == places(new)
        && !tied(&old.signature)
        && !tied(&new.signature)
}

fn mismatch(old: &Function, new: &Function) -> Option<Mismatch> {
    if old.signature != new.signature || old.types.len() != new.types.len() {
        return Some(Mismatch::Signature {
            old: old.signature.clone(),
            new: new.signature.clone(),
        });
    }
    let changed = || old.types.iter().zip(&new.types).filter(|(old, new)| !old.1.same(&new.1));
    // A pointer's shape changes with what it leads to; the type to name is the one that is itself
    // another size.
    let itself = changed().find(|(old, new)| extents(&old.1) != extents(&new.1));
    let (old_type, new_type) = itself.or_else(|| changed().next())?;
    Some(Mismatch::Layout {
        place: new_type.1.place,
        ty: new_type.0.clone(),
        old: extent(&old_type.1, &new_type.1),
        new: extent(&new_type.1, &old_type.1),
    })
}

fn extents(shape: &Shape) -> (u64, u32) {
    (shape.size, shape.align)
}

/// The numbers of `shape` that differ from those of `other`.
fn extent(shape: &Shape, other: &Shape) -> String {
    let part = |what: &str, size: u64, align: u32| match size {
        UNSIZED => format!("{what}unsized"),
        _ => format!("{what}size {size}, align {align}"),
    };
    if extents(shape) == extents(other) {
        return part("behind it ", shape.inner_size, shape.inner_align);
    }
    part("", shape.size, shape.align)
}

#[cfg(test)]
mod tests {
    use super::{abi_features, extent};
    use midair_trampolines::shape::Shape;

    #[test]
    fn only_features_that_change_calls_are_compared() {
        assert_eq!(abi_features("fxsr,sse,sse2,x87"), abi_features("x87,sse2,sse,popcnt"));
        assert_ne!(abi_features("sse,sse2"), abi_features("avx,sse,sse2"));
    }

    #[test]
    fn an_extent_names_what_differs() {
        let old = Shape::new(1, Some((8, 8)), Some((16, 8)));
        let new = Shape::new(1, Some((8, 8)), Some((24, 8)));
        assert_eq!(extent(&old, &new), "behind it size 16, align 8");
        assert_eq!(extent(&new, &old), "behind it size 24, align 8");
    }
}
