//! What most programs need: `use midair::prelude::*;`.

pub use crate::{Error, Missing, Outcome, Report, Runtime, Watch, hotpatch, is_hotpatched};
