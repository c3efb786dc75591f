//! Types without the lifetimes that they bind themselves.
//!
//! `fn(&str)` takes every lifetime, and no impl of a trait can be written for all such types. A
//! layout does not depend on lifetimes; so a reference that a function binds becomes `Lent<str>`,
//! which is described as `&str` is.

use syn::visit_mut::{self, VisitMut};
use syn::{
    Lifetime, ParenthesizedGenericArguments, TraitBound, Type, TypeFnPtr, TypeReference,
    parse_quote, parse_quote_spanned, spanned::Spanned as _,
};

use crate::owner::names;

/// `ty` without what no impl can be written for.
pub(crate) fn plain(ty: &Type) -> Type {
    let mut ty = ty.clone();
    Plain::default().visit_type_mut(&mut ty);
    ty
}

#[derive(Default)]
struct Plain {
    /// The lifetimes that are bound around.
    bound: Vec<Lifetime>,
    /// How many functions are around.
    functions: usize,
}

impl Plain {
    fn is_bound(&self, lifetime: Option<&Lifetime>) -> bool {
        lifetime.map_or(self.functions > 0, |lifetime| {
            self.bound.contains(lifetime) || (self.functions > 0 && lifetime.ident == "_")
        })
    }

    fn inside(&mut self, bound: Vec<Lifetime>, functions: usize, visit: impl FnOnce(&mut Self)) {
        let outer = self.bound.len();
        self.bound.extend(bound);
        self.functions += functions;
        visit(self);
        self.functions -= functions;
        self.bound.truncate(outer);
    }
}

impl VisitMut for Plain {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        let span = ty.span();
        match ty {
            Type::Never(_) => {
                *ty = parse_quote_spanned!(span=> ::core::convert::Infallible);
            }
            Type::Reference(TypeReference { lifetime, mutability, elem, .. })
                if self.is_bound(lifetime.as_ref()) =>
            {
                *ty = match mutability {
                    None => parse_quote_spanned!(span=> ::midair::__private::Lent<#elem>),
                    Some(_) => parse_quote_spanned!(span=> ::midair::__private::LentMut<#elem>),
                };
            }
            _ => {}
        }
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if self.bound.contains(lifetime) || (self.functions > 0 && lifetime.ident == "_") {
            *lifetime = parse_quote!('static);
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        // The lifetime decides what becomes of the whole, so it stays.
        self.visit_type_mut(&mut reference.elem);
    }

    fn visit_type_fn_ptr_mut(&mut self, pointer: &mut TypeFnPtr) {
        let bound = pointer.lifetimes.take().as_ref().map(names).unwrap_or_default();
        self.inside(bound, 1, |this| visit_mut::visit_type_fn_ptr_mut(this, pointer));
    }

    fn visit_trait_bound_mut(&mut self, bound: &mut TraitBound) {
        let own = bound.lifetimes.take().as_ref().map(names).unwrap_or_default();
        self.inside(own, 0, |this| visit_mut::visit_trait_bound_mut(this, bound));
    }

    fn visit_parenthesized_generic_arguments_mut(
        &mut self,
        arguments: &mut ParenthesizedGenericArguments,
    ) {
        self.inside(Vec::new(), 1, |this| {
            visit_mut::visit_parenthesized_generic_arguments_mut(this, arguments);
        });
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens as _;
    use syn::parse_str;

    use super::plain;
    use crate::text::text;

    fn of(ty: &str) -> String {
        text(plain(&parse_str(ty).expect("a type")).into_token_stream())
            .replace("::midair::__private::", "")
    }

    #[test]
    fn what_a_function_binds_is_lent() {
        assert_eq!(of("fn(&str, &mut [u8]) -> &'_ str"), "fn(Lent<str>,LentMut<[u8]>)->Lent<str>");
        assert_eq!(of("for<'x> fn(&'x u8, Text<'x>)"), "fn(Lent<u8>,Text<'static>)");
        assert_eq!(of("Box<dyn Fn(&str) -> bool>"), "Box<dyn Fn(Lent<str>)->bool>");
        assert_eq!(of("&'a dyn for<'x> Named<'x>"), "&'a dyn Named<'static>");
    }

    #[test]
    fn what_the_type_is_generic_over_stays() {
        assert_eq!(of("fn(&'a str) -> &'static u8"), "fn(&'a str)->&'static u8");
        assert_eq!(of("&'a Text<'a>"), "&'a Text<'a>");
        assert_eq!(
            of("fn(&(&u8, u8)) -> !"),
            "fn(Lent<(Lent<u8>,u8)>)->::core::convert::Infallible"
        );
    }
}
