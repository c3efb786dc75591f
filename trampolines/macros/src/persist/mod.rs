//! `#[persist]` on statics: one storage, whatever patch the code that works on it comes from.

mod arguments;
mod expand;
mod item;

use proc_macro2::TokenStream;
use quote::quote;

/// The static that others see and its record, or the item as it was written and every mistake in
/// it.
pub(crate) fn persist(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attempt(arguments, item.clone()).unwrap_or_else(|mistakes| {
        let mistakes = mistakes.into_compile_error();
        quote!(#item #mistakes)
    })
}

fn attempt(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let item: item::Item = syn::parse2(item)?;
    let change = arguments::parse(arguments, &item)?;
    let statics = item.statics.iter();
    Ok(statics.map(|one| expand::expand(one, &item.storage, &change)).collect())
}
