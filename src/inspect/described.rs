//! The types that a library describes.

use std::collections::BTreeMap;

use midair_trampolines::types::Types;

use crate::types::{Nodes, names};

/// A type that a library describes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Described {
    /// Its name with its path and its parameters.
    pub name: String,
    /// Size in bytes; `None` for a type that has none of its own.
    pub size: Option<u64>,
    /// Alignment in bytes.
    pub align: u64,
    /// How many fields and variants, or methods, it has.
    pub parts: usize,
    /// Hash of all that lies inside it.
    pub hash: u64,
}

/// The types that these records describe, each once, by name.
pub(super) fn of(records: &[Types]) -> Vec<Described> {
    let all = || records.iter().flat_map(|types| &types.nodes);
    let nodes = Nodes::of(all());
    let mut described = BTreeMap::new();
    for node in all() {
        let name = names(&nodes).of(node);
        described.entry((name.clone(), node.key)).or_insert_with(|| Described {
            name,
            size: node.size,
            align: node.align,
            parts: node.parts.len(),
            hash: node.hash,
        });
    }
    described.into_values().collect()
}
