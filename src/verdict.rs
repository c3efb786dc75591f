//! The verdict on one function and on the rules of a build: what the check of a patch against the
//! running program and the check of one file against another have in common.

use std::collections::BTreeSet;

use midair_trampolines::function::Function;
use midair_trampolines::identity::Identity;
use midair_trampolines::shape::{Shape, UNSIZED};

use crate::deep::Answer;
use crate::error::Rule;
use crate::format::Allocator;
use crate::report::{Depth, Mismatch};

/// By which rules an image was built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Build<'a> {
    pub(crate) identity: &'a Identity,
    /// The shared standard library that it asks for, if it has none of its own.
    pub(crate) shared_std: Option<&'a str>,
}

/// The rules that differ between `old` and `new`, which brings `allocator`: the rule, as it is in
/// the old one, as it is in the new one.
pub(crate) fn differing_rules(
    old: Build<'_>,
    new: Build<'_>,
    allocator: Allocator,
) -> Vec<(Rule, String, String)> {
    let std = |build: Build<'_>| build.shared_std.unwrap_or("a copy of its own").to_owned();
    let rules = |build: Build<'_>| {
        let Identity { rustc, target, features, panic, .. } = build.identity;
        [
            (Rule::Compiler, rustc.clone()),
            (Rule::Target, target.clone()),
            (Rule::Features, abi_features(features)),
            (Rule::Panic, panic.to_string()),
            (Rule::Std, std(build)),
        ]
    };
    let mut found: Vec<_> = rules(old)
        .into_iter()
        .zip(rules(new))
        .filter(|(old, new)| old.1 != new.1)
        .map(|((what, old), (_, new))| (what, old, new))
        .collect();
    if allocator == Allocator::Own {
        found.push((
            Rule::Allocator,
            "the one that is in use".to_owned(),
            "another copy of one that is not the system's".to_owned(),
        ));
    }
    found
}

/// The features that decide in which registers arguments travel.
fn abi_features(features: &str) -> String {
    const ABI: [&str; 8] = ["soft-float", "x87", "sse", "sse2", "avx", "avx512f", "neon", "sve"];
    let found: BTreeSet<_> = features.split(',').filter(|name| ABI.contains(name)).collect();
    found.into_iter().collect::<Vec<_>>().join(",")
}

/// Why callers of `old` may not reach `new`, if they may not, and how far that was looked at;
/// `deep` is what the comparison of all reachable types says.
///
/// What the types are decides; where one side does not know them, what they are called and how
/// large they are.
pub(crate) fn compare(old: &Function, new: &Function, deep: Answer) -> (Option<Mismatch>, Depth) {
    let shallow = mismatch(old, new);
    match deep {
        // A signature that reads differently is what its author changed.
        Answer::Different { mismatch, depth } => {
            let written = without_paths(&old.signature) != without_paths(&new.signature);
            (shallow.filter(|_| written).or(Some(mismatch)), depth)
        }
        Answer::Same { may_borrow, depth } => {
            (shallow.filter(|_| !only_spelling(old, new, may_borrow)), depth)
        }
        Answer::Unknown => (shallow, Depth::Shallow),
    }
}

/// Whether two signatures whose types are the same differ in how these are written alone: by a
/// path, or by an alias. Words before the arguments, their number, and what lifetimes tie are no
/// spelling; and an alias may hide how long a borrow lasts.
fn only_spelling(old: &Function, new: &Function, may_borrow: bool) -> bool {
    let words = |signature: &str| signature.split_once("fn(").map(|(words, _)| words.to_owned());
    let places = |function: &Function| -> BTreeSet<u32> {
        function.types.iter().map(|(_, shape)| shape.place).collect()
    };
    let (old_text, new_text) = (&old.signature, &new.signature);
    let tied = |signature: &str| signature.contains('\'');
    without_paths(old_text) == without_paths(new_text)
        || (words(old_text) == words(new_text)
            && places(old) == places(new)
            && !tied(old_text)
            && !tied(new_text)
            && !may_borrow)
}

/// A signature with the last segment of each path alone.
fn without_paths(signature: &str) -> String {
    let mut text = String::new();
    for part in signature.split_inclusive("::") {
        match part.strip_suffix("::") {
            Some(path) => {
                let segment = |c: char| c.is_alphanumeric() || c == '_';
                text.push_str(path.trim_end_matches(segment));
                // What stands before is no module: `<T as Trait>::Item` stays.
                if path.ends_with('>') {
                    text.push_str("::");
                }
            }
            None => text.push_str(part),
        }
    }
    text
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
    let inner = |shape: &Shape| (shape.inner_size, shape.inner_align);
    if extents(shape) != extents(other) {
        return part("", shape.size, shape.align);
    }
    if inner(shape) != inner(other) {
        return part("behind it ", shape.inner_size, shape.inner_align);
    }
    format!("kind {:#x}", shape.kind)
}

#[cfg(test)]
mod tests {
    use super::{abi_features, extent, without_paths};
    use midair_trampolines::shape::Shape;

    #[test]
    fn only_features_that_change_calls_are_compared() {
        assert_eq!(abi_features("fxsr,sse,sse2,x87"), abi_features("x87,sse2,sse,popcnt"));
        assert_ne!(abi_features("sse,sse2"), abi_features("avx,sse,sse2"));
    }

    #[test]
    fn paths_are_spelling() {
        assert_eq!(without_paths("fn(std::boxed::Box<self::Boss>)->u8"), "fn(Box<Boss>)->u8");
        assert_eq!(without_paths("fn(&::core::primitive::str)"), "fn(&str)");
        assert_eq!(without_paths("fn(<A as b::C>::D)"), "fn(<A as C>::D)");
    }

    #[test]
    fn an_extent_names_what_differs() {
        let old = Shape::new(1, Some((8, 8)), Some((16, 8)));
        let new = Shape::new(1, Some((8, 8)), Some((24, 8)));
        assert_eq!(extent(&old, &new), "behind it size 16, align 8");
        assert_eq!(extent(&new, &old), "behind it size 24, align 8");
    }
}
