//! The command line, and what it asks for.

use clap::{Parser, Subcommand, ValueEnum};

use crate::error::Error;
use crate::table::{Form, Table};
use crate::{calls, commit, reload, scopes};

#[derive(Parser)]
#[command(name = "midair-bench", about = "The figures of midair, as ratios to a peer")]
struct Args {
    #[command(subcommand)]
    bench: Bench,
    /// Prints one JSON object instead of a table.
    #[arg(long, global = true)]
    json: bool,
    /// A tenth of the samples: shows that the bench works, not what midair costs.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand)]
enum Bench {
    /// What a call of a hot function costs.
    Calls,
    /// What the check before loading takes.
    Check,
    /// How long it takes to make a patch visible.
    Commit,
    /// What a reload costs: time, stalls, memory.
    Reload {
        /// Adds four threads that call while 500 rebuilt libraries come in.
        #[arg(long)]
        storm: bool,
        /// Measures this part only; may be given several times.
        #[arg(long, value_enum)]
        part: Vec<Part>,
    },
    /// What scopes cost.
    Scopes,
}

/// A part of `reload`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// File complete to first new call.
    Latency,
    /// The longest stall of a caller.
    Stall,
    /// Memory, descriptors and threads.
    Memory,
    /// Four callers, 500 rebuilt libraries.
    Storm,
    /// The peers' time to the first new call; needs the feature `peers`.
    Peers,
}

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Enough for the figures that the project promises.
    Full,
    /// Enough to see that the bench works.
    Quick,
}

impl Effort {
    /// `full`, or a tenth of it.
    pub(crate) fn of(self, full: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Quick => (full / 10).max(2),
        }
    }
}

/// What is to be measured, and how it is to be shown.
pub(crate) struct Config {
    pub(crate) form: Form,
    effort: Effort,
    bench: Wanted,
}

enum Wanted {
    Calls,
    Check,
    Commit,
    Reload(Vec<Part>),
    Scopes,
}

impl Config {
    /// Measures.
    pub(crate) fn run(&self) -> Result<Table, Error> {
        match &self.bench {
            Wanted::Calls => calls::run(self.effort),
            Wanted::Check => reload::check::run(self.effort),
            Wanted::Commit => commit::run(self.effort),
            Wanted::Reload(parts) => reload::run(parts, self.effort),
            Wanted::Scopes => scopes::run(self.effort),
        }
    }
}

/// Reads the command line, and ends the process where it makes no sense.
pub(crate) fn parse() -> Config {
    let args = Args::parse();
    let bench = match args.bench {
        Bench::Calls => Wanted::Calls,
        Bench::Check => Wanted::Check,
        Bench::Commit => Wanted::Commit,
        Bench::Scopes => Wanted::Scopes,
        Bench::Reload { storm, part } => Wanted::Reload(parts(storm, part)),
    };
    Config {
        form: if args.json { Form::Json } else { Form::Text },
        effort: if args.quick { Effort::Quick } else { Effort::Full },
        bench,
    }
}

fn parts(storm: bool, mut parts: Vec<Part>) -> Vec<Part> {
    if parts.is_empty() {
        parts = vec![Part::Latency, Part::Stall, Part::Memory];
        if cfg!(feature = "peers") {
            parts.push(Part::Peers);
        }
    }
    if storm && !parts.contains(&Part::Storm) {
        parts.push(Part::Storm);
    }
    parts
}
