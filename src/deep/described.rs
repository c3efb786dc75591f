//! Deep knowledge out of type records, put together when it is first asked for.

use std::collections::HashMap;
use std::sync::OnceLock;

use midair_trampolines::types::Types;

use super::Answer;
use crate::notice;
use crate::report::Depth;
use crate::types::{
    Builder, Graph, Nodes, TypeId, Whose, compare_places, compare_static, places_may_borrow,
};

/// What the type records of an image say.
#[derive(Debug)]
pub(super) struct Described {
    records: Vec<Types>,
    built: OnceLock<Built>,
}

/// The graph of all types, and where each function's begin in it.
#[derive(Debug, Default)]
struct Built {
    graph: Graph,
    /// The result and the arguments of each function by name; nothing for a type that is not
    /// described whole, and nothing at all where two functions bear one name.
    functions: HashMap<String, Option<Vec<Option<TypeId>>>>,
}

/// The most types that are taken from one image.
const MAX_TYPES: usize = 200_000;

impl Described {
    pub(super) fn new(records: Vec<Types>) -> Self {
        Self { records, built: OnceLock::new() }
    }

    /// Compares the function `name` of this image with that of `other`.
    pub(super) fn compare(&self, name: &str, other: &Self) -> Answer {
        let (ours, theirs) = (self.built(), other.built());
        let (Some(old), Some(new)) = (ours.function(name), theirs.function(name)) else {
            return Answer::Unknown;
        };
        if old.len() != new.len() {
            return Answer::Unknown;
        }
        if let Some(difference) = compare_places((&ours.graph, old), (&theirs.graph, new)) {
            return Answer::Different { mismatch: difference.told(), depth: Depth::Derive };
        }
        // What is known was compared; that is deep only where all is known.
        if old.iter().chain(new).any(Option::is_none) {
            return Answer::Unknown;
        }
        let may_borrow = places_may_borrow(&theirs.graph, new.iter().flatten().copied());
        Answer::Same { may_borrow, depth: Depth::Derive }
    }

    /// Compares the type of the static `name` of this image with that of `other`, or with the one
    /// that it is migrated from there.
    pub(super) fn compare_static(&self, name: &str, other: &Self, whose: Whose) -> Answer {
        let (ours, theirs) = (self.built(), other.built());
        let place = |built: &Built, place: usize| *built.function(name)?.get(place)?;
        let (Some(old), Some(new)) = (place(ours, 0), place(theirs, whose as usize)) else {
            return Answer::Unknown;
        };
        match compare_static((&ours.graph, old), (&theirs.graph, new), whose) {
            Some(difference) => {
                Answer::Different { mismatch: difference.told(), depth: Depth::Derive }
            }
            None => {
                let may_borrow = places_may_borrow(&theirs.graph, [new].into_iter());
                Answer::Same { may_borrow, depth: Depth::Derive }
            }
        }
    }

    /// Why the types of the function `name` are not all known; nothing when they are.
    pub(super) fn shallow(&self, name: &str) -> Option<String> {
        let Some(places) = self.built().function(name) else {
            return Some("no type record tells of it".to_owned());
        };
        let place = places.iter().position(Option::is_none)?;
        let place = if place == 0 { "its result".to_owned() } else { format!("argument {place}") };
        Some(format!("`Layout` does not describe the type of {place}"))
    }

    fn built(&self) -> &Built {
        self.built.get_or_init(|| self.build())
    }

    fn build(&self) -> Built {
        let all = || self.records.iter().flat_map(|types| &types.nodes);
        if all().count() > MAX_TYPES {
            notice::debug(format_args!("more than {MAX_TYPES} types are described"));
            return Built::default();
        }
        let nodes = Nodes::of(all());
        let mut builder = Builder::new(&nodes);
        let mut functions: HashMap<String, Option<Vec<Option<TypeId>>>> = HashMap::new();
        for types in self.records.iter().filter(|types| !types.name.is_empty()) {
            let places = types.roots.iter().map(|key| builder.root(*key)).collect();
            functions
                .entry(types.name.clone())
                .and_modify(|known| *known = None)
                .or_insert(Some(places));
        }
        Built { graph: builder.finish(), functions }
    }
}

impl Built {
    fn function(&self, name: &str) -> Option<&[Option<TypeId>]> {
        self.functions.get(name)?.as_deref()
    }
}
