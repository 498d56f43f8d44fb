//! One description of a scalar function, so that each function is a row of facts and a kernel.
//!
//! DataFusion asks a function for its name, argument types, result type and nullability in
//! separate methods. Here they are data: [`Argument`] says what a position accepts (and what it
//! is coerced to, never losing digits), [`Nullability`] when the result can be NULL. The trap
//! avoided: coercion that rounds in silence, such as a price (18 decimals) passed as an amount.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// Digits of every decimal.
pub(crate) const PRECISION: u8 = 38;
/// An amount of money or a quantity.
pub(crate) const MONEY: DataType = DataType::Decimal128(PRECISION, 12);
/// A price or a unit cost.
pub(crate) const PRICE: DataType = DataType::Decimal128(PRECISION, 18);
/// What a conversion to [`MONEY`] left over.
pub(crate) const RESIDUAL: DataType = DataType::Decimal128(PRECISION, 36);

/// What a position of a function accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Argument {
    /// A 64-bit float as a provider delivers it.
    Double,
    /// A number in any form a provider delivers: double, decimal, integer or text.
    Number,
    /// A list of credits: structs with at least the fields `type` and `amount`.
    Credits,
    /// An amount: any decimal of at most 12 decimals, or an integer.
    Money,
    /// A price: any decimal of at most 18 decimals, or an integer.
    Price,
    /// A string in any physical form.
    Text,
    /// A string, or any other type but a float, by its text.
    Printable,
    /// A map, or a string holding a flat JSON object.
    MapOrText,
    /// A map.
    Map,
    /// A point in time, UTC.
    Timestamp,
}

impl Argument {
    /// The type this position is given when the query passes `found`.
    fn coerce(self, function: &str, found: &DataType) -> Result<DataType> {
        let accepted = match self {
            Self::Double => matches!(found, DataType::Float64 | DataType::Null).then_some(DataType::Float64),
            Self::Number => number(found),
            Self::Credits => matches!(found, DataType::List(_) | DataType::Null).then(|| found.clone()),
            Self::Money => decimal(found, 12).then_some(MONEY),
            Self::Price => decimal(found, 18).then_some(PRICE),
            Self::Text => text(found),
            Self::Printable => {
                text(found).or_else(|| (!found.is_floating() && !found.is_nested()).then_some(DataType::Utf8))
            }
            Self::MapOrText => map(found).or_else(|| text(found)),
            Self::Map => map(found),
            Self::Timestamp => {
                matches!(found, DataType::Timestamp(..) | DataType::Date32 | DataType::Null).then(timestamp)
            }
        };
        match accepted {
            Some(accepted) => Ok(accepted),
            None => plan_err!("{function} expects {self} here, found {found}"),
        }
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Double => "DOUBLE",
            Self::Number => "a double, decimal, integer or text",
            Self::Credits => "a list of structs with the fields type and amount",
            Self::Money => "DECIMAL(38, 12), or a decimal or integer that fits it",
            Self::Price => "DECIMAL(38, 18), or a decimal or integer that fits it",
            Self::Text => "a string",
            Self::Printable => "a string or a value with one exact text",
            Self::MapOrText => "a map, or a string holding a JSON object",
            Self::Map => "a map",
            Self::Timestamp => "a timestamp",
        })
    }
}

/// Microseconds, UTC: the one type of points in time.
pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn decimal(found: &DataType, scale: i8) -> bool {
    match found {
        DataType::Decimal32(_, found)
        | DataType::Decimal64(_, found)
        | DataType::Decimal128(_, found)
        | DataType::Decimal256(_, found) => *found <= scale,
        other => other.is_integer() || other.is_null(),
    }
}

/// Doubles and decimals stay as they are, integers and wider decimals go through their text.
fn number(found: &DataType) -> Option<DataType> {
    match found {
        DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Null => Some(DataType::Float64),
        DataType::Decimal128(..) => Some(found.clone()),
        other if other.is_integer() || other.is_decimal() => Some(DataType::Utf8),
        other => text(other),
    }
}

fn text(found: &DataType) -> Option<DataType> {
    match found {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(found.clone()),
        DataType::Dictionary(_, values) => text(values).map(|_| found.clone()),
        DataType::Null => Some(DataType::Utf8),
        _ => None,
    }
}

fn map(found: &DataType) -> Option<DataType> {
    match found {
        DataType::Map(..) | DataType::Null => Some(found.clone()),
        _ => None,
    }
}

/// When a function's result can be NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Nullability {
    /// Never.
    Never,
    /// When one of the arguments is.
    WhenAnArgumentIs,
    /// Also for arguments that are not NULL.
    Possible,
}

/// Computes the result of a function over a batch of rows.
pub(crate) type Kernel = fn(&Arguments<'_>) -> Result<ArrayRef>;

/// The evaluated arguments of a call.
#[derive(Debug)]
pub(crate) struct Arguments<'a> {
    /// Name of the function, for messages.
    pub(crate) function: &'static str,
    values: &'a [ColumnarValue],
    /// How many rows to produce.
    pub(crate) rows: usize,
}

impl<'a> Arguments<'a> {
    /// All arguments, in order.
    pub(crate) fn values(&self) -> &'a [ColumnarValue] {
        self.values
    }

    /// The argument at `position`.
    pub(crate) fn get(&self, position: usize) -> Result<&'a ColumnarValue> {
        match self.values.get(position) {
            Some(value) => Ok(value),
            None => plan_err!("{} lacks argument {}", self.function, position + 1),
        }
    }
}

/// A scalar function: immutable, row-local, the same on every engine.
#[derive(Debug)]
pub(crate) struct Function {
    name: &'static str,
    arguments: &'static [Argument],
    /// The last argument may repeat.
    variadic: bool,
    /// The last argument may be left out.
    optional: bool,
    returns: DataType,
    nullability: Nullability,
    kernel: Kernel,
    signature: Signature,
}

impl Function {
    /// Describes a function with exactly these arguments.
    pub(crate) fn new(
        name: &'static str,
        arguments: &'static [Argument],
        returns: DataType,
        nullability: Nullability,
        kernel: Kernel,
    ) -> Self {
        Self {
            name,
            arguments,
            variadic: false,
            optional: false,
            returns,
            nullability,
            kernel,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    /// Lets the last argument be left out.
    pub(crate) fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Lets the last argument repeat.
    pub(crate) fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }
}

// A name stands for one function, so it alone decides equality.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, found: &[DataType]) -> Result<Vec<DataType>> {
        let expected = self.arguments.len();
        let least = expected - usize::from(self.optional);
        if found.len() < least || (found.len() > expected && !self.variadic) {
            return plan_err!(
                "{} takes {expected} argument(s){}, found {}",
                self.name,
                if self.variadic { " or more" } else { "" },
                found.len()
            );
        }
        let last = self.arguments.last().copied();
        found
            .iter()
            .enumerate()
            .map(|(position, found)| match self.arguments.get(position).copied().or(last) {
                Some(argument) => argument.coerce(self.name, found),
                None => plan_err!("{} takes no arguments", self.name),
            })
            .collect()
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = match self.nullability {
            Nullability::Never => false,
            Nullability::Possible => true,
            Nullability::WhenAnArgumentIs => args.arg_fields.iter().any(|field| field.is_nullable()),
        };
        Ok(Arc::new(Field::new(self.name, self.returns.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let result = (self.kernel)(&Arguments {
            function: self.name,
            values: &args.args,
            rows: if constant { 1 } else { args.number_rows },
        })?;
        if constant {
            ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar)
        } else {
            Ok(ColumnarValue::Array(result))
        }
    }
}
