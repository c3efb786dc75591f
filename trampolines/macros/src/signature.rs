//! The text of a signature: what must be equal for a call to be right, and nothing else.
//!
//! Argument names, the names of lifetimes, whitespace and trailing commas do not matter to a call;
//! `unsafe`, the ABI, `async` and the types do. `'static` stays, and so do ties between lifetimes:
//! new code may keep what it is given for as long as its signature says, and a caller may keep
//! what it gets.

use quote::ToTokens as _;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    FnArg, GenericArgument, PathArguments, Receiver, ReceiverKind, ReturnType, Safety, Signature,
    Token, TraitBound, Type, TypeFnPtr, TypeParamBound, TypeReference, parse_quote,
};

use crate::owner::Owner;
use crate::text::text;
use crate::ties::Ties;

/// The types of a signature, without `Self`.
pub(crate) struct Places {
    /// Each argument, the receiver first.
    pub(crate) arguments: Vec<Type>,
    /// The return type; nothing for `()` that is not written.
    pub(crate) output: Option<Type>,
}

impl Places {
    pub(crate) fn of(signature: &Signature, owner: Option<&Owner>) -> Self {
        let concrete = |mut ty: Type| {
            if let Some(owner) = owner {
                owner.concrete().visit_type_mut(&mut ty);
            }
            ty
        };
        let arguments = signature.inputs.iter().map(|input| concrete(argument_type(input)));
        let output = match &signature.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(concrete((**ty).clone())),
        };
        Self { arguments: arguments.collect(), output }
    }
}

fn argument_type(input: &FnArg) -> Type {
    match input {
        FnArg::Typed(typed) => (*typed.ty).clone(),
        FnArg::Receiver(receiver) => receiver_type(receiver),
    }
}

fn receiver_type(receiver: &Receiver) -> Type {
    match &receiver.kind {
        ReceiverKind::Reference(_, lifetime, mutability) => {
            parse_quote!(& #lifetime #mutability Self)
        }
        ReceiverKind::Typed(_, ty) => (**ty).clone(),
        _ => parse_quote!(Self),
    }
}

/// The text of `signature`, whose types are `places`.
pub(crate) fn signature_text(signature: &Signature, mut places: Places, is_local: bool) -> String {
    let mut plain = Plain(Ties::of(signature, &mut places));
    let mut words = String::new();
    if signature.asyncness.is_some() {
        // Callers move a future that is `Send` between threads.
        words.push_str(if is_local { "async(?Send) " } else { "async " });
    }
    if matches!(signature.safety, Safety::Unsafe(_)) {
        words.push_str("unsafe ");
    }
    if let Some(abi) = &signature.abi {
        let name = abi.name.as_ref().map_or_else(|| "C".to_owned(), syn::LitStr::value);
        if name != "Rust" {
            words.push_str(&format!("extern \"{name}\" "));
        }
    }
    let arguments: Vec<_> = places.arguments.into_iter().map(|ty| plain.text(ty)).collect();
    let output = places.output.map(|ty| plain.text(ty)).filter(|output| output != "()");
    let output = output.map(|output| format!("->{output}")).unwrap_or_default();
    format!("{words}fn({}){output}", arguments.join(","))
}

/// The text of `ty`, whatever way it was written.
pub(crate) fn type_text(ty: &Type) -> String {
    Plain(Ties::default()).text(ty.clone())
}

/// The text of a trait's path.
pub(crate) fn path_text(path: &syn::Path) -> String {
    let mut path = path.clone();
    Plain(Ties::default()).visit_path_mut(&mut path);
    text(path.into_token_stream())
}

/// Takes away what does not matter to a call.
struct Plain(Ties);

impl Plain {
    fn text(&mut self, mut ty: Type) -> String {
        self.visit_type_mut(&mut ty);
        text(ty.into_token_stream())
    }
}

impl VisitMut for Plain {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        loop {
            let inner = match ty {
                Type::Group(group) => (*group.elem).clone(),
                Type::Paren(paren) => (*paren.elem).clone(),
                _ => break,
            };
            *ty = inner;
        }
        visit_mut::visit_type_mut(self, ty);
        if let Type::Tuple(tuple) = ty {
            without_trailing(&mut tuple.elems);
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference.lifetime = reference.lifetime.take().and_then(|kept| self.0.mark(&kept));
        self.visit_type_mut(&mut reference.elem);
    }

    fn visit_type_fn_ptr_mut(&mut self, pointer: &mut TypeFnPtr) {
        pointer.lifetimes = None;
        for input in &mut pointer.inputs {
            input.name = None;
            input.attrs.clear();
        }
        without_trailing(&mut pointer.inputs);
        visit_mut::visit_type_fn_ptr_mut(self, pointer);
        without_unit(&mut pointer.output);
    }

    fn visit_trait_bound_mut(&mut self, bound: &mut TraitBound) {
        bound.paren_token = None;
        bound.lifetimes = None;
        visit_mut::visit_trait_bound_mut(self, bound);
    }

    fn visit_type_trait_object_mut(&mut self, object: &mut syn::TypeTraitObject) {
        visit_mut::visit_type_trait_object_mut(self, object);
        let kept = |bound: TypeParamBound| match bound {
            TypeParamBound::Lifetime(lifetime) => {
                self.0.mark(&lifetime).map(TypeParamBound::Lifetime)
            }
            other => Some(other),
        };
        object.bounds = object.bounds.iter().cloned().filter_map(kept).collect();
    }

    fn visit_path_arguments_mut(&mut self, arguments: &mut PathArguments) {
        visit_mut::visit_path_arguments_mut(self, arguments);
        match arguments {
            PathArguments::AngleBracketed(angle) => {
                let kept = |argument: GenericArgument| match argument {
                    GenericArgument::Lifetime(lifetime) => {
                        self.0.mark(&lifetime).map(GenericArgument::Lifetime)
                    }
                    other => Some(other),
                };
                angle.colon2_token = None;
                angle.args = angle.args.iter().cloned().filter_map(kept).collect();
                if angle.args.is_empty() {
                    *arguments = PathArguments::None;
                }
            }
            PathArguments::Parenthesized(paren) => {
                without_trailing(&mut paren.inputs);
                without_unit(&mut paren.output);
            }
            PathArguments::None => {}
        }
    }
}

fn without_trailing<T>(list: &mut Punctuated<T, Token![,]>) {
    list.pop_punct();
}

fn without_unit(output: &mut ReturnType) {
    if matches!(output, ReturnType::Type(_, ty) if matches!(&**ty, Type::Tuple(unit) if unit.elems.is_empty()))
    {
        *output = ReturnType::Default;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use syn::{Signature, parse_str};

    use super::{Places, signature_text};
    use crate::owner::Owner;

    pub(crate) fn of(code: &str) -> String {
        let signature: Signature = parse_str(code).expect("a signature");
        signature_text(&signature, Places::of(&signature, None), false)
    }

    pub(crate) fn method(header: &str, code: &str) -> String {
        let owner = Owner::of_header(&parse_str(header).expect("a header"));
        let signature: Signature = parse_str(code).expect("a signature");
        signature_text(&signature, Places::of(&signature, Some(&owner)), false)
    }

    #[test]
    fn the_whole_form() {
        assert_eq!(
            of("unsafe extern \"C\" fn update(mut w: &mut World, (a, b): (u32, u32)) -> R"),
            "unsafe extern \"C\" fn(&mut World,(u32,u32))->R"
        );
    }

    #[test]
    fn what_a_call_does_not_see_changes_nothing() {
        let plain = of("fn f(x: &str, y: Foo, z: &dyn Fn(&u8)) -> (u32, &str)");
        for same in [
            "fn g(a : & str,b:Foo,  c: & dyn Fn( & u8 ),) -> (u32, &str,)",
            "fn f<'a, 'b, 'c>(x: &'a str, y: Foo<'b>, z: &'c dyn Fn(&u8)) -> (u32, &str)",
            "fn f<'a>(x: &'a str, y: Foo<'_>, z: &(dyn for<'x> Fn(&'x u8) + '_)) -> (u32, &str)",
            "fn f(mut x: &str, _: Foo, z: &dyn Fn(&u8)) -> (u32, &str)",
            "extern \"Rust\" fn f(x: &str, y: Foo, z: &dyn Fn(&u8) -> ()) -> (u32, &str)",
        ] {
            assert_eq!(plain, of(same), "{same}");
        }
        assert_eq!(of("fn f()"), of("fn f() -> ()"));
        assert_eq!(of("fn f(x: fn(a: u8, ))"), of("fn f(x: fn(u8) -> ())"));
        assert_eq!(of("extern fn f()"), of("extern \"C\" fn f()"));
    }

    #[test]
    fn what_a_call_sees_changes_the_text() {
        let all = [
            "fn f(x: &u8)",
            "unsafe fn f(x: &u8)",
            "async fn f(x: &u8)",
            "extern \"C\" fn f(x: &u8)",
            "extern \"C-unwind\" fn f(x: &u8)",
            "fn f(x: &mut u8)",
            "fn f(x: &'static u8)",
            "fn f(x: &i8)",
            "fn f(x: &u8, y: u8)",
            "fn f(x: &u8) -> u8",
            "fn f(x: (u8,))",
            "fn f(x: u8)",
            "fn f(x: [u8; 2])",
            "fn f(x: [u8; 3])",
            "fn f(x: *const u8)",
        ];
        let texts: std::collections::HashSet<_> = all.iter().map(|code| of(code)).collect();
        assert_eq!(texts.len(), all.len(), "{texts:?}");
    }

    #[test]
    fn one_tuples_are_not_parentheses() {
        assert_eq!(of("fn f(x: (u8,))"), "fn((u8,))");
        assert_eq!(of("fn f(x: (u8))"), "fn(u8)");
    }

    #[test]
    fn self_is_the_type() {
        assert_eq!(method("impl Player", "fn f(&mut self, o: &Self)"), "fn(&mut Player,&Player)");
        assert_eq!(
            method("impl<'a> Tick<'a> for Player<'a, u8>", "fn f(self: Box<Self>) -> Self::Item"),
            "fn(Box<Player<u8>>)-><Player<u8> as Tick>::Item"
        );
        assert_eq!(method("impl Player<'_>", "fn f(x: [u8; Self::N])"), "fn([u8;<Player>::N])");
    }
}
