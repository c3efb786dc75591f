//! Deep knowledge out of debug info, read when it is first asked for and kept.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::Answer;
use crate::artifact::{MAX_BYTES, inode_of};
use crate::debuginfo::{Absent, FunctionTypes, read};
use crate::manifest::Manifest;
use crate::notice;
use crate::report::Mismatch;
use crate::types::{compare, may_borrow};

/// What is known of an image's types.
#[derive(Debug)]
pub(crate) struct Known {
    /// The file that was loaded, held open: by the time somebody asks, a build may have put
    /// another one in its place.
    file: Mutex<Option<File>>,
    /// The addresses of its function records in the file.
    records: Vec<u64>,
    types: OnceLock<Result<FunctionTypes, Absent>>,
}

/// What is known of an artifact's types.
pub(crate) fn of_artifact(bytes: &[u8], manifest: &Manifest) -> Arc<Known> {
    let section = manifest.section.1;
    let records: Vec<_> =
        manifest.functions.iter().map(|function| section + function.offset as u64).collect();
    let types = read(bytes, &records);
    if let Err(absent) = &types {
        notice::debug(format_args!("types of the artifact are not known: {absent}"));
    }
    Arc::new(Known { file: Mutex::new(None), records, types: OnceLock::from(types) })
}

impl Known {
    /// What will be known of the image that was loaded from `path`, whose inode is `inode` and
    /// whose records stand at `records` in the file.
    pub(crate) fn of_image(path: &Path, inode: Option<u64>, records: Vec<u64>) -> Self {
        let file = File::open(path).ok().filter(|file| {
            let meta = file.metadata().ok();
            inode.is_some() && meta.is_some_and(|meta| inode_of(&meta) == inode)
        });
        Self { file: Mutex::new(file), records, types: OnceLock::new() }
    }

    /// Compares the function whose record stands at `old` in this image with that at `new` in
    /// `other`, both addresses in their files.
    pub(crate) fn compare(&self, old: u64, other: &Self, new: u64) -> Answer {
        let (Ok(ours), Ok(theirs)) = (self.types(), other.types()) else { return Answer::Unknown };
        let (Some(old), Some(new)) = (ours.functions.get(&old), theirs.functions.get(&new)) else {
            return Answer::Unknown;
        };
        match compare((&ours.graph, *old), (&theirs.graph, *new)) {
            None => Answer::Same { may_borrow: may_borrow(&theirs.graph, *new) },
            Some(difference) => Answer::Different(Mismatch::Type {
                ty: difference.title(),
                details: difference.details.join("; "),
                way: difference.way(),
            }),
        }
    }

    /// Why nothing deep is known of the function whose record stands at `address` in the file;
    /// `None` when it is known.
    pub(crate) fn shallow(&self, address: u64) -> Option<String> {
        match self.types() {
            Err(absent) => Some(absent.to_string()),
            Ok(types) if types.functions.contains_key(&address) => None,
            Ok(_) => Some("its debug info does not tell of this function".to_owned()),
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
        let file = self.file.lock().take().ok_or(Absent::Gone)?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|_| Absent::Gone)?;
        // The file was loaded, but it may have been overwritten since: nothing is taken for granted.
        crate::format::read(&bytes)
            .map_err(|fault| Absent::Damaged { reason: fault.to_string() })?;
        read(&bytes, &self.records)
    }
}
