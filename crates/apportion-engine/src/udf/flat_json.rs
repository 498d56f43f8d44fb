//! Flat JSON objects as text: one lookup without building a document, and careful writing.
//!
//! Tags travel as a JSON string because that is FOCUS's form. Parsing each row into a tree to
//! read one key is what makes tag rules slow, so [`find`] scans for the key and copies only a
//! value that has escapes. The trap avoided: comparing raw text of keys that contain escapes.

use std::borrow::Cow;

pub(crate) use apportion_spec::match_key::write_string;

/// The value of `key` in a JSON object: a string without its quotes, any other value as written,
/// `None` for `null`, for a missing key and for text that is not an object.
pub(crate) fn find<'a>(json: &'a str, key: &str) -> Option<Cow<'a, str>> {
    let mut scanner = Scanner { text: json, position: 0 };
    scanner.expect(b'{')?;
    loop {
        let found = scanner.string()?;
        scanner.expect(b':')?;
        let value = scanner.value()?;
        if found.is(key) {
            return value.into_text();
        }
        // A closing brace or anything unexpected ends the search.
        scanner.expect(b',')?;
    }
}

/// A JSON string between its quotes.
#[derive(Debug, Clone, Copy)]
struct RawString<'a> {
    text: &'a str,
    escaped: bool,
}

impl<'a> RawString<'a> {
    fn is(&self, expected: &str) -> bool {
        if self.escaped { unescape(self.text).is_some_and(|text| text == expected) } else { self.text == expected }
    }

    fn into_text(self) -> Option<Cow<'a, str>> {
        if self.escaped { unescape(self.text).map(Cow::Owned) } else { Some(Cow::Borrowed(self.text)) }
    }
}

#[derive(Debug, Clone, Copy)]
enum RawValue<'a> {
    String(RawString<'a>),
    Other(&'a str),
}

impl<'a> RawValue<'a> {
    fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::String(string) => string.into_text(),
            Self::Other("null") => None,
            Self::Other(text) => Some(Cow::Borrowed(text)),
        }
    }
}

#[derive(Debug)]
struct Scanner<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.position..).unwrap_or(&[])
    }

    fn skip_space(&mut self) {
        self.position += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        (*self.rest().first()? == byte).then(|| self.position += 1)
    }

    fn string(&mut self) -> Option<RawString<'a>> {
        self.expect(b'"')?;
        let start = self.position;
        let mut escaped = false;
        loop {
            let rest = self.rest();
            let next = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            self.position += next;
            if rest.get(next) == Some(&b'"') {
                let text = self.text.get(start..self.position)?;
                self.position += 1;
                return Some(RawString { text, escaped });
            }
            escaped = true;
            self.position += 2;
        }
    }

    fn value(&mut self) -> Option<RawValue<'a>> {
        self.skip_space();
        if self.rest().first() == Some(&b'"') {
            return self.string().map(RawValue::String);
        }
        let start = self.position;
        let mut depth = 0_usize;
        loop {
            match self.rest().first()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' if depth == 0 => break,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.position += 1;
        }
        let text = self.text.get(start..self.position)?.trim_ascii_end();
        (!text.is_empty()).then_some(RawValue::Other(text))
    }
}

/// Resolves the escapes of a JSON string; `None` when one is malformed.
fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('\\') {
        out.push_str(rest.get(..position)?);
        rest = rest.get(position + 1..)?;
        let kind = rest.chars().next()?;
        rest = rest.get(kind.len_utf8()..)?;
        match kind {
            '"' | '\\' | '/' => out.push(kind),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let (character, after) = unicode_escape(rest)?;
                out.push(character);
                rest = after;
            }
            _ => return None,
        }
    }
    out.push_str(rest);
    Some(out)
}

/// Reads the four digits after `\u`, and the second half of a surrogate pair.
fn unicode_escape(rest: &str) -> Option<(char, &str)> {
    let first = u32::from_str_radix(rest.get(..4)?, 16).ok()?;
    let rest = rest.get(4..)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, rest));
    }
    let second = rest.strip_prefix("\\u")?;
    let low = u32::from_str_radix(second.get(..4)?, 16).ok()?;
    let low = (0xdc00..0xe000).contains(&low).then(|| low - 0xdc00)?;
    let character = char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)?;
    Some((character, second.get(4..)?))
}

#[cfg(test)]
#[path = "flat_json_tests.rs"]
mod tests;
