//! Scopes: stretches of work that see one epoch, and how a writer knows which epochs are seen.
//!
//! An *epoch* is the time between two flips of the [`Clock`]. A thread *pins* the epoch in which
//! it enters its outermost scope; a transition is over when no older epoch is pinned any more.

mod clock;
mod pin;
#[cfg(not(loom))]
mod thread;

pub use clock::{Clock, Epoch, Gate, Word};
pub use pin::{Closed, OwnedPin, Pin, Pinned, Pins};
#[cfg(not(loom))]
pub use thread::{
    Before, Here, PINS, checkpoint, decided, depth, enter, leave, pinned, step_into, step_out,
};
