//! A patch step by step: each state of its life a type, each step a method that consumes it.
//!
//! | state | by | what can go wrong here | effect on the program |
//! |---|---|---|---|
//! | [`Artifact`] | one read of the file into memory, bounded; everything that the loader would follow, and all records, checked against each other | gone, still being written, too large; truncated, foreign, hostile; unknown records | none |
//! | [`Checked`] | compared with the program, function by function | another compiler, target or panic strategy; a signature or layout differs, a function is missing | none; other transactions wait |
//! | [`Trusted`] | the policy | what it forbids | none |
//! | [`Loaded`] | a private copy, loaded | no space, a missing dependency | its constructors have run |
//! | [`Prepared`] | hooks and the hand-over of state | a hook fails | undone |
//! | [`Provisional`] | stores only | [`Level::Quiescent`]: no moment without scopes | new calls run new code |
//! | accepted | [`Provisional::accept`] | | |
//!
//! [`reload`](crate::reload) is the one-line road through all of them. Nothing of a patch runs
//! before [`Loaded`]; everything that can fail comes before the first store. Whatever is dropped
//! on the way is undone, a [`Provisional`] as well: nobody accepted it.
//!
//! From [`Checked`] on, a transaction holds the runtime: another one waits ten seconds for its
//! turn, and a second one on the same thread is [`Error::Busy`] at once.
//!
//! # Examples
//! ```no_run
//! use midair::Level;
//! use midair::transaction::Artifact;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), midair::Error> {
//! let checked = Artifact::open("target/release/libservice.so")?.check()?;
//! println!("{}", checked.report());
//! let provisional = checked.trust()?.load()?.prepare()?.commit(Level::Scoped)?;
//! provisional.accept_within(Duration::from_secs(5), || {
//!     // Ask the service how it feels.
//!     Ok::<(), String>(())
//! })?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::Level;
use crate::connection::{Connection, connect};
use crate::desk::Move;
use crate::error::Error;
use crate::health::healthy;
use crate::notice;
use crate::questions::{Advance, Open};
use crate::report::Report;

/// A stage on the desk of the domain; it is given up when this is dropped.
struct Ticket {
    connection: Connection,
    number: u64,
}

impl Ticket {
    fn advance(&self, step: Move) -> Result<Report, Error> {
        self.connection.ask(Advance(self.number, step))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Err(error) = self.advance(Move::Drop) {
            notice::warn(format_args!("a patch could not be taken back: {}", error.explain()));
        }
    }
}

/// An artifact that was read and understood; nothing of it was run.
#[derive(Debug)]
#[must_use = "it is dropped unless it is taken further"]
pub struct Artifact(Stage);

/// An artifact that fits the running program.
#[derive(Debug)]
#[must_use = "it is dropped unless it is taken further"]
pub struct Checked(Stage);

/// An artifact that the policy lets through.
#[derive(Debug)]
#[must_use = "it is dropped unless it is taken further"]
pub struct Trusted(Stage);

/// A patch whose code is in the process; nobody calls it yet.
#[derive(Debug)]
#[must_use = "it is dropped unless it is taken further"]
pub struct Loaded(Stage);

/// A patch with nothing left to do that could fail.
#[derive(Debug)]
#[must_use = "it is undone unless it is committed"]
pub struct Prepared(Stage);

/// A patch that runs. It is taken back when this is dropped without being accepted.
#[derive(Debug)]
#[must_use = "it is taken back unless it is accepted"]
pub struct Provisional(Stage);

/// A ticket, and what its last step reported.
struct Stage {
    ticket: Ticket,
    report: Report,
}

impl Stage {
    fn advance(mut self, step: Move) -> Result<Self, Error> {
        self.report = self.ticket.advance(step)?;
        Ok(self)
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl Artifact {
    /// Reads the file at `path` whole, and checks that it is what it says.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::NotAFile`], [`Error::Changing`], [`Error::TooLarge`],
    /// [`Error::Artifact`], [`Error::Records`], [`Error::NoFunctions`]; and
    /// [`Error::Unsupported`] where patching does not work.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let connection = connect()?;
        let path = path.as_ref();
        let number = connection.ask(Open(path.to_owned()))?;
        let ticket = Ticket { connection, number };
        Ok(Self(Stage { ticket, report: Report { path: path.to_owned(), ..Report::nothing() } }))
    }

    /// Compares it with the running program.
    ///
    /// # Errors
    /// [`Error::Foreign`], [`Error::Identity`], [`Error::Refused`] with the verdict on each
    /// function; [`Error::Busy`] and [`Error::Draining`] when its turn does not come.
    pub fn check(self) -> Result<Checked, Error> {
        self.0.advance(Move::Check).map(Checked)
    }
}

impl Checked {
    /// What would be done, function by function.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// Decides whether it may be loaded.
    ///
    /// # Errors
    /// What the policy forbids.
    pub fn trust(self) -> Result<Trusted, Error> {
        self.0.advance(Move::Trust).map(Trusted)
    }
}

impl Trusted {
    /// Loads a private copy of it; its constructors run.
    ///
    /// # Errors
    /// [`Error::Copy`], [`Error::Load`], [`Error::Bound`], [`Error::Records`].
    pub fn load(self) -> Result<Loaded, Error> {
        self.0.advance(Move::Load).map(Loaded)
    }
}

impl Loaded {
    /// Runs its hooks and hands state over.
    ///
    /// # Errors
    /// What failed; everything that was done is undone.
    pub fn prepare(self) -> Result<Prepared, Error> {
        self.0.advance(Move::Prepare).map(Prepared)
    }
}

impl Prepared {
    /// Makes its code visible.
    ///
    /// # Errors
    /// [`Error::NotQuiescent`]; everything that was done is undone.
    pub fn commit(self, level: Level) -> Result<Provisional, Error> {
        self.0.advance(Move::Commit(level)).map(Provisional)
    }
}

impl Provisional {
    /// What was done, function by function.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// Keeps it.
    ///
    /// # Errors
    /// [`Error::Unhealthy`] when somebody else took it back before.
    pub fn accept(self) -> Result<Report, Error> {
        self.0.ticket.advance(Move::Accept)
    }

    /// Takes it back: the generation that was accepted last runs again.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Draining`].
    pub fn roll_back(self, reason: &str) -> Result<(), Error> {
        self.0.ticket.advance(Move::RollBack(reason.to_owned())).map(|_| ())
    }

    /// Keeps it if `health_check` finds nothing wrong for as long as `duration`; it is asked at
    /// once, again and again meanwhile, and once more at the end.
    ///
    /// # Errors
    /// [`Error::Unhealthy`] with what the check said first, or with its panic: the patch was taken
    /// back then.
    pub fn accept_within<E: fmt::Display>(
        self,
        duration: Duration,
        mut health_check: impl FnMut() -> Result<(), E>,
    ) -> Result<Report, Error> {
        match healthy(duration, || health_check().map_err(|error| error.to_string())) {
            Ok(()) => self.accept(),
            Err(reason) => {
                let generation = self.0.report.generation;
                self.roll_back(&reason)?;
                Err(Error::Unhealthy { generation, reason })
            }
        }
    }
}
