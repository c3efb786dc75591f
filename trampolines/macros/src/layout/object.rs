//! A trait, and the descriptions of its trait objects: their methods in order.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Error, FnArg, Generics, Ident, ItemTrait, Path, ReceiverKind, ReturnType, Safety, Signature,
    TraitItem, Type, TypeParamBound, TypePath, WherePredicate, parse_quote, parse_quote_spanned,
    spanned::Spanned as _,
};

use super::attributes::{Attributes, Place, Told, is_own};
use super::emit::{fixed, leaf, tree, types};
use super::plain::plain;
use crate::spelling::abi_name;
use crate::text::{TokenHash, text};

/// A trait whose objects are described.
pub(crate) struct Object {
    item: ItemTrait,
    /// Parameters for the associated types that an object names.
    associated: Vec<(Ident, Ident)>,
    methods: Vec<Method>,
    supertraits: Vec<Path>,
    /// Of the supertraits only the names are compared.
    is_opaque: bool,
    tokens: u64,
}

struct Method {
    name: String,
    /// Receiver, arguments and result as a function pointer; `()` stands for what the object is.
    ty: Type,
    is_opaque: bool,
}

/// What may be added to the trait of an object.
const AUTO: [&str; 4] = ["", " + Send", " + Sync", " + Send + Sync"];

impl Object {
    pub(crate) fn parse(arguments: TokenStream, item: TokenStream) -> syn::Result<Self> {
        let is_opaque = match text(arguments.clone()).as_str() {
            "" => false,
            "opaque" => true,
            _ => {
                return Err(Error::new_spanned(
                    arguments,
                    "`#[layout]` on a trait takes nothing, or `opaque`: then the supertraits are \
                     compared by name only",
                ));
            }
        };
        let tokens = TokenHash::new().tokens(item.clone()).finish();
        let mut item: ItemTrait = syn::parse2(item).map_err(|error| {
            Error::new(
                error.span(),
                "`#[layout]` belongs on a trait; for a struct, an enum or a union there is \
                 `#[derive(midair::Layout)]`",
            )
        })?;
        let associated = associated(&item);
        let methods = methods(&mut item, &associated)?;
        let supertraits = supertraits(&item, &associated);
        Ok(Self { item, associated, methods, supertraits, is_opaque, tokens })
    }

    /// What was written, without midair's attributes on methods, of which nobody else knows.
    pub(crate) fn unmarked(item: TokenStream) -> TokenStream {
        let Ok(mut item) = syn::parse2::<ItemTrait>(item.clone()) else { return item };
        for item in &mut item.items {
            if let TraitItem::Fn(method) = item {
                method.attrs.retain(|attribute| !is_own(attribute));
            }
        }
        item.into_token_stream()
    }

    /// The trait, without midair's attributes on its methods.
    pub(crate) fn item(&self) -> TokenStream {
        self.item.to_token_stream()
    }

    pub(crate) fn expand(&self) -> TokenStream {
        let impls = AUTO.iter().map(|auto| self.one(auto));
        let record = self.is_one_type().then(|| {
            let trees: Vec<_> = self.described().iter().map(|ty| leaf(&fixed(ty))).collect();
            let tree = tree(&trees);
            let own = AUTO.iter().map(|auto| {
                let object = self.object(auto, &quote!('static));
                quote_spanned! {Span::mixed_site()=>
                    ::midair::__private::Own<#object, #tree>
                }
            });
            types(&own.collect::<Vec<_>>())
        });
        quote!(#(#impls)* #record)
    }

    /// The impl for the object with these auto traits.
    fn one(&self, auto: &str) -> TokenStream {
        let private = quote!(::midair::__private);
        let life = quote_spanned!(Span::mixed_site()=> '__object);
        let object = self.object(auto, &life);
        let generics = self.generics();
        let (for_impl, _, bounds) = generics.split_for_impl();
        let (key, parts) = (self.key(auto), self.parts());
        let (name, parameters) = (self.path(auto), self.parameters());
        let trees: Vec<_> = self.described().iter().map(|ty| leaf(&ty.to_token_stream())).collect();
        let (emitted, leads) = match self.is_one_type() {
            true => (Some(quote!(.emitted())), tree(&[])),
            false => (None, tree(&trees)),
        };
        quote_spanned! {Span::mixed_site()=>
            #[automatically_derived]
            // SAFETY: all methods that the table of such an object has are named, in order.
            unsafe impl #for_impl ::midair::Layout for #object #bounds {
                const KEY: #private::Key = #key;
                const DESCRIPTION: #private::Description =
                    #private::Description::without_size(
                        #private::Form::Trait,
                        #name,
                        &[#(<#parameters as ::midair::Layout>::KEY),*],
                        &[#(#parts),*],
                    ) #emitted;
                type Leads = #leads;
            }
        }
    }

    /// `dyn Shape<T, Item = I> + Send + 'life`.
    fn object(&self, auto: &str, life: &TokenStream) -> TokenStream {
        let name = &self.item.ident;
        let of_item = self.item.generics.params.iter().map(|param| match param {
            syn::GenericParam::Lifetime(param) => param.lifetime.to_token_stream(),
            syn::GenericParam::Type(param) => param.ident.to_token_stream(),
            syn::GenericParam::Const(param) => param.ident.to_token_stream(),
        });
        let bound = self.associated.iter().map(|(name, param)| quote!(#name = #param));
        let arguments = of_item.chain(bound);
        let send = auto.contains("Send").then(|| quote!(+ ::core::marker::Send));
        let sync = auto.contains("Sync").then(|| quote!(+ ::core::marker::Sync));
        quote!((dyn #name<#(#arguments),*> #send #sync + #life))
    }

    /// The generics of the impl: those of the trait, the associated types, and the object's
    /// lifetime.
    fn generics(&self) -> Generics {
        let mut generics = self.item.generics.clone();
        for param in generics.type_params_mut() {
            param.default = None;
        }
        for param in generics.const_params_mut() {
            param.default = None;
        }
        let life: syn::Lifetime = syn::Lifetime::new("'__object", Span::mixed_site());
        generics.params.insert(0, parse_quote!(#life));
        let parameters = self.parameters();
        for (_, param) in &self.associated {
            generics.params.push(parse_quote!(#param));
        }
        let mut predicates: Vec<WherePredicate> =
            parameters.iter().map(|ty| parse_quote!(#ty: ::midair::Layout)).collect();
        predicates
            .extend(parameters.iter().map(|ty| -> WherePredicate { parse_quote!(#ty: #life) }));
        generics.make_where_clause().predicates.extend(predicates);
        generics
    }

    /// The types that an object is generic over.
    fn parameters(&self) -> Vec<Ident> {
        let own = self.item.generics.type_params().map(|param| param.ident.clone());
        own.chain(self.associated.iter().map(|(_, param)| param.clone())).collect()
    }

    fn is_one_type(&self) -> bool {
        self.parameters().is_empty() && self.item.generics.const_params().next().is_none()
    }

    fn path(&self, auto: &str) -> TokenStream {
        let name = format!("::{}{auto}", self.item.ident.unraw());
        quote!(::core::concat!("dyn ", ::core::module_path!(), #name))
    }

    fn key(&self, auto: &str) -> TokenStream {
        let (path, tokens, parameters) = (self.path(auto), self.tokens, self.parameters());
        let constants = self.item.generics.const_params().map(|param| &param.ident);
        quote_spanned! {Span::mixed_site()=>
            ::midair::__private::Key::defined(
                #path,
                &[
                    ::core::file!(),
                    ::core::concat!(::core::line!(), ":", ::core::column!()),
                    ::midair::__private::or_empty(::core::option_env!("CARGO_MANIFEST_DIR")),
                    ::midair::__private::or_empty(::core::option_env!("CARGO_PKG_VERSION")),
                ],
                #tokens,
                (0, 0),
            )
            #(.with(<#parameters as ::midair::Layout>::KEY))*
            #(.number(#constants as u128))*
        }
    }

    fn parts(&self) -> Vec<TokenStream> {
        let private = quote!(::midair::__private);
        let supertraits = self.supertraits.iter().map(|path| {
            let name = text(path.to_token_stream());
            if self.is_opaque {
                quote_spanned! {Span::mixed_site()=>
                    #private::Part::plain(#private::PartKind::Supertrait, #name, 0)
                }
            } else {
                let object = quote_spanned!(path.span()=> dyn #path);
                quote_spanned! {Span::mixed_site()=>
                    #private::Part::behind::<#object>(#private::PartKind::Supertrait, #name)
                }
            }
        });
        let methods = self.methods.iter().map(|method| {
            let Method { name, ty, is_opaque } = method;
            if *is_opaque {
                let tokens = text(ty.to_token_stream());
                quote_spanned!(Span::mixed_site()=> #private::Part::method(#name, #tokens))
            } else {
                let ty = plain(ty);
                quote_spanned! {Span::mixed_site()=>
                    #private::Part::behind::<#ty>(#private::PartKind::Method, #name)
                }
            }
        });
        supertraits.chain(methods).collect()
    }

    fn described(&self) -> Vec<Type> {
        let supertraits = self.supertraits.iter().filter(|_| !self.is_opaque);
        let supertraits = supertraits.map(|path| parse_quote!(dyn #path));
        let methods = self.methods.iter().filter(|method| !method.is_opaque);
        supertraits.chain(methods.map(|method| plain(&method.ty))).collect()
    }
}

/// The associated types that an object has to name, each with a parameter for it.
fn associated(item: &ItemTrait) -> Vec<(Ident, Ident)> {
    let types = item.items.iter().filter_map(|item| match item {
        TraitItem::Type(ty) if ty.generics.params.is_empty() && !is_sized(&ty.generics) => {
            Some(ty.ident.clone())
        }
        _ => None,
    });
    types.map(|name| (name.clone(), format_ident!("__{}", name.unraw()))).collect()
}

/// Whether it asks for `Self: Sized`, so that objects lack it.
fn is_sized(generics: &Generics) -> bool {
    generics.where_clause.iter().flat_map(|clause| &clause.predicates).any(|predicate| {
        let WherePredicate::Type(predicate) = predicate else { return false };
        text(predicate.bounded_ty.to_token_stream()) == "Self"
            && predicate.bounds.iter().any(|bound| match bound {
                TypeParamBound::Trait(bound) => is_named(&bound.path, &["Sized"]),
                _ => false,
            })
    })
}

fn is_named(path: &Path, names: &[&str]) -> bool {
    path.segments.last().is_some_and(|last| names.iter().any(|name| last.ident == name))
}

/// The traits whose methods stand in the object's table before its own.
fn supertraits(item: &ItemTrait, associated: &[(Ident, Ident)]) -> Vec<Path> {
    const WITHOUT_METHODS: [&str; 6] =
        ["Send", "Sync", "Sized", "Unpin", "UnwindSafe", "RefUnwindSafe"];
    let of_self = item.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    let of_self = of_self.filter_map(|predicate| match predicate {
        WherePredicate::Type(predicate)
            if text(predicate.bounded_ty.to_token_stream()) == "Self" =>
        {
            Some(&predicate.bounds)
        }
        _ => None,
    });
    let bounds = item.supertraits.iter().chain(of_self.flatten());
    let paths = bounds.filter_map(|bound| match bound {
        TypeParamBound::Trait(bound) if bound.maybe.is_none() => Some(bound.path.clone()),
        _ => None,
    });
    let paths = paths.filter(|path| !is_named(path, &WITHOUT_METHODS));
    paths
        .map(|mut path| {
            Objectless { associated }.visit_path_mut(&mut path);
            path
        })
        .collect()
}

/// The methods that an object has; their attributes of midair are taken off.
fn methods(item: &mut ItemTrait, associated: &[(Ident, Ident)]) -> syn::Result<Vec<Method>> {
    let mut methods = Vec::new();
    for item in &mut item.items {
        let TraitItem::Fn(method) = item else { continue };
        let told = Attributes::read(&method.attrs, Place::Method)?.told;
        method.attrs.retain(|attribute| !is_own(attribute));
        if is_sized(&method.sig.generics) {
            continue;
        }
        let name = method.sig.ident.unraw().to_string();
        let ty = pointer(&method.sig, associated);
        methods.push(Method { name, ty, is_opaque: matches!(told, Told::Opaque) });
    }
    Ok(methods)
}

/// The method as a function pointer.
fn pointer(signature: &Signature, associated: &[(Ident, Ident)]) -> Type {
    let lifetimes = signature.generics.lifetimes().map(|param| &param.lifetime);
    let inputs = signature.inputs.iter().map(|input| -> Type {
        match input {
            FnArg::Typed(typed) => (*typed.ty).clone(),
            FnArg::Receiver(receiver) => match &receiver.kind {
                ReceiverKind::Reference(_, lifetime, mutability) => {
                    parse_quote!(& #lifetime #mutability Self)
                }
                ReceiverKind::Typed(_, ty) => (**ty).clone(),
                _ => parse_quote!(Self),
            },
        }
    });
    let span = signature.ident.span();
    let output = match &signature.output {
        ReturnType::Default => parse_quote_spanned!(span=> ()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    let unsafety = matches!(signature.safety, Safety::Unsafe(_)).then(|| quote!(unsafe));
    let abi = signature.abi.as_ref().map(abi_name).filter(|name| name != "Rust");
    let abi = abi.map(|name| quote!(extern #name));
    // Where a type in it is not described, the error stands at the method.
    let mut ty: Type = parse_quote_spanned! {span=>
        for<#(#lifetimes),*> #unsafety #abi fn(#(#inputs),*) -> #output
    };
    Objectless { associated }.visit_type_mut(&mut ty);
    ty
}

/// Replaces `Self` by `()`, and `Self::Item` by the parameter that stands for it.
struct Objectless<'a> {
    associated: &'a [(Ident, Ident)],
}

impl VisitMut for Objectless<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        let Type::Path(TypePath { qself, path, .. }) = &*ty else { return };
        let by_trait = qself
            .as_ref()
            .is_some_and(|of| matches!(&*of.ty, Type::Tuple(unit) if unit.elems.is_empty()));
        let first = path.segments.first();
        let of_self = first.is_some_and(|first| first.ident == "Self");
        if of_self && path.segments.len() == 1 && qself.is_none() {
            *ty = parse_quote!(());
        } else if (of_self && qself.is_none()) || by_trait {
            let last = path.segments.last().map(|last| &last.ident);
            let found = self.associated.iter().find(|(name, _)| Some(name) == last);
            if let Some((_, param)) = found {
                *ty = parse_quote!(#param);
            }
        }
    }
}
