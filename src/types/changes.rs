//! What changed in the parts of a type, in words: what is new, gone, renamed, moved, widened.

use std::collections::HashMap;

use super::names::{field, short, short_pair};
use super::{Field, Graph, Kind, Method, Type, TypeId, Variant};

/// Of lists that together make more pairs than this only their lengths are told.
const MAX_PAIRS: usize = 1 << 22;

/// Whether both sides have parts of the same names in the same order.
pub(super) fn same_names<T>(old: &[T], new: &[T], name: fn(&T) -> &String) -> bool {
    old.iter().map(name).eq(new.iter().map(name))
}

/// What is told of two long lists of parts that are not called the same.
fn too_many(what: &str, old: usize, new: usize) -> Option<Vec<String>> {
    let many = old.saturating_mul(new) > MAX_PAIRS;
    many.then(|| vec![format!("{old} {what} -> {new} {what}, of other names")])
}

/// What changed in the fields of a type.
pub(super) fn fields(old: (&Graph, &[Field]), new: (&Graph, &[Field])) -> Vec<String> {
    if same_names(old.1, new.1, |field| &field.name) {
        let both = old.1.iter().zip(new.1);
        return both.filter_map(|(was, part)| edition((old.0, was), (new.0, part))).collect();
    }
    if let Some(details) = too_many("fields", old.1.len(), new.1.len()) {
        return details;
    }
    let before: HashMap<&str, &Field> = old.1.iter().map(|f| (f.name.as_str(), f)).collect();
    let after: HashMap<&str, &Field> = new.1.iter().map(|f| (f.name.as_str(), f)).collect();
    // A field that came where another of the same type went is that one under a new name.
    let renamed: HashMap<&str, &Field> = new
        .1
        .iter()
        .filter(|field| !before.contains_key(field.name.as_str()))
        .filter_map(|field| {
            let was = old.1.iter().find(|was| {
                let same_type = old.0.get(was.ty).name == new.0.get(field.ty).name;
                !after.contains_key(was.name.as_str()) && was.offset == field.offset && same_type
            })?;
            Some((field.name.as_str(), was))
        })
        .collect();
    let mut details = Vec::new();
    for part in new.1 {
        let (name, offset) = (field(&part.name), part.offset);
        let ty = short(&new.0.get(part.ty).name);
        match (before.get(part.name.as_str()), renamed.get(part.name.as_str())) {
            (Some(was), _) => details.extend(edition((old.0, was), (new.0, part))),
            (None, Some(was)) => {
                details.push(format!("field {}: {ty} renamed to {name}", field(&was.name)));
            }
            (None, None) => details.push(format!("field {name}: {ty} new at {offset}")),
        }
    }
    let stays = |was: &&Field| {
        after.contains_key(was.name.as_str()) || renamed.values().any(|one| one.name == was.name)
    };
    for was in old.1.iter().filter(|was| !stays(was)) {
        let ty = short(&old.0.get(was.ty).name);
        details.push(format!("field {}: {ty} gone from {}", field(&was.name), was.offset));
    }
    details
}

/// What changed in fields of which only the order is told.
pub(super) fn order(old: (&Graph, &[Field]), new: (&Graph, &[Field])) -> Vec<String> {
    if same_names(old.1, new.1, |field| &field.name) {
        let both = old.1.iter().zip(new.1);
        let details = both.filter_map(|(was, part)| {
            let was = Field { offset: part.offset, ..was.clone() };
            edition((old.0, &was), (new.0, part))
        });
        return details.collect();
    }
    if let Some(details) = too_many("fields", old.1.len(), new.1.len()) {
        return details;
    }
    let named = |fields: &[Field], name: &str| fields.iter().any(|field| field.name == name);
    let told = |graph: &Graph, part: &Field, what: &str| {
        format!("field {}: {} {what}", field(&part.name), short(&graph.get(part.ty).name))
    };
    // What stands where another of the same type stood is that one under a new name.
    let renamed = |part: &Field| {
        old.1.iter().find(|was| {
            let same_type = old.0.get(was.ty).name == new.0.get(part.ty).name;
            !named(new.1, &was.name) && was.offset == part.offset && same_type
        })
    };
    let (mut details, mut kept) = (Vec::new(), Vec::new());
    for part in new.1 {
        match old.1.iter().find(|was| was.name == part.name) {
            // Their offsets are their places in the order, told below.
            Some(was) => {
                let was = Field { offset: part.offset, ..was.clone() };
                details.extend(edition((old.0, &was), (new.0, part)));
            }
            None => match renamed(part) {
                Some(was) => {
                    kept.push(&was.name);
                    details.push(told(old.0, was, &format!("renamed to {}", field(&part.name))));
                }
                None => details.push(told(new.0, part, "new")),
            },
        }
    }
    let gone = old.1.iter().filter(|was| !named(new.1, &was.name) && !kept.contains(&&was.name));
    details.extend(gone.map(|was| told(old.0, was, "gone")));
    let names = |fields: &[Field]| -> Vec<String> {
        fields.iter().map(|part| field(&part.name).to_owned()).collect()
    };
    let (before, after) = (names(old.1), names(new.1));
    if details.is_empty() && before != after {
        let (before, after) = (before.join(", "), after.join(", "));
        details.push(format!("fields in another order: {before} -> {after}"));
    }
    details
}

/// What changed in a field that both have, if it did.
fn edition(old: (&Graph, &Field), new: (&Graph, &Field)) -> Option<String> {
    let name = field(&new.1.name);
    let moved = (old.1.offset != new.1.offset)
        .then(|| format!("moved from {} to {}", old.1.offset, new.1.offset));
    let (before, after) = (old.0.get(old.1.ty), new.0.get(new.1.ty));
    if !is_replaced((old.0, old.1.ty), (new.0, new.1.ty)) {
        return moved.map(|moved| format!("field {name}: {} {moved}", short(&after.name)));
    }
    let (was, is) = short_pair(&before.name, &after.name);
    let how = resized(before, after).map_or_else(String::new, |how| format!(" {how}"));
    let moved = moved.map_or_else(String::new, |moved| format!(", {moved}"));
    Some(format!("field {name}{how}: {was} -> {is}{moved}"))
}

/// Whether a number became one of the same kind with more or fewer bits.
fn resized(old: &Type, new: &Type) -> Option<&'static str> {
    match (&old.kind, &new.kind) {
        (Kind::Base { encoding: before }, Kind::Base { encoding: after }) if before == after => {
            Some(if old.size < new.size { "widened" } else { "narrowed" })
        }
        _ => None,
    }
}

/// Whether `new` stands in place of `old`, instead of being a new edition of the same type.
pub(super) fn is_replaced(old: (&Graph, TypeId), new: (&Graph, TypeId)) -> bool {
    use Kind::{Array, Base, Enum, Function, Names, Opaque, Parts, Pointer, Struct, Trait, Union};
    let (before, after) = (old.0.get(old.1), new.0.get(new.1));
    match (&before.kind, &after.kind) {
        (Base { encoding: one }, Base { encoding: other }) => {
            one != other || before.name != after.name
        }
        (Array { count: one, .. }, Array { count: other, .. }) => one != other,
        (Pointer { target: one }, Pointer { target: other }) => {
            one.is_some() != other.is_some() || sigil(before) != sigil(after)
        }
        (Struct { .. }, Struct { .. })
        | (Union { .. }, Union { .. })
        | (Parts { .. }, Parts { .. })
        | (Enum { .. }, Enum { .. })
        | (Opaque, Opaque) => !same_name(before, after),
        (Names { .. }, Names { .. }) | (Trait { .. }, Trait { .. }) => false,
        (Function { arguments: one, .. }, Function { arguments: other, .. }) => {
            one.len() != other.len()
        }
        _ => true,
    }
}

/// Closures and the state of `async` blocks have names that count them: those may shift although
/// nothing else does.
pub(super) fn same_name(old: &Type, new: &Type) -> bool {
    let counted = |name: &str| name.contains("{closure") || name.contains("{async");
    old.name == new.name || (counted(&old.name) && counted(&new.name))
}

/// What kind of pointer it is: `&`, `&mut`, `*const`, `*mut`, or the words before a function's
/// arguments.
pub(super) fn sigil(ty: &Type) -> &str {
    let name = ty.name.as_str();
    let kinds = ["&mut ", "&", "*const ", "*mut "];
    kinds
        .into_iter()
        .find(|kind| name.starts_with(kind))
        .unwrap_or_else(|| name.split_once("fn(").map_or("", |(words, _)| words))
}

pub(super) fn different(same: bool, old: &Type, new: &Type) -> Vec<String> {
    if same {
        return Vec::new();
    }
    let (was, is) = short_pair(&old.name, &new.name);
    vec![format!("was {was}, is {is}")]
}

pub(super) fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "unknown".to_owned(), |number| number.to_string())
}

/// What changed in the variants of an enum.
pub(super) fn variants(old: (&Graph, &[Variant]), new: (&Graph, &[Variant])) -> Vec<String> {
    if same_names(old.1, new.1, |variant| &variant.name) {
        let both = old.1.iter().zip(new.1);
        return both.filter_map(|(was, variant)| renumbered(was, variant)).collect();
    }
    if let Some(details) = too_many("variants", old.1.len(), new.1.len()) {
        return details;
    }
    let named = |variants: &[Variant], name: &str| variants.iter().any(|one| one.name == name);
    let renamed = |variant: &Variant| {
        old.1.iter().find(|was| {
            !named(new.1, &was.name)
                && was.value == variant.value
                && same_fields((old.0, was.ty), (new.0, variant.ty))
        })
    };
    let mut kept = Vec::new();
    let mut details = Vec::new();
    for variant in new.1 {
        let name = &variant.name;
        match old.1.iter().find(|was| was.name == *name) {
            None => match renamed(variant) {
                Some(was) => {
                    kept.push(&was.name);
                    details.push(format!("variant {} renamed to {name}", was.name));
                }
                None => details.push(format!("variant {name} new")),
            },
            Some(was) => details.extend(renumbered(was, variant)),
        }
    }
    let gone = old.1.iter().filter(|was| !named(new.1, &was.name) && !kept.contains(&&was.name));
    details.extend(gone.map(|variant| format!("variant {} gone", variant.name)));
    details
}

/// What changed in the discriminant of a variant that both have, if it did.
fn renumbered(old: &Variant, new: &Variant) -> Option<String> {
    let (was, is) = (number(old.value), number(new.value));
    (old.value != new.value).then(|| format!("variant {}: discriminant {was} -> {is}", new.name))
}

/// Whether two variants hold the same.
fn same_fields(old: (&Graph, TypeId), new: (&Graph, TypeId)) -> bool {
    match (&old.0.get(old.1).kind, &new.0.get(new.1).kind) {
        (Kind::Struct { fields: before }, Kind::Struct { fields: after })
        | (Kind::Parts { fields: before }, Kind::Parts { fields: after }) => {
            let all = |graph: &Graph, fields: &[Field]| -> Vec<_> {
                let part = |f: &Field| (f.name.clone(), f.offset, graph.get(f.ty).name.clone());
                fields.iter().map(part).collect()
            };
            all(old.0, before) == all(new.0, after)
        }
        _ => false,
    }
}

/// What changed in the names of numbers.
pub(super) fn values(old: &[(String, u64)], new: &[(String, u64)]) -> Vec<String> {
    if same_names(old, new, |(name, _)| name) {
        let both = old.iter().zip(new).filter(|((_, was), (_, is))| was != is);
        return both
            .map(|((_, was), (name, is))| format!("variant {name}: {was} -> {is}"))
            .collect();
    }
    if let Some(details) = too_many("variants", old.len(), new.len()) {
        return details;
    }
    let named = |values: &[(String, u64)], name: &str| values.iter().any(|one| one.0 == name);
    let mut kept = Vec::new();
    let mut details = Vec::new();
    for (name, value) in new {
        match old.iter().find(|(was, _)| was == name) {
            None => match old.iter().find(|(was, of)| of == value && !named(new, was)) {
                Some((was, _)) => {
                    kept.push(was);
                    details.push(format!("variant {was} = {value} renamed to {name}"));
                }
                None => details.push(format!("variant {name} = {value} new")),
            },
            Some((_, was)) if was != value => {
                details.push(format!("variant {name}: {was} -> {value}"));
            }
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|(was, _)| !named(new, was) && !kept.contains(&was));
    details.extend(gone.map(|(name, value)| format!("variant {name} = {value} gone")));
    details
}

/// What changed in the table of a trait.
pub(super) fn methods(old: &[Method], new: &[Method]) -> Vec<String> {
    // A default method's name carries the type that brings the table.
    let own = |name: &str| name.split('<').next().unwrap_or(name).to_owned();
    let names = |methods: &[Method]| -> Vec<String> {
        methods.iter().map(|method| own(&method.name)).collect()
    };
    let (old, new) = (names(old), names(new));
    // Of a method that one side's debug info does not describe, nothing can differ.
    let told = |(old, new): (&String, &String)| old == new || old == "?" || new == "?";
    if old.len() == new.len() && old.iter().zip(&new).all(told) {
        return Vec::new();
    }
    let mut details: Vec<_> = new
        .iter()
        .filter(|method| !old.contains(method))
        .map(|method| format!("method {method} new"))
        .collect();
    let gone = old.iter().filter(|method| !new.contains(method));
    details.extend(gone.map(|method| format!("method {method} gone")));
    if details.is_empty() {
        details.push(format!("methods in another order: {} -> {}", old.join(", "), new.join(", ")));
    }
    details
}
