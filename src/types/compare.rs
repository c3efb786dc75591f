//! The comparison of two types: everything that code which was compiled against the one would
//! find elsewhere in the other.

use std::collections::{HashMap, HashSet, VecDeque};

use super::alias::with_names_of;
use super::changes::{
    different, fields, is_replaced, methods, number, order, same_name, same_names, sigil, values,
    variants,
};
use super::names::is_of_std;
use super::{Difference, Field, Graph, Kind, Step, Type, TypeId};

/// Compares the function types `old` and `new`: the nearest difference that is not merely the
/// consequence of another, or `None` when every type that can be reached from them is the same.
///
/// Recursive types are compared as a whole: a pair that is being compared counts as equal until
/// something else differs.
#[cfg(feature = "debuginfo")]
pub(crate) fn compare(old: (&Graph, TypeId), new: (&Graph, TypeId)) -> Option<Difference> {
    let mut comparison = Comparison::new(old.0, new.0);
    let queue = comparison.start(old.1, new.1)?;
    comparison.nearest(queue)
}

/// [`compare`] for two functions of which these are the result and the arguments, as far as they
/// are known; a place that one side does not know is passed over.
pub(crate) fn compare_places(
    old: (&Graph, &[Option<TypeId>]),
    new: (&Graph, &[Option<TypeId>]),
) -> Option<Difference> {
    let mut comparison = Comparison::new(old.0, new.0);
    let mut queue = Vec::new();
    for (number, places) in old.1.iter().zip(new.1).enumerate() {
        let (Some(old), Some(new)) = places else { continue };
        let ty = comparison.new.get(*new).name.clone();
        let step = if number == 0 { Step::Result { ty } } else { Step::Argument { number, ty } };
        comparison.push(&mut queue, Pair { old: *old, new: *new, from: None, step: Some(step) });
    }
    comparison.nearest(queue)
}

/// Which type of a static in a patch is compared with the one that the program works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Its own.
    Own,
    /// The one that it is migrated from, which may have other names.
    Source,
}

/// Compares the types of two statics.
pub(crate) fn compare_static(
    old: (&Graph, TypeId),
    new: (&Graph, TypeId),
    whose: Whose,
) -> Option<Difference> {
    let named = (whose == Whose::Source).then(|| with_names_of(old, new));
    let graph = named.as_ref().unwrap_or(new.0);
    let mut comparison = Comparison::new(old.0, graph);
    let mut queue = Vec::new();
    let step = Some(Step::Static { ty: graph.get(new.1).name.clone() });
    comparison.push(&mut queue, Pair { old: old.1, new: new.1, from: None, step });
    comparison.nearest(queue)
}

/// The type of a static, and the one that it is migrated from: what a function returns and takes
/// that stands for it.
#[cfg(feature = "debuginfo")]
pub(crate) fn types_of_static(graph: &Graph, id: TypeId) -> [Option<TypeId>; 2] {
    let Some((arguments, result)) = function(graph, id) else { return [None; 2] };
    [result, arguments.first().copied()]
}

/// How many differences are looked at for their cause.
const ENOUGH: usize = 64;

/// How often a type of the one side may meet one of the other: two lists of types whose lengths have
/// no divisor in common do so as often as the product of both.
const MAX_MEETINGS: usize = 1_000_000;

/// The steps that lead to the pair with number `at`.
fn way(mut queue: Vec<Pair>, mut at: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    loop {
        let pair = queue.swap_remove(at);
        steps.extend(pair.step);
        let Some(from) = pair.from else { break };
        // What leads to a pair stands before it: its place is still its own.
        at = from;
    }
    steps.reverse();
    steps
}

/// Whether anything that can be reached from `root` may hold a borrow: a reference, a trait object,
/// the address of a function. Without debug info of lifetimes, such a type may have been written
/// under another name to change what it borrows.
#[cfg(feature = "debuginfo")]
pub(crate) fn may_borrow(graph: &Graph, root: TypeId) -> bool {
    function(graph, root).is_none_or(|(arguments, result)| {
        places_may_borrow(graph, arguments.iter().copied().chain(result))
    })
}

/// [`may_borrow`] for a function of these arguments and result.
pub(crate) fn places_may_borrow(graph: &Graph, places: impl Iterator<Item = TypeId>) -> bool {
    let mut queue: Vec<TypeId> = places.collect();
    let mut seen: HashSet<TypeId> = queue.iter().copied().collect();
    while let Some(id) = queue.pop() {
        let ty = graph.get(id);
        let mut next: Vec<TypeId> = ty.parameters.clone();
        match &ty.kind {
            Kind::Function { .. } | Kind::Trait { .. } => return true,
            Kind::Pointer { .. } if ty.name.starts_with('&') => return true,
            Kind::Struct { .. } | Kind::Parts { .. } if ty.name.starts_with('&') => return true,
            Kind::Pointer { target } => next.extend(target),
            Kind::Struct { fields } | Kind::Union { fields } | Kind::Parts { fields } => {
                next.extend(fields.iter().map(|field| field.ty));
            }
            Kind::Enum { variants, .. } => next.extend(variants.iter().map(|variant| variant.ty)),
            Kind::Array { element, .. } => next.push(*element),
            // Nobody knows what is in it.
            Kind::Opaque => return true,
            Kind::Base { .. } | Kind::Names { .. } => {}
        }
        queue.extend(next.into_iter().filter(|id| seen.insert(*id)));
    }
    false
}

struct Comparison<'a> {
    old: &'a Graph,
    new: &'a Graph,
    seen: HashSet<(TypeId, TypeId)>,
    /// How often one type has met another.
    met: usize,
    /// What types are generic over: looked at when nothing else is left, so that the way to it leads
    /// through fields where it can.
    later: VecDeque<Pair>,
}

struct Pair {
    old: TypeId,
    new: TypeId,
    /// The number of the pair that leads to this one; `None` for what the signature names.
    from: Option<usize>,
    /// How it leads there, where that is worth telling.
    step: Option<Step>,
}

impl<'a> Comparison<'a> {
    fn new(old: &'a Graph, new: &'a Graph) -> Self {
        Self { old, new, seen: HashSet::new(), met: 0, later: VecDeque::new() }
    }

    /// The nearest difference among what `queue` leads to, or its cause.
    fn nearest(mut self, mut queue: Vec<Pair>) -> Option<Difference> {
        let mut differences: Vec<(usize, Vec<String>)> = Vec::new();
        // Breadth first, so that the shortest way to a difference is the one that is told.
        let mut next = 0;
        while (next < queue.len() || self.resume(&mut queue)) && differences.len() < ENOUGH {
            if let Some(details) = self.differs(queue[next].old, queue[next].new) {
                differences.push((next, details));
            }
            self.follow(next, &mut queue);
            next += 1;
            if self.met > MAX_MEETINGS {
                let what = format!("too many types meet: more than {MAX_MEETINGS} times");
                differences.push((0, vec![what]));
                break;
            }
        }
        let differing: HashSet<(TypeId, TypeId)> =
            differences.iter().map(|(at, _)| (queue[*at].old, queue[*at].new)).collect();
        // A struct that grew because a field of it grew is not what the reader has to look at.
        let cause = differences.iter().position(|(at, _)| {
            let inside = self.inside(queue[*at].old, queue[*at].new);
            inside.iter().all(|pair| !differing.contains(pair) || self.is_replaced(*pair))
        });
        let (at, details) = differences.into_iter().nth(cause.unwrap_or(0))?;
        let Pair { old, new, .. } = queue[at];
        let ty = self.new.get(new).name.clone();
        let declared = self.new.declared(new).or_else(|| self.old.declared(old));
        Some(Difference { ty, declared: declared.map(str::to_owned), details, way: way(queue, at) })
    }

    /// The arguments and results of two functions; `None` when they are not functions of one
    /// shape, which the comparison of signatures has seen before.
    #[cfg(feature = "debuginfo")]
    fn start(&mut self, old: TypeId, new: TypeId) -> Option<Vec<Pair>> {
        let (old, new) = (function(self.old, old)?, function(self.new, new)?);
        let mut queue = Vec::new();
        for (at, (old, new)) in old.0.iter().zip(new.0).enumerate() {
            let ty = self.new.get(*new).name.clone();
            let step = Some(Step::Argument { number: at + 1, ty });
            self.push(&mut queue, Pair { old: *old, new: *new, from: None, step });
        }
        if let (Some(old), Some(new)) = (old.1, new.1) {
            let ty = self.new.get(new).name.clone();
            self.push(&mut queue, Pair { old, new, from: None, step: Some(Step::Result { ty }) });
        }
        Some(queue)
    }

    fn push(&mut self, queue: &mut Vec<Pair>, pair: Pair) {
        self.met += 1;
        if self.seen.insert((pair.old, pair.new)) {
            queue.push(pair);
        }
    }

    /// Adds the next pair that was put off, if there is one.
    fn resume(&mut self, queue: &mut Vec<Pair>) -> bool {
        while let Some(pair) = self.later.pop_front() {
            if self.seen.insert((pair.old, pair.new)) {
                queue.push(pair);
                return true;
            }
        }
        false
    }

    /// Whether the second type stands in place of the first, instead of being a new edition of it.
    fn is_replaced(&self, (old, new): (TypeId, TypeId)) -> bool {
        is_replaced((self.old, old), (self.new, new))
    }

    /// What differs between two types themselves, without what they lead to.
    fn differs(&self, old: TypeId, new: TypeId) -> Option<Vec<String>> {
        let (old, new) = (self.old.get(old), self.new.get(new));
        let mut details = self.parts(old, new);
        if old.size != new.size {
            details.push(format!("size {} -> {}", number(old.size), number(new.size)));
        }
        if old.align != new.align && old.align.is_some() && new.align.is_some() {
            details.push(format!("alignment {} -> {}", number(old.align), number(new.align)));
        }
        (!details.is_empty()).then_some(details)
    }

    fn parts(&self, old: &Type, new: &Type) -> Vec<String> {
        use Kind::{
            Array, Base, Enum, Function, Names, Opaque, Parts, Pointer, Struct, Trait, Union,
        };
        match (&old.kind, &new.kind) {
            (Base { encoding: before }, Base { encoding: after }) => {
                different(before == after && old.name == new.name, old, new)
            }
            (Struct { fields: before }, Struct { fields: after })
            | (Union { fields: before }, Union { fields: after }) => {
                let mut details = fields((self.old, before), (self.new, after));
                if details.is_empty() {
                    details = different(same_name(old, new), old, new);
                }
                details
            }
            (Parts { fields: before }, Parts { fields: after }) => {
                let mut details = order((self.old, before), (self.new, after));
                if details.is_empty() {
                    details = different(same_name(old, new), old, new);
                }
                details
            }
            (
                Enum { discriminant: before_tag, variants: before },
                Enum { discriminant: after_tag, variants: after },
            ) => {
                let mut details = variants((self.old, before), (self.new, after));
                let place = |tag: &Option<Field>| tag.as_ref().map(|tag| tag.offset);
                if details.is_empty() && place(before_tag) != place(after_tag) {
                    details.push("the discriminant lies elsewhere".to_owned());
                }
                if details.is_empty() {
                    details = different(same_name(old, new), old, new);
                }
                details
            }
            (Names { values: before }, Names { values: after }) => values(before, after),
            (Pointer { target: before }, Pointer { target: after }) => {
                let same = before.is_some() == after.is_some() && sigil(old) == sigil(new);
                different(same, old, new)
            }
            (Array { count: before, .. }, Array { count: after, .. }) => {
                different(before == after, old, new)
            }
            (Function { arguments: before, .. }, Function { arguments: after, .. }) => {
                different(before.len() == after.len(), old, new)
            }
            (Trait { methods: Some(before) }, Trait { methods: Some(after) }) => {
                methods(before, after)
            }
            (Trait { .. }, Trait { .. }) => different(same_name(old, new), old, new),
            (Opaque, Opaque) => different(same_name(old, new), old, new),
            _ => different(false, old, new),
        }
    }

    /// The types that lie inside both, by value.
    fn inside(&self, old: TypeId, new: TypeId) -> Vec<(TypeId, TypeId)> {
        use Kind::{Array, Enum, Parts, Struct, Union};
        match (&self.old.get(old).kind, &self.new.get(new).kind) {
            (Struct { fields: before }, Struct { fields: after })
            | (Union { fields: before }, Union { fields: after })
            | (Parts { fields: before }, Parts { fields: after }) => {
                let parts = by_name(before, after, |f| &f.name, |f| f.ty);
                parts.into_iter().map(|(_, old, new)| (old, new)).collect()
            }
            (Enum { variants: before, .. }, Enum { variants: after, .. }) => {
                let parts = by_name(before, after, |v| &v.name, |v| v.ty);
                parts.into_iter().map(|(_, old, new)| (old, new)).collect()
            }
            (Array { element: before, .. }, Array { element: after, .. }) => {
                vec![(*before, *after)]
            }
            _ => Vec::new(),
        }
    }

    /// Adds what the two types of the pair with number `from` lead to.
    fn follow(&mut self, from: usize, queue: &mut Vec<Pair>) {
        use Kind::{Array, Enum, Function, Parts, Pointer, Struct, Trait, Union};
        let (old_graph, new_graph) = (self.old, self.new);
        let (old, new, from) = (queue[from].old, queue[from].new, Some(from));
        let parameters = old_graph.get(old).parameters.iter().zip(&new_graph.get(new).parameters);
        self.met += parameters.len();
        let put_off = parameters.map(|(old, new)| Pair { old: *old, new: *new, from, step: None });
        self.later.extend(put_off);
        // What a container of std is made of says nothing to who put it there.
        let owner = new_graph.get(new);
        let is_telling = !is_of_std(&owner.name);
        let mut go = |old: TypeId, new: TypeId, step: Option<Step>| {
            let step = step.filter(|_| is_telling);
            self.push(queue, Pair { old, new, from, step });
        };
        match (&old_graph.get(old).kind, &new_graph.get(new).kind) {
            (Struct { fields: before }, Struct { fields: after })
            | (Union { fields: before }, Union { fields: after })
            | (Parts { fields: before }, Parts { fields: after }) => {
                for (name, old, new) in by_name(before, after, |f| &f.name, |f| f.ty) {
                    let ty = new_graph.get(new).name.clone();
                    go(old, new, Some(Step::Field { name: name.to_owned(), ty }));
                }
            }
            (
                Enum { discriminant: before_tag, variants: before },
                Enum { discriminant: after_tag, variants: after },
            ) => {
                if let (Some(before), Some(after)) = (before_tag, after_tag) {
                    go(before.ty, after.ty, None);
                }
                for (name, old, new) in by_name(before, after, |v| &v.name, |v| v.ty) {
                    go(old, new, Some(Step::Variant { name: name.to_owned() }));
                }
            }
            (Pointer { target: Some(before) }, Pointer { target: Some(after) })
            | (Array { element: before, .. }, Array { element: after, .. }) => {
                go(*before, *after, None);
            }
            (
                Function { arguments: before, result: before_result },
                Function { arguments: after, result: after_result },
            ) => {
                for (old, new) in before.iter().zip(after) {
                    go(*old, *new, None);
                }
                if let (Some(before), Some(after)) = (before_result, after_result) {
                    go(*before, *after, None);
                }
            }
            (Trait { methods: Some(before) }, Trait { methods: Some(after) }) => {
                for (before, after) in before.iter().zip(after) {
                    if let (Some(old), Some(new)) = (before.ty, after.ty) {
                        go(old, new, Some(Step::Method { name: after.name.clone() }));
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(feature = "debuginfo")]
fn function(graph: &Graph, id: TypeId) -> Option<(&[TypeId], Option<TypeId>)> {
    match &graph.get(id).kind {
        Kind::Function { arguments, result } => Some((arguments, *result)),
        Kind::Pointer { target: Some(target) } => function(graph, *target),
        _ => None,
    }
}

/// The parts that both sides have under one name; where both have the same names in the same order,
/// one by one, so that a name that stands there twice means itself.
fn by_name<'a, T>(
    old: &'a [T],
    new: &'a [T],
    name: fn(&T) -> &String,
    ty: fn(&T) -> TypeId,
) -> Vec<(&'a str, TypeId, TypeId)> {
    if same_names(old, new, name) {
        let both = old.iter().zip(new);
        return both.map(|(old, new)| (name(new).as_str(), ty(old), ty(new))).collect();
    }
    let before: HashMap<&str, TypeId> =
        old.iter().map(|part| (name(part).as_str(), ty(part))).collect();
    new.iter()
        .filter_map(|part| {
            let old = before.get(name(part).as_str())?;
            Some((name(part).as_str(), *old, ty(part)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::compare;
    use crate::types::{Field, Graph, Kind, Type, TypeId};

    struct Build(Graph);

    impl Build {
        fn add(&mut self, name: &str, size: u64, kind: Kind) -> TypeId {
            let id = self.0.reserve();
            self.0.define(
                id,
                Type {
                    name: name.into(),
                    size: Some(size),
                    align: None,
                    kind,
                    parameters: Vec::new(),
                },
            );
            id
        }

        fn base(&mut self, name: &str, size: u64) -> TypeId {
            self.add(name, size, Kind::Base { encoding: 7 })
        }
    }

    fn field(name: &str, offset: u64, ty: TypeId) -> Field {
        Field { name: name.into(), offset, ty }
    }

    /// `fn(&mut World)`, where `World { players: *Player }` and `Player { hp, [mana], next: *Player }`.
    fn world(mana: bool) -> (Graph, TypeId) {
        let mut build = Build(Graph::default());
        let number = build.base("u32", 4);
        let player = build.0.reserve();
        let to_player = build.add("*mut Player", 8, Kind::Pointer { target: Some(player) });
        let mut fields = vec![field("hp", 0, number), field("next", 8, to_player)];
        if mana {
            fields.push(field("mana", 16, number));
        }
        let kind = Kind::Struct { fields };
        let size = if mana { 24 } else { 16 };
        build.0.define(
            player,
            Type {
                name: "game::Player".into(),
                size: Some(size),
                align: Some(8),
                kind,
                parameters: Vec::new(),
            },
        );
        let kind = Kind::Struct { fields: vec![field("players", 0, to_player)] };
        let world = build.add("game::World", 8, kind);
        let to_world = build.add("&mut game::World", 8, Kind::Pointer { target: Some(world) });
        let kind = Kind::Function { arguments: vec![to_world], result: None };
        let function = build.add("fn(&mut game::World)", 8, kind);
        (build.0, function)
    }

    #[test]
    fn a_recursive_type_is_equal_to_itself() {
        let (old, new) = (world(false), world(false));
        assert_eq!(compare((&old.0, old.1), (&new.0, new.1)), None);
    }

    #[test]
    fn a_field_far_behind_pointers_is_found_and_told_with_the_way_to_it() {
        let (old, new) = (world(false), world(true));
        let difference = compare((&old.0, old.1), (&new.0, new.1)).unwrap();
        assert_eq!(difference.title(), "Player (game::Player)");
        assert_eq!(difference.details, ["field mana: u32 new at 16", "size 16 -> 24"]);
        assert_eq!(difference.way(), "argument 1, &mut World -> players: *mut Player");
    }
}
