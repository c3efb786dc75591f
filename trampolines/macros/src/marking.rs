//! The marks that lifetimes leave in the text of a signature.

use syn::visit_mut::{self, VisitMut};
use syn::{
    AngleBracketedGenericArguments, GenericArgument, Lifetime, PathArguments, PredicateType,
    ReturnType, TraitBound, Type, TypeFnPtr, TypeParamBound, TypeParen, TypeReference,
};

use crate::owner::names;
use crate::ties::{Ties, has_level};

/// Replaces lifetimes by the marks that they leave, or by nothing.
pub(crate) struct Marking(Ties);

impl Marking {
    pub(crate) fn new(ties: Ties) -> Self {
        Self(ties)
    }

    /// What stands for `lifetime` at the outermost level.
    pub(crate) fn mark(&self, lifetime: &Lifetime) -> Lifetime {
        self.0.mark(lifetime)
    }
}

impl VisitMut for Marking {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        *lifetime = self.0.mark(lifetime);
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        visit_mut::visit_type_reference_mut(self, reference);
        reference.lifetime.take_if(|lifetime| lifetime.ident == "_");
        let Type::TraitObject(object) = &mut *reference.elem else {
            return;
        };
        if reference.lifetime.is_none() {
            object.bounds =
                object.bounds.iter().filter(|bound| !is_unmarked(bound)).cloned().collect();
        }
        if object.bounds.len() > 1 {
            let elem = reference.elem.clone();
            let paren = TypeParen { attrs: Vec::new(), paren_token: Default::default(), elem };
            *reference.elem = Type::Paren(paren);
        }
    }

    fn visit_type_fn_ptr_mut(&mut self, pointer: &mut TypeFnPtr) {
        let own = pointer.lifetimes.take().as_ref().map(names).unwrap_or_default();
        let mut inputs: Vec<_> = pointer.inputs.iter_mut().map(|input| &mut input.ty).collect();
        self.0.enter_function(own, &mut inputs, output_type(&mut pointer.output));
        visit_mut::visit_type_fn_ptr_mut(self, pointer);
        self.0.leave();
    }

    fn visit_trait_bound_mut(&mut self, bound: &mut TraitBound) {
        if !has_level(bound) {
            return visit_mut::visit_trait_bound_mut(self, bound);
        }
        let own = bound.lifetimes.take().as_ref().map(names).unwrap_or_default();
        match bound.path.segments.last_mut().map(|segment| &mut segment.arguments) {
            Some(PathArguments::Parenthesized(paren)) => {
                let mut inputs: Vec<_> =
                    paren.inputs.iter_mut().map(|input| &mut input.ty).collect();
                self.0.enter_function(own, &mut inputs, output_type(&mut paren.output));
            }
            _ => self.0.enter_bound(own),
        }
        visit_mut::visit_trait_bound_mut(self, bound);
        self.0.leave();
    }

    fn visit_predicate_type_mut(&mut self, predicate: &mut PredicateType) {
        let own = predicate.lifetimes.take().as_ref().map(names).unwrap_or_default();
        self.0.enter_bound(own);
        visit_mut::visit_predicate_type_mut(self, predicate);
        self.0.leave();
    }

    fn visit_angle_bracketed_generic_arguments_mut(
        &mut self,
        angle: &mut AngleBracketedGenericArguments,
    ) {
        visit_mut::visit_angle_bracketed_generic_arguments_mut(self, angle);
        let unmarked = |argument: &GenericArgument| matches!(argument, GenericArgument::Lifetime(lifetime) if lifetime.ident == "_");
        let lifetime =
            |argument: &&GenericArgument| matches!(argument, GenericArgument::Lifetime(_));
        // A mark says something only together with its place among the others.
        if angle.args.iter().filter(lifetime).all(unmarked) {
            angle.args = angle.args.iter().filter(|one| !unmarked(one)).cloned().collect();
        }
    }

    fn visit_path_arguments_mut(&mut self, arguments: &mut PathArguments) {
        visit_mut::visit_path_arguments_mut(self, arguments);
        if matches!(arguments, PathArguments::AngleBracketed(angle) if angle.args.is_empty()) {
            *arguments = PathArguments::None;
        }
    }
}

fn output_type(output: &mut ReturnType) -> Option<&mut Type> {
    match output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(ty),
    }
}

fn is_unmarked(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Lifetime(lifetime) if lifetime.ident == "_")
}
