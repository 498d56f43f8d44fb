//! Text that a terminal shows as it is, and not as somebody else wants it to be seen.
//!
//! Tags, resource names and the words of a store come from outside. A control character among them sets
//! the title of a terminal or moves its cursor; a bidirectional one shows a name in another order than
//! it is stored in; an invisible one makes two names look alike. All are written as escapes instead.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character is not seen, or changes how others are.
const fn misleads(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// One line, as it may stand in a cell or beside a name: line breaks and tabs are escaped too.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, misleads)
}

/// Text of several lines, whose line breaks stay.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && misleads(c))
}

fn escaped(text: &str, escapes: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&escapes) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if escapes(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The same JSON document in characters that are all seen. Control characters below a blank are escaped by
/// whoever wrote it; the others can stand only in strings, where an escape means the same.
#[must_use]
pub fn json(document: &str) -> Cow<'_, str> {
    let escapes = |c: char| !c.is_ascii_control() && misleads(c) || c == '\u{7f}';
    if !document.contains(escapes) {
        return Cow::Borrowed(document);
    }
    let mut shown = String::with_capacity(document.len() + 8);
    for c in document.chars() {
        if escapes(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misleads_is_escaped_and_what_is_written_stays() {
        assert_eq!(line("\u{1b}]0;owned\u{7}a\tb\nc"), r"\u{1b}]0;owned\u{7}a\tb\nc");
        assert_eq!(lines("a\nb\r\u{9b}31m"), "a\nb\\r\\u{9b}31m");
        assert_eq!(
            line("user\u{202e}gpj.exe\u{2066}x\u{2069}\u{200f}\u{61c}"),
            r"user\u{202e}gpj.exe\u{2066}x\u{2069}\u{200f}\u{61c}"
        );
        assert_eq!(line("a\u{200b}b\u{2028}c\u{feff}\u{e0041}"), r"a\u{200b}b\u{2028}c\u{feff}\u{e0041}");
        for plain in ["müller – 北京 😀 é", "a b", "C:\\path", ""] {
            assert!(matches!(line(plain), Cow::Borrowed(same) if same == plain), "{plain}");
        }
    }

    #[test]
    fn a_json_document_means_the_same() {
        let value = serde_json::json!({ "a\u{202e}": "\u{1b}[0m\u{7f}\u{9b}\u{2028}\u{e0041}é\n" });
        for document in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let shown = json(&document);
            assert!(shown.chars().all(|c| c == '\n' || !misleads(c)), "{shown:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}
