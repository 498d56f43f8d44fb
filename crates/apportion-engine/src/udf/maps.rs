//! `map_value`, `tag`, `tags_json`, `cost_categories_json` and `map_json`: reading and writing maps and
//! flat JSON.
//!
//! Of several maps every key counts once, in the first map that has it. AWS delivers resource tags in
//! one map, and in another one, with a prefix that says what each is, those together with the tags of
//! accounts and users and with cost categories.
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
        Function::new("tags_json", &[Map], DataType::Utf8, possible, |arguments| {
            to_json(arguments, |_, key| tag_key(key), false)
        })
        .variadic(),
        Function::new("cost_categories_json", &[Map, Map], DataType::Utf8, possible, |arguments| {
            to_json(arguments, category_key, true)
        }),
        Function::new("map_json", &[Map], DataType::Utf8, possible, |arguments| {
            to_json(arguments, |_, key| Some(Cow::Borrowed(key)), true)
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

/// In front of keys that are cost categories, in the map of all kinds of tags.
const COST_CATEGORY: &str = "costCategory/";

/// The key a tag has in FOCUS: keys that users gave resources bare, the provider's with its prefix, and
/// what other things are tagged with (`accountTag/`, `userAttribute/`) as delivered. A cost category is no tag.
fn tag_key(key: &str) -> Option<Cow<'_, str>> {
    if key.starts_with(COST_CATEGORY) {
        return None;
    }
    let key = key.strip_prefix("resourceTags/").unwrap_or(key);
    let own = key.strip_prefix("user_").or_else(|| key.strip_prefix("user:"));
    Some(match (own, key.strip_prefix("aws_")) {
        (Some(own), _) => Cow::Borrowed(own),
        (_, Some(provider)) => Cow::Owned(format!("aws:{provider}")),
        _ => Cow::Borrowed(key),
    })
}

/// The key of a cost category: bare in the first map, which has nothing else.
fn category_key(map: usize, key: &str) -> Option<Cow<'_, str>> {
    if map == 0 { Some(key) } else { key.strip_prefix(COST_CATEGORY) }.map(Cow::Borrowed)
}

/// What a key is called in the object; `None` when it is none of it. The first argument counts the maps.
type Name = fn(usize, &str) -> Option<Cow<'_, str>>;

fn to_json(arguments: &Arguments<'_>, name: Name, keep_empty: bool) -> Result<ArrayRef> {
    let arrays: Vec<ArrayRef> =
        arguments.values().iter().map(|map| map.to_array(arguments.rows)).collect::<Result<_>>()?;
    let mut maps = Vec::with_capacity(arrays.len());
    for (index, array) in arrays.iter().enumerate() {
        if let Some(map) = array.as_map_opt() {
            maps.push((index, map, TextColumn::of_array(map.keys())?, Values::of(map.values())?));
        }
    }
    let mut out = StringBuilder::with_capacity(arguments.rows, arguments.rows * 64);
    let mut pairs: Vec<(Cow<'_, str>, usize, usize)> = Vec::new();
    let mut text = String::new();
    for row in 0..arguments.rows {
        pairs.clear();
        for (place, (index, map, keys, values)) in maps.iter().enumerate() {
            let (start, end) = entries(map, row).unwrap_or_default();
            pairs.extend(
                (start..end)
                    .filter(|entry| values.present(*entry, keep_empty))
                    .filter_map(|entry| Some((name(*index, keys.get(entry)?)?, place, entry))),
            );
        }
        if pairs.is_empty() {
            out.append_null();
            continue;
        }
        // Map and entry break ties, so of two keys that become the same the first one is kept.
        pairs.sort_unstable();
        pairs.dedup_by(|later, earlier| later.0 == earlier.0);
        text.clear();
        for (index, (key, place, entry)) in pairs.iter().enumerate() {
            text.push(if index == 0 { '{' } else { ',' });
            flat_json::write_string(&mut text, key);
            text.push(':');
            if let Some((_, _, _, values)) = maps.get(*place) {
                values.write_json(*entry, &mut text);
            }
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
