//! One column of a contract: name, meaning, type and allowed values.
//!
//! Money is never a float: costs and quantities have twelve decimals, prices eighteen. The logical
//! type is kept beside the Arrow type because `json` and `string`, or `money` and `quantity`, are
//! the same to Arrow and different to a reader.

use std::collections::HashMap;

use arrow_schema::{DataType, Field, TimeUnit};
use serde::Deserialize;

/// Digits of every decimal column.
pub const MONEY_PRECISION: u8 = 38;
/// Decimals of costs and quantities.
pub const MONEY_SCALE: i8 = 12;
/// Decimals of unit prices, unit costs and shares.
pub const PRICE_SCALE: i8 = 18;
/// Decimals of the conversion residual: every digit a double can carry below a cent of a cent.
pub const RESIDUAL_SCALE: i8 = 36;

/// Arrow field metadata key that carries the column description.
const DESCRIPTION_KEY: &str = "description";
/// Arrow field metadata key that carries the unit.
const UNIT_KEY: &str = "unit";

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ColumnType {
    /// Text; absent is NULL, never an empty string.
    String,
    /// A JSON document in text form.
    Json,
    /// An amount of money.
    Money,
    /// An amount of anything else.
    Quantity,
    /// Money per unit.
    Price,
    /// A part of a whole, between 0 and 1.
    Share,
    /// The exact error of converting doubles to decimals.
    Residual,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A calendar day in UTC.
    Date,
    /// A moment in UTC with microseconds.
    Timestamp,
}

impl ColumnType {
    /// The name in the schema files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Json => "json",
            Self::Money => "money",
            Self::Quantity => "quantity",
            Self::Price => "price",
            Self::Share => "share",
            Self::Residual => "residual",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
        }
    }

    /// The Arrow type in which values of this kind are stored.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::String | Self::Json => DataType::Utf8,
            Self::Money | Self::Quantity => DataType::Decimal128(MONEY_PRECISION, MONEY_SCALE),
            Self::Price | Self::Share => DataType::Decimal128(MONEY_PRECISION, PRICE_SCALE),
            Self::Residual => DataType::Decimal128(MONEY_PRECISION, RESIDUAL_SCALE),
            Self::Integer => DataType::Int64,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// How strongly the standard asks for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FeatureLevel {
    /// Present in every dataset.
    Mandatory,
    /// Present when the provider has the concept.
    Conditional,
    /// Asked for, not required.
    Recommended,
    /// Ours, named `x_…`.
    Custom,
}

/// The contract of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnContract {
    /// Column name as written.
    pub name: String,
    /// What the column holds.
    pub column_type: ColumnType,
    /// Arrow type, derived from [`ColumnContract::column_type`].
    pub data_type: DataType,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// One sentence for people.
    pub description: String,
    /// Unit of a number, or the column that names it.
    pub unit: Option<String>,
    /// Accepted values; empty means any.
    pub allowed_values: Vec<String>,
    /// FOCUS version that introduced the column; `None` for columns of our own.
    pub introduced: Option<String>,
    /// How strongly FOCUS asks for the column; `None` outside of FOCUS tables.
    pub feature_level: Option<FeatureLevel>,
}

impl ColumnContract {
    /// A nullable text column, the form of every dimension a pipeline declares.
    #[must_use]
    pub fn dimension(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            column_type: ColumnType::String,
            data_type: ColumnType::String.data_type(),
            nullable: true,
            description: description.into(),
            unit: None,
            allowed_values: Vec::new(),
            introduced: None,
            feature_level: Some(FeatureLevel::Custom),
        }
    }

    /// Whether this is a column of our own rather than of the standard.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        self.name.starts_with("x_")
    }

    /// The Arrow field, with description and unit as metadata.
    #[must_use]
    pub fn field(&self) -> Field {
        let mut metadata = HashMap::from([(DESCRIPTION_KEY.to_owned(), self.description.clone())]);
        if let Some(unit) = &self.unit {
            metadata.insert(UNIT_KEY.to_owned(), unit.clone());
        }
        Field::new(&self.name, self.data_type.clone(), self.nullable).with_metadata(metadata)
    }
}
