//! The records of this test program, and what a store into a slot changes.

use std::sync::Mutex;

use midair::__private::{FunctionHead, own_section};
use midair::hotpatch;
use midair_trampolines::function::Function;
use midair_trampolines::record::{Kind, records};

fn functions() -> Vec<Function> {
    let bytes = own_section!().snapshot();
    let records = records(&bytes).expect("the section of this program is well formed");
    let functions = records.into_iter().filter(|raw| raw.kind == Kind::Function);
    functions.map(|raw| Function::read(raw).expect("the macro writes good records")).collect()
}

/// The names of all hot functions in this program.
pub(crate) fn names() -> Vec<String> {
    functions().into_iter().map(|function| function.name).collect()
}

/// The live records of all hot functions in this program.
pub(crate) fn heads() -> impl Iterator<Item = &'static FunctionHead> {
    // SAFETY: the offset was just read from a snapshot of this section.
    functions().into_iter().map(|function| unsafe { own_section!().function(function.offset) })
}

pub(crate) fn find(end: &str) -> (Function, &'static FunctionHead) {
    let mut found = functions().into_iter().filter(|function| function.name.ends_with(end));
    let function = found.next().expect("the function has a record");
    assert!(found.next().is_none(), "one record of this name");
    // SAFETY: the offset was just read from a snapshot of this section.
    let head = unsafe { own_section!().function(function.offset) };
    (function, head)
}

/// Points the slot of `head` elsewhere, and back when dropped.
struct Patched(&'static FunctionHead);

impl Patched {
    fn new(head: &'static FunctionHead, code: *const ()) -> Self {
        head.slot().retarget(code);
        Self(head)
    }
}

impl Drop for Patched {
    fn drop(&mut self) {
        self.0.slot().retarget(self.0.body());
    }
}

/// Tests that change slots or look at untouched ones take turns.
static TURN: Mutex<()> = Mutex::new(());

#[hotpatch]
fn greeting(name: &str, times: usize) -> String {
    format!("old {name}").repeat(times)
}

fn new_greeting(name: &str, times: usize) -> String {
    format!("new {name}").repeat(times + 1)
}

#[test]
fn a_store_into_the_slot_is_seen_by_the_next_call_and_by_stored_pointers() {
    let _turn = TURN.lock();
    let stored: fn(&str, usize) -> String = greeting;
    let (_, head) = find("records::greeting");
    assert_ne!(head.slot().target(), head.body(), "the shim is there until the first call");
    assert_eq!(greeting("a", 1), "old a");
    assert_eq!(head.slot().target(), head.body());
    assert_eq!(stored("a", 1), "old a");
    let patched = Patched::new(head, new_greeting as *const ());
    assert_eq!(greeting("a", 1), "new anew a");
    assert_eq!(stored("a", 1), "new anew a");
    drop(patched);
    assert_eq!(stored("a", 1), "old a");
}

struct Counter(u32);

#[hotpatch]
impl Counter {
    fn count(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }

    fn down(&self, from: u32) -> u32 {
        if from == 0 { 0 } else { 1 + self.down(from - 1) }
    }
}

fn count_tens(counter: &mut Counter) -> u32 {
    counter.0 += 10;
    counter.0
}

fn no_more(_: &Counter, _: u32) -> u32 {
    100
}

#[test]
fn methods_follow_with_their_state_and_recursion_goes_through_the_slot() {
    let _turn = TURN.lock();
    let mut counter = Counter(0);
    let (_, count) = find("records::Counter::count");
    assert_eq!(counter.count(), 1);
    let patched = Patched::new(count, count_tens as *const ());
    assert_eq!(counter.count(), 11);
    drop(patched);
    assert_eq!(counter.count(), 12);
    let (_, down) = find("records::Counter::down");
    assert_eq!(counter.down(3), 3);
    let body: fn(&Counter, u32) -> u32 = {
        // SAFETY: the body of exactly this method.
        unsafe { std::mem::transmute(down.body()) }
    };
    let _patched = Patched::new(down, no_more as *const ());
    assert_eq!(body(&counter, 3), 101, "the old body calls on through the slot");
}

fn generic<T: Into<u32>>(number: T) -> u32 {
    #[hotpatch]
    fn nested(number: u32) -> u32 {
        number + 1
    }

    nested(number.into())
}

fn new_nested(number: u32) -> u32 {
    number + 10
}

#[test]
fn in_a_generic_function_there_is_one_slot_for_all_of_its_types() {
    let _turn = TURN.lock();
    assert_eq!((generic(1_u8), generic(1_u16)), (2, 2));
    let (_, nested) = find("records::nested");
    let _patched = Patched::new(nested, new_nested as *const ());
    assert_eq!((generic(1_u8), generic(1_u16)), (11, 11));
}

/// A module whose macros have the names of the compiler's.
#[expect(unused_macros, reason = "nothing must find them")]
mod own_macros {
    macro_rules! column {
        () => {
            compile_error!("the user's macro")
        };
    }
    macro_rules! concat {
        ($($any:tt)*) => {
            compile_error!("the user's macro")
        };
    }
    macro_rules! file {
        () => {
            compile_error!("the user's macro")
        };
    }
    macro_rules! line {
        () => {
            compile_error!("the user's macro")
        };
    }
    macro_rules! module_path {
        () => {
            compile_error!("the user's macro")
        };
    }
    macro_rules! option_env {
        ($($any:tt)*) => {
            compile_error!("the user's macro")
        };
    }
    macro_rules! stringify {
        ($($any:tt)*) => {
            compile_error!("the user's macro")
        };
    }

    #[midair::hotpatch]
    pub(super) fn with_own_macros(a: u8) -> u8 {
        a
    }
}

#[test]
fn macros_of_the_user_are_not_taken_for_the_compilers() {
    let _turn = TURN.lock();
    let (function, _) = find("own_macros::with_own_macros");
    assert_eq!(function.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(own_macros::with_own_macros(1), 1);
}

#[hotpatch]
#[expect(improper_ctypes_definitions, dead_code, reason = "only its record matters")]
unsafe extern "C" fn described<'a>(
    world: &'a mut Counter,
    (_, _): (u32, [u16; 2]),
    _name: &'static str,
) -> Option<&'a Counter> {
    Some(world)
}

#[test]
fn a_record_says_what_was_written() {
    let (function, _) = find("records::described");
    assert_eq!(function.name, concat!(module_path!(), "::described"));
    assert_eq!(
        function.signature,
        "unsafe extern \"C\" fn(&mut Counter,(u32,[u16;2]),&'static str)->Option<&Counter>"
    );
    assert_eq!(function.version, env!("CARGO_PKG_VERSION"));
    assert!(file!().ends_with(&function.file), "{}", function.file);
    let source = include_str!("records.rs");
    let line = source.lines().nth(function.line as usize - 1).expect("the line exists");
    assert!(line.contains("fn described"), "line {}: {line}", function.line);
    assert_ne!(function.body_hash, 0);
    let types: Vec<_> = function
        .types
        .iter()
        .map(|(text, shape)| (text.as_str(), shape.place, shape.size, shape.align))
        .collect();
    let unsized_ = midair_trampolines::shape::UNSIZED;
    assert_eq!(
        types,
        [
            ("Option<&Counter>", 0, 8, 8),
            ("&Counter", 0, 8, 8),
            ("Counter", 0, 4, 4),
            ("&mut Counter", 1, 8, 8),
            ("Counter", 1, 4, 4),
            ("(u32,[u16;2])", 2, 8, 4),
            ("u32", 2, 4, 4),
            ("[u16;2]", 2, 4, 2),
            ("u16", 2, 2, 2),
            ("&'static str", 3, 16, 8),
            ("str", 3, unsized_, 0),
        ]
    );
}

#[test]
fn names_are_unique_in_this_program() {
    let mut names = names();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(all > 60, "{all}");
}
