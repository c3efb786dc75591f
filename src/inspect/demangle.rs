//! Names of symbols as people write them, as far as that needs no grammar: the hash that older
//! mangling ends with is left out, and of newer mangling only the path is told.

/// The path that `symbol` was made from, or the symbol itself.
pub(super) fn demangle(symbol: &str) -> String {
    let path = match symbol.strip_prefix("_ZN") {
        Some(rest) => legacy(rest),
        None => symbol.strip_prefix("_R").and_then(recent),
    };
    path.unwrap_or_else(|| symbol.to_owned())
}

/// The hash that tells apart what older mangling gives one path: what a function is generic over.
#[cfg(feature = "disassembly")]
pub(super) fn hash(symbol: &str) -> Option<&str> {
    let rest = symbol.strip_prefix("_ZN")?.strip_suffix('E')?;
    let (_, hash) = rest.rsplit_once("17h")?;
    (hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(hash)
}

/// `4game6update17h0123456789abcdefE`
fn legacy(rest: &str) -> Option<String> {
    let mut parts = Vec::new();
    let mut rest = rest;
    while !rest.starts_with('E') {
        let (part, after) = counted(rest)?;
        parts.push(unescape(part));
        rest = after;
    }
    let is_hash = |part: &String| part.len() == 17 && part.starts_with('h');
    if parts.last().is_some_and(is_hash) {
        parts.pop();
    }
    (!parts.is_empty()).then(|| parts.join("::"))
}

/// The identifiers of a plain path; impls and generic arguments are beyond it.
fn recent(rest: &str) -> Option<String> {
    let nested = rest.trim_start_matches(|letter: char| letter != 'C');
    let before = &rest[..rest.len() - nested.len()];
    let plain = before.chars().all(|letter| matches!(letter, 'N' | 'v' | 't' | 'C' | 'K'));
    if !plain {
        return None;
    }
    // The closure of a path is an `NC`, its crate the `C` that a disambiguator or a name follows.
    let at = nested.find("Cs").or_else(|| nested.find('C'))?;
    let mut rest = &nested[at + 1..];
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('s') {
            rest = after.split_once('_')?.1;
            continue;
        }
        let Some((part, after)) = counted_apart(rest) else { break };
        if !part.is_empty() {
            parts.push(part.to_owned());
        }
        rest = after;
    }
    (parts.len() > 1).then(|| parts.join("::"))
}

/// The text behind a number, as long as the number says, and what follows it.
fn counted(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (len, rest) = text.split_at(digits);
    rest.split_at_checked(len.parse().ok()?)
}

/// The same in newer mangling: a `_` sets off a text that begins with a digit or with `_`.
fn counted_apart(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (len, rest) = text.split_at(digits);
    let rest = rest.strip_prefix('_').unwrap_or(rest);
    rest.split_at_checked(len.parse().ok()?)
}

fn unescape(part: &str) -> String {
    const ESCAPES: [(&str, &str); 16] = [
        ("$u5b$", "["),
        ("$u5d$", "]"),
        ("$u27$", "'"),
        ("$u3b$", ";"),
        ("$u2b$", "+"),
        ("$LT$", "<"),
        ("$GT$", ">"),
        ("$RF$", "&"),
        ("$BP$", "*"),
        ("$C$", ","),
        ("$LP$", "("),
        ("$RP$", ")"),
        ("$u20$", " "),
        ("$u7b$", "{"),
        ("$u7d$", "}"),
        ("$SP$", "@"),
    ];
    let mut text = part.strip_prefix("_$").map_or(part.to_owned(), |rest| format!("${rest}"));
    for (escape, plain) in ESCAPES {
        text = text.replace(escape, plain);
    }
    text.replace("..", "::")
}

#[cfg(test)]
mod tests {
    use super::demangle;

    #[test]
    fn symbols_become_paths() {
        for (symbol, path) in [
            (
                "_ZN8lab_copy5value13__midair_body17hd0801d68c73374f4E",
                "lab_copy::value::__midair_body",
            ),
            ("_ZN4core3ptr13drop$LT$T$GT$17h0123456789abcdefE", "core::ptr::drop<T>"),
            (
                "_RNvNtNtCsjrHSEGnQ3l9_3std2io5stdio19OUTPUT_CAPTURE_USED.0",
                "std::io::stdio::OUTPUT_CAPTURE_USED",
            ),
            (
                "_RNvNCNKNvNtCsjrHSEGnQ3l9_3std9panicking11PANIC_COUNT0023___RUST_STD_INTERNAL_VAL",
                "std::panicking::PANIC_COUNT::__RUST_STD_INTERNAL_VAL",
            ),
            ("memcpy", "memcpy"),
            ("_ZN99short", "_ZN99short"),
            ("_ZN", "_ZN"),
            ("_RNvC", "_RNvC"),
            ("_ZN3\u{e9}\u{e9}E", "_ZN3\u{e9}\u{e9}E"),
        ] {
            assert_eq!(demangle(symbol), path);
        }
    }
}
