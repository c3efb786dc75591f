//! What most programs need: `use midair::prelude::*;`.

pub use crate::{
    Error, Missing, Outcome, Report, Require, Runtime, Watch, hotpatch, is_hotpatched,
};
