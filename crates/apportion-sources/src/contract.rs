//! What a source promises its SQL: columns, types and which of them must be delivered.
//!
//! Real exports differ by month and account. The contract is the fixed side: whatever an object
//! has, the relation has exactly these columns. Accepted physical types are listed here because
//! the engine would cast silently, and a silent cast of an account id loses its zeros.

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// What a contract column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text; `''` becomes NULL.
    Text,
    /// A number, as a double.
    Number,
    /// A moment in UTC, in microseconds.
    Time,
    /// Text by text key.
    TextMap,
    /// Numbers by text key.
    NumberMap,
}

impl ColumnKind {
    /// The type the relation has.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Number => DataType::Float64,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::TextMap => map_of(DataType::Utf8),
            Self::NumberMap => map_of(DataType::Float64),
        }
    }

    /// Whether an object may deliver the column as `found`.
    #[must_use]
    pub fn accepts(self, found: &DataType) -> bool {
        match self {
            Self::Text => is_text(found),
            Self::Number => is_number(found),
            Self::Time => matches!(found, DataType::Timestamp(..) | DataType::Date32 | DataType::Null),
            Self::TextMap => map_value(found).is_some_and(is_text) || *found == DataType::Null,
            Self::NumberMap => map_value(found).is_some_and(is_number) || *found == DataType::Null,
        }
    }

    /// The accepted types in words.
    #[must_use]
    pub const fn accepted(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "double, integer or decimal",
            Self::Time => "timestamp or date",
            Self::TextMap => "map of string to string",
            Self::NumberMap => "map of string to double",
        }
    }

    /// Whether the column is a map.
    #[must_use]
    pub const fn is_map(self) -> bool {
        matches!(self, Self::TextMap | Self::NumberMap)
    }
}

pub(crate) fn is_text(found: &DataType) -> bool {
    match found {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

pub(crate) fn is_number(found: &DataType) -> bool {
    match found {
        DataType::Dictionary(_, values) => is_number(values),
        DataType::Null => true,
        other => other.is_integer() || other.is_floating() || other.is_decimal(),
    }
}

fn map_value(found: &DataType) -> Option<&DataType> {
    let DataType::Map(entries, _) = found else { return None };
    let DataType::Struct(fields) = entries.data_type() else { return None };
    match fields.iter().map(|field| field.data_type()).collect::<Vec<_>>().as_slice() {
        [key, value] if is_text(key) => Some(value),
        _ => None,
    }
}

/// `MAP<string, value>` with the field names Parquet uses.
pub(crate) fn map_of(value: DataType) -> DataType {
    let fields = Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", value, true)]);
    DataType::Map(Field::new("key_value", DataType::Struct(fields), false).into(), false)
}

/// One column of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceColumn {
    /// Name in the relation and, unless case is ignored, in the objects.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Whether every object must have it.
    pub required: bool,
}

/// A map column that older objects deliver as one column per key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// The map column.
    pub map: &'static str,
    /// Prefix of the columns that become its keys.
    pub prefix: &'static str,
}

/// The contract of one source relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceContract {
    /// Relation name SQL reads, for example `src_aws__cur`.
    pub relation: &'static str,
    /// Columns in relation order.
    pub columns: Vec<SourceColumn>,
    /// Columns folded into maps.
    pub folds: &'static [Fold],
    /// Whether object columns are matched without regard to case.
    pub ignore_case: bool,
    /// Whether a map may be delivered as a JSON object in text.
    pub json_maps: bool,
    /// Column that says which billing period a row belongs to.
    pub period_column: &'static str,
}

impl SourceContract {
    /// The schema of the relation; every column is nullable, because SQL decides about NULL.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|column| Field::new(&column.name, column.kind.data_type(), true));
        Schema::new(fields.collect::<Vec<_>>()).into()
    }

    /// Whether an object column called `found` is the contract column `name`.
    #[must_use]
    pub fn is_same(&self, found: &str, name: &str) -> bool {
        found == name || (self.ignore_case && found.eq_ignore_ascii_case(name))
    }
}

/// Contract columns of one kind from a list of names.
pub(crate) fn columns(kind: ColumnKind, names: &[&str], required: &[&str]) -> Vec<SourceColumn> {
    let column = |name: &&str| SourceColumn { name: (*name).to_owned(), kind, required: required.contains(name) };
    names.iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_in_many_encodings_and_numbers_are_not_text() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        for found in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, dictionary, DataType::Null] {
            assert!(ColumnKind::Text.accepts(&found), "{found}");
        }
        assert!(!ColumnKind::Text.accepts(&DataType::Int64));
        assert!(!ColumnKind::Number.accepts(&DataType::Utf8));
        assert!(ColumnKind::Number.accepts(&DataType::Decimal128(38, 9)));
        assert!(ColumnKind::TextMap.accepts(&map_of(DataType::Utf8)));
        assert!(!ColumnKind::TextMap.accepts(&map_of(DataType::Float64)));
    }
}
