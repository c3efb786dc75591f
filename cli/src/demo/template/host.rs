//! A program that knows nothing of midair: it loads a library, calls it once a millisecond, and
//! prints what it answers.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::error::Error;
use std::ffi::{CStr, c_char};
use std::io::{self, Read, Write};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use libloading::{Library, Symbol};

/// What the program keeps as long as it runs: the same type as in patch/src/lib.rs.
#[repr(C)]
struct State {
    count: u64,
}

type Answer = unsafe extern "C" fn(&mut State) -> *const c_char;

fn main() -> Result<(), Box<dyn Error>> {
    thread::spawn(end_with_input);
    let name = format!("{DLL_PREFIX}demo_patch{DLL_SUFFIX}");
    // SAFETY: the library runs nothing of its own when it is loaded.
    let library = unsafe { Library::new(std::env::current_exe()?.with_file_name(name)) }?;
    // SAFETY: this is its type in patch/src/lib.rs.
    let answer: Symbol<'_, Answer> = unsafe { library.get(b"answer") }?;

    let mut state = State { count: 0 };
    let mut last = String::new();
    let mut printed = Instant::now();
    loop {
        // SAFETY: the state is ours alone during the call.
        let text = unsafe { answer(&mut state) };
        // SAFETY: the library answers with a text that stays.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
        if text != last || printed.elapsed() > Duration::from_millis(50) {
            writeln!(io::stdout(), "call {}: {text}", state.count)?;
            printed = Instant::now();
            last = text.into_owned();
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whoever started this program ends it by closing its input.
fn end_with_input() {
    let _ = io::stdin().read_to_end(&mut Vec::new());
    process::exit(0);
}
