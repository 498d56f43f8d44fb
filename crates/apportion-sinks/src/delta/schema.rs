//! Creates a Delta table and lets its columns grow.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake_core::kernel::{Action, MetadataExt, StructField, StructType};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, TableProperty};

use apportion_spec::{Error, ErrorKind, Result};

use super::DeltaSink;
use crate::error;
use crate::table::{DESCRIPTION_KEY, TableSpec};

/// How often a change of columns is tried against concurrent commits.
const ATTEMPTS: usize = 5;

/// Creates the empty table. Losing against another creator is fine.
pub(super) async fn create(sink: &DeltaSink, table: &TableSpec) -> Result<()> {
    let columns: Vec<StructField> = kernel_schema(table)?.into_fields().collect();
    // Without retries: a creator that comes second must not commit its own metadata on top.
    let created = CreateBuilder::new()
        .with_log_store(sink.log_store(&table.name)?)
        .with_table_name(&table.name)
        .with_comment(&table.description)
        .with_columns(columns)
        .with_partition_columns(&table.partition_by)
        .with_save_mode(SaveMode::Ignore)
        .with_configuration_property(TableProperty::CheckpointInterval, Some("10"))
        .with_configuration_property(TableProperty::LogRetentionDuration, Some("interval 90 days"))
        .with_configuration_property(TableProperty::DeletedFileRetentionDuration, Some("interval 90 days"))
        .with_commit_properties(CommitProperties::default().with_max_retries(0))
        .await;
    match created {
        Ok(_) => Ok(()),
        // The table exists now, whoever made it; whether its columns fit is checked next.
        Err(_) if sink.load(&table.name).await?.is_some() => Ok(()),
        Err(cause) => Err(error::delta(cause, "create the Delta table", &table.name)),
    }
}

/// Adds columns and updates comments of an existing table, or finds that nothing is to be done. A
/// nullable column that is no longer wanted stays and reads as null in what is written from now on:
/// older versions and months that are not written again still hold it. For their sake a column that
/// is new, or was allowed to be null before, is so for the table, whatever what is written promises.
pub(super) async fn evolve(sink: &DeltaSink, table: &TableSpec) -> Result<()> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let Some(loaded) = sink.load(&table.name).await? else {
            return Err(Error::new(ErrorKind::NotFound, "the Delta table disappeared").with("table", &table.name));
        };
        let wanted = with_kept_columns(&loaded, &kernel_schema(table)?, table)?;
        let Some(operation) = difference(&loaded, &wanted, table)? else { return Ok(()) };
        let failed = |cause| error::delta(cause, "change the columns of the Delta table", &table.name);
        let snapshot = loaded.snapshot().map_err(failed)?;
        let metadata = snapshot.metadata().clone().with_schema(&wanted).map_err(|cause| failed(cause.into()))?;
        let committed = CommitBuilder::from(CommitProperties::default().with_max_retries(0))
            .with_actions(vec![Action::Metadata(metadata)])
            .build(Some(snapshot), loaded.log_store(), operation)
            .await;
        match committed {
            Ok(_) => return Ok(()),
            Err(cause) if attempt == ATTEMPTS => return Err(failed(cause)),
            Err(cause) => tracing::debug!(table = table.name, %cause, "change of columns is tried again"),
        }
    }
}

/// The columns of the loaded version.
pub(super) fn columns(loaded: &DeltaTable, table: &TableSpec) -> Result<SchemaRef> {
    let failed = |cause| error::delta(cause, "read the columns of the Delta table", &table.name);
    let columns: Schema = loaded
        .snapshot()
        .map_err(failed)?
        .schema()
        .as_ref()
        .try_into_arrow()
        .map_err(|cause: arrow::error::ArrowError| error::encode(cause))?;
    let plain = columns.fields().iter().map(|field| field.as_ref().clone().with_metadata(HashMap::new()));
    Ok(Arc::new(Schema::new(plain.collect::<Vec<_>>())))
}

/// The wanted columns, null where older files may be, and after them the nullable ones that the table has besides.
fn with_kept_columns(loaded: &DeltaTable, wanted: &StructType, table: &TableSpec) -> Result<StructType> {
    let failed = |cause| error::delta(cause, "read the columns of the Delta table", &table.name);
    let existing = loaded.snapshot().map_err(failed)?.schema();
    let wanted_now = wanted.fields().map(|field| {
        let nullable = existing.field(field.name()).is_none_or(StructField::is_nullable);
        let mut field = field.clone();
        field.nullable |= nullable;
        field
    });
    let kept = existing.fields().filter(|field| field.is_nullable() && wanted.field(field.name()).is_none());
    let fields: Vec<StructField> = wanted_now.chain(kept.cloned()).collect();
    StructType::try_new(fields).map_err(|cause| failed(cause.into()))
}

/// The operation that leads from the existing columns to the wanted ones.
fn difference(loaded: &DeltaTable, wanted: &StructType, table: &TableSpec) -> Result<Option<DeltaOperation>> {
    let failed = |cause| error::delta(cause, "read the columns of the Delta table", &table.name);
    let snapshot = loaded.snapshot().map_err(failed)?;
    if *snapshot.metadata().partition_columns() != table.partition_by {
        return Err(refused("the existing table is partitioned by other columns", table));
    }
    let existing = snapshot.schema();
    for field in existing.fields() {
        let Some(now) = wanted.field(field.name()) else {
            return Err(refused("the existing table has a required column the new one lacks", table)
                .with("column", field.name()));
        };
        if now.data_type() != field.data_type() {
            return Err(refused("a column has another type than in the existing table", table)
                .with("column", field.name())
                .with("existing", field.data_type())
                .with("new", now.data_type()));
        }
    }
    let added: Vec<StructField> =
        wanted.fields().filter(|field| existing.field(field.name()).is_none()).cloned().collect();
    if !added.is_empty() {
        return Ok(Some(DeltaOperation::AddColumn { fields: added }));
    }
    let changed: Vec<StructField> = wanted
        .fields()
        .filter(|field| existing.field(field.name()).is_none_or(|before| before != *field))
        .cloned()
        .collect();
    Ok((!changed.is_empty()).then_some(DeltaOperation::UpdateFieldMetadata { fields: changed }))
}

fn refused(message: &str, table: &TableSpec) -> Error {
    Error::new(ErrorKind::ContractViolated, message).with("table", &table.name)
}

/// The table's columns as Delta types, descriptions as comments.
fn kernel_schema(table: &TableSpec) -> Result<StructType> {
    let comment = |field: &Field| {
        let description = field.metadata().get(DESCRIPTION_KEY);
        let metadata: HashMap<String, String> =
            description.map(|text| ("comment".to_owned(), text.clone())).into_iter().collect();
        field.clone().with_metadata(metadata)
    };
    let fields: Vec<Field> = table.schema.fields().iter().map(|field| comment(field)).collect();
    (&Schema::new(fields)).try_into_kernel().map_err(|cause| {
        Error::new(ErrorKind::Internal, "a column has a type Delta does not know")
            .with("table", &table.name)
            .with_source(cause)
    })
}
