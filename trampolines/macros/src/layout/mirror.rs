//! The proof that a mirror shows the whole of the foreign type.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{PathArguments, Token, Type};

use super::field::Field;
use super::shape::Kind;

/// A function that compiles only where `of` has exactly these fields, of these types.
pub(crate) fn witness(of: &Type, kind: &Kind) -> TokenStream {
    // The compiler's words about what is missing stand at the foreign type's name.
    let path = pattern(of);
    let arms = match kind {
        Kind::Struct(fields) | Kind::Union(fields) => vec![arm(&path, fields)],
        Kind::Enum(variants) => variants
            .iter()
            .map(|variant| {
                let name = &variant.name;
                arm(&quote!(#path::#name), &variant.fields)
            })
            .collect(),
    };
    let span = of.span();
    quote_spanned! {span=>
        const _: () = {
            #[allow(dead_code, reason = "it is there to be compiled")]
            fn __midair_mirror(of: &#of) {
                match of { #(#arms)* }
            }
        };
    }
}

fn arm(path: &TokenStream, fields: &[Field]) -> TokenStream {
    let names: Vec<_> = (0..fields.len()).map(|at| format_ident!("__field{at}")).collect();
    let members = fields.iter().map(|field| &field.member);
    let checks = fields.iter().zip(&names).map(|(field, name)| {
        let written = &field.written;
        quote_spanned!(written.span()=> let _: &#written = #name;)
    });
    quote_spanned! {path.span()=>
        #path { #(#members: #names),* } => { #(#checks)* }
    }
}

/// The type as it stands in a pattern, `Far::<u8>`.
fn pattern(of: &Type) -> TokenStream {
    let Type::Path(path) = of else {
        return of.to_token_stream();
    };
    let mut path = path.clone();
    for segment in &mut path.path.segments {
        if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
            arguments.colon2_token = Some(<Token![::]>::default());
        }
    }
    path.into_token_stream()
}
