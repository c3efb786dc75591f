//! `#[on_load]` and `#[on_unload]`: functions that run when a generation comes or goes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, ItemFn, Safety};

use crate::section;

/// The function as it was written and its record, or every mistake in it.
pub(crate) fn hook(when: &str, arguments: &TokenStream, item: TokenStream) -> TokenStream {
    match check(when, arguments, item.clone()) {
        Ok(function) => {
            let record = record(when, &function);
            quote!(#function #record)
        }
        Err(mistakes) => {
            let mistakes = mistakes.into_compile_error();
            quote!(#item #mistakes)
        }
    }
}

fn check(when: &str, arguments: &TokenStream, item: TokenStream) -> syn::Result<ItemFn> {
    let mark = match when {
        "Load" => "on_load",
        _ => "on_unload",
    };
    let first = item.clone().into_iter().next().map_or_else(Span::call_site, |token| token.span());
    let function: ItemFn = syn::parse2(item)
        .map_err(|_| Error::new(first, format!("`#[{mark}]` goes on a free function")))?;
    let mut mistakes: Option<Error> = None;
    let mut refuse = |tokens: &dyn quote::ToTokens, text: String| {
        let mistake = Error::new_spanned(tokens.to_token_stream(), text);
        match &mut mistakes {
            Some(mistakes) => mistakes.combine(mistake),
            None => mistakes = Some(mistake),
        }
    };
    if !arguments.is_empty() {
        refuse(arguments, format!("`#[{mark}]` takes no arguments"));
    }
    let signature = &function.sig;
    if let Some(word) = &signature.asyncness {
        refuse(word, "nobody polls a hook: block on the future inside".to_owned());
    }
    if let Safety::Unsafe(word) = &signature.safety {
        refuse(word, "the runtime calls a hook, and knows of no duties: make it safe".to_owned());
    }
    if !signature.generics.params.is_empty() {
        refuse(&signature.generics, "a hook is one function: it has no parameters".to_owned());
    }
    if let Some(second) = signature.inputs.iter().nth(1) {
        refuse(second, "a hook takes nothing, or `&mut midair::HookContext`".to_owned());
    }
    mistakes.map_or(Ok(function), Err)
}

fn record(when: &str, function: &ItemFn) -> TokenStream {
    let name = &function.sig.ident;
    let path = format!("::{name}");
    let when = Ident::new(when, Span::mixed_site());
    let attributes = section::attributes();
    // Attributes that take the function away take its record away as well.
    let conditions = function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    // What is wrong with its types is said at its name.
    let here = Span::mixed_site().located_at(name.span());
    let call = match function.sig.inputs.first() {
        None => quote_spanned!(here=> |_| #name()),
        Some(_) => quote_spanned!(here=> |context| #name(context)),
    };
    let run = quote_spanned!(here=> ::midair::__private::run_hook(context, failed, #call));
    quote_spanned! {Span::mixed_site()=>
        #(#conditions)*
        const _: () = {
            const __MIDAIR_NAME: &::core::primitive::str =
                ::core::concat!(::core::module_path!(), #path);
            unsafe extern "C" fn __midair_run(
                context: *const (),
                failed: ::midair::__private::Sink,
            ) -> bool {
                // SAFETY: under the duties of this function.
                unsafe { #run }
            }
            #attributes
            static __MIDAIR_RECORD: ::midair::__private::HookRecord<
                { ::midair::__private::packed_len(&[__MIDAIR_NAME]) },
            > = ::midair::__private::HookRecord::new(
                ::midair::__private::When::#when,
                __MIDAIR_NAME,
                __midair_run,
            );
        };
    }
}
