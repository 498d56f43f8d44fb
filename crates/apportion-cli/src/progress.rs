//! How far a run is: a bar on a terminal, structured log lines otherwise.
//!
//! The bar counts the bytes of the exports, because that is the only size known before reading;
//! rows are shown as they are written.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::grouped;
use crate::units::Units;

/// Progress of one run.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    rows: Arc<AtomicU64>,
    units: u64,
    finished: AtomicU64,
}

impl Progress {
    /// Starts a bar when standard error is a terminal.
    pub(crate) fn new(units: &Units, allocations: usize) -> Self {
        let count = (units.to_do() + allocations) as u64;
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(units.bytes().max(1));
            let style = ProgressStyle::with_template(
                "{spinner} {prefix:<28} {wide_bar} {binary_bytes}/{binary_total_bytes} {msg} ETA {eta}",
            );
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, rows: Arc::new(AtomicU64::new(0)), units: count, finished: AtomicU64::new(0) }
    }

    /// A unit starts.
    pub(crate) fn start(&self, unit: &str) {
        match &self.bar {
            Some(bar) => bar.set_prefix(unit.to_owned()),
            None => tracing::info!(unit, "started"),
        }
    }

    /// Counts rows as they pass.
    pub(crate) fn observe(&self, stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let (rows, bar, schema) = (Arc::clone(&self.rows), self.bar.clone(), stream.schema());
        let counted = stream.inspect(move |batch| {
            if let Ok(batch) = batch {
                let total = rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed) + batch.num_rows() as u64;
                if let Some(bar) = &bar {
                    bar.set_message(format!("{} rows", grouped(total.into())));
                }
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, counted))
    }

    /// A unit ended.
    pub(crate) fn done(&self, bytes: u64, rows: u64) {
        let finished = self.finished.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.bar {
            Some(bar) => bar.inc(bytes),
            None => tracing::info!(rows, bytes, finished, of = self.units, "finished"),
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
