//! A host process: started, listened to, and never left behind.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, at};

/// After this long a host is taken to hang.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a host said: `name value`, one a line.
#[derive(Debug)]
pub(crate) struct Said {
    part: String,
    lines: Vec<(String, f64)>,
}

impl Said {
    /// All values that were given for `key`.
    pub(crate) fn all(&self, key: &str) -> Vec<f64> {
        self.lines.iter().filter(|(name, _)| name == key).map(|(_, value)| *value).collect()
    }

    /// The last value that was given for `key`.
    pub(crate) fn one(&self, key: &str) -> Result<f64, Error> {
        let silent = || Error::Silent { part: self.part.clone(), key: key.to_owned() };
        self.all(key).last().copied().ok_or_else(silent)
    }

    /// Whether nothing at all was given for `key`.
    pub(crate) fn none(&self, key: &str) -> bool {
        self.all(key).is_empty()
    }
}

/// Runs `command` as the host of `part`; what it writes to standard error is kept in `folder` and
/// shown when it fails.
pub(crate) fn run(part: &str, command: &mut Command, folder: &Path) -> Result<Said, Error> {
    let log = folder.join("stderr");
    let file = fs::File::create(&log).map_err(at(&log))?;
    // The host ends when its standard input does, so it cannot outlive this process.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
    let program = command.get_program().into();
    let child = command.spawn().map_err(|source| Error::Start { program, source })?;
    let mut child = Ended(child);
    let out = child.0.stdout.take();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        out.map(|mut out| out.read_to_string(&mut text));
        text
    });
    let status = child.wait();
    let text = reader.join().unwrap_or_default();
    let shown = || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        let skipped = log.lines().count().saturating_sub(20);
        log.lines().skip(skipped).for_each(|line| eprintln!("  {line}"));
    };
    match status {
        Some(status) if status.success() => {}
        Some(status) => {
            shown();
            return Err(Error::Host { part: part.to_owned(), status });
        }
        None => {
            shown();
            return Err(Error::Hung { part: part.to_owned() });
        }
    }
    let said = Said { part: part.to_owned(), lines: text.lines().filter_map(line).collect() };
    if !said.none("lost") && said.one("lost")? > 0.0 {
        shown();
    }
    Ok(said)
}

fn line(text: &str) -> Option<(String, f64)> {
    let (name, value) = text.split_once(' ')?;
    Some((name.to_owned(), value.parse().ok()?))
}

/// A child that is killed and waited for when nobody needs it any more.
struct Ended(Child);

impl Ended {
    /// Waits for the end; `None` when it takes too long.
    fn wait(&mut self) -> Option<std::process::ExitStatus> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        None
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended already; then both fail, and all is well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
