//! The demo that runs by itself. What it shows is what happened: anything else is an error.

use std::time::Duration;

use super::completed::completed;
use super::edit::{self, ARGUMENT, Edit, GREETING, NEW_ANSWER};
use super::program::{Answer, Event};
use super::project::{Project, SOURCE};
use super::{Stage, milliseconds, seconds, show};
use crate::error::Error;
use crate::screen::{Screen, Style};

/// What happened when the library changed.
struct Change {
    /// The last answer before it.
    before: Answer,
    /// The first answer of the new code.
    after: Answer,
    /// From the library's completion to that answer.
    delay: Duration,
}

/// Plays the whole demo.
pub(super) fn play(stage: &mut Stage, screen: &mut Screen) -> Result<(), Error> {
    screen.title(format!(
        "The program runs (process {}) and calls the library once a millisecond.",
        stage.program.id()
    ))?;
    let first = next_answer(stage)?;
    show(&first, screen)?;
    let change = good_change(stage, first, screen)?;
    bad_change(stage, change.after.count, screen)?;
    sum_up(stage.program.id(), &change, screen)
}

fn good_change(stage: &mut Stage, first: Answer, screen: &mut Screen) -> Result<Change, Error> {
    screen.title(format!("A function of the library changes ({}):", Project::source_file()))?;
    rebuild(stage, GREETING, SOURCE, screen)?;
    let mut before = first;
    let mut after = None;
    let mut hear = |answer: Answer| match answer.text == NEW_ANSWER {
        true => after = after.take().or(Some(answer)),
        false => before = answer,
    };
    let taken = stage.program.until("midair's word on the change", |event| match event {
        Event::Answer(answer) => {
            hear(answer);
            None
        }
        Event::Taken(report) => Some(Some(report)),
        Event::Refused(_) => Some(None),
        Event::Other => None,
    })?;
    let said = || stage.program.said();
    let report = taken.ok_or_else(|| Error::Refused { said: said() })?;
    let after = match after {
        Some(after) => after,
        None => next_answer_that(stage, "an answer of the new code", |answer| {
            answer.text == NEW_ANSWER
        })?,
    };
    if after.count <= before.count {
        let (before, after) = (before.count, after.count);
        return Err(Error::StateLost { before, after, said: stage.program.said() });
    }
    let complete = completed(&stage.library)
        .map_err(|source| Error::File { path: stage.library.clone(), source })?;
    let delay = after.at.duration_since(complete).unwrap_or_default();
    screen.title(format!(
        "The same process runs the new code, {} after the library was complete:",
        milliseconds(delay)
    ))?;
    show(&before, screen)?;
    show(&after, screen)?;
    screen.line("")?;
    midair_says(&report, screen)?;
    Ok(Change { before, after, delay })
}

fn bad_change(stage: &mut Stage, so_far: u64, screen: &mut Screen) -> Result<(), Error> {
    screen.title("A change that cannot be taken: a function gets one more argument.")?;
    let source = GREETING.apply(SOURCE);
    rebuild(stage, ARGUMENT, &source, screen)?;
    let mut last = so_far;
    let refused = stage.program.until("midair's refusal of the change", |event| match event {
        Event::Answer(answer) => {
            last = answer.count;
            None
        }
        Event::Refused(reason) => Some(Some(reason)),
        Event::Taken(_) => Some(None),
        Event::Other => None,
    })?;
    let reason = refused.ok_or_else(|| Error::Taken { said: stage.program.said() })?;
    screen.title("midair refuses it before any of it is loaded, and says why:")?;
    midair_says(&reason, screen)?;
    let answer = next_answer_that(stage, "an answer after the refusal", |answer| {
        answer.count > last + STILL_ALIVE
    })?;
    if answer.text != NEW_ANSWER {
        return Err(Error::Taken { said: stage.program.said() });
    }
    screen.title("The program goes on with the code it had:")?;
    show(&answer, screen)?;
    // Whoever keeps the project gets one that fits the program.
    stage.project.write_source(&source)
}

fn sum_up(process: u32, change: &Change, screen: &mut Screen) -> Result<(), Error> {
    screen.title(format!("What you saw, in process {process}, which was never restarted:"))?;
    let rows = [
        ("new code", format!("{} after its library was complete", milliseconds(change.delay))),
        ("state", format!("kept: call {}, then call {}", change.before.count, change.after.count)),
        ("bad change", "refused with its reason; the program was not touched".to_owned()),
    ];
    for (name, what) in rows {
        screen.line(format!("  {name:<12}{what}"))?;
    }
    Ok(screen.line("")?)
}

/// Makes the change, shows it, and rebuilds.
fn rebuild(stage: &mut Stage, edit: Edit, source: &str, screen: &mut Screen) -> Result<(), Error> {
    let changed = edit.apply(source);
    edit::show(source, &changed, screen)?;
    stage.project.write_source(&changed)?;
    let took = stage.cargo.build(screen)?;
    screen.line(format!("  cargo build: {}", seconds(took)))?;
    Ok(())
}

fn midair_says(text: &str, screen: &mut Screen) -> Result<(), Error> {
    Ok(screen.paragraph(Style::Faint, "  ", &format!("midair: {text}"))?)
}

fn next_answer(stage: &mut Stage) -> Result<Answer, Error> {
    next_answer_that(stage, "an answer of the program", |_| true)
}

fn next_answer_that(
    stage: &mut Stage,
    awaited: &'static str,
    wanted: impl Fn(&Answer) -> bool,
) -> Result<Answer, Error> {
    stage.program.until(awaited, |event| match event {
        Event::Answer(answer) => Some(answer).filter(&wanted),
        _ => None,
    })
}

/// How many calls after a refusal show that the program goes on.
const STILL_ALIVE: u64 = 100;
