//! Little-endian numbers in slices, without a way to overflow or to panic.

/// The whole words of `bytes`.
pub(super) const fn words(bytes: &[u8]) -> &[[u8; 8]] {
    bytes.as_chunks().0
}

/// The whole half-words of `bytes`.
pub(super) const fn halves(bytes: &[u8]) -> &[[u8; 4]] {
    bytes.as_chunks().0
}

/// The word at `at`.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The half-word at `at`.
pub(super) fn half(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The quarter-word at `at`.
pub(super) fn quarter(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The text at `at` up to its end mark, if that comes within `limit` bytes.
pub(super) fn name(strings: &[u8], at: u64, limit: usize) -> Option<&[u8]> {
    let rest = strings.get(usize::try_from(at).ok()?..)?;
    let rest = rest.get(..limit).unwrap_or(rest);
    std::ffi::CStr::from_bytes_until_nul(rest).ok().map(std::ffi::CStr::to_bytes)
}
