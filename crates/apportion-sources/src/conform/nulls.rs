//! Columns that hold no value at all, whatever their type says.
//!
//! Programs that write Parquet from data without a schema guess the type of a column from its values,
//! and where it has none the guess is a number as often as a text. Such a column says nothing, so its
//! type decides nothing either: it is read as NULL.

use std::sync::Arc;

use apportion_spec::Result;
use arrow::array::Array;
use arrow::datatypes::{DataType, Field, Schema};
use futures::TryStreamExt;

use super::check;
use crate::contract::SourceContract;
use crate::objects::Footer;
use crate::offender;
use crate::store::Location;

/// Marks the columns of an object that have a type the contract does not accept, and no value.
///
/// # Errors
/// When a column whose statistics do not tell cannot be read.
pub(super) async fn mark(
    location: &Location,
    footer: &mut Footer,
    contract: &SourceContract,
    text: bool,
    object: &str,
) -> Result<()> {
    let mut fields: Vec<Arc<Field>> = footer.schema.fields().iter().cloned().collect();
    let mut is_changed = false;
    for (index, field) in fields.iter_mut().enumerate() {
        if is_accepted(field, contract, text) {
            continue;
        }
        let is_empty = match by_statistics(footer, index) {
            Some(is_empty) => is_empty,
            None => by_values(location, footer, field.name(), object).await?,
        };
        if is_empty {
            *field = Arc::new(field.as_ref().clone().with_data_type(DataType::Null));
            is_changed = true;
        }
    }
    if is_changed {
        footer.checked = Arc::new(Schema::new(fields));
    }
    Ok(())
}

fn is_accepted(field: &Field, contract: &SourceContract, text: bool) -> bool {
    let columns = contract.columns.iter().filter(|column| contract.rank(field.name(), column).is_some());
    columns.into_iter().all(|column| match check::leaf(column, field.data_type()) {
        Ok(Some(leaf)) => check::scanned_type(column, contract, text, leaf).is_ok(),
        Ok(None) => true,
        Err(_) => false,
    })
}

/// Whether the values of a column are all NULL; `None` where an object does not count them.
fn by_statistics(footer: &Footer, column: usize) -> Option<bool> {
    let schema = footer.metadata.file_metadata().schema_descr();
    let mut is_empty = true;
    for group in footer.metadata.row_groups() {
        for (leaf, values) in group.columns().iter().enumerate() {
            if schema.get_column_root_idx(leaf) == column {
                let nulls = values.statistics()?.null_count_opt()?;
                is_empty &= u64::try_from(values.num_values()).ok()? == nulls;
            }
        }
    }
    Some(is_empty)
}

async fn by_values(location: &Location, footer: &Footer, name: &str, object: &str) -> Result<bool> {
    let mut batches = Box::pin(offender::columns(location, footer, &[name], object)?);
    while let Some(batch) = batches.try_next().await? {
        if batch.columns().iter().any(|column| column.null_count() < column.len()) {
            return Ok(false);
        }
    }
    Ok(true)
}
