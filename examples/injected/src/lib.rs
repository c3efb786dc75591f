//! A library that enters a foreign process by `LD_PRELOAD` and changes while it is in there.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::process;
use std::thread;
use std::time::Duration;

use midair::{hotpatch, is_hotpatched};

/// The loader calls this whenever a copy of the library is loaded: first by `LD_PRELOAD`, then
/// for each patch.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static ON_LOAD: extern "C" fn() = on_load;

extern "C" fn on_load() {
    if is_hotpatched() {
        // The thread of the first load is there already, and will call the new code.
        say("patch loaded, nothing set up again");
        return;
    }
    say(&format!("entered process {}", process::id()));
    thread::spawn(|| {
        for count in 1.. {
            // SAFETY: a patch has the same contract as the function that it replaces.
            let line = unsafe { beat(count) };
            say(&line);
            thread::sleep(Duration::from_millis(100));
        }
    });
}

/// Change this one.
///
/// # Safety
/// - None in truth; functions of mods seldom are so kind.
#[hotpatch]
pub unsafe fn beat(count: u64) -> String {
    format!("old beat {count}")
}

/// Writes a line where the person looks; a foreign program is not disturbed if that fails.
fn say(line: &str) {
    let line = format!("injected: {line}\n");
    let _ = match std::env::var_os("INJECTED_LOG") {
        Some(path) => OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .and_then(|mut file| file.write_all(line.as_bytes())),
        None => io::stderr().write_all(line.as_bytes()),
    };
}
