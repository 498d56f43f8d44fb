//! `fold_map(column, …)`: one map per row from the columns of a legacy export.
//!
//! Legacy exports have one column per product attribute, tag key and cost category. The keys are
//! part of the function, the columns its arguments; `''` and NULL give no entry, because legacy
//! files write `''` for "does not apply".

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, MapArray, StringArray, StringBuilder, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::contract::ColumnKind;

/// The function for one list of keys.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct FoldMap {
    keys: Vec<Arc<str>>,
    signature: Signature,
}

impl FoldMap {
    pub(super) fn new(keys: Vec<Arc<str>>) -> Self {
        let signature = Signature::uniform(keys.len(), vec![DataType::Utf8], Volatility::Immutable);
        Self { keys, signature }
    }
}

impl ScalarUDFImpl for FoldMap {
    fn name(&self) -> &str {
        "fold_map"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(ColumnKind::TextMap.data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let columns: Vec<&StringArray> = arrays.iter().filter_map(|array| array.as_string_opt::<i32>()).collect();
        if columns.len() != self.keys.len() {
            return exec_err!("fold_map takes one string column per key");
        }
        let folded = fold(&self.keys, &columns, args.number_rows)?;
        Ok(ColumnarValue::Array(Arc::new(folded) as ArrayRef))
    }
}

fn fold(keys: &[Arc<str>], columns: &[&StringArray], rows: usize) -> Result<MapArray> {
    let DataType::Map(entry, _) = ColumnKind::TextMap.data_type() else {
        return exec_err!("a map type is not a map");
    };
    let DataType::Struct(fields) = entry.data_type() else {
        return exec_err!("map entries are not a struct");
    };
    let (mut names, mut values) = (StringBuilder::new(), StringBuilder::new());
    let mut offsets: Vec<i32> = Vec::with_capacity(rows + 1);
    let mut entries = 0_i32;
    offsets.push(entries);
    for row in 0..rows {
        for (key, column) in keys.iter().zip(columns) {
            if arrow::array::Array::is_valid(*column, row) && !column.value(row).is_empty() {
                names.append_value(key);
                values.append_value(column.value(row));
                entries = entries.checked_add(1).ok_or_else(too_many)?;
            }
        }
        offsets.push(entries);
    }
    let entries =
        StructArray::try_new(fields.clone(), vec![Arc::new(names.finish()), Arc::new(values.finish())], None)?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let entry: Arc<Field> = entry;
    Ok(MapArray::try_new(entry, offsets, entries, None, false)?)
}

fn too_many() -> DataFusionError {
    DataFusionError::ResourcesExhausted("too many map entries in one batch".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_missing_values_give_no_entry() {
        let name = StringArray::from(vec![Some("db"), Some(""), None]);
        let team = StringArray::from(vec![Some("core"), Some("web"), None]);
        let folded = fold(&["user_name".into(), "user_team".into()], &[&name, &team], 3).unwrap();
        assert_eq!((0..3).map(|row| folded.value_length(row)).collect::<Vec<_>>(), [2, 1, 0]);
        let web = folded.value(1);
        assert_eq!(web.column(0).as_string::<i32>().value(0), "user_team");
        assert_eq!(web.column(1).as_string::<i32>().value(0), "web");
    }
}
