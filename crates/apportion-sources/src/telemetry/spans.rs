//! Which span of time every telemetry object covers, with as few requests as possible.
//!
//! Telemetry grows by an object an hour and is hardly ever rewritten. Whoever wants to know which
//! months changed remembers the spans of the objects already seen, and only the others are opened.

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;

use apportion_spec::Result;

use super::{TelemetryColumns, TimeRange, broken, check, list};
use crate::objects::footers;
use crate::store::Location;

/// A telemetry object with the first and last time in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Location, size, entity tag.
    pub meta: ObjectMeta,
    /// Microseconds since 1970 (UTC), both inside; `None` when the object has no usable statistics.
    pub span: Span,
}

impl ListedObject {
    /// Whether the object may hold rows of the range.
    #[must_use]
    pub fn reaches(&self, range: TimeRange) -> bool {
        self.span
            .is_none_or(|(first, last)| last >= range.from.timestamp_micros() && first < range.to.timestamp_micros())
    }
}

/// First and last time of an object; `None` when its statistics do not tell.
pub type Span = Option<(i64, i64)>;

/// Objects whose footers are read at the same time.
const CONCURRENT: usize = 32;

/// Lists telemetry and says which span each object covers. `known` answers for objects that were
/// looked at before; only the others are opened. Of one that cannot be read the span is what its name says, or what
/// `formerly` knows of an earlier version of it.
///
/// # Errors
/// [`apportion_spec::ErrorKind::NotFound`] when there are no Parquet objects, errors of the store.
pub async fn spans<F, G>(
    location: &Location,
    columns: &TelemetryColumns,
    known: F,
    formerly: G,
) -> Result<Vec<ListedObject>>
where
    F: Fn(&ObjectMeta) -> Option<Span>,
    G: Fn(&ObjectMeta) -> Span,
{
    let named = |error: apportion_spec::Error| error.with("telemetry", &columns.name);
    let objects = list(location).await.map_err(named)?;
    let objects: Vec<(ObjectMeta, Option<Span>, Span)> =
        objects.into_iter().map(|meta| (meta.clone(), known(&meta), formerly(&meta))).collect();
    futures::stream::iter(objects)
        .map(|(meta, known, formerly)| async move {
            if let Some(span) = known {
                return Ok(ListedObject { meta, span });
            }
            let span = match footers(location, vec![meta.clone()]).await {
                Ok(footer) => footer.first().and_then(|footer| check::ends(footer, &columns.time)),
                Err(error) if broken::lies_in_the_object(&error) => broken::named_span(location, &meta).or(formerly),
                Err(error) => return Err(error),
            };
            Ok(ListedObject { meta, span })
        })
        .buffered(CONCURRENT)
        .try_collect()
        .await
        .map_err(named)
}
