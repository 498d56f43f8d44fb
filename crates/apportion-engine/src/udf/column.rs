//! Typed views over the arguments of a function, whatever their physical form.
//!
//! Kernels ask for row `i` and get a plain value; constants, the three string layouts and
//! dictionaries are told apart here, once per batch, without copying a string.
//! The trap avoided: expanding a constant key or a dictionary into one string per row.

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, GenericStringArray, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::ColumnarValue;

/// Strings by row.
#[derive(Debug)]
pub(crate) enum TextColumn<'a> {
    /// The same for every row.
    Constant(Option<&'a str>),
    /// 32-bit offsets.
    Small(&'a GenericStringArray<i32>),
    /// 64-bit offsets.
    Large(&'a GenericStringArray<i64>),
    /// Views.
    View(&'a StringViewArray),
    /// Keys into distinct values.
    Dictionary {
        /// Position in `values` by row.
        keys: Vec<usize>,
        /// Which rows are not NULL.
        valid: Option<&'a NullBuffer>,
        /// The distinct values.
        values: Box<Self>,
    },
}

impl<'a> TextColumn<'a> {
    /// Views an argument as strings.
    pub(crate) fn of(value: &'a ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Array(array) => Self::of_array(array),
            ColumnarValue::Scalar(scalar) => constant_text(scalar).map(Self::Constant),
        }
    }

    /// Views an array as strings.
    pub(crate) fn of_array(array: &'a ArrayRef) -> Result<Self> {
        match array.data_type() {
            DataType::Utf8 => Ok(Self::Small(array.as_string())),
            DataType::LargeUtf8 => Ok(Self::Large(array.as_string())),
            DataType::Utf8View => Ok(Self::View(array.as_string_view())),
            DataType::Null => Ok(Self::Constant(None)),
            DataType::Dictionary(..) => {
                let Some(dictionary) = array.as_any_dictionary_opt() else {
                    return internal_err!("dictionary without dictionary layout");
                };
                if dictionary.values().is_empty() {
                    return Ok(Self::Constant(None));
                }
                Ok(Self::Dictionary {
                    keys: dictionary.normalized_keys(),
                    valid: array.nulls(),
                    values: Box::new(Self::of_array(dictionary.values())?),
                })
            }
            other => internal_err!("expected strings, found {other}"),
        }
    }

    /// The string of a row, `None` for NULL.
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Constant(value) => *value,
            Self::Small(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Large(array) => array.is_valid(row).then(|| array.value(row)),
            Self::View(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Dictionary { keys, valid, values } => {
                if valid.is_some_and(|valid| valid.is_null(row)) {
                    return None;
                }
                values.get(*keys.get(row)?)
            }
        }
    }
}

fn constant_text(scalar: &ScalarValue) -> Result<Option<&str>> {
    match scalar {
        ScalarValue::Null => Ok(None),
        ScalarValue::Utf8(value) | ScalarValue::LargeUtf8(value) | ScalarValue::Utf8View(value) => Ok(value.as_deref()),
        ScalarValue::Dictionary(_, value) => constant_text(value),
        other => internal_err!("expected a string, found {}", other.data_type()),
    }
}

/// Unscaled decimals by row.
#[derive(Debug)]
pub(crate) enum DecimalColumn<'a> {
    /// The same for every row.
    Constant(Option<i128>),
    /// One per row.
    Rows(&'a Decimal128Array),
}

impl<'a> DecimalColumn<'a> {
    /// Views an argument as unscaled decimals of the scale it was coerced to.
    pub(crate) fn of(value: &'a ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Array(array) => match array.as_primitive_opt::<Decimal128Type>() {
                Some(array) => Ok(Self::Rows(array)),
                None => internal_err!("expected decimals, found {}", array.data_type()),
            },
            ColumnarValue::Scalar(ScalarValue::Decimal128(value, ..)) => Ok(Self::Constant(*value)),
            ColumnarValue::Scalar(ScalarValue::Null) => Ok(Self::Constant(None)),
            ColumnarValue::Scalar(other) => {
                internal_err!("expected a decimal, found {}", other.data_type())
            }
        }
    }

    /// The unscaled decimal of a row, `None` for NULL.
    pub(crate) fn get(&self, row: usize) -> Option<i128> {
        match self {
            Self::Constant(value) => *value,
            Self::Rows(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

/// Doubles by row.
#[derive(Debug)]
pub(crate) enum DoubleColumn<'a> {
    /// The same for every row.
    Constant(Option<f64>),
    /// One per row.
    Rows(&'a Float64Array),
}

impl<'a> DoubleColumn<'a> {
    /// Views an argument as doubles.
    pub(crate) fn of(value: &'a ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Array(array) => match array.as_primitive_opt::<Float64Type>() {
                Some(array) => Ok(Self::Rows(array)),
                None => internal_err!("expected doubles, found {}", array.data_type()),
            },
            ColumnarValue::Scalar(ScalarValue::Float64(value)) => Ok(Self::Constant(*value)),
            ColumnarValue::Scalar(ScalarValue::Null) => Ok(Self::Constant(None)),
            ColumnarValue::Scalar(other) => {
                internal_err!("expected a double, found {}", other.data_type())
            }
        }
    }

    /// The double of a row, `None` for NULL.
    pub(crate) fn get(&self, row: usize) -> Option<f64> {
        match self {
            Self::Constant(value) => *value,
            Self::Rows(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}

/// Microseconds since 1970, UTC, by row.
#[derive(Debug)]
pub(crate) enum TimeColumn<'a> {
    /// The same for every row.
    Constant(Option<i64>),
    /// One per row.
    Rows(&'a TimestampMicrosecondArray),
}

impl<'a> TimeColumn<'a> {
    /// Views an argument as points in time.
    pub(crate) fn of(value: &'a ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Array(array) => match array.as_primitive_opt::<TimestampMicrosecondType>() {
                Some(array) => Ok(Self::Rows(array)),
                None => internal_err!("expected timestamps, found {}", array.data_type()),
            },
            ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(value, _)) => Ok(Self::Constant(*value)),
            ColumnarValue::Scalar(ScalarValue::Null) => Ok(Self::Constant(None)),
            ColumnarValue::Scalar(other) => internal_err!(
                "expected {}, found {}",
                DataType::Timestamp(TimeUnit::Microsecond, None),
                other.data_type()
            ),
        }
    }

    /// The point in time of a row, `None` for NULL.
    pub(crate) fn get(&self, row: usize) -> Option<i64> {
        match self {
            Self::Constant(value) => *value,
            Self::Rows(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }
}
