//! Where a unit is put together before anybody sees it: a folder on local disk that goes away.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apportion_engine::WorkFolder;
use apportion_engine::allocation::Barrier;
use apportion_engine::work_folder::STAGING_PREFIX;
use apportion_sinks::{PartitionValues, StagedTable, TableSpec, WriterOptions, write_staged};
use apportion_spec::{Error, ErrorKind, Result};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::config::TableParquetOptions;
use datafusion::dataframe::{DataFrame, DataFrameWriteOptions};
use datafusion::datasource::MemTable;
use datafusion::prelude::{ParquetReadOptions, SessionContext};

use crate::progress::Progress;

/// A staging folder for one unit; removed when dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: WorkFolder,
    jobs: usize,
}

impl Staging {
    /// Creates the folder under the work directory.
    pub(crate) fn try_new(work_directory: &Path, jobs: usize) -> Result<Self> {
        let folder = WorkFolder::create_in(work_directory, STAGING_PREFIX).map_err(|error| {
            Error::new(
                ErrorKind::ResourcesExhausted,
                "the work directory cannot be used; choose another with --work-directory",
            )
            .with("folder", work_directory.display())
            .with_source(error)
        })?;
        Ok(Self { folder, jobs })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sorts `rows` into the table's total order and writes them as the files to be published.
    pub(crate) async fn write(
        &self,
        rows: DataFrame,
        table: &TableSpec,
        partition: &PartitionValues,
        progress: Option<&Progress>,
    ) -> Result<StagedTable> {
        let stream = rows.sort(table.sort_order()).map_err(query_error)?.execute_stream().await.map_err(query_error)?;
        let stream = match progress {
            Some(progress) => progress.observe(stream),
            None => stream,
        };
        let options = WriterOptions { encoders: self.jobs.clamp(1, 8), ..WriterOptions::default() };
        write_staged(stream, &self.path(&table.name), table, partition, &options).await
    }
}

/// Rows that an intermediate result buffers before they are written.
const BARRIER_ROW_GROUP_ROWS: usize = 131_072;

/// An intermediate result goes to local Parquet, so that it is computed once and never held in memory.
pub(crate) struct DiskBarrier<'a> {
    pub(crate) staging: &'a Staging,
    pub(crate) context: &'a SessionContext,
}

impl fmt::Debug for DiskBarrier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskBarrier").field("staging", self.staging).finish_non_exhaustive()
    }
}

#[async_trait]
impl Barrier for DiskBarrier<'_> {
    async fn materialize(&self, name: &str, rows: DataFrame) -> Result<Arc<dyn TableProvider>> {
        let folder = self.staging.path(&format!("barrier-{name}"));
        std::fs::create_dir_all(&folder).map_err(|error| {
            Error::new(ErrorKind::ResourcesExhausted, "a staging folder cannot be created")
                .with("folder", folder.display())
                .with_source(error)
        })?;
        // A path may hold what looks like a pattern; a URL does not.
        let target = url::Url::from_directory_path(&folder).map(String::from).map_err(|()| {
            Error::new(ErrorKind::Config, "the work directory has no absolute path").with("folder", folder.display())
        })?;
        let schema = Arc::clone(rows.schema().inner());
        let mut format = TableParquetOptions::default();
        // The default of a million rows keeps them all in memory before one reaches the disk.
        format.global.max_row_group_size = BARRIER_ROW_GROUP_ROWS;
        rows.write_parquet(&target, DataFrameWriteOptions::new(), Some(format)).await.map_err(query_error)?;
        let is_empty = std::fs::read_dir(&folder).map_or(true, |mut files| files.next().is_none());
        if is_empty {
            return Ok(Arc::new(MemTable::try_new(schema, vec![Vec::new()]).map_err(query_error)?));
        }
        let table = self.context.read_parquet(target, ParquetReadOptions::default()).await.map_err(query_error)?;
        Ok(table.into_view())
    }
}

/// A column name that keeps its case.
pub(crate) fn quoted(name: &str) -> datafusion::common::Column {
    datafusion::common::Column::from_name(name)
}

/// A failed query as an error of ours.
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
pub(crate) fn query_error(error: datafusion::error::DataFusionError) -> Error {
    apportion_engine::fault::from_datafusion(&error)
}
