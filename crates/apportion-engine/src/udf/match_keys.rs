//! `match_key(value, ...)` and `match_value(key, position)`: several values as one text.
//!
//! A driver is matched to charges by any number of declared columns. As one JSON array of strings
//! they are a single column that can be compared, grouped and written, and still be read:
//! `["checkout","eu-west-1"]`, `null` for a missing value, the empty text for no values at all.
//! The trap avoided: joining values with a separator that a value may contain.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use super::column::TextColumn;
use super::flat_json::write_string;
use super::function::{Argument, Arguments, Function, Nullability};

/// The functions of this file.
pub(super) fn functions() -> Vec<Function> {
    use Argument::{Printable, Text};
    vec![
        Function::new("match_key", &[Printable], DataType::Utf8, Nullability::Never, match_key).variadic(),
        Function::new("match_value", &[Text, Printable], DataType::Utf8, Nullability::Possible, match_value),
    ]
}

fn match_key(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let columns = arguments.values().iter().map(TextColumn::of).collect::<Result<Vec<_>>>()?;
    let mut keys = StringBuilder::with_capacity(arguments.rows, arguments.rows.saturating_mul(16));
    let mut key = String::new();
    for row in 0..arguments.rows {
        key.clear();
        key.push('[');
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                key.push(',');
            }
            match column.get(row) {
                Some(value) => write_string(&mut key, value),
                None => key.push_str("null"),
            }
        }
        key.push(']');
        keys.append_value(&key);
    }
    Ok(Arc::new(keys.finish()))
}

fn match_value(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let keys = TextColumn::of(arguments.get(0)?)?;
    let positions = TextColumn::of(arguments.get(1)?)?;
    let mut values = StringBuilder::new();
    for row in 0..arguments.rows {
        let Some((key, position)) = keys.get(row).zip(positions.get(row)) else {
            values.append_null();
            continue;
        };
        let found = position
            .parse::<usize>()
            .ok()
            .and_then(|position| position.checked_sub(1))
            .and_then(|index| parse(key).map(|parts| parts.into_iter().nth(index).flatten()));
        match found {
            Some(value) => values.append_option(value),
            None => return exec_err!("`{key}` is not a match key, or `{position}` is not a position"),
        }
    }
    Ok(Arc::new(values.finish()))
}

/// The values of a match key; `None` when the text is not one.
fn parse(key: &str) -> Option<Vec<Option<String>>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_was_written() {
        let mut key = String::from("[");
        write_string(&mut key, "a\"b\\c\n\u{1}é");
        key.push_str(",null,\"\"]");
        assert_eq!(parse(&key), Some(vec![Some("a\"b\\c\n\u{1}é".to_owned()), None, Some(String::new())]));
        assert_eq!(parse("[1]"), None);
        assert_eq!(parse("[\"a\"] "), None);
    }
}
