//! The item under the attribute: a function, or an `impl` block.
//!
//! Bodies stay the tokens they are: parsing them again would cost every build time, and would
//! break on syntax that syn does not know yet.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::parse::discouraged::Speculative as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::{Attribute, Error, Generics, Path, Signature, Token, Type, Visibility, braced};

/// What `#[hotpatch]` was written on.
pub(crate) enum Item {
    Function(Function),
    Block(Block),
}

/// A function, free or in an `impl` block.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) signature: Signature,
    pub(crate) body: Group,
}

/// An `impl` block.
pub(crate) struct Block {
    pub(crate) attributes: Vec<Attribute>,
    /// `default`, `unsafe`: whatever stands before `impl`.
    pub(crate) qualifiers: TokenStream,
    pub(crate) header: Header,
    pub(crate) inner_attributes: Vec<Attribute>,
    pub(crate) members: Vec<Member>,
}

/// `impl<'a> Tick<'a> for Player<'a> where ..`
pub(crate) struct Header {
    pub(crate) impl_token: Token![impl],
    pub(crate) generics: Generics,
    pub(crate) trait_path: Option<Path>,
    pub(crate) self_ty: Type,
}

/// An item inside an `impl` block.
pub(crate) struct Member {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) is_function: bool,
    pub(crate) rest: TokenStream,
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if let Some(whole) = transparent(input) {
            return syn::parse2(whole);
        }
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility: Visibility = input.parse()?;
        if starts_function(input) {
            return Function::parse(input, attributes, visibility).map(Self::Function);
        }
        if starts_impl(input) {
            return Block::parse(input, attributes).map(Self::Block);
        }
        let mistake = Error::new(
            keyword(input),
            "`#[hotpatch]` goes on a function or on an `impl` block; nothing else has code to \
             exchange. For the methods of a trait, mark its `impl` blocks",
        );
        input.parse::<TokenStream>()?;
        Err(mistake)
    }
}

impl Function {
    fn parse(
        input: ParseStream<'_>,
        attributes: Vec<Attribute>,
        visibility: Visibility,
    ) -> syn::Result<Self> {
        let defaultness = if input.peek(Token![default]) { Some(input.parse()?) } else { None };
        let signature: Signature = input.parse()?;
        if input.peek(Token![;]) {
            let mistake = Error::new(
                signature.ident.span(),
                "`#[hotpatch]` needs a function with a body: mark the definition, not the \
                 declaration",
            );
            input.parse::<TokenStream>()?;
            return Err(mistake);
        }
        let body = input.call(body)?;
        Ok(Self { attributes, visibility, defaultness, signature, body })
    }
}

/// The block of a function; from a `macro_rules` it may come in an invisible group.
fn body(input: ParseStream<'_>) -> syn::Result<Group> {
    match input.parse::<TokenTree>()? {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Ok(group),
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            body.parse2(group.stream())
        }
        other => Err(Error::new(other.span(), "expected the body of the function")),
    }
}

impl Block {
    fn parse(input: ParseStream<'_>, attributes: Vec<Attribute>) -> syn::Result<Self> {
        let mut qualifiers = TokenStream::new();
        while !input.peek(Token![impl]) {
            qualifiers.extend([input.parse::<TokenTree>()?]);
        }
        let header = input.parse()?;
        let content;
        braced!(content in input);
        let inner_attributes = content.call(Attribute::parse_inner)?;
        let mut members = Vec::new();
        while !content.is_empty() {
            members.push(content.parse()?);
        }
        Ok(Self { attributes, qualifiers, header, inner_attributes, members })
    }
}

impl Parse for Header {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let impl_token = input.parse()?;
        let mut generics: Generics =
            if input.peek(Token![<]) { input.parse()? } else { Generics::default() };
        if input.peek(Token![!]) {
            return Err(Error::new(
                input.span(),
                "a negative `impl` has no code to exchange; remove `#[hotpatch]`",
            ));
        }
        let fork = input.fork();
        let trait_path = match fork.parse::<Path>() {
            Ok(path) if fork.peek(Token![for]) => {
                input.advance_to(&fork);
                input.parse::<Token![for]>()?;
                Some(path)
            }
            _ => None,
        };
        let self_ty = input.parse()?;
        generics.where_clause = input.parse()?;
        Ok(Self { impl_token, generics, trait_path, self_ty })
    }
}

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let fork = input.fork();
        fork.parse::<Visibility>()?;
        let is_function = starts_function(&fork);
        let until_semicolon = fork.peek(Token![const]) || fork.peek(Token![type]);
        let mut rest = TokenStream::new();
        while !input.is_empty() {
            let token: TokenTree = input.parse()?;
            let is_end = match &token {
                TokenTree::Punct(punct) => punct.as_char() == ';',
                TokenTree::Group(group) => ends_item(group, is_function || !until_semicolon),
                _ => false,
            };
            rest.extend([token]);
            if is_end {
                break;
            }
        }
        Ok(Self { attributes, is_function, rest })
    }
}

/// Whether `group` is the braces that end an item which ends in braces.
fn ends_item(group: &Group, in_braces: bool) -> bool {
    let block = match group.delimiter() {
        Delimiter::Brace => true,
        Delimiter::None => body.parse2(group.stream()).is_ok(),
        _ => false,
    };
    in_braces && block
}

/// The tokens of an invisible group that holds the whole input.
fn transparent(input: ParseStream<'_>) -> Option<TokenStream> {
    let fork = input.fork();
    let group: Group = match fork.parse::<TokenTree>() {
        Ok(TokenTree::Group(group)) if group.delimiter() == Delimiter::None => group,
        _ => return None,
    };
    if !fork.is_empty() || group.stream().is_empty() {
        return None;
    }
    input.advance_to(&fork);
    Some(group.stream())
}

fn starts_function(input: ParseStream<'_>) -> bool {
    qualified(input, &["const", "async", "unsafe", "safe", "extern", "default"])
        .is_some_and(|rest| rest == "fn")
}

fn starts_impl(input: ParseStream<'_>) -> bool {
    qualified(input, &["unsafe", "default"]).is_some_and(|rest| rest == "impl")
}

/// The first word that is none of `qualifiers`; the name of an ABI is passed over.
fn qualified(input: ParseStream<'_>, qualifiers: &[&str]) -> Option<String> {
    let fork = input.fork();
    loop {
        match fork.parse::<TokenTree>().ok()? {
            TokenTree::Literal(_) => {}
            TokenTree::Ident(word) if qualifiers.iter().any(|known| word == known) => {}
            TokenTree::Ident(word) => return Some(word.to_string()),
            TokenTree::Group(abi) if abi.delimiter() == Delimiter::None => {}
            _ => return None,
        }
    }
}

/// The token that says what the item is.
fn keyword(input: ParseStream<'_>) -> Span {
    let fork = input.fork();
    match fork.parse::<TokenTree>() {
        Ok(token) => token.span(),
        Err(_) => Span::call_site(),
    }
}
