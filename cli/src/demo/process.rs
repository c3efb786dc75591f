//! A child process and what it says, line by line. It never outlives its handle.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// A running child.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    lines: Receiver<Line>,
}

/// One line that the child wrote.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// When it arrived.
    pub(super) at: SystemTime,
    pub(super) stream: Stream,
    pub(super) text: String,
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Error,
}

/// What listening for a while brought.
#[derive(Debug)]
pub(super) enum Heard {
    Line(Line),
    /// Nothing yet.
    Silence,
    /// The child ended, and every line of it was heard.
    End(ExitStatus),
}

impl Process {
    /// Starts `command` with its output led to us.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (sender, lines) = channel();
        listen(Stream::Output, child.stdout.take(), sender.clone());
        listen(Stream::Error, child.stderr.take(), sender);
        Ok(Self { child, lines })
    }

    /// The number of the process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Listens for at most `limit`.
    pub(super) fn hear(&mut self, limit: Duration) -> io::Result<Heard> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Ok(Heard::Line(line)),
            // A helper that the child left behind may hold its streams open.
            Err(RecvTimeoutError::Timeout) => {
                Ok(self.child.try_wait()?.map_or(Heard::Silence, Heard::End))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(Heard::End(self.child.wait()?)),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A child that reads from us ends by itself when we stop writing.
        if self.child.stdin.take().is_some() {
            let asked = Instant::now();
            while asked.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(5));
            }
        }
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stream: Stream, from: Option<impl Read + Send + 'static>, to: Sender<Line>) {
    let Some(from) = from else { return };
    thread::spawn(move || {
        for bytes in BufReader::new(from).split(b'\n') {
            let Ok(bytes) = bytes else { return };
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if to.send(Line { at: SystemTime::now(), stream, text }).is_err() {
                return;
            }
        }
    });
}

/// How long a child may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);
