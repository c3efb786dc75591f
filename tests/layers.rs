//! The layers: which crate may depend on and import which. `cli -> src -> trampolines -> arch`;
//! the macros import none of ours; each heavy library lives in one layer.
#![allow(clippy::unwrap_used, reason = "tests state their expectations by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A layer: its folder, where its sources are, and which of the guarded crates it may name.
struct Layer {
    manifest: &'static str,
    sources: &'static str,
    may: &'static [&'static str],
}

/// Crates that are allowed in some layers only; everything else is free.
const GUARDED: [&str; 12] = [
    "midair",
    "midair-trampolines",
    "midair-macros",
    "midair-arch",
    "midair-cli",
    "midair-bench",
    "iced-x86",
    "region",
    "goblin",
    "libloading",
    "arc-swap",
    "clap",
];

const LAYERS: [Layer; 6] = [
    Layer { manifest: "arch", sources: "arch/src", may: &["iced-x86"] },
    Layer { manifest: "trampolines", sources: "trampolines/src", may: &["midair-arch", "region"] },
    Layer { manifest: "trampolines/macros", sources: "trampolines/macros/src", may: &[] },
    Layer {
        manifest: ".",
        sources: "src",
        may: &[
            "midair-trampolines",
            "midair-macros",
            "midair-arch",
            "goblin",
            "libloading",
            "arc-swap",
        ],
    },
    Layer { manifest: "cli", sources: "cli/src", may: &["midair", "midair-cli", "clap"] },
    Layer {
        manifest: "benches",
        sources: "benches/src",
        may: &["midair", "midair-trampolines", "libloading", "clap", "arc-swap"],
    },
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names in the `[dependencies]` tables of a manifest, those for tests left out.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            let ours = table == "dependencies" || table.ends_with(".dependencies");
            inside = ours && table != "workspace.dependencies";
            if let Some(name) = table.strip_prefix("dependencies.") {
                found.insert(name.to_owned());
            }
        } else if inside
            && let Some((name, _)) = line.split_once(['.', '=', ' '])
            && !name.is_empty()
            && !name.starts_with('#')
        {
            found.insert(name.to_owned());
        }
    }
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            // Programs that the demo writes to disk are nobody's layer.
            if !path.ends_with("template") {
                files.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The guarded crates that a source names in code, as `name::` or `extern crate name`.
fn imports(source: &str) -> BTreeSet<&'static str> {
    let code: String = source
        .lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect::<Vec<_>>()
        .join("\n");
    let names = |name: &&&str| {
        let path = format!("{}::", name.replace('-', "_"));
        code.match_indices(&path).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':' && c != '"')
        })
    };
    GUARDED.iter().filter(names).copied().collect()
}

/// What is wrong with a layer; empty when nothing is.
fn wrong(layer: &Layer, manifest: &str, sources: &[(PathBuf, String)]) -> Vec<String> {
    let may = |name: &str| !GUARDED.contains(&name) || layer.may.contains(&name);
    let mut wrong: Vec<String> = dependencies(manifest)
        .iter()
        .filter(|name| !may(name))
        .map(|name| format!("{} depends on {name}", layer.manifest))
        .collect();
    for (path, source) in sources {
        // The code that the macros write names the user's midair; that is not an import.
        let own = if layer.manifest == "trampolines/macros" || layer.manifest == "." {
            "midair"
        } else {
            ""
        };
        let bad = imports(source).into_iter().filter(|name| !may(name) && *name != own);
        wrong.extend(bad.map(|name| format!("{} imports {name}", path.display())));
    }
    wrong
}

#[test]
fn every_layer_looks_downward_only() {
    let mut found = Vec::new();
    for layer in &LAYERS {
        let manifest = root().join(layer.manifest).join("Cargo.toml");
        let manifest = fs::read_to_string(&manifest).unwrap();
        let files = sources(&root().join(layer.sources));
        assert!(!files.is_empty(), "{} has no sources", layer.sources);
        let read = |path: PathBuf| {
            let source = fs::read_to_string(&path).unwrap();
            (path, source)
        };
        let files: Vec<_> = files.into_iter().map(read).collect();
        found.extend(wrong(layer, &manifest, &files));
    }
    assert!(found.is_empty(), "against the layers:\n{}", found.join("\n"));
}

#[test]
fn the_check_sees_a_wrong_dependency_and_a_wrong_import() {
    let arch = &LAYERS[0];
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nmidair-trampolines.workspace = true\n";
    assert_eq!(wrong(arch, manifest, &[]), ["arch depends on midair-trampolines"]);
    let table = "[dependencies.goblin]\nversion = \"0.10\"\n";
    assert_eq!(wrong(arch, table, &[]), ["arch depends on goblin"]);
    let target = "[target.'cfg(unix)'.dependencies]\nregion = \"4\"\n";
    assert_eq!(wrong(arch, target, &[]), ["arch depends on region"]);
    let test_only = "[dev-dependencies]\ngoblin.workspace = true\n";
    assert!(wrong(arch, test_only, &[]).is_empty());
    let import = (PathBuf::from("arch/src/x.rs"), "use goblin::elf::Elf;\n".to_owned());
    assert_eq!(wrong(arch, "", &[import]), ["arch/src/x.rs imports goblin"]);
    let words =
        (PathBuf::from("x.rs"), "// goblin::elf is not ours\nlet a = \"goblin::\";\n".into());
    assert!(wrong(arch, "", &[words]).is_empty());
}

#[test]
fn every_dependency_is_named_once_in_the_workspace() {
    let members = ["arch", "trampolines", "trampolines/macros", ".", "cli", "benches"];
    for member in members {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        let mut inside = false;
        for line in manifest.lines().map(str::trim) {
            if line.starts_with('[') {
                inside = line.trim_end_matches(']').ends_with("dependencies")
                    && !line.contains("workspace.dependencies");
            } else if inside && line.contains('=') && !line.starts_with('#') {
                assert!(
                    line.contains("workspace = true"),
                    "{member}: {line}: name the version in [workspace.dependencies]"
                );
            }
        }
    }
}
