//! One file beside another: would the second be taken by a program that runs the first?

use std::collections::{BTreeMap, BTreeSet};

use midair_trampolines::function::Function;
use midair_trampolines::persist::Static;

use super::Library;
use crate::error::Rule;
use crate::report::{Depth, FunctionReport, Mismatch, Outcome};
use crate::state::{Edition, way};
use crate::verdict::{self, differing_rules};
use crate::{Missing, Require};

/// What a program that runs one library would make of another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// The rules of the build that differ; each is a reason to refuse.
    pub rules: Vec<RuleDifference>,
    /// Every function of both, by name.
    pub functions: Vec<FunctionReport>,
    /// Whether all that would be loaded of both files is the same, byte by byte.
    pub identical: bool,
}

/// A rule of the build that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleDifference {
    /// Which.
    pub rule: Rule,
    /// As it was.
    pub old: String,
    /// As it would be.
    pub new: String,
}

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It would be taken, and change nothing.
    Identical,
    /// It would be taken.
    Acceptable,
    /// It would be refused.
    Refused,
}

impl Comparison {
    /// What it comes to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let refused = |report: &FunctionReport| matches!(report.outcome, Outcome::Refused(_));
        if !self.rules.is_empty() || self.is_foreign() || self.functions.iter().any(refused) {
            Verdict::Refused
        } else if self.identical {
            Verdict::Identical
        } else {
            Verdict::Acceptable
        }
    }

    /// Whether the two have no function in common.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        let one_sided = |report: &FunctionReport| {
            matches!(
                report.outcome,
                Outcome::New | Outcome::Missing | Outcome::Refused(Mismatch::Missing)
            )
        };
        self.functions.iter().all(one_sided)
    }
}

/// Compares `new` with `old`, as a program that runs `old` would, before it loads anything.
///
/// Whether this machine could run either of them makes no difference.
#[must_use]
pub fn compare(old: &Library, new: &Library, missing: Missing, require: Require) -> Comparison {
    let rules =
        differing_rules(old.manifest().build(), new.manifest().build(), new.manifest().allocator());
    let rules = rules.into_iter().map(|(rule, old, new)| RuleDifference { rule, old, new });
    let (ours, theirs) = (by_name(old), by_name(new));
    let names: BTreeSet<_> = ours.keys().chain(theirs.keys()).copied().collect();
    let report = |name: &str| {
        let side = |functions: &BTreeMap<&str, Vec<_>>| functions.get(name).cloned();
        let (ours, theirs) = (side(&ours).unwrap_or_default(), side(&theirs).unwrap_or_default());
        let (outcome, checked, body_changed) = match (&ours[..], &theirs[..]) {
            ([], [_]) => (Outcome::New, Depth::Shallow, true),
            ([_, ..], []) if missing == Missing::Refuse => {
                (Outcome::Refused(Mismatch::Missing), Depth::Shallow, false)
            }
            (_, []) => (Outcome::Missing, Depth::Shallow, false),
            ([ours], [theirs]) => exchange((old, ours), (new, theirs), require),
            _ => (Outcome::Refused(Mismatch::Ambiguous), Depth::Shallow, true),
        };
        FunctionReport { name: name.to_owned(), outcome, checked, body_changed }
    };
    let mut functions: Vec<_> = names.into_iter().map(report).collect();
    functions.extend(refused_statics(old, new, require));
    Comparison {
        rules: rules.collect(),
        functions,
        identical: loaded_bytes(old) == loaded_bytes(new),
    }
}

/// The verdicts on persistent statics whose values could not be handed over.
fn refused_statics(old: &Library, new: &Library, require: Require) -> Vec<FunctionReport> {
    fn edition<'a>(library: &'a Library, record: &'a Static) -> Edition<'a> {
        let spot = library.manifest().spot_of(&record.item);
        Edition { record, types: Some(library.types()), spot }
    }
    let named = |library: &'_ Library, name: &str| {
        library.manifest().statics.iter().filter(|one| one.item.name == name).count()
    };
    let mut refused = Vec::new();
    for record in &new.manifest().statics {
        let name = &record.item.name;
        let Some(source) = old.manifest().statics.iter().find(|one| one.item.name == *name) else {
            continue;
        };
        let (ours, theirs) = (edition(old, source), edition(new, record));
        let verdict = match named(new, name) {
            1 => way(&[ours], ours, theirs, require).map(|_| ()),
            _ => Err(Mismatch::Ambiguous),
        };
        if let Err(mismatch) = verdict {
            let (name, outcome) = (name.clone(), Outcome::Refused(mismatch));
            let checked = Depth::Shallow;
            refused.push(FunctionReport { name, outcome, checked, body_changed: false });
        }
    }
    refused
}

fn by_name(library: &Library) -> BTreeMap<&str, Vec<&Function>> {
    let mut functions: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
    for function in &library.manifest().functions {
        functions.entry(&function.name).or_default().push(function);
    }
    functions
}

fn exchange(
    old: (&Library, &Function),
    new: (&Library, &Function),
    require: Require,
) -> (Outcome, Depth, bool) {
    let spots = (old.0.manifest().spot_of(old.1), new.0.manifest().spot_of(new.1));
    let deep = old.0.types().compare(spots.0, new.0.types(), spots.1);
    let (mismatch, depth) = verdict::compare(old.1, new.1, deep);
    let too_shallow = require == Require::Deep && depth == Depth::Shallow;
    let mismatch = mismatch.or_else(|| too_shallow.then(|| shallow(old, new)));
    let outcome = mismatch.map_or(Outcome::Retargeted, Outcome::Refused);
    (outcome, depth, old.1.body_hash != new.1.body_hash)
}

/// Which of the two libraries does not tell of its types, and why.
fn shallow(old: (&Library, &Function), new: (&Library, &Function)) -> Mismatch {
    let reason = match (old.0.shallow(old.1), new.0.shallow(new.1)) {
        (Some(reason), _) => format!("of the old library, {reason}"),
        (None, Some(reason)) => format!("of the new library, {reason}"),
        (None, None) => "they were not".to_owned(),
    };
    Mismatch::Shallow { reason }
}

/// What would be loaded of a library: the header that says where the rest of the file is left out.
fn loaded_bytes(library: &Library) -> &[u8] {
    const HEADER: usize = 64;
    library.bytes().get(HEADER..library.manifest().mapped()).unwrap_or_default()
}
