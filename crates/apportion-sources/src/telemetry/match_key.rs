//! `telemetry_match_key(value, …)`: match values as one JSON array of strings, `null` for missing.
//!
//! Charges get the same text from the same values, so one comparison matches any number of columns
//! and no separator can be part of a value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, exec_err};
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
        let mut keys = StringBuilder::new();
        for row in 0..args.number_rows {
            keys.append_value(key(&columns, row)?);
        }
        Ok(ColumnarValue::Array(Arc::new(keys.finish()) as ArrayRef))
    }
}

fn key(columns: &[&StringArray], row: usize) -> Result<String> {
    let values: Vec<Option<&str>> =
        columns.iter().map(|column| column.is_valid(row).then(|| column.value(row))).collect();
    serde_json::to_string(&values).map_err(|error| DataFusionError::External(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_places_and_quotes() {
        let service = StringArray::from(vec![Some("a\"b"), None]);
        let region = StringArray::from(vec![Some("eu"), Some("eu")]);
        let columns = [&service, &region];
        assert_eq!(key(&columns, 0).unwrap(), r#"["a\"b","eu"]"#);
        assert_eq!(key(&columns, 1).unwrap(), r#"[null,"eu"]"#);
    }
}
