//! `json_map(text)`: a map from a JSON object in text, the other form in which tags arrive.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Builder, MapBuilder, MapFieldNames, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use serde_json::Value;

use crate::contract::ColumnKind;

/// The function for text or number values.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonMap {
    numbers: bool,
    signature: Signature,
}

impl JsonMap {
    pub(super) fn new(kind: ColumnKind) -> Self {
        let signature = Signature::uniform(1, vec![DataType::Utf8], Volatility::Immutable);
        Self { numbers: kind == ColumnKind::NumberMap, signature }
    }

    fn kind(&self) -> ColumnKind {
        if self.numbers { ColumnKind::NumberMap } else { ColumnKind::TextMap }
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
        let map = if self.numbers { number_map(texts)? } else { text_map(texts)? };
        Ok(ColumnarValue::Array(cast(&map, &self.kind().data_type())?))
    }
}

fn names() -> Option<MapFieldNames> {
    Some(MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() })
}

/// Members of the object in a row; `None` for NULL and `''`.
fn members(texts: &StringArray, row: usize) -> Result<Option<Vec<(String, Value)>>> {
    if texts.is_null(row) || texts.value(row).is_empty() {
        return Ok(None);
    }
    match serde_json::from_str(texts.value(row)) {
        Ok(Value::Object(object)) => Ok(Some(object.into_iter().collect())),
        Ok(Value::Null) => Ok(None),
        Ok(_) | Err(_) => exec_err!("`{}` is not a JSON object", texts.value(row)),
    }
}

fn text_map(texts: &StringArray) -> Result<ArrayRef> {
    let mut builder = MapBuilder::new(names(), StringBuilder::new(), StringBuilder::new());
    for row in 0..texts.len() {
        let object = members(texts, row)?;
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

fn number_map(texts: &StringArray) -> Result<ArrayRef> {
    let mut builder = MapBuilder::new(names(), StringBuilder::new(), Float64Builder::new());
    for row in 0..texts.len() {
        let object = members(texts, row)?;
        for (key, value) in object.iter().flatten() {
            let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
            if number.is_none() && !value.is_null() {
                return exec_err!("`{value}` is not a number");
            }
            builder.keys().append_value(key);
            builder.values().append_option(number);
        }
        builder.append(object.is_some())?;
    }
    Ok(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_become_maps_and_anything_else_is_refused() {
        let texts = StringArray::from(vec![Some(r#"{"team":"core","n":1}"#), Some(""), None, Some("{}")]);
        let map = text_map(&texts).unwrap();
        let map = map.as_map();
        assert_eq!((0..4).map(|row| map.value_length(row)).collect::<Vec<_>>(), [2, 0, 0, 0]);
        assert_eq!((0..4).map(|row| map.is_null(row)).collect::<Vec<_>>(), [false, true, true, false]);
        assert!(text_map(&StringArray::from(vec!["[1]"])).is_err());
        assert!(number_map(&StringArray::from(vec![r#"{"a":"x"}"#])).is_err());
        assert!(number_map(&StringArray::from(vec![r#"{"a":-0.5}"#])).is_ok());
    }
}
