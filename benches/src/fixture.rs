//! The projects that are built to be measured: a library that depends on midair as any user's
//! does, and a host that knows nothing of it.
//!
//! They lie below `midair-bench` in the workspace's target folder, so that a second run finds them
//! built.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, at};

/// How often the library is compiled: each edition returns its own number.
const EDITIONS: usize = 4;

/// A project and the target folder it is built in; nobody else builds there while this lives.
pub(crate) struct Fixtures {
    project: PathBuf,
    target: PathBuf,
    built: PathBuf,
    _lock: File,
}

/// How the library is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Optimised and stripped: some hundred KiB.
    Small,
    /// As `cargo build` does it, midair included, filled up to 8 MB.
    Debug,
}

impl Profile {
    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Small => &["--release"],
            Self::Debug => &[],
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Small => "release",
            Self::Debug => "debug",
        }
    }

    /// The size below which the library is padded.
    fn at_least(self) -> u64 {
        match self {
            Self::Small => 400 << 10,
            Self::Debug => 8 << 20,
        }
    }
}

impl Fixtures {
    /// Writes the projects, and waits until no other bench uses them.
    pub(crate) fn new() -> Result<Self, Error> {
        let root = folder();
        let project = root.join("project");
        fs::create_dir_all(&root).map_err(at(&root))?;
        let path = root.join("lock");
        let lock = File::create(&path).map_err(at(&path))?;
        lock.lock().map_err(at(&path))?;
        for (name, text) in files() {
            write(&project.join(name), &text)?;
        }
        let workspace = workspace().join("Cargo.lock");
        let lock_file = project.join("Cargo.lock");
        if !lock_file.exists() {
            // The versions that the workspace was tested with, and no need to ask a registry.
            fs::copy(&workspace, &lock_file).map_err(at(workspace))?;
        }
        let (target, built) = (root.join("target"), root.join("built"));
        Ok(Self { project, target, built, _lock: lock })
    }

    /// The folder for other projects, which nobody else uses either.
    #[cfg(feature = "peers")]
    pub(crate) fn peers(&self) -> PathBuf {
        self.project.with_file_name("peers")
    }

    /// The program that loads the library and measures.
    pub(crate) fn host(&self) -> Result<PathBuf, Error> {
        self.cargo("host", &["--release", "-p", "bench-host"], 0, 0)?;
        Ok(self.target.join("release/bench-host"))
    }

    /// Several editions of the library, each of its own compilation.
    pub(crate) fn editions(&self, profile: Profile) -> Result<Vec<PathBuf>, Error> {
        let count = match profile {
            Profile::Small => EDITIONS,
            Profile::Debug => 2,
        };
        let made = self.target.join(profile.folder()).join(library_name("bench_hot"));
        let mut padding = 0;
        self.compile(profile, 0, padding)?;
        let size = fs::metadata(&made).map_err(at(&made))?.len();
        if size < profile.at_least() {
            padding = profile.at_least() - size;
            self.compile(profile, 0, padding)?;
        }
        let folder = self.built.join(profile.folder());
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let mut editions = Vec::new();
        for edition in 0..count {
            if edition > 0 {
                self.compile(profile, edition, padding)?;
            }
            let path = folder.join(format!("{edition}.so"));
            fs::copy(&made, &path).map_err(at(&made))?;
            editions.push(path);
        }
        Ok(editions)
    }

    /// A library called `name` of this `source`, compiled as `cargo build` does it.
    pub(crate) fn generated(&self, name: &str, source: &str) -> Result<PathBuf, Error> {
        let folder = self.project.with_file_name(name);
        let manifest = include_str!("../fixtures/many.toml").replace("NAME", name);
        let manifest = manifest.replace("MIDAIR", &format!("{:?}", workspace()));
        write(&folder.join("Cargo.toml"), &manifest)?;
        write(&folder.join("src/lib.rs"), source)?;
        let lock_file = folder.join("Cargo.lock");
        if !lock_file.exists() {
            let workspace = workspace().join("Cargo.lock");
            fs::copy(&workspace, &lock_file).map_err(at(workspace))?;
        }
        let mut command = cargo(&folder, &self.target);
        command.arg("--offline");
        build(name, &mut command)?;
        Ok(self.target.join("debug").join(library_name(name)))
    }

    fn compile(&self, profile: Profile, edition: usize, padding: u64) -> Result<(), Error> {
        let what = format!("library, edition {edition}, {}", profile.folder());
        let flags = [profile.flags(), &["-p", "bench-hot"]].concat();
        self.cargo(&what, &flags, edition, padding)
    }

    fn cargo(&self, what: &str, flags: &[&str], edition: usize, pad: u64) -> Result<(), Error> {
        let mut command = cargo(&self.project, &self.target);
        command.args(flags).arg("--offline");
        command.env("BENCH_EDITION", edition.to_string()).env("BENCH_PADDING", pad.to_string());
        build(what, &mut command)
    }
}

/// `cargo build` for the project in `folder`, into `target`.
pub(crate) fn cargo(folder: &Path, target: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(folder).arg("build").arg("--target-dir").arg(target);
    command.stdin(Stdio::null());
    command
}

/// Runs a build, and shows what it said only when it failed.
pub(crate) fn build(what: &str, command: &mut Command) -> Result<(), Error> {
    eprintln!("building the fixture {what}");
    let program = PathBuf::from(command.get_program());
    let output = command.output().map_err(|source| Error::Start { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::Build { what: what.to_owned(), output })
}

/// Writes `text` to `path`, unless it is there already: cargo builds anew what was touched.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    fs::write(path, text).map_err(at(path))
}

/// The file name of the library that cargo makes of the crate `name`.
pub(crate) fn library_name(name: &str) -> String {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    format!("{DLL_PREFIX}{name}{DLL_SUFFIX}")
}

/// Where all fixtures lie.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| workspace().join("target"));
    let target = std::path::absolute(&target).unwrap_or(target);
    target.join("midair-bench")
}

fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// The files of the project, by name.
fn files() -> Vec<(&'static str, String)> {
    let midair = format!("{:?}", workspace());
    vec![
        ("Cargo.toml", include_str!("../fixtures/workspace.toml").to_owned()),
        ("hot/Cargo.toml", include_str!("../fixtures/hot/package.toml").replace("MIDAIR", &midair)),
        ("hot/src/lib.rs", include_str!("../fixtures/hot/lib.rs").to_owned()),
        ("hot/src/edition.rs", include_str!("../fixtures/edition.rs").to_owned()),
        ("hot/src/tight.rs", include_str!("tight.rs").to_owned()),
        ("host/Cargo.toml", include_str!("../fixtures/host/package.toml").to_owned()),
        ("host/src/main.rs", include_str!("../fixtures/host/main.rs").to_owned()),
        ("host/src/latency.rs", include_str!("../fixtures/host/latency.rs").to_owned()),
        ("host/src/library.rs", include_str!("../fixtures/host/library.rs").to_owned()),
        ("host/src/memory.rs", include_str!("../fixtures/host/memory.rs").to_owned()),
        ("host/src/observe.rs", include_str!("../fixtures/host/observe.rs").to_owned()),
        ("host/src/present.rs", include_str!("../fixtures/host/present.rs").to_owned()),
        ("host/src/stall.rs", include_str!("../fixtures/host/stall.rs").to_owned()),
        ("host/src/storm.rs", include_str!("../fixtures/host/storm.rs").to_owned()),
    ]
}
