//! The laboratory: fixture crates built by real `cargo build`, loaded by a host that knows nothing
//! of midair, in a process of its own.
//!
//! All fixtures share one target folder, so that midair is compiled once for all of them.

#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]
#![allow(dead_code, reason = "each test file uses its own part of the laboratory")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) mod assembler;
pub(crate) mod foreign;
pub(crate) mod limits;
pub(crate) mod small;

/// How long anything may take before a test gives up; generous, because machines are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The folder that all fixtures are built into.
pub(crate) fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join("lab")
}

/// A fixture crate in a folder of its own.
pub(crate) struct Fixture {
    dir: TempDir,
    name: String,
    /// Arguments for each `cargo build`.
    pub(crate) arguments: Vec<String>,
    /// Variables for each `cargo build`.
    pub(crate) variables: Vec<(String, String)>,
    /// Where cargo leaves the library.
    pub(crate) output: PathBuf,
}

impl Fixture {
    /// A cdylib called `name` (unique among all tests) with this `source`.
    pub(crate) fn new(name: &str, source: &str) -> Self {
        Self::with_manifest(name, source, "crate-type = [\"cdylib\"]", "")
    }

    /// A crate with its own `[lib]` lines, and more lines at the end of the manifest.
    pub(crate) fn with_manifest(name: &str, source: &str, lib: &str, more: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("midair-lab-").tempdir().unwrap();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [lib]\n{lib}\n\n\
             [dependencies]\nmidair = {{ path = {repository:?} }}\n\n\
             [workspace]\n\n[profile.dev]\ndebug = false\n\n{more}\n"
        );
        fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
        fs::copy(repository.join("Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();
        fs::create_dir(dir.path().join("src")).unwrap();
        let output = target_dir().join("debug").join(library(name));
        let fixture = Self {
            dir,
            name: name.to_owned(),
            arguments: Vec::new(),
            variables: vec![("CARGO_TARGET_DIR".to_owned(), target_dir().display().to_string())],
            output,
        };
        fixture.write(source);
        fixture
    }

    /// A crate without midair, with `needs` among its dependencies.
    pub(crate) fn plain(name: &str, source: &str, lib: &str, needs: &str) -> Self {
        let fixture = Self::with_manifest(name, source, lib, "");
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [lib]\n{lib}\n\n[dependencies]\n{needs}"
        );
        fs::write(fixture.dir().join("Cargo.toml"), manifest).unwrap();
        fixture.write_plain(source);
        fixture
    }

    /// Adds the line `needs` to the dependencies.
    pub(crate) fn depend(&self, needs: &str) {
        let manifest = self.dir().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let text = text.replacen("[dependencies]\n", &format!("[dependencies]\n{needs}"), 1);
        fs::write(manifest, text).unwrap();
    }

    /// Replaces the source of a crate without midair.
    pub(crate) fn write_plain(&self, source: &str) {
        fs::write(self.dir().join("src/lib.rs"), source).unwrap();
    }

    /// The folder of the crate.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Replaces the source.
    pub(crate) fn write(&self, source: &str) {
        let source = format!("{source}{}", include_str!("fixture.rs"));
        fs::write(self.dir.path().join("src/lib.rs"), source).unwrap();
    }

    /// Replaces `old`, which must be there, by `new`.
    pub(crate) fn edit(&self, old: &str, new: &str) {
        let path = self.dir.path().join("src/lib.rs");
        let source = fs::read_to_string(&path).unwrap();
        assert!(source.contains(old), "the fixture does not contain {old:?}");
        fs::write(&path, source.replacen(old, new, 1)).unwrap();
    }

    /// Runs `cargo build` and returns where the library is.
    pub(crate) fn build(&self) -> &Path {
        if let Err(errors) = self.try_build() {
            panic!("cargo build of {} failed:\n{errors}", self.name);
        }
        assert!(self.output.exists(), "cargo left no {}", self.output.display());
        &self.output
    }

    /// Runs `cargo build` and returns what the compiler says when it fails.
    pub(crate) fn try_build(&self) -> Result<(), String> {
        let mut cargo = cargo(self.dir.path());
        cargo.args(["build", "--offline", "--quiet"]).args(&self.arguments);
        cargo.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let output = cargo.output().unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Builds, and puts a copy of the library at `path`, whole at once.
    pub(crate) fn build_to(&self, path: &Path) {
        let built = self.build();
        let beside = path.with_extension("new");
        fs::copy(built, &beside).unwrap();
        fs::rename(&beside, path).unwrap();
    }
}

/// The file name of the library of crate `name`.
pub(crate) fn library(name: &str) -> String {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    format!("{DLL_PREFIX}{}{DLL_SUFFIX}", name.replace('-', "_"))
}

/// `cargo` in `folder`, without what the test's own cargo has set.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST");
        if ours || ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR"].contains(&&*text) {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// The host program, compiled once a run of the suite.
fn host_program() -> &'static Path {
    static HOST: OnceLock<PathBuf> = OnceLock::new();
    HOST.get_or_init(|| {
        let folder = target_dir();
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join(format!("host-{}", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/host.rs");
        // Test binaries run one after the other, but also side by side: compile, then rename.
        let finished = folder.join("host");
        let status = Command::new("rustc")
            .args(["--edition", "2024", "-O", "-o"])
            .arg(&program)
            .arg(source)
            .status()
            .unwrap();
        assert!(status.success(), "the host does not compile");
        fs::rename(&program, &finished).unwrap();
        finished
    })
}

/// A host in a process of its own, and the dialogue with it.
pub(crate) struct Host {
    child: Child,
    input: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    copies: TempDir,
}

impl Host {
    /// Starts a host.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts a host whose command was changed by `change`.
    pub(crate) fn start_with(change: impl FnOnce(&mut Command)) -> Self {
        Self::start_under(&[], change)
    }

    /// Starts a host under a `tool`, with the tool's own arguments.
    pub(crate) fn start_under(tool: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let copies = tempfile::Builder::new().prefix("midair-copies-").tempdir().unwrap();
        let mut command = match tool {
            [] => Command::new(host_program()),
            [tool, arguments @ ..] => {
                let mut command = Command::new(tool);
                command.args(arguments).arg(host_program());
                command
            }
        };
        command
            .env("MIDAIR_COPIES", copies.path())
            .env("MIDAIR_LOG", "debug")
            .env_remove("MIDAIR_ARTIFACT")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut errors = child.stderr.take().unwrap();
        let sink = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(len @ 1..) = errors.read(&mut part) {
                sink.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..len]));
            }
        });
        Self {
            input: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
            log,
            reader: Some(reader),
            copies,
        }
    }

    /// Starts a host and lets it load `library`.
    pub(crate) fn with(library: &Path) -> Self {
        let mut host = Self::start();
        host.load(library);
        host
    }

    /// Says `words` and returns the answer.
    pub(crate) fn say(&mut self, words: &[&str]) -> String {
        let input = self.input.as_mut().unwrap();
        let said = writeln!(input, "{}", words.join("\t")).and_then(|()| input.flush());
        if said.is_err() {
            self.died(words);
        }
        self.answer(words)
    }

    /// One line that the host printed.
    pub(crate) fn answer(&mut self, words: &[&str]) -> String {
        let mut answer = String::new();
        if self.answers.read_line(&mut answer).unwrap_or(0) == 0 {
            self.died(words);
        }
        answer.trim_end().to_owned()
    }

    /// Says `words`, at which the host is killed.
    pub(crate) fn dies_of_kill_at(mut self, words: &[&str]) {
        use std::os::unix::process::ExitStatusExt as _;
        const SIGKILL: i32 = 9;
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{}", words.join("\t")).and_then(|()| input.flush()).unwrap();
        let mut answer = String::new();
        let len = self.answers.read_line(&mut answer).unwrap_or(0);
        assert_eq!(len, 0, "the host lives and says {answer}");
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(SIGKILL), "{words:?}: {status}\n{}", self.log());
    }

    fn died(&mut self, words: &[&str]) -> ! {
        let status = self.child.wait();
        panic!("the host died at {words:?}: {status:?}\n{}", self.log());
    }

    /// Loads `library`.
    pub(crate) fn load(&mut self, library: &Path) {
        assert_eq!(self.say(&["load", library.to_str().unwrap()]), "ok");
    }

    /// Calls the exported `extern "C" fn(u64) -> u64` called `name`.
    pub(crate) fn call(&mut self, name: &str, argument: u64) -> u64 {
        let answer = self.say(&["call", name, &argument.to_string()]);
        answer.parse().unwrap_or_else(|_| panic!("{name}: {answer}"))
    }

    /// Calls until the answer is `wanted`.
    pub(crate) fn until(&mut self, name: &str, argument: u64, wanted: u64) {
        let started = Instant::now();
        loop {
            let answer = self.call(name, argument);
            if answer == wanted {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{name}({argument}) is still {answer}, not {wanted}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// Reloads from `path` and returns the description of the outcome.
    pub(crate) fn reload(&mut self, path: &Path) -> String {
        self.say(&["text", "lab_reload", path.to_str().unwrap()])
    }

    /// Reloads from a copy of `path` that no other file equals: a library with the bytes of the one
    /// that runs would be nothing to do.
    pub(crate) fn reload_anew(&mut self, path: &Path) -> String {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let mut bytes = fs::read(path).unwrap();
        // Behind everything that the file's tables name.
        bytes.extend(SERIAL.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        let anew = tempfile::Builder::new().prefix("anew-").suffix(".so").tempfile().unwrap();
        fs::write(anew.path(), bytes).unwrap();
        self.reload(anew.path())
    }

    /// What the host, and midair in it, wrote to standard error.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log contains `text`.
    pub(crate) fn until_log(&self, text: &str) {
        let started = Instant::now();
        while !self.log().contains(text) {
            assert!(started.elapsed() < PATIENCE, "no {text:?} in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// The folder below which this host's copies are.
    pub(crate) fn copies(&self) -> &Path {
        self.copies.path()
    }

    /// The number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the host in the ordinary way and checks that it did, and left no copies.
    pub(crate) fn quit(mut self) -> String {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "quit").unwrap();
        self.input = None;
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        assert!(status.success(), "the host ended with {status}\n{}", self.log());
        assert_eq!(files_below(self.copies.path()), Vec::<PathBuf>::new(), "copies were left");
        self.log()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Killed before its input ends, so that it has no time to end in the ordinary way.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Every file below `folder`.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}
