//! The folders whose changes wake the thread, kept watched although they come and go.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, EventKind};
use notify::{Config, Event, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};

use crate::artifact::Stamp;
use crate::error::Error;
use crate::notice;

/// Watches folders, or the nearest folder above that is there.
pub(super) struct Folders {
    watcher: Option<Box<dyn Watcher + Send>>,
    /// Each watched folder and the inode under which it is watched.
    watched: HashMap<PathBuf, Option<u64>>,
    warned: bool,
}

impl Folders {
    /// Calls `changed` after something happened in one of the folders.
    pub(super) fn new(changed: impl Fn() + Clone + Send + 'static) -> Self {
        Self { watcher: watcher(changed), watched: HashMap::new(), warned: false }
    }

    /// Sees that exactly the folders in `wanted` are watched, as they are now.
    pub(super) fn watch<'a>(&mut self, wanted: impl Iterator<Item = &'a Path>) {
        let mut now: HashMap<PathBuf, Option<u64>> = HashMap::new();
        for folder in wanted {
            if let Some((folder, stamp)) = existing(folder) {
                now.insert(folder.to_owned(), stamp.inode);
            }
        }
        if now == self.watched {
            return;
        }
        let Some(watcher) = &mut self.watcher else { return };
        for (folder, inode) in &self.watched {
            if now.get(folder) != Some(inode) {
                // It may be gone already, and with it the watch.
                let _ = watcher.unwatch(folder);
            }
        }
        let old = std::mem::take(&mut self.watched);
        for (folder, inode) in now {
            if old.get(&folder) != Some(&inode)
                && let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive)
            {
                if !self.warned {
                    let error = Error::Watch { path: folder, source: std::io::Error::other(error) };
                    notice::warn(format_args!(
                        "{} (it is looked at once a second instead)",
                        error.explain()
                    ));
                }
                self.warned = true;
                continue;
            }
            self.watched.insert(folder, inode);
        }
    }
}

fn existing(folder: &Path) -> Option<(&Path, Stamp)> {
    folder.ancestors().find_map(|folder| Some((folder, Stamp::of(folder)?)))
}

fn watcher(changed: impl Fn() + Clone + Send + 'static) -> Option<Box<dyn Watcher + Send>> {
    let handler = move |event: notify::Result<Event>| {
        let reads = |event: &Event| {
            matches!(event.kind, EventKind::Access(AccessKind::Open(_) | AccessKind::Read))
        };
        if !event.as_ref().is_ok_and(reads) {
            changed();
        }
    };
    match RecommendedWatcher::new(handler.clone(), Config::default()) {
        Ok(watcher) => Some(Box::new(watcher)),
        Err(error) => {
            notice::debug(format_args!("no file events: {error}; folders are polled"));
            PollWatcher::new(handler, Config::default()).ok().map(|watcher| Box::new(watcher) as _)
        }
    }
}
