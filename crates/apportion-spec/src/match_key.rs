//! Several values as one text, as both sides of a telemetry join write them.
//!
//! A driver is matched to charges by any number of declared columns. As one JSON array of strings they are a single
//! column that can be compared, grouped and written, and still be read: `["checkout","eu-west-1"]`, `null` for a
//! missing value. The traps avoided: a separator that a value may contain, and a second writer that escapes another
//! way, so that a value matches itself only where it has no such character.

/// Appends the key of these values.
pub fn write<'a>(key: &mut String, values: impl IntoIterator<Item = Option<&'a str>>) {
    key.push('[');
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            key.push(',');
        }
        match value {
            Some(value) => write_string(key, value),
            None => key.push_str("null"),
        }
    }
    key.push(']');
}

/// The values of a match key; `None` when the text is not one.
#[must_use]
pub fn parse(key: &str) -> Option<Vec<Option<String>>> {
    let mut rest = key.strip_prefix('[')?;
    let mut values = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix("null") {
            values.push(None);
            rest = after;
        } else {
            let (value, after) = string(rest.strip_prefix('"')?)?;
            values.push(Some(value));
            rest = after;
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => return (rest == "]").then_some(values),
        }
    }
}

/// Reads up to the closing quote; returns the value and what follows.
fn string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(match characters.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let rest = characters.as_str();
                    let code = u32::from_str_radix(rest.get(..4)?, 16).ok()?;
                    characters = rest.get(4..)?.chars();
                    char::from_u32(code)?
                }
                same => same,
            }),
            plain => value.push(plain),
        }
    }
}

/// Appends `value` as a JSON string.
pub fn write_string(out: &mut String, value: &str) {
    out.push('"');
    let mut rest = value;
    while let Some(position) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, special) = rest.split_at(position);
        out.push_str(plain);
        let mut characters = special.chars();
        match characters.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(control) => {
                out.push_str("\\u00");
                let code = u32::from(control);
                out.push(char::from_digit(code >> 4, 16).unwrap_or('0'));
                out.push(char::from_digit(code & 0x0f, 16).unwrap_or('0'));
            }
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_was_written() {
        let every: String = (0_u8..0x80).map(char::from).chain("é\u{2028}\u{1f600}".chars()).collect();
        let mut key = String::new();
        write(&mut key, [Some("a\"b\\c"), None, Some(""), Some(every.as_str())]);
        assert!(key.starts_with(r#"["a\"b\\c",null,"","\u0000\u0001"#), "{key}");
        assert_eq!(parse(&key), Some(vec![Some("a\"b\\c".to_owned()), None, Some(String::new()), Some(every.clone())]));
        let read: Vec<Option<String>> = serde_json::from_str(&key).unwrap();
        assert_eq!(Some(read), parse(&key), "other readers of JSON agree");
        assert_eq!(parse("[1]"), None);
        assert_eq!(parse("[\"a\"] "), None);
    }
}
