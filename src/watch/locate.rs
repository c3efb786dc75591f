//! Where an image's build output is: asked in turn of the program, of the environment, of the
//! loaded file's own place, of the folder that the build script saw, and of cargo.

use std::collections::BTreeSet;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use midair_trampolines::text::crate_of;
use tinyjson::JsonValue;

use crate::artifact::Artifact;
use crate::environment::environment;
use crate::notice;
use crate::registry::{LiveImage, Registry};
use crate::table::Join;

/// Nothing was found to follow: the one warning that says what to add.
#[derive(Debug)]
pub(super) struct Nothing {
    image: PathBuf,
    library: String,
}

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.image.to_string_lossy();
        let file = file.trim_end_matches(" (deleted)");
        if !file.ends_with(DLL_SUFFIX) {
            return write!(
                f,
                "the hot functions of {file} are in the program itself, which a rebuild cannot \
                 reach, so nothing is followed; move them to a library with \
                 `crate-type = [\"cdylib\"]` that the program loads, or name a library that is \
                 built of the same crate: MIDAIR_ARTIFACT=/path/to/{}",
                self.library
            );
        }
        write!(
            f,
            "the build output of {} was not found, so nothing is followed; add \
             `midair::Runtime::builder().artifact(\"/path/to/{}\").start()?;` or set \
             MIDAIR_ARTIFACT=/path/to/{}",
            self.image.display(),
            self.library,
            self.library
        )
    }
}

/// The artifacts to follow for `image`.
pub(super) fn artifacts(
    join: &Join,
    image: &LiveImage,
    registry: &Registry,
) -> Result<Vec<PathBuf>, Nothing> {
    if let Some(artifact) = &join.artifact {
        return Ok(vec![artifact.clone()]);
    }
    let named = environment().artifact.clone().unwrap_or_default();
    let named: Vec<_> =
        std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).collect();
    if !named.is_empty() {
        return Ok(matching(named, image, registry));
    }
    let names = library_names(image, registry);
    let found = in_place(image, &join.profile_dir)
        .or_else(|| best(&join.profile_dir, &names, image, registry))
        .or_else(|| {
            let folder = by_cargo(&join.manifest_dir, &join.profile_dir)?;
            best(&folder, &names, image, registry)
        });
    found.map(|path| vec![path]).ok_or_else(|| Nothing {
        image: image.path.clone(),
        library: names.first().cloned().unwrap_or_else(|| format!("the_library{DLL_SUFFIX}")),
    })
}

/// Of several artifacts that were named for the whole process, those that are this image's; all
/// of them when none can be told to be.
fn matching(named: Vec<PathBuf>, image: &LiveImage, registry: &Registry) -> Vec<PathBuf> {
    if named.len() == 1 {
        return named;
    }
    let ours: Vec<_> =
        named.iter().filter(|path| overlap(path, image, registry) > 0).cloned().collect();
    if ours.is_empty() { named } else { ours }
}

/// The file names that the library of `image` may have as cargo's output: its own first.
fn library_names(image: &LiveImage, registry: &Registry) -> Vec<String> {
    let ours = registry.functions().iter().filter(|(_, lives)| {
        lives.iter().any(|live| registry.images()[live.image].section == image.section)
    });
    let crates: BTreeSet<_> = ours.map(|(name, _)| crate_of(name)).collect();
    let mut names: Vec<_> =
        crates.into_iter().map(|name| format!("{DLL_PREFIX}{name}{DLL_SUFFIX}")).collect();
    let own = image.path.file_name().unwrap_or_default();
    names.sort_by_key(|name| own != name.as_str());
    // Its own crate need not have a hot function itself.
    if let Some(own) = own.to_str().filter(|own| own.ends_with(DLL_SUFFIX))
        && names.first().is_none_or(|first| first != own)
    {
        names.push(own.to_owned());
    }
    names
}

/// The loaded file itself, where it is cargo's output and not somebody's copy of it.
fn in_place(image: &LiveImage, profile_dir: &Path) -> Option<PathBuf> {
    // `cargo build` replaces the file, and the system then calls the loaded one deleted.
    let path = image.path.to_str().map_or(image.path.as_path(), |path| {
        Path::new(path.strip_suffix(" (deleted)").unwrap_or(path))
    });
    if !path.to_string_lossy().ends_with(DLL_SUFFIX) {
        return None;
    }
    let folder = path.parent()?;
    if folder.file_name().is_some_and(|name| name == "deps") {
        let above = folder.parent()?.join(path.file_name()?);
        return above.exists().then_some(above);
    }
    // Beside each library cargo leaves the list of what it was made from.
    let made_here = path.with_extension("d").exists();
    (made_here || folder.canonicalize().ok()? == profile_dir.canonicalize().ok()?)
        .then(|| path.to_owned())
}

/// The library in `folder` that has the most functions in common with `image`.
fn best(
    folder: &Path,
    names: &[String],
    image: &LiveImage,
    registry: &Registry,
) -> Option<PathBuf> {
    let candidates = names.iter().map(|name| folder.join(name)).filter(|path| path.exists());
    // Of equals the first wins: the names are sorted so that the image's own comes first.
    let ranked = candidates.map(|path| (overlap(&path, image, registry), path));
    let best = ranked.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, path)| path)
}

/// How many functions the artifact at `path` shares with `image`.
fn overlap(path: &Path, image: &LiveImage, registry: &Registry) -> usize {
    let manifest = Artifact::open(path).and_then(|artifact| artifact.manifest());
    let Ok(manifest) = manifest else { return 0 };
    let shared = manifest.functions.iter().filter(|function| {
        let lives = registry.lives(&function.name);
        lives.iter().any(|live| registry.images()[live.image].section == image.section)
    });
    shared.count()
}

/// The profile folder below the target folder that cargo names for the package at `manifest_dir`.
fn by_cargo(manifest_dir: &Path, profile_dir: &Path) -> Option<PathBuf> {
    let manifest = manifest_dir.join("Cargo.toml");
    if manifest_dir.as_os_str().is_empty() || !manifest.exists() {
        return None;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    notice::debug(format_args!("asking cargo where the output of {} goes", manifest.display()));
    let mut asked = Command::new(cargo);
    asked
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(&manifest)
        .current_dir(manifest_dir)
        // The program may have been injected into; cargo is not to be.
        .env_remove("LD_PRELOAD")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped());
    let metadata: JsonValue = answer(&mut asked)?.parse().ok()?;
    let metadata: &std::collections::HashMap<String, JsonValue> = metadata.get()?;
    let folder = |field: &str| metadata.get(field)?.get::<String>().map(PathBuf::from);
    let target = folder("target_directory")?;
    let builds = folder("build_directory").unwrap_or_else(|| target.clone());
    let profile = profile_dir.strip_prefix(&builds).ok().or_else(|| {
        // Another folder than at build time: the last parts are the triple, if any, and the
        // profile.
        let parent = profile_dir.parent()?;
        let triple = parent.file_name()?.to_string_lossy().matches('-').count() >= 2;
        profile_dir.strip_prefix(if triple { parent.parent()? } else { parent }).ok()
    })?;
    Some(target.join(profile))
}

/// What `command` prints, if it ends in good time: a cargo that waits for a lock may not hold up
/// the thread that follows everything else.
fn answer(command: &mut Command) -> Option<String> {
    const LIMIT: Duration = Duration::from_secs(20);
    let mut child = command.spawn().ok()?;
    let mut stdout = child.stdout.take()?;
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).ok().map(|_| text)
    });
    let started = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if started.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
    reader.join().ok()?
}
