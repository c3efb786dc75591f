//! A change to the library's source, and how it is shown.

use std::io;

use crate::screen::{Screen, Style};

/// A change: each piece of text that goes, and what comes in its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit(&'static [(&'static str, &'static str)]);

/// Another text in the body of one function.
pub(super) const GREETING: Edit =
    Edit(&[("Hello from the old code.", "Hello from the new code, without a restart.")]);

/// What the library answers after [`GREETING`].
pub(super) const NEW_ANSWER: &str = "Hello from the new code, without a restart.";

/// One more argument, which the callers that run do not pass.
pub(super) const ARGUMENT: Edit = Edit(&[
    ("fn advance(&mut self) {", "fn advance(&mut self, by: u64) {"),
    ("self.count += 1;", "self.count += by;"),
    ("state.advance();", "state.advance(10);"),
]);

impl Edit {
    /// `source` with the change made.
    ///
    /// # Panics
    /// When `source` is not the demo's own.
    pub(super) fn apply(self, source: &str) -> String {
        self.0.iter().fold(source.to_owned(), |source, (old, new)| {
            assert_eq!(source.matches(old).count(), 1, "the demo's source has {old:?} once");
            source.replace(old, new)
        })
    }
}

/// Shows the lines that differ; the two sources have equally many.
pub(super) fn show(old: &str, new: &str, screen: &mut Screen) -> io::Result<()> {
    let lines: Vec<_> = old.lines().zip(new.lines()).collect();
    for changed in lines.split(|(old, new)| old == new).filter(|changed| !changed.is_empty()) {
        for (old, _) in changed {
            screen.styled(Style::Old, format!("  - {old}"))?;
        }
        for (_, new) in changed {
            screen.styled(Style::New, format!("  + {new}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ARGUMENT, GREETING, NEW_ANSWER};
    use crate::demo::project::SOURCE;

    #[test]
    fn the_edits_fit_the_source_one_after_the_other() {
        let first = GREETING.apply(SOURCE);
        assert!(first.contains(NEW_ANSWER));
        let second = ARGUMENT.apply(&first);
        assert_eq!(second.lines().count(), SOURCE.lines().count());
    }
}
