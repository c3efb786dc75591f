//! What `#[persist]` is written on: a static, or the statics of a `thread_local!`.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, Token, Type, Visibility};

/// The statics of one mark.
pub(crate) struct Item {
    pub(crate) storage: Storage,
    pub(crate) statics: Vec<Static>,
}

/// Where the values are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// One for all threads.
    Shared,
    /// One for each thread.
    Local,
}

/// One static as it was written.
pub(crate) struct Static {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    /// Everything after `=`.
    pub(crate) value: TokenStream,
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        if let Some(body) = thread_local(input)? {
            if let Some(attribute) = attributes.first() {
                return Err(Error::new_spanned(attribute, "write this on the statics inside"));
            }
            let statics = |input: ParseStream<'_>| {
                let mut statics = Vec::new();
                while !input.is_empty() {
                    let attributes = input.call(Attribute::parse_outer)?;
                    statics.push(Static::parse(attributes, input)?);
                }
                Ok(statics)
            };
            let statics = syn::parse::Parser::parse2(statics, body)?;
            return Ok(Self { storage: Storage::Local, statics });
        }
        let one = Static::parse(attributes, input)?;
        Ok(Self { storage: Storage::Shared, statics: vec![one] })
    }
}

impl Static {
    fn parse(attributes: Vec<Attribute>, input: ParseStream<'_>) -> syn::Result<Self> {
        let visibility: Visibility = input.parse()?;
        if !input.peek(Token![static]) {
            let rest: TokenStream = input.parse()?;
            let first = rest.into_iter().next().map_or_else(Span::call_site, |token| token.span());
            return Err(Error::new(
                first,
                "`#[persist]` goes on a `static`, or on a `thread_local!` of statics",
            ));
        }
        input.parse::<Token![static]>()?;
        if input.peek(Token![mut]) {
            let word: Token![mut] = input.parse()?;
            input.parse::<TokenStream>()?;
            return Err(Error::new_spanned(
                word,
                "code of several generations works on a persistent static at once: use a `Mutex`, \
                 an atomic or another type that is changed through `&`, instead of `static mut`",
            ));
        }
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        let ty = input.parse()?;
        input.parse::<Token![=]>()?;
        let mut value = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![;]) {
            input.parse::<proc_macro2::TokenTree>()?.to_tokens(&mut value);
        }
        // The last one inside `thread_local!` may do without.
        input.parse::<Option<Token![;]>>()?;
        Ok(Self { attributes, visibility, name, ty, value })
    }
}

/// What stands between the braces of `thread_local! { .. }`, if that is what comes.
fn thread_local(input: ParseStream<'_>) -> syn::Result<Option<TokenStream>> {
    let fork = input.fork();
    let is_macro = fork.call(syn::Path::parse_mod_style).is_ok() && fork.peek(Token![!]);
    if !is_macro {
        return Ok(None);
    }
    let path = input.call(syn::Path::parse_mod_style)?;
    input.parse::<Token![!]>()?;
    let group: proc_macro2::Group = input.parse()?;
    input.parse::<Option<Token![;]>>()?;
    if path.segments.last().is_none_or(|segment| segment.ident != "thread_local") {
        return Err(Error::new_spanned(
            path,
            "`#[persist]` goes on a `static`, or on a `thread_local!` of statics",
        ));
    }
    Ok(Some(group.stream()))
}
