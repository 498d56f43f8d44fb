//! `map_value`, `tag`, `tags_json` and `map_json`: reading and writing maps and flat JSON.
//!
//! `tags_json` and `map_json` sort their keys, so that equal maps give equal text. `map_value`
//! looks first where the key was found in the previous row (files keep one order of keys), and
//! `tag` remembers the previous document (tables are sorted, so neighbours often share it).
//! The trap avoided: a provider's NULL map and its empty map are the same fact, so both are NULL.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, MapArray, StringArray, StringBuilder, new_null_array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err};

use super::column::TextColumn;
use super::flat_json;
use super::function::{Argument, Arguments, Function, Nullability};

/// The functions of this file.
pub(super) fn functions() -> Vec<Function> {
    use Argument::{Map, MapOrText, Text};
    let possible = Nullability::Possible;
    vec![
        Function::new("map_value", &[MapOrText, Text], DataType::Utf8, possible, map_value),
        Function::new("tag", &[Text, Text], DataType::Utf8, possible, tag),
        Function::new("tags_json", &[Map], DataType::Utf8, possible, |arguments| to_json(arguments, tag_key, false)),
        Function::new("map_json", &[Map], DataType::Utf8, possible, |arguments| {
            to_json(arguments, |key| Cow::Borrowed(key), true)
        }),
    ]
}

fn map_value(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let document = arguments.get(0)?;
    if !matches!(document.data_type(), DataType::Map(..)) {
        return tag(arguments);
    }
    let array = document.to_array(arguments.rows)?;
    let Some(map) = array.as_map_opt() else {
        return Ok(nulls(arguments.rows));
    };
    let keys = TextColumn::of_array(map.keys())?;
    let values = Values::of(map.values())?;
    let wanted = TextColumn::of(arguments.get(1)?)?;
    let mut found = StringBuilder::with_capacity(arguments.rows, arguments.rows * 8);
    let mut previous = 0;
    for row in 0..arguments.rows {
        let entry = wanted.get(row).and_then(|key| position(map, &keys, row, key, previous));
        match entry {
            Some((entry, offset)) => {
                previous = offset;
                values.append(entry, &mut found);
            }
            None => found.append_null(),
        }
    }
    Ok(Arc::new(found.finish()))
}

/// Where `key` stands in the map of a row: entry of the child array, and offset within the row.
fn position(map: &MapArray, keys: &TextColumn<'_>, row: usize, key: &str, previous: usize) -> Option<(usize, usize)> {
    let (start, end) = entries(map, row)?;
    let likely = start + previous;
    if likely < end && keys.get(likely) == Some(key) {
        return Some((likely, previous));
    }
    (start..end).find(|entry| keys.get(*entry) == Some(key)).map(|entry| (entry, entry - start))
}

/// The entries of a row's map, `None` for a NULL or empty map.
pub(super) fn entries(map: &MapArray, row: usize) -> Option<(usize, usize)> {
    if map.is_null(row) {
        return None;
    }
    let offsets = map.value_offsets();
    let start = usize::try_from(*offsets.get(row)?).ok()?;
    let end = usize::try_from(*offsets.get(row + 1)?).ok()?;
    (start < end).then_some((start, end))
}

fn tag(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let documents = TextColumn::of(arguments.get(0)?)?;
    let keys = TextColumn::of(arguments.get(1)?)?;
    if let (TextColumn::Dictionary { .. }, TextColumn::Constant(key)) = (&documents, &keys) {
        return Ok(Arc::new(tag_of_dictionary(&documents, *key, arguments.rows)));
    }
    let mut found = StringBuilder::with_capacity(arguments.rows, arguments.rows * 8);
    let mut previous: Option<(&str, &str, Option<Cow<'_, str>>)> = None;
    for row in 0..arguments.rows {
        let (Some(document), Some(key)) = (documents.get(row), keys.get(row)) else {
            found.append_null();
            continue;
        };
        let known = previous.as_ref().is_some_and(|(last, last_key, _)| same(last, document) && *last_key == key);
        if !known {
            previous = Some((document, key, flat_json::find(document, key)));
        }
        found.append_option(previous.as_ref().and_then(|(_, _, value)| value.as_deref()));
    }
    Ok(Arc::new(found.finish()))
}

/// Equal text; the same bytes in memory need no comparison.
fn same(left: &str, right: &str) -> bool {
    std::ptr::eq(left, right) || left == right
}

/// Looks a key up once per distinct document.
fn tag_of_dictionary(documents: &TextColumn<'_>, key: Option<&str>, rows: usize) -> StringArray {
    let (TextColumn::Dictionary { keys, values, valid }, Some(key)) = (documents, key) else {
        return StringArray::new_null(rows);
    };
    let count = keys.iter().max().map_or(0, |last| last + 1);
    let found: Vec<_> =
        (0..count).map(|entry| values.get(entry).and_then(|document| flat_json::find(document, key))).collect();
    keys.iter()
        .take(rows)
        .enumerate()
        .map(|(row, entry)| {
            let null = valid.is_some_and(|valid| valid.is_null(row));
            found.get(*entry).filter(|_| !null)?.as_deref()
        })
        .collect()
}

/// The key a resource tag has in FOCUS: users' own keys bare, the provider's with its prefix.
fn tag_key(key: &str) -> Cow<'_, str> {
    match (key.strip_prefix("user_"), key.strip_prefix("aws_")) {
        (Some(own), _) => Cow::Borrowed(own),
        (_, Some(provider)) => Cow::Owned(format!("aws:{provider}")),
        _ => Cow::Borrowed(key),
    }
}

fn to_json(arguments: &Arguments<'_>, name: fn(&str) -> Cow<'_, str>, keep_empty: bool) -> Result<ArrayRef> {
    let array = arguments.get(0)?.to_array(arguments.rows)?;
    let Some(map) = array.as_map_opt() else {
        return Ok(nulls(arguments.rows));
    };
    let keys = TextColumn::of_array(map.keys())?;
    let values = Values::of(map.values())?;
    let mut out = StringBuilder::with_capacity(arguments.rows, arguments.rows * 64);
    let mut pairs: Vec<(Cow<'_, str>, usize)> = Vec::new();
    let mut text = String::new();
    for row in 0..arguments.rows {
        pairs.clear();
        if let Some((start, end)) = entries(map, row) {
            pairs.extend((start..end).filter_map(|entry| {
                let key = keys.get(entry)?;
                values.present(entry, keep_empty).then(|| (name(key), entry))
            }));
        }
        if pairs.is_empty() {
            out.append_null();
            continue;
        }
        // The entry breaks ties, so of two keys that become the same the first one is kept.
        pairs.sort_unstable();
        pairs.dedup_by(|later, earlier| later.0 == earlier.0);
        text.clear();
        for (index, (key, entry)) in pairs.iter().enumerate() {
            text.push(if index == 0 { '{' } else { ',' });
            flat_json::write_string(&mut text, key);
            text.push(':');
            values.write_json(*entry, &mut text);
        }
        text.push('}');
        out.append_value(&text);
    }
    Ok(Arc::new(out.finish()))
}

fn nulls(rows: usize) -> ArrayRef {
    new_null_array(&DataType::Utf8, rows)
}

/// Values of a map.
#[derive(Debug)]
pub(super) enum Values<'a> {
    Text(TextColumn<'a>),
    Doubles(&'a Float64Array),
}

impl<'a> Values<'a> {
    pub(super) fn of(array: &'a ArrayRef) -> Result<Self> {
        match array.data_type() {
            DataType::Float64 => Ok(Self::Doubles(array.as_primitive::<Float64Type>())),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                TextColumn::of_array(array).map(Self::Text)
            }
            other => exec_err!("a map's values must be strings or doubles, found {other}"),
        }
    }

    /// Whether there is something to write: not NULL, not NaN, and not empty unless asked for.
    pub(super) fn present(&self, entry: usize, keep_empty: bool) -> bool {
        match self {
            Self::Text(values) => values.get(entry).is_some_and(|value| keep_empty || !value.is_empty()),
            Self::Doubles(values) => values.is_valid(entry) && values.value(entry).is_finite(),
        }
    }

    fn append(&self, entry: usize, out: &mut StringBuilder) {
        match self {
            Self::Text(values) => out.append_option(values.get(entry)),
            Self::Doubles(values) if values.is_valid(entry) => {
                out.append_value(values.value(entry).to_string());
            }
            Self::Doubles(_) => out.append_null(),
        }
    }

    /// Rust prints a double by its shortest decimal text, without an exponent.
    pub(super) fn write_json(&self, entry: usize, out: &mut String) {
        match self {
            Self::Text(values) => flat_json::write_string(out, values.get(entry).unwrap_or_default()),
            Self::Doubles(values) => out.push_str(&values.value(entry).to_string()),
        }
    }
}

#[cfg(test)]
#[path = "maps_tests.rs"]
mod tests;
