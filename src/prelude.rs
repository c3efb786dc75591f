//! What most programs need: `use midair::prelude::*;`.

pub use crate::{
    Error, Level, Missing, Outcome, Report, Require, Runtime, Scope, Watch, hotpatch, is_hotpatched,
};
