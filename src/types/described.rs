//! The graph of types that the type records of an image describe.

use std::collections::{HashMap, HashSet};

use midair_trampolines::layout::{Form, PRIMITIVES, PartKind};
use midair_trampolines::types::{Node, NodePart, PartType};

use super::full_name::{Names, names};
use super::{Field, Graph, Kind, Method, Type, TypeId, Variant};

/// All descriptions of an image, by key.
pub(crate) struct Nodes<'a> {
    /// Nothing where two descriptions contradict each other.
    found: HashMap<u64, Option<&'a Node>>,
    primitives: HashMap<u64, Node>,
}

impl<'a> Nodes<'a> {
    pub(crate) fn of(all: impl Iterator<Item = &'a Node>) -> Self {
        let mut found: HashMap<u64, Option<&'a Node>> = HashMap::new();
        for node in all {
            let known = found.entry(node.key).or_insert(Some(node));
            if known.is_some_and(|known| known != node) {
                *known = None;
            }
        }
        Self { found, primitives: primitives() }
    }

    /// The description of the type of this key.
    pub(super) fn get(&self, key: u64) -> Option<&Node> {
        match self.primitives.get(&key) {
            Some(primitive) => Some(primitive),
            None => self.found.get(&key).copied().flatten(),
        }
    }

    /// The keys of the types that are described whole, with all that they lead to.
    fn whole(&self) -> HashSet<u64> {
        let mut comes_from: HashMap<u64, Vec<u64>> = HashMap::new();
        let mut broken: Vec<u64> = Vec::new();
        for (key, node) in &self.found {
            let Some(node) = node else {
                broken.push(*key);
                continue;
            };
            for to in edges(node) {
                comes_from.entry(to).or_default().push(*key);
            }
        }
        broken.extend(comes_from.keys().filter(|to| self.get(**to).is_none()));
        let mut seen: HashSet<u64> = broken.iter().copied().collect();
        while let Some(key) = broken.pop() {
            let from = comes_from.get(&key).into_iter().flatten().copied();
            broken.extend(from.filter(|key| seen.insert(*key)));
        }
        let known = self.found.keys().chain(self.primitives.keys());
        known.copied().filter(|key| !seen.contains(key)).collect()
    }
}

/// The keys that a description names.
fn edges(node: &Node) -> impl Iterator<Item = u64> {
    let parts = node.parts.iter().filter_map(|part| match part.ty {
        PartType::Key(key) => Some(key),
        _ => None,
    });
    node.parameters.iter().copied().chain(parts)
}

fn primitives() -> HashMap<u64, Node> {
    let node = |primitive: &midair_trampolines::layout::Primitive| Node {
        key: primitive.key,
        hash: 0,
        size: primitive.extent.map(|(size, _)| size as u64),
        align: primitive.extent.map_or(0, |(_, align)| align as u64),
        count: None,
        form: Form::Base,
        name: primitive.name.to_owned(),
        repr: String::new(),
        parameters: Vec::new(),
        parts: Vec::new(),
    };
    PRIMITIVES.iter().map(|primitive| (primitive.key, node(primitive))).collect()
}

/// Makes a graph out of descriptions.
pub(crate) struct Builder<'n, 'a> {
    nodes: &'n Nodes<'a>,
    names: Names<'n, 'a>,
    whole: HashSet<u64>,
    graph: Graph,
    known: HashMap<u64, TypeId>,
    /// Types that stand for words.
    words: HashMap<(String, Option<u64>, Option<u64>), TypeId>,
    waiting: Vec<(u64, TypeId)>,
}

impl<'n, 'a> Builder<'n, 'a> {
    pub(crate) fn new(nodes: &'n Nodes<'a>) -> Self {
        Self {
            nodes,
            names: names(nodes),
            whole: nodes.whole(),
            graph: Graph::default(),
            known: HashMap::new(),
            words: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    /// The number of the type of this key; nothing when it, or anything that it leads to, is not
    /// described.
    pub(crate) fn root(&mut self, key: u64) -> Option<TypeId> {
        if !self.whole.contains(&key) {
            return None;
        }
        let root = self.reach(key);
        while let Some((key, id)) = self.waiting.pop() {
            // What is whole is described.
            if let Some(node) = self.nodes.get(key) {
                let ty = self.define(node);
                self.graph.define(id, ty);
            }
        }
        Some(root)
    }

    /// The graph of all roots.
    pub(crate) fn finish(self) -> Graph {
        self.graph
    }

    fn reach(&mut self, key: u64) -> TypeId {
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let id = self.graph.reserve();
        self.known.insert(key, id);
        self.waiting.push((key, id));
        id
    }

    fn define(&mut self, node: &Node) -> Type {
        let mut parameters = Vec::new();
        if matches!(node.form, Form::Struct | Form::Union | Form::Enum) {
            let repr = if node.repr.is_empty() { "Rust" } else { &node.repr };
            parameters.push(self.word(format!("repr({repr})"), None, None, Word::Base));
        }
        parameters.extend(node.parameters.iter().map(|key| self.reach(*key)));
        Type {
            name: self.names.of(node),
            size: node.size,
            align: node.size.map(|_| node.align),
            kind: self.kind(node),
            parameters,
        }
    }

    fn kind(&mut self, node: &Node) -> Kind {
        match node.form {
            Form::Base => Kind::Base { encoding: encoding(node) },
            Form::Struct | Form::Tuple => Kind::Struct { fields: self.fields(&node.parts) },
            Form::Union => Kind::Union { fields: self.fields(&node.parts) },
            Form::Container => Kind::Parts { fields: self.fields(&node.parts) },
            Form::Enum => self.variants(node),
            Form::Array => {
                let element = node.parts.iter().find_map(|part| self.part(part));
                let count = node.count;
                element.map_or(Kind::Opaque, |element| Kind::Array { element, count })
            }
            Form::Pointer => {
                let target = node.parameters.first().map(|key| self.reach(*key));
                Kind::Pointer { target }
            }
            Form::Function => {
                let target = Some(self.function(node));
                Kind::Pointer { target }
            }
            Form::Callable => {
                let method = Method { name: node.name.clone(), ty: Some(self.function(node)) };
                Kind::Trait { methods: Some(vec![method]) }
            }
            Form::Trait => Kind::Trait { methods: Some(self.methods(&node.parts)) },
            _ => Kind::Opaque,
        }
    }

    fn fields(&mut self, parts: &[NodePart]) -> Vec<Field> {
        let fields = parts.iter().filter(|part| part.kind == PartKind::Field);
        fields
            .filter_map(|part| {
                let ty = self.part(part)?;
                Some(Field { name: part.name.clone(), offset: part.value, ty })
            })
            .collect()
    }

    fn variants(&mut self, node: &Node) -> Kind {
        let is_variant = |part: &&NodePart| part.kind == PartKind::Variant;
        if !node.parts.iter().any(|part| part.kind == PartKind::Field) {
            let named = |part: &NodePart| (part.name.clone(), part.value);
            let values = node.parts.iter().filter(is_variant).map(named).collect();
            return Kind::Names { values };
        }
        let starts: Vec<_> =
            (0..node.parts.len()).filter(|at| node.parts[*at].kind == PartKind::Variant).collect();
        let ends = starts.iter().skip(1).copied().chain([node.parts.len()]);
        let mut variants = Vec::new();
        for (start, end) in starts.iter().zip(ends) {
            let of = &node.parts[*start];
            let fields = self.fields(&node.parts[start + 1..end]);
            let name = format!("{}::{}", self.names.of(node), of.name);
            let ty = self.add(name, Kind::Parts { fields });
            variants.push(Variant { name: of.name.clone(), value: Some(of.value), ty });
        }
        Kind::Enum { discriminant: None, variants }
    }

    /// Arguments and result as a function type.
    fn function(&mut self, node: &Node) -> TypeId {
        let is = |kind: PartKind| move |part: &&NodePart| part.kind == kind;
        let arguments = node.parts.iter().filter(is(PartKind::Argument));
        let arguments = arguments.filter_map(|part| self.part(part)).collect();
        let result = node.parts.iter().find(is(PartKind::Result));
        let result = result.and_then(|part| self.part(part));
        let name = self.names.of(node);
        self.add(name, Kind::Function { arguments, result })
    }

    fn methods(&mut self, parts: &[NodePart]) -> Vec<Method> {
        let method = |part: &NodePart| Method {
            name: match part.kind {
                PartKind::Supertrait => format!("those of {}", part.name),
                _ => part.name.clone(),
            },
            ty: self.part(part),
        };
        parts.iter().map(method).collect()
    }

    /// The type of a part.
    fn part(&mut self, part: &NodePart) -> Option<TypeId> {
        match &part.ty {
            PartType::None => None,
            PartType::Key(key) => Some(self.reach(*key)),
            PartType::Opaque { name, size, align } => {
                Some(self.word(name.clone(), Some(*size), Some(*align), Word::Opaque))
            }
        }
    }

    fn add(&mut self, name: String, kind: Kind) -> TypeId {
        let id = self.graph.reserve();
        self.graph.define(id, Type { name, size: None, align: None, kind, parameters: Vec::new() });
        id
    }

    /// A type of which no more is known than these words and numbers.
    fn word(&mut self, name: String, size: Option<u64>, align: Option<u64>, word: Word) -> TypeId {
        let Self { words, graph, .. } = self;
        *words.entry((name.clone(), size, align)).or_insert_with(|| {
            let kind = match word {
                Word::Base => Kind::Base { encoding: 0 },
                Word::Opaque => Kind::Opaque,
            };
            let id = graph.reserve();
            graph.define(id, Type { name, size, align, kind, parameters: Vec::new() });
            id
        })
    }
}

/// Which kind of number it is, as debug info counts them; of what is none, a number that no other
/// type has.
fn encoding(node: &Node) -> u64 {
    const FLOAT: u64 = 4;
    const SIGNED: u64 = 5;
    const UNSIGNED: u64 = 7;
    match node.name.as_str() {
        "f32" | "f64" => FLOAT,
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => SIGNED,
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => UNSIGNED,
        _ => node.key,
    }
}

/// What becomes of words.
#[derive(Clone, Copy)]
enum Word {
    Base,
    Opaque,
}

#[cfg(test)]
mod tests {
    use midair_trampolines::layout::{Form, Key, PartKind};
    use midair_trampolines::types::{Node, NodePart, PartType};
    use proptest::prelude::*;

    use super::{Builder, Nodes};
    use crate::types::{Graph, TypeId, compare_places};

    fn node(key: u64, form: Form, name: &str, parts: &[(&str, u64, u64)]) -> Node {
        let part = |(name, value, key): &(&str, u64, u64)| NodePart {
            kind: PartKind::Field,
            name: (*name).to_owned(),
            value: *value,
            ty: PartType::Key(*key),
        };
        Node {
            key,
            hash: 0,
            size: Some(16),
            align: 8,
            count: None,
            form,
            name: name.to_owned(),
            repr: String::new(),
            parameters: Vec::new(),
            parts: parts.iter().map(part).collect(),
        }
    }

    fn graph(nodes: &[Node], root: u64) -> Option<(Graph, TypeId)> {
        let nodes = Nodes::of(nodes.iter());
        let mut builder = Builder::new(&nodes);
        let root = builder.root(root)?;
        Some((builder.finish(), root))
    }

    fn number() -> u64 {
        Key::named("u32").unique()
    }

    /// `World { list: List }` and `List { next: *List, value: u32 }`.
    fn world(value: u64) -> Vec<Node> {
        let mut pointer = node(3, Form::Pointer, "*mut ", &[]);
        pointer.parameters = vec![2];
        vec![
            node(1, Form::Struct, "game::World", &[("list", 0, 2)]),
            node(2, Form::Struct, "game::List", &[("next", 0, 3), ("value", value, number())]),
            pointer,
        ]
    }

    #[test]
    fn what_leads_to_itself_is_a_graph_that_is_compared() {
        let old = graph(&world(8), 1).unwrap();
        assert_eq!(old.0.get(old.1).name, "game::World");
        let places = |root: TypeId| [None, Some(root)];
        let same = graph(&world(8), 1).unwrap();
        assert_eq!(compare_places((&old.0, &places(old.1)), (&same.0, &places(same.1))), None);
        let moved = graph(&world(12), 1).unwrap();
        let found = compare_places((&old.0, &places(old.1)), (&moved.0, &places(moved.1))).unwrap();
        assert_eq!(found.title(), "List (game::List)");
        assert_eq!(found.way(), "argument 1, World -> list: List");
    }

    #[test]
    fn what_is_not_described_whole_is_not_known() {
        let mut nodes = world(8);
        assert!(graph(&nodes, 7).is_none());
        nodes.pop();
        assert!(graph(&nodes, 1).is_none());
        let mut nodes = world(8);
        nodes.push(node(2, Form::Struct, "game::List", &[]));
        assert!(graph(&nodes, 1).is_none(), "two descriptions of one key");
        let mut nodes = world(8);
        nodes.extend(world(8));
        assert!(graph(&nodes, 1).is_some(), "one description twice");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]
        #[test]
        fn any_graph_is_built_and_equal_to_itself(
            shapes in prop::collection::vec(
                (0_u8..12, prop::collection::vec((0_u8..7, 0_u64..12), 0..5), prop::collection::vec(0_u64..12, 0..3)),
                1..12,
            ),
        ) {
            let nodes: Vec<_> = shapes
                .iter()
                .enumerate()
                .map(|(at, (form, parts, parameters))| {
                    let forms = [
                        Form::Base, Form::Struct, Form::Union, Form::Enum, Form::Container,
                        Form::Tuple, Form::Array, Form::Pointer, Form::Function, Form::Trait,
                        Form::Callable, Form::Opaque,
                    ];
                    let kinds = [
                        PartKind::Field, PartKind::Variant, PartKind::Argument, PartKind::Result,
                        PartKind::Method, PartKind::Supertrait, PartKind::Constant,
                    ];
                    let mut node = node(at as u64, forms[usize::from(*form)], &format!("t{at}"), &[]);
                    node.parameters.clone_from(parameters);
                    node.parts = parts
                        .iter()
                        .map(|(kind, key)| NodePart {
                            kind: kinds[usize::from(*kind)],
                            name: format!("p{key}"),
                            value: *key,
                            ty: if *key == 0 { PartType::None } else { PartType::Key(*key) },
                        })
                        .collect();
                    node
                })
                .collect();
            if let (Some(old), Some(new)) = (graph(&nodes, 0), graph(&nodes, 0)) {
                let places = ([Some(old.1)], [Some(new.1)]);
                prop_assert_eq!(compare_places((&old.0, &places.0), (&new.0, &places.1)), None);
            }
        }
    }
}
