//! The columns of a Parquet table, kept beside it.
//!
//! A Delta log says which columns a table has; a folder of Parquet files says it only file by file,
//! so a question about one month would open all the others to learn what the table looks like. The
//! document is brought up to date before anything is published: it names every column that any
//! object of the table may have. Where it is missing or damaged it is made again from the objects.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::prelude::SessionContext;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use serde::{Deserialize, Serialize};

use apportion_spec::{ErrorKind, Result};

use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::error;
use crate::table::TableSpec;

/// Objects looked at at the same time.
const READS_IN_FLIGHT: usize = 16;

/// Content of `_apportion/columns/<table>.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Columns {
    columns: Vec<Column>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Column {
    name: String,
    r#type: String,
    nullable: bool,
}

impl Columns {
    fn of(schema: &Schema) -> Self {
        let column = |field: &Arc<Field>| Column {
            name: field.name().clone(),
            r#type: field.data_type().to_string(),
            nullable: field.is_nullable(),
        };
        Self { columns: schema.fields().iter().map(column).collect() }
    }

    /// The columns as a schema, or `None` if a type is not one.
    fn schema(&self) -> Option<Schema> {
        let field = |column: &Column| {
            let data_type: DataType = column.r#type.parse().ok()?;
            Some(Field::new(&column.name, data_type, column.nullable))
        };
        self.columns.iter().map(field).collect::<Option<Vec<Field>>>().map(Schema::new)
    }
}

fn document(table: &str) -> String {
    format!("{INTERNAL_FOLDER}/columns/{table}.json")
}

/// The columns a table was last said to have. A document that cannot be read says nothing.
pub(crate) async fn read(destination: &Destination, table: &str) -> Result<Option<SchemaRef>> {
    let columns: Option<Columns> = match destination.read_json(&document(table)).await {
        Err(error) if error.kind() == ErrorKind::ContractViolated => {
            tracing::warn!(%error, table, "what columns the table has cannot be read");
            None
        }
        other => other?,
    };
    Ok(columns.and_then(|columns| columns.schema()).map(Arc::new))
}

/// Notes that objects with the columns of `table` are about to be published.
pub(crate) async fn remember(destination: &Destination, table: &TableSpec) -> Result<()> {
    let wanted = table.table_schema()?;
    let known = read(destination, &table.name).await?;
    let before = match &known {
        Some(known) => Some(known.as_ref().clone()),
        None => of_objects(destination, table).await?,
    };
    let merged = match &before {
        Some(before) => merged(before, &wanted, table),
        None => wanted.as_ref().clone(),
    };
    if known.as_deref() == Some(&merged) {
        return Ok(());
    }
    destination.write_json(&document(&table.name), &Columns::of(&merged)).await
}

/// The wanted columns, and after them those that older objects have besides. What some objects lack
/// is null there.
fn merged(before: &Schema, wanted: &Schema, table: &TableSpec) -> Schema {
    let now = wanted.fields().iter().map(|field| {
        let lacking = before.column_with_name(field.name()).is_none_or(|(_, before)| before.is_nullable());
        let may_lack = lacking && !table.partition_by.contains(field.name());
        field.as_ref().clone().with_nullable(field.is_nullable() || may_lack)
    });
    let other = |field: &&Arc<Field>| wanted.column_with_name(field.name()).is_none();
    let besides = before.fields().iter().filter(other).map(|field| field.as_ref().clone().with_nullable(true));
    Schema::new(now.chain(besides).collect::<Vec<_>>())
}

/// The columns that the objects in the table's folder have, or `None` if there are no objects.
async fn of_objects(destination: &Destination, table: &TableSpec) -> Result<Option<Schema>> {
    let context = SessionContext::new();
    let state = context.state();
    let format = ParquetFormat::default().with_force_view_types(false);
    let objects = destination.list(&table.name).await?;
    let is_part = |object: &ObjectMeta| object.location.extension() == Some("parquet");
    let schemas = futures::stream::iter(objects.into_iter().filter(is_part))
        .map(|object| {
            let (state, format) = (&state, &format);
            async move {
                let metas = std::slice::from_ref(&object);
                match format.infer_schema(state, destination.store(), metas).await.map_err(error::query) {
                    Ok(schema) => Ok(Some(schema)),
                    // What is no Parquet has no columns; a store that refuses or is busy may hold some.
                    Err(error) if matches!(error.kind(), ErrorKind::Internal | ErrorKind::NotFound) => {
                        tracing::warn!(%error, object = %object.location, "the columns of an object cannot be read");
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            }
        })
        .buffered(READS_IN_FLIGHT);
    let schemas: Vec<Option<SchemaRef>> = schemas.try_collect().await?;
    let mut found: Option<Schema> = None;
    for schema in schemas.into_iter().flatten() {
        found = Some(match found {
            Some(found) => merged(&schema, &found, table),
            None => schema.as_ref().clone(),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn every_type_of_a_contract_comes_back() {
        let types = [
            DataType::Utf8,
            DataType::Date32,
            DataType::Int64,
            DataType::Int32,
            DataType::Boolean,
            DataType::Float64,
            DataType::Decimal128(38, 12),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ];
        let fields: Vec<Field> =
            types.into_iter().enumerate().map(|(n, it)| Field::new(format!("c{n}"), it, n % 2 == 0)).collect();
        let schema = Schema::new(fields);
        assert_eq!(Columns::of(&schema).schema(), Some(schema));
    }

    #[test]
    fn what_some_objects_lack_may_be_null() {
        let column = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
        let table = TableSpec {
            name: "t".to_owned(),
            description: String::new(),
            schema: Arc::new(Schema::empty()),
            partition_by: vec!["month".to_owned()],
            sort_by: Vec::new(),
        };
        let before = Schema::new(vec![column("old", false), column("same", false), column("loose", true)]);
        let wanted = Schema::new(vec![
            column("month", false),
            column("new", false),
            column("same", false),
            column("loose", false),
        ]);
        let expected = vec![
            column("month", false),
            column("new", true),
            column("same", false),
            column("loose", true),
            column("old", true),
        ];
        assert_eq!(merged(&before, &wanted, &table), Schema::new(expected));
    }
}
