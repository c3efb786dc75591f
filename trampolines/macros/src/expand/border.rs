//! The border between two images that each have a standard library of their own: the user's code
//! under a guard, for callers on the other side, and the adapter through which callers on this
//! side enter such code.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::function::{Parts, quiet};

impl Parts<'_> {
    /// Both functions; nothing where no panic can leave the user's code, or leaves it otherwise.
    ///
    /// `target` is the way to the user's code, `guarded` the way to the first of the two.
    pub(super) fn border(&self, target: &TokenStream, guarded: &TokenStream) -> TokenStream {
        if !self.variants.unwinds() {
            return TokenStream::new();
        }
        let quiet = quiet();
        let everywhere = &self.sorted.everywhere;
        let arguments = self.variants.arguments();
        let never = self
            .variants
            .is_never()
            .then(|| quote_spanned!(Span::mixed_site()=> -> ::core::convert::Infallible));
        let [head, adapter] = [self.variants.guarded(), self.variants.target("__midair_adapter")];
        let onward = quote_spanned!(Span::mixed_site()=> __MIDAIR_RECORD.head().onward());
        let call = self.guarded_call(guarded, &onward);
        quote_spanned! {Span::mixed_site()=>
            #quiet
            #(#everywhere)*
            #head {
                // SAFETY: under the duties of this function.
                ::midair::__private::guard(move || #never { unsafe { #target(#arguments) } })
            }
            #quiet
            #(#everywhere)*
            #adapter {
                #call
            }
        }
    }

    /// The call of the guarded code at `address`, whose panic goes on here.
    pub(super) fn guarded_call(&self, guarded: &TokenStream, address: &TokenStream) -> TokenStream {
        let pointer = self.variants.guarded_pointer();
        let arguments = self.variants.arguments();
        let call = quote_spanned! {Span::mixed_site()=>
            {
                let __midair_witness: #pointer = #guarded;
                // SAFETY: the runtime names guarded code alone here, of a body whose signature and
                // layouts were found equal.
                let __midair_code = unsafe { ::midair::__private::like(__midair_witness, #address) };
                // SAFETY: the same function, under the same duties.
                unsafe { __midair_code(#arguments) }.resume()
            }
        };
        if self.variants.is_never() {
            quote_spanned!(Span::mixed_site()=> match #call {})
        } else {
            call
        }
    }

    /// What the record says of the border: the two functions as `path` reaches them, or nothing.
    pub(super) fn border_pointers(&self, path: impl Fn(&Ident) -> TokenStream) -> [TokenStream; 2] {
        ["__midair_guarded", "__midair_adapter"].map(|name| {
            if !self.variants.unwinds() {
                return quote!(::core::ptr::null());
            }
            let function = path(&Ident::new(name, Span::mixed_site()));
            quote!(#function as *const ())
        })
    }
}
