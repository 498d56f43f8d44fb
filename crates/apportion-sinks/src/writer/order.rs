//! Checks while writing that rows arrive in the table's order.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use arrow::row::{OwnedRow, RowConverter, SortField};

use apportion_spec::Result;

use super::contract;
use crate::error;
use crate::table::TableSpec;

/// Ascending, nulls last: what a plain `ORDER BY` gives.
const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

#[derive(Debug)]
pub(super) struct OrderCheck {
    table: String,
    columns: Vec<usize>,
    converter: RowConverter,
    last: Option<OwnedRow>,
    rows: u64,
}

impl OrderCheck {
    pub(super) fn try_new(table: &TableSpec, schema: &SchemaRef) -> Result<Self> {
        // Partition columns that are not in the file are constant, so they do not decide.
        let columns: Vec<usize> = sort_columns(table, schema);
        let fields = columns
            .iter()
            .map(|index| SortField::new_with_options(schema.field(*index).data_type().clone(), ASCENDING))
            .collect();
        let converter = RowConverter::new(fields).map_err(error::encode)?;
        Ok(Self { table: table.name.clone(), columns, converter, last: None, rows: 0 })
    }

    pub(super) fn check(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.columns.is_empty() || batch.num_rows() == 0 {
            return Ok(());
        }
        let keys: Vec<ArrayRef> = self.columns.iter().map(|index| batch.column(*index).clone()).collect();
        let rows = self.converter.convert_columns(&keys).map_err(error::encode)?;
        let first = rows.row(0);
        let mut ordered = self.last.as_ref().is_none_or(|last| last.row() <= first);
        let mut offending = 0;
        for index in 1..rows.num_rows() {
            if ordered && rows.row(index - 1) > rows.row(index) {
                ordered = false;
                offending = index as u64;
            }
        }
        if !ordered {
            return Err(
                contract("rows are not in the order of the table", &self.table).with("row", self.rows + offending)
            );
        }
        self.last = Some(rows.row(rows.num_rows() - 1).owned());
        self.rows += rows.num_rows() as u64;
        Ok(())
    }
}

/// Indices of the sort columns that are in the file.
pub(super) fn sort_columns(table: &TableSpec, schema: &SchemaRef) -> Vec<usize> {
    table.sort_by.iter().filter_map(|name| schema.index_of(name).ok()).collect()
}
