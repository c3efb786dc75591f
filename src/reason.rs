//! The reasons of a refusal, each told once, with every function that it is a reason for.

use std::fmt;

use midair_trampolines::text::crate_of;

use crate::report::{FunctionReport, Mismatch, Outcome};

/// One reason of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reason<'a> {
    /// What is the matter, as the first of the functions meets it.
    pub mismatch: &'a Mismatch,
    /// The functions that it is the reason for, in full.
    pub functions: Vec<&'a str>,
}

/// The reasons why any of `functions` was refused: a type that changed is one reason, however many
/// functions use it.
#[must_use]
pub fn reasons(functions: &[FunctionReport]) -> Vec<Reason<'_>> {
    let mut reasons: Vec<Reason<'_>> = Vec::new();
    for function in functions {
        let Outcome::Refused(mismatch) = &function.outcome else { continue };
        match reasons.iter_mut().find(|reason| is_same(reason.mismatch, mismatch)) {
            Some(reason) => reason.functions.push(&function.name),
            None => reasons.push(Reason { mismatch, functions: vec![&function.name] }),
        }
    }
    reasons
}

/// Whether two functions are refused for one reason, wherever in their signatures each meets it.
fn is_same(one: &Mismatch, other: &Mismatch) -> bool {
    use Mismatch::{Ambiguous, Layout, Missing, Shallow, Signature, State, Type};
    match (one, other) {
        (Type { ty: a, details: b, .. }, Type { ty: c, details: d, .. }) => (a, b) == (c, d),
        (Layout { ty: a, old: b, new: c, .. }, Layout { ty: d, old: e, new: f, .. }) => {
            (a, b, c) == (d, e, f)
        }
        (Signature { .. } | State { .. } | Ambiguous, _) => false,
        (Missing | Shallow { .. }, _) => one == other,
        _ => false,
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name] = &self.functions[..] else {
            return match self.mismatch {
                Mismatch::Type { .. } | Mismatch::Layout { .. } => {
                    write!(f, "{}; used by {}", self.mismatch, listed(&self.functions))
                }
                mismatch => write!(f, "{}: {mismatch}", listed(&self.functions)),
            };
        };
        write!(f, "{name}: {}", self.mismatch)
    }
}

/// The names without their crate: the first of them, and how many more there are.
fn listed(names: &[&str]) -> String {
    const NAMED: usize = 3;
    let inside = |name: &&str| {
        let own = name.strip_prefix(crate_of(name)).and_then(|rest| rest.strip_prefix("::"));
        format!("`{}`", own.unwrap_or(name))
    };
    // One more name says more than that there is one more.
    let shown = if names.len() <= NAMED + 1 { names.len() } else { NAMED };
    let mut shown: Vec<_> = names.iter().take(shown).map(inside).collect();
    let last = match names.len() - shown.len() {
        0 => shown.pop().unwrap_or_default(),
        more => format!("{more} more"),
    };
    if shown.is_empty() { last } else { format!("{} and {last}", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::{listed, reasons};
    use crate::report::{Depth, FunctionReport, Mismatch, Outcome};

    fn refused(name: &str, mismatch: Mismatch) -> FunctionReport {
        FunctionReport {
            name: name.into(),
            outcome: Outcome::Refused(mismatch),
            checked: Depth::DebugInfo,
            body_changed: false,
        }
    }

    fn ty(way: &str) -> Mismatch {
        let details = "field mana: u32 new at 4".into();
        Mismatch::Type { ty: "Player (game::Player)".into(), details, way: way.into() }
    }

    #[test]
    fn a_type_that_changed_is_told_once() {
        let functions = [
            refused("game::draw", ty("argument 1, &Player")),
            refused("game::gone", Mismatch::Missing),
            refused("game::menu::tick", ty("argument 2, &Player")),
        ];
        let reasons = reasons(&functions);
        let texts: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "Player (game::Player): field mana: u32 new at 4; reached through argument 1, \
                 &Player; used by `draw` and `menu::tick`",
                "game::gone: the artifact lacks it, and old code calls it"
            ]
        );
        assert_eq!(reasons[0].functions, ["game::draw", "game::menu::tick"]);
    }

    #[test]
    fn many_functions_are_counted() {
        let names = ["g::a", "g::b", "g::c", "g::d", "g::e"];
        assert_eq!(listed(&names), "`a`, `b`, `c` and 2 more");
        assert_eq!(listed(&names[..4]), "`a`, `b`, `c` and `d`");
        assert_eq!(listed(&names[..1]), "`a`");
    }
}
