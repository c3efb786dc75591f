//! The comparison of a static in a patch with the one that the program works on.

use midair_trampolines::persist::{Access, Static};

use crate::Require;
use crate::deep::{Answer, Known, Spot};
use crate::report::{Depth, Mismatch, spaced};
use crate::types::Whose;
use crate::verdict;

/// A static of an image or of a file, and what is known of its type there.
#[derive(Clone, Copy)]
pub(crate) struct Edition<'a> {
    pub(crate) record: &'a Static,
    /// Nothing for an edition between, whose types were forgotten.
    pub(crate) types: Option<&'a Known>,
    pub(crate) spot: Spot<'a>,
}

/// How code of a patch comes to the value that the program works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It works on the same.
    Shared,
    /// A new one is made out of it.
    Migrated,
}

/// How code that was compiled with the static `new` comes to the value of `source`, on which all of
/// `sharing` work as well.
///
/// # Errors
/// [`Mismatch::State`]: why it cannot.
pub(crate) fn way(
    sharing: &[Edition<'_>],
    source: Edition<'_>,
    new: Edition<'_>,
    require: Require,
) -> Result<Way, Mismatch> {
    let refused = |details: &str| Mismatch::State { details: details.to_owned() };
    match [source, new].map(|edition| edition.record.access == Access::Local) {
        [true, false] => {
            return Err(refused("each thread had a value of its own, now all share one"));
        }
        [false, true] => return Err(refused("all threads shared a value, now each has its own")),
        _ => {}
    }
    match same_type(sharing, source, new) {
        Ok(Depth::Shallow) if require == Require::Deep => {
            Err(refused("its type could not be compared field by field"))
        }
        Ok(_) => Ok(Way::Shared),
        Err(mismatch) => {
            let details = changed(&mismatch);
            check_migration(sharing, source, new)
                .map(|()| Way::Migrated)
                .map_err(|why| refused(&format!("{details}{why}")))
        }
    }
}

/// How deep a look found the types to be the same.
fn same_type(
    sharing: &[Edition<'_>],
    source: Edition<'_>,
    new: Edition<'_>,
) -> Result<Depth, Mismatch> {
    let mut depth = None;
    for old in sharing {
        let Some(answer) = deep(*old, new, Whose::Own) else { continue };
        match verdict::compare(&old.record.item, &new.record.item, answer) {
            (Some(mismatch), _) => return Err(mismatch),
            (None, found) => depth = Some(depth.map_or(found, |depth: Depth| depth.min(found))),
        }
    }
    if depth.is_none() {
        // Size, alignment and text are never forgotten.
        let old = &source.record.item;
        let (mismatch, _) = verdict::compare(old, &new.record.item, Answer::Unknown);
        mismatch.map_or(Ok(()), Err)?;
    }
    Ok(depth.unwrap_or(Depth::Shallow))
}

fn deep(old: Edition<'_>, new: Edition<'_>, whose: Whose) -> Option<Answer> {
    Some(old.types?.compare_static(old.spot, new.types?, new.spot, whose))
}

/// Whether `new`, whose type differs, can be made out of what `source` is.
///
/// # Errors
/// Why it cannot, to stand behind what differs.
fn check_migration(
    sharing: &[Edition<'_>],
    source: Edition<'_>,
    new: Edition<'_>,
) -> Result<(), String> {
    if !new.record.access.is_scoped() {
        return Err(String::new());
    }
    if sharing.iter().any(|old| !old.record.access.is_scoped()) {
        return Err("; it cannot be migrated: code that runs was built without `scoped` or \
             `migrate`, and may hold references to it at any time"
            .to_owned());
    }
    if new.record.from.is_empty() {
        return match [source.record.access, new.record.access] {
            [Access::Portable, Access::Portable] => Ok(()),
            [_, Access::Portable] => Err("; the code that runs cannot export it".to_owned()),
            _ => Err("; no migration is named".to_owned()),
        };
    }
    let answer = sharing.iter().find_map(|old| deep(*old, new, Whose::Source));
    match answer.unwrap_or(Answer::Unknown) {
        Answer::Same { .. } => Ok(()),
        Answer::Unknown if takes(new.record, source.record) => Ok(()),
        Answer::Unknown => {
            Err("; its migration takes a type of another size, alignment or kind".to_owned())
        }
        Answer::Different { mismatch, .. } => {
            Err(format!("; its migration takes another type than the one that runs: {mismatch}"))
        }
    }
}

/// Whether the migration of `new` takes what `source` is, as far as shapes tell. The type may have
/// another name there; what it is made of counts.
fn takes(new: &Static, source: &Static) -> bool {
    let runs = source.item.types.iter().map(|(_, shape)| shape.hash);
    runs.eq(new.from.iter().map(|(_, shape)| shape.hash))
}

/// What changed in the type of a static, in words.
fn changed(mismatch: &Mismatch) -> String {
    let ty = |signature: &str| spaced(signature.trim_start_matches("static "));
    match mismatch {
        Mismatch::Signature { old, new } => {
            format!("it was of type `{}`, and is of type `{}`", ty(old), ty(new))
        }
        Mismatch::Layout { ty, old, new, .. } => format!("the type {ty} changed: {old} -> {new}"),
        other => other.to_string(),
    }
}
