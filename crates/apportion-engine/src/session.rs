//! The DataFusion session: one place that decides memory, spilling, time zone and SQL dialect.
//!
//! An [`Engine`] owns the memory pool and the spill directory. Each unit of work takes its own
//! [`SessionContext`] from it, so units share limits but never see each other's tables.
//! The trap avoided: a second session built elsewhere, with other settings or other functions.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool, UnboundedMemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::decimal_round;
use crate::fault::from_datafusion;
use crate::udf;
use crate::work_folder::{SPILL_PREFIX, WorkFolder};

/// How many of the largest consumers a memory error names.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

/// What an [`Engine`] may use.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Bytes that sorts, joins and aggregations may hold together; `None` for no limit.
    pub memory_limit_bytes: Option<usize>,
    /// How many parts of a plan run at the same time, at least two.
    ///
    /// With one part the planner does not choose which side of a join is held in memory: it would
    /// be the charges instead of the seeds and driver quantities beside them.
    pub target_partitions: usize,
    /// Where sorts, joins and aggregations spill; created when missing.
    pub spill_directory: PathBuf,
    /// Rows per batch.
    pub batch_size: usize,
    /// Joins two large sides by hash tables, which do not spill, instead of by sorting, which does.
    ///
    /// Small sides (driver quantities, seeds) are hashed either way once their size is known.
    pub prefer_hash_join: bool,
}

impl EngineOptions {
    /// No memory limit, all processors, DataFusion's batch size, hash joins.
    #[must_use]
    pub fn new(spill_directory: impl Into<PathBuf>) -> Self {
        Self {
            memory_limit_bytes: None,
            target_partitions: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            spill_directory: spill_directory.into(),
            batch_size: 8192,
            prefer_hash_join: true,
        }
    }
}

/// Resources and settings that all sessions of a process share.
#[derive(Debug, Clone)]
pub struct Engine {
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
}

impl Engine {
    /// Prepares the memory pool and the spill directory.
    ///
    /// # Errors
    ///
    /// `Config` for zero sizes, `PermissionDenied` or `NotFound` for an unusable spill directory.
    pub fn try_new(options: &EngineOptions) -> Result<Self> {
        if options.target_partitions == 0 || options.batch_size == 0 {
            return Err(Error::new(ErrorKind::Config, "--jobs and the batch size must be at least 1"));
        }
        let pool: Arc<dyn MemoryPool> = match options.memory_limit_bytes {
            Some(0) => return Err(Error::new(ErrorKind::Config, "--memory-limit must be positive")),
            // Fair shares let several sorts spill instead of the first one taking everything.
            Some(limit) => Arc::new(TrackConsumersPool::new(FairSpillPool::new(limit), NAMED_CONSUMERS)),
            None => Arc::new(UnboundedMemoryPool::default()),
        };
        let spill = WorkFolder::create_in(&options.spill_directory, SPILL_PREFIX).map_err(|error| {
            from_datafusion(&error.into()).with("spill_directory", options.spill_directory.display())
        })?;
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![spill.path().to_path_buf()]))
            // The file system is the limit; a full disk is reported as such.
            .with_max_temp_directory_size(u64::MAX);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(pool)
            .with_disk_manager_builder(disk)
            // A listing must show what was published a moment ago.
            .with_object_list_cache_limit(0)
            .build_arc()
            .map_err(|error| from_datafusion(&error).with("spill_directory", options.spill_directory.display()))?;
        // Sessions outlive the engine, and the folder must outlive both.
        Ok(Self { config: session_config(options).with_extension(Arc::new(spill)), runtime })
    }

    /// A session without tables, with every function of [`udf`], sharing this engine's resources.
    #[must_use]
    pub fn new_context(&self) -> SessionContext {
        self.context_with(self.config.clone())
    }

    /// The same in small batches. Merging spilled runs holds a batch of each, whatever the limit, and
    /// charges are wide rows: so this needs a fraction of the memory, takes longer, and gives the same.
    #[must_use]
    pub fn frugal_context(&self) -> SessionContext {
        let config = self
            .config
            .clone()
            .with_batch_size(FRUGAL_BATCH.min(self.config.batch_size()))
            .with_sort_spill_reservation_bytes(FRUGAL_RESERVATION);
        self.context_with(config)
    }

    fn context_with(&self, config: SessionConfig) -> SessionContext {
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&self.runtime))
            .with_default_features()
            .with_analyzer_rules(decimal_round::analyzer_rules())
            .build();
        let context = SessionContext::new_with_state(state);
        udf::register_all(&context);
        context
    }

    /// The shared memory pool, spill directory and registered object stores.
    #[must_use]
    pub const fn runtime(&self) -> &Arc<RuntimeEnv> {
        &self.runtime
    }
}

/// Parts below which the planner holds whatever side of a join comes first.
const LEAST_PARTITIONS: usize = 2;
/// Rows of a batch where memory is short.
const FRUGAL_BATCH: usize = 512;
/// Bytes every sort sets aside for merging where memory is short; the default is ten times as much.
const FRUGAL_RESERVATION: usize = 1 << 20;

fn session_config(options: &EngineOptions) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(options.target_partitions.max(LEAST_PARTITIONS))
        .with_batch_size(options.batch_size)
        .with_information_schema(true)
        .with_collect_statistics(true);
    let settings = config.options_mut();
    // Identifiers mean what they say: FOCUS columns are PascalCase and stay unquoted.
    settings.sql_parser.enable_ident_normalization = false;
    // Errors point at the line of the model.
    settings.sql_parser.collect_spans = true;
    // A literal such as 0.5 is a decimal; floats appear only where a provider delivers them.
    settings.sql_parser.parse_float_as_decimal = true;
    settings.execution.time_zone = Some("UTC".to_owned());
    // Contracts say Utf8; views would also keep whole pages alive in sorts and spills.
    settings.execution.parquet.schema_force_view_types = false;
    settings.sql_parser.map_string_types_to_utf8view = false;
    settings.execution.parquet.pushdown_filters = true;
    settings.optimizer.prefer_hash_join = options.prefer_hash_join;
    config
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::Int64Type;

    use super::*;

    #[tokio::test]
    async fn sessions_share_limits_but_not_tables() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::try_new(&EngineOptions::new(directory.path().join("spill"))).unwrap();
        let first = engine.new_context();
        first.sql("create view Mine as select 1 as Value").await.unwrap();
        assert!(first.sql("select Value from Mine").await.is_ok());
        assert!(first.sql("select value from Mine").await.is_err());
        assert!(engine.new_context().sql("select Value from Mine").await.is_err());
    }

    #[tokio::test]
    async fn joins_hold_the_small_side_with_any_number_of_partitions() {
        let directory = tempfile::tempdir().unwrap();
        for partitions in [1, 2, 7] {
            let mut options = EngineOptions::new(directory.path());
            options.target_partitions = partitions;
            let context = Engine::try_new(&options).unwrap().new_context();
            // How many charges come out of a model is unknown to the planner, as it is here.
            let charges = "(select value from generate_series(1, 1000) where charge_id(cast(value as varchar)) > 'a')";
            let sql = format!("select * from {charges} c left join (values (1, 2)) as s(k, v) on c.value = s.k");
            let plan = context.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
            let plan = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
            assert!(plan.contains("join_type=Right"), "{partitions} partitions:\n{plan}");
        }
    }

    #[tokio::test]
    async fn a_sort_beyond_the_limit_spills_and_a_limit_too_small_gives_advice() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = EngineOptions::new(directory.path());
        options.target_partitions = 2;
        options.memory_limit_bytes = Some(40 << 20);
        let query = "select count(*) from (select charge_id(cast(value as varchar)) as Id \
                     from generate_series(1, 400000) order by Id offset 1)";
        let context = Engine::try_new(&options).unwrap().new_context();
        let batches = context.sql(query).await.unwrap().collect().await.unwrap();
        assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(0), 399_999);

        options.memory_limit_bytes = Some(1 << 20);
        let context = Engine::try_new(&options).unwrap().new_context();
        let error = context.sql(query).await.unwrap().collect().await.unwrap_err();
        let error = from_datafusion(&error);
        assert_eq!(error.kind(), ErrorKind::MemoryExhausted);
        assert!(error.message().contains("--memory-limit"), "{error}");
    }
}
