//! What `#[layout(..)]` says.

use quote::ToTokens as _;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, Type};

/// How the type of a field is to be described.
#[derive(Default)]
pub(crate) enum Told {
    /// As it describes itself.
    #[default]
    Deep,
    /// By size, alignment and name only.
    Opaque,
    /// As this other type describes itself.
    With(Box<Type>),
}

/// What may be said of an item, and what is said.
pub(crate) struct Attributes {
    pub(crate) told: Told,
    /// The foreign type that the item is a mirror of.
    pub(crate) of: Option<Type>,
}

/// Where the attribute stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Item,
    Field,
    Variant,
    Method,
}

impl Attributes {
    /// Reads those of `attributes` that are midair's.
    pub(crate) fn read(attributes: &[Attribute], place: Place) -> syn::Result<Self> {
        let mut read = Self { told: Told::Deep, of: None };
        let mut is_told = false;
        for attribute in attributes.iter().filter(|attribute| is_own(attribute)) {
            attribute.parse_nested_meta(|meta| {
                if is_told || read.of.is_some() {
                    return Err(meta.error(TWICE));
                }
                is_told = true;
                read.one(&meta, place)
            })?;
        }
        Ok(read)
    }

    fn one(&mut self, meta: &ParseNestedMeta<'_>, place: Place) -> syn::Result<()> {
        let is = |name| meta.path.is_ident(name);
        match place {
            Place::Field if is("opaque") => self.told = Told::Opaque,
            Place::Field if is("with") => {
                self.told = Told::With(Box::new(meta.value()?.parse()?));
            }
            Place::Method if is("opaque") => self.told = Told::Opaque,
            Place::Item if is("of") => self.of = Some(meta.value()?.parse()?),
            _ => return Err(misplaced(meta, place)),
        }
        Ok(())
    }
}

/// Whether the attribute is `#[layout(..)]`.
pub(crate) fn is_own(attribute: &Attribute) -> bool {
    attribute.path().is_ident("layout")
}

const TWICE: &str = "one thing is enough: `opaque` compares the field by size, alignment and name \
                     only, `with = Mirror` describes it as `Mirror`";

fn misplaced(meta: &ParseNestedMeta<'_>, place: Place) -> Error {
    let word = meta.path.to_token_stream().to_string();
    let known = ["opaque", "with", "of"].contains(&word.as_str());
    meta.error(match place {
        Place::Variant => format!(
            "a variant takes no `#[layout(..)]`: write `{}` on one of its fields",
            if known { format!("#[layout({word})]") } else { "#[layout(opaque)]".to_owned() }
        ),
        Place::Item if known => format!(
            "`{word}` belongs on a field; on a type there is `#[layout(of = path::Type)]`, for a \
             mirror of a foreign type"
        ),
        Place::Field if known => {
            format!("`{word}` belongs on a type that is a mirror of a foreign one")
        }
        Place::Method => format!(
            "`{word}` is not known here: on a method there is `#[layout(opaque)]`, to compare it \
             by its tokens only"
        ),
        _ => format!(
            "`{word}` is not known: on a field there are `#[layout(opaque)]` and \
             `#[layout(with = Mirror)]`, on a type `#[layout(of = path::Type)]`"
        ),
    })
}
