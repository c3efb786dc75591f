//! The names of types as people write them: without the paths and the parts that nobody chose.

/// `name` with the last segment of each path alone, and without the allocator and the hasher that
/// containers have when nobody names others.
pub(crate) fn short(name: &str) -> String {
    let mut text = String::new();
    let mut word = String::new();
    let mut rest = name.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter.is_alphanumeric() || letter == '_' {
            word.push(letter);
        } else if letter == ':' && rest.peek() == Some(&':') {
            rest.next();
            word.clear();
        } else {
            text.push_str(&word);
            word.clear();
            text.push(letter);
        }
    }
    text.push_str(&word);
    for usual in [", Global", ", RandomState"] {
        text = text.replace(&format!("{usual}>"), ">").replace(&format!("{usual},"), ",");
    }
    text
}

/// Two names as short as they can be while they still differ, if they do.
pub(crate) fn short_pair(old: &str, new: &str) -> (String, String) {
    let (short_old, short_new) = (short(old), short(new));
    if short_old == short_new && old != new {
        (old.to_owned(), new.to_owned())
    } else {
        (short_old, short_new)
    }
}

/// A field as it is written: debug info calls those of tuples `__0`, `__1`.
pub(crate) fn field(name: &str) -> &str {
    let number = name.strip_prefix("__").unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { number } else { name }
}

/// Whether a type is one of the standard library, or has no name of its own.
pub(super) fn is_of_std(name: &str) -> bool {
    const STD: [&str; 6] = ["core::", "alloc::", "std::", "hashbrown::", "&", "*"];
    STD.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::{field, short, short_pair};

    #[test]
    fn names_lose_their_paths_and_nothing_else() {
        assert_eq!(short("&mut game::World"), "&mut World");
        assert_eq!(short("alloc::vec::Vec<game::Player, alloc::alloc::Global>"), "Vec<Player>");
        assert_eq!(
            short("alloc::boxed::Box<dyn g::Shape, alloc::alloc::Global>"),
            "Box<dyn Shape>"
        );
        let map = "std::collections::hash::map::HashMap<u32, g::Item, std::hash::random::RandomState, \
                   alloc::alloc::Global>";
        assert_eq!(short(map), "HashMap<u32, Item>");
        assert_eq!(short("[g::Cell; 4]"), "[Cell; 4]");
        assert_eq!(short("fn(g::A) -> b::B"), "fn(A) -> B");
    }

    #[test]
    fn names_that_differ_still_do() {
        let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        assert_eq!(short_pair("a::P", "a::Q"), pair("P", "Q"));
        assert_eq!(short_pair("a::P", "b::P"), pair("a::P", "b::P"));
    }

    #[test]
    fn fields_of_tuples_are_numbers() {
        assert_eq!((field("__0"), field("__x"), field("hp")), ("0", "__x", "hp"));
    }
}
