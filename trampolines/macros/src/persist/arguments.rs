//! What stands in the parentheses of `#[persist(..)]`.

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Error, Expr, Ident, Token, Type};

use super::item::{Item, Storage};

/// What becomes of the value when its type changes.
pub(crate) enum Change {
    /// It may not change.
    None,
    /// It may some day: the static is reached inside scopes alone.
    Scoped,
    /// `with` makes the new value out of the old one.
    By { from: Box<Type>, with: Box<Expr> },
    /// The type itself exports and imports.
    ByItself,
}

/// Reads the arguments of the mark on `item`.
pub(crate) fn parse(arguments: TokenStream, item: &Item) -> syn::Result<Change> {
    let written = Written::parse.parse2(arguments)?;
    let change = match (written.migrate, written.from) {
        (None, None) if written.scoped.is_none() => return Ok(Change::None),
        (None, None) => Change::Scoped,
        (Some((_, None)), None) => Change::ByItself,
        (Some((_, Some(with))), Some((_, from))) => {
            Change::By { from: Box::new(from), with: Box::new(with) }
        }
        (Some((word, Some(_))), None) => {
            return Err(Error::new(
                word,
                "name the type that the function takes as well: a record must name it, and a macro \
                 sees no types: `#[persist(migrate = path::to::function, from = OldType)]`",
            ));
        }
        (_, Some((word, _))) => {
            return Err(Error::new(
                word,
                "name the function that makes the new value out of this type: \
                 `#[persist(migrate = path::to::function, from = OldType)]`",
            ));
        }
    };
    if item.storage == Storage::Local {
        return Err(Error::new(
            written.first.unwrap_or_else(Span::call_site),
            "the values of a `thread_local!` belong to threads that midair cannot stop: they are \
             never migrated; keep what may change its type in a static",
        ));
    }
    Ok(change)
}

#[derive(Default)]
struct Written {
    first: Option<Span>,
    scoped: Option<Span>,
    migrate: Option<(Span, Option<Expr>)>,
    from: Option<(Span, Type)>,
}

impl Parse for Written {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut written = Self::default();
        while !input.is_empty() {
            let word: Ident = input.parse()?;
            written.first.get_or_insert(word.span());
            match word.to_string().as_str() {
                "scoped" => written.scoped = Some(word.span()),
                "migrate" if input.peek(Token![=]) => {
                    input.parse::<Token![=]>()?;
                    written.migrate = Some((word.span(), Some(input.parse()?)));
                }
                "migrate" => written.migrate = Some((word.span(), None)),
                "from" => {
                    input.parse::<Token![=]>()?;
                    written.from = Some((word.span(), input.parse()?));
                }
                _ => {
                    return Err(Error::new(
                        word.span(),
                        format!(
                            "`#[persist]` does not know `{word}`: it takes nothing, `scoped`, \
                             `migrate`, or `migrate = path::to::function, from = OldType`"
                        ),
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(written)
    }
}
