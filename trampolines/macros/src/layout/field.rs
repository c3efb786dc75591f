//! One field, and the part of a description that it becomes.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::{Error, Fields, Index, Type};

use super::attributes::{Attributes, Place, Told};
use super::plain::plain;
use crate::signature::type_text;

/// One field.
pub(crate) struct Field {
    /// By which it is reached.
    pub(crate) member: TokenStream,
    /// By which people know it.
    pub(crate) name: String,
    /// As it is written.
    pub(crate) written: Type,
    /// How it is described.
    pub(crate) told: Told,
}

impl Field {
    /// All fields, with their attributes read.
    pub(crate) fn all(fields: &Fields) -> syn::Result<Vec<Self>> {
        let mut mistakes: Option<Error> = None;
        let mut all = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            match Attributes::read(&field.attrs, Place::Field) {
                Ok(Attributes { told, .. }) => all.push(Self {
                    member: match &field.ident {
                        Some(name) => name.to_token_stream(),
                        None => Index::from(at).to_token_stream(),
                    },
                    name: match &field.ident {
                        Some(name) => name.unraw().to_string(),
                        None => at.to_string(),
                    },
                    written: field.ty.clone(),
                    told,
                }),
                Err(mistake) => match &mut mistakes {
                    Some(all) => all.combine(mistake),
                    none => *none = Some(mistake),
                },
            }
        }
        mistakes.map_or(Ok(all), Err)
    }

    /// The type that describes it; nothing when it is opaque.
    pub(crate) fn described(&self) -> Option<Type> {
        match &self.told {
            Told::Deep => Some(plain(&self.written)),
            Told::Opaque => None,
            Told::With(mirror) => Some(plain(mirror)),
        }
    }

    /// The part, with `value` as its offset.
    pub(crate) fn part(&self, value: &TokenStream) -> TokenStream {
        let (name, written) = (&self.name, &self.written);
        let private = quote!(::midair::__private);
        match &self.told {
            Told::Deep => {
                let ty = plain(written);
                quote_spanned! {Span::mixed_site()=>
                    #private::Part::held::<#ty>(#private::PartKind::Field, #name, #value)
                }
            }
            Told::Opaque => {
                let text = type_text(written);
                quote_spanned! {Span::mixed_site()=>
                    #private::Part::opaque::<#written>(#name, #value, #text)
                }
            }
            Told::With(mirror) => quote_spanned! {Span::mixed_site()=>
                #private::Part::mirrored::<#written, #mirror>(#name, #value)
            },
        }
    }
}
