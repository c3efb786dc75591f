//! A difference between two types, in words.

use std::fmt;

use crate::report::Mismatch;

use super::names::{field, short};

/// What differs, where it is, and how it was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The type that differs, with its path.
    pub(crate) ty: String,
    /// The line that it is declared in, of the new edition where that is known.
    pub(crate) declared: Option<String>,
    /// What differs in it, one sentence each.
    pub(crate) details: Vec<String>,
    /// The way from the signature to it.
    pub(crate) way: Vec<Step>,
}

/// One step from a type to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The n-th argument, of this type.
    Argument { number: usize, ty: String },
    /// The result, of this type.
    Result { ty: String },
    /// The static, of this type.
    Static { ty: String },
    /// A field, of this type.
    Field { name: String, ty: String },
    /// A variant of an enum.
    Variant { name: String },
    /// A method of a trait.
    Method { name: String },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument { number, ty } => write!(f, "argument {number}, {}", short(ty)),
            Self::Result { ty } => write!(f, "the result, {}", short(ty)),
            Self::Static { ty } => write!(f, "the static, {}", short(ty)),
            Self::Field { name, ty } => write!(f, "{}: {}", field(name), short(ty)),
            Self::Variant { name } => write!(f, "{name}"),
            Self::Method { name } => write!(f, "method {name}"),
        }
    }
}

impl Difference {
    /// The type's own name, then its path where that says more, and where it is declared.
    pub(crate) fn title(&self) -> String {
        let short = short(&self.ty);
        let path = self.ty.split('<').next().unwrap_or_default().trim_start_matches("dyn ");
        let has_path = path.contains("::") && path.starts_with(char::is_alphabetic);
        let title = if has_path { format!("{short} ({path})") } else { short };
        match &self.declared {
            Some(line) => format!("{title}, declared at {line}"),
            None => title,
        }
    }

    /// It as the reason of a refusal.
    pub(crate) fn told(&self) -> Mismatch {
        Mismatch::Type { ty: self.title(), details: self.details.join("; "), way: self.way() }
    }

    /// The way from the signature to the type.
    pub(crate) fn way(&self) -> String {
        self.way.iter().map(Step::to_string).collect::<Vec<_>>().join(" -> ")
    }
}
