//! The lifetimes that tie one place of a signature to another.
//!
//! Whether a lifetime is named or left out must not matter, and neither must its name. What
//! matters is which places share one: callers of `fn pick(a: &str, b: &str)` that were compiled
//! while the result borrowed from `a` only must not meet code that returns `b`. So a lifetime
//! leaves a mark in the text of a signature where it says more than elision would.

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{
    BoundLifetimes, GenericParam, Lifetime, PathArguments, Receiver, ReceiverKind, Signature, Type,
    TypeFnPtr, TypeReference,
};

use crate::signature::Places;

/// The lifetimes that leave a mark, in the order of their first appearance.
#[derive(Default)]
pub(crate) struct Ties(Vec<Lifetime>);

impl Ties {
    /// The ties of `signature`, whose types without `Self` are `places`.
    ///
    /// What is left out of the return type is written down where elision gives it a name.
    pub(crate) fn of(signature: &Signature, places: &mut Places) -> Self {
        let inputs = Mentions::of(places.arguments.iter());
        let receiver = signature.receiver().and_then(borrow);
        let elision = match &receiver {
            Some(lifetime) => lifetime.clone(),
            None => inputs.only().cloned(),
        };
        if let (Some(lifetime), Some(output)) = (&elision, &mut places.output) {
            WriteDown(lifetime).visit_type_mut(output);
        }
        let outputs = Mentions::of(places.output.iter());
        let mut ties = Vec::new();
        for lifetime in inputs.named.iter().chain(&outputs.named) {
            let times = inputs.named.iter().filter(|named| *named == lifetime).count();
            let by_elision = match &receiver {
                Some(borrowed) => borrowed.as_ref() == Some(lifetime),
                None => inputs.named.len() + inputs.left_out == 1,
            };
            let says_no_more = times == 1 && (by_elision || !outputs.named.contains(lifetime));
            if !says_no_more && !ties.contains(lifetime) {
                ties.push(lifetime.clone());
            }
        }
        Self(ties)
    }

    /// The mark that `lifetime` leaves: its number, or nothing.
    pub(crate) fn mark(&self, lifetime: &Lifetime) -> Option<Lifetime> {
        if lifetime.ident == "static" {
            return Some(lifetime.clone());
        }
        let number = self.0.iter().position(|tie| tie == lifetime)?;
        let mut mark = Lifetime::new("'a", Span::mixed_site());
        mark.ident = quote::format_ident!("_{number}");
        Some(mark)
    }
}

/// The lifetime of the reference that a receiver is, if it is one.
fn borrow(receiver: &Receiver) -> Option<Option<Lifetime>> {
    struct First(Option<Option<Lifetime>>);
    impl VisitMut for First {
        fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
            self.0.get_or_insert(reference.lifetime.clone());
        }
    }
    match &receiver.kind {
        ReceiverKind::Reference(_, lifetime, _) => Some(lifetime.clone()),
        ReceiverKind::Typed(_, ty) => {
            let mut first = First(None);
            first.visit_type_mut(&mut Type::clone(ty));
            first.0
        }
        _ => None,
    }
}

/// The free lifetimes of some types.
#[derive(Default)]
struct Mentions {
    named: Vec<Lifetime>,
    left_out: usize,
    bound: Vec<Lifetime>,
}

impl Mentions {
    fn of<'a>(types: impl Iterator<Item = &'a Type>) -> Self {
        let mut mentions = Self::default();
        for ty in types {
            mentions.visit_type_mut(&mut ty.clone());
        }
        let Self { named, bound, .. } = &mut mentions;
        named.retain(|lifetime| !bound.contains(lifetime));
        mentions
    }

    /// The one lifetime that all of them mention.
    fn only(&self) -> Option<&Lifetime> {
        let first = self.named.first()?;
        let same = self.named.iter().all(|other| other == first);
        (same && self.left_out == 0).then_some(first)
    }
}

impl VisitMut for Mentions {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            self.left_out += 1;
        } else if lifetime.ident != "static" {
            self.named.push(lifetime.clone());
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.left_out += usize::from(reference.lifetime.is_none());
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_bound_lifetimes_mut(&mut self, bound: &mut BoundLifetimes) {
        self.bound.extend(bound.lifetimes.iter().filter_map(|param| match param {
            GenericParam::Lifetime(param) => Some(param.lifetime.clone()),
            _ => None,
        }));
    }

    fn visit_type_fn_ptr_mut(&mut self, pointer: &mut TypeFnPtr) {
        let left_out = self.left_out;
        visit_mut::visit_type_fn_ptr_mut(self, pointer);
        self.left_out = left_out;
    }

    fn visit_path_arguments_mut(&mut self, arguments: &mut PathArguments) {
        let left_out = self.left_out;
        visit_mut::visit_path_arguments_mut(self, arguments);
        if matches!(arguments, PathArguments::Parenthesized(_)) {
            self.left_out = left_out;
        }
    }
}

/// Names what a return type leaves out.
struct WriteDown<'a>(&'a Lifetime);

impl VisitMut for WriteDown<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference.lifetime.get_or_insert_with(|| self.0.clone());
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.0.clone();
        }
    }

    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}

    fn visit_path_arguments_mut(&mut self, arguments: &mut PathArguments) {
        if !matches!(arguments, PathArguments::Parenthesized(_)) {
            visit_mut::visit_path_arguments_mut(self, arguments);
        }
    }
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
