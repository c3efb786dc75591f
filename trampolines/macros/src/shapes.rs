//! Every type of a signature of which the compiler is asked for size and alignment.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::visit_mut::VisitMut as _;
use syn::{GenericArgument, Ident, PathArguments, Type, TypePath};

use crate::owner::Static;
use crate::signature::{Places, type_text};

/// The shapes of a signature, as expressions, and the texts of their types.
pub(crate) struct Shapes {
    pub(crate) expressions: Vec<TokenStream>,
    pub(crate) texts: Vec<String>,
}

impl Shapes {
    pub(crate) fn of(places: &Places) -> Self {
        let mut shapes = Self { expressions: Vec::new(), texts: Vec::new() };
        if let Some(output) = &places.output {
            shapes.add(0, output);
        }
        for (place, ty) in (1..).zip(&places.arguments) {
            shapes.add(place, ty);
        }
        shapes
    }

    fn add(&mut self, place: u32, ty: &Type) {
        if is_never(ty) {
            let never = quote_spanned!(Span::mixed_site()=> ::midair::__private::never(#place));
            self.expressions.push(never);
            self.texts.push("!".to_owned());
            return;
        }
        let mut parts = Vec::new();
        collect(ty, &mut parts);
        let first = self.texts.len();
        for part in parts {
            let text = part.text();
            if !self.texts[first..].contains(&text) {
                self.expressions.push(part.shape(place));
                self.texts.push(text);
            }
        }
    }
}

/// What a type is made of.
enum Part {
    Type(Box<Type>),
    /// `LEN` of `Buffer<LEN>` or `AABB` of `Vec<AABB>`.
    Name(Ident),
}

impl Part {
    fn text(&self) -> String {
        match self {
            Self::Type(ty) => type_text(ty),
            Self::Name(name) => name.to_string(),
        }
    }

    fn shape(self, place: u32) -> TokenStream {
        match self {
            Self::Type(mut ty) => {
                Static::default().visit_type_mut(&mut ty);
                quote_spanned!(Span::mixed_site()=> ::midair::__private::shape!(#place, #ty))
            }
            Self::Name(name) => quote_spanned! {Span::mixed_site()=>
                ::midair::__private::shape_of_name!(#place, #name)
            },
        }
    }
}

/// `ty` and the types that it is made of, as far as tokens tell.
fn collect(ty: &Type, parts: &mut Vec<Part>) {
    match ty {
        Type::Group(group) => return collect(&group.elem, parts),
        Type::Paren(paren) => return collect(&paren.elem, parts),
        // Neither has a size that can be asked for.
        Type::Never(_) | Type::Infer(_) | Type::ImplTrait(_) | Type::Verbatim(_) => return,
        _ => parts.push(Part::Type(Box::new(ty.clone()))),
    }
    match ty {
        Type::Array(array) => collect(&array.elem, parts),
        Type::Slice(slice) => collect(&slice.elem, parts),
        Type::Ptr(pointer) => collect(&pointer.elem, parts),
        Type::Reference(reference) => collect(&reference.elem, parts),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|elem| collect(elem, parts)),
        Type::Path(path) => collect_arguments(path, parts),
        _ => {}
    }
}

fn collect_arguments(path: &TypePath, parts: &mut Vec<Part>) {
    for segment in &path.path.segments {
        let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
            continue;
        };
        for argument in &arguments.args {
            let GenericArgument::Type(ty) = argument else {
                continue;
            };
            match may_be_constant(ty) {
                // Mostly a parameter of something around, which an import cannot name.
                Some(name) if name.to_string().len() == 1 => {}
                Some(name) => parts.push(Part::Name(name.clone())),
                None => collect(ty, parts),
            }
        }
    }
}

/// The name `LEN` of `Buffer<LEN>` or `AABB` of `Vec<AABB>`: tokens do not tell a constant from a
/// type where one name stands alone, and people write both in capitals.
fn may_be_constant(ty: &Type) -> Option<&Ident> {
    let Type::Path(TypePath { qself: None, path, .. }) = ty else {
        return None;
    };
    path.get_ident().filter(|name| !name.to_string().contains(char::is_lowercase))
}

fn is_never(ty: &Type) -> bool {
    match ty {
        Type::Never(_) => true,
        Type::Group(group) => is_never(&group.elem),
        Type::Paren(paren) => is_never(&paren.elem),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use syn::{Signature, parse_str};

    use super::Shapes;
    use crate::signature::Places;

    fn texts(code: &str) -> Vec<String> {
        let signature: Signature = parse_str(code).expect("a signature");
        Shapes::of(&Places::of(&signature, None)).texts
    }

    #[test]
    fn the_return_type_comes_first_and_types_are_taken_apart() {
        assert_eq!(
            texts("fn f(a: &mut [f32; 2], b: Option<NonNull<Gui>>) -> Result<(u8, u16), Error>"),
            [
                "Result<(u8,u16),Error>",
                "(u8,u16)",
                "u8",
                "u16",
                "Error",
                "&mut[f32;2]",
                "[f32;2]",
                "f32",
                "Option<NonNull<Gui>>",
                "NonNull<Gui>",
                "Gui",
            ]
        );
    }

    #[test]
    fn functions_and_objects_are_not_entered() {
        assert_eq!(
            texts("fn f(a: fn(X) -> Y, b: &dyn Fn(X), c: Buffer<LEN>) -> !"),
            ["!", "fn(X)->Y", "&dyn Fn(X)", "dyn Fn(X)", "Buffer<LEN>", "LEN"]
        );
    }
}
