//! The record: the static that stands in the link section.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::Type;
use syn::visit_mut::VisitMut as _;

use crate::check::Checked;
use crate::layout;
use crate::owner::Static;
use crate::section;
use crate::shapes::Shapes;
use crate::signature::{Places, path_text, signature_text, type_text};
use crate::text::TokenHash;

/// The record of `checked`, whose code is `body`, and `guarded` for callers with another standard
/// library; `path` leads to the other functions by name.
pub(crate) fn record(
    checked: &Checked,
    body: &TokenStream,
    path: impl Fn(&Ident) -> TokenStream,
    guarded: &TokenStream,
) -> TokenStream {
    let [shim, router] = ["__midair_shim", "__midair_router"]
        .map(|name| path(&Ident::new(name, Span::mixed_site())));
    let signature = &checked.function.signature;
    let places = Places::of(signature, checked.owner.as_ref());
    let Shapes { expressions, texts } = Shapes::of(&places);
    let count = expressions.len();
    let types = types(&places);
    let (body_hash, line) = (body_hash(checked), line(&signature.ident));
    let texts = record_texts(&name(checked), &signature_text(checked), &texts.join("\n"));
    let (described, attributes) = (layout::function(&places), section::attributes());
    let slots = section::slots();
    quote_spanned! {Span::mixed_site()=>
        #texts
        #described
        #slots
        static __MIDAIR_SLOT: ::midair::__private::Slot =
            ::midair::__private::Slot::new(#shim as *const ());
        #attributes
        static __MIDAIR_RECORD: ::midair::__private::FunctionRecord<
            #types,
            #count,
            { ::midair::__private::packed_len(&__MIDAIR_TEXTS) },
        > = ::midair::__private::FunctionRecord::new(::midair::__private::FunctionParts {
            name: __MIDAIR_TEXTS[0],
            signature: __MIDAIR_TEXTS[1],
            version: __MIDAIR_TEXTS[2],
            file: __MIDAIR_TEXTS[3],
            types: __MIDAIR_TEXTS[4],
            line: #line,
            body_hash: #body_hash,
            shapes: [#(#expressions),*],
            body: #body as *const (),
            slot: &__MIDAIR_SLOT,
            shim: #shim as *const (),
            guarded: #guarded,
            router: #router as *const (),
            origin: &__MIDAIR_ORIGIN,
        });
    }
}

/// The result and the arguments as one tuple, for debug info to describe.
pub(crate) fn types(places: &Places) -> TokenStream {
    let fixed = |ty: &Type| {
        let mut ty = ty.clone();
        Static::default().visit_type_mut(&mut ty);
        ty
    };
    // Nothing is ever returned as `!`, which may not stand in a tuple.
    let output = match places.output.as_ref().map(fixed) {
        None | Some(Type::Never(_)) => quote_spanned!(Span::mixed_site()=> ()),
        Some(ty) => ty.into_token_stream(),
    };
    let arguments = places.arguments.iter().map(fixed);
    quote_spanned!(Span::mixed_site()=> (#output, #(#arguments,)*))
}

/// The texts that the record is made from. Macros of the compiler by their paths: the user may
/// have a `file!` as well.
pub(crate) fn record_texts(name: &str, signature: &str, types: &str) -> TokenStream {
    let name = format!("::{name}");
    quote_spanned! {Span::mixed_site()=>
        const __MIDAIR_TEXTS: [&::core::primitive::str; 5] = [
            ::core::concat!(::core::module_path!(), #name),
            #signature,
            ::midair::__private::or_empty(::core::option_env!("CARGO_PKG_VERSION")),
            ::core::file!(),
            #types,
        ];
        static __MIDAIR_ORIGIN: ::midair::__private::Origin = ::midair::__private::Origin {
            manifest_dir: ::midair::__private::RawText::new(
                ::midair::__private::or_empty(::core::option_env!("CARGO_MANIFEST_DIR")),
            ),
        };
    }
}

/// `update`, `Player::update` or `<Player as Tick>::update`.
fn name(checked: &Checked) -> String {
    let function = &checked.function.signature.ident;
    let Some(owner) = &checked.owner else {
        return function.to_string();
    };
    let ty = type_text(&owner.self_ty);
    match &owner.trait_path {
        Some(path) => format!("<{ty} as {}>::{function}", path_text(path)),
        None => format!("{ty}::{function}"),
    }
}

/// The hash of what the user wrote between and around the types: patterns and code.
fn body_hash(checked: &Checked) -> u64 {
    let mut hash = TokenHash::new();
    for input in &checked.function.signature.inputs {
        hash = match input {
            syn::FnArg::Receiver(receiver) => hash.tokens(receiver.mutability.to_token_stream()),
            syn::FnArg::Typed(typed) => hash.tokens(typed.pat.to_token_stream()),
        };
    }
    hash.tokens(checked.function.body.stream()).finish()
}

/// The line of a name. `line!()` would be that of the block for every method in it.
pub(crate) fn line(name: &Ident) -> u32 {
    if !proc_macro::is_available() {
        return 0;
    }
    u32::try_from(name.span().unwrap().line()).unwrap_or(0)
}
