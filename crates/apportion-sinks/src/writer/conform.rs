//! Brings a query's batches into a table's columns: by name, in order, with the exact types.
//!
//! Only representations are converted (string views, dictionaries, nullability); a decimal of
//! another scale or a float for money is an error, never a cast.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};

use apportion_spec::Result;

use super::contract;
use crate::error;
use crate::table::TableSpec;

#[derive(Debug)]
pub(super) struct Conform {
    file_schema: SchemaRef,
    sources: Vec<Source>,
    /// Partition columns: where they come from, and the one value they may have.
    partition: Vec<(usize, String, String)>,
    table: String,
}

#[derive(Debug)]
struct Source {
    index: usize,
    cast: bool,
}

impl Conform {
    pub(super) fn try_new(incoming: &SchemaRef, table: &TableSpec, partition: &[(String, String)]) -> Result<Self> {
        let file_schema = table.file_schema()?;
        let mut sources = Vec::with_capacity(file_schema.fields().len());
        for field in file_schema.fields() {
            let Some((index, found)) = incoming.column_with_name(field.name()) else {
                return Err(contract("the query lacks a column of the table", &table.name).with("column", field.name()));
            };
            let cast = found.data_type() != field.data_type();
            if cast && !same_values(found.data_type(), field.data_type()) {
                return Err(contract("the query yields a column with another type than the table", &table.name)
                    .with("column", field.name())
                    .with("expected", field.data_type())
                    .with("found", found.data_type()));
            }
            sources.push(Source { index, cast });
        }
        if let Some(extra) =
            incoming.fields().iter().find(|field| table.schema.column_with_name(field.name()).is_none())
        {
            return Err(
                contract("the query yields a column the table does not have", &table.name).with("column", extra.name())
            );
        }
        let mut constant = Vec::with_capacity(partition.len());
        for (column, value) in partition {
            let Some((index, _)) = incoming.column_with_name(column) else {
                return Err(contract("the query lacks a column of the table", &table.name).with("column", column));
            };
            constant.push((index, column.clone(), value.clone()));
        }
        Ok(Self { file_schema, sources, partition: constant, table: table.name.clone() })
    }

    pub(super) fn file_schema(&self) -> &SchemaRef {
        &self.file_schema
    }

    pub(super) fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.refuse_other_partitions(batch)?;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.sources.len());
        for (source, field) in self.sources.iter().zip(self.file_schema.fields()) {
            let column = batch.column(source.index);
            let column =
                if source.cast { cast(column, field.data_type()).map_err(error::encode)? } else { Arc::clone(column) };
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(contract("a column that must have a value holds nulls", &self.table)
                    .with("column", field.name())
                    .with("nulls", column.null_count()));
            }
            columns.push(column);
        }
        RecordBatch::try_new(SchemaRef::clone(&self.file_schema), columns).map_err(error::encode)
    }
}

impl Conform {
    /// The values of these columns are not written, so a row with others would move without a trace.
    fn refuse_other_partitions(&self, batch: &RecordBatch) -> Result<()> {
        for (index, column, value) in &self.partition {
            let values = cast(batch.column(*index), &DataType::Utf8).map_err(error::encode)?;
            let values = values.as_string::<i32>();
            if let Some(other) = values.iter().find(|found| *found != Some(value.as_str())) {
                return Err(contract("a row belongs to another partition", &self.table)
                    .with("column", column)
                    .with("expected", value)
                    .with("found", other.unwrap_or("NULL")));
            }
        }
        Ok(())
    }
}

/// Whether two types hold the same values in different representations.
fn same_values(found: &DataType, wanted: &DataType) -> bool {
    use DataType as T;
    let is_text = |data_type: &DataType| matches!(data_type, T::Utf8 | T::Utf8View | T::LargeUtf8);
    match (found, wanted) {
        (T::Dictionary(_, values), wanted) => values.as_ref() == wanted || same_values(values, wanted),
        (T::Null, _) => true,
        (T::Timestamp(TimeUnit::Microsecond, Some(a)), T::Timestamp(TimeUnit::Microsecond, Some(b))) => {
            is_utc(a) && is_utc(b)
        }
        (T::Struct(found), T::Struct(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(f, w)| {
                    f.name() == w.name()
                        && (f.data_type() == w.data_type() || same_values(f.data_type(), w.data_type()))
                })
        }
        (found, wanted) => is_text(found) && is_text(wanted),
    }
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "+00:00" | "Z")
}
