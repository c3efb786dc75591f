//! A [`Value`] as text, as it goes from one image to another: each part says how long it is, so
//! nothing has to be quoted.

use super::Value;

/// `value` as text.
pub(super) fn written(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

/// The value that `text` is; nothing for any other text.
pub(super) fn read(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text, depth: 0 };
    let value = reader.value()?;
    reader.rest.is_empty().then_some(value)
}

fn write(text: &mut String, value: &Value) {
    let tagged = |tag: char, rest: String| format!("{tag}{rest};");
    match value {
        Value::Nothing => text.push_str("n;"),
        Value::Bool(value) => text.push_str(&tagged('b', u8::from(*value).to_string())),
        Value::Integer(value) => text.push_str(&tagged('i', value.to_string())),
        // By its bits: no number is rounded, and none is left out.
        Value::Float(value) => text.push_str(&tagged('f', value.to_bits().to_string())),
        Value::Text(value) => write_text(text, value),
        Value::List(values) => {
            text.push_str(&tagged('l', values.len().to_string()));
            values.iter().for_each(|value| write(text, value));
        }
        Value::Map(fields) => {
            text.push_str(&tagged('m', fields.len().to_string()));
            for (name, value) in fields {
                write_text(text, name);
                write(text, value);
            }
        }
    }
}

fn write_text(text: &mut String, value: &str) {
    text.push_str(&format!("t{};{value}", value.len()));
}

/// How deep values may be nested.
const MAX_DEPTH: usize = 512;

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Option<Value> {
        let (tag, number) = self.head()?;
        Some(match tag {
            'n' => Value::Nothing,
            'b' => Value::Bool(number == "1"),
            'i' => Value::Integer(number.parse().ok()?),
            'f' => Value::Float(f64::from_bits(number.parse().ok()?)),
            't' => Value::Text(self.text(number)?.to_owned()),
            'l' => Value::List(self.several(number, Self::value)?),
            'm' => Value::Map(self.several(number, |reader| {
                let (tag, len) = reader.head()?;
                let name = (tag == 't').then(|| reader.text(len)).flatten()?.to_owned();
                Some((name, reader.value()?))
            })?),
            _ => return None,
        })
    }

    /// The tag, and what stands before the semicolon.
    fn head(&mut self) -> Option<(char, &'a str)> {
        let tag = self.rest.chars().next()?;
        let (number, rest) = self.rest[tag.len_utf8()..].split_once(';')?;
        self.rest = rest;
        Some((tag, number))
    }

    fn text(&mut self, len: &str) -> Option<&'a str> {
        let (text, rest) = self.rest.split_at_checked(len.parse().ok()?)?;
        self.rest = rest;
        Some(text)
    }

    fn several<T>(&mut self, count: &str, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.depth += 1;
        let count: usize = count.parse().ok()?;
        // Each takes two bytes at least, so no number makes more room than the text itself takes.
        if self.depth > MAX_DEPTH || count > self.rest.len() / 2 {
            return None;
        }
        let values = (0..count).map(|_| one(self)).collect();
        self.depth -= 1;
        values
    }
}

#[cfg(test)]
mod tests {
    use super::{read, written};
    use crate::migration::Value;

    #[test]
    fn every_value_comes_back_and_a_cut_one_does_not() {
        let value = Value::map([
            ("nothing", Value::Nothing),
            ("yes; no", true.into()),
            ("low", i64::MIN.into()),
            ("high", u64::MAX.into()),
            ("third", (1.0_f64 / 3.0).into()),
            ("größe", "t3;ä\n".into()),
            ("list", vec![1_u8, 2].into()),
            ("deep", Value::list([Value::map([("", Value::List(Vec::new()))])])),
        ]);
        let text = written(&value);
        assert_eq!(read(&text), Some(value));
        for len in (0..text.len()).filter(|len| text.is_char_boundary(*len)) {
            assert_eq!(read(&text[..len]), None, "{len}");
        }
    }

    #[test]
    fn a_count_makes_no_room_that_is_not_there_and_nesting_has_an_end() {
        assert_eq!(read("l999999999999;"), None);
        assert_eq!(read(&"l1;".repeat(100_000)), None);
        let not_a_number = Value::Float(f64::NAN);
        assert!(read(&written(&not_a_number)).unwrap().as_f64().unwrap().is_nan());
    }
}
