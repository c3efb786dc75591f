//! Text inside a record, laid out while compiling, and text that crosses from one image to another.

/// The number of bytes that `texts` take in a record: their lengths, rounded up to 8.
#[must_use]
pub const fn packed_len(texts: &[&str]) -> usize {
    let mut sum = 0;
    let mut at = 0;
    while at < texts.len() {
        sum += texts[at].len();
        at += 1;
    }
    sum.next_multiple_of(8)
}

/// Writes `texts` one after the other, the rest filled with zeros.
///
/// # Panics
/// When `LEN` is too small; in a `static` that is a compile error.
#[must_use]
pub const fn pack<const LEN: usize>(texts: &[&str]) -> [u8; LEN] {
    let mut packed = [0; LEN];
    let mut end = 0;
    let mut at = 0;
    while at < texts.len() {
        let bytes = texts[at].as_bytes();
        let mut byte = 0;
        while byte < bytes.len() {
            packed[end] = bytes[byte];
            end += 1;
            byte += 1;
        }
        at += 1;
    }
    packed
}

/// The length of `text` as a record holds it.
///
/// # Panics
/// When it does not fit; in a `static` that is a compile error.
#[must_use]
pub const fn len_u32(text: &str) -> u32 {
    assert!(text.len() <= u32::MAX as usize, "a text of a record is longer than 4 GiB");
    text.len() as u32
}

/// The crate that a module path starts with: everything before the first `::`.
#[must_use]
pub fn crate_of(path: &str) -> &str {
    path.split_once("::").map_or(path, |(first, _)| first)
}

/// Borrowed text as it crosses between two images' runtimes.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RawText {
    start: *const u8,
    len: usize,
}

impl RawText {
    /// Lends `text` to another runtime.
    #[must_use]
    pub const fn new(text: &str) -> Self {
        Self { start: text.as_ptr(), len: text.len() }
    }

    /// Its bytes, while compiling only: there every text that was lent is a constant.
    pub(crate) const fn bytes(&self) -> &'static [u8] {
        // SAFETY: made from a `&str` by `new`; called on the constants of a record alone.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// The text, with anything that is not UTF-8 replaced.
    ///
    /// # Safety
    /// The text this was made from must still be alive.
    #[must_use]
    pub unsafe fn to_string_lossy(self) -> String {
        if self.len == 0 {
            return String::new();
        }
        // SAFETY: made from a `&str` by `new`; the caller says that it is alive.
        let bytes = unsafe { std::slice::from_raw_parts(self.start, self.len) };
        String::from_utf8_lossy(bytes).into_owned()
    }
}

// SAFETY: a pointer and a length; reading through them is `unsafe` and has its own contract.
unsafe impl Send for RawText {}
// SAFETY: as for `Send`.
unsafe impl Sync for RawText {}

#[cfg(test)]
mod tests {
    use super::{crate_of, pack, packed_len};

    #[test]
    fn texts_follow_each_other_and_are_padded() {
        assert_eq!(packed_len(&["abc", "defgh"]), 8);
        assert_eq!(packed_len(&["abc", "defghi"]), 16);
        assert_eq!(pack::<8>(&["ab", "c"]), *b"abc\0\0\0\0\0");
    }

    #[test]
    fn the_crate_is_the_first_segment() {
        assert_eq!(crate_of("game::player::update"), "game");
        assert_eq!(crate_of("game"), "game");
    }
}
