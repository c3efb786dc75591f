//! The project of the demo: its files, and where it is built.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Afterwards;
use crate::error::Error;

/// The name of the executable.
pub(super) const PROGRAM: &str = "demo-host";

/// The packages of the project.
pub(super) const PACKAGES: [&str; 2] = ["demo-host", "demo-patch"];

/// The file name of the library.
pub(super) fn library() -> String {
    format!("{DLL_PREFIX}demo_patch{DLL_SUFFIX}")
}

/// The library's source at the start.
pub(super) const SOURCE: &str = include_str!("template/patch.rs");

/// The project on disk.
#[derive(Debug)]
pub(super) struct Project {
    folder: TempDir,
    target: Target,
}

/// Where the project is built.
#[derive(Debug)]
struct Target {
    path: PathBuf,
    /// Held while the folder is used: two demos at a time would take each other's library.
    _claim: Option<File>,
}

impl Project {
    /// Makes the project in a temporary folder of its own.
    pub(super) fn create(afterwards: Afterwards) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix("midair-demo-")
            .disable_cleanup(afterwards == Afterwards::Keep)
            .tempdir()
            .map_err(|source| Error::TemporaryFolder { source })?;
        let repository = repository();
        let target = repository.and_then(|_| Target::shared());
        let own = || Target { path: folder.path().join("target"), _claim: None };
        let project = Self { target: target.unwrap_or_else(own), folder };
        project.fill(repository)?;
        Ok(project)
    }

    /// The folder of the project.
    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that it is built into.
    pub(super) fn target(&self) -> &Path {
        &self.target.path
    }

    /// The library's source file, from the root of the project.
    pub(super) const fn source_file() -> &'static str {
        "patch/src/lib.rs"
    }

    /// Replaces the library's source.
    pub(super) fn write_source(&self, source: &str) -> Result<(), Error> {
        self.write(Self::source_file(), source)
    }

    fn fill(&self, repository: Option<&Path>) -> Result<(), Error> {
        let midair = match repository {
            Some(folder) => format!("path = {:?}", folder.display().to_string()),
            None => format!("version = {:?}", env!("CARGO_PKG_VERSION")),
        };
        let manifest = include_str!("template/patch.toml").replace("@MIDAIR@", &midair);
        self.write("Cargo.toml", include_str!("template/workspace.toml"))?;
        self.write("host/Cargo.toml", include_str!("template/host.toml"))?;
        self.write("host/src/main.rs", include_str!("template/host.rs"))?;
        self.write("patch/Cargo.toml", &manifest)?;
        self.write_source(SOURCE)?;
        // With the same versions as midair's own, nothing has to be downloaded.
        let lock = repository.and_then(|folder| fs::read_to_string(folder.join("Cargo.lock")).ok());
        lock.map_or(Ok(()), |lock| self.write("Cargo.lock", &lock))
    }

    fn write(&self, path: impl AsRef<Path>, text: &str) -> Result<(), Error> {
        let path = self.root().join(path);
        let folder = path.parent().unwrap_or(self.root());
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|source| Error::File { path, source })
    }
}

impl Target {
    /// A folder beside what this program itself was built into, so that a second demo finds
    /// midair compiled; none where that is not a target folder, or another demo uses it.
    fn shared() -> Option<Self> {
        let program = std::env::current_exe().ok()?;
        let mut folders = program.ancestors().skip(1);
        // Cargo marks its target folders so.
        let target = folders.find(|folder| folder.join("CACHEDIR.TAG").exists())?;
        let path = target.join("midair-demo");
        fs::create_dir_all(&path).ok()?;
        let claim = File::create(path.join(".claim")).ok()?;
        claim.try_lock().ok()?;
        Some(Self { path, _claim: Some(claim) })
    }
}

/// The repository that this program was built from, if it is still there.
fn repository() -> Option<&'static Path> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let ours = |file| folder.join(file).exists();
    (ours("Cargo.toml") && ours("src/lib.rs") && ours("trampolines")).then_some(folder)
}
