//! Which runtime this image speaks to: its own, or that of the domain which it belongs to.

use midair_trampolines::identity::{Cells, Identity};
use midair_trampolines::os;
use midair_trampolines::record::{Kind, records};
use midair_trampolines::section::Section;

use crate::domain::Domain;
use crate::error::Error;
use crate::identity;
use crate::table::{self, Remote};

/// The runtime that answers for this image.
#[derive(Clone, Copy)]
pub(crate) enum Connection {
    /// This image founded the domain.
    Own(&'static Domain),
    /// Another one did.
    Remote(Remote),
}

/// Finds the domain of this process, or founds it.
///
/// A patch knows its domain from the seed that the loader wrote into it. Any other image looks at
/// the domain cells of all images, under the one lock that all of them share, and puts its own
/// table into its own cell when it is the first.
///
/// # Errors
/// [`Error::Unsupported`] where the images of a process cannot be found, [`Error::OtherMidair`].
pub(crate) fn connect() -> Result<Connection, Error> {
    let own = identity::cells();
    let seed = own.seed();
    if !seed.is_null() {
        // SAFETY: the domain's loader wrote the address of its own table there.
        return unsafe { Remote::of_same_version(seed) }
            .map(Connection::Remote)
            .ok_or(Error::OtherMidair);
    }
    if own.domain().is_null() {
        // What is published must stay, and so must the handlers that a domain registers.
        os::pin_code(connect as *const ());
        os::rendezvous(|| own.join(domain_of_process().unwrap_or(table::own().cast())))?;
    }
    let domain = own.domain();
    if domain == table::own().cast() {
        return Ok(Connection::Own(Domain::own()));
    }
    // SAFETY: found in the cell of an image of this process, where only `join` writes.
    unsafe { Remote::of_same_version(domain) }.map(Connection::Remote).ok_or(Error::OtherMidair)
}

/// The table that any image of this process has joined already.
fn domain_of_process() -> Option<*const ()> {
    let images = os::images(|_| true).ok()?;
    images
        .iter()
        .filter_map(|image| cells(image.section?))
        .map(|cells| cells.domain())
        .find(|domain| !domain.is_null())
}

/// The cells of the image whose `midair` section is `section`.
fn cells(section: Section) -> Option<Cells> {
    let bytes = section.snapshot();
    let records = records(&bytes).ok()?;
    let identity = records.into_iter().find(|record| record.kind == Kind::Identity)?;
    Identity::read(identity).ok()?;
    // SAFETY: an identity record was read at this place of a loaded image's section just now.
    Some(unsafe { Cells::at(section.record(identity.offset)) })
}
