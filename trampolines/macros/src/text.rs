//! Tokens as canonical text, and the hash of tokens.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// `tokens` with no space but those between two words.
pub(crate) fn text(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(&mut text, tokens);
    text
}

fn write(text: &mut String, tokens: TokenStream) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = delimiters(group.delimiter());
                text.push_str(open);
                write(text, group.stream());
                text.push_str(close);
            }
            TokenTree::Punct(punct) => text.push(punct.as_char()),
            word => push_word(text, &word.to_string()),
        }
    }
}

fn push_word(text: &mut String, word: &str) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '"';
    let between_words = text.ends_with(is_word) && word.starts_with(is_word);
    if between_words || word == "as" {
        text.push(' ');
    }
    // A literal may hold line ends; a record holds one type a line.
    text.push_str(&word.replace('\n', "\\n"));
}

fn delimiters(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

/// A 64-bit FNV-1a hash of tokens, without their places in the source.
///
/// It tells whether code was edited. It takes part in no check of safety.
pub(crate) struct TokenHash(u64);

impl TokenHash {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn tokens(mut self, tokens: TokenStream) -> Self {
        for token in tokens {
            self = match token {
                TokenTree::Group(group) => {
                    let (open, close) = delimiters(group.delimiter());
                    self.word(open).tokens(group.stream()).word(close)
                }
                // `a & &b` is not `a && b`.
                TokenTree::Punct(punct) if punct.spacing() == Spacing::Joint => {
                    self.bytes(punct.as_char().to_string().as_bytes())
                }
                other => self.word(&other.to_string()),
            };
        }
        self
    }

    /// The value, never 0: in a record that means "not hashed".
    pub(crate) fn finish(self) -> u64 {
        self.0.max(1)
    }

    fn word(self, word: &str) -> Self {
        self.bytes(word.as_bytes()).bytes(b" ")
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::{TokenHash, text};

    fn hash(code: &str) -> u64 {
        TokenHash::new().tokens(code.parse().expect("tokens")).finish()
    }

    #[test]
    fn only_words_are_kept_apart() {
        let tokens = quote!(unsafe extern "C" fn(&mut World, [f32; 2]) -> *const &'static str);
        assert_eq!(text(tokens), "unsafe extern \"C\" fn(&mut World,[f32;2])->*const&'static str");
    }

    #[test]
    fn the_hash_sees_code_and_not_its_layout() {
        assert_eq!(hash("{ a + b }"), hash("{\n    a // sum\n    + b\n}"));
        assert_ne!(hash("{ a + b }"), hash("{ a - b }"));
        assert_ne!(hash("{ a && b }"), hash("{ a & &b }"));
        assert_ne!(hash("{ ab }"), hash("{ a b }"));
    }
}
