//! Deep knowledge out of debug info, read when it is first asked for and kept.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::Answer;
use crate::artifact::{Artifact, MAX_BYTES, Stamp};
use crate::debuginfo::{Absent, FunctionTypes, Origin, is_split, read};
use crate::manifest::Manifest;
use crate::notice;
use crate::report::Depth;
use crate::types::{
    Whose, compare, compare_static, may_borrow, places_may_borrow, types_of_static,
};

/// What is known of an image's types.
#[derive(Debug)]
pub(crate) struct Known {
    /// The file that was loaded, held open: by the time somebody asks, a build may have put
    /// another one in its place.
    file: Mutex<Option<(File, Origin)>>,
    /// The addresses of its function records in the file.
    records: Vec<u64>,
    types: OnceLock<Result<FunctionTypes, Absent>>,
}

/// What is known of an artifact's types.
pub(crate) fn of_artifact(artifact: &Artifact, manifest: &Manifest) -> Arc<Known> {
    let statics = manifest.statics.iter().map(|persistent| &persistent.item);
    let items = manifest.functions.iter().chain(statics);
    let records: Vec<_> = items.map(|item| manifest.spot_of(item).1).collect();
    let origin = Origin { path: artifact.path().to_owned(), stamp: artifact.stamp() };
    let types = read(artifact.bytes(), &records, &origin);
    if let Err(absent) = &types {
        notice::debug(format_args!("types of the artifact are not known: {absent}"));
    }
    Arc::new(Known { file: Mutex::new(None), records, types: OnceLock::from(types) })
}

impl Known {
    /// What will be known of the image that was loaded from `path`, whose inode is `inode` and
    /// whose records stand at `records` in the file.
    ///
    /// Debug info that was split off is read now: the next build writes over it, and nobody can hold
    /// hundreds of files open.
    pub(crate) fn of_image(path: &Path, inode: Option<u64>, records: Vec<u64>) -> Self {
        let opened = File::open(path).ok().and_then(|file| {
            let stamp = Stamp::from_meta(&file.metadata().ok()?);
            let same = inode.is_some() && stamp.inode == inode;
            same.then(|| (file, Origin { path: built_path(path), stamp: Some(stamp) }))
        });
        let known = Self { file: Mutex::new(None), records, types: OnceLock::new() };
        if let Some((mut file, origin)) = opened {
            let split = is_split(&mut file);
            *known.file.lock() = Some((file, origin));
            if split {
                let _ = known.types();
            }
        }
        known
    }

    /// Compares the function whose record stands at `old` in this image with that at `new` in
    /// `other`, both addresses in their files.
    pub(crate) fn compare(&self, old: u64, other: &Self, new: u64) -> Answer {
        // The other first: where it has none, the file of this one need not be read.
        let Ok(theirs) = other.types() else { return Answer::Unknown };
        let Ok(ours) = self.types() else { return Answer::Unknown };
        let (Some(old), Some(new)) = (ours.functions.get(&old), theirs.functions.get(&new)) else {
            return Answer::Unknown;
        };
        match compare((&ours.graph, *old), (&theirs.graph, *new)) {
            None => Answer::Same {
                may_borrow: may_borrow(&theirs.graph, *new),
                depth: Depth::DebugInfo,
            },
            Some(difference) => {
                Answer::Different { mismatch: difference.told(), depth: Depth::DebugInfo }
            }
        }
    }

    /// Compares the static whose record stands at `old` in this image with that at `new` in
    /// `other`, both addresses in their files.
    pub(crate) fn compare_static(&self, old: u64, other: &Self, new: u64, whose: Whose) -> Answer {
        let Ok(theirs) = other.types() else { return Answer::Unknown };
        let Ok(ours) = self.types() else { return Answer::Unknown };
        let types = |known: &FunctionTypes, at: u64| {
            let function = known.functions.get(&at);
            function.map_or([None; 2], |function| types_of_static(&known.graph, *function))
        };
        let (Some(old), Some(new)) = (types(ours, old)[0], types(theirs, new)[whose as usize])
        else {
            return Answer::Unknown;
        };
        let depth = Depth::DebugInfo;
        match compare_static((&ours.graph, old), (&theirs.graph, new), whose) {
            None => {
                let may_borrow = places_may_borrow(&theirs.graph, [new].into_iter());
                Answer::Same { may_borrow, depth }
            }
            Some(difference) => Answer::Different { mismatch: difference.told(), depth },
        }
    }

    /// Why nothing deep is known of the function whose record stands at `address` in the file;
    /// `None` when it is known.
    pub(crate) fn shallow(&self, address: u64) -> Option<String> {
        match self.types() {
            Err(absent) => Some(absent.to_string()),
            Ok(types) if types.functions.contains_key(&address) => None,
            Ok(types) => Some(types.missing.as_ref().map_or_else(
                || "its debug info does not tell of this function".to_owned(),
                Absent::to_string,
            )),
        }
    }

    /// The types, read now if they have not been.
    pub(crate) fn types(&self) -> &Result<FunctionTypes, Absent> {
        self.types.get_or_init(|| {
            let types = self.read_file();
            match &types {
                Ok(types) => notice::debug(format_args!(
                    "debug info of the running program: {} types of {} functions",
                    types.graph.len(),
                    types.functions.len()
                )),
                Err(absent) => notice::debug(format_args!(
                    "types are compared by size and alignment only: {absent}"
                )),
            }
            types
        })
    }

    fn read_file(&self) -> Result<FunctionTypes, Absent> {
        let (mut file, origin) = self.file.lock().take().ok_or(Absent::Gone)?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(|_| Absent::Gone)?;
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|_| Absent::Gone)?;
        // The file was loaded, but it may have been overwritten since: nothing is taken for granted.
        crate::format::read(&bytes)
            .map_err(|fault| Absent::Damaged { reason: fault.to_string() })?;
        read(&bytes, &self.records, &origin)
    }
}

/// The path of a file that is loaded: the system calls one that was replaced deleted.
fn built_path(path: &Path) -> PathBuf {
    let path =
        path.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map_or(path, Path::new);
    path.to_owned()
}
