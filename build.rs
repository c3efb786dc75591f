//! Notes for the identity record what only a build script is told: compiler, target, and the
//! folder that cargo builds into.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let verbose = Command::new(rustc).arg("-vV").output().map(|output| output.stdout);
    let verbose = String::from_utf8(verbose.unwrap_or_default()).unwrap_or_default();
    let field = |name: &str| {
        let value = verbose.lines().find_map(|line| line.strip_prefix(name));
        value.map_or("unknown", str::trim).to_owned()
    };
    let identity = format!("{} ({})", field("release:"), field("commit-hash:"));
    println!("cargo::rustc-env=MIDAIR_RUSTC={identity}");
    for (ours, cargos) in
        [("MIDAIR_TARGET", "TARGET"), ("MIDAIR_FEATURES", "CARGO_CFG_TARGET_FEATURE")]
    {
        println!("cargo::rustc-env={ours}={}", std::env::var(cargos).unwrap_or_default());
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    println!("cargo::rustc-env=MIDAIR_PROFILE_DIR={}", profile_dir(&out).display());
}

/// The folder above the last `build` in `out`: `target/debug` of `target/debug/build/midair-x/out`.
fn profile_dir(out: &Path) -> &Path {
    let build = out.ancestors().skip(1).find(|folder| folder.ends_with("build"));
    build.and_then(Path::parent).unwrap_or(out)
}
