//! `json_map(text)`: a map from a JSON object in text, the other form in which tags arrive. What cannot
//! be read in full raises a doubt, and what of it can be read is kept.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Builder, MapBuilder, MapFieldNames, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use serde_json::Value;

use super::doubts::Doubts;
use super::members::{self, Members};
use crate::contract::{ColumnKind, SourceColumn};
use crate::words::NullWords;

/// The function for the values of one column.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonMap {
    numbers: bool,
    folds_case: bool,
    words: NullWords,
    doubts: Doubts,
    signature: Signature,
}

impl JsonMap {
    pub(super) fn new(column: &SourceColumn, words: NullWords, doubts: Doubts) -> Self {
        let signature = Signature::uniform(1, vec![DataType::Utf8], Volatility::Immutable);
        Self { numbers: column.kind == ColumnKind::NumberMap, folds_case: column.folds_case, words, doubts, signature }
    }

    fn kind(&self) -> ColumnKind {
        if self.numbers { ColumnKind::NumberMap } else { ColumnKind::TextMap }
    }

    /// Members of the object in a row; `None` where there is none, and where nothing of it can be read.
    fn members(&self, texts: &StringArray, row: usize) -> Option<Vec<(String, Value)>> {
        let text = texts.is_valid(row).then(|| texts.value(row)).and_then(|text| self.words.value(text))?;
        let Members { entries, is_whole } = members::read(text);
        if !is_whole {
            self.doubts.raise();
        }
        (is_whole || !entries.is_empty()).then(|| self.once(entries))
    }

    /// Every key once: of keys that are the same the last counts, of those that differ in case the first.
    fn once(&self, entries: Vec<(String, Value)>) -> Vec<(String, Value)> {
        let mut kept: Vec<(String, Value)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let same = |other: &&mut (String, Value)| {
                if self.folds_case { other.0.to_lowercase() == key.to_lowercase() } else { other.0 == key }
            };
            match kept.iter_mut().find(same) {
                Some(_) if self.folds_case => {}
                Some(other) => other.1 = value,
                None => kept.push((key, value)),
            }
        }
        kept
    }

    fn text_map(&self, texts: &StringArray) -> Result<ArrayRef> {
        let mut builder = MapBuilder::new(names(), StringBuilder::new(), StringBuilder::new());
        for row in 0..texts.len() {
            let object = self.members(texts, row);
            for (key, value) in object.iter().flatten() {
                builder.keys().append_value(key);
                match value {
                    Value::Null => builder.values().append_null(),
                    Value::String(text) => builder.values().append_value(text),
                    other => builder.values().append_value(other.to_string()),
                }
            }
            builder.append(object.is_some())?;
        }
        Ok(Arc::new(builder.finish()))
    }

    fn number_map(&self, texts: &StringArray) -> Result<ArrayRef> {
        let mut builder = MapBuilder::new(names(), StringBuilder::new(), Float64Builder::new());
        for row in 0..texts.len() {
            let object = self.members(texts, row);
            for (key, value) in object.iter().flatten() {
                let number = number(value);
                if number.is_none() && !value.is_null() {
                    self.doubts.raise();
                }
                builder.keys().append_value(key);
                builder.values().append_option(number);
            }
            builder.append(object.is_some())?;
        }
        Ok(Arc::new(builder.finish()))
    }
}

impl ScalarUDFImpl for JsonMap {
    fn name(&self) -> &str {
        if self.numbers { "json_number_map" } else { "json_map" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.kind().data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(texts) = arrays.first().and_then(|array| array.as_string_opt::<i32>()) else {
            return exec_err!("json_map takes one string column");
        };
        let map = if self.numbers { self.number_map(texts)? } else { self.text_map(texts)? };
        Ok(ColumnarValue::Array(cast(&map, &self.kind().data_type())?))
    }
}

/// Why a text is no map of its kind in full; `None` where it is.
pub(crate) fn doubt(kind: ColumnKind, text: &str) -> Option<&'static str> {
    let Members { entries, is_whole } = members::read(text);
    if !is_whole {
        return Some("no JSON object");
    }
    let is_number = |value: &Value| value.is_null() || number(value).is_some();
    (kind == ColumnKind::NumberMap && !entries.iter().all(|(_, value)| is_number(value)))
        .then_some("no object of numbers")
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn names() -> Option<MapFieldNames> {
    Some(MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(kind: ColumnKind, folds_case: bool) -> JsonMap {
        let column = SourceColumn { folds_case, ..SourceColumn::plain("tags", kind, false) };
        JsonMap::new(&column, NullWords::default(), Doubts::default())
    }

    #[test]
    fn objects_become_maps_and_what_is_none_raises_doubts() {
        let texts = StringArray::from(vec![Some(r#"{"team":"core","n":1}"#), Some(""), None, Some("{}"), Some("NULL")]);
        let json = function(ColumnKind::TextMap, false);
        let map = json.text_map(&texts).unwrap();
        let map = map.as_map();
        assert_eq!((0..5).map(|row| map.value_length(row)).collect::<Vec<_>>(), [2, 0, 0, 0, 0]);
        let nulls = (0..5).map(|row| map.is_null(row)).collect::<Vec<_>>();
        assert_eq!(nulls, [false, true, true, false, true]);
        assert!(!json.doubts.are_raised());
        let nothing = json.text_map(&StringArray::from(vec!["[1]"])).unwrap();
        assert!(nothing.is_null(0) && json.doubts.are_raised());
        let numbers = function(ColumnKind::NumberMap, false);
        assert!(numbers.number_map(&StringArray::from(vec![r#"{"a":-0.5}"#])).is_ok() && !numbers.doubts.are_raised());
        let found = numbers.number_map(&StringArray::from(vec![r#"{"a":"x","b":2}"#])).unwrap();
        assert_eq!((found.as_map().value_length(0), numbers.doubts.are_raised()), (2, true));
    }

    #[test]
    fn of_keys_that_are_one_key_one_counts() {
        let texts = StringArray::from(vec![r#""env": "first","Env": "second","env": "third""#]);
        for (folds_case, expected) in [(true, vec!["first"]), (false, vec!["third", "second"])] {
            let map = function(ColumnKind::TextMap, folds_case).text_map(&texts).unwrap();
            let values = map.as_map().value(0);
            let values: Vec<&str> = values.column(1).as_string::<i32>().iter().flatten().collect();
            assert_eq!(values, expected);
        }
    }

    #[test]
    fn a_doubt_says_what_is_wrong() {
        assert_eq!(doubt(ColumnKind::TextMap, r#"{"a":"b"}"#), None);
        assert_eq!(doubt(ColumnKind::TextMap, r#"{"a":"\q"}"#), Some("no JSON object"));
        assert_eq!(doubt(ColumnKind::NumberMap, r#"{"a":"1.5","b":null}"#), None);
        assert_eq!(doubt(ColumnKind::NumberMap, r#"{"a":"x"}"#), Some("no object of numbers"));
    }
}
