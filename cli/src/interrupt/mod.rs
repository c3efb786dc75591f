//! Ctrl-C and requests to end, taken as a wish that is seen at the next convenient moment, so
//! that children are ended and files removed on the way out.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as platform;
#[cfg(not(unix))]
mod other;
#[cfg(not(unix))]
use other as platform;

/// Takes note of interruptions from now on.
pub(crate) fn listen() {
    platform::listen();
}

/// Whether this program was asked to end.
pub(crate) fn pending() -> bool {
    platform::pending()
}
