//! Which parameters of a generic type have to be described, and what the others are.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{
    GenericParam, Generics, Ident, Type, TypeParamBound, TypePath, WherePredicate, parse_quote,
};

/// The parameters of a type, as far as its fields use them.
pub(crate) struct Used {
    /// Parameters, and types that belong to one, like `T::Item`.
    pub(crate) types: Vec<Type>,
    /// Constants.
    pub(crate) constants: Vec<Ident>,
}

impl Used {
    /// What `fields` use of `generics`.
    pub(crate) fn of(generics: &Generics, fields: &[Type]) -> Self {
        let constants = generics.const_params().map(|param| param.ident.clone()).collect();
        let mut find = Find { names: type_names(generics), found: Vec::new() };
        for field in fields {
            find.visit_type_mut(&mut field.clone());
        }
        let mut types: Vec<Type> = Vec::new();
        for found in find.found {
            let text = found.to_token_stream().to_string();
            if types.iter().all(|known| known.to_token_stream().to_string() != text) {
                types.push(found);
            }
        }
        Self { types, constants }
    }

    /// What an impl for the type must demand.
    pub(crate) fn predicates(&self, generics: &Generics) -> Vec<WherePredicate> {
        let mut predicates: Vec<WherePredicate> =
            self.types.iter().map(|ty| parse_quote!(#ty: ::midair::Layout)).collect();
        if generics.type_params().any(|param| param.bounds.iter().any(is_relaxed))
            || where_bounds(generics).any(is_relaxed)
        {
            predicates.push(parse_quote!(Self: ::core::marker::Sized));
        }
        predicates
    }

    /// `.with(..)` for each of them, after a key.
    pub(crate) fn key(&self) -> TokenStream {
        let Self { types, constants } = self;
        quote_spanned! {Span::mixed_site()=>
            #(.with(<#types as ::midair::Layout>::KEY))*
            #(.number(#constants as u128))*
        }
    }

    /// The keys of the types, as a list.
    pub(crate) fn parameters(&self) -> TokenStream {
        let types = &self.types;
        quote!(&[#(<#types as ::midair::Layout>::KEY),*])
    }
}

/// Whether `ty` depends on a parameter of `generics` that is no lifetime.
pub(crate) fn depends(ty: &Type, generics: &Generics) -> bool {
    let mut names = type_names(generics);
    names.extend(generics.const_params().map(|param| param.ident.clone()));
    let mut find = Mentions { names, found: false };
    find.visit_type_mut(&mut ty.clone());
    find.found
}

/// The type that generics apply to, with `'static` for its lifetimes.
pub(crate) fn without_lifetimes(name: &Ident, generics: &Generics) -> TokenStream {
    let arguments = generics.params.iter().map(|param| match param {
        GenericParam::Lifetime(_) => quote!('static),
        GenericParam::Type(param) => param.ident.to_token_stream(),
        GenericParam::Const(param) => param.ident.to_token_stream(),
    });
    quote!(#name<#(#arguments),*>)
}

fn type_names(generics: &Generics) -> Vec<Ident> {
    generics.type_params().map(|param| param.ident.clone()).collect()
}

fn where_bounds(generics: &Generics) -> impl Iterator<Item = &TypeParamBound> {
    generics.where_clause.iter().flat_map(|clause| &clause.predicates).flat_map(|predicate| {
        match predicate {
            WherePredicate::Type(predicate) => predicate.bounds.iter().collect(),
            _ => Vec::new(),
        }
    })
}

fn is_relaxed(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Trait(bound) if bound.maybe.is_some())
}

/// Finds the parameters, each with what belongs to it.
struct Find {
    names: Vec<Ident>,
    found: Vec<Type>,
}

impl VisitMut for Find {
    fn visit_type_path_mut(&mut self, path: &mut TypePath) {
        let first = path.path.segments.first().map(|segment| &segment.ident);
        let is_own = match &path.qself {
            None => first.is_some_and(|first| self.names.contains(first)),
            Some(of) => {
                let Type::Path(of) = &*of.ty else {
                    return visit_mut::visit_type_path_mut(self, path);
                };
                of.path.get_ident().is_some_and(|name| self.names.contains(name))
            }
        };
        if is_own {
            self.found.push(Type::Path(path.clone()));
        } else {
            visit_mut::visit_type_path_mut(self, path);
        }
    }
}

/// Finds any mention of a name.
struct Mentions {
    names: Vec<Ident>,
    found: bool,
}

impl VisitMut for Mentions {
    fn visit_ident_mut(&mut self, name: &mut Ident) {
        self.found |= self.names.contains(name);
    }
}
