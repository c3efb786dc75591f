//! What the tests of detours share: golden files, hexadecimal, listings.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Compares `found` with the golden file `name`, or rewrites it where `BLESS` is set.
#[track_caller]
pub(crate) fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of {name}; BLESS=1 rewrites it", number + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{name}: BLESS=1 rewrites it");
}

/// Bytes as people write them; what stands between `|` is for the eye only.
#[expect(clippy::allow_attributes, reason = "not every test writes bytes")]
#[allow(dead_code, reason = "not every test writes bytes")]
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.split([' ', '|', '\n']).filter(|digits| !digits.is_empty());
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

/// One line of a listing.
pub(crate) fn line(into: &mut String, address: u64, bytes: &[u8], text: &str) {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(into, "  {address:>12x}  {:<30}  {text}", hex.join(" ")).unwrap();
}
