//! What is known of the types of an image's hot functions beyond size and alignment, and the
//! comparison of what both sides know.
//!
//! There are two sources: debug info, and the descriptions that `#[derive(Layout)]` leaves. Where
//! both sides have both, a patch has to pass both: debug info sees into std, into foreign types and
//! into what is marked opaque; descriptions see all methods of a trait object, and the order in
//! which the author wrote things, and they are there in a release build.

#[cfg(feature = "debuginfo")]
mod debuginfo;
#[cfg(not(feature = "debuginfo"))]
#[path = "nothing.rs"]
mod debuginfo;
mod described;

use std::path::Path;
use std::sync::Arc;

use midair_trampolines::types::Types;

use crate::artifact::Artifact;
use crate::format::Format;
use crate::manifest::Manifest;
use crate::report::{Depth, Mismatch};
use crate::types::Whose;
use described::Described;

/// What is known of an image's types.
#[derive(Debug)]
pub(crate) struct Known {
    /// What debug info tells; nothing in a file of a format whose debug info is not read.
    debuginfo: Result<Arc<debuginfo::Known>, Format>,
    described: Described,
}

/// A function of an image: its name, and where its record stands in the file.
pub(crate) type Spot<'a> = (&'a str, u64);

/// What a deep comparison says of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Every type that can be reached is the same.
    Same {
        /// Whether any of them may hold a borrow, of which neither source tells how long it lasts.
        may_borrow: bool,
        /// How that is known.
        depth: Depth,
    },
    /// One is not.
    Different {
        /// How.
        mismatch: Mismatch,
        /// How that is known.
        depth: Depth,
    },
    /// One side does not know its types.
    Unknown,
}

impl Answer {
    /// This answer of debug info, and that of the descriptions: a patch has to pass both.
    fn and(self, by_derive: impl FnOnce() -> Self) -> Self {
        if matches!(self, Self::Different { .. }) {
            return self;
        }
        match (self, by_derive()) {
            (_, different @ Self::Different { .. }) => different,
            (Self::Unknown, by_derive) => by_derive,
            (by_debuginfo, _) => by_debuginfo,
        }
    }
}

/// What is known of an artifact's types.
pub(crate) fn of_artifact(artifact: &Artifact, manifest: &Manifest) -> Arc<Known> {
    let debuginfo = match manifest.container().format {
        Format::Elf => Ok(debuginfo::of_artifact(artifact, manifest)),
        other => Err(other),
    };
    Arc::new(Known { debuginfo, described: Described::new(manifest.types.clone()) })
}

impl Known {
    /// What will be known of the image that was loaded from `path`, whose inode is `inode`, whose
    /// records stand at `records` in the file, and which has these type records.
    pub(crate) fn of_image(
        path: &Path,
        inode: Option<u64>,
        records: Vec<u64>,
        types: Vec<Types>,
    ) -> Self {
        Self {
            debuginfo: Ok(Arc::new(debuginfo::Known::of_image(path, inode, records))),
            described: Described::new(types),
        }
    }

    /// Compares the function `old` of this image with `new` of `other`.
    pub(crate) fn compare(&self, old: Spot<'_>, other: &Self, new: Spot<'_>) -> Answer {
        let by_debuginfo = match (&self.debuginfo, &other.debuginfo) {
            (Ok(ours), Ok(theirs)) => ours.compare(old.1, theirs, new.1),
            _ => Answer::Unknown,
        };
        by_debuginfo.and(|| self.described.compare(old.0, &other.described))
    }

    /// Compares the type of the static `old` of this image with that of `new` of `other`, or with
    /// the one that it is migrated from.
    pub(crate) fn compare_static(
        &self,
        old: Spot<'_>,
        other: &Self,
        new: Spot<'_>,
        whose: Whose,
    ) -> Answer {
        let by_debuginfo = match (&self.debuginfo, &other.debuginfo) {
            (Ok(ours), Ok(theirs)) => ours.compare_static(old.1, theirs, new.1, whose),
            _ => Answer::Unknown,
        };
        by_debuginfo.and(|| self.described.compare_static(old.0, &other.described, whose))
    }

    /// How the types of the function `of` are known.
    pub(crate) fn depth(&self, of: Spot<'_>) -> Depth {
        if self.lacks_debuginfo(of).is_none() {
            Depth::DebugInfo
        } else if self.described.shallow(of.0).is_none() {
            Depth::Derive
        } else {
            Depth::Shallow
        }
    }

    /// Why nothing deep is known of the function `of`; nothing when it is.
    pub(crate) fn shallow(&self, of: Spot<'_>) -> Option<String> {
        let debuginfo = self.lacks_debuginfo(of)?;
        let described = self.described.shallow(of.0)?;
        Some(format!("{debuginfo}, and {described}"))
    }

    fn lacks_debuginfo(&self, of: Spot<'_>) -> Option<String> {
        match &self.debuginfo {
            Ok(known) => known.shallow(of.1),
            Err(format) => Some(format!("debug info of {format} files is not read")),
        }
    }
}
