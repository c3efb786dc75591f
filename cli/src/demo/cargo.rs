//! Cargo, as a person would run it in the folder of the project.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tinyjson::JsonValue;

use super::process::{Heard, Process, Stream};
use crate::error::Error;
use crate::interrupt;
use crate::screen::Screen;

/// Cargo in one folder.
#[derive(Debug)]
pub(super) struct Cargo {
    program: OsString,
    folder: PathBuf,
    target: PathBuf,
}

/// What a finished cargo left.
#[derive(Debug)]
struct Finished {
    status: ExitStatus,
    output: Vec<String>,
    errors: Vec<String>,
    took: Duration,
}

impl Cargo {
    /// Cargo in `folder`, building into `target`.
    pub(super) fn new(folder: &Path, target: &Path) -> Self {
        // Under `cargo run` this is the very cargo that runs us.
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self { program, folder: folder.to_owned(), target: target.to_owned() }
    }

    /// Builds for the first time; returns where the executable called `name` is, and how long it
    /// took.
    pub(super) fn build_program(
        &self,
        name: &'static str,
        screen: &mut Screen,
    ) -> Result<(PathBuf, Duration), Error> {
        // What an earlier demo built of its own packages would pile up.
        let packages = super::project::PACKAGES.iter().flat_map(|package| ["--package", package]);
        let clean: Vec<_> = ["clean", "--offline"].into_iter().chain(packages).collect();
        self.run(&clean, screen)?;
        let mut finished = self.run(&["build", MESSAGES, "--offline"], screen)?;
        if !finished.status.success() && !finished.compiled() {
            // A package is missing here: it may come from the network.
            finished = self.run(&["build", MESSAGES], screen)?;
        }
        let finished = finished.checked()?;
        let program = finished.output.iter().find_map(|line| executable(line, name));
        Ok((program.ok_or(Error::NoProgram { name })?, finished.took))
    }

    /// Runs `cargo build` and returns how long it took.
    pub(super) fn build(&self, screen: &mut Screen) -> Result<Duration, Error> {
        Ok(self.run(&["build"], screen)?.checked()?.took)
    }

    fn run(&self, arguments: &[&str], screen: &mut Screen) -> Result<Finished, Error> {
        let started = Instant::now();
        let mut process = Process::start(self.command().args(arguments))
            .map_err(|source| Error::Cargo { source })?;
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let mut doing = format!("cargo {}", arguments[0]);
        loop {
            screen.progress(&format!("{doing} {} s", started.elapsed().as_secs()))?;
            if interrupt::pending() {
                return Err(Error::Interrupted);
            }
            match process.hear(TURN).map_err(|source| Error::Cargo { source })? {
                Heard::Line(line) if line.stream == Stream::Output => output.push(line.text),
                Heard::Line(line) => {
                    if let Some(package) = line.text.trim().strip_prefix("Compiling ") {
                        let package = package.split(" (").next().unwrap_or(package);
                        doing = format!("cargo {}: {package},", arguments[0]);
                    }
                    errors.push(line.text);
                }
                Heard::Silence => {}
                Heard::End(status) => {
                    return Ok(Finished { status, output, errors, took: started.elapsed() });
                }
            }
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if is_foreign(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_TERM_PROGRESS_WHEN", "never")
            .stdin(Stdio::null());
        command
    }
}

impl Finished {
    /// Whether cargo got as far as the compiler.
    fn compiled(&self) -> bool {
        self.errors.iter().any(|line| line.trim_start().starts_with("Compiling "))
    }

    fn checked(self) -> Result<Self, Error> {
        if self.status.success() {
            return Ok(self);
        }
        let told = |line: &String| !line.trim_start().starts_with("Compiling ");
        let said: Vec<_> = self.errors.into_iter().filter(told).collect();
        let last = said.len().saturating_sub(TOLD);
        Err(Error::Build { status: self.status, said: said[last..].to_vec() })
    }
}

/// Whether a variable describes another package, another build or another way to talk, and not
/// this machine. How code is compiled (RUSTFLAGS, CARGO_PROFILE_*) stays as the person set it.
fn is_foreign(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "CARGO_BUILD_BUILD_DIR",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_DIR",
        "CARGO_TARGET_TMPDIR",
        "CARGO_TERM_QUIET",
        "OUT_DIR",
    ];
    const FAMILIES: [&str; 3] = ["CARGO_BIN_", "CARGO_CFG_", "CARGO_PKG_"];
    NAMES.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// The path of the executable called `name`, if this message of cargo tells it.
fn executable(message: &str, name: &str) -> Option<PathBuf> {
    let message: JsonValue = message.parse().ok()?;
    let field = |value: &JsonValue, name: &str| {
        let object: &std::collections::HashMap<String, JsonValue> = value.get()?;
        object.get(name).cloned()
    };
    let target = field(&message, "target")?;
    let is_ours = field(&target, "name")?.get::<String>()? == name;
    let path = field(&message, "executable")?;
    path.get::<String>().filter(|_| is_ours).map(PathBuf::from)
}

const MESSAGES: &str = "--message-format=json-render-diagnostics";

/// How often the moving line moves.
const TURN: Duration = Duration::from_millis(100);

/// How many of cargo's lines are told when a build fails.
const TOLD: usize = 30;

#[cfg(test)]
mod tests {
    use super::{executable, is_foreign};

    #[test]
    fn the_executable_is_found_by_name() {
        let message = r#"{"reason":"compiler-artifact","target":{"name":"demo-host"},
            "executable":"/t/debug/demo-host"}"#;
        assert_eq!(executable(message, "demo-host"), Some("/t/debug/demo-host".into()));
        assert_eq!(executable(message, "other"), None);
        assert_eq!(executable(r#"{"target":{"name":"x"},"executable":null}"#, "x"), None);
        assert_eq!(executable("not json", "x"), None);
    }

    #[test]
    fn what_decides_how_code_is_compiled_stays() {
        assert!(!is_foreign("RUSTFLAGS") && !is_foreign("CARGO_PROFILE_DEV_PANIC"));
        assert!(is_foreign("CARGO_PKG_NAME") && is_foreign("CARGO_TARGET_DIR"));
    }
}
