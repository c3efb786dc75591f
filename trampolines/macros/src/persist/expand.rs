//! A persistent static: what others see, and inside it, out of everybody's sight, the storage of
//! this image and the record.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

use super::arguments::Change;
use super::item::{Static, Storage};
use crate::expand::record::{line, record_texts, types};
use crate::layout;
use crate::section;
use crate::shapes::Shapes;
use crate::signature::{Places, type_text};

/// The expansion of one static.
pub(crate) fn expand(one: &Static, storage: &Storage, change: &Change) -> TokenStream {
    let Static { attributes, visibility, name, ty, .. } = one;
    let kind = match (storage, change) {
        (Storage::Local, _) => "PersistLocal",
        (Storage::Shared, Change::None) => "Persist",
        (Storage::Shared, _) => "PersistScoped",
    };
    let kind = Ident::new(kind, Span::mixed_site());
    let (stored, own) = stored(one, *storage);
    let record = record(one, *storage, change, &own);
    quote_spanned! {Span::mixed_site()=>
        #(#attributes)*
        #visibility static #name: ::midair::#kind<#ty> = {
            #stored
            #record
            // SAFETY: the record is of a static of this type, which is reached in this way.
            unsafe { ::midair::#kind::of_record(__MIDAIR_RECORD.head()) }
        };
    }
}

/// The storage of this image, and how the record names it.
fn stored(one: &Static, storage: Storage) -> (TokenStream, TokenStream) {
    let Static { ty, value, .. } = one;
    match storage {
        Storage::Shared => (
            quote_spanned!(Span::mixed_site()=> static __MIDAIR_VALUE: #ty = #value;),
            quote_spanned!(Span::mixed_site()=> (&raw const __MIDAIR_VALUE).cast()),
        ),
        Storage::Local => (
            quote_spanned! {Span::mixed_site()=>
                ::std::thread_local! { static __MIDAIR_VALUE: #ty = #value; }
                extern "C-unwind" fn __midair_find() -> ::midair::__private::Found {
                    ::midair::__private::find_local(&__MIDAIR_VALUE)
                }
            },
            quote_spanned!(Span::mixed_site()=> __midair_find as *const ()),
        ),
    }
}

fn record(one: &Static, storage: Storage, change: &Change, own: &TokenStream) -> TokenStream {
    let from = match change {
        Change::By { from, .. } => vec![(**from).clone()],
        _ => Vec::new(),
    };
    let places = Places { output: Some(one.ty.clone()), arguments: from };
    let Shapes { expressions, texts } = Shapes::of(&places);
    let (count, types) = (expressions.len(), types(&places));
    let line = line(&one.name);
    let signature = format!("static {}", type_text(&one.ty));
    let texts = record_texts(&one.name.to_string(), &signature, &texts.join("\n"));
    let (described, attributes) = (layout::function(&places), section::attributes());
    let access = match (storage, change) {
        (Storage::Local, _) => "Local",
        (Storage::Shared, Change::None) => "Plain",
        (Storage::Shared, Change::ByItself) => "Portable",
        (Storage::Shared, _) => "Scoped",
    };
    let access = Ident::new(access, Span::mixed_site());
    let (functions, [migrate, export, import, discard]) = functions(one, change);
    quote_spanned! {Span::mixed_site()=>
        #texts
        #described
        #functions
        #attributes
        static __MIDAIR_RECORD: ::midair::__private::StaticRecord<
            #types,
            #count,
            { ::midair::__private::packed_len(&__MIDAIR_TEXTS) },
        > = ::midair::__private::StaticRecord::new(::midair::__private::StaticParts {
            name: __MIDAIR_TEXTS[0],
            signature: __MIDAIR_TEXTS[1],
            version: __MIDAIR_TEXTS[2],
            file: __MIDAIR_TEXTS[3],
            types: __MIDAIR_TEXTS[4],
            line: #line,
            shapes: [#(#expressions),*],
            access: ::midair::__private::Access::#access,
            own: #own,
            migrate: #migrate,
            export: #export,
            import: #import,
            discard: #discard,
            origin: &__MIDAIR_ORIGIN,
        });
    }
}

/// What the runtime calls when the type changes, and how the record names each of them.
fn functions(one: &Static, change: &Change) -> (TokenStream, [TokenStream; 4]) {
    let ty = &one.ty;
    let null = || quote_spanned!(Span::mixed_site()=> ::core::ptr::null());
    let named = |name: &str| {
        let name = Ident::new(name, Span::mixed_site());
        quote_spanned!(Span::mixed_site()=> #name as *const ())
    };
    let discard = quote_spanned! {Span::mixed_site()=>
        unsafe extern "C" fn __midair_discard(instance: *mut ()) {
            // SAFETY: under the duties of this function.
            unsafe { ::midair::__private::discard::<#ty>(instance) }
        }
    };
    match change {
        Change::None | Change::Scoped => (TokenStream::new(), [null(), null(), null(), null()]),
        Change::By { from, with } => {
            let functions = quote_spanned! {Span::mixed_site()=>
                unsafe extern "C" fn __midair_migrate(
                    old: *const (),
                    new: &mut *mut (),
                    failed: ::midair::__private::Sink,
                ) -> bool {
                    // SAFETY: under the duties of this function.
                    unsafe { ::midair::__private::migrate::<#from, #ty, _>(old, new, failed, #with) }
                }
                #discard
            };
            (functions, [named("__midair_migrate"), null(), null(), named("__midair_discard")])
        }
        Change::ByItself => {
            let functions = quote_spanned! {Span::mixed_site()=>
                unsafe extern "C" fn __midair_export(
                    old: *const (),
                    told: ::midair::__private::Sink,
                ) -> bool {
                    // SAFETY: under the duties of this function.
                    unsafe { ::midair::__private::export::<#ty>(old, told) }
                }
                unsafe extern "C" fn __midair_import(
                    form: ::midair::__private::RawText,
                    new: &mut *mut (),
                    failed: ::midair::__private::Sink,
                ) -> bool {
                    // SAFETY: under the duties of this function.
                    unsafe { ::midair::__private::import::<#ty>(form, new, failed) }
                }
                #discard
            };
            let [export, import, discard] =
                ["__midair_export", "__midair_import", "__midair_discard"].map(named);
            (functions, [null(), export, import, discard])
        }
    }
}
