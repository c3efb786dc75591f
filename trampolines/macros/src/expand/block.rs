//! A hot `impl` block: its functions, each marked with the header of the block.
//!
//! The compiler then expands each function on its own, so that a `cfg` or `cfg_attr` on it has
//! been decided by then.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{Attribute, Meta, Path};

use crate::parse::arguments::Arguments;
use crate::parse::item::{Block, Header, Member};

/// The block, its functions marked one by one.
pub(crate) fn expand(block: Block, arguments: &Arguments) -> TokenStream {
    let Block { attributes, qualifiers, header, inner_attributes, mut members } = block;
    let mark = Mark { header: header_tokens(&header), is_local: arguments.local.is_some() };
    let is_marked = |member: &Member| member.attributes.iter().any(mentions);
    if members.iter().any(is_marked) {
        for attribute in members.iter_mut().flat_map(|member| &mut member.attributes) {
            mark.complete(attribute);
        }
    } else {
        for member in members.iter_mut().filter(|member| member.is_function) {
            member.attributes.insert(0, mark.attribute());
        }
    }
    let members =
        members.iter().map(|Member { attributes, rest, .. }| quote!(#(#attributes)* #rest));
    let impl_header = &mark.header;
    quote! {
        #(#attributes)*
        #qualifiers #impl_header {
            #(#inner_attributes)*
            #(#members)*
        }
    }
}

/// What is written into the attribute of each function.
struct Mark {
    header: TokenStream,
    is_local: bool,
}

impl Mark {
    fn arguments(&self, by: &TokenStream) -> TokenStream {
        let header = &self.header;
        let local = self.is_local.then(|| quote!(?Send,));
        quote!(#local #by #header)
    }

    fn attribute(&self) -> Attribute {
        let arguments = self.arguments(&quote!(for));
        let path = private_path();
        syn::parse_quote!(#[#path(#arguments)])
    }

    /// Adds the header to a mark that the user wrote, also to one inside `cfg_attr`.
    fn complete(&self, attribute: &mut Attribute) {
        if !mentions(attribute) {
            return;
        }
        if is_mark(attribute.path()) {
            let own = match &attribute.meta {
                Meta::List(list) => list.tokens.clone(),
                _ => TokenStream::new(),
            };
            let completed = self.completed(&own);
            attribute.meta = syn::parse_quote!(#completed);
        } else if let Meta::List(list) = &mut attribute.meta {
            list.tokens = self.complete_in(&list.tokens);
        }
    }

    fn completed(&self, own: &TokenStream) -> TokenStream {
        let own = (!own.is_empty()).then(|| quote!(#own,));
        let (arguments, path) = (self.arguments(&quote!(in)), private_path());
        quote!(#path(#own #arguments))
    }

    /// The arguments of a `cfg_attr`, with the marks among them completed.
    fn complete_in(&self, tokens: &TokenStream) -> TokenStream {
        let entries = entries(tokens).into_iter().map(|entry| match as_mark(&entry) {
            Some(own) => self.completed(&own),
            None => entry.into_iter().collect(),
        });
        let entries: Vec<TokenStream> = entries.collect();
        quote!(#(#entries),*)
    }
}

/// Whether the attribute is a mark, or puts one on under a condition.
fn mentions(attribute: &Attribute) -> bool {
    if is_mark(attribute.path()) {
        return true;
    }
    let Meta::List(list) = &attribute.meta else {
        return false;
    };
    attribute.path().is_ident("cfg_attr")
        && entries(&list.tokens).iter().skip(1).any(|entry| as_mark(entry).is_some())
}

/// `hotpatch`, `midair::hotpatch` or `::midair::hotpatch`
fn is_mark(path: &Path) -> bool {
    let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    matches!(&*segments.join("::"), "hotpatch" | "midair::hotpatch" | "midair::prelude::hotpatch")
}

/// The arguments of the mark that `entry` is.
fn as_mark(entry: &[TokenTree]) -> Option<TokenStream> {
    let tokens: TokenStream = entry.iter().cloned().collect();
    let meta: Meta = syn::parse2(tokens).ok()?;
    if !is_mark(meta.path()) {
        return None;
    }
    match meta {
        Meta::List(list) => Some(list.tokens),
        _ => Some(TokenStream::new()),
    }
}

/// `tokens` between their commas.
fn entries(tokens: &TokenStream) -> Vec<Vec<TokenTree>> {
    let all: Vec<TokenTree> = tokens.clone().into_iter().collect();
    all.split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','))
        .filter(|entry| !entry.is_empty())
        .map(<[TokenTree]>::to_vec)
        .collect()
}

fn private_path() -> TokenStream {
    quote_spanned!(Span::mixed_site()=> ::midair::__private::hotpatch)
}

/// The header as it was written.
fn header_tokens(header: &Header) -> TokenStream {
    let Header { impl_token, generics, trait_path, self_ty } = header;
    let bounds = &generics.where_clause;
    let for_type = trait_path.as_ref().map(|path| quote!(#path for));
    quote!(#impl_token #generics #for_type #self_ty #bounds)
}
