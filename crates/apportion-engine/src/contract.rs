//! Contracts: what a model's result must look like, checked before anything is executed.
//!
//! [`check`] compares a planned schema with the contract: names, order and types. Physical forms
//! that hold the same values (`Utf8View` for `Utf8`, a narrower decimal) pass and are converted where
//! the table is written; anything that could lose a digit does not. Whether a column really has no NULL is
//! seen only in the data, where the checks of the table look.
//! The trap avoided: a cast that makes a wrong column fit.

use apportion_spec::{Error, ErrorKind, Result, did_you_mean};
use arrow::datatypes::{DataType, Schema};

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

#[cfg(test)]
mod tests {
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
}
