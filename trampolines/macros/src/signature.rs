//! The text of a signature: what must be equal for a call to be right, and nothing else.
//!
//! Argument names, the names of lifetimes, whitespace and trailing commas do not matter to a call;
//! `unsafe`, the ABI, `async`, features of the processor and the types do. `'static` stays, and so
//! do ties and bounds between lifetimes: new code may keep what it is given for as long as its
//! signature says, and a caller may keep what it gets.
//!
//! The text comes about in four steps: lifetimes that are left out get names ([`elision`]), those
//! that are the same get one name ([`outlives`]), what can be written in several ways is written
//! in one ([`spelling`]), and what is left of the lifetimes becomes marks ([`marking`]).
//!
//! [`elision`]: crate::elision
//! [`marking`]: crate::marking
//! [`outlives`]: crate::outlives
//! [`spelling`]: crate::spelling

use std::collections::BTreeSet;

use quote::ToTokens as _;
use syn::visit_mut::VisitMut;
use syn::{
    Attribute, FnArg, Lifetime, LitStr, Receiver, ReceiverKind, ReturnType, Safety, Signature,
    Type, TypeReference, WherePredicate, parse_quote,
};

use crate::check::Checked;
use crate::marking::Marking;
use crate::outlives::Outlives;
use crate::owner::Owner;
use crate::spelling::{Spelling, abi_name};
use crate::text::text;
use crate::ties::{Mentions, Ties, sole, write_out};

/// The types of a signature, without `Self`.
pub(crate) struct Places {
    /// Each argument, the receiver first.
    pub(crate) arguments: Vec<Type>,
    /// The return type; nothing for `()` that is not written.
    pub(crate) output: Option<Type>,
}

impl Places {
    pub(crate) fn of(signature: &Signature, owner: Option<&Owner>) -> Self {
        let mut places = Self::written(signature);
        if let Some(owner) = owner {
            places.visit_with(&mut owner.concrete());
        }
        places
    }

    /// The types as they are written.
    fn written(signature: &Signature) -> Self {
        let output = match &signature.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some((**ty).clone()),
        };
        Self { arguments: signature.inputs.iter().map(argument_type).collect(), output }
    }

    /// Names the lifetimes that are left out; returns what elision gives the output.
    fn name_lifetimes(&mut self, has_receiver: bool) -> Option<Lifetime> {
        let mut arguments: Vec<_> = self.arguments.iter_mut().collect();
        write_out(&mut arguments, self.output.as_mut(), "left_out", |inputs| {
            let receiver = inputs.first().filter(|_| has_receiver);
            receiver.and_then(|ty| first_reference(ty)).or_else(|| sole(inputs))
        })
        .elided
    }

    /// The one lifetime but `'static` that the arguments mention, those of `Self` included.
    fn sole(&self) -> Option<Lifetime> {
        let mentions = Mentions::of(self.arguments.iter());
        let first = mentions.names().next()?;
        mentions.names().all(|other| other == first).then(|| first.clone())
    }

    fn types(&self) -> Vec<&Type> {
        self.arguments.iter().chain(&self.output).collect()
    }

    fn visit_with(&mut self, visitor: &mut impl VisitMut) {
        for ty in self.arguments.iter_mut().chain(&mut self.output) {
            visitor.visit_type_mut(ty);
        }
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

/// The lifetime of the reference that a receiver is, if it is one.
fn first_reference(receiver: &Type) -> Option<Lifetime> {
    struct First(Option<Lifetime>);
    impl VisitMut for First {
        fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
            self.0 = self.0.take().or(reference.lifetime.take());
        }
    }
    let mut first = First(None);
    first.visit_type_mut(&mut receiver.clone());
    first.0
}

/// The text of the signature of `checked`.
pub(crate) fn signature_text(checked: &Checked) -> String {
    let signature = &checked.function.signature;
    let owner = checked.owner.as_ref();
    let mut places = Places::written(signature);
    let elided = places.name_lifetimes(signature.receiver().is_some());
    let mut own = signature.generics.clone();
    if let Some(owner) = owner {
        places.visit_with(&mut owner.concrete());
        owner.concrete().visit_generics_mut(&mut own);
    }
    let mut outlives = Outlives::of([&own].into_iter().chain(owner.map(|owner| &owner.generics)));
    places.visit_with(&mut &outlives);
    places.visit_with(&mut Spelling::new());
    let elided = elided.map(|lifetime| outlives.same(&lifetime)).or_else(|| places.sole());
    let mut bounds = Bounds::of(&mut outlives, &places);
    let (inputs, output) = (places.arguments.iter(), places.output.as_ref());
    let mut marking = Marking::new(Ties::of(inputs, output, elided.as_ref(), &bounds.lifetimes()));
    places.visit_with(&mut marking);
    let arguments: Vec<_> = places.arguments.iter().map(plain_text).collect();
    let output = places.output.as_ref().map(plain_text).filter(|output| output != "()");
    let output = output.map(|output| format!("->{output}")).unwrap_or_default();
    let words = words(checked);
    format!("{words}fn({}){output}{}", arguments.join(","), bounds.text(&mut marking))
}

/// What stands before `fn`.
fn words(checked: &Checked) -> String {
    let signature = &checked.function.signature;
    let mut words = String::new();
    let features = features(&checked.function.attributes);
    if !features.is_empty() {
        let features: Vec<_> = features.into_iter().collect();
        words.push_str(&format!("target_feature({}) ", features.join(",")));
    }
    if signature.asyncness.is_some() {
        // Callers move a future that is `Send` between threads.
        words.push_str(if checked.is_local { "async(?Send) " } else { "async " });
    }
    if matches!(signature.safety, Safety::Unsafe(_)) {
        words.push_str("unsafe ");
    }
    match signature.abi.as_ref().map(abi_name) {
        Some(name) if name != "Rust" => words.push_str(&format!("extern \"{name}\" ")),
        _ => {}
    }
    words
}

/// The features of the processor that the caller has to see to.
fn features(attributes: &[Attribute]) -> BTreeSet<String> {
    let mut features = BTreeSet::new();
    let wanted = attributes.iter().filter(|attribute| attribute.path().is_ident("target_feature"));
    for attribute in wanted {
        // What is wrong in it, the compiler says.
        let _ = attribute.parse_nested_meta(|meta| {
            let list = meta.value()?.parse::<LitStr>()?.value();
            features.extend(list.split(',').map(|name| name.trim().to_owned()));
            Ok(())
        });
    }
    features
}

/// The bounds between lifetimes that do not follow from the types.
struct Bounds {
    pairs: Vec<(Lifetime, Lifetime)>,
    predicates: Vec<WherePredicate>,
}

impl Bounds {
    fn of(outlives: &mut Outlives, places: &Places) -> Self {
        let pairs = outlives.stated(&places.types());
        let mut predicates = std::mem::take(&mut outlives.predicates);
        for predicate in &mut predicates {
            (&mut &*outlives).visit_where_predicate_mut(predicate);
            Spelling::new().visit_where_predicate_mut(predicate);
        }
        Self { pairs, predicates }
    }

    /// The lifetimes that must have a mark, to be spoken of.
    fn lifetimes(&self) -> Vec<Lifetime> {
        let mut mentions = Mentions::default();
        for predicate in &self.predicates {
            mentions.visit_where_predicate_mut(&mut predicate.clone());
        }
        let pairs = self.pairs.iter().flat_map(|(longer, shorter)| [longer, shorter]);
        pairs.chain(mentions.names()).cloned().collect()
    }

    fn text(&mut self, marking: &mut Marking) -> String {
        let pair = |(longer, shorter): &(Lifetime, Lifetime)| {
            format!("{}:{}", marking.mark(longer), marking.mark(shorter))
        };
        let mut texts: BTreeSet<_> = self.pairs.iter().map(pair).collect();
        for predicate in &mut self.predicates {
            marking.visit_where_predicate_mut(predicate);
            texts.insert(text(predicate.to_token_stream()));
        }
        if texts.is_empty() {
            return String::new();
        }
        format!(" where {}", texts.into_iter().collect::<Vec<_>>().join(","))
    }
}

/// The text of `ty`, whatever way it was written.
pub(crate) fn type_text(ty: &Type) -> String {
    let mut ty = ty.clone();
    Spelling::new().visit_type_mut(&mut ty);
    Marking::new(Ties::none()).visit_type_mut(&mut ty);
    plain_text(&ty)
}

/// The text of a trait's path.
pub(crate) fn path_text(path: &syn::Path) -> String {
    let mut path = path.clone();
    Spelling::new().visit_path_mut(&mut path);
    Marking::new(Ties::none()).visit_path_mut(&mut path);
    text(path.into_token_stream())
}

fn plain_text(ty: &Type) -> String {
    text(ty.to_token_stream())
}

#[cfg(test)]
pub(crate) mod tests {
    use syn::parse_str;

    use super::signature_text;
    use crate::check::Checked;
    use crate::owner::Owner;
    use crate::parse::item::Item;

    /// The text of the signature `code`, which belongs to `owner`.
    fn text_of(code: &str, owner: Option<Owner>) -> String {
        match parse_str(&format!("{code} {{}}")).expect("a function") {
            Item::Function(function) => {
                signature_text(&Checked { function, owner, is_local: false })
            }
            Item::Block(_) => unreachable!("it begins with attributes or `fn`"),
        }
    }

    pub(crate) fn of(code: &str) -> String {
        text_of(code, None)
    }

    pub(crate) fn method(header: &str, code: &str) -> String {
        text_of(code, Some(Owner::of_header(&parse_str(header).expect("a header"))))
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
