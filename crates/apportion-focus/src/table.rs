//! The contract of one written table: its columns in order, its key and its physical layout.
//!
//! Tables that carry dimensions of the pipeline say where these are inserted; the complete contract
//! of a run comes from [`TableContract::with_dimensions`].

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};

use crate::column::ColumnContract;

/// What a written table promises its readers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableContract {
    /// Table name.
    pub name: String,
    /// What the rows are, in one sentence.
    pub description: String,
    /// What one row stands for.
    pub grain: String,
    /// Columns that identify a row within the table, dimensions not included.
    pub key: Vec<String>,
    /// Partition columns, outermost first.
    pub partition_by: Vec<String>,
    /// Total order inside a partition, ascending with nulls last.
    pub sort_by: Vec<String>,
    /// Columns in table order.
    pub columns: Vec<ColumnContract>,
    /// Index at which dimensions of the pipeline are inserted, if the table takes any.
    pub dimensions_at: Option<usize>,
}

impl TableContract {
    /// The column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnContract> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether the table takes declared dimensions.
    #[must_use]
    pub const fn takes_dimensions(&self) -> bool {
        self.dimensions_at.is_some()
    }

    /// The contract with `dimensions` inserted where the table takes them.
    ///
    /// They also join the key and the sort order, so that the order stays total. A table that takes
    /// none is returned unchanged.
    #[must_use]
    pub fn with_dimensions(&self, dimensions: Vec<ColumnContract>) -> Self {
        let mut table = self.clone();
        if let Some(index) = self.dimensions_at {
            let names: Vec<String> = dimensions.iter().map(|column| column.name.clone()).collect();
            table.key.extend(names.iter().cloned());
            table.sort_by.extend(names);
            table.columns.splice(index..index, dimensions);
            table.dimensions_at = None;
        }
        table
    }

    /// What of the contract decides about the rows that are written and how they lie: partitions,
    /// order, and of the columns name, type, whether NULL is allowed, and the accepted values. What
    /// is written for people is no part of it.
    #[must_use]
    pub fn identity(&self) -> String {
        let lists = [&self.partition_by, &self.sort_by].map(|columns| columns.join(","));
        let column = |column: &ColumnContract| {
            let (name, values) = (&column.name, column.allowed_values.join("|"));
            format!("{name} {} {} {values}", column.column_type.as_str(), column.nullable)
        };
        let columns = self.columns.iter().map(column);
        [self.name.clone()].into_iter().chain(lists).chain(columns).collect::<Vec<_>>().join("\n")
    }

    /// The Arrow schema, with each description in the field metadata.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(ColumnContract::field).collect::<Vec<_>>()))
    }
}
