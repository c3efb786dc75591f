//! One spelling for what can be written in several ways, but for lifetimes that have names.

use quote::ToTokens as _;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Abi, AngleBracketedGenericArguments, Expr, ExprLit, GenericArgument, Lifetime, Lit, LitInt,
    NamedArg, ParenthesizedGenericArguments, PathSegment, QSelf, ReturnType, Stmt, Token,
    TraitBound, Type, TypeArray, TypeFnPtr, TypeParamBound, TypePath, TypeReference,
    TypeTraitObject, parse_quote,
};

use crate::owner::has_lifetimes;

/// Takes away the ways of writing: parentheses, names of arguments, suffixes of lengths, the order
/// of `Send` and `Sync`, and lifetimes of objects that say what holds without them.
pub(crate) struct Spelling(Place);

/// How long a trait object lives that does not say so.
#[derive(Clone, PartialEq)]
enum Place {
    /// For ever: it is owned.
    Owned,
    /// As long as the reference to it.
    Behind(Option<Lifetime>),
    /// Its container may say so, and tokens do not tell.
    Unknown,
}

impl Spelling {
    pub(crate) fn new() -> Self {
        Self(Place::Owned)
    }

    /// Visits what lies at another place.
    fn at(&mut self, place: Place, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.0, place);
        visit(self);
        self.0 = outer;
    }
}

impl VisitMut for Spelling {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        while let Type::Group(syn::TypeGroup { elem, .. })
        | Type::Paren(syn::TypeParen { elem, .. }) = ty
        {
            *ty = (**elem).clone();
        }
        if let Type::Tuple(tuple) = ty {
            tuple.elems.pop_punct();
        }
        let is_passed_on = self.0 == Place::Owned || matches!(ty, Type::TraitObject(_));
        let place = if is_passed_on { self.0.clone() } else { Place::Unknown };
        self.at(place, |this| visit_mut::visit_type_mut(this, ty));
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        let place = Place::Behind(reference.lifetime.clone());
        self.at(place, |this| this.visit_type_mut(&mut reference.elem));
    }

    fn visit_type_trait_object_mut(&mut self, object: &mut TypeTraitObject) {
        let place = self.0.clone();
        self.at(Place::Unknown, |this| visit_mut::visit_type_trait_object_mut(this, object));
        let mut bounds: Vec<_> = object.bounds.iter().cloned().collect();
        // A trait with a lifetime may be bounded by it, and so would be the object.
        let by_trait = bounds.iter().any(
            |bound| matches!(bound, TypeParamBound::Trait(bound) if has_lifetimes(&bound.path)),
        );
        bounds.retain(|bound| match (bound, &place) {
            (TypeParamBound::Lifetime(_), _) if by_trait => true,
            (TypeParamBound::Lifetime(lifetime), Place::Owned) => lifetime.ident != "static",
            (TypeParamBound::Lifetime(lifetime), Place::Behind(Some(outer))) => lifetime != outer,
            _ => true,
        });
        bounds.sort_by_cached_key(order);
        object.bounds = bounds.into_iter().collect();
    }

    fn visit_trait_bound_mut(&mut self, bound: &mut TraitBound) {
        bound.paren_token = None;
        self.at(Place::Unknown, |this| visit_mut::visit_trait_bound_mut(this, bound));
    }

    fn visit_qself_mut(&mut self, qself: &mut QSelf) {
        self.at(Place::Unknown, |this| visit_mut::visit_qself_mut(this, qself));
    }

    fn visit_path_segment_mut(&mut self, segment: &mut PathSegment) {
        let is_owner = OWNERS.iter().any(|owner| segment.ident == owner);
        let path = segment.clone().into();
        let place = if is_owner && !has_lifetimes(&path) { Place::Owned } else { Place::Unknown };
        self.at(place, |this| visit_mut::visit_path_segment_mut(this, segment));
    }

    fn visit_angle_bracketed_generic_arguments_mut(
        &mut self,
        angle: &mut AngleBracketedGenericArguments,
    ) {
        visit_mut::visit_angle_bracketed_generic_arguments_mut(self, angle);
        let mut arguments: Vec<_> = angle.args.iter().cloned().map(argument).collect();
        arguments.sort_by_cached_key(|argument| match argument {
            GenericArgument::AssocType(named) => named.ident.to_string(),
            _ => String::new(),
        });
        angle.colon2_token = None;
        angle.args = arguments.into_iter().collect();
    }

    fn visit_parenthesized_generic_arguments_mut(
        &mut self,
        paren: &mut ParenthesizedGenericArguments,
    ) {
        visit_mut::visit_parenthesized_generic_arguments_mut(self, paren);
        without_names(&mut paren.inputs);
        without_unit(&mut paren.output);
    }

    fn visit_type_fn_ptr_mut(&mut self, pointer: &mut TypeFnPtr) {
        self.at(Place::Unknown, |this| visit_mut::visit_type_fn_ptr_mut(this, pointer));
        without_names(&mut pointer.inputs);
        without_unit(&mut pointer.output);
        pointer.abi = pointer.abi.take().and_then(|abi| match abi_name(&abi) {
            name if name == "Rust" => None,
            name => Some(parse_quote!(extern #name)),
        });
    }

    fn visit_type_array_mut(&mut self, array: &mut TypeArray) {
        visit_mut::visit_type_array_mut(self, array);
        array.len = constant(array.len.clone());
    }
}

/// The name of `abi`, which is `C` where none is written.
pub(crate) fn abi_name(abi: &Abi) -> String {
    abi.name.as_ref().map_or_else(|| "C".to_owned(), syn::LitStr::value)
}

/// What the bounds of an object are ordered by: traits by name, then the lifetime.
fn order(bound: &TypeParamBound) -> (bool, String) {
    match bound {
        TypeParamBound::Trait(bound) => (false, bound.path.to_token_stream().to_string()),
        _ => (true, String::new()),
    }
}

/// A generic argument; `{ LEN }` is `LEN`, which looks like a type.
fn argument(argument: GenericArgument) -> GenericArgument {
    let GenericArgument::Const(expr) = argument else {
        return argument;
    };
    match constant(expr) {
        Expr::Path(path) if path.path.segments.len() == 1 => {
            GenericArgument::Type(Type::Path(TypePath {
                attrs: Vec::new(),
                qself: path.qself,
                path: path.path,
            }))
        }
        other => GenericArgument::Const(other),
    }
}

/// A constant without parentheses and braces around it; a lone number in digits only.
///
/// Inside a computation the suffix of a number matters.
fn constant(expr: Expr) -> Expr {
    match expr {
        Expr::Paren(paren) => constant(*paren.expr),
        Expr::Group(group) => constant(*group.expr),
        Expr::Block(block) if block.label.is_none() => match &*block.block.stmts {
            [Stmt::Expr(only, None)] => constant(only.clone()),
            _ => Expr::Block(block),
        },
        Expr::Lit(ExprLit { attrs, lit: Lit::Int(number) }) => {
            let digits = LitInt::new(number.base10_digits(), number.span());
            Expr::Lit(ExprLit { attrs, lit: Lit::Int(digits) })
        }
        other => other,
    }
}

fn without_names(inputs: &mut Punctuated<NamedArg, Token![,]>) {
    for input in inputs.iter_mut() {
        input.name = None;
        input.attrs.clear();
    }
    inputs.pop_punct();
}

fn without_unit(output: &mut ReturnType) {
    if matches!(output, ReturnType::Type(_, ty) if matches!(&**ty, Type::Tuple(unit) if unit.elems.is_empty()))
    {
        *output = ReturnType::Default;
    }
}

/// Containers of the standard library that own what they hold: an object in them lives for ever
/// unless it says otherwise.
const OWNERS: &[&str] = &[
    "Arc",
    "BTreeMap",
    "BTreeSet",
    "BinaryHeap",
    "Box",
    "Cell",
    "HashMap",
    "HashSet",
    "LinkedList",
    "ManuallyDrop",
    "Mutex",
    "NonNull",
    "OnceCell",
    "OnceLock",
    "Option",
    "PhantomData",
    "Pin",
    "Rc",
    "RefCell",
    "Result",
    "RwLock",
    "UnsafeCell",
    "Vec",
    "VecDeque",
    "Weak",
];
