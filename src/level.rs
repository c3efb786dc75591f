//! The levels of consistency that a patch may ask for.

use std::time::Duration;

/// What other threads may see while a patch becomes visible.
///
/// | level | calls outside of scopes | calls in a [`scope`](crate::scope()) | the patch |
/// |---|---|---|---|
/// | `Immediate` | a call that began in old code ends there; each later call runs new code | run the generation that was current when the scope was entered | is visible at once |
/// | `Scoped` | all functions change at one instant | the same | is visible at once; whoever asked for it waits, for up to ten seconds, until the last old scope has ended |
/// | `Quiescent` | all functions change at one instant | the same | becomes visible when no scope is left; new ones wait meanwhile |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// The patch does not wait for anybody.
    #[default]
    Immediate,
    /// The patch counts as done when nobody is left in a scope of the old generation; it is
    /// visible long before. After ten seconds, or where the caller itself is in such a scope,
    /// [`Report::drained`](crate::Report::drained) says that somebody still is.
    Scoped,
    /// No scope of the old generation exists when the new one becomes visible.
    Quiescent {
        /// How long scopes may take to end, and new ones are held up; then the patch is refused.
        deadline: Duration,
    },
}
