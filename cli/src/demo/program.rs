//! The program of the demo while it runs.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use super::process::{Heard, Line, Process, Stream};
use crate::error::Error;
use crate::interrupt;

/// The running program.
pub(super) struct Program {
    process: Process,
    said: VecDeque<String>,
    /// Where midair keeps its copies of the library, so that nothing stays in the temporary
    /// folder even if the program is killed. It goes after the process.
    _copies: TempDir,
}

/// A line that the program printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// How often it had called the library by then.
    pub(super) count: u64,
    /// What the library answered.
    pub(super) text: String,
    pub(super) at: SystemTime,
}

/// Something that the program, or midair in it, said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Answer(Answer),
    /// midair took a patch.
    Taken(String),
    /// midair refused a patch.
    Refused(String),
    /// Anything else.
    Other,
}

impl Program {
    /// Starts the executable at `path`.
    pub(super) fn start(path: PathBuf) -> Result<Self, Error> {
        let copies = tempfile::Builder::new()
            .prefix("midair-demo-copies-")
            .tempdir()
            .map_err(|source| Error::TemporaryFolder { source })?;
        let mut command = Command::new(&path);
        command
            .env("MIDAIR_COPIES", copies.path())
            .env("MIDAIR_LOG", "info")
            .env_remove("MIDAIR_ARTIFACT")
            .stdin(Stdio::piped());
        let process =
            Process::start(&mut command).map_err(|source| Error::Start { path, source })?;
        Ok(Self { process, said: VecDeque::new(), _copies: copies })
    }

    /// The number of the process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The last lines that it wrote.
    pub(super) fn said(&self) -> Vec<String> {
        self.said.iter().cloned().collect()
    }

    /// Hands events to `judge` until it has come to a result; `awaited` names that for the case
    /// that it does not come.
    pub(super) fn until<T>(
        &mut self,
        awaited: &'static str,
        mut judge: impl FnMut(Event) -> Option<T>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(result) = self.next(awaited)?.and_then(&mut judge) {
                return Ok(result);
            }
        }
        Err(Error::Silent { awaited, waited: PATIENCE, said: self.said() })
    }

    /// What comes next, if something comes soon.
    pub(super) fn next(&mut self, awaited: &'static str) -> Result<Option<Event>, Error> {
        if interrupt::pending() {
            return Err(Error::Interrupted);
        }
        match self.process.hear(GLANCE)? {
            Heard::Line(line) => {
                self.remember(&line);
                Ok(Some(event(line)))
            }
            Heard::Silence => Ok(None),
            Heard::End(status) => Err(Error::Ended { status, awaited, said: self.said() }),
        }
    }

    fn remember(&mut self, line: &Line) {
        if self.said.len() == REMEMBERED {
            self.said.pop_front();
        }
        self.said.push_back(line.text.clone());
    }
}

fn event(line: Line) -> Event {
    match line.stream {
        Stream::Output => answer(&line).map_or(Event::Other, Event::Answer),
        Stream::Error => {
            let Some(said) = line.text.strip_prefix("midair: ") else { return Event::Other };
            match said.strip_prefix("warning: ") {
                None if said.starts_with("patch ") => Event::Taken(said.to_owned()),
                Some(warning) if warning.starts_with("refused, ") => {
                    Event::Refused(warning.to_owned())
                }
                _ => Event::Other,
            }
        }
    }
}

/// Reads `call 7: Hello`.
fn answer(line: &Line) -> Option<Answer> {
    let (count, text) = line.text.strip_prefix("call ")?.split_once(": ")?;
    Some(Answer { count: count.parse().ok()?, text: text.to_owned(), at: line.at })
}

/// How long anything may take; machines are slow at times.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often an interruption is looked for.
const GLANCE: Duration = Duration::from_millis(50);

/// How many lines are kept for an error message.
const REMEMBERED: usize = 12;

#[cfg(test)]
mod tests {
    use super::{Event, event};
    use crate::demo::process::{Line, Stream};
    use std::time::SystemTime;

    fn heard(stream: Stream, text: &str) -> Event {
        event(Line { at: SystemTime::UNIX_EPOCH, stream, text: text.to_owned() })
    }

    #[test]
    fn lines_are_told_apart() {
        let Event::Answer(answer) = heard(Stream::Output, "call 7: Hello: you") else { panic!() };
        assert_eq!((answer.count, answer.text.as_str()), (7, "Hello: you"));
        assert_eq!(heard(Stream::Output, "call x: Hello"), Event::Other);
        assert_eq!(heard(Stream::Error, "midair: following /x"), Event::Other);
        let taken = heard(Stream::Error, "midair: patch 1: 3 functions");
        assert_eq!(taken, Event::Taken("patch 1: 3 functions".to_owned()));
        let refused = heard(Stream::Error, "midair: warning: refused, the old code goes on: f");
        assert_eq!(refused, Event::Refused("refused, the old code goes on: f".to_owned()));
    }
}
