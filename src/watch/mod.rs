//! Following build outputs: one thread a process, which looks at an artifact when its folder
//! changes and patches when the file is whole.

mod folder;
mod locate;
mod target;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use midair_trampolines::os;
use midair_trampolines::section::Section;
use parking_lot::Mutex;

use crate::Watch;
use crate::domain::{Domain, guarded};
use crate::error::Error;
use crate::notice;
use crate::registry::LiveImage;
use crate::table::Join;
use folder::Folders;
use target::{Look, Target, Verdict};

/// How often an artifact that has just changed is looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// How often all artifacts are looked at although no event came: events get lost, and folders are
/// deleted and made anew.
const ROUND: Duration = Duration::from_secs(1);

/// What the thread is told.
enum Message {
    /// An image wants its build output followed.
    Join(Join),
    /// Something in a watched folder changed.
    Changed,
}

/// The thread of this process, by the process it belongs to: a forked child has none.
static WORKER: Mutex<Option<(u32, Sender<Message>)>> = Mutex::new(None);

/// Follows the build output of the image that `join` describes, from now on.
pub(crate) fn follow(join: Join) {
    // A parent may have held the lock at the moment of the fork; then the child follows nothing.
    let Some(mut worker) = WORKER.try_lock_for(ROUND) else { return };
    let pid = std::process::id();
    if worker.as_ref().is_none_or(|(owner, _)| *owner != pid) {
        // A forked child leaves the parent's end alone: its thread and its watches are not here.
        std::mem::forget(worker.take());
        match start() {
            Ok(sender) => *worker = Some((pid, sender)),
            Err(error) => {
                notice::warn(format_args!("nothing is followed: {}", error.explain()));
                return;
            }
        }
    }
    if let Some((_, sender)) = &*worker {
        let _ = sender.send(Message::Join(join));
    }
}

fn start() -> Result<Sender<Message>, Error> {
    let (sender, messages) = channel();
    let events = sender.clone();
    let thread = thread::Builder::new().name("midair".to_owned());
    os::without_signals(|| thread.spawn(move || Worker::new(events).run(&messages)))
        .map_err(|source| Error::Thread { source })?;
    Ok(sender)
}

/// What the thread works with.
struct Worker {
    domain: &'static Domain,
    folders: Folders,
    targets: Vec<Target>,
    /// The images for which somebody has said what to follow, or to follow nothing.
    decided: HashSet<Section>,
}

impl Worker {
    fn new(events: Sender<Message>) -> Self {
        let changed = move || {
            let _ = events.send(Message::Changed);
        };
        Self {
            domain: Domain::own(),
            folders: Folders::new(changed),
            targets: Vec::new(),
            decided: HashSet::new(),
        }
    }

    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let pause = if self.targets.iter().any(Target::is_pending) { GLANCE } else { ROUND };
            let message = match messages.recv_timeout(pause) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => Message::Changed,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            guarded("the thread that follows build output", || {
                if let Message::Join(join) = &message {
                    self.join(join);
                }
                self.look();
            });
        }
    }

    fn join(&mut self, join: &Join) {
        // What somebody said holds, whether the automatic wish comes before or after it.
        let said = join.artifact.is_some() || join.watch == Watch::Off;
        let known = self.targets.iter().any(|target| target.is_for(join.section));
        if !said && (known || self.decided.contains(&join.section)) {
            return;
        }
        if said {
            self.decided.insert(join.section);
        }
        for target in &mut self.targets {
            target.leave(join.section);
        }
        self.targets.retain(|target| !target.is_idle());
        if join.watch == Watch::Off {
            notice::debug(format_args!("following nothing, as was asked for"));
            return;
        }
        let registry = self.domain.registry();
        let Some(image) = registry.image_of(join.section).map(|at| &registry.images()[at]) else {
            return;
        };
        match locate::artifacts(join, image, &registry) {
            Ok(paths) => paths.iter().for_each(|path| self.follow(&absolute(path), image)),
            Err(nothing) => notice::warn(format_args!("{nothing}")),
        }
    }

    /// Follows `path` for `image`; a file is followed once, for however many images.
    fn follow(&mut self, path: &Path, image: &LiveImage) {
        if let Some(target) = self.targets.iter_mut().find(|target| target.path() == path) {
            target.join(image.section);
            return;
        }
        let yet = if path.exists() { "" } else { ", where no file is yet" };
        notice::info(format_args!("following {}{yet}", path.display()));
        let committed = self.domain.committed(path);
        self.targets.push(Target::new(path.to_owned(), image, committed));
    }

    fn look(&mut self) {
        let wanted = self.targets.iter().filter_map(|target| target.path().parent());
        self.folders.watch(wanted);
        for target in &mut self.targets {
            if target.look(|path| self.domain.committed(path)) == Look::Settled {
                let outcome = self.domain.attempt(target.path(), target.only_section());
                if target.tried(&outcome) == Verdict::Final {
                    self.domain.publish(&outcome);
                }
            }
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
