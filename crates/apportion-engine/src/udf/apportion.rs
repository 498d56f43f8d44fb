//! `apportion(cost, before, upto, total)`: the one way this project splits money.
//!
//! A target that owns the weights from `before` to `upto` out of `total` receives
//! `R(cost * upto / total) - R(cost * before / total)`. Neighbouring targets share a boundary,
//! so the parts of a cost add up to it to the last digit, whatever the number of targets, and
//! each row is computed alone, without a window over the charges. Weights are compared by their
//! unscaled integers: any common scale gives the same parts. The trap avoided: `cost * w / W`,
//! whose parts do not add up and whose intermediate overflows.

use arrow::array::{ArrayRef, Decimal128Array};
use datafusion::common::{Result, exec_err};

use super::column::DecimalColumn;
use super::exact;
use super::function::{Argument, Arguments, Function, MONEY, Nullability};
use super::money::finish;

/// The functions of this file.
pub(super) fn functions() -> Vec<Function> {
    vec![Function::new(
        "apportion",
        &[Argument::Money, Argument::Money, Argument::Money, Argument::Money],
        MONEY,
        Nullability::WhenAnArgumentIs,
        kernel,
    )]
}

fn kernel(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let cost = DecimalColumn::of(arguments.get(0)?)?;
    let before = DecimalColumn::of(arguments.get(1)?)?;
    let upto = DecimalColumn::of(arguments.get(2)?)?;
    let total = DecimalColumn::of(arguments.get(3)?)?;
    let parts = (0..arguments.rows)
        .map(|row| {
            let (Some(cost), Some(before), Some(upto), Some(total)) =
                (cost.get(row), before.get(row), upto.get(row), total.get(row))
            else {
                return Ok(None);
            };
            match exact::apportion(cost, before, upto, total) {
                Ok(part) => Ok(Some(part)),
                Err(reason) => exec_err!(
                    "apportion: {reason} (unscaled cost {cost}, before {before}, upto {upto}, \
                     total {total})"
                ),
            }
        })
        .collect::<Result<Decimal128Array>>()?;
    finish(parts, MONEY)
}
