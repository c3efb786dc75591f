//! The names of described types, with their parameters.

use std::fmt::Write as _;

use midair_trampolines::layout::{Form, PartKind};
use midair_trampolines::types::{Node, PartType};

use super::described::Nodes;

/// How deep the parameters of a name may be nested, and how long it may be, before the rest is left
/// out: types of hostile files lead to themselves.
const MAX_DEPTH: usize = 12;
const MAX_LEN: usize = 400;

/// Writes names.
pub(crate) struct Names<'n, 'a> {
    nodes: &'n Nodes<'a>,
}

/// The names of the types that `nodes` describe.
pub(crate) fn names<'n, 'a>(nodes: &'n Nodes<'a>) -> Names<'n, 'a> {
    Names { nodes }
}

impl Names<'_, '_> {
    /// The name of the type that `node` describes, as people write it.
    pub(crate) fn of(&self, node: &Node) -> String {
        let mut name = String::new();
        self.write(node, &mut name, 0);
        name
    }

    fn write(&self, node: &Node, into: &mut String, depth: usize) {
        if depth == MAX_DEPTH || into.len() > MAX_LEN {
            into.push_str("..");
            return;
        }
        let depth = depth + 1;
        match node.form {
            Form::Tuple => {
                let fields = self.keys(node, PartKind::Field);
                self.list(&fields, into, ("(", if fields.len() == 1 { ",)" } else { ")" }), depth);
            }
            Form::Array => {
                self.list(&self.keys(node, PartKind::Field), into, ("[", ""), depth);
                match node.count {
                    // To a string, writing cannot fail.
                    Some(count) => drop(write!(into, "; {count}]")),
                    None => into.push(']'),
                }
            }
            Form::Pointer => {
                self.list(&node.parameters, into, (&node.name, ""), depth);
            }
            Form::Function | Form::Callable => self.function(node, into, depth),
            _ => self.generic(node, into, depth),
        }
    }

    /// `dyn Fn(u8) -> u8 + Send`.
    fn function(&self, node: &Node, into: &mut String, depth: usize) {
        let (words, auto) = node.name.split_once(" + ").unwrap_or((&node.name, ""));
        self.list(&self.keys(node, PartKind::Argument), into, (&format!("{words}("), ")"), depth);
        let result = self.keys(node, PartKind::Result);
        let unit = |key: &u64| self.nodes.get(*key).is_some_and(|node| node.name == "()");
        if !result.iter().all(unit) {
            self.list(&result, into, (" -> ", ""), depth);
        }
        if !auto.is_empty() {
            into.push_str(" + ");
            into.push_str(auto);
        }
    }

    /// `game::Buffer<u8, 4>`.
    fn generic(&self, node: &Node, into: &mut String, depth: usize) {
        into.push_str(&node.name);
        let constants = node.parts.iter().filter(|part| part.kind == PartKind::Constant);
        let constants: Vec<_> =
            constants.map(|part| part.value.cast_signed().to_string()).collect();
        if node.parameters.is_empty() && constants.is_empty() {
            return;
        }
        self.list(&node.parameters, into, ("<", ""), depth);
        for (at, constant) in constants.iter().enumerate() {
            if at > 0 || !node.parameters.is_empty() {
                into.push_str(", ");
            }
            into.push_str(constant);
        }
        into.push('>');
    }

    fn list(&self, keys: &[u64], into: &mut String, (before, after): (&str, &str), depth: usize) {
        into.push_str(before);
        for (at, key) in keys.iter().enumerate() {
            if at > 0 {
                into.push_str(", ");
            }
            match self.nodes.get(*key) {
                Some(node) => self.write(node, into, depth),
                None => into.push('?'),
            }
            if into.len() > MAX_LEN {
                break;
            }
        }
        into.push_str(after);
    }

    fn keys(&self, node: &Node, kind: PartKind) -> Vec<u64> {
        let parts = node.parts.iter().filter(|part| part.kind == kind);
        parts
            .filter_map(|part| match part.ty {
                PartType::Key(key) => Some(key),
                _ => None,
            })
            .collect()
    }
}
