//! The first call of a hot function: where a program that says nothing to midair meets it.

use midair_trampolines::function::FunctionHead;
use midair_trampolines::section::Section;

/// Starts the runtime if nobody has, settles the slot, and returns where the call goes on.
#[cold]
pub fn first_call(head: &'static FunctionHead, section: Section) -> *const () {
    let _ = section;
    head.settle()
}
