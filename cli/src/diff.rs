//! `midair diff`: the machine code of one function in two editions, side by side.

use std::path::PathBuf;

use midair::inspect::{CodeDifference, Library, Line, Row, compare_code};

use crate::config::Output;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::Json;
use crate::screen::{Screen, Style};

/// What is to be compared, and how it is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) old: PathBuf,
    pub(crate) new: PathBuf,
    pub(crate) function: String,
    pub(crate) output: Output,
}

/// Shows the code of both, and says by its exit code whether it differs.
pub(crate) fn run(options: &Options, screen: &mut Screen) -> Result<Exit, Error> {
    let old = Library::open(&options.old).map_err(Error::Library)?;
    let new = Library::open(&options.new).map_err(Error::Library)?;
    let difference = compare_code(&old, &new, &options.function).map_err(Error::Code)?;
    match options.output {
        Output::Json => screen.line(json(&difference).to_string())?,
        Output::Text => text(&difference, screen)?,
    }
    Ok(if difference.changed() == 0 { Exit::Nothing } else { Exit::Success })
}

fn text(difference: &CodeDifference, screen: &mut Screen) -> Result<(), Error> {
    screen.styled(Style::Title, &difference.function)?;
    let lines = difference.rows.iter().filter_map(|row| row.old.as_ref());
    let width = lines.map(|line| shown(Some(line)).chars().count()).max().unwrap_or(0);
    let width = width.min(COLUMN);
    for row in &difference.rows {
        let (old, new) = (shown(row.old.as_ref()), shown(row.new.as_ref()));
        let styles =
            if row.changed { (Style::Old, Style::New) } else { (Style::Faint, Style::Faint) };
        let mark = mark(row);
        if old.chars().count() > width && row.new.is_some() {
            screen.pieces(&[(styles.0, &format!("{mark} {old}"))])?;
            let indent = " ".repeat(width);
            screen.pieces(&[(styles.1, &format!("{mark} {indent} {SEPARATOR} {new}"))])?;
        } else {
            let old = format!("{mark} {old:<width$}");
            let new = format!(" {SEPARATOR} {new}");
            let new = if row.new.is_some() { new } else { format!(" {SEPARATOR}") };
            screen.pieces(&[(styles.0, &old), (styles.1, &new)])?;
        }
    }
    screen.line("")?;
    screen.line(match difference.changed() {
        0 => "the code is the same, wherever it lies".to_owned(),
        1 => "1 row differs".to_owned(),
        count => format!("{count} rows differ"),
    })?;
    Ok(())
}

/// How a row changed.
fn mark(row: &Row) -> char {
    match (row.changed, &row.old, &row.new) {
        (false, ..) => ' ',
        (_, Some(_), Some(_)) => '|',
        (_, Some(_), None) => '<',
        _ => '>',
    }
}

fn shown(line: Option<&Line>) -> String {
    let Some(line) = line else { return String::new() };
    let label = line.label.map_or(String::new(), |label| format!("{label}:"));
    format!("{label:>4} {}", line.text)
}

fn json(difference: &CodeDifference) -> Json {
    let line = |line: &Line| {
        Json::Object(vec![
            ("offset", line.offset.into()),
            ("label", line.label.map(|label| label as u64).into()),
            ("text", line.text.as_str().into()),
        ])
    };
    let row = |row: &Row| {
        Json::Object(vec![
            ("changed", row.changed.into()),
            ("old", row.old.as_ref().map(line).into()),
            ("new", row.new.as_ref().map(line).into()),
        ])
    };
    Json::Object(vec![
        ("function", difference.function.as_str().into()),
        ("changed", (difference.changed() as u64).into()),
        ("rows", Json::List(difference.rows.iter().map(row).collect())),
    ])
}

/// The most that the old edition takes of the screen's width.
const COLUMN: usize = 64;

/// Stands between the two editions.
const SEPARATOR: char = '|';
