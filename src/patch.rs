//! The patch: an artifact's functions compared with the program's, one by one, and the stores
//! that follow when every one of them fits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use midair_trampolines::function::Function;
use midair_trampolines::shape::{Shape, UNSIZED};

use crate::Missing;
use crate::error::{Error, Rule};
use crate::format::Allocator;
use crate::manifest::Manifest;
use crate::registry::{LiveImage, Registry};
use crate::report::{Depth, FunctionReport, Mismatch, Outcome};

/// An artifact that was compared with the running program and fits.
#[derive(Debug)]
pub(crate) struct Patch {
    /// The program's image that it is a new edition of.
    pub(crate) unit: usize,
    /// What is to happen, by name.
    pub(crate) functions: Vec<FunctionReport>,
}

impl Patch {
    /// Compares `manifest` with `registry`.
    ///
    /// # Errors
    /// [`Error::Artifact`] for another format or machine, [`Error::Foreign`],
    /// [`Error::Identity`], and [`Error::Refused`] with the verdict on each function.
    pub(crate) fn check(
        path: &Path,
        manifest: &Manifest,
        registry: &Registry,
        missing: Missing,
    ) -> Result<Self, Error> {
        manifest
            .check_host()
            .map_err(|source| Error::Artifact { path: path.to_owned(), source })?;
        let names = || manifest.functions.iter().map(|function| function.name.as_str());
        let Some(unit) = registry.unit_for(names()) else {
            return Err(Error::Foreign {
                path: path.to_owned(),
                artifact: manifest.crate_name().to_owned(),
                running: registry.crates(),
            });
        };
        let concerned: BTreeSet<usize> =
            names().flat_map(|name| registry.lives(name)).map(|live| live.image).collect();
        for image in concerned {
            check_identity(path, manifest, &registry.images()[image])?;
        }
        let functions = verdicts(manifest, registry, unit, missing);
        if functions.iter().any(|function| matches!(function.outcome, Outcome::Refused(_))) {
            return Err(Error::Refused { path: path.to_owned(), functions });
        }
        Ok(Self { unit, functions })
    }

    /// Points every slot of every image at the code that image `new` of `registry` brings.
    ///
    /// Only stores: nothing in here can fail.
    pub(crate) fn commit(registry: &Registry, new: usize) {
        for lives in registry.functions().values() {
            let Some(source) = lives.iter().find(|live| live.image == new) else { continue };
            let body = source.head.body();
            for live in lives {
                live.head.slot().retarget(body);
            }
        }
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

fn verdicts(
    manifest: &Manifest,
    registry: &Registry,
    unit: usize,
    missing: Missing,
) -> Vec<FunctionReport> {
    let mut artifact: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
    for function in &manifest.functions {
        artifact.entry(&function.name).or_default().push(function);
    }
    let report = |name: &str, outcome, body_changed| FunctionReport {
        name: name.to_owned(),
        outcome,
        checked: Depth::Shallow,
        body_changed,
    };
    let mut reports = Vec::new();
    for (name, editions) in &artifact {
        let current = registry.current(name);
        let new = editions[0];
        let outcome = match (current, editions.len()) {
            (_, 2..) => Outcome::Refused(Mismatch::Ambiguous),
            (None, _) => Outcome::New,
            (Some(_), _) => verdict(registry, name, new),
        };
        let changed = current.is_none_or(|old| old.function.body_hash != new.body_hash);
        reports.push(report(name, outcome, changed));
    }
    for (name, lives) in registry.functions() {
        let ours = lives.iter().any(|live| registry.images()[live.image].unit == unit);
        if ours && !artifact.contains_key(&**name) {
            let outcome = match missing {
                Missing::Refuse => Outcome::Refused(Mismatch::Missing),
                Missing::Keep => Outcome::Missing,
            };
            reports.push(report(name, outcome, false));
        }
    }
    reports.sort_by(|one, other| one.name.cmp(&other.name));
    reports
}

/// Compares `new` with each edition of the function that some caller was compiled against.
fn verdict(registry: &Registry, name: &str, new: &Function) -> Outcome {
    let lives = registry.lives(name);
    let mut images: Vec<_> = lives.iter().map(|live| live.image).collect();
    images.dedup();
    if images.len() != lives.len() {
        return Outcome::Refused(Mismatch::Ambiguous);
    }
    let mismatch = lives.iter().find_map(|live| mismatch(&live.function, new));
    mismatch.map_or(Outcome::Retargeted, Outcome::Refused)
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
