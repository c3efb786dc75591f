//! Hooks: functions of a generation that run when it is about to run, and when it is about to be
//! left.

mod context;
mod crossing;
mod outcome;
mod values;

pub use context::{HandOverError, HookContext, Why};
pub use outcome::{HookOutcome, run_hook};
pub(crate) use outcome::{caught, reason_of, sink_into};

pub(crate) use crossing::{Crossed, Crossing, End, Failed, within};
pub(crate) use values::Values;
