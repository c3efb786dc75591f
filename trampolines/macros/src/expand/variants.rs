//! The signatures of the functions that one hot function becomes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::visit_mut::VisitMut as _;
use syn::{FnArg, Pat, ReturnType, Safety, Signature, Type, parse_quote};

use crate::owner::Owner;

/// What is needed of the user's signature to write the others.
pub(crate) struct Variants<'a> {
    signature: &'a Signature,
    owner: Option<&'a Owner>,
    names: Vec<Ident>,
    pub(crate) is_local: bool,
    /// The helper trait's functions must be `unsafe` to carry a target feature.
    pub(crate) is_feature_method: bool,
}

impl<'a> Variants<'a> {
    pub(crate) fn new(signature: &'a Signature, owner: Option<&'a Owner>) -> Self {
        let names = argument_names(signature);
        Self { signature, owner, names, is_local: false, is_feature_method: false }
    }

    pub(crate) fn is_async(&self) -> bool {
        self.signature.asyncness.is_some()
    }

    pub(crate) fn is_never(&self) -> bool {
        matches!(&self.signature.output, ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)))
    }

    /// Whether a panic leaves the function behind the slot. From an ABI that says nothing of
    /// unwinding none does: the language ends the process. What an async function returns hands
    /// its panics over itself.
    pub(crate) fn unwinds(&self) -> bool {
        let abi = self.signature.abi.as_ref();
        !self.is_async()
            && abi.is_none_or(|abi| {
                let name = abi.name.as_ref().map_or("C".to_owned(), |name| name.value());
                name == "Rust" || name.ends_with("-unwind")
            })
    }

    /// The user's signature with a plain name for each argument: what callers see.
    pub(crate) fn wrapper(&self) -> Signature {
        let mut wrapper = self.signature.clone();
        self.name_inputs(&mut wrapper);
        wrapper
    }

    /// The user's signature as it is, under another name: the head of the user's code.
    pub(crate) fn body(&self) -> Signature {
        let mut body = self.signature.clone();
        self.rename(&mut body, "__midair_body");
        body
    }

    /// What `body` looks like to others: named arguments, and no `Self`.
    pub(crate) fn declaration(&self) -> Signature {
        let mut declaration = self.body();
        self.name_inputs(&mut declaration);
        self.concrete(&mut declaration);
        declaration
    }

    /// The function behind the slot, called `name`: as `body`, but a future is boxed.
    pub(crate) fn target(&self, name: &str) -> Signature {
        let mut target = self.declaration();
        self.rename(&mut target, name);
        if self.is_async() {
            target.asyncness = None;
            target.abi = None;
            target.output = self.boxed(&target.output);
        }
        target
    }

    /// `unsafe extern "C" fn(_, _) -> _`: every pointer that is called has this type, and the
    /// compiler finds out the rest.
    pub(crate) fn pointer(&self) -> TokenStream {
        let abi = if self.is_async() { None } else { self.signature.abi.as_ref() };
        let inputs = self.signature.inputs.iter().map(|_| quote!(_));
        let output = if self.is_never() { quote!(!) } else { quote!(_) };
        quote_spanned!(Span::mixed_site()=> unsafe #abi fn(#(#inputs),*) -> #output)
    }

    /// The arguments as they are passed on.
    pub(crate) fn arguments(&self) -> TokenStream {
        let arguments = self.each_argument();
        quote!(#(#arguments),*)
    }

    pub(crate) fn each_argument(&self) -> Vec<TokenStream> {
        let receiver = self.signature.receiver().map(|receiver| receiver.self_token);
        self.arguments_as(&quote!(#receiver))
    }

    /// The arguments, where a receiver is called `receiver`.
    pub(crate) fn arguments_as(&self, receiver: &TokenStream) -> Vec<TokenStream> {
        let receiver = self.signature.receiver().map(|_| receiver.clone());
        receiver.into_iter().chain(self.names.iter().map(|name| quote!(#name))).collect()
    }

    fn rename(&self, signature: &mut Signature, name: &str) {
        signature.ident = Ident::new(name, Span::mixed_site());
        signature.fn_token.span = Span::mixed_site();
        if self.is_feature_method {
            signature.safety = Safety::Unsafe(syn::token::Unsafe(Span::mixed_site()));
        }
    }

    fn name_inputs(&self, signature: &mut Signature) {
        let mut names = self.names.iter();
        for input in &mut signature.inputs {
            match input {
                FnArg::Receiver(receiver) => {
                    receiver.attrs.clear();
                    receiver.mutability = None;
                }
                FnArg::Typed(typed) => {
                    let name = names.next().expect("a name was made for each argument");
                    typed.attrs.clear();
                    *typed.pat = parse_quote!(#name);
                }
            }
        }
    }

    fn concrete(&self, signature: &mut Signature) {
        let Some(owner) = self.owner else {
            return;
        };
        let mut concrete = owner.concrete();
        for input in &mut signature.inputs {
            if let FnArg::Typed(typed) = input {
                concrete.visit_type_mut(&mut typed.ty);
            }
        }
        concrete.visit_return_type_mut(&mut signature.output);
        concrete.visit_generics_mut(&mut signature.generics);
    }

    fn boxed(&self, output: &ReturnType) -> ReturnType {
        let unit: Type = parse_quote!(());
        let output = match output {
            ReturnType::Default => &unit,
            ReturnType::Type(_, ty) => ty,
        };
        let future = if self.is_local { "LocalFuture" } else { "SendFuture" };
        let future = Ident::new(future, Span::mixed_site());
        let path = quote_spanned!(Span::mixed_site()=> ::midair::__private::#future);
        parse_quote!(-> #path<#output>)
    }
}

/// A name for each argument but the receiver: the user's where there is one.
fn argument_names(signature: &Signature) -> Vec<Ident> {
    let mut names: Vec<Ident> = Vec::new();
    for (place, input) in (1_usize..).zip(&signature.inputs) {
        let FnArg::Typed(typed) = input else {
            continue;
        };
        let written = match &*typed.pat {
            Pat::Ident(pattern) => Some(pattern.ident.clone()),
            _ => None,
        };
        let mut name = written.unwrap_or_else(|| format_ident!("arg{place}"));
        name.set_span(Span::mixed_site());
        while names.contains(&name) {
            name = format_ident!("{name}_", span = Span::mixed_site());
        }
        names.push(name);
    }
    names
}
