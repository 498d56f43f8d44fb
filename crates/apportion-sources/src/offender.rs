//! The value behind a query that failed.
//!
//! A function that refuses a value knows neither its column nor its object, and objects are scanned
//! side by side. So after a failure, and only then, the columns that were read are read once more,
//! object by object, for the first value that cannot be understood, or the object that cannot be decoded.

use std::borrow::Cow;
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::{DataType, Float64Type};
use chrono::Utc;
use futures::TryStreamExt;

use crate::conform::moment;
use crate::contract::{ColumnKind, SourceContract, entry_fields, field_named, is_text};
use crate::objects::{Footer, batches};
use crate::store::Location;
use crate::words::NullWords;

/// What a column must hold for its values to be readable.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Test {
    /// Anything, as long as the object can be decoded.
    Any,
    /// A finite number below this.
    Number(f64),
    /// A date or time as exports write them.
    Moment,
    /// A time in ISO 8601.
    Timestamp,
    /// Text that is no word for NULL; these are words of the provider's own.
    Word(&'static [&'static str]),
}

/// 26 digits before the point and 12 after it are what an amount holds.
const AMOUNT: Test = Test::Number(1e26);
/// A price has 18 digits after the point; no real amount reaches this.
const PRICE: Test = Test::Number(1e20);
/// Quantities of telemetry keep one digit in reserve.
const QUANTITY: Test = Test::Number(1e25);

/// A column whose values may be the reason.
#[derive(Debug)]
pub(crate) struct Suspect {
    /// The name as the object has it, with the names of records before it.
    shown: String,
    /// The column of the object.
    top: String,
    /// Names of the fields below it.
    path: Vec<&'static str>,
    test: Test,
}

impl Suspect {
    /// The quantity column of telemetry.
    pub(crate) fn quantity(name: &str) -> Self {
        Self { shown: name.to_owned(), top: name.to_owned(), path: Vec::new(), test: QUANTITY }
    }

    /// The time column of telemetry.
    pub(crate) fn time(name: &str) -> Self {
        Self { test: Test::Timestamp, ..Self::quantity(name) }
    }

    /// A column whose values are of no concern, but which must be decodable.
    pub(crate) fn any(name: &str) -> Self {
        Self { test: Test::Any, ..Self::quantity(name) }
    }

    /// The columns that a contract finds in an object; `written` for the copy of a CSV.
    pub(crate) fn of_contract(contract: &SourceContract, footer: &Footer, written: bool) -> Vec<Self> {
        let mut suspects = Vec::new();
        for column in &contract.columns {
            let test = match column.kind {
                ColumnKind::Number | ColumnKind::Amount | ColumnKind::NumberMap | ColumnKind::Credits => AMOUNT,
                ColumnKind::Time => Test::Moment,
                ColumnKind::Text if written => Test::Word(column.own_words),
                ColumnKind::Text | ColumnKind::TextMap => Test::Any,
            };
            // A text that holds an object is no number itself; the function that reads it names what it refuses.
            let holds_object = matches!(column.kind, ColumnKind::NumberMap | ColumnKind::Credits);
            for field in footer.schema.fields().iter().filter(|it| contract.rank(it.name(), column).is_some()) {
                let path: Vec<&'static str> = column.path.iter().skip(1).copied().collect();
                let shown = std::iter::once(field.name().as_str()).chain(path.iter().copied());
                let shown = shown.collect::<Vec<_>>().join(".");
                let test = if holds_object && is_text(field.data_type()) { Test::Any } else { test };
                suspects.push(Self { shown, top: field.name().clone(), path, test });
            }
        }
        suspects
    }
}

/// The error that names the first unreadable value of an object; `None` when all can be read. A value that is only
/// too large for a price counts when nothing else is found.
pub(crate) async fn first(
    location: &Location,
    footer: &Footer,
    suspects: &[Suspect],
    words: &NullWords,
    object: &str,
) -> Result<Option<Error>> {
    let names: Vec<&str> = suspects.iter().map(|suspect| suspect.top.as_str()).collect();
    let mut batches = Box::pin(columns(location, footer, &names, object)?);
    let (mut before, mut large) = (0, None);
    while let Some(batch) = batches.try_next().await? {
        for suspect in suspects.iter().filter(|suspect| suspect.test != Test::Any) {
            let Some(leaf) = batch.column_by_name(&suspect.top).and_then(|top| Leaf::of(top, suspect)) else {
                continue;
            };
            let told = |(index, value, why): (usize, String, Cow<'static, str>)| {
                let message = format!("column `{}` holds `{value}`, which is {why}", suspect.shown);
                Error::new(ErrorKind::ContractViolated, message)
                    .with("column", &suspect.shown)
                    .with("row", before + leaf.row(index) + 1)
                    .with("object", object)
            };
            if let Some(found) = refused(suspect.test, &leaf.values, words)? {
                return Ok(Some(told(found)));
            }
            if large.is_none() && suspect.test == AMOUNT {
                large = refused(PRICE, &leaf.values, words)?.map(told);
            }
        }
        before += batch.num_rows();
    }
    Ok(large)
}

/// The named columns of an object, batch by batch.
pub(crate) fn columns(
    location: &Location,
    footer: &Footer,
    names: &[&str],
    object: &str,
) -> Result<impl futures::Stream<Item = Result<RecordBatch>> + use<>> {
    let wanted = footer.schema.fields().iter().enumerate().filter(|(_, field)| names.contains(&field.name().as_str()));
    batches(location, footer, wanted.map(|(index, _)| index).collect(), object)
}

/// The values below a column: lists and maps hold several per row.
struct Leaf {
    values: ArrayRef,
    /// Where the values of each row start, and where the last end; `None` for one value per row.
    offsets: Option<Vec<i32>>,
}

impl Leaf {
    fn of(top: &ArrayRef, suspect: &Suspect) -> Option<Self> {
        let mut found = Arc::clone(top);
        for name in &suspect.path {
            found = Arc::clone(found.as_struct_opt()?.column_by_name(name)?);
        }
        if let Some(map) = found.as_map_opt() {
            return Some(Self { values: Arc::clone(map.values()), offsets: Some(map.value_offsets().to_vec()) });
        }
        if let Some(list) = found.as_list_opt::<i32>() {
            let amount = field_named(entry_fields(found.data_type())?, "amount")?;
            let values = Arc::clone(list.values().as_struct_opt()?.column(amount));
            return Some(Self { values, offsets: Some(list.value_offsets().to_vec()) });
        }
        Some(Self { values: found, offsets: None })
    }

    /// The row that a value belongs to.
    fn row(&self, index: usize) -> usize {
        let starts_before = |start: &i32| usize::try_from(*start).unwrap_or(0) <= index;
        self.offsets.as_ref().map_or(index, |offsets| offsets.partition_point(starts_before).saturating_sub(1))
    }
}

/// The first value that does not pass, with its position, its text, and what it is.
fn refused(test: Test, values: &ArrayRef, words: &NullWords) -> Result<Option<(usize, String, Cow<'static, str>)>> {
    let as_type = |wanted: DataType| {
        cast(values, &wanted)
            .map_err(|error| Error::new(ErrorKind::Internal, "a value has no plain form").with_source(error))
    };
    if is_text(values.data_type()) {
        let texts = as_type(DataType::Utf8)?;
        let texts = texts.as_string::<i32>().iter().enumerate();
        let told = texts.filter_map(|(index, text)| {
            let text = match test {
                Test::Word(_) => words.text(text?)?,
                _ => words.value(text?)?,
            };
            of_text(test, text, words).map(|why| (index, text.to_owned(), why))
        });
        return Ok(told.into_iter().next());
    }
    let Test::Number(limit) = test else { return Ok(None) };
    if !crate::contract::is_number(values.data_type()) {
        return Ok(None);
    }
    let numbers = as_type(DataType::Float64)?;
    let numbers = numbers.as_primitive::<Float64Type>().iter().enumerate();
    let told = numbers.filter_map(|(index, number)| {
        let number = number?;
        of_number(number, limit).map(|why| (index, format!("{number:e}"), why.into()))
    });
    Ok(told.into_iter().next())
}

fn of_text(test: Test, text: &str, words: &NullWords) -> Option<Cow<'static, str>> {
    let why = match test {
        Test::Any => None,
        Test::Number(limit) => {
            // Rust reads `inf` and `nan` as numbers, a bill does not mean them.
            let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
            let number = text.parse::<f64>().ok().filter(|_| text.bytes().all(plain));
            number.map_or(Some("not a number"), |number| of_number(number, limit))
        }
        Test::Moment => moment::parse(text).is_none().then_some("not a date or time"),
        Test::Timestamp => string_to_datetime(&Utc, text)
            .is_err()
            .then_some("no time; a text column of times holds ISO 8601, such as 2026-03-01T08:00:00Z or 2026-03-01"),
        Test::Word(own) => {
            let choice = format!(
                "a text or a word for no value; the source says which: `null_words: ['{text}']` for no value, \
                 `null_words: []` for the text"
            );
            return words.is_doubtful(text, own).then(|| choice.into());
        }
    };
    why.map(Cow::Borrowed)
}

fn of_number(number: f64, limit: f64) -> Option<&'static str> {
    if !number.is_finite() {
        Some("not a finite number")
    } else if number.abs() >= limit {
        Some("larger than an amount can be (26 digits before the point)")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, Float64Array, StringArray};

    use super::*;

    fn found(test: Test, values: &ArrayRef) -> Option<(usize, String, Cow<'static, str>)> {
        refused(test, values, &NullWords::default()).unwrap()
    }

    #[test]
    fn the_first_unreadable_value_is_found_in_every_form() {
        let doubles = |values: &[f64]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
        assert_eq!(
            found(AMOUNT, &doubles(&[1.5, f64::NAN])),
            Some((1, "NaN".to_owned(), "not a finite number".into()))
        );
        assert_eq!(found(AMOUNT, &doubles(&[1.5, -1e26])).map(|found| found.0), Some(1));
        assert_eq!(found(AMOUNT, &doubles(&[1.5, 1e21])), None);
        assert_eq!(found(PRICE, &doubles(&[1.5, 1e21])).map(|found| found.0), Some(1));
        let texts = |values: &[&str]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        assert_eq!(
            found(AMOUNT, &texts(&["1e-3", "", "-2.5", "1,5"])),
            Some((3, "1,5".to_owned(), "not a number".into()))
        );
        assert_eq!(found(AMOUNT, &texts(&["nan", "inf"])).map(|found| found.0), Some(1), "a word for NULL is none");
        assert_eq!(found(Test::Word(&["None"]), &texts(&["None", "\\N"])).map(|found| found.0), Some(1));
        assert_eq!(found(Test::Moment, &texts(&["01/31/2026", "soon"])).map(|found| found.0), Some(1));
        assert_eq!(found(Test::Timestamp, &texts(&["2026-01-31", "01/31/2026"])).map(|found| found.0), Some(1));
        let wide = Decimal128Array::from(vec![1, 10_i128.pow(30)]).with_precision_and_scale(38, 0).unwrap();
        let wide: ArrayRef = Arc::new(wide);
        assert_eq!(found(AMOUNT, &wide).map(|found| found.0), Some(1));
    }
}
