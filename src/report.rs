//! What a patch did, function by function.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// A patch that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The number of the patch; 0 is the code that the program started with.
    pub generation: u64,
    /// The artifact that it was loaded from.
    pub path: PathBuf,
    /// Every function of the artifact, and those of the program that it lacks, by name.
    pub functions: Vec<FunctionReport>,
    /// How long each part took.
    pub timings: Timings,
    /// The artifact is the very file that runs already: nothing was done.
    pub repeated: bool,
    /// Nobody is left in a scope of an older generation.
    pub drained: bool,
}

/// What happened to one function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionReport {
    /// `module::path::name`, with the type for methods.
    pub name: String,
    /// What was done.
    pub outcome: Outcome,
    /// How far its types were compared.
    pub checked: Depth,
    /// Whether the tokens of its body differ from those of the code that ran before.
    pub body_changed: bool,
}

/// What was done with a function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Every caller now reaches the new code.
    Retargeted,
    /// The program did not have it before; the new code may call it.
    New,
    /// The artifact lacks it; its old code goes on, as the policy allows.
    Missing,
    /// It cannot be exchanged, and so the whole patch was refused.
    Refused(Mismatch),
}

/// How far the types of a function were compared, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Depth {
    /// The text of the signature; size and alignment of each type in it and of what it leads to.
    Shallow,
    /// Every type that can be reached, field by field, as `#[derive(Layout)]` describes it on both
    /// sides.
    Derive,
    /// Every type that can be reached, field by field, as both sides' debug info describes it.
    DebugInfo,
}

/// Why a function cannot be exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// Its signature differs.
    Signature {
        /// The running program's.
        old: String,
        /// The artifact's.
        new: String,
    },
    /// A type in its signature has another size or alignment.
    Layout {
        /// 0 for the return type, n for the n-th argument.
        place: u32,
        /// The type, as the signature names it.
        ty: String,
        /// Size and alignment in the running program.
        old: String,
        /// Size and alignment in the artifact.
        new: String,
    },
    /// A type that can be reached from its signature differs.
    Type {
        /// The type, by its own name and its path.
        ty: String,
        /// What differs in it.
        details: String,
        /// How it is reached from the signature.
        way: String,
    },
    /// Its types could not be compared field by field, and the policy requires it.
    Shallow {
        /// Why they could not.
        reason: String,
    },
    /// It is a persistent static whose value cannot be handed over.
    State {
        /// What differs.
        details: String,
    },
    /// The program calls it, and the artifact lacks it.
    Missing,
    /// Two functions bear its name.
    Ambiguous,
}

/// How long each part of a patch took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// Reading the file into memory.
    pub read: Duration,
    /// Everything that is checked before loading.
    pub check: Duration,
    /// Writing the private copy and loading it.
    pub load: Duration,
    /// The stores.
    pub commit: Duration,
}

impl Report {
    /// A report of nothing.
    pub(crate) fn nothing() -> Self {
        Self {
            generation: 0,
            path: PathBuf::new(),
            functions: Vec::new(),
            timings: Timings::default(),
            repeated: false,
            drained: true,
        }
    }

    /// The number of functions whose callers were sent to new code.
    #[must_use]
    pub fn retargeted(&self) -> usize {
        self.functions.iter().filter(|function| function.outcome == Outcome::Retargeted).count()
    }

    /// The function called `name`, in full or by its last segments.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionReport> {
        let by_end = |function: &&FunctionReport| {
            function.name.strip_suffix(name).is_some_and(|rest| rest.ends_with("::"))
        };
        let mut functions = self.functions.iter();
        let exact = functions.clone().find(|function| function.name == name);
        exact.or_else(|| functions.find(by_end))
    }
}

impl Timings {
    /// All parts together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.read + self.check + self.load + self.commit
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.repeated {
            let Self { generation, path, .. } = self;
            return write!(f, "nothing to do: patch {generation} is {} as it is", path.display());
        }
        let count = |wanted: &Outcome| {
            self.functions.iter().filter(|function| function.outcome == *wanted).count()
        };
        let changed: Vec<_> = self
            .functions
            .iter()
            .filter(|function| function.body_changed && function.outcome == Outcome::Retargeted)
            .map(|function| function.name.as_str())
            .collect();
        write!(f, "patch {}: ", self.generation)?;
        match &changed[..] {
            [] => f.write_str("no hot function changed itself, only what they call or hold")?,
            names if names.len() <= NAMED => write!(f, "{} changed", names.join(", "))?,
            names => {
                let more = names.len() - NAMED;
                write!(f, "{} and {more} more changed", names[..NAMED].join(", "))?;
            }
        }
        write!(f, "; {} from this library", functions(self.retargeted(), "now runs", "now run"))?;
        for (outcome, what) in
            [(Outcome::New, "new"), (Outcome::Missing, "gone, its old code stays")]
        {
            let mut names = self.functions.iter().filter(|function| function.outcome == outcome);
            match count(&outcome) {
                0 => {}
                1 => {
                    let name = names.next().map_or("", |function| function.name.as_str());
                    write!(f, "; {name} is {what}")?;
                }
                many => write!(f, "; {many} are {what}")?,
            }
        }
        if !self.drained {
            f.write_str("; scopes that were entered before go on with the old code")?;
        }
        write!(f, " ({}): {}", self.timings, self.path.display())
    }
}

/// How many functions are named in a line.
const NAMED: usize = 3;

fn functions(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 function {one}"),
        _ => format!("{count} functions {many}"),
    }
}

impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [read, check, load, commit] =
            [self.read, self.check, self.load, self.commit].map(|part| part.as_secs_f64() * 1e3);
        write!(f, "read {read:.1}, check {check:.1}, load {load:.1}, commit {commit:.1} ms")
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature { old, new } => {
                let (old, new) = (spaced(old), spaced(new));
                write!(f, "its signature is now `{new}`, callers were compiled for `{old}`")?;
                match (&old[differing(&old, &new)], &new[differing(&new, &old)]) {
                    ("", new) => write!(f, ": `{new}` came"),
                    (old, "") => write!(f, ": `{old}` went"),
                    (old, new) => write!(f, ": `{new}` where `{old}` was"),
                }
            }
            Self::Layout { place: 0, ty, old, new } => {
                write!(f, "the return type {ty} changed: {old} -> {new}")
            }
            Self::Layout { place, ty, old, new } => {
                write!(f, "the type {ty} of argument {place} changed: {old} -> {new}")
            }
            Self::Type { ty, details, way } => write!(f, "{ty}: {details}; reached through {way}"),
            Self::Shallow { reason } => {
                write!(f, "its types could not be compared field by field: {reason}")
            }
            Self::State { details } => {
                write!(f, "the program's value cannot be handed over: {details}")
            }
            Self::Missing => f.write_str("the artifact lacks it, and old code calls it"),
            Self::Ambiguous => f.write_str("two functions bear this name"),
        }
    }
}

/// Where the part of the text `one` stands that `other` does not share, in whole words.
#[must_use]
pub fn differing(one: &str, other: &str) -> Range<usize> {
    let len = |letters: &mut dyn Iterator<Item = (char, char)>| -> usize {
        letters.take_while(|(one, other)| one == other).map(|(letter, _)| letter.len_utf8()).sum()
    };
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let splits = |text: &str, at: usize| {
        let after = text[at..].chars().next().is_some_and(is_word);
        after && text[..at].chars().next_back().is_some_and(is_word)
    };
    let mut start = len(&mut one.chars().zip(other.chars()));
    while splits(one, start) || splits(other, start) {
        start -= one[..start].chars().next_back().map_or(start, char::len_utf8);
    }
    let (rest, rest_of_other) = (&one[start..], &other[start..]);
    let mut end = len(&mut rest.chars().rev().zip(rest_of_other.chars().rev()));
    while splits(rest, rest.len() - end) || splits(rest_of_other, rest_of_other.len() - end) {
        end -= rest[rest.len() - end..].chars().next().map_or(end, char::len_utf8);
    }
    start..one.len() - end
}

/// A normalised signature with the spaces that people write.
pub(crate) fn spaced(signature: &str) -> String {
    signature.replace(',', ", ").replace("->", " -> ")
}

#[cfg(test)]
mod tests {
    use super::{Depth, FunctionReport, Mismatch, Outcome, Report, Timings, differing};

    fn function(name: &str, outcome: Outcome) -> FunctionReport {
        FunctionReport { name: name.into(), outcome, checked: Depth::Shallow, body_changed: true }
    }

    #[test]
    fn a_report_reads_as_one_line() {
        let report = Report {
            generation: 3,
            path: "/tmp/libgame.so".into(),
            functions: vec![
                function("game::update", Outcome::Retargeted),
                function("game::draw", Outcome::New),
            ],
            timings: Timings::default(),
            repeated: false,
            drained: true,
        };
        assert_eq!(
            report.to_string(),
            "patch 3: game::update changed; 1 function now runs from this library; game::draw is \
             new (read 0.0, check 0.0, load 0.0, commit 0.0 ms): /tmp/libgame.so"
        );
        assert_eq!(report.function("update").map(|f| f.name.as_str()), Some("game::update"));
        assert_eq!(report.function("date"), None);
    }

    #[test]
    fn a_mismatch_shows_both_sides() {
        let mismatch =
            Mismatch::Signature { old: "fn(u32)->u32".into(), new: "fn(u64)->u32".into() };
        let text = mismatch.to_string();
        assert!(text.contains("fn(u32) -> u32") && text.contains("fn(u64) -> u32"), "{text}");
        assert!(text.ends_with(": `u64` where `u32` was"), "{text}");
    }

    #[test]
    fn the_part_that_differs_is_whole_words() {
        fn parts<'a>(one: &'a str, other: &'a str) -> (&'a str, &'a str) {
            (&one[differing(one, other)], &other[differing(other, one)])
        }
        assert_eq!(parts("fn(u64) -> u8", "fn(u32) -> u8"), ("u64", "u32"));
        assert_eq!(parts("fn(u8)", "fn(u8, u8)"), ("", ", u8"));
        assert_eq!(parts("fn(usize)", "fn(u8)"), ("usize", "u8"));
        assert_eq!(parts("fn()", "unsafe fn()"), ("", "unsafe "));
        assert_eq!(parts("fn(Größe) -> Maße", "fn(Grüße) -> Maße"), ("Größe", "Grüße"));
        assert_eq!(parts("fn(u8) -> u16", "fn(u16) -> u8"), ("u8) -> u16", "u16) -> u8"));
        assert_eq!(parts("same", "same"), ("", ""));
    }
}
