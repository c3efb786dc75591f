//! The type that a method belongs to, and writing types without `Self`.
//!
//! A record is a static, and a static can name neither `Self` nor a lifetime of the `impl`. So
//! `Self` is replaced by the type's own name, and free lifetimes by `'static`: the size of a type
//! does not depend on them.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    BoundLifetimes, ExprPath, GenericArgument, GenericParam, Generics, Lifetime, LifetimeParam,
    Path, PathArguments, PathSegment, QSelf, Token, TraitBound, Type, TypeFnPtr, TypeParamBound,
    TypePath, TypeTraitObject,
};

use crate::elision::Naming;
use crate::parse::item::Header;
use crate::signature::{Places, type_text};

/// `impl<'a> Tick<'a> for Player<'a>`, with a name for each lifetime.
pub(crate) struct Owner {
    /// The lifetimes and their bounds.
    pub(crate) generics: Generics,
    pub(crate) self_ty: Type,
    pub(crate) trait_path: Option<Path>,
}

impl Owner {
    /// The owner that the header of an `impl` block states.
    pub(crate) fn of_header(header: &Header) -> Self {
        let mut owner = Self {
            generics: header.generics.clone(),
            self_ty: header.self_ty.clone(),
            trait_path: header.trait_path.clone(),
        };
        owner.name_lifetimes();
        // `Self` in the header must not become that of the helper trait.
        let mut trait_path = owner.trait_path.take();
        if let Some(path) = &mut trait_path {
            owner.concrete().visit_path_mut(path);
        }
        owner.trait_path = trait_path;
        let mut bounds = owner.generics.where_clause.take();
        if let Some(bounds) = &mut bounds {
            let mut concrete = owner.concrete();
            for predicate in &mut bounds.predicates {
                concrete.visit_where_predicate_mut(predicate);
            }
        }
        owner.generics.where_clause = bounds;
        owner
    }

    /// The owner that `#[hotpatch(Player<'a>)]` names; its lifetimes are those that it mentions.
    pub(crate) fn named(self_ty: Type, trait_path: Option<Path>) -> Self {
        let mut owner = Self { generics: Generics::default(), self_ty, trait_path };
        owner.name_lifetimes();
        let mut found = Mentioned::default();
        found.visit_type_mut(&mut owner.self_ty);
        if let Some(path) = &mut owner.trait_path {
            found.visit_path_mut(path);
        }
        for lifetime in found.lifetimes {
            if !owner.generics.lifetimes().any(|known| known.lifetime == lifetime) {
                let param = GenericParam::Lifetime(LifetimeParam::new(lifetime));
                owner.generics.params.push(param);
            }
        }
        owner
    }

    /// Whether the type surely has a size: by its form, or because `places` pass it by value.
    pub(crate) fn is_sized(&self, places: &Places) -> bool {
        let by_form = matches!(
            self.self_ty,
            Type::Array(_) | Type::FnPtr(_) | Type::Ptr(_) | Type::Reference(_) | Type::Tuple(_)
        );
        let own = type_text(&self.self_ty);
        by_form || places.arguments.iter().chain(&places.output).any(|ty| type_text(ty) == own)
    }

    /// Replaces `Self` by the type's name.
    pub(crate) fn concrete(&self) -> Concrete<'_> {
        Concrete(self)
    }

    /// Gives each `'_`, written or left out, a name, so that the helper trait can have it as well.
    fn name_lifetimes(&mut self) {
        let mut names = Naming::new("midair");
        names.visit_type_mut(&mut self.self_ty);
        if let Some(path) = &mut self.trait_path {
            names.visit_path_mut(path);
        }
        for lifetime in names.new {
            self.generics.params.push(GenericParam::Lifetime(LifetimeParam::new(lifetime)));
        }
    }
}

/// The free lifetimes of a type, in order.
#[derive(Default)]
struct Mentioned {
    bound: Vec<Lifetime>,
    lifetimes: Vec<Lifetime>,
}

impl VisitMut for Mentioned {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        let special = lifetime.ident == "static" || lifetime.ident == "_";
        if !special && !self.bound.contains(lifetime) {
            self.lifetimes.push(lifetime.clone());
        }
    }

    fn visit_bound_lifetimes_mut(&mut self, bound: &mut BoundLifetimes) {
        self.bound.extend(names(bound));
    }
}

/// Replaces `Self`; for a free function, where there is none, nothing happens.
pub(crate) struct Concrete<'a>(&'a Owner);

impl Concrete<'_> {
    /// `Self::Item` as `<Player as Tick>::Item`.
    fn associated(&self, path: &Path) -> TypePath {
        let mut segments = Punctuated::<PathSegment, Token![::]>::new();
        let mut leading_colon = None;
        if let Some(trait_path) = &self.0.trait_path {
            leading_colon = trait_path.leading_colon;
            segments.extend(trait_path.segments.iter().cloned());
        }
        let position = segments.len();
        segments.extend(path.segments.iter().skip(1).cloned());
        TypePath {
            attrs: Vec::new(),
            qself: Some(self.qself(position)),
            path: Path { leading_colon, segments },
        }
    }

    fn qself(&self, position: usize) -> QSelf {
        QSelf {
            lt_token: <Token![<]>::default(),
            ty: Box::new(self.0.self_ty.clone()),
            position,
            as_token: (position > 0).then(<Token![as]>::default),
            gt_token: <Token![>]>::default(),
        }
    }
}

impl VisitMut for Concrete<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        let Type::Path(TypePath { qself: None, path, .. }) = &*ty else {
            return;
        };
        if !starts_with_self(path) {
            return;
        }
        *ty = match path.segments.len() {
            1 => enclosed(self.0.self_ty.clone()),
            _ => Type::Path(self.associated(path)),
        };
    }

    fn visit_expr_path_mut(&mut self, expr: &mut ExprPath) {
        visit_mut::visit_expr_path_mut(self, expr);
        if expr.qself.is_some() || !starts_with_self(&expr.path) || expr.path.segments.len() == 1 {
            return;
        }
        // A constant may be the type's own or the trait's, so the compiler looks it up.
        let mut path: Path = expr.path.clone();
        path.segments = path.segments.into_iter().skip(1).collect();
        path.leading_colon = Some(<Token![::]>::default());
        expr.qself = Some(self.qself(0));
        expr.path = path;
    }
}

fn starts_with_self(path: &Path) -> bool {
    path.leading_colon.is_none()
        && path.segments.first().is_some_and(|segment| segment.ident == "Self")
}

/// `ty` as it can stand anywhere: an object in parentheses, with the lifetime that it has in the
/// header of the `impl` written out, as `&Self` must not give it that of the reference.
fn enclosed(ty: Type) -> Type {
    let Type::TraitObject(mut object) = ty else {
        return ty;
    };
    if !states_lifetimes(&object) {
        object.bounds.push(TypeParamBound::Lifetime(Lifetime::new("'static", Span::mixed_site())));
    }
    Type::Paren(syn::TypeParen {
        attrs: Vec::new(),
        paren_token: syn::token::Paren::default(),
        elem: Box::new(Type::TraitObject(object)),
    })
}

/// Whether the object has a bound on its lifetime, or a trait that may bring one along.
fn states_lifetimes(object: &TypeTraitObject) -> bool {
    object.bounds.iter().any(|bound| match bound {
        TypeParamBound::Lifetime(_) => true,
        TypeParamBound::Trait(bound) => has_lifetimes(&bound.path),
        _ => false,
    })
}

/// Whether a lifetime is among the arguments of `path`.
pub(crate) fn has_lifetimes(path: &Path) -> bool {
    path.segments.iter().any(|segment| match &segment.arguments {
        PathArguments::AngleBracketed(angle) => {
            angle.args.iter().any(|argument| matches!(argument, GenericArgument::Lifetime(_)))
        }
        _ => false,
    })
}

/// Replaces every lifetime that is not bound inside the type itself by `'static`.
#[derive(Default)]
pub(crate) struct Static {
    bound: Vec<Lifetime>,
}

impl VisitMut for Static {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident != "_" && !self.bound.contains(lifetime) {
            *lifetime = Lifetime::new("'static", Span::mixed_site());
        }
    }

    fn visit_bound_lifetimes_mut(&mut self, _: &mut BoundLifetimes) {}

    fn visit_type_fn_ptr_mut(&mut self, pointer: &mut TypeFnPtr) {
        let outer = self.bound.len();
        self.bound.extend(pointer.lifetimes.iter().flat_map(names));
        visit_mut::visit_type_fn_ptr_mut(self, pointer);
        self.bound.truncate(outer);
    }

    fn visit_trait_bound_mut(&mut self, bound: &mut TraitBound) {
        let outer = self.bound.len();
        self.bound.extend(bound.lifetimes.iter().flat_map(names));
        visit_mut::visit_trait_bound_mut(self, bound);
        self.bound.truncate(outer);
    }
}

pub(crate) fn names(bound: &BoundLifetimes) -> Vec<Lifetime> {
    bound
        .lifetimes
        .iter()
        .filter_map(|param| match param {
            GenericParam::Lifetime(param) => Some(param.lifetime.clone()),
            _ => None,
        })
        .collect()
}
