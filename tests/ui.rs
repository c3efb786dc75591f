//! Every mistake has its message, at the token that is at fault.
//!
//! `TRYBUILD=overwrite` rewrites the expected messages.

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
