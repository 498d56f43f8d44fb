//! Contracts: what a model's result must look like, checked before anything is executed.
//!
//! [`check`] compares a planned schema with the contract: names, order and types. Physical forms
//! that hold the same values (`Utf8View` for `Utf8`, a narrower decimal) pass and are converted by
//! [`conform`]; anything that could lose a digit does not. Whether a column really has no NULL is
//! seen only in the data, so [`conform_stream`] checks that batch by batch.
//! The trap avoided: a cast that makes a wrong column fit.

use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result, did_you_mean};
use arrow::array::{Array, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::{Column, DataFusionError};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, cast};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::DataFrame;
use futures::StreamExt;

use crate::fault::from_datafusion;

/// How many differences an error lists.
const LISTED: usize = 8;

/// Compares a model's planned schema with its contract.
///
/// # Errors
///
/// `ContractViolated`, naming every column that is missing, unexpected, misplaced or of another
/// type.
pub fn check(model: &str, planned: &Schema, contract: &Schema) -> Result<()> {
    let differences = differences(planned, contract);
    if differences.is_empty() {
        return Ok(());
    }
    let mut message = format!("model `{model}` does not keep its contract: ");
    message.push_str(&differences.iter().take(LISTED).cloned().collect::<Vec<_>>().join("; "));
    if differences.len() > LISTED {
        message.push_str(&format!("; and {} more", differences.len() - LISTED));
    }
    Err(Error::new(ErrorKind::ContractViolated, message).with("model", model))
}

/// Every difference between a planned schema and its contract, in column order.
fn differences(planned: &Schema, contract: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    let names: Vec<&str> = planned.fields().iter().map(|field| field.name().as_str()).collect();
    for expected in contract.fields() {
        let name = expected.name();
        match planned.field_with_name(name) {
            Err(_) => found.push(format!(
                "column `{name}` is missing{}",
                did_you_mean(name, names.iter().copied().filter(|name| contract.index_of(name).is_err()))
            )),
            Ok(field) if !lossless(field.data_type(), expected.data_type()) => {
                found.push(format!("column `{name}` must be {}, found {}", expected.data_type(), field.data_type()))
            }
            Ok(_) => {}
        }
    }
    for (index, name) in names.iter().enumerate() {
        if contract.index_of(name).is_err() {
            found.push(format!("column `{name}` is not part of the contract"));
        } else if names.iter().take(index).any(|earlier| earlier == name) {
            found.push(format!("column `{name}` occurs twice"));
        }
    }
    if found.is_empty() {
        let misplaced =
            names.iter().zip(contract.fields()).enumerate().find(|(_, (name, field))| *name != field.name());
        if let Some((index, (name, field))) = misplaced {
            found.push(format!("column {} must be `{}`, found `{name}`", index + 1, field.name()));
        }
    }
    found
}

/// Whether every value of `found` is a value of `expected`.
fn lossless(found: &DataType, expected: &DataType) -> bool {
    match (found, expected) {
        (found, expected) if found == expected => true,
        // A column that is NULL in every row has no type of its own.
        (DataType::Null, _) => true,
        (DataType::Utf8View | DataType::LargeUtf8, DataType::Utf8) => true,
        (DataType::Dictionary(_, values), expected) => lossless(values, expected),
        (DataType::Decimal128(digits, scale), DataType::Decimal128(most_digits, most_scale)) => {
            let whole = i16::from(*digits) - i16::from(*scale);
            let most_whole = i16::from(*most_digits) - i16::from(*most_scale);
            scale <= most_scale && whole <= most_whole
        }
        (DataType::Int8 | DataType::Int16 | DataType::Int32, DataType::Int64) => true,
        (DataType::Timestamp(found, zone), DataType::Timestamp(expected, expected_zone)) => {
            // Larger units compare as smaller here: seconds come before microseconds.
            found <= expected && same_zone(zone.as_deref(), expected_zone.as_deref())
        }
        _ => false,
    }
}

fn same_zone(found: Option<&str>, expected: Option<&str>) -> bool {
    let utc = |zone: Option<&str>| matches!(zone, Some("UTC" | "+00:00" | "Z"));
    found == expected || (utc(found) && utc(expected))
}

/// Converts a checked plan to exactly the types of its contract.
///
/// # Errors
///
/// `ContractViolated` as [`check`].
pub fn conform(model: &str, frame: DataFrame, contract: &SchemaRef) -> Result<DataFrame> {
    check(model, frame.schema().as_arrow(), contract)?;
    let columns: Vec<Expr> = frame
        .schema()
        .fields()
        .iter()
        .zip(contract.fields())
        .map(|(field, expected)| {
            let column = Expr::Column(Column::new_unqualified(field.name()));
            if field.data_type() == expected.data_type() {
                column
            } else {
                cast(column, expected.data_type().clone()).alias(field.name())
            }
        })
        .collect();
    frame.select(columns).map_err(|error| from_datafusion(&error).with("model", model))
}

/// Gives a stream the contract's schema; a NULL where the contract allows none is an error.
pub fn conform_stream(
    model: &str,
    stream: SendableRecordBatchStream,
    contract: &SchemaRef,
) -> SendableRecordBatchStream {
    let model = model.to_owned();
    let schema = Arc::clone(contract);
    let batches = stream.map(move |batch| {
        conform_batch(&model, &batch?, &schema).map_err(|error| DataFusionError::External(Box::new(error)))
    });
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(contract), batches))
}

/// Gives a batch the contract's schema.
///
/// # Errors
///
/// `ContractViolated` for a NULL where the contract allows none, or for columns that do not fit.
pub fn conform_batch(model: &str, batch: &RecordBatch, contract: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref() == contract {
        return Ok(batch.clone());
    }
    check(model, batch.schema_ref(), contract)?;
    let failed = |error: arrow::error::ArrowError| {
        Error::new(ErrorKind::ContractViolated, error.to_string()).with("model", model)
    };
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, expected) in batch.columns().iter().zip(contract.fields()) {
        if !expected.is_nullable() && column.null_count() > 0 {
            let message = format!("{} row(s) have no value although the contract requires one", column.null_count());
            return Err(Error::new(ErrorKind::ContractViolated, message)
                .with("model", model)
                .with("column", expected.name()));
        }
        columns.push(if column.data_type() == expected.data_type() {
            Arc::clone(column)
        } else {
            cast_with_options(column, expected.data_type(), &options).map_err(failed)?
        });
    }
    RecordBatch::try_new(Arc::clone(contract), columns).map_err(failed)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, StringArray, StringViewArray};
    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    fn schema(columns: &[(&str, DataType)]) -> Schema {
        Schema::new(columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>())
    }

    const MONEY: DataType = DataType::Decimal128(38, 12);

    #[test]
    fn differences_name_column_expected_and_found() {
        let contract = schema(&[("BilledCost", MONEY), ("ServiceName", DataType::Utf8), ("SkuId", DataType::Utf8)]);
        let planned = schema(&[
            ("BilledCost", DataType::Float64),
            ("Servicename", DataType::Utf8),
            ("SkuId", DataType::Utf8View),
        ]);
        assert_eq!(
            check("m", &planned, &contract).unwrap_err().to_string(),
            "model `m` does not keep its contract: column `BilledCost` must be Decimal128(38, 12), found Float64; \
             column `ServiceName` is missing, did you mean `Servicename`?; \
             column `Servicename` is not part of the contract (model: m)"
        );
    }

    #[test]
    fn order_is_part_of_the_contract() {
        let contract = schema(&[("A", MONEY), ("B", MONEY)]);
        let planned = schema(&[("B", MONEY), ("A", MONEY)]);
        let error = check("m", &planned, &contract).unwrap_err();
        assert!(error.message().ends_with("column 1 must be `A`, found `B`"), "{error}");
    }

    #[test]
    fn only_lossless_forms_pass() {
        let utc = |unit| DataType::Timestamp(unit, Some("UTC".into()));
        assert!(lossless(&DataType::Decimal128(20, 6), &MONEY));
        assert!(!lossless(&DataType::Decimal128(38, 6), &MONEY));
        assert!(!lossless(&DataType::Decimal128(38, 18), &MONEY));
        assert!(lossless(&utc(TimeUnit::Millisecond), &utc(TimeUnit::Microsecond)));
        assert!(!lossless(&utc(TimeUnit::Nanosecond), &utc(TimeUnit::Microsecond)));
        assert!(!lossless(&DataType::Timestamp(TimeUnit::Microsecond, None), &utc(TimeUnit::Microsecond)));
        assert!(!lossless(&DataType::Int64, &DataType::Utf8));
    }

    #[test]
    fn a_missing_value_is_found_in_the_data() {
        let contract = Arc::new(Schema::new(vec![Field::new("A", DataType::Utf8, false)]));
        let good = RecordBatch::try_from_iter_with_nullable([(
            "A",
            Arc::new(StringViewArray::from(vec!["x"])) as Arc<dyn Array>,
            true,
        )])
        .unwrap();
        assert_eq!(conform_batch("m", &good, &contract).unwrap().schema(), contract);
        let bad = RecordBatch::try_from_iter_with_nullable([(
            "A",
            Arc::new(StringArray::from(vec![Some("x"), None])) as Arc<dyn Array>,
            true,
        )])
        .unwrap();
        assert_eq!(
            conform_batch("m", &bad, &contract).unwrap_err().to_string(),
            "1 row(s) have no value although the contract requires one (model: m, column: A)"
        );
    }

    #[tokio::test]
    async fn a_plan_is_cast_to_its_contract() {
        let context = datafusion::prelude::SessionContext::new();
        let column =
            Arc::new(Decimal128Array::from(vec![150]).with_precision_and_scale(10, 2).unwrap()) as Arc<dyn Array>;
        let batch = RecordBatch::try_from_iter_with_nullable([("Cost", column, true)]).unwrap();
        let contract = Arc::new(schema(&[("Cost", MONEY)]));
        let frame = conform("m", context.read_batch(batch).unwrap(), &contract).unwrap();
        let batches = frame.collect().await.unwrap();
        assert_eq!(batches[0].schema().field(0).data_type(), &MONEY);
    }
}
