//! The comparison of a static in a patch with the one that the program works on.

use midair_trampolines::persist::{Access, Static};

use crate::deep::{Answer, Known};
use crate::manifest::Manifest;
use crate::registry::{LiveStatic, Registry};
use crate::report::{Depth, Mismatch};
use crate::types::Whose;
use crate::verdict;

/// Whether code of a patch may work on what the program works on.
#[derive(Debug)]
pub(super) enum Fit {
    /// It may, as far as this deep a look can tell.
    Same(Depth),
    /// Its type is another.
    Different(Mismatch),
}

/// Compares `new` with those that work on the same instance, `source` among them.
///
/// # Errors
/// They are not reached in the same way.
pub(super) fn compare(
    manifest: &Manifest,
    registry: &Registry,
    sharing: &[&LiveStatic],
    source: &LiveStatic,
    types: &Known,
    new: &Static,
) -> Result<Fit, Mismatch> {
    let is_local = |one: &Static| one.access == Access::Local;
    match (is_local(&source.record), is_local(new)) {
        (true, false) => {
            return Err(reached("each thread had a value of its own, now all share one"));
        }
        (false, true) => return Err(reached("all threads shared a value, now each has its own")),
        _ => {}
    }
    let mut depth = None;
    for live in sharing {
        let Some(answer) = deep(manifest, registry, live, types, new) else { continue };
        match verdict::compare(&live.record.item, &new.item, answer) {
            (Some(mismatch), _) => return Ok(Fit::Different(mismatch)),
            (None, found) => depth = Some(depth.map_or(found, |depth: Depth| depth.min(found))),
        }
    }
    if depth.is_none() {
        // The types of an edition between are forgotten; size, alignment and text are not.
        let (mismatch, _) = verdict::compare(&source.record.item, &new.item, Answer::Unknown);
        if let Some(mismatch) = mismatch {
            return Ok(Fit::Different(mismatch));
        }
    }
    Ok(Fit::Same(depth.unwrap_or(Depth::Shallow)))
}

/// What debug info says; `None` where the types of that edition were forgotten.
fn deep(
    manifest: &Manifest,
    registry: &Registry,
    live: &LiveStatic,
    types: &Known,
    new: &Static,
) -> Option<Answer> {
    let image = &registry.images()[live.image];
    let known = image.types.as_ref()?;
    let (old, new) = (image.spot_of(&live.record.item), manifest.spot_of(&new.item));
    Some(known.compare_static(old, types, new, Whose::Own))
}

/// Whether `new`, whose type differs from that of `source` as `details` say, can be made out of it.
///
/// # Errors
/// Why it cannot.
pub(super) fn migrates(
    manifest: &Manifest,
    registry: &Registry,
    sharing: &[&LiveStatic],
    source: &LiveStatic,
    types: &Known,
    new: &Static,
    details: String,
) -> Result<(), Mismatch> {
    let but = |why: &str| Err(Mismatch::State { details: format!("{details}; {why}") });
    if !new.access.is_scoped() {
        return Err(Mismatch::State { details });
    }
    if sharing.iter().any(|live| !live.record.access.is_scoped()) {
        return but(
            "it cannot be migrated: code that runs was built without `scoped` or `migrate`, and \
             may hold references to it at any time",
        );
    }
    if new.from.is_empty() {
        return match (source.record.access, new.access) {
            (Access::Portable, Access::Portable) => Ok(()),
            (_, Access::Portable) => but("the code that runs cannot export it"),
            _ => but("no migration is named"),
        };
    }
    let old: Vec<_> = source.record.item.types.iter().map(|(_, shape)| shape).collect();
    let takes: Vec<_> = new.from.iter().map(|(_, shape)| shape).collect();
    // The type may have another name there; what it is made of counts.
    let same = old[0].size == takes[0].size
        && old[0].align == takes[0].align
        && old.iter().map(|shape| shape.hash).eq(takes.iter().map(|shape| shape.hash));
    let answer = sharing.iter().find_map(|live| {
        let image = &registry.images()[live.image];
        let (old, new) = (image.spot_of(&live.record.item), manifest.spot_of(&new.item));
        Some(image.types.as_ref()?.compare_static(old, types, new, Whose::Source))
    });
    match answer.unwrap_or(Answer::Unknown) {
        Answer::Same { .. } => Ok(()),
        Answer::Unknown if same => Ok(()),
        Answer::Unknown => but("its migration takes a type of another size, alignment or kind"),
        Answer::Different { mismatch, .. } => {
            but(&format!("its migration takes another type than the one that runs: {mismatch}"))
        }
    }
}

fn reached(how: &str) -> Mismatch {
    Mismatch::State { details: how.to_owned() }
}
