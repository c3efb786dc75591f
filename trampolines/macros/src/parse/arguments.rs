//! What stands in the parentheses of `#[hotpatch(..)]`.

use proc_macro2::{Span, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, Lit, Path, Token, Type};

use crate::owner::Owner;

/// The arguments of the attribute.
#[derive(Default)]
pub(crate) struct Arguments {
    /// `?Send`: the futures of async functions may stay on one thread.
    pub(crate) local: Option<Span>,
    /// The type whose method this is: named by the user, or by the block around it.
    pub(crate) owner: Option<Owner>,
    /// The block around the function is marked, and nobody marked the function itself.
    pub(crate) is_by_block: bool,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self::default();
        while !input.is_empty() {
            arguments.parse_one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn parse_one(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(Token![?]) {
            let question: Token![?] = input.parse()?;
            let name: Ident = input.parse()?;
            if name != "Send" {
                return Err(unknown(&name));
            }
            self.local = Some(question.span);
            return Ok(());
        }
        if input.peek(Token![in]) || input.peek(Token![for]) {
            // Written by the expansion of the block, with the header of that block: `in` for a
            // function that is marked, `for` where the whole block is.
            self.is_by_block = input.peek(Token![for]);
            input.parse::<TokenTree>()?;
            self.owner.get_or_insert(Owner::of_header(&input.parse()?));
            return Ok(());
        }
        if let Some(word) = word(input)? {
            return Err(unknown(&word));
        }
        if input.peek(Lit) {
            return Err(unknown(&input.parse::<Lit>()?));
        }
        let ty: Type = input.parse()?;
        let trait_path = if input.peek(Token![as]) {
            input.parse::<Token![as]>()?;
            Some(input.parse::<Path>()?)
        } else {
            None
        };
        self.owner.get_or_insert(Owner::named(ty, trait_path));
        Ok(())
    }
}

/// An identifier that is no type by its looks, or is followed by a value.
fn word(input: ParseStream<'_>) -> syn::Result<Option<Ident>> {
    let fork = input.fork();
    let Ok(word) = fork.parse::<Ident>() else {
        return Ok(None);
    };
    if fork.peek(Token![=]) || fork.peek(syn::token::Paren) {
        return Ok(Some(word));
    }
    let alone = fork.is_empty() || fork.peek(Token![,]);
    let name = word.to_string();
    let lower = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let primitive = PRIMITIVES.contains(&name.as_str());
    if alone && lower && !primitive {
        return Ok(Some(input.parse()?));
    }
    Ok(None)
}

fn unknown(word: &impl ToTokens) -> Error {
    Error::new_spanned(
        word,
        format!(
            "`#[hotpatch]` does not know `{}`: it takes nothing, `?Send` on an async fn, \
             or the type that a lone method belongs to, as in `#[hotpatch(Player)]`",
            word.to_token_stream()
        ),
    )
}

const PRIMITIVES: &[&str] = &[
    "bool", "char", "str", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16",
    "u32", "u64", "u128", "usize",
];
