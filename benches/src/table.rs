//! The table that every bench prints: rows with a value, a unit, and a ratio to another row.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use tinyjson::JsonValue;

use crate::error::Error;

/// How the table is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    ratio: Option<(f64, String)>,
    limit: Option<Limit>,
}

/// What the figure may be at most.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Value(f64),
    Ratio(f64),
}

/// The figures of one bench, in the order in which they are to be read.
#[derive(Debug)]
pub(crate) struct Table {
    bench: &'static str,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Row {
    /// A figure that stands by itself.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, ratio: None, limit: None }
    }

    /// The same figure as a ratio to the row called `to`.
    pub(crate) fn ratio(mut self, ratio: f64, to: impl Into<String>) -> Self {
        self.ratio = Some((ratio, to.into()));
        self
    }

    /// The project promises that the value is at most `limit`.
    pub(crate) fn at_most(mut self, limit: f64) -> Self {
        self.limit = Some(Limit::Value(limit));
        self
    }

    /// The project promises that the ratio is at most `limit`.
    pub(crate) fn ratio_at_most(mut self, limit: f64) -> Self {
        self.limit = Some(Limit::Ratio(limit));
        self
    }

    /// What is promised, and whether it holds.
    fn verdict(&self) -> String {
        let (is, limit) = match (self.limit, &self.ratio) {
            (Some(Limit::Value(limit)), _) => (self.value, limit),
            (Some(Limit::Ratio(limit)), Some((ratio, _))) => (*ratio, limit),
            _ => return String::new(),
        };
        format!("{} {}", short(limit), if is <= limit { "kept" } else { "MISSED" })
    }
}

impl Table {
    /// An empty table of the bench called `bench`.
    pub(crate) fn new(bench: &'static str) -> Self {
        Self { bench, rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a row below the others.
    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds a remark, which goes to standard error.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints the rows on standard output and the remarks on standard error.
    pub(crate) fn print(&self, form: Form) -> Result<(), Error> {
        let text = match form {
            Form::Text => self.text(),
            Form::Json => self.json(),
        };
        for note in &self.notes {
            eprintln!("note: {note}");
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).map_err(|source| Error::Output { source })
    }

    fn json(&self) -> String {
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        format!("{{\"bench\": {}, \"rows\": [{}]}}\n", quoted(self.bench), rows.join(", "))
    }

    fn text(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(4);
        let mut text = format!(
            "{:width$}  {:>12} {:5}  {:>7}  {:20}  limit\n",
            self.bench, "value", "unit", "ratio", "to"
        );
        for row in &self.rows {
            let (ratio, to) = match &row.ratio {
                Some((ratio, to)) => (format!("{ratio:.3}"), to.as_str()),
                None => (String::new(), ""),
            };
            let (value, verdict) = (short(row.value), row.verdict());
            let line = format!(
                "{:width$}  {value:>12} {:5}  {ratio:>7}  {to:20}  {verdict}",
                row.name, row.unit
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

impl Row {
    fn json(&self) -> String {
        let (ratio, to) = match &self.ratio {
            Some((ratio, to)) => (number(*ratio), quoted(to)),
            None => ("null".to_owned(), "null".to_owned()),
        };
        format!(
            "{{\"name\": {}, \"value\": {}, \"unit\": {}, \"ratio\": {ratio}, \"to\": {to}}}",
            quoted(&self.name),
            number(self.value),
            quoted(self.unit)
        )
    }
}

/// JSON has no word for what is no number.
fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { "null".to_owned() }
}

fn quoted(text: &str) -> String {
    // Text alone always has a JSON form.
    JsonValue::String(text.to_owned()).stringify().unwrap_or_default()
}

/// Three places behind the point, and none for whole numbers.
fn short(value: f64) -> String {
    if value == value.trunc() { format!("{value:.0}") } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use super::{Row, Table};
    use std::collections::HashMap;
    use tinyjson::JsonValue;

    fn table() -> Table {
        let mut table = Table::new("calls");
        table.push(Row::new("fn pointer", 1.25, "ns"));
        table
            .push(Row::new("hot \"call\"", 1.5, "ns").ratio(1.2, "fn pointer").ratio_at_most(1.05));
        table.push(Row::new("lost", f64::NAN, ""));
        table
    }

    #[test]
    fn json_has_exactly_the_agreed_form() {
        let parsed: JsonValue = table().json().parse().expect("JSON");
        let object: &HashMap<String, JsonValue> = parsed.get().expect("an object");
        assert_eq!(object.len(), 2);
        assert_eq!(object["bench"], JsonValue::String("calls".to_owned()));
        let rows: &Vec<JsonValue> = object["rows"].get().expect("an array");
        let row: &HashMap<String, JsonValue> = rows[1].get().expect("an object");
        assert_eq!(row.len(), 5);
        assert_eq!(row["name"], JsonValue::String("hot \"call\"".to_owned()));
        assert_eq!(row["to"], JsonValue::String("fn pointer".to_owned()));
        assert_eq!(row["ratio"], JsonValue::Number(1.2));
        let alone: &HashMap<String, JsonValue> = rows[2].get().expect("an object");
        assert!(alone["ratio"].is_null() && alone["to"].is_null() && alone["value"].is_null());
    }

    #[test]
    fn text_says_what_was_promised() {
        let text = table().text();
        assert!(text.contains("1.050 MISSED"), "{text}");
        assert_eq!(text.lines().count(), 4);
    }
}
