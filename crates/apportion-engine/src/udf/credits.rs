//! `credits_total`, `credits_residual` and `credits_json`: reading a repeated credit field.
//!
//! A usage row of Google Cloud carries all its credits in one list. Summing them inside the row
//! keeps the row one row; the traps avoided are joining the list, which repeats the row's cost, and
//! reading its first element only.

use std::collections::BTreeMap;
use std::sync::Arc;

use apportion_spec::decimal_text::{amount_of_double, residual_of_double};
use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, ListArray, StringBuilder};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err};

use super::column::TextColumn;
use super::exact::{Inexact, fits};
use super::flat_json;
use super::function::{Argument, Arguments, Function, MONEY, Nullability, RESIDUAL};
use super::money::finish;

/// The functions of this file.
pub(super) fn functions() -> Vec<Function> {
    use Argument::{Credits, Text};
    vec![
        Function::new("credits_total", &[Credits, Text], MONEY, Nullability::Never, |arguments| {
            sum(arguments, MONEY, amount_of_double)
        })
        .optional(),
        Function::new("credits_residual", &[Credits, Text], RESIDUAL, Nullability::Never, |arguments| {
            sum(arguments, RESIDUAL, residual_of_double)
        })
        .optional(),
        Function::new("credits_json", &[Credits], DataType::Utf8, Nullability::Possible, json),
    ]
}

/// The two fields of every credit, over all rows.
struct CreditList<'a> {
    lists: &'a ListArray,
    types: TextColumn<'a>,
    amounts: &'a Float64Array,
}

impl<'a> CreditList<'a> {
    /// `None` for a column without a single list.
    fn of(function: &str, array: &'a ArrayRef) -> Result<Option<Self>> {
        let Some(lists) = array.as_list_opt::<i32>() else { return Ok(None) };
        let fields = lists.values().as_struct_opt();
        let field = |name: &str| fields.and_then(|fields| fields.column_by_name(name));
        let (Some(types), Some(amounts)) = (field("type"), field("amount")) else {
            return exec_err!("{function} expects a list of structs with the fields `type` and `amount`");
        };
        let Some(amounts) = amounts.as_primitive_opt::<Float64Type>() else {
            return exec_err!("{function} expects doubles in `amount`, found {}", amounts.data_type());
        };
        Ok(Some(Self { lists, types: TextColumn::of_array(types)?, amounts }))
    }

    /// Type and amount of the credits of a row; a credit without an amount is worth nothing.
    fn row(&self, row: usize) -> impl Iterator<Item = (&'a str, f64)> {
        let range = if self.lists.is_null(row) {
            0..0
        } else {
            let offset =
                |at: usize| self.lists.value_offsets().get(at).and_then(|offset| usize::try_from(*offset).ok());
            offset(row).unwrap_or(0)..offset(row + 1).unwrap_or(0)
        };
        range
            .filter(|entry| self.amounts.is_valid(*entry))
            .map(|entry| (self.types.get(entry).unwrap_or_default(), self.amounts.value(entry)))
    }
}

fn sum(arguments: &Arguments<'_>, returns: DataType, convert: fn(f64) -> Result<i128, Inexact>) -> Result<ArrayRef> {
    let array = arguments.get(0)?.to_array(arguments.rows)?;
    let wanted = match arguments.values().get(1) {
        Some(types) => Some(TextColumn::of(types)?),
        None => None,
    };
    let credits = CreditList::of(arguments.function, &array)?;
    let sums = (0..arguments.rows)
        .map(|row| {
            let types = wanted.as_ref().map(|wanted| wanted.get(row).unwrap_or_default());
            let mut total = 0_i128;
            for (kind, amount) in credits.iter().flat_map(|credits| credits.row(row)) {
                if types.is_some_and(|types| !types.split(',').any(|wanted| wanted.trim() == kind)) {
                    continue;
                }
                let added = convert(amount).and_then(|amount| total.checked_add(amount).ok_or(Inexact::Overflow));
                total = match added.and_then(fits) {
                    Ok(total) => total,
                    Err(reason) => return exec_err!("{}({amount:e}): {reason}", arguments.function),
                };
            }
            Ok(Some(total))
        })
        .collect::<Result<Decimal128Array>>()?;
    finish(sums, returns)
}

/// The sum of each type as one flat JSON object, `None` without credits.
fn json(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let array = arguments.get(0)?.to_array(arguments.rows)?;
    let credits = CreditList::of(arguments.function, &array)?;
    let mut out = StringBuilder::with_capacity(arguments.rows, arguments.rows * 32);
    for row in 0..arguments.rows {
        let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
        for (kind, amount) in credits.iter().flat_map(|credits| credits.row(row)) {
            let total = sums.entry(kind).or_default();
            match amount_of_double(amount).and_then(|amount| total.checked_add(amount).ok_or(Inexact::Overflow)) {
                Ok(sum) => *total = sum,
                Err(reason) => return exec_err!("{}({amount:e}): {reason}", arguments.function),
            }
        }
        if sums.is_empty() {
            out.append_null();
            continue;
        }
        let mut text = String::new();
        for (index, (kind, amount)) in sums.iter().enumerate() {
            text.push(if index == 0 { '{' } else { ',' });
            flat_json::write_string(&mut text, kind);
            text.push(':');
            text.push_str(&plain(*amount));
        }
        text.push('}');
        out.append_value(&text);
    }
    Ok(Arc::new(out.finish()))
}

/// An unscaled amount as a JSON number without trailing zeros.
fn plain(amount: i128) -> String {
    let digits = format!("{:013}", amount.unsigned_abs());
    let (whole, decimals) = digits.split_at(digits.len().saturating_sub(12));
    let decimals = decimals.trim_end_matches('0');
    let sign = if amount < 0 { "-" } else { "" };
    if decimals.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{decimals}") }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ListBuilder, StructBuilder};
    use arrow::datatypes::Field;
    use datafusion::logical_expr::ColumnarValue;

    use super::*;

    fn lists() -> ArrayRef {
        let fields = vec![Field::new("amount", DataType::Float64, true), Field::new("type", DataType::Utf8, true)];
        let mut builder = ListBuilder::new(StructBuilder::from_fields(fields, 4));
        for row in [&[(-0.1, "DISCOUNT"), (-0.25, "PROMOTION"), (-0.2, "DISCOUNT")][..], &[]] {
            for (amount, kind) in row {
                let entry = builder.values();
                entry.field_builder::<arrow::array::Float64Builder>(0).unwrap().append_value(*amount);
                entry.field_builder::<StringBuilder>(1).unwrap().append_value(kind);
                entry.append(true);
            }
            builder.append(true);
        }
        builder.append(false);
        Arc::new(builder.finish())
    }

    #[test]
    fn all_credits_count_and_types_select() {
        let array = lists();
        let credits = CreditList::of("credits_total", &array).unwrap().unwrap();
        assert_eq!(credits.row(0).count(), 3);
        assert_eq!(credits.row(1).count() + credits.row(2).count(), 0);
        let function = crate::udf::named("credits_total").unwrap();
        let types = ColumnarValue::Scalar(datafusion::common::ScalarValue::from("DISCOUNT, FREE_TRIAL"));
        for (arguments, expected) in [
            (vec![ColumnarValue::Array(Arc::clone(&array))], [-550_000_000_000_i128, 0, 0]),
            (vec![ColumnarValue::Array(Arc::clone(&array)), types], [-300_000_000_000, 0, 0]),
        ] {
            let fields = arguments.iter().map(|value| Arc::new(Field::new("a", value.data_type(), true))).collect();
            let result = function
                .invoke_with_args(datafusion::logical_expr::ScalarFunctionArgs {
                    args: arguments,
                    arg_fields: fields,
                    number_rows: 3,
                    return_field: Arc::new(Field::new("r", MONEY, false)),
                    config_options: Arc::default(),
                })
                .unwrap()
                .into_array(3)
                .unwrap();
            let sums = result.as_primitive::<arrow::datatypes::Decimal128Type>();
            assert_eq!(sums.values().to_vec(), expected);
        }
    }

    #[test]
    fn json_sums_each_type() {
        assert_eq!(plain(-300_000_000_000), "-0.3");
        assert_eq!(plain(12_000_000_000_000), "12");
        assert_eq!(plain(1), "0.000000000001");
    }
}
