//! One artifact that is followed, and the judgement whether its file is whole.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use midair_trampolines::section::Section;

use crate::artifact::Stamp;
use crate::error::{Error, ErrorKind};
use crate::notice;
use crate::registry::LiveImage;
use crate::report::Report;

/// How long size and time must have stood still. Writers that are at work touch them at least
/// every 4 ms, the usual granularity of a file's time.
const SETTLED: Duration = Duration::from_millis(8);

/// How long a file that does not parse may stand still before it is called broken.
const BROKEN: Duration = Duration::from_millis(500);

/// An artifact that is followed.
#[derive(Debug)]
pub(super) struct Target {
    /// The sections of the images that it is a new edition of.
    sections: Vec<Section>,
    path: PathBuf,
    /// The state that was dealt with last: loaded, committed or refused.
    done: Option<Stamp>,
    pending: Option<Pending>,
    /// What [`look`](Self::look) has just said to try.
    trying: Option<Pending>,
}

/// A state that was seen and not dealt with yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    stamp: Stamp,
    since: Instant,
    /// It settled and was tried, and was not whole.
    cut: bool,
}

/// What a look at the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing to do, or not yet.
    Nothing,
    /// A new edition is there and stands still: try it.
    Settled,
}

/// What the outcome of a try means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file is still being written: nobody needs to know.
    Unfinished,
    /// This is what came of this edition.
    Final,
}

impl Target {
    /// Follows `path` for `image`. What `image` itself was loaded from, and what was `committed`,
    /// is not new.
    pub(super) fn new(path: PathBuf, image: &LiveImage, committed: Option<Stamp>) -> Self {
        let now = Stamp::of(&path);
        let done = committed.or_else(|| now.filter(|stamp| is_loaded(stamp, image)));
        Self { sections: vec![image.section], path, done, pending: None, trying: None }
    }

    /// Whether it is followed for the image whose section is `section`.
    pub(super) fn is_for(&self, section: Section) -> bool {
        self.sections.contains(&section)
    }

    /// Follows it for one more image.
    pub(super) fn join(&mut self, section: Section) {
        if !self.is_for(section) {
            self.sections.push(section);
        }
    }

    /// Follows it for one image less.
    pub(super) fn leave(&mut self, section: Section) {
        self.sections.retain(|other| *other != section);
    }

    /// Whether it is followed for nobody any more.
    pub(super) fn is_idle(&self) -> bool {
        self.sections.is_empty()
    }

    /// The one image that it is followed for; of several, what they have in common decides.
    pub(super) fn only_section(&self) -> Option<Section> {
        let [section] = self.sections[..] else { return None };
        Some(section)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a change was seen that is not dealt with yet.
    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Looks at the file. `committed` tells in which state a file was last committed: somebody
    /// may have done so without being told by this target.
    pub(super) fn look(&mut self, committed: impl Fn(&Path) -> Option<Stamp>) -> Look {
        let Some(stamp) = Stamp::of(&self.path) else {
            // A linker removes before it writes; what comes next is new.
            self.pending = None;
            return Look::Nothing;
        };
        if self.done != Some(stamp) && committed(&self.path) == Some(stamp) {
            self.done = Some(stamp);
        }
        if self.done == Some(stamp) {
            self.pending = None;
            return Look::Nothing;
        }
        let pending = match self.pending {
            Some(pending) if pending.stamp == stamp => pending,
            _ => {
                notice::trace(format_args!("{} changed: {} bytes", self.path.display(), stamp.len));
                Pending { stamp, since: Instant::now(), cut: false }
            }
        };
        self.pending = Some(pending);
        if pending.quiet() < SETTLED || (pending.cut && pending.since.elapsed() < BROKEN) {
            return Look::Nothing;
        }
        // Dealt with from here on, even if the try should panic.
        self.done = Some(stamp);
        self.trying = self.pending.take();
        Look::Settled
    }

    /// Takes note of what came of the edition that [`look`](Self::look) said has settled.
    pub(super) fn tried(&mut self, outcome: &Result<Report, Error>) -> Verdict {
        let Some(tried) = self.trying.take() else { return Verdict::Final };
        match outcome.as_ref().err().map(Error::kind) {
            Some(ErrorKind::Changing) => {
                self.done = None;
                Verdict::Unfinished
            }
            Some(ErrorKind::Artifact | ErrorKind::Read) if !tried.cut => {
                notice::debug(format_args!("{} is not whole yet", self.path.display()));
                self.done = None;
                self.pending = Some(Pending { cut: true, ..tried });
                Verdict::Unfinished
            }
            // Somebody else's patch is under way; this edition's turn comes.
            Some(ErrorKind::Busy) => {
                self.done = None;
                Verdict::Unfinished
            }
            _ => Verdict::Final,
        }
    }
}

impl Pending {
    /// For how long the file has stood still: since it was seen so, or, by its own time, longer.
    fn quiet(&self) -> Duration {
        let age = self.stamp.modified.and_then(|at| SystemTime::now().duration_since(at).ok());
        self.since.elapsed().max(age.unwrap_or_default())
    }
}

/// Whether `stamp` is that of the file which `image` was loaded from, or of an older one.
fn is_loaded(stamp: &Stamp, image: &LiveImage) -> bool {
    if stamp.inode.is_some() && stamp.inode == image.inode {
        return true;
    }
    // Somewhere else lies a copy: it is new only if it was written after the loaded one, which
    // must still be the file that was loaded for its time to say anything.
    let loaded = Stamp::of(&image.path).filter(|loaded| loaded.inode == image.inode);
    loaded.is_some_and(|loaded| stamp.modified <= loaded.modified)
}

#[cfg(test)]
mod tests {
    use super::{BROKEN, Look, SETTLED, Target, Verdict};
    use crate::artifact::Artifact;
    use std::path::Path;
    use std::time::{Duration, Instant};

    fn target(path: &Path) -> Target {
        Target {
            sections: Vec::new(),
            path: path.to_owned(),
            done: None,
            pending: None,
            trying: None,
        }
    }

    /// Looks and tries until a verdict is final, or for as long as `limit`.
    fn final_within(target: &mut Target, limit: Duration) -> bool {
        let started = Instant::now();
        while started.elapsed() < limit {
            if target.look(|_| None) == Look::Settled {
                let outcome =
                    Artifact::open(target.path()).and_then(|artifact| artifact.manifest());
                let error = outcome.expect_err("the file is no library");
                if target.tried(&Err(error)) == Verdict::Final {
                    return true;
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    #[test]
    fn a_broken_file_is_reported_once_and_again_only_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lib.so");
        std::fs::write(&path, "not a library").unwrap();
        let mut target = target(&path);
        let started = Instant::now();
        assert!(final_within(&mut target, BROKEN * 20));
        assert!(started.elapsed() >= BROKEN, "a file that may still grow was given its time");
        assert!(!final_within(&mut target, BROKEN * 2));
        std::fs::write(&path, "still not a library").unwrap();
        assert!(final_within(&mut target, BROKEN * 20));
    }

    #[test]
    fn a_try_that_panics_is_not_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lib.so");
        std::fs::write(&path, "x").unwrap();
        let mut target = target(&path);
        std::thread::sleep(SETTLED * 2);
        let mut settled = 0;
        for _ in 0..20 {
            // Nobody says what came of it, as after a panic.
            settled += usize::from(target.look(|_| None) == Look::Settled);
            std::thread::sleep(SETTLED / 4);
        }
        assert_eq!(settled, 1);
    }

    #[test]
    fn what_somebody_else_committed_is_not_tried() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lib.so");
        std::fs::write(&path, "x").unwrap();
        let mut target = target(&path);
        std::thread::sleep(SETTLED * 2);
        assert_eq!(target.look(crate::artifact::Stamp::of), Look::Nothing);
        assert!(!target.is_pending());
    }

    #[test]
    fn a_file_that_keeps_growing_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lib.so");
        let mut target = target(&path);
        for len in 0..40 {
            std::fs::write(&path, vec![b'x'; len]).unwrap();
            assert_eq!(target.look(|_| None), Look::Nothing);
            std::thread::sleep(SETTLED / 4);
        }
    }

    #[test]
    fn a_file_that_vanishes_is_nothing_new() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(target(&dir.path().join("gone.so")).look(|_| None), Look::Nothing);
    }
}
