//! What the program has asked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::health::Health;
use crate::{Level, Missing, Require};

/// What the program has asked for.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) missing: Missing,
    pub(crate) require: Require,
    pub(crate) level: Level,
    /// What decides whether a patch is kept, and for how long it is asked.
    pub(crate) health: Option<(Duration, Arc<dyn Health>)>,
    pub(crate) copies: Option<PathBuf>,
    /// How long a hook, or a migration, may take.
    pub(crate) hook_deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            missing: Missing::default(),
            require: Require::default(),
            level: Level::default(),
            health: None,
            copies: None,
            hook_deadline: Duration::from_secs(5),
        }
    }
}
