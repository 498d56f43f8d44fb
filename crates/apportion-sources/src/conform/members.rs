//! The members of an object in text, as far as they can be read.
//!
//! Tags come as JSON text, and what wrote them did not always know JSON: a bare backslash, a quote
//! inside of a value, a line break, missing braces, single quotes. A value that nobody can read must
//! not take the others with it, and none may vanish untold: what is readable is kept as it is written,
//! and whether all of it was is said.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What an object in text says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Members {
    /// Keys and values in the order of the text.
    pub(crate) entries: Vec<(String, Value)>,
    /// Whether the text is an object, so that nothing of it is a guess.
    pub(crate) is_whole: bool,
}

/// Reads an object; its braces may be missing.
pub(crate) fn read(text: &str) -> Members {
    let text = text.trim();
    let braced = if text.starts_with('{') { Cow::Borrowed(text) } else { Cow::Owned(format!("{{{text}}}")) };
    match serde_json::from_str::<Object>(&braced) {
        Ok(Object(entries)) => Members { entries, is_whole: true },
        Err(_) => Members { entries: readable(&braced), is_whole: false },
    }
}

/// An object whose members keep their order and their repetitions.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// The members of text that is nearly an object; a member that was cut off is none.
fn readable(braced: &str) -> Vec<(String, Value)> {
    let inner = braced.strip_prefix('{').unwrap_or(braced);
    let mut rest = inner.strip_suffix('}').unwrap_or(inner);
    let mut entries = Vec::new();
    loop {
        rest = rest.trim_start_matches(|character: char| character == ',' || character.is_whitespace());
        let Some((key, after)) = quoted(rest, |after| after.trim_start().starts_with(':')) else { break };
        let Some(after) = after.trim_start().strip_prefix(':') else { break };
        let Some((value, after)) = value(after.trim_start()) else { break };
        entries.push((key, value));
        rest = after;
    }
    entries
}

/// A value and what follows it.
fn value(text: &str) -> Option<(Value, &str)> {
    if let Some((text, after)) = quoted(text, ends_value) {
        return Some((Value::String(text), after));
    }
    if text.starts_with(['"', '\'']) {
        // The closing quote is missing, so nothing says where the value ends.
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    if let Some(Ok(value)) = values.next()
        && let Some(after) = text.get(values.byte_offset()..).filter(|after| ends_value(after))
    {
        return Some((value, after));
    }
    let end = text.char_indices().map(|(index, _)| index).find(|index| text.get(*index..).is_some_and(ends_value));
    let (plain, after) = text.split_at(end.unwrap_or(text.len()));
    let plain = plain.trim();
    (!plain.is_empty()).then(|| (if plain == "None" { Value::Null } else { Value::String(plain.to_owned()) }, after))
}

/// A text in quotes and what follows it: its closing quote is the first one that is followed by what
/// must follow. Escapes are resolved where all of them can be; else the text is kept as written.
fn quoted(text: &str, is_end: impl Fn(&str) -> bool) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let inner = text.get(1..)?;
    let (end, _) = inner.match_indices(quote).find(|(index, _)| inner.get(index + 1..).is_some_and(&is_end))?;
    let (written, after) = (inner.get(..end)?, inner.get(end + 1..)?);
    let resolved = serde_json::from_str::<String>(&format!("\"{written}\""));
    Some((resolved.unwrap_or_else(|_| written.to_owned()), after))
}

/// Whether a value ends in front of `after`: at the end of the object, or in front of another member.
fn ends_value(after: &str) -> bool {
    let after = after.trim_start();
    let Some(next) = after.strip_prefix(',') else { return after.is_empty() };
    let next = next.trim_start();
    let Some(quote) = next.chars().next() else { return true };
    if !matches!(quote, '"' | '\'') {
        return false;
    }
    let key = next.get(1..).unwrap_or_default();
    let is_key = |index: usize| key.get(index + 1..).is_some_and(|after| after.trim_start().starts_with(':'));
    // A key that is cut off begins a member as well.
    !key.contains(quote) || key.match_indices(quote).any(|(index, _)| is_key(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> (Vec<(String, String)>, bool) {
        let members = read(text);
        let plain = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (members.entries.into_iter().map(|(key, value)| (key, plain(value))).collect(), members.is_whole)
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_object_is_read_with_and_without_braces() {
        let whole = (pairs(&[("team", "red"), ("n", "1"), ("a", r#"["b"]"#)]), true);
        assert_eq!(texts(r#"{"team":"red","n":1,"a":["b"]}"#), whole);
        assert_eq!(texts(r#" "team": "red","n": 1, "a": ["b"]"#), whole);
        assert_eq!(texts(r#"{"k":"a\"b","K":"","k":"c"}"#), (pairs(&[("k", "a\"b"), ("K", ""), ("k", "c")]), true));
        assert_eq!(texts("{}"), (Vec::new(), true));
    }

    #[test]
    fn a_value_that_is_no_json_is_kept_as_written_and_takes_no_other_with_it() {
        for (text, expected) in [
            (r#""team": "red","path": "foo \hoge""#, &[("team", "red"), ("path", r"foo \hoge")][..]),
            (r#"{"path": "C:\data\","team": "red"}"#, &[("path", r"C:\data\"), ("team", "red")]),
            (r#"{"k": "a "quoted" word", "team": "red"}"#, &[("k", r#"a "quoted" word"#), ("team", "red")]),
            ("{\"note\": \"one\ntwo\", \"team\": \"red\"}", &[("note", "one\ntwo"), ("team", "red")]),
            ("{'team': 'red', 'owner': None, 'n': 7}", &[("team", "red"), ("owner", "null"), ("n", "7")]),
            (r#"{"team": "red", "size": big, "env": "a, b"}"#, &[("team", "red"), ("size", "big"), ("env", "a, b")]),
            (r#"{"team": "red", "deep": {"a": "b", "c": 1}, }"#, &[("team", "red"), ("deep", r#"{"a":"b","c":1}"#)]),
            // Cut in the middle of a value: what it would have been is unknown.
            (r#"{"team": "red", "owner": "ali"#, &[("team", "red")]),
            (r#"{"team": "red", "own"#, &[("team", "red")]),
            ("[1]", &[]),
            ("plain", &[]),
        ] {
            assert_eq!(texts(text), (pairs(expected), false), "{text}");
        }
    }
}
