//! Bounds between lifetimes: `'b: 'a` lets new code keep what an old caller drops too early.
//!
//! What follows from the types is taken away: whoever writes `&'a mut &'b str` need not say that
//! `'b` outlives `'a`. What follows from the bounds is added, so that they may be written in any
//! order and through any other lifetime.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::visit_mut::VisitMut;
use syn::{GenericParam, Generics, Lifetime, Type, TypeParamBound, TypeReference, WherePredicate};

use crate::ties::Mentions;

/// The first outlives the second.
type Pair = (Lifetime, Lifetime);

/// The bounds that a signature, and the `impl` around it, state.
#[derive(Default)]
pub(crate) struct Outlives {
    /// Everything that follows from the bounds between lifetimes.
    pairs: BTreeSet<Pair>,
    /// Bounds on types that mention lifetimes.
    pub(crate) predicates: Vec<WherePredicate>,
}

impl Outlives {
    pub(crate) fn of<'a>(all: impl Iterator<Item = &'a Generics>) -> Self {
        let mut outlives = Self::default();
        for generics in all {
            outlives.add(generics);
        }
        outlives.pairs = closed(outlives.pairs);
        outlives
    }

    fn add(&mut self, generics: &Generics) {
        for param in &generics.params {
            if let GenericParam::Lifetime(param) = param {
                self.bound(&param.lifetime, &param.bounds);
            }
        }
        for predicate in generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
            match predicate {
                WherePredicate::Lifetime(bound) => self.bound(&bound.lifetime, &bound.bounds),
                WherePredicate::Type(_) => {
                    let mut mentions = Mentions::default();
                    mentions.visit_where_predicate_mut(&mut predicate.clone());
                    if mentions.names().next().is_some() {
                        self.predicates.push(predicate.clone());
                    }
                }
                _ => {}
            }
        }
    }

    fn bound<'a>(&mut self, longer: &Lifetime, all: impl IntoIterator<Item = &'a Lifetime>) {
        self.pairs.extend(all.into_iter().map(|shorter| (longer.clone(), shorter.clone())));
    }

    /// The lifetime that `lifetime` is the same as: `'static` where it outlives that, or the first
    /// of those that outlive one another.
    pub(crate) fn same(&self, lifetime: &Lifetime) -> Lifetime {
        let end = Lifetime::new("'static", Span::mixed_site());
        if self.pairs.contains(&(lifetime.clone(), end.clone())) {
            return end;
        }
        let both_ways = |(longer, shorter): &&Pair| {
            longer == lifetime && self.pairs.contains(&(shorter.clone(), longer.clone()))
        };
        let same = self.pairs.iter().filter(both_ways).map(|(_, shorter)| shorter);
        same.chain([lifetime]).min().unwrap_or(lifetime).clone()
    }

    /// The bounds between lifetimes of `types` that do not follow from the types themselves.
    ///
    /// Each lifetime of `types` is the one that [`same`](Self::same) makes of it.
    pub(crate) fn stated(&self, types: &[&Type]) -> Vec<Pair> {
        let mut implied = BTreeSet::new();
        for ty in types {
            imply(ty, &mut Vec::new(), &mut implied);
        }
        let stated = self.pairs.iter().map(|(one, other)| (self.same(one), self.same(other)));
        let all = closed(implied.iter().cloned().chain(stated).collect());
        let implied = closed(implied);
        let mentions = Mentions::of(types.iter().copied());
        let has = |lifetime: &Lifetime| mentions.names().any(|name| name == lifetime);
        let says_more = |(longer, shorter): &Pair| {
            longer != shorter
                && has(longer)
                && has(shorter)
                && !implied.contains(&(longer.clone(), shorter.clone()))
        };
        all.into_iter().filter(says_more).collect()
    }
}

impl VisitMut for &Outlives {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        *lifetime = self.same(lifetime);
    }
}

/// `pairs` and everything that follows from them.
fn closed(mut pairs: BTreeSet<Pair>) -> BTreeSet<Pair> {
    loop {
        let through = |(longer, middle): &Pair| {
            let further = pairs.iter().filter(|(from, _)| from == middle);
            further.map(|(_, shorter)| (longer.clone(), shorter.clone())).collect::<Vec<_>>()
        };
        let more: Vec<Pair> = pairs.iter().flat_map(through).collect();
        let before = pairs.len();
        pairs.extend(more);
        if pairs.len() == before {
            return pairs;
        }
    }
}

/// What `ty` implies: what is behind a reference lives as long as the reference.
///
/// Paths are not entered: an alias may be anything.
fn imply(ty: &Type, around: &mut Vec<Lifetime>, implied: &mut BTreeSet<Pair>) {
    let mut outlives = |longer: &Lifetime, around: &[Lifetime]| {
        implied.extend(around.iter().map(|shorter| (longer.clone(), shorter.clone())));
    };
    match ty {
        Type::Reference(TypeReference { lifetime: Some(lifetime), elem, .. }) => {
            outlives(lifetime, around);
            around.push(lifetime.clone());
            imply(elem, around, implied);
            around.pop();
        }
        Type::TraitObject(object) => {
            for bound in &object.bounds {
                if let TypeParamBound::Lifetime(lifetime) = bound {
                    outlives(lifetime, around);
                }
            }
        }
        Type::Array(array) => imply(&array.elem, around, implied),
        Type::Slice(slice) => imply(&slice.elem, around, implied),
        Type::Ptr(pointer) => imply(&pointer.elem, around, implied),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|elem| imply(elem, around, implied)),
        _ => {}
    }
}
