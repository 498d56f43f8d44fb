//! Telemetry objects that cannot be read, and the days they are about: they fail the months that would read
//! them and no other.

use apportion_spec::{Error, ErrorKind, Result};
use chrono::{Days, NaiveDate, NaiveTime};
use futures::StreamExt;
use object_store::ObjectMeta;

use super::{Span, TelemetryColumns, TimeRange, check};
use crate::objects::{Footer, footers};
use crate::store::Location;

/// Objects whose footers are read at the same time.
const CONCURRENT: usize = 32;

/// An object that cannot be read.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    /// What its rows would be about, if its name or its statistics say so.
    pub(super) span: Span,
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
}

impl Broken {
    /// Whether it may hold rows of a range.
    pub(super) fn reaches(&self, range: TimeRange) -> bool {
        self.span
            .is_none_or(|(first, last)| last >= range.from.timestamp_micros() && first < range.to.timestamp_micros())
    }

    /// Why it cannot be read.
    pub(super) fn error(&self) -> Error {
        let error = Error::new(self.kind, self.message.clone());
        self.context.iter().fold(error, |error, (key, value)| error.with(key, value))
    }
}

/// Opens objects: those that can be read with the declared columns, in their order, and those that cannot.
///
/// # Errors
/// Those that do not lie in one object: refused access, a store that does not answer.
pub(super) async fn open(
    location: &Location,
    objects: Vec<ObjectMeta>,
    columns: &TelemetryColumns,
) -> Result<(Vec<Footer>, Vec<Broken>)> {
    let mut opening = futures::stream::iter(objects)
        .map(|meta| async move { (footers(location, vec![meta.clone()]).await, meta) })
        .buffered(CONCURRENT);
    let (mut whole, mut broken) = (Vec::new(), Vec::new());
    while let Some((opened, meta)) = opening.next().await {
        let span = named_span(location, &meta);
        match opened {
            Ok(opened) => {
                for footer in opened {
                    match check::check(location, std::slice::from_ref(&footer), columns) {
                        Ok(_) => whole.push(footer),
                        Err(error) => {
                            let span = check::ends(&footer, &columns.time).or(span);
                            broken.push(of(span, &error));
                        }
                    }
                }
            }
            Err(error) if lies_in_the_object(&error) => broken.push(of(span, &error)),
            Err(error) => return Err(error),
        }
    }
    Ok((whole, broken))
}

fn of(span: Span, error: &Error) -> Broken {
    let context = error.context().iter().map(|(key, value)| (*key, value.clone())).collect();
    Broken { span, kind: error.kind(), message: error.message().to_owned(), context }
}

/// Whether another object may be read although this one cannot.
pub(super) fn lies_in_the_object(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ContractViolated | ErrorKind::NotFound | ErrorKind::Conflict)
}

/// The days that the name of an object says it is about, a day to spare on either side, because names may go by local
/// time.
pub(super) fn named_span(location: &Location, meta: &ObjectMeta) -> Span {
    let below = meta.location.as_ref().strip_prefix(location.prefix.as_ref()).unwrap_or(meta.location.as_ref());
    let (first, last) = named_days(below)?;
    let micros = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
    Some((micros(first.checked_sub_days(Days::new(1))?), micros(last.checked_add_days(Days::new(2))?) - 1))
}

/// First and last day of the date in a key: `2026-03-05`, `2026/03/05`, `year=2026/month=03/day=05`, or a month.
fn named_days(key: &str) -> Option<(NaiveDate, NaiveDate)> {
    let key: String = ["year=", "month=", "day="].iter().fold(key.to_owned(), |key, label| key.replace(label, ""));
    let bytes = key.as_bytes();
    let number = |from: usize, digits: usize| -> Option<u32> {
        let text = key.get(from..from + digits)?;
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    let separated = |at: usize| bytes.get(at).is_some_and(|byte| matches!(byte, b'-' | b'/' | b'_'));
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    (0..bytes.len()).find_map(|at| {
        if at > 0 && digit(at - 1) {
            return None;
        }
        let (year, month) = (number(at, 4)?, number(at + 5, 2)?);
        if !separated(at + 4) || !(2000..2200).contains(&year) {
            return None;
        }
        let year = i32::try_from(year).ok()?;
        let named = number(at + 8, 2).filter(|_| separated(at + 7) && !digit(at + 10));
        if let Some(day) = named.and_then(|day| NaiveDate::from_ymd_opt(year, month, day)) {
            return Some((day, day));
        }
        if digit(at + 7) {
            return None;
        }
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        let next = first.checked_add_months(chrono::Months::new(1))?;
        Some((first, next.pred_opt()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_days_an_object_is_about() {
        let days = |key: &str| named_days(key).map(|(first, last)| format!("{first} {last}"));
        for (key, expected) in [
            ("requests-2026-03-05.parquet", Some("2026-03-05 2026-03-05")),
            ("2026-02.parquet", Some("2026-02-01 2026-02-28")),
            ("year=2026/month=03/day=05/part-0.parquet", Some("2026-03-05 2026-03-05")),
            ("year=2026/month=12/part-0.parquet", Some("2026-12-01 2026-12-31")),
            ("2026/03/05/10.parquet", Some("2026-03-05 2026-03-05")),
            ("part-00000.parquet", None),
            ("v12026-03-05.parquet", None),
            ("requests-2026-13.parquet", None),
        ] {
            assert_eq!(days(key).as_deref(), expected, "{key}");
        }
    }
}
