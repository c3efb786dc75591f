//! Everything that cannot be hot, each at the token that is at fault and with what to do instead.

mod words;

use quote::ToTokens as _;
use syn::visit_mut::VisitMut;
use syn::{
    Attribute, Error, FnArg, GenericParam, Generics, ReturnType, Signature, Type, TypeImplTrait,
    TypeParamBound,
};

use crate::owner::Owner;
use crate::parse::arguments::Arguments;
use crate::parse::item::{Block, Function};
use crate::text::text;

/// A function that can be hot.
pub(crate) struct Checked {
    pub(crate) function: Function,
    pub(crate) owner: Option<Owner>,
    /// The future of an async function may stay on one thread.
    pub(crate) is_local: bool,
}

/// All mistakes of one item.
#[derive(Default)]
struct Mistakes {
    all: Option<Error>,
    /// What may be done about each of them.
    advice: &'static str,
}

impl Mistakes {
    fn add(&mut self, at: impl syn::spanned::Spanned, message: impl std::fmt::Display) {
        let mistake = Error::new(at.span(), format!("{message}{}", self.advice));
        match &mut self.all {
            Some(all) => all.combine(mistake),
            none => *none = Some(mistake),
        }
    }

    fn or<T>(self, right: T) -> syn::Result<T> {
        self.all.map_or(Ok(right), Err)
    }
}

/// Checks one function.
pub(crate) fn function(function: Function, arguments: Arguments) -> syn::Result<Checked> {
    let mut mistakes = Mistakes::default();
    if arguments.is_by_block {
        mistakes.advice = ". To leave this function as it is, write `#[hotpatch]` on each of the \
                           others in the block as well";
    }
    let signature = &function.signature;
    if signature.ident == BODY {
        // This is what another mark has made; nothing else in it is the user's.
        return Err(Error::new(proc_macro2::Span::call_site(), TWICE));
    }
    check_attributes(&function.attributes, &mut mistakes);
    if let Some(constness) = &signature.constness {
        mistakes.add(
            constness,
            "a `const fn` cannot be hot: what ran while compiling cannot be patched. Remove \
             `const`, or keep this one const and mark a function that calls it",
        );
    }
    check_generics(&signature.generics, "this function", &mut mistakes);
    check_inputs(signature, &mut mistakes);
    check_output(signature, &mut mistakes);
    if arguments.owner.is_none() {
        check_lone(&function, &mut mistakes);
    }
    if let (Some(span), None, None) = (arguments.local, signature.asyncness, &arguments.owner) {
        mistakes.add(
            Spot(span),
            "`?Send` is about the future of an `async fn`, and this function has none",
        );
    }
    let is_local = arguments.local.is_some();
    mistakes.or(Checked { function, owner: arguments.owner, is_local })
}

/// The name of the user's code inside the wrapper.
pub(crate) const BODY: &str = "__midair_body";

const TWICE: &str = "this function is hot already. Inside a marked `impl` block a mark is known by \
                     its own name only, and this one has another: write `#[hotpatch]` or \
                     `#[midair::hotpatch]` here. Elsewhere, mark the function once";

/// Checks the header of an `impl` block; its functions are checked one by one later.
pub(crate) fn block(block: Block, arguments: &Arguments) -> syn::Result<Block> {
    let mut mistakes = Mistakes::default();
    check_generics(&block.header.generics, "this `impl`", &mut mistakes);
    if let Some(owner) = &arguments.owner {
        mistakes.add(
            &owner.self_ty,
            "an `impl` block already says which type it is for: write `#[hotpatch]`",
        );
    }
    if !block.members.iter().any(|member| member.is_function) {
        mistakes
            .add(block.header.impl_token, "this `impl` block has no function that could be hot");
    }
    mistakes.or(block)
}

/// A place that has no token of its own.
struct Spot(proc_macro2::Span);

impl quote::ToTokens for Spot {
    fn to_tokens(&self, tokens: &mut proc_macro2::TokenStream) {
        tokens.extend([proc_macro2::TokenTree::Ident(proc_macro2::Ident::new("spot", self.0))]);
    }
}

fn check_attributes(attributes: &[Attribute], mistakes: &mut Mistakes) {
    for attribute in attributes {
        if attribute.path().is_ident("track_caller") {
            mistakes.add(
                attribute.path(),
                "`#[track_caller]` does not reach through the pointer that a hot function is \
                 called by. Remove it, and pass `std::panic::Location::caller()` as an argument \
                 where the place of the call matters",
            );
        }
    }
}

fn check_generics(generics: &Generics, whose: &str, mistakes: &mut Mistakes) {
    for param in &generics.params {
        match param {
            GenericParam::Type(param) => mistakes.add(
                &param.ident,
                format!(
                    "{whose} is generic over the type `{0}`, and a hot function has one machine \
                     code, not one for each `{0}`. Mark functions with concrete types: one for \
                     each type that is used, or the ones that this calls; or take `&dyn Trait`",
                    param.ident
                ),
            ),
            GenericParam::Const(param) => mistakes.add(
                &param.ident,
                format!(
                    "{whose} is generic over the constant `{0}`, and a hot function has one \
                     machine code, not one for each `{0}`. Pass the value as an argument (a slice \
                     for an array), or mark functions with fixed values",
                    param.ident
                ),
            ),
            _ => {}
        }
    }
}

fn check_inputs(signature: &Signature, mistakes: &mut Mistakes) {
    for input in &signature.inputs {
        let (attributes, ty) = match input {
            FnArg::Receiver(receiver) => (&receiver.attrs, None),
            FnArg::Typed(typed) => (&typed.attrs, Some(&*typed.ty)),
        };
        for attribute in attributes {
            if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
                mistakes.add(
                    attribute.path(),
                    "the arguments of a hot function cannot depend on `cfg`: write one function \
                     for each configuration, with the `cfg` on the function",
                );
            }
        }
        for found in ty.map(impl_traits).unwrap_or_default() {
            mistakes.add(
                &found,
                format!(
                    "`impl Trait` as an argument makes the function generic, and a hot function \
                     has one machine code. Take `&({0})`, `Box<{0}>` or a concrete type",
                    object_text(&found)
                ),
            );
        }
    }
    if let Some(variadic) = &signature.variadic {
        mistakes.add(
            variadic.dots,
            "variadic arguments cannot be passed on to the code behind the slot: take a slice, or \
             a `va_list` that the caller made",
        );
    }
}

fn check_output(signature: &Signature, mistakes: &mut Mistakes) {
    let ReturnType::Type(_, ty) = &signature.output else {
        return;
    };
    for found in impl_traits(ty) {
        mistakes.add(
            &found,
            format!(
                "`impl Trait` as a return type hides a type that changes with the body, so old \
                 callers would misread what new code returns. Return `Box<{}>`",
                object_text(&found)
            ),
        );
    }
    if signature.asyncness.is_some() && matches!(**ty, Type::Never(_)) {
        mistakes.add(
            ty,
            "the boxed future of a hot `async fn` cannot have `!` as its output on stable Rust: \
             return `std::convert::Infallible`",
        );
    }
}

fn check_lone(function: &Function, mistakes: &mut Mistakes) {
    const ADVICE: &str = "a method on its own does not know its type: write `#[hotpatch]` on the \
                          `impl` block (and on single methods inside it, to choose), or name the \
                          type here, as in `#[hotpatch(Player)]`. The methods of a trait are \
                          marked in its `impl` blocks";
    if let Some(receiver) = function.signature.receiver() {
        mistakes.add(receiver.self_token, ADVICE);
    } else if let Some(word) = words::own_self(
        function.signature.to_token_stream().into_iter().chain(function.body.stream()),
    ) {
        mistakes.add(word, ADVICE);
    }
}

/// Every `impl Trait` in `ty`.
fn impl_traits(ty: &Type) -> Vec<TypeImplTrait> {
    struct Find(Vec<TypeImplTrait>);
    impl VisitMut for Find {
        fn visit_type_impl_trait_mut(&mut self, found: &mut TypeImplTrait) {
            self.0.push(found.clone());
        }
    }
    let mut find = Find(Vec::new());
    find.visit_type_mut(&mut ty.clone());
    find.0
}

/// The type with `dyn` for `impl`, in ordinary spacing.
fn object_text(found: &TypeImplTrait) -> String {
    let bounds = found.bounds.iter().filter(|bound| match bound {
        TypeParamBound::PreciseCapture(_) => false,
        TypeParamBound::Trait(bound) => bound.maybe.is_none(),
        _ => true,
    });
    let bounds: Vec<_> = bounds.map(|bound| spaced(&text(bound.to_token_stream()))).collect();
    format!("dyn {}", bounds.join(" + "))
}

/// Canonical text as people write it.
fn spaced(text: &str) -> String {
    text.replace(',', ", ").replace("->", " -> ").replace('=', " = ")
}
