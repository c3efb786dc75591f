//! A crate of one file that uses midair, in a folder of its own.

use std::path::Path;

use tempfile::TempDir;

/// Writes the crate; `lib` are the lines of its `[lib]` table.
pub(crate) fn project(name: &str, edition: &str, lib: &str, source: &str) -> TempDir {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"{edition}\"\n\
         [lib]\npath = \"lib.rs\"\n{lib}\n\
         [features]\nhot = []\n\
         [dependencies]\nmidair = {{ path = {root:?} }}\n\
         [workspace]\n"
    );
    std::fs::write(folder.path().join("Cargo.toml"), manifest).expect("written");
    std::fs::write(folder.path().join("lib.rs"), source).expect("written");
    std::fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).expect("copied");
    folder
}
