//! `#[midair::scope]`: a function whose whole body is one scope.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Error;

use crate::parse::item::{Function, Item};

/// The function with its body in a scope.
///
/// # Errors
/// When it is none, or runs while compiling.
pub(crate) fn expand(arguments: &TokenStream, item: Item) -> syn::Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "`#[midair::scope]` takes no arguments"));
    }
    let Item::Function(function) = item else {
        return Err(Error::new(
            Span::call_site(),
            "`#[midair::scope]` goes on a function; mark the methods of an `impl` block one by one",
        ));
    };
    let Function { attributes, visibility, defaultness, signature, body } = function;
    if let Some(constness) = &signature.constness {
        return Err(Error::new_spanned(
            constness,
            "a `const fn` may run while compiling, where there are no generations; enter the scope \
             where it is called",
        ));
    }
    let written = body.stream();
    let scoped = match signature.asyncness {
        Some(_) => quote_spanned!(Span::mixed_site()=>
            ::midair::scope_async(async move { #written }).await
        ),
        None => quote_spanned!(Span::mixed_site()=>
            let __midair_scope = ::midair::Scope::enter();
            #written
        ),
    };
    let mut block = Group::new(Delimiter::Brace, scoped);
    block.set_span(body.span());
    Ok(quote!(#(#attributes)* #visibility #defaultness #signature #block))
}
