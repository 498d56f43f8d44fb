//! `pairs_map(list)` and `credit_list(list)`: repeated records in the one shape a relation has.
//!
//! The same list is delivered with more or fewer fields, in another order, and under two list
//! encodings. Of equal keys the last one counts; a pair without a key says nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Builder, ListArray, ListBuilder, MapBuilder, MapFieldNames, StringArray,
    StringBuilder, StructArray, StructBuilder, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::doubts::Doubts;
use crate::contract::{CREDIT_TEXTS, ColumnKind, credit_fields, credit_list, field_named, is_field};
use crate::words::NullWords;

/// The function for one kind of list.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ListShape {
    credits: bool,
    words: NullWords,
    doubts: Doubts,
    signature: Signature,
}

impl ListShape {
    pub(super) fn new(kind: ColumnKind, words: NullWords, doubts: Doubts) -> Self {
        let signature = Signature::any(1, Volatility::Immutable);
        Self { credits: kind == ColumnKind::Credits, words, doubts, signature }
    }
}

impl ScalarUDFImpl for ListShape {
    fn name(&self) -> &str {
        if self.credits { "credit_list" } else { "pairs_map" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(if self.credits { credit_list() } else { ColumnKind::TextMap.data_type() })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(array) = arrays.first() else { return exec_err!("{} takes one list", self.name()) };
        let lists = match array.data_type() {
            DataType::Utf8 => written(array.as_string(), &self.words, &self.doubts),
            DataType::LargeList(entry) => cast(array, &DataType::List(Arc::clone(entry)))?,
            _ => Arc::clone(array),
        };
        let Some(lists) = lists.as_list_opt::<i32>() else {
            return exec_err!("{} takes a list, found {}", self.name(), array.data_type());
        };
        let shaped = if self.credits { credits(lists, &self.words)? } else { pairs(lists)? };
        Ok(ColumnarValue::Array(shaped))
    }
}

/// What a text that should be credits says; `None` when it is no array of them.
fn array_of_credits(text: &str) -> Option<Vec<serde_json::Map<String, serde_json::Value>>> {
    serde_json::from_str(text).ok()
}

/// Why a text is no credits; `None` where it is.
pub(crate) fn doubt(text: &str) -> Option<&'static str> {
    array_of_credits(text).is_none().then_some("no JSON array of credits")
}

/// Credits from the text of a JSON array; any other text raises a doubt and is none.
fn written(texts: &StringArray, words: &NullWords, doubts: &Doubts) -> ArrayRef {
    let mut builder = ListBuilder::new(StructBuilder::from_fields(credit_fields(), texts.len()));
    for text in texts {
        let Some(text) = text.and_then(|text| words.value(text)) else {
            builder.append(false);
            continue;
        };
        let Some(credits) = array_of_credits(text) else {
            doubts.raise();
            builder.append(false);
            continue;
        };
        for credit in credits {
            let member = |wanted: &str| credit.iter().find(|(name, _)| is_field(name, wanted)).map(|(_, value)| value);
            let entry = builder.values();
            for (index, name) in CREDIT_TEXTS.iter().enumerate() {
                if let Some(texts) = entry.field_builder::<StringBuilder>(index) {
                    texts.append_option(member(name).and_then(serde_json::Value::as_str));
                }
            }
            if let Some(amounts) = entry.field_builder::<Float64Builder>(CREDIT_TEXTS.len()) {
                amounts.append_option(member("amount").and_then(serde_json::Value::as_f64));
            }
            entry.append(true);
        }
        builder.append(true);
    }
    Arc::new(builder.finish())
}

/// A field of the entries, cast to `data_type`; NULLs where the entries lack it.
fn field(lists: &ListArray, name: &str, data_type: &DataType) -> Result<ArrayRef> {
    let entries = lists.values();
    let column = entries.as_struct_opt().and_then(|records| {
        let index = field_named(records.fields(), name)?;
        records.columns().get(index)
    });
    match column {
        Some(column) => Ok(cast(column, data_type)?),
        None => Ok(new_null_array(data_type, entries.len())),
    }
}

/// Credits as delivered, but for texts that stand for nothing.
fn credits(lists: &ListArray, words: &NullWords) -> Result<ArrayRef> {
    let DataType::List(entry) = credit_list() else { return exec_err!("a list type is not a list") };
    let DataType::Struct(fields) = entry.data_type() else { return exec_err!("credits are not a struct") };
    let mut columns: Vec<ArrayRef> = Vec::new();
    for name in CREDIT_TEXTS {
        let texts = field(lists, name, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>().iter().map(|text| text.and_then(|text| words.text(text)));
        columns.push(Arc::new(texts.collect::<StringArray>()));
    }
    columns.push(field(lists, "amount", &DataType::Float64)?);
    let valid = lists.values().nulls().cloned();
    let entries = StructArray::try_new_with_length(fields.clone(), columns, valid, lists.values().len())?;
    Ok(Arc::new(ListArray::try_new(entry, lists.offsets().clone(), Arc::new(entries), lists.nulls().cloned())?))
}

fn pairs(lists: &ListArray) -> Result<ArrayRef> {
    let keys = field(lists, "key", &DataType::Utf8)?;
    let values = field(lists, "value", &DataType::Utf8)?;
    let (keys, values): (&StringArray, &StringArray) = (keys.as_string(), values.as_string());
    let names = MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in 0..lists.len() {
        let mut kept: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        if lists.is_valid(row) {
            let offset = |at: usize| lists.value_offsets().get(at).and_then(|offset| usize::try_from(*offset).ok());
            for entry in offset(row).unwrap_or(0)..offset(row + 1).unwrap_or(0) {
                if keys.is_valid(entry) {
                    kept.insert(keys.value(entry), values.is_valid(entry).then(|| values.value(entry)));
                }
            }
        }
        for (key, value) in kept {
            builder.keys().append_value(key);
            builder.values().append_option(value);
        }
        builder.append(lists.is_valid(row))?;
    }
    Ok(cast(&builder.finish(), &ColumnKind::TextMap.data_type())?)
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use arrow::buffer::{OffsetBuffer, ScalarBuffer};
    use arrow::datatypes::{Field, Fields, Float64Type};

    use super::*;

    #[test]
    fn the_last_of_equal_keys_counts() {
        let fields = vec![Field::new("value", DataType::Utf8, true), Field::new("key", DataType::Utf8, true)];
        let mut builder = ListBuilder::new(StructBuilder::from_fields(fields, 4));
        for (key, value) in [(Some("team"), "web"), (None, "lost"), (Some("team"), "core")] {
            let entry = builder.values();
            entry.field_builder::<StringBuilder>(0).unwrap().append_value(value);
            entry.field_builder::<StringBuilder>(1).unwrap().append_option(key);
            entry.append(true);
        }
        builder.append(true);
        builder.append(false);
        let map = pairs(&builder.finish()).unwrap();
        let map = map.as_map();
        assert_eq!((map.value_length(0), map.is_null(1)), (1, true));
        assert_eq!(map.value(0).column(1).as_string::<i32>().value(0), "core");
    }

    #[test]
    fn credits_are_read_in_every_spelling() {
        let text = r#"[{"Name":"n","FullName":"f","Amount":-1.5,"Type":"DISCOUNT"},{"amount":-2,"type":"PROMOTION"}]"#;
        let (words, doubts) = (NullWords::default(), Doubts::default());
        let lists = written(&StringArray::from(vec![Some(text), None, Some("")]), &words, &doubts);
        let shaped = credits(lists.as_list(), &words).unwrap();
        let list: &ListArray = shaped.as_list();
        assert_eq!((0..3).map(|row| list.value_length(row)).collect::<Vec<_>>(), [2, 0, 0]);
        let names = field(list, "FULL_NAME", &DataType::Utf8).unwrap();
        assert_eq!(names.as_string::<i32>().value(0), "f");
        assert!(!doubts.are_raised());
        assert!(written(&StringArray::from(vec!["{}"]), &words, &doubts).is_null(0) && doubts.are_raised());
    }

    #[test]
    fn credits_of_an_older_export_lack_fields() {
        let fields = Fields::from(vec![Field::new("amount", DataType::Int64, true)]);
        let entries = StructArray::new(fields.clone(), vec![Arc::new(Int64Array::from(vec![-1, -2]))], None);
        let entry = Arc::new(Field::new("element", DataType::Struct(fields), true));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0, 2, 2]));
        let lists = ListArray::new(entry, offsets, Arc::new(entries), None);
        let shaped = credits(&lists, &NullWords::default()).unwrap();
        assert_eq!(shaped.data_type(), &credit_list());
        let amounts = field(shaped.as_list(), "amount", &DataType::Float64).unwrap();
        assert_eq!(amounts.as_primitive::<Float64Type>().values().to_vec(), [-1.0, -2.0]);
    }
}
