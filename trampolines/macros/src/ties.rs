//! The lifetimes that tie one place of a signature to another.
//!
//! Whether a lifetime is named or left out must not matter, and neither must its name. What
//! matters is which places share one: callers of `fn pick(a: &str, b: &str)` that were compiled
//! while the result borrowed from `a` only must not meet code that returns `b`. So a lifetime
//! leaves a mark in the text of a signature where it says more than elision would.
//!
//! Function pointers and `Fn(..)` have lifetimes of their own, with the same rules one level
//! deeper.

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{BoundLifetimes, Lifetime, PathArguments, TraitBound, Type, TypeFnPtr};

use crate::elision::{Filling, Naming};
use crate::owner::names;

/// The lifetimes that leave a mark, for each level around the place that is looked at.
pub(crate) struct Ties(Vec<Level>);

/// The lifetimes of one function or function type.
pub(crate) struct Level {
    /// What it binds; the outermost one has all that nobody else binds.
    own: Option<Vec<Lifetime>>,
    /// Those that leave a mark, in the order of their first appearance.
    marks: Vec<Lifetime>,
}

impl Ties {
    /// For a type on its own: nothing outside of it is tied.
    pub(crate) fn none() -> Self {
        Self(vec![Level { own: None, marks: Vec::new() }])
    }

    /// For a signature with the types `inputs` and `output`, in which nothing is left out.
    ///
    /// `elided` is what elision would give the output; `bounded` leave a mark in any case.
    pub(crate) fn of<'a>(
        inputs: impl Iterator<Item = &'a Type>,
        output: Option<&Type>,
        elided: Option<&Lifetime>,
        bounded: &[Lifetime],
    ) -> Self {
        let (inputs, outputs) = (Mentions::of(inputs), Mentions::of(output.into_iter()));
        let mut level = Level::of(None, &inputs, &outputs, elided);
        let all = inputs.all.iter().chain(&outputs.all).map(|mention| &mention.lifetime);
        level.marks = all.fold(Vec::new(), |mut marks, lifetime| {
            let is_mark = level.marks.contains(lifetime) || bounded.contains(lifetime);
            if is_mark && !marks.contains(lifetime) {
                marks.push(lifetime.clone());
            }
            marks
        });
        for lifetime in bounded {
            if !level.marks.contains(lifetime) {
                level.marks.push(lifetime.clone());
            }
        }
        Self(vec![level])
    }

    /// Goes into a function type that binds the lifetimes `own`, and writes down what it leaves
    /// out.
    pub(crate) fn enter_function(
        &mut self,
        mut own: Vec<Lifetime>,
        inputs: &mut [&mut Type],
        output: Option<&mut Type>,
    ) {
        let prefix = format!("bound{}_", self.0.len());
        let written = write_out(inputs, output, &prefix, sole);
        own.extend(written.new);
        let inputs = Mentions::of(inputs.iter().map(|ty| &**ty));
        let outputs = Mentions::of(written.output.into_iter());
        self.0.push(Level::of(Some(own), &inputs, &outputs, written.elided.as_ref()));
    }

    /// Goes into a bound whose `for<..>` has the lifetimes `own`; all of them leave a mark.
    pub(crate) fn enter_bound(&mut self, own: Vec<Lifetime>) {
        self.0.push(Level { marks: own.clone(), own: Some(own) });
    }

    /// Goes back to the level outside.
    pub(crate) fn leave(&mut self) {
        self.0.pop();
    }

    /// The mark that `lifetime` leaves, or `'_`.
    pub(crate) fn mark(&self, lifetime: &Lifetime) -> Lifetime {
        if lifetime.ident == "static" {
            return lifetime.clone();
        }
        let owner = |level: &&Level| level.own.as_ref().is_none_or(|own| own.contains(lifetime));
        let level = self.0.iter().rposition(|level| owner(&level)).unwrap_or(0);
        let number = self.0[level].marks.iter().position(|mark| mark == lifetime);
        let ident = match number {
            Some(number) => quote::format_ident!("{}_{number}", "b".repeat(level)),
            None => quote::format_ident!("_"),
        };
        Lifetime { apostrophe: Span::mixed_site(), ident }
    }
}

impl Level {
    fn of(
        own: Option<Vec<Lifetime>>,
        inputs: &Mentions,
        outputs: &Mentions,
        elided: Option<&Lifetime>,
    ) -> Self {
        let mut marks: Vec<Lifetime> = Vec::new();
        for Mention { lifetime, .. } in inputs.all.iter().chain(&outputs.all) {
            let is_own = own.as_ref().is_none_or(|own| own.contains(lifetime));
            let by_elision = elided == Some(lifetime) || !outputs.have(lifetime);
            let says_no_more = inputs.times(lifetime) == 1
                && by_elision
                && !inputs.have_deep(lifetime)
                && !outputs.have_deep(lifetime);
            if is_own && !says_no_more && lifetime.ident != "static" && !marks.contains(lifetime) {
                marks.push(lifetime.clone());
            }
        }
        Self { own, marks }
    }
}

/// What [`write_out`] found and did.
pub(crate) struct Written<'a> {
    /// The names that were given to lifetimes of the inputs.
    new: Vec<Lifetime>,
    /// What elision gives the output.
    pub(crate) elided: Option<Lifetime>,
    output: Option<&'a Type>,
}

/// Writes down what `inputs` and `output` leave out; `elide` says what elision gives the output.
pub(crate) fn write_out<'a>(
    inputs: &mut [&mut Type],
    mut output: Option<&'a mut Type>,
    prefix: &str,
    elide: impl FnOnce(&[&mut Type]) -> Option<Lifetime>,
) -> Written<'a> {
    let mut naming = Naming::new(prefix);
    for input in inputs.iter_mut() {
        naming.visit_type_mut(input);
    }
    let elided = elide(inputs);
    if let (Some(output), Some(elided)) = (&mut output, &elided) {
        Filling(elided).visit_type_mut(output);
    }
    Written { new: naming.new, elided, output: output.map(|output| &*output) }
}

/// The one lifetime that all of `inputs` mention.
pub(crate) fn sole(inputs: &[&mut Type]) -> Option<Lifetime> {
    Mentions::of(inputs.iter().map(|ty| &**ty)).only().cloned()
}

/// A lifetime where it is written.
struct Mention {
    lifetime: Lifetime,
    /// It stands inside a function type or a bound with lifetimes of its own.
    is_deep: bool,
}

/// The free lifetimes of some types, in order.
#[derive(Default)]
pub(crate) struct Mentions {
    all: Vec<Mention>,
    bound: Vec<Lifetime>,
    depth: usize,
}

impl Mentions {
    pub(crate) fn of<'a>(types: impl Iterator<Item = &'a Type>) -> Self {
        let mut mentions = Self::default();
        for ty in types {
            mentions.visit_type_mut(&mut ty.clone());
        }
        mentions
    }

    /// Their names, without `'static`.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Lifetime> {
        let all = self.all.iter().map(|mention| &mention.lifetime);
        all.filter(|lifetime| lifetime.ident != "static")
    }

    /// The one lifetime that all of them mention.
    fn only(&self) -> Option<&Lifetime> {
        let mut direct = self.all.iter().filter(|mention| !mention.is_deep);
        let first = &direct.next()?.lifetime;
        direct.all(|other| other.lifetime == *first).then_some(first)
    }

    fn have(&self, lifetime: &Lifetime) -> bool {
        self.times(lifetime) > 0
    }

    fn have_deep(&self, lifetime: &Lifetime) -> bool {
        self.all.iter().any(|mention| mention.is_deep && mention.lifetime == *lifetime)
    }

    fn times(&self, lifetime: &Lifetime) -> usize {
        self.all.iter().filter(|mention| mention.lifetime == *lifetime).count()
    }

    fn within(&mut self, bound: Option<&BoundLifetimes>, visit: impl FnOnce(&mut Self)) {
        let outer = self.bound.len();
        self.bound.extend(bound.map(names).unwrap_or_default());
        self.depth += 1;
        visit(self);
        self.depth -= 1;
        self.bound.truncate(outer);
    }
}

impl VisitMut for Mentions {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident != "_" && !self.bound.contains(lifetime) {
            self.all.push(Mention { lifetime: lifetime.clone(), is_deep: self.depth > 0 });
        }
    }

    // What is bound is no mention.
    fn visit_bound_lifetimes_mut(&mut self, _: &mut BoundLifetimes) {}

    fn visit_type_fn_ptr_mut(&mut self, pointer: &mut TypeFnPtr) {
        let bound = pointer.lifetimes.clone();
        self.within(bound.as_ref(), |this| visit_mut::visit_type_fn_ptr_mut(this, pointer));
    }

    fn visit_trait_bound_mut(&mut self, bound: &mut TraitBound) {
        if !has_level(bound) {
            return visit_mut::visit_trait_bound_mut(self, bound);
        }
        let lifetimes = bound.lifetimes.clone();
        self.within(lifetimes.as_ref(), |this| visit_mut::visit_trait_bound_mut(this, bound));
    }
}

/// Whether `bound` has lifetimes of its own.
pub(crate) fn has_level(bound: &TraitBound) -> bool {
    let is_call =
        |segment: &syn::PathSegment| matches!(segment.arguments, PathArguments::Parenthesized(_));
    bound.lifetimes.is_some() || bound.path.segments.iter().any(is_call)
}

#[cfg(test)]
mod tests {
    use crate::signature::tests::{method, of};

    #[test]
    fn names_and_elision_leave_no_mark() {
        for (left, right) in [
            ("fn f(a: &str) -> &str", "fn f<'x>(a: &'x str) -> &'x str"),
            ("fn f(a: Foo<'_>) -> Foo<'_>", "fn f<'x>(a: Foo<'x>) -> Foo<'x>"),
            ("fn f(a: Foo) -> &str", "fn f<'x>(a: Foo<'x>) -> &'x str"),
            ("fn f(a: &str, b: &str)", "fn f<'x, 'y>(a: &'x str, b: &'y str)"),
            ("fn f(a: &dyn Fn(&u8) -> &u8)", "fn f(a: &dyn for<'x> Fn(&'x u8) -> &'x u8)"),
        ] {
            assert_eq!(of(left), of(right));
        }
        let header = "impl Player";
        assert_eq!(
            method(header, "fn f(&self, b: &str) -> &str"),
            method(header, "fn f<'x, 'y>(&'x self, b: &'y str) -> &'x str")
        );
        assert_eq!(
            method(header, "fn f(self: Pin<&mut Self>, b: &str) -> &str"),
            method(header, "fn f<'x>(self: Pin<&'x mut Self>, b: &str) -> &'x str")
        );
    }

    #[test]
    fn ties_are_told_apart() {
        let first = of("fn f<'x, 'y>(a: &'x str, b: &'y str) -> &'x str");
        assert_eq!(first, "fn(&'_0 str,&str)->&'_0 str");
        assert_ne!(first, of("fn f<'x, 'y>(a: &'x str, b: &'y str) -> &'y str"));
        assert_ne!(first, of("fn f<'x>(a: &'x str, b: &'x str) -> &'x str"));
        assert_eq!(first, of("fn f<'other>(a: &'other str, b: &str) -> &'other str"));
        assert_ne!(
            of("fn f<'x>(list: &mut Vec<&'x str>, new: &'x str)"),
            of("fn f<'x>(list: &mut Vec<&'x str>, new: &str)")
        );
        assert_eq!(
            of("fn f<'x>(a: &'x u8, b: &'x u8) -> &u16"),
            of("fn f<'x>(a: &'x u8, b: &'x u8) -> &'x u16")
        );
        let header = "impl<'t> View<'t>";
        let own = method(header, "fn f(&self) -> &'t str");
        assert_eq!(own, "fn(&View<'_0>)->&'_0 str");
        assert_ne!(own, method(header, "fn f(&self) -> &str"));
        assert_ne!(
            method(header, "fn f(&self, b: &str) -> &str"),
            method(header, "fn f<'x>(&'x self, b: &'x str) -> &'x str")
        );
    }
}
