//! Finding a word in tokens that are not parsed.

use proc_macro2::{Delimiter, Ident, TokenTree};

/// The first `Self` that is the function's own, and not that of an item inside it.
pub(crate) fn own_self(tokens: impl IntoIterator<Item = TokenTree>) -> Option<Ident> {
    let mut in_item = false;
    for token in tokens {
        match token {
            TokenTree::Ident(word) if word == "Self" && !in_item => return Some(word),
            TokenTree::Ident(word) if ITEMS.iter().any(|item| word == item) => in_item = true,
            TokenTree::Punct(end) if end.as_char() == ';' => in_item = false,
            TokenTree::Group(group) if in_item => {
                in_item = group.delimiter() != Delimiter::Brace;
            }
            TokenTree::Group(group) => {
                if let Some(word) = own_self(group.stream()) {
                    return Some(word);
                }
            }
            _ => {}
        }
    }
    None
}

/// Words that begin an item with a `Self` of its own.
const ITEMS: &[&str] = &["impl", "trait", "struct", "enum", "union", "macro_rules"];

#[cfg(test)]
mod tests {
    use super::own_self;

    fn finds(code: &str) -> bool {
        own_self(code.parse::<proc_macro2::TokenStream>().expect("tokens")).is_some()
    }

    #[test]
    fn only_the_functions_own_self_counts() {
        assert!(finds("let x = Self::new();"));
        assert!(finds("if a { b(Self { c }) }"));
        assert!(finds("struct A; impl A { fn new() -> Self { A } } Self::x()"));
        assert!(!finds("impl A { fn new() -> Self { Self } }"));
        assert!(!finds("struct Node { next: Option<Box<Self>> }"));
        assert!(!finds("macro_rules! m { () => { Self } }"));
        assert!(!finds("let x = a(b);"));
    }
}
