//! `telemetry_match_key(value, …)`: match values as one JSON array of strings, `null` for missing.
//!
//! Charges get the same text from the same values, by the same function: see [`apportion_spec::match_key`].

use std::sync::Arc;

use apportion_spec::match_key;
use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct MatchKey {
    signature: Signature,
}

impl MatchKey {
    pub(super) fn new(values: usize) -> Self {
        Self { signature: Signature::uniform(values, vec![DataType::Utf8], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for MatchKey {
    fn name(&self) -> &str {
        "telemetry_match_key"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let columns: Vec<&StringArray> = arrays.iter().filter_map(|array| array.as_string_opt::<i32>()).collect();
        if columns.len() != arrays.len() {
            return exec_err!("telemetry_match_key takes string columns");
        }
        Ok(ColumnarValue::Array(Arc::new(keys(&columns, args.number_rows)) as ArrayRef))
    }
}

fn keys(columns: &[&StringArray], rows: usize) -> StringArray {
    let mut keys = StringBuilder::new();
    let mut key = String::new();
    for row in 0..rows {
        key.clear();
        match_key::write(&mut key, columns.iter().map(|column| column.is_valid(row).then(|| column.value(row))));
        keys.append_value(&key);
    }
    keys.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_places_and_quotes() {
        let service: ArrayRef = Arc::new(StringArray::from(vec![Some("a\"b"), None, Some("\u{8}\u{c}\u{1f}é")]));
        let region: ArrayRef = Arc::new(StringArray::from(vec!["eu", "eu", ""]));
        let keys = keys(&[service.as_string::<i32>(), region.as_string::<i32>()], 3);
        let keys: Vec<Option<&str>> = keys.iter().collect();
        assert_eq!(keys, [r#"["a\"b","eu"]"#, r#"[null,"eu"]"#, "[\"\\u0008\\u000c\\u001fé\",\"\"]"].map(Some));
    }
}
