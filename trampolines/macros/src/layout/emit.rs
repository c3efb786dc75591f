//! The records of types, and of the types of a function.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Type;
use syn::visit_mut::VisitMut as _;

use super::plain::plain;
use crate::owner::Static;
use crate::section;
use crate::signature::Places;

/// The record of what a function takes and returns; a type that is not described has no key there.
pub(crate) fn function(places: &Places) -> TokenStream {
    let trees = places.output.iter().chain(&places.arguments).map(|ty| leaf(&fixed(ty)));
    let unit = places.output.is_none().then(|| leaf(&quote_spanned!(Span::mixed_site()=> ())));
    let trees: Vec<_> = unit.into_iter().chain(trees).collect();
    let name = quote_spanned!(Span::mixed_site()=> __MIDAIR_TEXTS[0]);
    record(&name, &trees)
}

/// The record of a type: `trees` are the types that it describes.
pub(crate) fn types(trees: &[TokenStream]) -> TokenStream {
    let record = record(&quote_spanned!(Span::mixed_site()=> ""), trees);
    quote_spanned!(Span::mixed_site()=> const _: () = { #record };)
}

/// `ty` as a static can name it.
pub(crate) fn fixed(ty: &Type) -> TokenStream {
    let mut ty = plain(ty);
    Static::default().visit_type_mut(&mut ty);
    quote_spanned!(Span::mixed_site()=> #ty)
}

/// The tree of one type.
pub(crate) fn leaf(ty: &TokenStream) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> ::midair::__private::Leaf<#ty>)
}

/// A tree of trees, as flat as can be: the compiler bounds the depth of its walk.
pub(crate) fn tree(trees: &[TokenStream]) -> TokenStream {
    match trees {
        [] => quote_spanned!(Span::mixed_site()=> ::midair::__private::End),
        [one] => one.clone(),
        several => {
            let (first, second) = several.split_at(several.len() / 2);
            let (first, second) = (tree(first), tree(second));
            quote_spanned!(Span::mixed_site()=> ::midair::__private::Both<#first, #second>)
        }
    }
}

fn record(name: &TokenStream, trees: &[TokenStream]) -> TokenStream {
    let (attributes, count) = (section::attributes(), trees.len());
    quote_spanned! {Span::mixed_site()=>
        const __MIDAIR_ROOTS: ::midair::__private::Described<#count> = {
            #[allow(unused_imports, reason = "in scope only for types that are not described")]
            use ::midair::__private::RootsFallback as _;
            ::midair::__private::Described {
                keys: [#(<::midair::__private::Roots<#trees>>::KEY),*],
                nodes: [#(<::midair::__private::Roots<#trees>>::NODES),*],
            }
        };
        #attributes
        static __MIDAIR_TYPES: ::midair::__private::TypeRecord<
            #count,
            { __MIDAIR_ROOTS.len(#name) },
        > = ::midair::__private::TypeRecord::new(#name, __MIDAIR_ROOTS);
    }
}
