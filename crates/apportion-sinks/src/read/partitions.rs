//! Which objects a filter on partition columns leaves.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{FieldRef, Schema};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result as QueryResult};
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::logical_expr::{Expr, Operator};

use crate::table::{PartitionValues, TableObject};

/// Whether the partition of an object decides about the filter.
pub(super) fn decide(partition_by: &[FieldRef], filter: &Expr) -> bool {
    let columns: Vec<&str> = partition_by.iter().map(|field| field.name().as_str()).collect();
    expr_applicable_for_cols(&columns, filter)
}

/// The objects whose partition satisfies every filter.
pub(super) fn matching(
    state: &dyn Session,
    partition_by: &[FieldRef],
    filters: &[Expr],
    mut objects: Vec<TableObject>,
) -> QueryResult<Vec<TableObject>> {
    let schema = Arc::new(Schema::new(partition_by.to_vec()));
    for filter in filters.iter().filter(|filter| decide(partition_by, filter)) {
        let columns = partition_by.iter().map(|field| {
            let value = |object: &TableObject| {
                object.partition.iter().find(|(column, _)| column == field.name()).map(|(_, value)| value.clone())
            };
            let values: ArrayRef = Arc::new(objects.iter().map(value).collect::<StringArray>());
            Ok(cast(&values, field.data_type())?)
        });
        let columns = columns.collect::<QueryResult<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(objects.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?;
        let filter = state.create_physical_expr(filter.clone(), &DFSchema::try_from(Arc::clone(&schema))?)?;
        let kept = filter.evaluate(&batch)?.into_array(objects.len())?;
        let kept = kept.as_boolean();
        let mut index = 0;
        objects.retain(|_| {
            let keep = kept.is_valid(index) && kept.value(index);
            index += 1;
            keep
        });
    }
    Ok(objects)
}

/// What the filters demand of single partition columns: `column = value`.
pub(super) fn demanded(partition_by: &[FieldRef], filters: &[Expr]) -> PartitionValues {
    let mut demanded = PartitionValues::new();
    for filter in filters {
        let Expr::BinaryExpr(comparison) = filter else { continue };
        if comparison.op != Operator::Eq {
            continue;
        }
        let (column, value) = match (comparison.left.as_ref(), comparison.right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => {
                (column, value)
            }
            _ => continue,
        };
        if let Some(value) = value.try_as_str().flatten() {
            let wanted = (column.name.clone(), value.to_owned());
            if partition_by.iter().any(|field| *field.name() == wanted.0) && !demanded.contains(&wanted) {
                demanded.push(wanted);
            }
        }
    }
    demanded
}
