//! The written tables of one pipeline: their contracts with the pipeline's dimensions added.

use std::collections::BTreeMap;
use std::sync::Arc;

use apportion_focus::{ColumnContract, TableContract, catalog};
use apportion_sinks::TableSpec;
use apportion_spec::{BillingPeriod, Error, ErrorKind, Pipeline, Result, dimension_column};
use datafusion::common::ScalarValue;

/// `focus_charges`.
pub(crate) const FOCUS_CHARGES: &str = "focus_charges";
/// `driver_quantities`.
pub(crate) const DRIVER_QUANTITIES: &str = "driver_quantities";
/// `allocated_charges`.
pub(crate) const ALLOCATED_CHARGES: &str = "allocated_charges";
/// `reporting_charges`, written when the pipeline declares a reporting currency.
pub(crate) const REPORTING_CHARGES: &str = "reporting_charges";
/// `unit_economics_daily`.
pub(crate) const UNIT_ECONOMICS_DAILY: &str = "unit_economics_daily";
/// `unit_economics_monthly`.
pub(crate) const UNIT_ECONOMICS_MONTHLY: &str = "unit_economics_monthly";
/// `reconciliation`.
pub(crate) const RECONCILIATION: &str = "reconciliation";
/// `completeness`.
pub(crate) const COMPLETENESS: &str = "completeness";
/// `run_ledger`, which lives outside the table prefixes.
pub(crate) const RUN_LEDGER: &str = "run_ledger";

/// `charge_targets`, a view that is computed where it is asked for.
pub(crate) const CHARGE_TARGETS: &str = "charge_targets";

/// Every published table with partitions, in the order in which they are published.
pub(crate) const PUBLISHED: [&str; 8] = [
    FOCUS_CHARGES,
    DRIVER_QUANTITIES,
    ALLOCATED_CHARGES,
    REPORTING_CHARGES,
    UNIT_ECONOMICS_DAILY,
    UNIT_ECONOMICS_MONTHLY,
    RECONCILIATION,
    COMPLETENESS,
];

/// What the checks of a table may ask for: whatever can be told from the tables alone, so that who verifies them
/// runs the same checks as who publishes them. `source` is that of charges.
pub(crate) fn parameters_of_checks(period: BillingPeriod, source: Option<&str>) -> BTreeMap<String, ScalarValue> {
    let source = source.map(|source| ("source".to_owned(), ScalarValue::from(source)));
    parameters_of_period(period).into_iter().chain(source).collect()
}

/// A billing period as parameters of models: its name, its start and its end.
pub(crate) fn parameters_of_period(period: BillingPeriod) -> [(String, ScalarValue); 3] {
    let micros = |time: chrono::DateTime<chrono::Utc>| {
        ScalarValue::TimestampMicrosecond(Some(time.timestamp_micros()), Some(Arc::from("UTC")))
    };
    [
        ("billing_period".to_owned(), ScalarValue::from(period.to_string())),
        ("billing_period_start".to_owned(), micros(period.start())),
        ("billing_period_end".to_owned(), micros(period.end())),
    ]
}

/// Table contracts with the dimensions a pipeline declares.
#[derive(Debug)]
pub(crate) struct Tables {
    contracts: BTreeMap<String, TableContract>,
}

impl Tables {
    /// The tables of `pipeline`; without one, the tables as far as they are the same everywhere.
    #[must_use]
    pub(crate) fn new(pipeline: Option<&Pipeline>) -> Self {
        let contracts = catalog()
            .tables()
            .iter()
            .map(|contract| {
                let dimensions = pipeline.map(|pipeline| dimensions_of(&contract.name, pipeline)).unwrap_or_default();
                (contract.name.clone(), contract.with_dimensions(dimensions))
            })
            .collect();
        Self { contracts }
    }

    /// The contract of a table.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when no contract has that name.
    pub(crate) fn contract(&self, name: &str) -> Result<&TableContract> {
        self.contracts
            .get(name)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a table has no contract").with("table", name))
    }

    /// Columns that the pipeline added to a table.
    ///
    /// # Errors
    /// As [`Self::contract`].
    pub(crate) fn own_columns(&self, name: &str) -> Result<Vec<String>> {
        let everywhere = catalog().table(name);
        let added = |column: &&ColumnContract| everywhere.is_none_or(|table| table.column(&column.name).is_none());
        Ok(self.contract(name)?.columns.iter().filter(added).map(|column| column.name.clone()).collect())
    }

    /// The table as the sinks want it.
    ///
    /// # Errors
    /// As [`Self::contract`].
    pub(crate) fn spec(&self, name: &str) -> Result<TableSpec> {
        let contract = self.contract(name)?;
        Ok(TableSpec {
            name: contract.name.clone(),
            description: format!("{} Grain: {}.", contract.description, contract.grain),
            schema: contract.schema(),
            partition_by: contract.partition_by.clone(),
            sort_by: contract.sort_by.clone(),
        })
    }
}

/// The columns a pipeline adds to a table: kept columns and dimensions for allocations, the
/// dimensions of `by` for unit economics.
fn dimensions_of(table: &str, pipeline: &Pipeline) -> Vec<ColumnContract> {
    let dimension = |name: &String| {
        let expression =
            pipeline.dimensions.iter().find(|it| it.name == *name).map_or("", |it| it.expression.text.as_str());
        ColumnContract::dimension(dimension_column(name), format!("Dimension {name} of the pipeline: {expression}"))
    };
    match table {
        ALLOCATED_CHARGES | REPORTING_CHARGES => pipeline.allocation.as_ref().map_or_else(Vec::new, |allocation| {
            let kept = allocation.keep_columns.iter().filter_map(|name| catalog().focus().column(name).cloned());
            let kept = kept.map(|mut column| {
                column.nullable = true;
                column
            });
            kept.chain(allocation.keep_dimensions.iter().map(dimension)).collect()
        }),
        UNIT_ECONOMICS_DAILY | UNIT_ECONOMICS_MONTHLY => {
            let mut names: Vec<&String> =
                pipeline.unit_metrics.iter().flat_map(|metric| &metric.by_dimensions).collect();
            names.sort();
            names.dedup();
            let kept = |name: &&String| !pipeline.dimensions.iter().any(|it| it.name == ***name);
            let columns =
                names.iter().filter(|name| kept(name)).filter_map(|name| catalog().focus().column(name).cloned());
            columns.chain(names.iter().filter(|name| !kept(name)).map(|name| dimension(name))).collect()
        }
        _ => Vec::new(),
    }
}
