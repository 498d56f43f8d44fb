//! `match_key(value, ...)` and `match_value(key, position)`: several values as one text.
//!
//! The text is that of [`apportion_spec::match_key`], which telemetry is read with as well: a key that is
//! written anywhere else matches only as long as both happen to escape alike.

use std::sync::Arc;

use apportion_spec::match_key;
use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use super::column::TextColumn;
use super::function::{Argument, Arguments, Function, Nullability};

/// The functions of this file.
pub(super) fn functions() -> Vec<Function> {
    use Argument::{Printable, Text};
    vec![
        Function::new("match_key", &[Printable], DataType::Utf8, Nullability::Never, key).variadic(),
        Function::new("match_value", &[Text, Printable], DataType::Utf8, Nullability::Possible, value),
    ]
}

fn key(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let columns = arguments.values().iter().map(TextColumn::of).collect::<Result<Vec<_>>>()?;
    let mut keys = StringBuilder::with_capacity(arguments.rows, arguments.rows.saturating_mul(16));
    let mut text = String::new();
    for row in 0..arguments.rows {
        text.clear();
        match_key::write(&mut text, columns.iter().map(|column| column.get(row)));
        keys.append_value(&text);
    }
    Ok(Arc::new(keys.finish()))
}

fn value(arguments: &Arguments<'_>) -> Result<ArrayRef> {
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
            .and_then(|index| match_key::parse(key).map(|parts| parts.into_iter().nth(index).flatten()));
        match found {
            Some(value) => values.append_option(value),
            None => return exec_err!("`{key}` is not a match key, or `{position}` is not a position"),
        }
    }
    Ok(Arc::new(values.finish()))
}
