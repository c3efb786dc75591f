//! What an image may ask of the domain, be it its own or another's: questions as types, each with
//! the type of its answer.

use std::path::PathBuf;
use std::time::Duration;

use crate::connection::Connection;
use crate::desk::Move;
use crate::domain::{Domain, Settings};
use crate::error::{Error, ErrorKind};
use crate::history::PatchRecord;
use crate::report::Report;
use crate::table::Join;
use crate::transition::Progress;
use crate::wire::Wire;
use crate::{Level, Missing, Require};

/// Something to ask the domain.
pub(crate) trait Question: Wire {
    /// Which question it is, the same in all images.
    const NUMBER: u64;
    /// What comes back.
    type Answer: Wire;

    /// The answer of the domain that is asked.
    fn answered(self, domain: &'static Domain) -> Self::Answer;
}

impl Connection {
    /// Asks the domain, wherever it is.
    pub(crate) fn ask<Q: Question>(self, question: Q) -> Q::Answer {
        match self {
            Self::Own(domain) => question.answered(domain),
            Self::Remote(remote) => remote.ask(&question),
        }
    }
}

/// Calls `with` for the question of each number.
macro_rules! all {
    ($with:ident) => {
        $with! { Join, Wishes, Reload, Wait, History, UnderWay, RollBack, Open, Advance }
    };
}
pub(crate) use all;

/// Settings, as far as somebody wants them changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) missing: Option<Missing>,
    pub(crate) require: Option<Require>,
    pub(crate) level: Option<Level>,
    pub(crate) hook_deadline: Option<Duration>,
    pub(crate) copies: Option<PathBuf>,
}

/// Patch from a path.
pub(crate) struct Reload(pub(crate) PathBuf);

/// Wait for the next outcome.
pub(crate) struct Wait(pub(crate) Duration);

/// Every generation and attempt.
pub(crate) struct History;

/// The transition under way.
pub(crate) struct UnderWay;

/// Go back to a generation, or to the one before.
pub(crate) struct RollBack(pub(crate) Option<u64>);

/// Read an artifact, for a transaction step by step.
pub(crate) struct Open(pub(crate) PathBuf);

/// Take the stage of this number one step further.
pub(crate) struct Advance(pub(crate) u64, pub(crate) Move);

impl Question for Join {
    const NUMBER: u64 = 1;
    type Answer = ();

    fn answered(self, _domain: &'static Domain) {
        crate::start::join(self);
    }
}

impl Question for Wishes {
    const NUMBER: u64 = 2;
    type Answer = ();

    fn answered(self, domain: &'static Domain) {
        domain.configure(|settings: &mut Settings| {
            let wishes = self.clone();
            settings.missing = wishes.missing.unwrap_or(settings.missing);
            settings.require = wishes.require.unwrap_or(settings.require);
            settings.level = wishes.level.unwrap_or(settings.level);
            settings.hook_deadline = wishes.hook_deadline.unwrap_or(settings.hook_deadline);
            settings.copies = wishes.copies.or(settings.copies.take());
        });
    }
}

impl Question for Reload {
    const NUMBER: u64 = 3;
    type Answer = Result<Report, Error>;

    fn answered(self, domain: &'static Domain) -> Self::Answer {
        domain.reload(&self.0)
    }
}

impl Question for Wait {
    const NUMBER: u64 = 4;
    type Answer = Result<Report, Error>;

    fn answered(self, domain: &'static Domain) -> Self::Answer {
        domain.wait(self.0)
    }
}

impl Question for History {
    const NUMBER: u64 = 5;
    type Answer = Vec<PatchRecord>;

    fn answered(self, domain: &'static Domain) -> Self::Answer {
        domain.history()
    }
}

impl Question for UnderWay {
    const NUMBER: u64 = 6;
    type Answer = Option<Progress>;

    fn answered(self, domain: &'static Domain) -> Self::Answer {
        domain.progress()
    }
}

impl Question for RollBack {
    const NUMBER: u64 = 7;
    type Answer = Result<u64, Error>;

    fn answered(self, domain: &'static Domain) -> Self::Answer {
        domain.roll_back_to(self.0)
    }
}

impl Question for Open {
    const NUMBER: u64 = 8;
    type Answer = Result<u64, Error>;

    fn answered(self, domain: &'static Domain) -> Self::Answer {
        domain.desk().open(&self.0)
    }
}

impl Question for Advance {
    const NUMBER: u64 = 9;
    type Answer = Result<Report, Error>;

    fn answered(self, domain: &'static Domain) -> Self::Answer {
        domain.desk().advance(domain, self.0, self.1)
    }
}

impl Error {
    /// The error as it reaches another image: those that can be told whole come whole, of the
    /// others the kind, the words and the advice.
    pub(crate) fn crossed(kind: ErrorKind, message: String, hint: String) -> Self {
        match kind {
            ErrorKind::Busy => Self::Busy,
            kind => Self::Domain { kind, message, hint },
        }
    }
}
