//! `midair check`: would a program that runs one library take another?

use std::path::{Path, PathBuf};

use midair::inspect::{Comparison, Library, Verdict, compare, differing};
use midair::{Depth, FunctionReport, Mismatch, Missing, Outcome, Require, reasons};

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
    pub(crate) missing: Missing,
    pub(crate) require: Require,
    pub(crate) output: Output,
}

/// Compares the two, and says by its exit code what it comes to.
pub(crate) fn run(options: &Options, screen: &mut Screen) -> Result<Exit, Error> {
    let old = Library::open(&options.old).map_err(Error::Library)?;
    let new = Library::open(&options.new).map_err(Error::Candidate)?;
    let comparison = compare(&old, &new, options.missing, options.require);
    match options.output {
        Output::Json => screen.line(json(options, &comparison).to_string())?,
        Output::Text => text(&options.new, &comparison, screen)?,
    }
    Ok(match comparison.verdict() {
        Verdict::Identical => Exit::Nothing,
        Verdict::Acceptable => Exit::Success,
        _ => Exit::Refused,
    })
}

fn text(new: &Path, comparison: &Comparison, screen: &mut Screen) -> Result<(), Error> {
    for rule in &comparison.rules {
        screen.marked(
            Style::Old,
            "refused",
            &format!("{} was {}, is {}", rule.rule, rule.old, rule.new),
        )?;
    }
    if comparison.is_foreign() {
        screen.marked(Style::Old, "refused", "the two have no hot function in common")?;
    }
    for report in &comparison.functions {
        let (status, style) = status(report);
        screen.marked(style, status, &report.name)?;
        if let Outcome::Refused(Mismatch::Signature { old, new }) = &report.outcome {
            signatures(old, new, screen)?;
        }
    }
    explanations(comparison, screen)?;
    screen.line("")?;
    screen.plain(&summary(new, comparison))?;
    Ok(())
}

/// Tells each reason once, however many functions it is a reason for.
fn explanations(comparison: &Comparison, screen: &mut Screen) -> Result<(), Error> {
    let reasons = reasons(&comparison.functions);
    // A signature is shown where its function stands.
    let told = |mismatch: &Mismatch| matches!(mismatch, Mismatch::Signature { .. });
    for reason in reasons.iter().filter(|reason| !told(reason.mismatch)) {
        screen.line("")?;
        screen.paragraph(Style::Old, "  ", &reason.to_string())?;
    }
    Ok(())
}

/// Shows two signatures with the part that differs marked.
fn signatures(old: &str, new: &str, screen: &mut Screen) -> Result<(), Error> {
    let (old, new) = (spaced(old), spaced(new));
    for (style, label, one, other) in
        [(Style::Old, "was", &old, &new), (Style::New, "is", &new, &old)]
    {
        let part = differing(one, other);
        let before = format!("    {label:<5}{}", &one[..part.start]);
        let marked = &one[part.clone()];
        let pieces =
            [(Style::Faint, before.as_str()), (style, marked), (Style::Faint, &one[part.end..])];
        screen.pieces(&pieces)?;
        let marks = "^".repeat(marked.chars().count().max(1));
        let indent = " ".repeat(before.chars().count());
        screen.pieces(&[(style, &format!("{indent}{marks}"))])?;
    }
    Ok(())
}

/// A normalised signature with the spaces that people write.
fn spaced(signature: &str) -> String {
    signature.replace(',', ", ").replace("->", " -> ")
}

/// One word for what happened to a function, and how it looks.
fn status(report: &FunctionReport) -> (&'static str, Style) {
    match &report.outcome {
        Outcome::Retargeted if report.body_changed => ("body changed", Style::New),
        Outcome::Retargeted => ("same", Style::Faint),
        Outcome::New => ("new", Style::New),
        Outcome::Missing => ("gone", Style::Faint),
        Outcome::Refused(Mismatch::Signature { .. }) => ("signature changed", Style::Old),
        Outcome::Refused(Mismatch::Missing) => ("gone", Style::Old),
        Outcome::Refused(Mismatch::Ambiguous) => ("ambiguous", Style::Old),
        Outcome::Refused(Mismatch::Layout { .. } | Mismatch::Type { .. }) => {
            ("layout changed", Style::Old)
        }
        Outcome::Refused(_) => ("refused", Style::Old),
        _ => ("unknown", Style::Old),
    }
}

fn summary(new: &Path, comparison: &Comparison) -> String {
    let taken = |report: &&FunctionReport| report.outcome == Outcome::Retargeted;
    let taken = comparison.functions.iter().filter(taken);
    let (deep, shallow): (Vec<_>, Vec<_>) =
        taken.partition(|report| report.checked != Depth::Shallow);
    let (deep, shallow) = (deep.len(), shallow.len());
    let how = match (deep, shallow) {
        (_, 0) => "all types were compared field by field",
        (0, _) => "types were compared by size and alignment only",
        _ => "some types were compared by size and alignment only",
    };
    let new = new.display();
    let changed = comparison.functions.iter().any(|report| report.body_changed);
    match comparison.verdict() {
        Verdict::Identical => format!("{new} is the same, byte by byte, as far as it is loaded"),
        Verdict::Acceptable if changed => format!("{new} would be taken; {how}"),
        Verdict::Acceptable => format!(
            "{new} would be taken; {how}; no hot function changed itself, but other code or data \
             of the library did"
        ),
        _ => format!("{new} would be refused, and the old code would go on"),
    }
}

fn json(options: &Options, comparison: &Comparison) -> Json {
    let verdict = match comparison.verdict() {
        Verdict::Identical => "identical",
        Verdict::Acceptable => "acceptable",
        _ => "refused",
    };
    let rules = comparison.rules.iter().map(|rule| {
        Json::Object(vec![
            ("rule", rule.rule.to_string().into()),
            ("old", rule.old.as_str().into()),
            ("new", rule.new.as_str().into()),
        ])
    });
    Json::Object(vec![
        ("old", options.old.display().to_string().into()),
        ("new", options.new.display().to_string().into()),
        ("verdict", verdict.into()),
        ("foreign", comparison.is_foreign().into()),
        ("rules", Json::List(rules.collect())),
        ("functions", Json::List(comparison.functions.iter().map(function).collect())),
    ])
}

fn function(report: &FunctionReport) -> Json {
    let because = match &report.outcome {
        Outcome::Refused(mismatch) => Some(mismatch.to_string()),
        _ => None,
    };
    let depth = crate::inspect::word(report.checked);
    Json::Object(vec![
        ("name", report.name.as_str().into()),
        ("status", status(report).0.into()),
        ("refused", because.is_some().into()),
        ("because", because.into()),
        ("body_changed", report.body_changed.into()),
        ("depth", depth.into()),
    ])
}
