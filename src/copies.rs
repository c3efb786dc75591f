//! The private copies of artifacts: one file a generation, under a name that this process never
//! used before, in a folder that nobody else may enter.
//!
//! The loader recognises a library by its path and by its inode, so each generation needs both
//! anew; and the file must stay, because debuggers and backtraces read their symbols from it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use midair_trampolines::os;
use parking_lot::Mutex;

use crate::digest::Digest;
use crate::environment::environment;
use crate::error::Error;
use crate::failpoint::{Failpoint, reached};
use crate::notice;

/// How many copies are kept besides those whose code is in use.
pub(crate) const KEPT: usize = 16;

/// The copies that this process has made.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// The next number of a name.
    next: u64,
    /// The files that are there, oldest first.
    files: Vec<PathBuf>,
}

impl Copies {
    /// Writes `bytes` to a new file below `root` and returns its path.
    ///
    /// # Errors
    /// [`Error::Copy`]; nothing is left behind.
    pub(crate) fn write(
        &mut self,
        root: Option<&Path>,
        artifact: &Path,
        bytes: &[u8],
    ) -> Result<PathBuf, Error> {
        let folder = process_folder(root)?;
        let stem = artifact.file_stem().unwrap_or_default().to_string_lossy();
        let extension = artifact.extension().unwrap_or_default().to_string_lossy();
        loop {
            self.next += 1;
            let path = folder.join(format!("{stem}.{}.{extension}", self.next));
            match write_new(&path, bytes) {
                Ok(()) => {
                    self.files.push(path.clone());
                    return Ok(path);
                }
                // A process that replaced itself by `exec` finds its predecessor's copies.
                Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    let _ = fs::remove_file(&path);
                    return Err(Error::Copy { path, source });
                }
            }
        }
    }

    /// Removes a copy whose patch was refused after all. What is mapped stays mapped.
    pub(crate) fn discard(&mut self, path: &Path) {
        self.files.retain(|file| file != path);
        let _ = fs::remove_file(path);
    }

    /// Removes all copies but the newest [`KEPT`] and those that are `needed`.
    pub(crate) fn prune(&mut self, needed: impl Fn(&Path) -> bool) {
        let old = self.files.len().saturating_sub(KEPT);
        let mut index = 0;
        self.files.retain(|file| {
            index += 1;
            let keep = index > old || needed(file);
            if !keep {
                let _ = fs::remove_file(file);
            }
            keep
        });
    }
}

/// A private copy, and how it differs from the artifact that it was made of.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    /// What stood in the artifact where the copy was edited.
    originals: Vec<(usize, Vec<u8>)>,
    digest: OnceLock<Option<Digest>>,
}

impl Kept {
    /// The copy at `path`, which was edited where `originals` stood.
    pub(crate) fn new(path: PathBuf, originals: Vec<(usize, Vec<u8>)>) -> Self {
        Self { path, originals, digest: OnceLock::new() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether `artifact` has the same bytes. A copy that is gone is no artifact's.
    pub(crate) fn is_of(&self, artifact: &[u8]) -> bool {
        let len = fs::metadata(&self.path).map(|meta| meta.len());
        len.is_ok_and(|len| len == artifact.len() as u64)
            && self.bytes().is_some_and(|bytes| bytes == artifact)
    }

    /// The digest of the artifact; `None` when the copy went before anybody asked.
    pub(crate) fn digest(&self) -> Option<Digest> {
        *self.digest.get_or_init(|| self.bytes().map(|bytes| Digest::of(&bytes)))
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = fs::read(&self.path).ok()?;
        for (offset, original) in &self.originals {
            bytes.get_mut(*offset..)?.get_mut(..original.len())?.copy_from_slice(original);
        }
        Some(bytes)
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    reached(Failpoint::Copy).map_err(io::Error::from)
}

/// The folder of this process, made when it is not there; it goes when the process ends.
fn process_folder(root: Option<&Path>) -> Result<PathBuf, Error> {
    let root = root.map(Path::to_owned).unwrap_or_else(default_root);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Copy { path, source }
    };
    fs::create_dir_all(&root).map_err(failed(&root))?;
    let root = root.canonicalize().map_err(failed(&root))?;
    let users = root.join(format!("midair-{}", os::user()));
    make_private(&users).map_err(failed(&users))?;
    let folder = users.join(process_name());
    if !os::owned_by_us(&folder) {
        remove_stale(&users);
        make_private(&folder).map_err(failed(&folder))?;
        remove_at_exit(&folder);
    }
    Ok(folder)
}

/// Where copies go when nobody says otherwise.
fn default_root() -> PathBuf {
    environment().copies.clone().unwrap_or_else(std::env::temp_dir)
}

fn make_private(folder: &Path) -> io::Result<()> {
    match os::private_directory(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if os::owned_by_us(folder) {
                return Ok(());
            }
            let reason = "it is there already, but others may enter it, or it is not this user's";
            Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
        }
        other => other,
    }
}

/// A name that no other process has at any time since the machine started.
fn process_name() -> String {
    let pid = std::process::id();
    format!("{pid}-{}", os::process_age(pid).unwrap_or_default())
}

/// Removes the folders of processes that are gone.
fn remove_stale(users: &Path) {
    let Ok(entries) = fs::read_dir(users) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let process = name
            .split_once('-')
            .and_then(|(pid, age)| Some((pid.parse::<u32>().ok()?, age.parse::<u64>().ok()?)));
        if process.is_some_and(|(pid, age)| os::process_age(pid) != Some(age)) {
            notice::debug(format_args!("removing the copies of a process that is gone: {name}"));
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

static FOLDERS: Mutex<Vec<(u32, PathBuf)>> = Mutex::new(Vec::new());

fn remove_at_exit(folder: &Path) {
    static REGISTERED: OnceLock<()> = OnceLock::new();
    FOLDERS.lock().push((std::process::id(), folder.to_owned()));
    REGISTERED.get_or_init(|| os::at_exit(remove_folders));
}

extern "C" fn remove_folders() {
    // Never wait here: the process is ending, and its other threads may be stopped.
    let Some(folders) = FOLDERS.try_lock() else { return };
    let own = folders.iter().filter(|(pid, _)| *pid == std::process::id());
    for (_, folder) in own {
        let _ = fs::remove_dir_all(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::{Copies, KEPT, Kept, remove_stale};
    use crate::digest::Digest;
    use crate::error::ErrorKind;
    use std::path::Path;

    fn list(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn the_newest_and_the_needed_stay() {
        let root = tempfile::tempdir().unwrap();
        let mut copies = Copies::default();
        let paths: Vec<_> = (0..KEPT + 5)
            .map(|_| copies.write(Some(root.path()), Path::new("/x/libgame.so"), b"x").unwrap())
            .collect();
        copies.prune(|path| path == paths[1]);
        assert!(!paths[0].exists() && paths[1].exists() && !paths[2].exists());
        assert_eq!(list(paths[1].parent().unwrap()), KEPT + 1);
    }

    #[test]
    fn a_copy_knows_the_artifact_it_was_made_of() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("copy");
        std::fs::write(&path, b"abXXef").unwrap();
        let kept = Kept::new(path.clone(), vec![(2, b"cd".to_vec())]);
        assert!(kept.is_of(b"abcdef") && !kept.is_of(b"abXXef") && !kept.is_of(b"abcde"));
        assert_eq!(kept.digest(), Some(Digest::of(b"abcdef")));
        std::fs::remove_file(path).unwrap();
        assert!(!kept.is_of(b"abcdef"));
        assert_eq!(kept.digest(), Some(Digest::of(b"abcdef")), "who asked before knows");
    }

    #[test]
    fn a_name_never_comes_twice() {
        let root = tempfile::tempdir().unwrap();
        let mut copies = Copies::default();
        let artifact = Path::new("libgame.so");
        let first = copies.write(Some(root.path()), artifact, b"1").unwrap();
        copies.discard(&first);
        let second = copies.write(Some(root.path()), artifact, b"2").unwrap();
        assert_ne!(first, second);
        assert!(!first.exists());
    }

    #[test]
    fn folders_of_dead_processes_go_and_strangers_stay() {
        let users = tempfile::tempdir().unwrap();
        for name in ["4294967294-1", "notes", &super::process_name()] {
            std::fs::create_dir(users.path().join(name)).unwrap();
        }
        remove_stale(users.path());
        assert!(!users.path().join("4294967294-1").exists());
        assert_eq!(list(users.path()), 2);
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        let users = root.path().join(format!("midair-{}", midair_trampolines::os::user()));
        std::fs::create_dir(&users).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&users, open).unwrap();
        let refused = Copies::default().write(Some(root.path()), Path::new("lib.so"), b"");
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Copy);
    }
}
