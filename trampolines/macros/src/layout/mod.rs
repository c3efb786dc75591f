//! `#[derive(Layout)]` on types and `#[layout]` on traits: what a type is made of, for the compiler
//! to fill in.

mod attributes;
mod bounds;
mod emit;
mod endless;
mod field;
mod mirror;
mod object;
mod plain;
mod shape;

use proc_macro2::TokenStream;

pub(crate) use emit::function;

/// The impl for a struct, an enum or a union.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    shape::Subject::parse(item)
        .map(|subject| subject.expand())
        .unwrap_or_else(syn::Error::into_compile_error)
}

/// The trait, and the impls for its trait objects.
pub(crate) fn object(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match object::Object::parse(arguments, item.clone()) {
        Ok(object) => {
            let impls = object.expand();
            let item = object.item();
            quote::quote!(#item #impls)
        }
        Err(mistakes) => {
            let mistakes = mistakes.into_compile_error();
            let item = object::Object::unmarked(item);
            quote::quote!(#item #mistakes)
        }
    }
}
