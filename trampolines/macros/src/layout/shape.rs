//! A struct, an enum or a union, and its description.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::{Attribute, Error, Fields, Generics, Ident, Item, Type, Variant};

use super::attributes::{Attributes, Place};
use super::bounds::{Used, depends, without_lifetimes};
use super::emit::{fixed, leaf, tree, types};
use super::endless;
use super::field::Field;
use super::mirror;
use crate::text::{TokenHash, text};

/// The type that is derived for.
pub(crate) struct Subject {
    name: Ident,
    generics: Generics,
    kind: Kind,
    repr: Repr,
    /// The foreign type that it is a mirror of.
    of: Option<Type>,
    tokens: u64,
}

pub(crate) enum Kind {
    Struct(Vec<Field>),
    Union(Vec<Field>),
    Enum(Vec<VariantOf>),
}

/// One variant.
pub(crate) struct VariantOf {
    pub(crate) name: Ident,
    pub(crate) fields: Vec<Field>,
    /// The last discriminant that is written, and how many variants ago that was.
    base: Option<TokenStream>,
    distance: u64,
}

/// The `repr` attributes.
struct Repr {
    text: String,
    /// The type of discriminants.
    discriminant: TokenStream,
}

impl Subject {
    pub(crate) fn parse(item: TokenStream) -> syn::Result<Self> {
        let tokens = TokenHash::new().tokens(item.clone()).finish();
        let (attributes, name, generics, kind) = match syn::parse2(item)? {
            Item::Struct(item) => {
                let fields = Field::all(&item.fields)?;
                check_size(&item.fields)?;
                (item.attrs, item.ident, item.generics, Kind::Struct(fields))
            }
            Item::Union(item) => {
                let fields = Field::all(&Fields::Named(item.fields))?;
                (item.attrs, item.ident, item.generics, Kind::Union(fields))
            }
            Item::Enum(item) => {
                let variants = variants(item.variants.iter())?;
                (item.attrs, item.ident, item.generics, Kind::Enum(variants))
            }
            other => {
                return Err(Error::new_spanned(
                    other,
                    "`Layout` is derived for a struct, an enum or a union; on a trait write \
                     `#[midair::layout]`",
                ));
            }
        };
        let of = Attributes::read(&attributes, Place::Item)?.of;
        if let Some(of) = &of
            && !matches!(kind, Kind::Struct(_) | Kind::Enum(_))
        {
            return Err(Error::new_spanned(
                of,
                "a mirror is a struct or an enum: of a union nobody can see that all is there",
            ));
        }
        let subject = Self { name, generics, kind, repr: Repr::of(&attributes), of, tokens };
        for ty in subject.described() {
            endless::check(&ty, &subject.name, &subject.generics)?;
        }
        Ok(subject)
    }

    pub(crate) fn expand(&self) -> TokenStream {
        let described = self.described();
        let used = Used::of(&self.generics, &described);
        let mut generics = self.generics.clone();
        generics.make_where_clause().predicates.extend(used.predicates(&self.generics));
        let (for_impl, _, bounds) = generics.split_for_impl();
        let (_, arguments, _) = self.generics.split_for_impl();
        let name = &self.name;
        let (key, description) = (self.key(&used), self.description(&used));
        let leads: Vec<_> = described.iter().filter(|ty| depends(ty, &self.generics)).collect();
        let leads = leads.into_iter().map(|ty| leaf(&ty.to_token_stream())).collect::<Vec<_>>();
        let (leads, record) = (tree(&leads), self.record(&described));
        let witness = self.of.as_ref().map(|of| mirror::witness(of, &self.kind));
        quote_spanned! {Span::mixed_site()=>
            #[automatically_derived]
            // SAFETY: the compiler itself says where everything lies, and the key is made from the
            // definition and all that it is generic over.
            unsafe impl #for_impl ::midair::Layout for #name #arguments #bounds {
                const KEY: ::midair::__private::Key = #key;
                const DESCRIPTION: ::midair::__private::Description = #description;
                type Leads = #leads;
            }
            #record
            #witness
        }
    }

    /// The type whose layout it is.
    fn subject(&self) -> TokenStream {
        self.of.as_ref().map_or_else(|| quote!(Self), |of| of.to_token_stream())
    }

    /// The name with its path, as an expression.
    fn path(&self) -> TokenStream {
        match &self.of {
            Some(of) => {
                let path = text(of.to_token_stream());
                quote!(#path)
            }
            None => {
                let name = format!("::{}", self.name.unraw());
                quote!(::core::concat!(::core::module_path!(), #name))
            }
        }
    }

    fn key(&self, used: &Used) -> TokenStream {
        let (path, subject, tokens, with) = (self.path(), self.subject(), self.tokens, used.key());
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
                (::core::mem::size_of::<#subject>(), ::core::mem::align_of::<#subject>()),
            ) #with
        }
    }

    fn description(&self, used: &Used) -> TokenStream {
        let private = quote!(::midair::__private);
        let (path, subject) = (self.path(), self.subject());
        let form = match &self.kind {
            Kind::Struct(_) => quote!(Struct),
            Kind::Union(_) => quote!(Union),
            Kind::Enum(_) => quote!(Enum),
        };
        let (parts, constants) = (self.parts(&subject), &used.constants);
        let (parameters, repr) = (used.parameters(), &self.repr.text);
        let emitted = self.is_one_type().then(|| quote!(.emitted()));
        quote_spanned! {Span::mixed_site()=>
            #private::Description::of::<#subject>(
                #private::Form::#form,
                #path,
                #parameters,
                &[
                    #(#private::Part::plain(
                        #private::PartKind::Constant,
                        ::core::stringify!(#constants),
                        #constants as u64,
                    ),)*
                    #(#parts),*
                ],
            ).with_repr(#repr) #emitted
        }
    }

    fn parts(&self, subject: &TokenStream) -> Vec<TokenStream> {
        match &self.kind {
            Kind::Struct(fields) | Kind::Union(fields) => {
                let offset = |field: &Field| {
                    let member = &field.member;
                    quote_spanned! {Span::mixed_site()=>
                        ::core::mem::offset_of!(#subject, #member) as u64
                    }
                };
                fields.iter().map(|field| field.part(&offset(field))).collect()
            }
            Kind::Enum(variants) => {
                variants.iter().flat_map(|variant| variant.parts(&self.repr.discriminant)).collect()
            }
        }
    }

    /// The record of a type, or of what all types of a generic one lead to.
    fn record(&self, described: &[Type]) -> TokenStream {
        let fixed_ones = described.iter().filter(|ty| !depends(ty, &self.generics));
        let trees: Vec<_> = fixed_ones.map(|ty| leaf(&fixed(ty))).collect();
        if !self.is_one_type() {
            return if trees.is_empty() { TokenStream::new() } else { types(&trees) };
        }
        let (own, tree) = (without_lifetimes(&self.name, &self.generics), tree(&trees));
        types(&[quote_spanned!(Span::mixed_site()=> ::midair::__private::Own<#own, #tree>)])
    }

    /// Whether it is generic over nothing but lifetimes.
    fn is_one_type(&self) -> bool {
        self.generics.type_params().next().is_none()
            && self.generics.const_params().next().is_none()
    }

    /// The types that it leads to.
    fn described(&self) -> Vec<Type> {
        match &self.kind {
            Kind::Struct(fields) | Kind::Union(fields) => {
                fields.iter().filter_map(Field::described).collect()
            }
            Kind::Enum(variants) => variants
                .iter()
                .flat_map(|variant| variant.fields.iter().filter_map(Field::described))
                .collect(),
        }
    }
}

impl VariantOf {
    /// The variant and its fields. Where these lie is not told on stable Rust; their order, their
    /// types and the compiler decide it.
    fn parts(&self, discriminant: &TokenStream) -> Vec<TokenStream> {
        let (name, distance) = (self.name.unraw().to_string(), self.distance);
        let value = match &self.base {
            None => quote!(#distance),
            Some(base) => quote_spanned! {Span::mixed_site()=> {
                const __MIDAIR_BASE: #discriminant = #base;
                (__MIDAIR_BASE as i128 as u64).wrapping_add(#distance)
            }},
        };
        let variant = quote_spanned! {Span::mixed_site()=>
            ::midair::__private::Part::plain(
                ::midair::__private::PartKind::Variant,
                #name,
                #value,
            )
        };
        let fields = (0_u64..).zip(&self.fields).map(|(at, field)| field.part(&quote!(#at)));
        [variant].into_iter().chain(fields).collect()
    }
}

fn variants<'a>(all: impl Iterator<Item = &'a Variant>) -> syn::Result<Vec<VariantOf>> {
    let (mut base, mut distance) = (None, 0);
    let mut variants = Vec::new();
    for variant in all {
        Attributes::read(&variant.attrs, Place::Variant)?;
        if let Some((_, value)) = &variant.discriminant {
            (base, distance) = (Some(value.to_token_stream()), 0);
        }
        let (name, fields) = (variant.ident.clone(), Field::all(&variant.fields)?);
        variants.push(VariantOf { name, fields, base: base.clone(), distance });
        distance += 1;
    }
    Ok(variants)
}

impl Repr {
    fn of(attributes: &[Attribute]) -> Self {
        let mut words = Vec::new();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("repr")) {
            // What is wrong in it, the compiler says.
            let _ = attribute.parse_nested_meta(|meta| {
                let word = meta.path.to_token_stream().to_string();
                let argument = if meta.input.peek(syn::token::Paren) {
                    let inside;
                    syn::parenthesized!(inside in meta.input);
                    text(inside.parse()?)
                } else {
                    String::new()
                };
                words.push((word, argument));
                Ok(())
            });
        }
        let number = words.iter().map(|(word, _)| word).find(|word| word.starts_with(['u', 'i']));
        let number = Ident::new(number.map_or("isize", String::as_str), Span::mixed_site());
        let written = |(word, argument): &(String, String)| match argument.as_str() {
            "" => word.clone(),
            argument => format!("{word}({argument})"),
        };
        let mut written: Vec<_> = words.iter().map(written).collect();
        written.sort();
        Self { text: written.join(", "), discriminant: quote!(::core::primitive::#number) }
    }
}

/// Sees that the last field has a size, as far as tokens tell.
fn check_size(fields: &Fields) -> syn::Result<()> {
    let last = fields.iter().next_back().map(|field| &field.ty);
    let is_unsized = match last {
        Some(Type::Slice(_) | Type::TraitObject(_)) => true,
        Some(Type::Path(path)) => path.path.is_ident("str"),
        _ => false,
    };
    if is_unsized {
        return Err(Error::new_spanned(
            last,
            "a type without a size of its own is not described: put what has none behind a `Box`",
        ));
    }
    Ok(())
}
