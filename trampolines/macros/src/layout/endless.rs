//! Generic types that lead to ever new types of their own kind.

use syn::visit_mut::{self, VisitMut};
use syn::{Error, GenericArgument, Generics, Ident, PathArguments, PathSegment, Type, TypePath};

use super::bounds::depends;

/// Sees that `field` does not lead from `name<T>` to `name<Vec<T>>`: of such types there is no end.
/// Where two types do that together only the compiler notices.
pub(crate) fn check(field: &Type, name: &Ident, generics: &Generics) -> syn::Result<()> {
    let mut find = Find { name, generics, found: None };
    find.visit_type_mut(&mut field.clone());
    match find.found {
        None => Ok(()),
        Some(found) => Err(Error::new_spanned(
            found,
            format!(
                "`{name}` leads to ever new types of its own kind: write `#[layout(opaque)]` on \
                 this field"
            ),
        )),
    }
}

struct Find<'a> {
    name: &'a Ident,
    generics: &'a Generics,
    found: Option<PathSegment>,
}

impl Find<'_> {
    /// Whether it is more than one of the parameters, and made from one.
    fn grows(&self, ty: &Type) -> bool {
        let is_parameter = match ty {
            Type::Path(TypePath { qself: None, path, .. }) => path.get_ident().is_some(),
            _ => false,
        };
        !is_parameter && depends(ty, self.generics)
    }
}

impl VisitMut for Find<'_> {
    fn visit_path_segment_mut(&mut self, segment: &mut PathSegment) {
        if segment.ident == *self.name
            && let PathArguments::AngleBracketed(arguments) = &segment.arguments
            && arguments.args.iter().any(|argument| match argument {
                GenericArgument::Type(ty) => self.grows(ty),
                _ => false,
            })
        {
            self.found = Some(segment.clone());
        }
        visit_mut::visit_path_segment_mut(self, segment);
    }
}
