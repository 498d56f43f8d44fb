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
    /// A number in the form it is delivered in: double, decimal of any scale, or text.
    Amount,
    /// A moment in UTC, in microseconds; also its text.
    Time,
    /// Text by text key.
    TextMap,
    /// Numbers by text key.
    NumberMap,
    /// A list of credits, each with name, full name, id, type and amount.
    Credits,
}

impl ColumnKind {
    /// The type the relation has; an amount that no object delivers is a double.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Number | Self::Amount => DataType::Float64,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::TextMap => map_of(DataType::Utf8),
            Self::NumberMap => map_of(DataType::Float64),
            Self::Credits => credit_list(),
        }
    }

    /// Whether an object may deliver the column as `found`.
    #[must_use]
    pub fn accepts(self, found: &DataType) -> bool {
        match self {
            Self::Text => is_text(found),
            Self::Number => is_number(found),
            Self::Amount => is_number(found) || is_text(found),
            Self::Time => matches!(found, DataType::Timestamp(..) | DataType::Date32) || is_text(found),
            Self::TextMap => map_value(found).is_some_and(is_text) || is_pairs(found) || *found == DataType::Null,
            Self::NumberMap => map_value(found).is_some_and(is_number) || *found == DataType::Null,
            Self::Credits => is_credits(found) || *found == DataType::Null,
        }
    }

    /// The accepted types in words.
    #[must_use]
    pub const fn accepted(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "double, integer or decimal",
            Self::Amount => "double, integer, decimal or text of a number",
            Self::Time => "timestamp, date or text of a time",
            Self::TextMap => "map of string to string, or list of keys and values",
            Self::NumberMap => "map of string to double",
            Self::Credits => "list of credits, each with a type and an amount",
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

/// Fields of the entries of a list.
pub(crate) fn entry_fields(found: &DataType) -> Option<&Fields> {
    match found {
        DataType::List(entry) | DataType::LargeList(entry) => match entry.data_type() {
            DataType::Struct(fields) => Some(fields),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a record's field is the one called `name`: Google spells `full_name` in one export and
/// `FullName` in another.
pub(crate) fn is_field(found: &str, name: &str) -> bool {
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    plain(found) == plain(name)
}

/// Where a record has the field called `name`.
pub(crate) fn field_named(fields: &Fields, name: &str) -> Option<usize> {
    fields.iter().position(|field| is_field(field.name(), name))
}

fn has(fields: &Fields, name: &str, accepts: fn(&DataType) -> bool) -> bool {
    field_named(fields, name).and_then(|index| fields.get(index)).is_some_and(|field| accepts(field.data_type()))
}

fn is_pairs(found: &DataType) -> bool {
    entry_fields(found).is_some_and(|fields| has(fields, "key", is_text) && has(fields, "value", is_text))
}

fn is_credits(found: &DataType) -> bool {
    entry_fields(found).is_some_and(|fields| has(fields, "type", is_text) && has(fields, "amount", is_number))
}

/// Text fields of a credit; its number is `amount`.
pub(crate) const CREDIT_TEXTS: [&str; 4] = ["name", "full_name", "id", "type"];

/// Fields of a credit in every relation.
pub(crate) fn credit_fields() -> Fields {
    let texts = CREDIT_TEXTS.iter().map(|name| Field::new(*name, DataType::Utf8, true));
    texts.chain([Field::new("amount", DataType::Float64, true)]).collect()
}

/// The list of credits every relation has.
pub(crate) fn credit_list() -> DataType {
    DataType::List(Field::new("item", DataType::Struct(credit_fields()), true).into())
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
    /// Other names it is delivered under; the first that has a value wins.
    pub aliases: &'static [&'static str],
    /// Where it lies in nested columns: names from the top-level column on. Empty for a plain column.
    pub path: &'static [&'static str],
    /// Words that would stand for no value elsewhere, and that the provider means as text here.
    pub own_words: &'static [&'static str],
    /// Of a map in text, whether keys that differ only in case are one key, of which the first counts.
    pub folds_case: bool,
}

impl SourceColumn {
    /// A column delivered under its own name.
    #[must_use]
    pub fn plain(name: &str, kind: ColumnKind, required: bool) -> Self {
        Self { name: name.to_owned(), kind, required, aliases: &[], path: &[], own_words: &[], folds_case: false }
    }

    /// The name as the export spells it, for messages.
    #[must_use]
    pub fn delivered_name(&self) -> String {
        match (self.path, self.aliases) {
            ([], []) => self.name.clone(),
            ([], [first, ..]) => (*first).to_owned(),
            (path, _) => path.join("."),
        }
    }
}

/// How rows say which billing period they belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodColumn {
    /// A moment inside the billing period.
    Time(&'static str),
    /// Text `YYYYMM`.
    Month(&'static str),
}

impl PeriodColumn {
    /// Name of the contract column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time(name) | Self::Month(name) => name,
        }
    }
}

/// How a column shows that a row is of a commitment, without regard to case and spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitmentSign {
    /// It says one of these words, written small and without spaces.
    Says(&'static [&'static str]),
    /// It names something, that is anything but these words.
    Names(&'static [&'static str]),
}

impl CommitmentSign {
    /// Whether this value shows it.
    #[must_use]
    pub fn is_shown_by(&self, value: &str) -> bool {
        let value: String = value.chars().filter(|it| !it.is_whitespace()).flat_map(char::to_lowercase).collect();
        match self {
            Self::Says(words) => words.contains(&value.as_str()),
            Self::Names(nothing) => !value.is_empty() && !nothing.contains(&value.as_str()),
        }
    }
}

/// An export that consists of two datasets about the same charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datasets {
    /// Contract column that names the dataset of a row; no object delivers it.
    pub column: &'static str,
    /// Both datasets, by their name in manifests and in `column`.
    pub names: [&'static str; 2],
    /// One dataset is complete where objects lack this column; it is then the second of `names`.
    pub both_needed_with: &'static str,
    /// Both datasets say the same of rows that no column shows to be of a commitment.
    pub commitment_signs: &'static [(&'static str, CommitmentSign)],
}

/// A map column that older objects deliver as one column per key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// The map column.
    pub map: &'static str,
    /// Prefix of the columns that become its keys.
    pub prefix: &'static str,
}

/// The columns by which rows say which delivery they are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryColumns {
    /// The moment a row is charged from; what a delivery covers is counted in its days (UTC).
    pub day: &'static str,
    /// The moment the provider exported a row, where rows are added and never changed. Then a row that
    /// is delivered twice is equal both times, and usage of one day may come in several deliveries.
    pub exported: Option<&'static str>,
    /// Columns that tell most rows apart although none of them is an amount. A run that rates the month
    /// again changes amounts only.
    pub telling: &'static [&'static str],
    /// Columns that a later run fills in or corrects: they do not make a row another one.
    pub settling: &'static [&'static str],
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
    pub period: PeriodColumn,
    /// The two datasets the export consists of, if it does.
    pub datasets: Option<Datasets>,
    /// How rows say which delivery they are of.
    pub delivery: DeliveryColumns,
    /// Columns that together tell most rows apart, where rows have no id; empty where they have one.
    pub telling: &'static [&'static str],
    /// Map column for delivered columns that a pipeline asks to keep, if the format offers that.
    pub kept: Option<&'static str>,
}

impl SourceContract {
    /// The schema of the relation; every column is nullable, because SQL decides about NULL.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|column| Field::new(&column.name, column.kind.data_type(), true));
        Schema::new(fields.collect::<Vec<_>>()).into()
    }

    /// A contract of plain columns, matched by exact name.
    #[must_use]
    pub fn new(
        relation: &'static str,
        columns: Vec<SourceColumn>,
        period: PeriodColumn,
        delivery: DeliveryColumns,
    ) -> Self {
        Self {
            relation,
            columns,
            folds: &[],
            ignore_case: false,
            json_maps: false,
            period,
            datasets: None,
            delivery,
            telling: &[],
            kept: None,
        }
    }

    /// A contract column by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&SourceColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Which of a column's names an object's top-level column has: 0 for its own, then its aliases.
    #[must_use]
    pub fn rank(&self, found: &str, column: &SourceColumn) -> Option<usize> {
        if let Some(root) = column.path.first() {
            return (found == *root).then_some(0);
        }
        let same = |name: &str| found == name || (self.ignore_case && found.eq_ignore_ascii_case(name));
        let english =
            |name: &str| self.ignore_case && in_parentheses(found).is_some_and(|e| e.eq_ignore_ascii_case(name));
        std::iter::once(column.name.as_str())
            .chain(column.aliases.iter().copied())
            .position(|name| same(name) || english(name))
    }
}

/// Localised headers carry the English name behind their own: `Kosten (Cost)`.
fn in_parentheses(header: &str) -> Option<&str> {
    header.strip_suffix(')')?.rsplit_once('(').map(|(_, english)| english)
}

/// Contract columns of one kind from a list of names.
pub(crate) fn columns(kind: ColumnKind, names: &[&str], required: &[&str]) -> Vec<SourceColumn> {
    let column = |name: &&str| SourceColumn::plain(name, kind, required.contains(name));
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
        assert!(ColumnKind::Amount.accepts(&DataType::LargeUtf8) && ColumnKind::Time.accepts(&DataType::Utf8View));
        assert!(ColumnKind::Number.accepts(&DataType::Decimal128(38, 9)));
        assert!(ColumnKind::TextMap.accepts(&map_of(DataType::Utf8)));
        assert!(!ColumnKind::TextMap.accepts(&map_of(DataType::Float64)));
    }
}
