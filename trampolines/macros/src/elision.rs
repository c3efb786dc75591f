//! Lifetimes that are left out, written down.
//!
//! What is left out of an argument is a lifetime of its own; what is left out of a return type is
//! the one that elision gives it. A function pointer or `Fn(..)` inside does the same for itself,
//! so neither of the two enters it.

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, PathArguments, TypeFnPtr, TypeReference};

/// Names what is left out.
pub(crate) struct Naming<'a> {
    prefix: &'a str,
    /// The names that were given, in order.
    pub(crate) new: Vec<Lifetime>,
}

impl<'a> Naming<'a> {
    /// Names begin with `prefix`, which tells them from others.
    pub(crate) fn new(prefix: &'a str) -> Self {
        Self { prefix, new: Vec::new() }
    }

    fn fresh(&mut self) -> Lifetime {
        let name = format!("'__{}{}", self.prefix, self.new.len());
        let lifetime = Lifetime::new(&name, Span::mixed_site());
        self.new.push(lifetime.clone());
        lifetime
    }
}

impl VisitMut for Naming<'_> {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if reference.lifetime.is_none() {
            reference.lifetime = Some(self.fresh());
        }
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.fresh();
        }
    }

    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}

    fn visit_path_arguments_mut(&mut self, arguments: &mut PathArguments) {
        if !matches!(arguments, PathArguments::Parenthesized(_)) {
            visit_mut::visit_path_arguments_mut(self, arguments);
        }
    }
}

/// Writes one lifetime wherever one is left out.
pub(crate) struct Filling<'a>(pub(crate) &'a Lifetime);

impl VisitMut for Filling<'_> {
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
