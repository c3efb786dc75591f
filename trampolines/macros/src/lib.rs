//! The attribute macros of midair. Use them through the `midair` crate, which documents them and
//! holds what they expand to.
//!
//! The work has three steps, one module each: `parse` turns tokens into an item, `check`
//! collects everything that cannot work, each at the token that is at fault, and `expand` writes
//! the code, which names nothing but `::midair::__private` and `::core`.

mod check;
mod elision;
mod expand;
mod hook;
mod layout;
mod marking;
mod outlives;
mod owner;
mod parse;
mod persist;
mod scoped;
mod section;
mod shapes;
mod signature;
mod spelling;
mod text;
mod ties;

use proc_macro2::TokenStream;

use crate::parse::arguments::Arguments;
use crate::parse::item::Item;

/// Makes a function hot: a rebuilt library changes it while the program runs.
///
/// Callers go through one atomic pointer: in release code that is one load and one indirect call.
/// Signature, visibility, documentation, `unsafe` and ABI stay as written, and a path to the
/// function still is a function: a stored `fn` pointer follows every patch as well.
///
/// # What works
///
/// | written on | remarks |
/// |---|---|
/// | a free function | safe or `unsafe`, any ABI, any pattern as argument, lifetimes, `-> !`, `#[no_mangle]`, `#[export_name]`, `#[target_feature]` |
/// | an `async fn` | the future is boxed and `Send`; `#[hotpatch(?Send)]` lifts that |
/// | an `impl` block, inherent or of a trait | every function in it, or only those marked `#[hotpatch]` inside it; every kind of receiver, and none |
/// | one method | `#[hotpatch(Player)]`, or `#[hotpatch(Player as Tick)]` in an impl of a trait, names the type, lifetimes included: `#[hotpatch(Player<'a>)]` |
///
/// `#[cfg_attr(debug_assertions, midair::hotpatch)]` leaves the function alone in release builds;
/// a feature works as well. It may be used on the functions inside a marked block, too.
///
/// Other attributes go where they have their effect. Documentation, `must_use`, `deprecated`,
/// `no_mangle` and `export_name` stay on what callers see. Attributes that midair does not know,
/// such as `#[tracing::instrument]`, go to the code that is exchanged. `target_feature` and lint
/// levels hold for both. `inline` is replaced: the way to the code is always inlined, the code
/// itself never.
///
/// # What is refused
///
/// Each is a compile error at the token, with what to do instead.
///
/// | written | why | instead |
/// |---|---|---|
/// | `const fn` | what ran while compiling cannot be patched | call a hot function from code that runs |
/// | type or const parameters, also those of the `impl` | one slot holds one machine code, generics have many | a hot function for each type that is used |
/// | a parameter of a generic function around it | the same; without it, a function inside a generic one can be hot | concrete types |
/// | `impl Trait` as an argument | it is a type parameter | `&dyn Trait` |
/// | `-> impl Trait` | the hidden type changes with the body | `-> Box<dyn Trait>` |
/// | `...` arguments | they cannot be passed on | a slice, or a `va_list` |
/// | `#[track_caller]` | the location does not pass through a pointer | pass `Location::caller()` as an argument |
/// | a lone method | a static cannot name `Self` | mark the block, or name the type |
/// | a method of a trait definition | its `Self` is generic | mark the impls |
/// | a mark under another name inside a marked block | it is not recognised as one | write `#[hotpatch]` |
///
/// # Panics of new code
///
/// They arrive at the caller's `catch_unwind`, also where the rebuilt library has a standard
/// library of its own. There, payloads of other types than `&'static str` and `String` become the
/// text `Box<dyn Any>`. From an `extern "C"` function no panic can come, by the language's rules: it
/// ends the process; `extern "C-unwind"` lets it pass.
///
/// # Names
///
/// To a patch a function is its module path and name, with the type for methods. So the hot
/// functions of one module need different names: two that are called `helper` and stand inside two
/// other functions of that module are one name. The same holds for functions without `self` that
/// are marked alone in two `impl` blocks; mark the block, or name the type.
///
/// # Examples
/// ```ignore
/// use midair::hotpatch;
///
/// pub struct Player {
///     health: u32,
/// }
///
/// #[hotpatch]
/// pub fn damage(base: u32, (armour, shield): (u32, u32)) -> u32 {
///     base.saturating_sub(armour + shield)
/// }
///
/// #[hotpatch]
/// impl Player {
///     pub fn hit(&mut self, base: u32) {
///         self.health = self.health.saturating_sub(damage(base, (1, 2)));
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn hotpatch(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    hot(arguments.into(), item.into()).into()
}

/// Puts the whole body of a function into a scope, in which every hot call runs the code of one
/// generation. Of an `async fn`, every poll sees the generation that was current at the first.
///
/// On a function that is hot as well, the scope begins inside its code: which code that is has been
/// decided by then.
///
/// # Examples
/// ```ignore
/// #[midair::scope]
/// fn frame(world: &mut World) {
///     simulate(world);
///     draw(world); // of the same generation as `simulate`
/// }
/// ```
#[proc_macro_attribute]
pub fn scope(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    let (arguments, item) = (TokenStream::from(arguments), TokenStream::from(item));
    let scoped = syn::parse2(item.clone()).and_then(|parsed| scoped::expand(&arguments, parsed));
    scoped
        .unwrap_or_else(|mistake| {
            let mistake = mistake.into_compile_error();
            quote::quote!(#item #mistake)
        })
        .into()
}

/// The expansion, or the item as it was written and every mistake in it.
fn hot(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attempt(arguments, item.clone()).unwrap_or_else(|mistakes| {
        let mistakes = mistakes.into_compile_error();
        quote::quote!(#item #mistakes)
    })
}

fn attempt(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let arguments: Arguments = syn::parse2(arguments)?;
    match syn::parse2(item)? {
        Item::Function(function) => {
            let checked = check::function(function, arguments)?;
            Ok(expand::function::expand(&checked))
        }
        Item::Block(block) => {
            let checked = check::block(block, &arguments)?;
            Ok(expand::block::expand(checked, &arguments))
        }
    }
}

/// Describes a type, so that patches are compared with the program field by field without debug
/// info: structs, enums with any `repr`, and unions, generic or not.
///
/// Every field's type must be described as well. The types of std that people have in their
/// structs are.
///
/// | written on a field | its type is |
/// |---|---|
/// | nothing | described by its own `Layout` |
/// | `#[layout(opaque)]` | compared by size, alignment and name only |
/// | `#[layout(with = Mirror)]` | described as `Mirror` is; both must have one size and alignment |
///
/// `#[layout(of = other::Type)]` on a struct or an enum makes it a *mirror* of a foreign type: it
/// describes that type, and compiles only as long as it has the same fields of the same types.
///
/// Parameters that a field mentions must be described too. Types may lead to themselves, also
/// through other types and generics.
///
/// # What is described
///
/// Size, alignment and `repr`; the name, the offset and the type of each field; variants in order
/// with their discriminants, and the order and types of their fields. Where the fields of a variant
/// lie, and in which value of which field a variant hides, is not told on stable Rust. It is a
/// function of what *is* described, of the compiler and of its flags; and a patch of another
/// compiler is refused. So flags that shuffle fields (`-Z randomize-layout`) must be the same for a
/// program and its patches.
///
/// Lifetimes are not described.
///
/// # Examples
/// ```ignore
/// use midair::Layout;
///
/// #[derive(Layout)]
/// pub struct World {
///     players: Vec<Player>,
///     #[layout(opaque)]
///     engine: other::Engine,
///     #[layout(with = Size)]
///     window: other::Size,
/// }
///
/// #[derive(Layout)]
/// pub struct Player {
///     name: String,
///     target: Option<Box<Player>>,
/// }
///
/// #[derive(Layout)]
/// #[layout(of = other::Size)]
/// struct Size {
///     width: u32,
///     height: u32,
/// }
/// ```
#[proc_macro_derive(Layout, attributes(layout))]
pub fn derive_layout(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    layout::derive(item.into()).into()
}

/// Describes the objects of a trait, `dyn Trait`, so that a patch in which methods were added,
/// removed, reordered or changed is refused without debug info.
///
/// The types of the methods and the supertraits must be described as well. `#[layout(opaque)]` on a
/// method compares it by its tokens only, `#[midair::layout(opaque)]` on the trait compares the
/// supertraits by name only.
///
/// # Examples
/// ```ignore
/// #[midair::layout]
/// pub trait Shape {
///     fn area(&self) -> f32;
///     fn scale(&mut self, by: f32);
/// }
/// ```
#[proc_macro_attribute]
pub fn layout(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    layout::object(arguments.into(), item.into()).into()
}

/// Keeps the value of a static through every patch: one storage for the life of the program.
///
/// The statics of a rebuilt library are its own: they start anew with each patch. A persistent
/// static is one and the same in all of them, at one address.
///
/// | written | what callers see | when its type changes |
/// |---|---|---|
/// | `#[persist] static S: T = ..` | [`Persist<T>`], which dereferences to `T` | the patch is refused, with the field |
/// | `#[persist] thread_local! { static S: T = ..; }` | [`PersistLocal<T>`]: `S.with(..)`, one value for each thread | refused |
/// | `#[persist(scoped)] static S: T = ..` | [`PersistScoped<T>`]: `S.enter()` gives a guard, which counts as a scope | refused; a later edition may migrate it |
/// | `#[persist(migrate = f, from = Old)] static S: New = ..` | the same | `f: fn(&Old) -> Result<New, E>` makes the new value |
/// | `#[persist(migrate)] static S: T = ..` | the same | `T: StateMigration` exports the old value and imports it |
///
/// Only what is reached inside scopes can be migrated: a reference that somebody holds elsewhere
/// would still lead to the old type. So begin with `scoped` where a type may grow some day.
///
/// To a patch a static is its module path and name. A new one starts with the value that is
/// written. One that a patch lacks is kept, and found again when a later patch has it.
///
/// What is changed through it needs a type that allows that: an atomic, a `Mutex`, a `RwLock`.
///
/// # Examples
/// ```ignore
/// use std::sync::Mutex;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[midair::persist]
/// static FRAMES: AtomicU64 = AtomicU64::new(0);
///
/// #[midair::persist]
/// pub static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());
///
/// fn frame() {
///     FRAMES.fetch_add(1, Ordering::Relaxed);
/// }
/// ```
///
/// [`Persist<T>`]: https://docs.rs/midair/latest/midair/struct.Persist.html
/// [`PersistLocal<T>`]: https://docs.rs/midair/latest/midair/struct.PersistLocal.html
/// [`PersistScoped<T>`]: https://docs.rs/midair/latest/midair/struct.PersistScoped.html
#[proc_macro_attribute]
pub fn persist(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    persist::persist(arguments.into(), item.into()).into()
}

/// Runs a function when a generation is about to run: before the first call reaches its code.
///
/// The function takes nothing or `&mut midair::HookContext`, and returns nothing or a `Result`
/// whose error can be displayed. See [`HookContext`] for the order of hooks, and for how one
/// generation hands things to the next.
///
/// The library that the program loads itself runs no hook when it is loaded: it is there before
/// midair is. Its hooks run when it is left, and when it is gone back to.
///
/// # Examples
/// ```ignore
/// #[midair::on_unload]
/// fn leave(context: &mut midair::HookContext) {
///     context.put("imgui", gui::context() as usize);
/// }
///
/// #[midair::on_load]
/// fn arrive(context: &mut midair::HookContext) -> Result<(), String> {
///     let gui: Option<usize> = context.take("imgui").map_err(|error| error.to_string())?;
///     gui::set_context(gui.ok_or("nobody left a context")?);
///     Ok(())
/// }
/// ```
///
/// [`HookContext`]: https://docs.rs/midair/latest/midair/struct.HookContext.html
#[proc_macro_attribute]
pub fn on_load(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    hook::hook("Load", &arguments.into(), item.into()).into()
}

/// Runs a function when a generation is about to be left, before the next one's
/// [`on_load`](macro@on_load).
#[proc_macro_attribute]
pub fn on_unload(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    hook::hook("Unload", &arguments.into(), item.into()).into()
}
