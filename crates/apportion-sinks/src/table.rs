//! What is published: the shape of a table, one unit of it, and what came out.
//!
//! These types say nothing about a format, so that the runner treats Parquet and Delta alike.

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, SortExpr};
use object_store::ObjectMeta;
use serde::{Deserialize, Serialize};

use apportion_spec::{Error, ErrorKind, Result};

use crate::writer::StagedPart;

/// Field metadata key under which a column's description travels.
pub const DESCRIPTION_KEY: &str = "description";

/// A partition: column name and value, in the table's partition order.
///
/// As a filter it may name fewer columns; the ones named must match.
pub type PartitionValues = Vec<(String, String)>;

/// Name, columns, partitioning and order of a written table.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Table name, also its folder.
    pub name: String,
    /// One paragraph for people who find the table in a catalog.
    pub description: String,
    /// All columns in table order, the partition columns among them. A field's
    /// [`DESCRIPTION_KEY`] metadata becomes the column comment where the format has comments.
    pub schema: SchemaRef,
    /// Partition columns, outermost folder first. All are strings.
    pub partition_by: Vec<String>,
    /// The total order of rows, ascending with nulls last, ending in a unique key.
    pub sort_by: Vec<String>,
}

impl TableSpec {
    /// The columns of a data file, without any metadata. Partition columns are not among them: the
    /// folders say them, and readers of such folders refuse a column that comes from two places.
    ///
    /// # Errors
    ///
    /// `Internal` if a partition or sort column is not a column of the table.
    pub fn file_schema(&self) -> Result<SchemaRef> {
        self.plain_schema(|field| !self.partition_by.contains(field.name()))
    }

    /// All columns of the table in its order, without any metadata.
    ///
    /// # Errors
    ///
    /// As [`Self::file_schema`].
    pub fn table_schema(&self) -> Result<SchemaRef> {
        self.plain_schema(|_| true)
    }

    fn plain_schema(&self, keep: impl Fn(&Field) -> bool) -> Result<SchemaRef> {
        for name in self.partition_by.iter().chain(&self.sort_by) {
            if self.schema.column_with_name(name).is_none() {
                return Err(Error::new(ErrorKind::Internal, "partition or sort column is not a column of the table")
                    .with("table", &self.name)
                    .with("column", name));
            }
        }
        let fields: Vec<Field> = self
            .schema
            .fields()
            .iter()
            .filter(|field| keep(field))
            .map(|field| field.as_ref().clone().with_metadata(std::collections::HashMap::new()))
            .collect();
        Ok(Schema::new(fields).into())
    }

    /// The total order as a sort of a query: ascending, nulls last, as a plain `ORDER BY` has it.
    #[must_use]
    pub fn sort_order(&self) -> Vec<SortExpr> {
        self.sort_by.iter().map(|name| Expr::Column(Column::from_name(name)).sort(true, false)).collect()
    }

    /// Brings `partition` into the table's order and checks it is complete and safe as a path.
    ///
    /// # Errors
    ///
    /// `Internal` if a column is missing or unknown, `Config` if a value cannot be a folder name.
    pub fn partition_path(&self, partition: &[(String, String)]) -> Result<String> {
        if partition.len() != self.partition_by.len() {
            return Err(Error::new(ErrorKind::Internal, "partition names the wrong columns")
                .with("table", &self.name)
                .with("columns", self.partition_by.join(", ")));
        }
        let mut segments = Vec::with_capacity(self.partition_by.len());
        for column in &self.partition_by {
            let Some((_, value)) = partition.iter().find(|(name, _)| name == column) else {
                return Err(Error::new(ErrorKind::Internal, "partition lacks a column")
                    .with("table", &self.name)
                    .with("column", column));
            };
            let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if value.is_empty() || value.starts_with('.') || !value.chars().all(safe) {
                return Err(Error::new(
                    ErrorKind::Config,
                    "a partition value may hold only letters, digits, `-`, `_` and `.`",
                )
                .with("column", column)
                .with("value", value));
            }
            segments.push(format!("{column}={value}"));
        }
        Ok(segments.join("/"))
    }
}

/// A table format a destination can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Plain Parquet files under deterministic keys.
    Parquet,
    /// A Delta table.
    Delta,
}

/// Where the content of a publication comes from; stored beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// The run that published.
    pub run_id: String,
    /// Digest of everything the rows were computed from.
    pub input_digest: String,
    /// Digest of the pipeline configuration.
    pub configuration_digest: String,
    /// Object name of the run's ledger document.
    pub ledger_entry: Option<String>,
    /// `table@digest` of the published tables the rows were computed from.
    pub computed_from: Vec<String>,
    /// The partitions of those tables, each in the version that was read.
    pub partitions_read: Vec<PartitionReference>,
    /// Digest of the SQL models.
    pub sql_digest: String,
    /// Version of the program.
    pub engine_version: String,
}

/// A partition of a published table in the version that something else was computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionReference {
    /// The table.
    pub table: String,
    /// The partition.
    pub partition: PartitionValues,
    /// The partition's version, or the table's where versions count commits of the whole table.
    pub version: u64,
}

/// One partition of one table, staged and checked, ready to replace what is published.
#[derive(Debug, Clone)]
pub struct PublishUnit {
    /// The table.
    pub table: TableSpec,
    /// The partition that is replaced.
    pub partition: PartitionValues,
    /// The staged files in order; none empties the partition.
    pub parts: Vec<StagedPart>,
    /// Where the rows come from.
    pub provenance: Provenance,
}

/// What a publication did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Version of the partition (Parquet) or of the table (Delta) that now holds the content.
    pub version: u64,
    /// False if the partition already held exactly this content.
    pub changed: bool,
    /// The objects that hold the content, relative to the destination.
    pub objects: Vec<String>,
    /// The objects that were superseded, relative to the destination.
    pub replaced: Vec<String>,
}

/// Identity of the content of a table or of some of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableVersion {
    /// The format's own number: Delta's table version, or the partition's if there is one.
    pub number: Option<u64>,
    /// Digest over partitions and file digests; equal content gives an equal digest.
    pub digest: String,
    /// The partitions that hold rows, each with the version to ask for it by.
    pub partitions: Vec<(PartitionValues, u64)>,
}

/// A data object of the current (or a named) version of a table.
#[derive(Debug, Clone)]
pub struct TableObject {
    /// Location in the store, size, time, entity tag.
    pub meta: ObjectMeta,
    /// The partition it belongs to, in the table's partition order.
    pub partition: PartitionValues,
    /// How many rows it was published with, where that is known without opening it.
    pub rows: Option<u64>,
}

/// A version a partition had or has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionVersion {
    /// The number to ask for.
    pub version: u64,
    /// Where its content came from.
    pub provenance: Provenance,
    /// Whether it is the current one.
    pub current: bool,
}

/// Whether `partition` satisfies `filter`.
pub(crate) fn matches(partition: &[(String, String)], filter: &[(String, String)]) -> bool {
    filter.iter().all(|wanted| partition.contains(wanted))
}
