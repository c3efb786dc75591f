//! Tests whose time and memory the system bounds: a hang is a death, not a longer run.

#![allow(clippy::print_stdout, reason = "what a test prints is shown")]

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// What a process of its own may take.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Processor time, in seconds.
    pub(crate) seconds: u64,
    /// Addresses, in bytes.
    pub(crate) memory: u64,
}

const INSIDE: &str = "MIDAIR_TEST_LIMITED";

/// Runs `body`, the whole of the test called `test`, in a process that the system ends when it
/// takes more than `limits`. What it prints is shown.
pub(crate) fn limited(test: &str, limits: Limits, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--include-ignored"]).stdin(Stdio::null());
    command.env(INSIDE, "1").env("RUST_BACKTRACE", "0");
    // SAFETY: between fork and exec it calls nothing but `setrlimit`.
    unsafe { command.pre_exec(move || set(limits)) };
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test}: {}\n{said}{errors}", output.status);
    assert!(said.contains("1 passed"), "there is no test {test}");
}

fn set(limits: Limits) -> std::io::Result<()> {
    for (what, limit) in [
        (libc::RLIMIT_CPU, limits.seconds),
        (libc::RLIMIT_AS, limits.memory),
        (libc::RLIMIT_CORE, 0),
    ] {
        let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: a pointer to a whole value that outlives the call.
        if unsafe { libc::setrlimit(what, &raw const limit) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}
