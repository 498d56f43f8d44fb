//! `quantity_from_double(double)`: a double as the decimal a person would write for it.
//!
//! Multiplying by ten to the twelfth carries the double's binary noise into the decimal; the shortest text that
//! reads back as the same double does not. It is the conversion that bills are read with.

use std::sync::Arc;

use apportion_spec::decimal_text::amount_of_double;
use arrow::array::{ArrayRef, AsArray, Decimal128Builder};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::{QUANTITY_PRECISION, QUANTITY_SCALE};

/// 10^37: one digit is kept in reserve for sums.
const LIMIT: u128 = 10_000_000_000_000_000_000_000_000_000_000_000_000;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DecimalFromDouble {
    signature: Signature,
}

impl DecimalFromDouble {
    pub(super) fn new() -> Self {
        Self { signature: Signature::uniform(1, vec![DataType::Float64], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DecimalFromDouble {
    fn name(&self) -> &str {
        "quantity_from_double"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(QUANTITY_PRECISION, QUANTITY_SCALE))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(doubles) = arrays.first().and_then(|array| array.as_primitive_opt::<Float64Type>()) else {
            return exec_err!("quantity_from_double takes one double column");
        };
        let mut decimals = Decimal128Builder::with_capacity(doubles.len());
        for double in doubles {
            decimals.append_option(double.map(decimal).transpose()?);
        }
        let decimals = decimals.finish().with_precision_and_scale(QUANTITY_PRECISION, QUANTITY_SCALE)?;
        Ok(ColumnarValue::Array(Arc::new(decimals) as ArrayRef))
    }
}

/// The double in units of its twelfth decimal.
fn decimal(double: f64) -> Result<i128> {
    match amount_of_double(double) {
        Ok(units) if units.unsigned_abs() < LIMIT => Ok(units),
        _ => Err(DataFusionError::Execution(format!("`{double}` is not a quantity that can be kept"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_become_the_decimal_a_person_would_write() {
        for (double, units) in [
            (0.1, 100_000_000_000),
            (123_456.789, 123_456_789_000_000_000),
            (-2.5, -2_500_000_000_000),
            (2e-7, 200_000),
            (5e-13, 1),
            (-5e-13, -1),
            (4.9e-13, 0),
            (1e15, 1_000_000_000_000_000_000_000_000_000),
            (0.0, 0),
        ] {
            assert_eq!(decimal(double).unwrap(), units, "{double}");
        }
        for double in [f64::NAN, f64::INFINITY, 1e30] {
            assert!(decimal(double).is_err(), "{double}");
        }
    }
}
