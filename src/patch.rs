//! The patch: an artifact's functions compared with the program's, one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use midair_trampolines::function::Function;
use midair_trampolines::identity::PanicStrategy;

use crate::artifact::Artifact;
use crate::deep::{self, Answer, Known};
use crate::domain::Settings;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::registry::{Live, LiveImage, Registry};
use crate::report::{Depth, FunctionReport, Mismatch, Outcome};
use crate::state::State;
use crate::verdict::{self, Build, differing_rules};
use crate::{Missing, Require};

/// An artifact that was compared with the running program and fits.
#[derive(Debug)]
pub(crate) struct Patch {
    /// The program's image that it is a new edition of.
    pub(crate) unit: usize,
    /// The units whose callers it reaches.
    pub(crate) units: BTreeSet<usize>,
    /// What is to happen, by name.
    pub(crate) functions: Vec<FunctionReport>,
    /// What is known of its types.
    pub(crate) types: Arc<Known>,
    /// What becomes of each of its persistent statics.
    pub(crate) state: State,
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
        let types = deep::of_artifact(artifact, manifest);
        let comparison = Comparison { manifest, registry, reach: &reach, types: &types };
        let mut functions = comparison.verdicts(settings);
        let (state, refused) = State::plan(manifest, registry, unit, &types, settings.require);
        functions.extend(refused);
        check_uncaught(path, manifest, &state)?;
        if functions.iter().any(|function| matches!(function.outcome, Outcome::Refused(_))) {
            return Err(Error::Refused { path: path.to_owned(), functions });
        }
        Ok(Self { unit, units: reach.units, functions, types, state })
    }
}

/// Refuses code that would run before the commit, and whose panic would end the process.
fn check_uncaught(path: &Path, manifest: &Manifest, state: &State) -> Result<(), Error> {
    if manifest.identity.panic != PanicStrategy::Abort {
        return Ok(());
    }
    let reason =
        || "a panic in it could not be caught: it is built with `panic = \"abort\"`".to_owned();
    if let Some(hook) = manifest.hooks.first() {
        let hook = hook.name.clone();
        return Err(Error::Hook { path: path.to_owned(), hook, reason: reason() });
    }
    match state.migrates() {
        Some(name) => {
            let name = name.to_owned();
            Err(Error::Migration { path: path.to_owned(), name, reason: reason() })
        }
        None => Ok(()),
    }
}

impl Patch {
    /// The functions whose code differs from what runs.
    pub(crate) fn changed(&self) -> Vec<String> {
        let changed = self.functions.iter().filter(|function| function.body_changed);
        changed.map(|function| function.name.clone()).collect()
    }
}

/// The images whose callers a patch reaches: those of its own unit, and of every other one that
/// is an edition of the same package and that the patch can replace whole.
///
/// Another library that merely shares a dependency keeps its own copy of it, with its own statics;
/// another package of the same name is none of the patch's business.
struct Reach {
    unit: usize,
    units: BTreeSet<usize>,
    images: BTreeSet<usize>,
}

impl Reach {
    fn of(manifest: &Manifest, registry: &Registry, unit: usize) -> Self {
        let functions: BTreeMap<&str, u64> =
            manifest.functions.iter().map(|f| (f.name.as_str(), f.package_hash)).collect();
        Self::new(registry, unit, &functions)
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
        let images = images.collect();
        Self { unit, units, images }
    }

    /// The places of `lives` that are within reach.
    fn within<'a>(&self, lives: &'a [Live]) -> Vec<&'a Live> {
        lives.iter().filter(|live| self.images.contains(&live.image)).collect()
    }
}

fn check_identity(path: &Path, manifest: &Manifest, image: &LiveImage) -> Result<(), Error> {
    let old = Build { identity: &image.identity, shared_std: image.shared_std.as_deref() };
    let differing = differing_rules(old, manifest.build(), manifest.allocator());
    match differing.into_iter().next() {
        None => Ok(()),
        Some((what, running, artifact)) => {
            Err(Error::Identity { path: path.to_owned(), what, running, artifact })
        }
    }
}

/// An artifact beside the program.
struct Comparison<'a> {
    manifest: &'a Manifest,
    registry: &'a Registry,
    reach: &'a Reach,
    types: &'a Known,
}

impl Comparison<'_> {
    fn verdicts(&self, settings: &Settings) -> Vec<FunctionReport> {
        let mut artifact: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
        for function in &self.manifest.functions {
            artifact.entry(&function.name).or_default().push(function);
        }
        let mut reports = Vec::new();
        for (name, editions) in &artifact {
            let lives = self.reach.within(self.registry.lives(name));
            let new = editions[0];
            let (outcome, checked) = match editions.len() {
                1 => self.deep_enough(settings.require, &lives, new, self.verdict(&lives, new)),
                _ => (Outcome::Refused(Mismatch::Ambiguous), Depth::Shallow),
            };
            let old = self.registry.current(self.reach.unit, self.registry.lives(name));
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
            let is_delta = self.manifest.base.is_some();
            let outcome = match settings.missing {
                Missing::Refuse if called && !is_delta => Outcome::Refused(Mismatch::Missing),
                _ => Outcome::Missing,
            };
            let (name, checked) = (name.to_owned(), Depth::Shallow);
            reports.push(FunctionReport { name, outcome, checked, body_changed: false });
        }
        reports.sort_by(|one, other| one.name.cmp(&other.name));
        reports
    }

    /// Refuses what was compared less deeply than is required.
    fn deep_enough(
        &self,
        require: Require,
        lives: &[&Live],
        new: &Function,
        verdict: (Outcome, Depth),
    ) -> (Outcome, Depth) {
        if require == Require::Any || verdict != (Outcome::Retargeted, Depth::Shallow) {
            return verdict;
        }
        let theirs = self.types.shallow(self.manifest.spot_of(new));
        let ours = lives.iter().find_map(|live| {
            let image = &self.registry.images()[live.image];
            image.types.as_ref()?.shallow(image.spot_of(&live.function))
        });
        let reason = match (theirs, ours) {
            (Some(reason), _) => format!("of the artifact, {reason}"),
            (None, Some(reason)) => format!("of the running program, {reason}"),
            (None, None) => {
                "one side tells of them by debug info, the other by `Layout`".to_owned()
            }
        };
        (Outcome::Refused(Mismatch::Shallow { reason }), Depth::Shallow)
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
        let mut depth: Option<Depth> = None;
        let mut answers: Vec<_> =
            lives.iter().filter_map(|live| Some((live, self.deep(live, new)?))).collect();
        if answers.is_empty() {
            // It was away for a while; who called it then may still run.
            answers.extend(lives.last().map(|live| (live, Answer::Unknown)));
        }
        // An edition between is passed over: what it was compared with then is compared with now.
        for (live, answer) in answers {
            match verdict::compare(&live.function, new, answer) {
                (Some(mismatch), depth) => return (Outcome::Refused(mismatch), depth),
                (None, this) => depth = Some(depth.map_or(this, |depth| depth.min(this))),
            }
        }
        (Outcome::Retargeted, depth.unwrap_or(Depth::Shallow))
    }

    /// The deep comparison with one edition; `None` for one whose types were forgotten.
    fn deep(&self, live: &Live, new: &Function) -> Option<Answer> {
        let image = &self.registry.images()[live.image];
        let known = image.types.as_ref()?;
        let new = self.manifest.spot_of(new);
        Some(known.compare(image.spot_of(&live.function), self.types, new))
    }
}
