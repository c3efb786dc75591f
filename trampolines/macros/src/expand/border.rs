//! The border between two images that each have a standard library of their own: the user's code
//! for callers on the other side, and the call of such code from this side.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::function::{Parts, quiet};

impl Parts<'_> {
    /// The function that callers on the other side enter under a guard; nothing where no panic can
    /// leave the user's code, or leaves it otherwise. `target` is the way to that code.
    pub(super) fn guarded(&self, target: &TokenStream) -> TokenStream {
        if !self.variants.unwinds() {
            return TokenStream::new();
        }
        let quiet = quiet();
        let everywhere = &self.sorted.everywhere;
        let head = guarded_head();
        let names = self.variants.arguments_as(&quote_spanned!(Span::mixed_site()=> __midair_self));
        let call = quote_spanned!(Span::mixed_site()=> unsafe { #target(#(#names),*) });
        let answer = if self.variants.is_never() {
            call
        } else {
            quote_spanned! {Span::mixed_site()=>
                let __midair_answer = #call;
                // SAFETY: the caller has made room for it.
                unsafe { ::midair::__private::give(__midair_value, __midair_answer) }
            }
        };
        quote_spanned! {Span::mixed_site()=>
            #quiet
            #(#everywhere)*
            #head {
                // SAFETY: the caller has put them there.
                let (#(#names,)*) = unsafe { ::midair::__private::take(__midair_arguments) };
                // SAFETY: under the duties of this function.
                #answer
            }
        }
    }

    /// Its declaration in the helper trait.
    pub(super) fn guarded_declaration(&self) -> TokenStream {
        if !self.variants.unwinds() {
            return TokenStream::new();
        }
        let head = guarded_head();
        quote!(#head;)
    }

    /// What the record says of it, which `path` leads to.
    pub(super) fn guarded_entry(&self, path: impl Fn(&Ident) -> TokenStream) -> TokenStream {
        if !self.variants.unwinds() {
            return quote!(::core::option::Option::None);
        }
        let function = path(&Ident::new("__midair_guarded", Span::mixed_site()));
        quote!(::core::option::Option::Some(#function))
    }

    /// The call of the code on the other side whose entry is `entry`.
    pub(super) fn crossing(&self, entry: &TokenStream) -> TokenStream {
        let names = self.variants.each_argument();
        if self.variants.is_never() {
            return quote_spanned! {Span::mixed_site()=>
                // SAFETY: as below; it gives nothing back.
                match unsafe {
                    ::midair::__private::cross::<_, ::core::convert::Infallible>(#entry, (#(#names,)*))
                } {}
            };
        }
        quote_spanned! {Span::mixed_site()=>
            // SAFETY: the runtime names the entry of a body whose signature and layouts were found
            // equal; it is called under the same duties.
            unsafe { ::midair::__private::cross(#entry, (#(#names,)*)) }
        }
    }
}

fn guarded_head() -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        unsafe extern "C-unwind" fn __midair_guarded(
            __midair_arguments: *mut (),
            __midair_value: *mut (),
        )
    }
}
