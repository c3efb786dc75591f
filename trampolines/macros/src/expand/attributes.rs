//! Which part of a hot function each attribute of the user's belongs to.

use syn::{Attribute, Meta, Path};

/// The attributes of one function, sorted.
#[derive(Default)]
pub(crate) struct Sorted {
    /// On what callers see.
    pub(crate) wrapper: Vec<Attribute>,
    /// On the user's code.
    pub(crate) body: Vec<Attribute>,
    /// On both, and on the shim: what changes how the function is called.
    pub(crate) everywhere: Vec<Attribute>,
    /// The symbol is visible outside of this image.
    pub(crate) is_exported: bool,
}

impl Sorted {
    pub(crate) fn new(attributes: &[Attribute]) -> Self {
        let mut sorted = Self::default();
        for attribute in attributes {
            let name = name(attribute);
            let is = |known: &[&str]| known.contains(&name.as_str());
            if is(REPLACED) {
                continue;
            }
            sorted.is_exported |= is(EXPORTING);
            let part = if is(CALLED_BY) {
                &mut sorted.everywhere
            } else if is(WRAPPER) || is(EXPORTING) || is_test(attribute.path()) {
                &mut sorted.wrapper
            } else {
                &mut sorted.body
            };
            part.push(attribute.clone());
        }
        sorted
    }
}

/// The name of an attribute, looking through `unsafe(..)`.
fn name(attribute: &Attribute) -> String {
    if let Meta::List(list) = &attribute.meta
        && list.path.is_ident("unsafe")
        && let Ok(inner) = list.parse_args::<Meta>()
    {
        return path_name(inner.path());
    }
    path_name(attribute.path())
}

fn path_name(path: &Path) -> String {
    let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    segments.join("::")
}

/// `#[test]`, or the test attribute of an async runtime: it makes a caller, not code to exchange.
fn is_test(path: &Path) -> bool {
    path.segments.last().is_some_and(|last| last.ident == "test")
}

/// The way to the code is always inlined, the code itself never.
const REPLACED: &[&str] = &["inline"];

/// What makes a symbol that others link to; the body and the shim stay private.
const EXPORTING: &[&str] = &["no_mangle", "export_name", "linkage"];

/// What takes part in the type of the function.
const CALLED_BY: &[&str] = &["target_feature"];

/// What callers, readers and the compiler's lints look at; lint levels reach the nested items.
const WRAPPER: &[&str] = &[
    "allow",
    "bench",
    "cfg",
    "cfg_attr",
    "deny",
    "deprecated",
    "diagnostic::do_not_recommend",
    "doc",
    "expect",
    "forbid",
    "ignore",
    "must_use",
    "panic_handler",
    "rustfmt::skip",
    "should_panic",
    "warn",
];

#[cfg(test)]
mod tests {
    use syn::Attribute;
    use syn::parse::Parser as _;

    use super::Sorted;

    #[test]
    fn each_attribute_has_its_place() {
        let attributes = Attribute::parse_outer
            .parse_str(
                "/// doc\n #[unsafe(no_mangle)] #[inline(never)] #[cold] \
                 #[target_feature(enable = \"avx2\")] #[tracing::instrument] #[tokio::test] \
                 #[unsafe(link_section = \"x\")] #[expect(dead_code)]",
            )
            .expect("attributes");
        let sorted = Sorted::new(&attributes);
        let names = |part: &[Attribute]| part.iter().map(super::name).collect::<Vec<_>>();
        assert_eq!(names(&sorted.wrapper), ["doc", "no_mangle", "tokio::test", "expect"]);
        assert_eq!(names(&sorted.body), ["cold", "tracing::instrument", "link_section"]);
        assert_eq!(names(&sorted.everywhere), ["target_feature"]);
        assert!(sorted.is_exported);
    }
}
