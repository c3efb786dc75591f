//! The demo in which a person edits.

use std::io::{self, BufRead};
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use super::program::Event;
use super::project::Project;
use super::{Stage, seconds, show};
use crate::error::Error;
use crate::interrupt;
use crate::screen::{Screen, Style};

/// Rebuilds after each save, and shows what the program does, until the person has had enough.
pub(super) fn play(stage: &mut Stage, screen: &mut Screen) -> Result<(), Error> {
    screen.title("Edit this file and save it, as often as you like:")?;
    let source = stage.project.root().join(Project::source_file());
    screen.line(format!("  {}", source.display()))?;
    screen.line("Each time it is rebuilt with `cargo build`. Enter or Ctrl-C ends the demo.")?;
    screen.title(format!("The program runs (process {}).", stage.program.id()))?;
    let enter = enter();
    let mut saved = modified(&source);
    let mut shown = String::new();
    while !interrupt::pending() && matches!(enter.try_recv(), Err(TryRecvError::Empty)) {
        match stage.program.next("the end of the demo") {
            Err(Error::Interrupted) => break,
            Err(error) => return Err(error),
            Ok(Some(Event::Answer(answer))) if answer.text != shown => {
                show(&answer, screen)?;
                shown = answer.text;
            }
            Ok(Some(Event::Answer(answer))) => {
                screen.progress(&format!("call {}: {}", answer.count, answer.text))?;
            }
            Ok(Some(Event::Taken(said) | Event::Refused(said))) => {
                screen.paragraph(Style::Faint, "  ", &format!("midair: {said}"))?;
            }
            Ok(Some(Event::Other) | None) => {}
        }
        let now = modified(&source);
        if now.is_some() && now != saved {
            saved = now;
            match rebuild(stage, screen) {
                Err(Error::Interrupted) => break,
                other => other?,
            }
        }
    }
    Ok(screen.line("")?)
}

fn rebuild(stage: &mut Stage, screen: &mut Screen) -> Result<(), Error> {
    // Some editors truncate first and write then.
    thread::sleep(SAVED);
    match stage.cargo.build(screen) {
        Ok(took) => screen.line(format!("  cargo build: {}", seconds(took)))?,
        Err(Error::Build { said, .. }) => {
            for line in said {
                screen.line(format!("  {line}"))?;
            }
        }
        Err(other) => return Err(other),
    }
    Ok(())
}

/// When the file was saved; nothing while an editor is replacing it.
fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Says when a line was entered, or standard input has ended.
fn enter() -> Receiver<()> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let _ = io::stdin().lock().read_line(&mut String::new());
        let _ = sender.send(());
    });
    receiver
}

/// How long an editor may take to write a small file.
const SAVED: Duration = Duration::from_millis(30);
