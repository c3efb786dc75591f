//! The library of the demo: three functions that change while the program runs.

use std::ffi::{CStr, c_char};

use midair::hotpatch;

/// What the program keeps as long as it runs: the same type as in host/src/main.rs.
#[repr(C)]
pub struct State {
    count: u64,
}

#[hotpatch]
impl State {
    /// Counts a call.
    fn advance(&mut self) {
        self.count += 1;
    }
}

/// What the program prints.
#[hotpatch]
fn greeting() -> &'static CStr {
    c"Hello from the old code."
}

/// Called by the program.
#[hotpatch]
#[unsafe(no_mangle)]
pub extern "C" fn answer(state: &mut State) -> *const c_char {
    state.advance();
    greeting().as_ptr()
}
