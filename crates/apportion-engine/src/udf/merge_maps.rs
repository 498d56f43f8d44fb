//! `merge_maps_json`: one flat JSON object from several maps.
//!
//! FOCUS has one map of tags, clouds have several. Only one of them may have bare keys, so the
//! others get a prefix, and of equal keys the first map wins. The trap avoided: a key of one map that
//! hides another map.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, MapArray, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};

use super::column::TextColumn;
use super::flat_json;
use super::function::{Argument, Arguments, Function, Nullability};
use super::maps::{Values, entries};

/// The functions of this file.
pub(super) fn functions() -> Vec<Function> {
    let merge = Function::new("merge_maps_json", &[Argument::MapOrText], DataType::Utf8, Nullability::Possible, merge);
    vec![merge.variadic()]
}

/// Key and value parts of one argument pair; `None` for a NULL map.
struct Part<'a> {
    prefix: TextColumn<'a>,
    map: Option<(&'a MapArray, TextColumn<'a>, Values<'a>)>,
}

fn merge(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let pairs = arguments.values().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return plan_err!("{} takes pairs of a prefix and a map", arguments.function);
    }
    let arrays = pairs.clone().map(|pair| match pair {
        [prefix, map] => Ok((prefix, map.to_array(arguments.rows)?)),
        _ => plan_err!("{} takes pairs of a prefix and a map", arguments.function),
    });
    let arrays: Vec<_> = arrays.collect::<Result<_>>()?;
    let mut parts = Vec::with_capacity(arrays.len());
    for (prefix, array) in &arrays {
        let map = match array.as_map_opt() {
            Some(map) => Some((map, TextColumn::of_array(map.keys())?, Values::of(map.values())?)),
            None => None,
        };
        parts.push(Part { prefix: TextColumn::of(prefix)?, map });
    }
    let mut out = StringBuilder::with_capacity(arguments.rows, arguments.rows * 64);
    for row in 0..arguments.rows {
        let mut merged: BTreeMap<String, String> = BTreeMap::new();
        for part in &parts {
            let Some((map, keys, values)) = &part.map else { continue };
            let prefix = part.prefix.get(row).unwrap_or_default();
            let (start, end) = entries(map, row).unwrap_or_default();
            for entry in (start..end).filter(|entry| values.present(*entry, true)) {
                if let Some(key) = keys.get(entry) {
                    merged.entry(format!("{prefix}{key}")).or_insert_with(|| {
                        let mut value = String::new();
                        values.write_json(entry, &mut value);
                        value
                    });
                }
            }
        }
        out.append_option(written(&merged));
    }
    Ok(Arc::new(out.finish()))
}

/// The members as one JSON object, `None` without any.
fn written(members: &BTreeMap<String, String>) -> Option<String> {
    let mut text = String::new();
    for (key, value) in members {
        text.push(if text.is_empty() { '{' } else { ',' });
        flat_json::write_string(&mut text, key);
        text.push(':');
        text.push_str(value);
    }
    (!text.is_empty()).then(|| text + "}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_map_with_a_key_wins() {
        let members = BTreeMap::from([("b".to_owned(), "\"2\"".to_owned()), ("a".to_owned(), "\"1\"".to_owned())]);
        assert_eq!(written(&members).as_deref(), Some(r#"{"a":"1","b":"2"}"#));
        assert_eq!(written(&BTreeMap::new()), None);
    }
}
