//! Without the feature `debuginfo` nothing deep is known.

use std::path::Path;
use std::sync::Arc;

use super::Answer;
use crate::artifact::Artifact;
use crate::manifest::Manifest;
use crate::types::Whose;

/// What is known of an image's types.
#[derive(Debug, Default)]
pub(crate) struct Known;

/// What is known of an artifact's types.
pub(crate) fn of_artifact(_artifact: &Artifact, _manifest: &Manifest) -> Arc<Known> {
    Arc::new(Known)
}

impl Known {
    /// What will be known of the image that was loaded from `path`.
    pub(crate) fn of_image(_path: &Path, _inode: Option<u64>, _records: Vec<u64>) -> Self {
        Self
    }

    /// Compares the function whose record stands at `old` in this image with that at `new` in
    /// `other`, both addresses in their files.
    pub(crate) fn compare(&self, _old: u64, _other: &Self, _new: u64) -> Answer {
        Answer::Unknown
    }

    /// Compares the static whose record stands at `old` in this image with that at `new` in
    /// `other`, both addresses in their files.
    pub(crate) fn compare_static(
        &self,
        _old: u64,
        _other: &Self,
        _new: u64,
        _whose: Whose,
    ) -> Answer {
        Answer::Unknown
    }

    /// Why nothing deep is known of the function whose record stands at `address` in the file.
    pub(crate) fn shallow(&self, _address: u64) -> Option<String> {
        Some("midair was built without the feature `debuginfo`".to_owned())
    }
}
