//! The kinds of errors, as they cross between images.

/// The variants of [`Error`](crate::Error) without their contents, as they cross between images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum ErrorKind {
    /// [`Error::Read`](crate::Error::Read).
    Read = 1,
    /// [`Error::NotAFile`](crate::Error::NotAFile).
    NotAFile = 2,
    /// [`Error::Changing`](crate::Error::Changing).
    Changing = 3,
    /// [`Error::TooLarge`](crate::Error::TooLarge).
    TooLarge = 4,
    /// [`Error::Artifact`](crate::Error::Artifact).
    Artifact = 5,
    /// [`Error::Records`](crate::Error::Records).
    Records = 6,
    /// [`Error::NoFunctions`](crate::Error::NoFunctions).
    NoFunctions = 7,
    /// [`Error::Identity`](crate::Error::Identity).
    Identity = 8,
    /// [`Error::Foreign`](crate::Error::Foreign).
    Foreign = 9,
    /// [`Error::Refused`](crate::Error::Refused).
    Refused = 10,
    /// [`Error::Copy`](crate::Error::Copy).
    Copy = 11,
    /// [`Error::Load`](crate::Error::Load).
    Load = 12,
    /// [`Error::Bound`](crate::Error::Bound).
    Bound = 13,
    /// [`Error::Busy`](crate::Error::Busy).
    Busy = 14,
    /// [`Error::TimedOut`](crate::Error::TimedOut).
    TimedOut = 15,
    /// [`Error::Unsupported`](crate::Error::Unsupported).
    Unsupported = 16,
    /// [`Error::Thread`](crate::Error::Thread).
    Thread = 17,
    /// [`Error::Watch`](crate::Error::Watch).
    Watch = 18,
    /// [`Error::Draining`](crate::Error::Draining).
    Draining = 19,
    /// [`Error::NotQuiescent`](crate::Error::NotQuiescent).
    NotQuiescent = 20,
    /// [`Error::NoGeneration`](crate::Error::NoGeneration).
    NoGeneration = 21,
    /// [`Error::Unhealthy`](crate::Error::Unhealthy).
    Unhealthy = 22,
    /// [`Error::Base`](crate::Error::Base).
    Base = 23,
    /// [`Error::Hook`](crate::Error::Hook).
    Hook = 24,
    /// [`Error::Migration`](crate::Error::Migration).
    Migration = 25,
    /// [`Error::NeedsQuiescence`](crate::Error::NeedsQuiescence).
    NeedsQuiescence = 26,
    /// [`Error::Undo`](crate::Error::Undo).
    Undo = 27,
    /// [`Error::Injected`](crate::Error::Injected).
    Injected = 28,
    /// [`Error::OtherMidair`](crate::Error::OtherMidair).
    OtherMidair = 29,
    /// A kind that this version does not know.
    Unknown = 0,
}

impl ErrorKind {
    const ALL: [Self; 29] = [
        Self::Read,
        Self::NotAFile,
        Self::Changing,
        Self::TooLarge,
        Self::Artifact,
        Self::Records,
        Self::NoFunctions,
        Self::Identity,
        Self::Foreign,
        Self::Refused,
        Self::Copy,
        Self::Load,
        Self::Bound,
        Self::Busy,
        Self::TimedOut,
        Self::Unsupported,
        Self::Thread,
        Self::Watch,
        Self::Draining,
        Self::NotQuiescent,
        Self::NoGeneration,
        Self::Unhealthy,
        Self::Base,
        Self::Hook,
        Self::Migration,
        Self::NeedsQuiescence,
        Self::Undo,
        Self::Injected,
        Self::OtherMidair,
    ];

    pub(crate) fn from_number(number: u32) -> Self {
        Self::ALL.into_iter().find(|kind| *kind as u32 == number).unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorKind;

    #[test]
    fn every_kind_crosses_as_its_number() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_number(kind as u32), kind);
        }
        assert_eq!(ErrorKind::from_number(9_999), ErrorKind::Unknown);
    }
}
