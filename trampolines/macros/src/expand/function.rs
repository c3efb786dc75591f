//! A hot function: the wrapper that callers see, and inside it, out of everybody's sight, the
//! user's code, the first-call shim and the record.
//!
//! For a method the code and the shim are methods of a helper trait, so that `self`, `Self` and
//! all that belongs to it mean what they meant. Everything is nested in the wrapper's block, so
//! the user's code still sees the names of its module, and none of ours.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Generics, Path, PathArguments, Type};

use super::attributes::Sorted;
use super::record::record;
use super::variants::Variants;
use crate::check::Checked;
use crate::owner::{Owner, Static};
use crate::signature::Places;

/// The expansion of one function.
pub(crate) fn expand(checked: &Checked) -> TokenStream {
    let function = &checked.function;
    let sorted = Sorted::new(&function.attributes);
    let mut variants = Variants::new(&function.signature, checked.owner.as_ref());
    variants.is_local = checked.is_local;
    variants.is_feature_method = checked.owner.is_some() && !sorted.everywhere.is_empty();
    let parts = Parts { checked, sorted: &sorted, variants: &variants };
    let nested = match &checked.owner {
        Some(owner) => parts.in_trait(owner),
        None => parts.free(),
    };
    parts.wrapper(&nested)
}

pub(super) struct Parts<'a> {
    checked: &'a Checked,
    pub(super) sorted: &'a Sorted,
    pub(super) variants: &'a Variants<'a>,
}

impl Parts<'_> {
    fn wrapper(&self, nested: &TokenStream) -> TokenStream {
        let function = &self.checked.function;
        let Sorted { wrapper: attributes, everywhere, .. } = self.sorted;
        let inline = self.inline();
        let (visibility, defaultness) = (&function.visibility, &function.defaultness);
        let signature = self.variants.wrapper();
        let pointer = self.variants.pointer();
        let arguments = self.variants.arguments();
        let target = match &self.checked.owner {
            Some(owner) => path_in(&quote!(Self), &inferred(&owner.generics), &self.target()),
            None => self.target(),
        };
        let wait =
            self.variants.is_async().then(|| quote_spanned!(Span::mixed_site()=> .await.resume()));
        let call = quote_spanned! {Span::mixed_site()=>
            let __midair_witness: #pointer = #target;
            // SAFETY: the slot holds the shim, the body, or a later body whose signature and
            // layouts were found equal.
            let __midair_code = unsafe {
                ::midair::__private::like(__midair_witness, __MIDAIR_SLOT.target())
            };
            // SAFETY: the same function, under the same duties as the wrapper itself.
            unsafe { __midair_code(#arguments) } #wait
        };
        // With the span of the user's block, lints see a function that the user wrote.
        let mut block = Group::new(Delimiter::Brace, quote!(#nested #call));
        block.set_span(function.body.span());
        quote! {
            #(#attributes)*
            #(#everywhere)*
            #inline
            #visibility #defaultness #signature #block
        }
    }

    /// The compiler refuses `inline(always)` beside a target feature, and ignores any `inline` on
    /// what is exported; of an async function it would inline only the making of the future.
    fn inline(&self) -> TokenStream {
        if self.sorted.is_exported || self.variants.is_async() {
            TokenStream::new()
        } else if self.sorted.everywhere.is_empty() {
            quote_spanned!(Span::mixed_site()=> #[inline(always)])
        } else {
            quote_spanned!(Span::mixed_site()=> #[inline])
        }
    }

    /// The name of the function behind the slot.
    fn target(&self) -> TokenStream {
        let name = if self.variants.is_async() { "__midair_boxed" } else { "__midair_body" };
        let name = Ident::new(name, Span::mixed_site());
        quote!(#name)
    }

    fn free(&self) -> TokenStream {
        let body = self.body();
        let boxed = self.boxed(&quote_spanned!(Span::mixed_site()=> __midair_body));
        let shim = self.shim(&self.target());
        let router = self.router(&self.target());
        let guarded = self.guarded(&self.target());
        let entry = self.guarded_entry(|name| quote!(#name));
        let record = record(self.checked, &self.target(), |name| quote!(#name), &entry);
        quote!(#body #boxed #shim #router #guarded #record)
    }

    fn in_trait(&self, owner: &Owner) -> TokenStream {
        let inferred = inferred(&owner.generics);
        let own = |name: &TokenStream| path_in(&quote!(Self), &inferred, name);
        let body_name = quote_spanned!(Span::mixed_site()=> __midair_body);
        let (body, boxed) = (self.body(), self.boxed(&own(&body_name)));
        let shim = self.shim(&own(&self.target()));
        let router = self.router(&own(&self.target()));
        let guarded = self.guarded(&own(&self.target()));
        let ty = static_type(&owner.self_ty);
        let lifetimes = owner.generics.params.iter().map(|_| quote!('static)).collect::<Vec<_>>();
        let fixed = |name: &TokenStream| path_in(&quote!(#ty), &lifetimes, name);
        let path = |name: &Ident| fixed(&quote!(#name));
        let entry = self.guarded_entry(path);
        let record = record(self.checked, &fixed(&self.target()), path, &entry);
        let helper = self.helper(owner, &quote!(#body #boxed #shim #router #guarded));
        quote!(#helper #record)
    }

    /// The helper trait and its one implementation, whose functions are `functions`.
    fn helper(&self, owner: &Owner, functions: &TokenStream) -> TokenStream {
        let body = self.variants.declaration();
        let [shim, router] =
            ["__midair_shim", "__midair_router"].map(|name| self.variants.target(name));
        let boxed = self.variants.is_async().then(|| {
            let boxed = self.variants.target("__midair_boxed");
            quote!(#boxed;)
        });
        let guarded = self.guarded_declaration();
        let quiet = quiet();
        let (generics, _, bounds) = owner.generics.split_for_impl();
        let arguments = owner.generics.lifetimes().map(|param| &param.lifetime);
        let ty = &owner.self_ty;
        // A trait may ask for it, as `Add` does for the right-hand side that is `Self`.
        let places = Places::of(&self.checked.function.signature, Some(owner));
        let sized = owner.is_sized(&places).then(|| quote!(::core::marker::Sized));
        let supertraits = owner.trait_path.iter().map(|path| quote!(#path)).chain(sized);
        let import = owner.trait_path.as_ref().map(import);
        quote_spanned! {Span::mixed_site()=>
            #import
            #[doc(hidden)]
            #quiet
            trait __MidairHot #generics: #(#supertraits)+* #bounds {
                #body;
                #boxed
                #shim;
                #router;
                #guarded
            }
            #[doc(hidden)]
            impl #generics __MidairHot<#(#arguments),*> for #ty #bounds {
                #functions
            }
        }
    }

    /// The user's code.
    fn body(&self) -> TokenStream {
        let Sorted { body: attributes, everywhere, .. } = self.sorted;
        let strict = self.variants.is_feature_method.then(|| {
            // The helper made it unsafe, which the user did not.
            quote_spanned!(Span::mixed_site()=> #[deny(unsafe_op_in_unsafe_fn)])
        });
        let signature = self.variants.body();
        let block = &self.checked.function.body;
        let said = said();
        // Once, and not once more in the function that guards it.
        let once = self.variants.unwinds().then(|| quote!(#[inline(never)]));
        quote!(#said #(#attributes)* #(#everywhere)* #once #strict #signature #block)
    }

    /// What stands behind the slot of an async function: it boxes the future of the user's code.
    fn boxed(&self, body: &TokenStream) -> TokenStream {
        if !self.variants.is_async() {
            return TokenStream::new();
        }
        let quiet = quiet();
        let everywhere = &self.sorted.everywhere;
        let signature = self.variants.target("__midair_boxed");
        let arguments = self.variants.arguments();
        let detach = if self.checked.is_local { "detach_local" } else { "detach" };
        let detach = Ident::new(detach, Span::mixed_site());
        // What keeps the future from being `Send` is said at the function.
        let name = self.checked.function.signature.ident.span();
        let future = Ident::new("__midair_future", Span::mixed_site().located_at(name));
        quote_spanned! {Span::mixed_site()=>
            #quiet
            #(#everywhere)*
            #signature {
                // SAFETY: under the duties of this function.
                let #future = unsafe { #body(#arguments) };
                // SAFETY: only the wrapper calls this, and awaits what it gets in a future that
                // holds all of the lifetimes in the arguments.
                unsafe { ::midair::__private::#detach(#future) }
            }
        }
    }

    /// What the slot holds until the first call.
    fn shim(&self, target: &TokenStream) -> TokenStream {
        let code = quote_spanned! {Span::mixed_site()=>
            ::midair::__private::first_call(
                __MIDAIR_RECORD.head(),
                ::midair::__private::own_section!(),
            )
        };
        let shim = self.passage("__midair_shim", target, &code);
        quote_spanned!(Span::mixed_site()=> #[cold] #shim)
    }

    /// What the slot holds while a transition is under way, and for as long as it leads to code of
    /// an image with another standard library.
    fn router(&self, target: &TokenStream) -> TokenStream {
        let address = quote_spanned!(Span::mixed_site()=> __midair_route.address());
        let crossing = self.variants.unwinds().then(|| {
            let crossing = self.crossing(&address);
            quote_spanned! {Span::mixed_site()=>
                if __midair_route.is_guarded() {
                    return #crossing;
                }
            }
        });
        let code = quote_spanned! {Span::mixed_site()=> {
            let __midair_route = ::midair::__private::route(__MIDAIR_RECORD.head());
            #crossing
            #address
        }};
        self.passage("__midair_router", target, &code)
    }

    /// A function like the one behind the slot, called `name`, that asks where to go and goes there.
    fn passage(&self, name: &str, target: &TokenStream, code: &TokenStream) -> TokenStream {
        let quiet = quiet();
        let everywhere = &self.sorted.everywhere;
        let signature = self.variants.target(name);
        let pointer = self.variants.pointer();
        let arguments = self.variants.arguments();
        quote_spanned! {Span::mixed_site()=>
            #[inline(never)]
            #quiet
            #(#everywhere)*
            #signature {
                let __midair_address = #code;
                let __midair_witness: #pointer = #target;
                // SAFETY: the runtime names the body, or a later body whose signature and layouts
                // were found equal.
                let __midair_code = unsafe { ::midair::__private::like(__midair_witness, __midair_address) };
                // SAFETY: the same function, under the same duties.
                unsafe { __midair_code(#arguments) }
            }
        }
    }
}

/// `<Player<'_> as __MidairHot<'_>>::name`
fn path_in(ty: &TokenStream, lifetimes: &[TokenStream], name: &TokenStream) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> <#ty as __MidairHot<#(#lifetimes),*>>::#name)
}

fn inferred(generics: &Generics) -> Vec<TokenStream> {
    generics.params.iter().map(|_| quote!('_)).collect()
}

fn static_type(ty: &Type) -> Type {
    use syn::visit_mut::VisitMut as _;
    let mut ty = ty.clone();
    Static::default().visit_type_mut(&mut ty);
    ty
}

/// Brings the trait's own items into scope, as they are in an `impl` of it.
fn import(path: &Path) -> TokenStream {
    let mut path = path.clone();
    for segment in &mut path.segments {
        segment.arguments = PathArguments::None;
    }
    quote_spanned!(Span::mixed_site()=> #[allow(unused_imports)] use #path as _;)
}

/// Signatures are repeated in what we make; the user's lints have spoken about them already.
pub(super) fn quiet() -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[allow(
            drop_bounds,
            elided_lifetimes_in_paths,
            improper_ctypes_definitions,
            mismatched_lifetime_syntaxes,
            private_bounds,
            private_interfaces,
            single_use_lifetimes,
            trivial_bounds,
            unreachable_code,
            unused_lifetimes,
            unused_qualifications,
            clippy::all,
            clippy::pedantic,
            clippy::nursery
        )]
    }
}

/// What the lints have said about the signature of the wrapper, they need not say of the body.
fn said() -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[allow(
            improper_ctypes_definitions,
            mismatched_lifetime_syntaxes,
            clippy::too_many_arguments,
            clippy::type_complexity
        )]
    }
}
