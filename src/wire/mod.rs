//! The wire: values as bytes, for what one image tells another.
//!
//! Both sides were compiled by one compiler from one version of midair, as their identities say,
//! so nothing of it is versioned; a value that cannot be read back is a defect, not an input.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::digest::Digest;

mod values;

/// A value that crosses between images.
pub(crate) trait Wire: Sized {
    /// Appends it to `bytes`.
    fn put(&self, bytes: &mut Vec<u8>);

    /// Takes it from the front of `bytes`.
    fn take(bytes: &mut &[u8]) -> Option<Self>;
}

/// The bytes of `value`.
pub(crate) fn written(value: &impl Wire) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.put(&mut bytes);
    bytes
}

/// The value that `bytes` are.
pub(crate) fn read<T: Wire>(mut bytes: &[u8]) -> Option<T> {
    let value = T::take(&mut bytes)?;
    bytes.is_empty().then_some(value)
}

impl Wire for u64 {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_le_bytes());
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(Self::from_le_bytes(*number))
    }
}

impl Wire for u32 {
    fn put(&self, bytes: &mut Vec<u8>) {
        u64::from(*self).put(bytes);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Self::try_from(u64::take(bytes)?).ok()
    }
}

impl Wire for bool {
    fn put(&self, bytes: &mut Vec<u8>) {
        u64::from(*self).put(bytes);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some(u64::take(bytes)? != 0)
    }
}

impl Wire for String {
    fn put(&self, bytes: &mut Vec<u8>) {
        (self.len() as u64).put(bytes);
        bytes.extend(self.as_bytes());
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Self::from_utf8(take_bytes(bytes)?.to_vec()).ok()
    }
}

impl Wire for PathBuf {
    fn put(&self, bytes: &mut Vec<u8>) {
        let path = self.as_os_str().as_encoded_bytes();
        (path.len() as u64).put(bytes);
        bytes.extend(path);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let path = take_bytes(bytes)?;
        // SAFETY: `put` took them from a path; images of one process share the encoding.
        let path: &OsStr = unsafe { OsStr::from_encoded_bytes_unchecked(path) };
        Some(Self::from(OsString::from(path)))
    }
}

impl Wire for Duration {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.as_secs().put(bytes);
        u64::from(self.subsec_nanos()).put(bytes);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (seconds, nanos) = (u64::take(bytes)?, u64::take(bytes)?);
        Some(Self::new(seconds, u32::try_from(nanos).ok()?))
    }
}

impl Wire for SystemTime {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.duration_since(UNIX_EPOCH).unwrap_or_default().put(bytes);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        UNIX_EPOCH.checked_add(Duration::take(bytes)?)
    }
}

impl Wire for Digest {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.as_bytes());
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (digest, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(Self::from_bytes(*digest))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.is_some().put(bytes);
        if let Some(value) = self {
            value.put(bytes);
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        match bool::take(bytes)? {
            true => Some(Some(T::take(bytes)?)),
            false => Some(None),
        }
    }
}

impl<T: Wire, E: Wire> Wire for Result<T, E> {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.is_ok().put(bytes);
        match self {
            Ok(value) => value.put(bytes),
            Err(error) => error.put(bytes),
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        match bool::take(bytes)? {
            true => Some(Ok(T::take(bytes)?)),
            false => Some(Err(E::take(bytes)?)),
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, bytes: &mut Vec<u8>) {
        (self.len() as u64).put(bytes);
        for value in self {
            value.put(bytes);
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        (0..u64::take(bytes)?).map(|_| T::take(bytes)).collect()
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.0.put(bytes);
        self.1.put(bytes);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::take(bytes)?, B::take(bytes)?))
    }
}

impl Wire for () {
    fn put(&self, _bytes: &mut Vec<u8>) {}

    fn take(_bytes: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(u64::take(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::{read, written};
    use crate::digest::Digest;
    use crate::history::{PatchOutcome, PatchRecord};
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_record_crosses_whole_and_a_cut_one_not_at_all() {
        let record = PatchRecord {
            generation: 7,
            path: "/tmp/lib gäme.so".into(),
            digest: Some(Digest::of(b"x")),
            time: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5),
            changed: vec!["game::update".into(), String::new()],
            outcome: PatchOutcome::RolledBack,
            reason: Some("it was ill".into()),
        };
        let value = (vec![record.clone()], Ok::<(), String>(()));
        let bytes = written(&value);
        assert_eq!(read::<(Vec<PatchRecord>, Result<(), String>)>(&bytes), Some(value));
        for len in 0..bytes.len() {
            assert_eq!(read::<(Vec<PatchRecord>, Result<(), String>)>(&bytes[..len]), None);
        }
    }
}
