//! Old editions of types under other names: who keeps `mod v1 { pub struct World { .. } }` for a
//! migration has a type that is made like the old `World`, and called otherwise.

use std::collections::HashSet;

use super::changes::sigil;
use super::names::is_of_std;
use super::{Graph, Kind, Type, TypeId};

/// The graph `new`, in which everything that stands where `old` has something of the same form is
/// called as it is called there.
pub(super) fn with_names_of(old: (&Graph, TypeId), new: (&Graph, TypeId)) -> Graph {
    let mut graph = new.0.clone();
    let mut seen = HashSet::from([new.1]);
    let mut queue = vec![(old.1, new.1)];
    while let Some((before, after)) = queue.pop() {
        let (was, is) = (old.0.get(before), new.0.get(after));
        if is_alike(was, is) {
            graph.rename(after, was.name.clone());
        }
        let next = parts(was, is).into_iter().filter(|(_, after)| seen.insert(*after));
        queue.extend(next.collect::<Vec<_>>());
    }
    graph
}

/// Whether one may be the other under a new name, as far as they themselves tell.
fn is_alike(old: &Type, new: &Type) -> bool {
    use Kind::{Array, Enum, Function, Names, Parts, Pointer, Struct, Trait, Union};
    let head = |ty: &Type| ty.name.split('<').next().unwrap_or_default().to_owned();
    match (&old.kind, &new.kind) {
        (Pointer { .. }, Pointer { .. }) => sigil(old) == sigil(new),
        (Struct { .. }, Struct { .. })
        | (Parts { .. }, Parts { .. })
        | (Union { .. }, Union { .. })
        | (Enum { .. }, Enum { .. })
        | (Names { .. }, Names { .. }) => {
            head(old) == head(new) || !(is_of_std(&old.name) || is_of_std(&new.name))
        }
        (Array { .. }, Array { .. })
        | (Function { .. }, Function { .. })
        | (Trait { .. }, Trait { .. }) => true,
        _ => false,
    }
}

/// What stands in the same place in both.
fn parts(old: &Type, new: &Type) -> Vec<(TypeId, TypeId)> {
    use Kind::{Array, Enum, Function, Parts, Pointer, Struct, Union};
    let mut parts: Vec<_> =
        old.parameters.iter().copied().zip(new.parameters.iter().copied()).collect();
    match (&old.kind, &new.kind) {
        (Struct { fields: before }, Struct { fields: after })
        | (Parts { fields: before }, Parts { fields: after })
        | (Union { fields: before }, Union { fields: after }) => {
            for field in after {
                let was = before.iter().find(|was| was.name == field.name);
                parts.extend(was.map(|was| (was.ty, field.ty)));
            }
        }
        (Enum { variants: before, .. }, Enum { variants: after, .. }) => {
            for variant in after {
                let was = before.iter().find(|was| was.name == variant.name);
                parts.extend(was.map(|was| (was.ty, variant.ty)));
            }
        }
        (Pointer { target: Some(before) }, Pointer { target: Some(after) })
        | (Array { element: before, .. }, Array { element: after, .. }) => {
            parts.push((*before, *after));
        }
        (
            Function { arguments: before, result: was },
            Function { arguments: after, result: is },
        ) => {
            parts.extend(before.iter().copied().zip(after.iter().copied()));
            parts.extend(was.iter().copied().zip(is.iter().copied()));
        }
        _ => {}
    }
    parts
}
