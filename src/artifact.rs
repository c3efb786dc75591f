//! An artifact: a built library, read into memory once and never looked at on disk again.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::Error;
use crate::manifest::Manifest;

/// The most bytes that an artifact may have: 1 GiB.
pub(crate) const MAX_BYTES: u64 = 1 << 30;

/// The bytes of one artifact, all from one moment.
#[derive(Debug)]
pub(crate) struct Artifact {
    path: PathBuf,
    stamp: Option<Stamp>,
    bytes: Vec<u8>,
}

/// What tells two states of a file apart without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) len: u64,
    pub(crate) modified: Option<SystemTime>,
    pub(crate) inode: Option<u64>,
}

impl Stamp {
    /// The stamp of the file at `path`; `None` when it is not there.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|meta| Self::from_meta(&meta))
    }

    pub(crate) fn from_meta(meta: &Metadata) -> Self {
        Self { len: meta.len(), modified: meta.modified().ok(), inode: inode_of(meta) }
    }
}

#[cfg(unix)]
/// The inode of the file that `meta` is of, where the system tells.
pub(crate) fn inode_of(meta: &Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::ino(meta))
}

#[cfg(not(unix))]
/// The inode of a file; never known here.
pub(crate) fn inode_of(_meta: &Metadata) -> Option<u64> {
    None
}

impl Artifact {
    /// Reads the file at `path` whole.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::NotAFile`], [`Error::TooLarge`], and [`Error::Changing`] when it
    /// was not the same file before and after reading.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Read { path: path.to_owned(), source };
        // A pipe would block at opening, so what it is comes first.
        let meta = std::fs::metadata(path).map_err(unreadable)?;
        if !meta.is_file() {
            return Err(Error::NotAFile { path: path.to_owned() });
        }
        let mut file = File::open(path).map_err(unreadable)?;
        let before = Stamp::from_meta(&file.metadata().map_err(unreadable)?);
        if before.len > MAX_BYTES {
            let path = path.to_owned();
            return Err(Error::TooLarge { path, size: before.len, limit: MAX_BYTES });
        }
        let mut bytes = Vec::with_capacity(before.len as usize + 1);
        (&mut file).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let after = Stamp::from_meta(&file.metadata().map_err(unreadable)?);
        if before != after || bytes.len() as u64 != after.len {
            return Err(Error::Changing { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), stamp: Some(after), bytes })
    }

    /// The bytes that somebody else has read, who calls them `name`.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(crate) fn of_bytes(name: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        let (path, size) = (name.to_owned(), bytes.len() as u64);
        if size > MAX_BYTES {
            return Err(Error::TooLarge { path, size, limit: MAX_BYTES });
        }
        Ok(Self { path, stamp: None, bytes })
    }

    /// Where it was read from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The state of the file when it was read; `None` for bytes that come from elsewhere.
    #[cfg_attr(not(feature = "debuginfo"), expect(dead_code, reason = "only debug info needs it"))]
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// [`Error::Artifact`], [`Error::Records`] or [`Error::NoFunctions`].
    pub(crate) fn manifest(&self) -> Result<Manifest, Error> {
        Manifest::read(&self.path, &self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Artifact;
    use crate::error::ErrorKind;

    #[test]
    fn a_folder_and_a_missing_file_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Artifact::open(dir.path()).unwrap_err();
        assert_eq!(folder.kind(), ErrorKind::NotAFile);
        let missing = Artifact::open(&dir.path().join("none.so")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Read);
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_told_so() {
        use std::io::Write;
        use std::sync::atomic::{AtomicBool, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("growing.so");
        std::fs::write(&path, vec![0; 1 << 22]).unwrap();
        let stop = AtomicBool::new(false);
        let changing = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    file.write_all(&[1; 64]).unwrap();
                }
            });
            let told = (0..500).any(|_| {
                let outcome = Artifact::open(&path);
                // Either it is told, or what was read is of one size with its file at that time.
                outcome.is_err_and(|error| error.kind() == ErrorKind::Changing)
            });
            stop.store(true, Ordering::Relaxed);
            told
        });
        assert!(changing, "no read met a change");
    }

    #[test]
    fn a_sparse_giant_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("giant.so");
        std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(Artifact::open(&path).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
