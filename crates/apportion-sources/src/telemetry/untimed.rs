//! Measurements without a time: they belong to no day, so no period counts them, and somebody should know.

use apportion_spec::Result;
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::TryStreamExt;
use parquet::file::statistics::Statistics;

use super::{TelemetryFiles, TimeRange};
use crate::contract::is_text;
use crate::objects::Footer;
use crate::offender;

/// Rows of a telemetry that have no time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untimed {
    /// The telemetry.
    pub telemetry: String,
    /// Its time column.
    pub column: String,
    /// How many there are in the objects that reach the span of time.
    pub rows: u64,
    /// The first object that has some.
    pub object: String,
}

impl TelemetryFiles {
    /// Rows without a time in the objects that reach `range`; `None` when every row has one. Statistics mostly tell;
    /// without them the time column of the object is read.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub async fn untimed(&self, range: TimeRange) -> Result<Option<Untimed>> {
        let mut found: Option<Untimed> = None;
        for footer in self.reached(&[range]) {
            let object = self.location.name(&footer.meta.location);
            let rows = match self.by_statistics(&footer) {
                Some(rows) => rows,
                None => self.counted(&footer, &object).await?,
            };
            if rows > 0 {
                let (telemetry, column) = (self.columns.name.clone(), self.columns.time.clone());
                found.get_or_insert(Untimed { telemetry, column, rows: 0, object }).rows += rows;
            }
        }
        Ok(found)
    }

    /// What the statistics of an object say; `None` when they do not tell.
    fn by_statistics(&self, footer: &Footer) -> Option<u64> {
        let time = self.columns.time.as_str();
        let nulls = footer.metadata.row_groups().iter().map(|group| {
            let column = group.columns().iter().find(|column| column.column_path().parts() == [time])?;
            let statistics = column.statistics()?;
            let nulls = statistics.null_count_opt()?;
            match statistics {
                Statistics::ByteArray(texts) => (!texts.min_opt()?.data().is_empty()).then_some(nulls),
                _ => Some(nulls),
            }
        });
        nulls.sum()
    }

    async fn counted(&self, footer: &Footer, object: &str) -> Result<u64> {
        let name = self.columns.time.as_str();
        let mut batches = Box::pin(offender::columns(&self.location, footer, &[name], object)?);
        let mut rows = 0_usize;
        while let Some(batch) = batches.try_next().await? {
            let Some(times) = batch.column_by_name(name) else { continue };
            rows += times.logical_null_count();
            if is_text(times.data_type())
                && let Ok(texts) = cast(times, &DataType::Utf8)
            {
                rows += texts.as_string::<i32>().iter().flatten().filter(|text| text.is_empty()).count();
            }
        }
        Ok(u64::try_from(rows).unwrap_or(u64::MAX))
    }
}
