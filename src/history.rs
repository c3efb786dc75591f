//! The history: every generation of this process, what became of it, and which one runs.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::copies::Kept;
use crate::digest::Digest;
use crate::editions::Editions;
use crate::error::Error;

/// How many refusals are kept.
const KEPT: usize = 1024;

/// One entry of the history: a generation, or an attempt that became none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatchRecord {
    /// The number of the generation; of an attempt that was refused, that of the one that went on.
    pub generation: u64,
    /// The artifact; empty for generation 0.
    pub path: PathBuf,
    /// The digest of the artifact's bytes. `None` for generation 0, and where the file is gone
    /// and nobody asked before.
    pub digest: Option<Digest>,
    /// When it was committed or refused.
    pub time: SystemTime,
    /// The functions whose code differs from the generation before, by name.
    pub changed: Vec<String>,
    /// What became of it.
    pub outcome: PatchOutcome,
    /// Why, where it was refused or rolled back.
    pub reason: Option<String>,
}

/// What became of a generation, or of an attempt at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PatchOutcome {
    /// It runs.
    Active,
    /// It runs, and will be taken back unless somebody accepts it.
    Provisional,
    /// A later one runs.
    Superseded,
    /// It was taken back.
    RolledBack,
    /// It never ran.
    Refused,
}

impl fmt::Display for PatchOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Provisional => "provisional",
            Self::Superseded => "superseded",
            Self::RolledBack => "rolled back",
            Self::Refused => "refused",
        })
    }
}

impl fmt::Display for PatchRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generation, path, changed, outcome, reason, .. } = self;
        write!(f, "generation {generation}: {outcome}")?;
        if !path.as_os_str().is_empty() {
            write!(f, ", {}", path.display())?;
        }
        match changed.len() {
            0 => {}
            1..=5 => write!(f, ", changed {}", changed.join(", "))?,
            more => write!(f, ", changed {} and {} more", changed[..4].join(", "), more - 4)?,
        }
        reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))
    }
}

/// A generation as the runtime needs it.
#[derive(Debug)]
pub(crate) struct Generation {
    /// Its number.
    pub(crate) number: u64,
    /// Whose code each unit runs in it.
    pub(crate) editions: Editions,
    /// The generation that ran before it.
    pub(crate) parent: Option<u64>,
    /// The image that it brought.
    pub(crate) image: Option<usize>,
    /// The copy of its artifact.
    pub(crate) kept: Option<Kept>,
}

/// All generations.
#[derive(Clone, Debug)]
pub(crate) struct History {
    generations: Vec<Arc<Generation>>,
    entries: Vec<PatchRecord>,
    active: u64,
    /// The newest generation that was accepted and may be gone back to.
    accepted: u64,
}

impl Default for History {
    fn default() -> Self {
        let start = Generation {
            number: 0,
            editions: Editions::default(),
            parent: None,
            image: None,
            kept: None,
        };
        let entry = PatchRecord {
            generation: 0,
            path: PathBuf::new(),
            digest: None,
            time: SystemTime::now(),
            changed: Vec::new(),
            outcome: PatchOutcome::Active,
            reason: None,
        };
        Self { generations: vec![Arc::new(start)], entries: vec![entry], active: 0, accepted: 0 }
    }
}

impl History {
    /// The generation that runs.
    pub(crate) fn active(&self) -> &Arc<Generation> {
        self.generation(self.active).expect("what runs is in the history")
    }

    /// The generation to go back to when the one that runs is not accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// The generation of this number.
    pub(crate) fn generation(&self, number: u64) -> Option<&Arc<Generation>> {
        self.generations.iter().find(|generation| generation.number == number)
    }

    /// The generation that brought image `number`.
    pub(crate) fn of_image(&self, number: usize) -> Option<&Arc<Generation>> {
        self.generations.iter().find(|generation| generation.image == Some(number))
    }

    /// The number of the next generation.
    pub(crate) fn next_number(&self) -> u64 {
        self.generations.last().map_or(0, |last| last.number) + 1
    }

    /// All generations, oldest first.
    pub(crate) fn entries(&self) -> &[PatchRecord] {
        &self.entries
    }

    /// The history with `generation` running, which `entry` tells of.
    pub(crate) fn committed(&self, generation: Generation, entry: PatchRecord) -> Self {
        let mut next = self.clone();
        next.leave(PatchOutcome::Superseded, None);
        next.active = generation.number;
        if entry.outcome == PatchOutcome::Active {
            next.accepted = generation.number;
        }
        next.generations.push(Arc::new(generation));
        next.entries.push(entry);
        next
    }

    /// The history with generation `number` running again, for `reason`.
    pub(crate) fn rolled_back(&self, number: u64, reason: &str) -> Self {
        let mut next = self.clone();
        let forward = number > next.active;
        let outcome = if forward { PatchOutcome::Superseded } else { PatchOutcome::RolledBack };
        // Everything between is taken back with it.
        for entry in &mut next.entries {
            if number < entry.generation && entry.generation < next.active {
                entry.outcome = PatchOutcome::RolledBack;
            }
        }
        next.leave(outcome, Some(reason));
        next.active = number;
        next.accepted = number;
        next.set(number, PatchOutcome::Active, None);
        next
    }

    /// The history with generation `number` accepted, if it runs or what runs was built upon it.
    pub(crate) fn now_accepted(&self, number: u64) -> Self {
        let mut next = self.clone();
        if self.builds_on(self.active, number) && self.builds_on(number, self.accepted) {
            next.accepted = number;
        }
        if next.active == number {
            next.set(number, PatchOutcome::Active, None);
        }
        next
    }

    /// Why generation `number` was taken back, if it was.
    pub(crate) fn taken_back(&self, number: u64) -> Option<String> {
        let entry = self.entries.iter().find(|entry| entry.generation == number)?;
        let taken_back = entry.outcome == PatchOutcome::RolledBack;
        taken_back.then(|| entry.reason.clone().unwrap_or_else(|| "with a later one".to_owned()))
    }

    /// Whether generation `number` is `base`, or came after it and all between.
    fn builds_on(&self, number: u64, base: u64) -> bool {
        let parent = |number: &u64| self.generation(*number)?.parent;
        std::iter::successors(Some(number), parent).any(|number| number == base)
    }

    fn leave(&mut self, outcome: PatchOutcome, reason: Option<&str>) {
        self.set(self.active, outcome, reason);
    }

    fn set(&mut self, number: u64, outcome: PatchOutcome, reason: Option<&str>) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.generation == number) {
            entry.outcome = outcome;
            entry.reason = reason.map(str::to_owned);
        }
    }
}

impl PatchRecord {
    /// An attempt at `path` that was refused for `reason` while `generation` ran.
    pub(crate) fn refused(generation: u64, path: PathBuf, reason: String) -> Self {
        Self {
            generation,
            path,
            digest: None,
            time: SystemTime::now(),
            changed: Vec::new(),
            outcome: PatchOutcome::Refused,
            reason: Some(reason),
        }
    }
}

/// Where a rollback leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// To the generation of this number.
    Number(u64),
    /// To the one that ran before the one that runs.
    Before,
    /// To the one that was accepted last.
    Accepted,
    /// To the one that was accepted last, if the one of this number runs; else nowhere.
    InsteadOf(u64),
}

impl Goal {
    /// The number of the generation, in a process with this `history`.
    ///
    /// # Errors
    /// [`Error::NoGeneration`] when none ran before.
    pub(crate) fn within(self, history: &History) -> Result<u64, Error> {
        match self {
            Self::Number(number) => Ok(number),
            // Generation 0 has none before it.
            Self::Before => history.active().parent.ok_or(Error::NoGeneration { number: 0 }),
            Self::InsteadOf(number) if number != history.active => Ok(history.active),
            Self::Accepted | Self::InsteadOf(_) => Ok(history.accepted()),
        }
    }
}

/// The newest attempts that were refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(VecDeque<PatchRecord>);

impl Refusals {
    /// Adds one, and forgets the oldest where there are too many.
    pub(crate) fn push(&mut self, record: PatchRecord) {
        self.0.push_back(record);
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// All of them, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &PatchRecord> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::{Generation, History, PatchOutcome, PatchRecord, Refusals};
    use crate::editions::Editions;
    use std::path::PathBuf;
    use std::time::SystemTime;

    fn committed(history: &History, outcome: PatchOutcome) -> History {
        let number = history.next_number();
        let generation = Generation {
            number,
            editions: Editions::default().with([0], number as usize),
            parent: Some(history.active().number),
            image: Some(number as usize),
            kept: None,
        };
        let entry = PatchRecord {
            generation: number,
            path: "lib.so".into(),
            digest: None,
            time: SystemTime::now(),
            changed: vec!["game::update".into()],
            outcome,
            reason: None,
        };
        history.committed(generation, entry)
    }

    fn outcomes(history: &History) -> Vec<(u64, PatchOutcome)> {
        history.entries().iter().map(|entry| (entry.generation, entry.outcome)).collect()
    }

    #[test]
    fn one_generation_runs_whatever_happens() {
        use PatchOutcome::{Active, RolledBack, Superseded};
        let mut history = History::default();
        for _ in 0..3 {
            history = committed(&history, Active);
        }
        assert_eq!(history.active().number, 3);
        let back = history.rolled_back(1, "told to");
        assert_eq!(
            outcomes(&back),
            [(0, Superseded), (1, Active), (2, RolledBack), (3, RolledBack)]
        );
        assert_eq!(back.entries()[3].reason.as_deref(), Some("told to"));
        let on = committed(&back, Active);
        assert_eq!((on.active().number, on.active().parent), (4, Some(1)));
    }

    #[test]
    fn what_was_not_accepted_is_not_gone_back_to() {
        let history = committed(&History::default(), PatchOutcome::Provisional);
        assert_eq!(history.accepted(), 0);
        assert_eq!(history.now_accepted(1).accepted(), 1);
        let later = committed(&history, PatchOutcome::Provisional);
        assert_eq!(later.accepted(), 0);
        assert_eq!(later.now_accepted(1).accepted(), 1, "what runs was built upon it");
        assert_eq!(later.now_accepted(2).now_accepted(1).accepted(), 2);
        let back = later.rolled_back(0, "told to");
        assert_eq!(back.now_accepted(1).accepted(), 0, "it does not run any more");
        assert_eq!(back.taken_back(1).as_deref(), Some("with a later one"));
        assert_eq!(back.taken_back(2).as_deref(), Some("told to"));
    }

    #[test]
    fn the_oldest_refusals_are_forgotten() {
        let mut refusals = Refusals::default();
        for number in 0..super::KEPT as u64 + 10 {
            refusals.push(PatchRecord::refused(number, PathBuf::new(), String::new()));
        }
        assert_eq!(refusals.iter().count(), super::KEPT);
        assert_eq!(refusals.iter().next().unwrap().generation, 10);
    }
}
