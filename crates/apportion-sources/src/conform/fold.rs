//! `fold_map(column, …)`: one map per row from the columns of a legacy export.
//!
//! Legacy exports have one column per product attribute, tag key, cost category and discount. The keys
//! are part of the function, the columns its arguments; `''` and NULL give no entry, because legacy
//! files write `''` for "does not apply".

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Float64Builder, MapArray, StringArray, StringBuilder, StructArray,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::contract::ColumnKind;

/// The function for one list of keys.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct FoldMap {
    keys: Vec<Arc<str>>,
    numbers: bool,
    signature: Signature,
}

impl FoldMap {
    /// A map of this kind.
    pub(super) fn new(kind: ColumnKind, keys: Vec<Arc<str>>) -> Self {
        let numbers = kind == ColumnKind::NumberMap;
        let value = if numbers { DataType::Float64 } else { DataType::Utf8 };
        let signature = Signature::uniform(keys.len(), vec![value], Volatility::Immutable);
        Self { keys, numbers, signature }
    }

    fn kind(&self) -> ColumnKind {
        if self.numbers { ColumnKind::NumberMap } else { ColumnKind::TextMap }
    }
}

impl ScalarUDFImpl for FoldMap {
    fn name(&self) -> &str {
        if self.numbers { "fold_number_map" } else { "fold_map" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.kind().data_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let rows = args.number_rows;
        let folded = if self.numbers {
            let columns: Vec<&Float64Array> =
                arrays.iter().filter_map(|array| array.as_primitive_opt::<Float64Type>()).collect();
            self.is_complete(columns.len())?;
            fold_numbers(&self.keys, &columns, rows)?
        } else {
            let columns: Vec<&StringArray> = arrays.iter().filter_map(|array| array.as_string_opt::<i32>()).collect();
            self.is_complete(columns.len())?;
            fold(&self.keys, &columns, rows)?
        };
        Ok(ColumnarValue::Array(Arc::new(folded) as ArrayRef))
    }
}

impl FoldMap {
    fn is_complete(&self, columns: usize) -> Result<()> {
        if columns == self.keys.len() {
            return Ok(());
        }
        exec_err!("{} takes one column per key", self.name())
    }
}

fn fold(keys: &[Arc<str>], columns: &[&StringArray], rows: usize) -> Result<MapArray> {
    let mut values = StringBuilder::new();
    let (names, offsets) = entries(keys, rows, |column, row| {
        let column = columns.get(column).filter(|column| column.is_valid(row) && !column.value(row).is_empty());
        column.map(|column| values.append_value(column.value(row))).is_some()
    })?;
    map(ColumnKind::TextMap, names, Arc::new(values.finish()), offsets)
}

fn fold_numbers(keys: &[Arc<str>], columns: &[&Float64Array], rows: usize) -> Result<MapArray> {
    let mut values = Float64Builder::new();
    let (names, offsets) = entries(keys, rows, |column, row| {
        let column = columns.get(column).filter(|column| column.is_valid(row));
        column.map(|column| values.append_value(column.value(row))).is_some()
    })?;
    map(ColumnKind::NumberMap, names, Arc::new(values.finish()), offsets)
}

/// The keys of every row whose value `append` found and kept, and where the entries of a row begin.
fn entries(
    keys: &[Arc<str>],
    rows: usize,
    mut append: impl FnMut(usize, usize) -> bool,
) -> Result<(StringArray, Vec<i32>)> {
    let mut names = StringBuilder::new();
    let mut offsets: Vec<i32> = Vec::with_capacity(rows + 1);
    let mut count = 0_i32;
    offsets.push(count);
    for row in 0..rows {
        for (column, key) in keys.iter().enumerate() {
            if append(column, row) {
                names.append_value(key);
                count = count.checked_add(1).ok_or_else(too_many)?;
            }
        }
        offsets.push(count);
    }
    Ok((names.finish(), offsets))
}

fn map(kind: ColumnKind, names: StringArray, values: ArrayRef, offsets: Vec<i32>) -> Result<MapArray> {
    let DataType::Map(entry, _) = kind.data_type() else {
        return exec_err!("a map type is not a map");
    };
    let DataType::Struct(fields) = entry.data_type() else {
        return exec_err!("map entries are not a struct");
    };
    let entries = StructArray::try_new(fields.clone(), vec![Arc::new(names), values], None)?;
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

    #[test]
    fn discounts_fold_into_numbers() {
        let edp = Float64Array::from(vec![Some(-5.0), None]);
        let private = Float64Array::from(vec![Some(-7.0), Some(0.0)]);
        let keys = ["edp_discount".into(), "private_rate_discount".into()];
        let folded = fold_numbers(&keys, &[&edp, &private], 2).unwrap();
        assert_eq!(folded.data_type(), &ColumnKind::NumberMap.data_type());
        let first = folded.value(0);
        assert_eq!(first.column(1).as_primitive::<Float64Type>().values().to_vec(), [-5.0, -7.0]);
        assert_eq!(folded.value(1).column(0).as_string::<i32>().value(0), "private_rate_discount");
    }
}
