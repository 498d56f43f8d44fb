//! The sums of one state of a billing period, by everything that lines are asked for.
//!
//! Everything else works on these: a line of the report is a key, its change the difference of two
//! snapshots, a cause the difference of two neighbouring ones. Sums of decimals are exact.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use apportion_sinks::{TableObject, objects_table};
use apportion_spec::{Error, ErrorKind, Result, did_you_mean, dimension_column};
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;

use crate::args::LedgerOption;
use crate::destination::OpenDestination;
use crate::money::Money;
use crate::query::with_stored_columns;
use crate::rows::{Row, rows};
use crate::tables::{ALLOCATED_CHARGES, Tables};

/// Names of the ledgers and their columns.
pub(super) const LEDGERS: [(&str, &str); 4] =
    [("billed", "BilledCost"), ("effective", "EffectiveCost"), ("list", "ListCost"), ("contracted", "ContractedCost")];

/// Position of a ledger in [`LEDGERS`].
pub(super) const fn position(ledger: LedgerOption) -> usize {
    match ledger {
        LedgerOption::Billed => 0,
        LedgerOption::Effective => 1,
        LedgerOption::List => 2,
        LedgerOption::Contracted => 3,
    }
}

/// Costs in the order of [`LEDGERS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Costs([Money; 4]);

impl Costs {
    pub(super) fn of(&self, ledger: usize) -> Money {
        self.0.get(ledger).copied().unwrap_or_default()
    }
}

/// Currency, and the value that a line is about; `None` is the value NULL, and the total.
pub(super) type LineKey = (String, Option<String>);
/// The costs of every line.
pub(super) type Lines = BTreeMap<LineKey, Costs>;

/// A column that lines are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breakdown {
    /// The name a person uses.
    pub(super) name: String,
    /// The column of `allocated_charges`.
    pub(super) column: String,
}

/// The sums of one state.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    /// By currency alone.
    pub(super) totals: Lines,
    /// By currency and value, one for each breakdown.
    pub(super) lines: Vec<Lines>,
}

impl Snapshot {
    /// Sums the table `allocated_charges` of a context.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn of(context: &SessionContext, breakdowns: &[Breakdown]) -> Result<Self> {
        let totals = sums(context, None).await?;
        let mut lines = Vec::new();
        for breakdown in breakdowns {
            lines.push(sums(context, Some(&breakdown.column)).await?);
        }
        Ok(Self { totals, lines })
    }
}

async fn sums(context: &SessionContext, column: Option<&str>) -> Result<Lines> {
    let costs: Vec<String> = LEDGERS.iter().map(|(_, column)| format!("sum(\"{column}\")")).collect();
    let (value, group) = match column {
        Some(column) => (format!("cast(\"{column}\" as varchar)"), format!(", \"{column}\"")),
        None => ("cast(null as varchar)".to_owned(), String::new()),
    };
    let sql = format!(
        "SELECT \"BillingCurrency\", {value}, {} FROM {ALLOCATED_CHARGES} GROUP BY \"BillingCurrency\"{group}",
        costs.join(", ")
    );
    let answer = rows(context, &sql).await?;
    let costs = |row: &Row| {
        let costs = Costs([row.money(2)?, row.money(3)?, row.money(4)?, row.money(5)?]);
        Ok(((row.text(0), row.optional(1)), costs))
    };
    answer.iter().map(costs).collect()
}

/// A written version as a table with the columns its files have.
///
/// # Errors
/// When its files cannot be read.
pub(super) async fn written(
    context: &SessionContext,
    destination: &OpenDestination,
    tables: &Tables,
    objects: Vec<TableObject>,
) -> Result<Arc<dyn TableProvider>> {
    let mut spec = tables.spec(ALLOCATED_CHARGES)?;
    if !objects.is_empty() {
        spec = with_stored_columns(context, destination, spec, &objects).await?;
    }
    objects_table(destination.sink.as_ref(), &spec, objects)
}

/// Names with a meaning of their own, each with the columns it may stand for, the first that exists.
const NAMES: [(&str, &[&str]); 9] = [
    ("target", &["x_AllocationTargetId"]),
    ("service", &["x_Service", "ServiceName"]),
    ("rule", &["x_AllocationRuleId"]),
    ("source", &["x_Source"]),
    ("stage", &["x_AllocationStage"]),
    ("method", &["x_AllocationMethod"]),
    ("activity", &["x_AllocationActivity"]),
    ("reason", &["x_AllocationReason"]),
    ("day", &["x_ChargeDate"]),
];
/// What is shown when nothing is asked for.
const SHOWN: [&str; 3] = ["target", "service", "rule"];
/// Columns that measure or identify a row; lines about them would compare nothing.
const NOT_COMPARED: [&str; 10] = [
    "x_AllocationDriverQuantity",
    "x_AllocationShare",
    "x_CellId",
    "x_PoolId",
    "x_ActivityPoolId",
    "x_ChargeCount",
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "ContractedCost",
];

/// What `--by` means in two versions, which may keep different columns.
///
/// # Errors
/// [`ErrorKind::Config`] naming the nearest column when both versions do not have the one meant.
pub(super) fn breakdowns(asked: &[String], old: &dyn TableProvider, new: &dyn TableProvider) -> Result<Vec<Breakdown>> {
    let columns_of = |table: &dyn TableProvider| -> BTreeSet<String> {
        table.schema().fields().iter().map(|field| field.name().clone()).collect()
    };
    let (old, new) = (columns_of(old), columns_of(new));
    let both: BTreeSet<&str> =
        old.intersection(&new).map(String::as_str).filter(|column| !NOT_COMPARED.contains(column)).collect();
    if asked.is_empty() {
        return Ok(SHOWN
            .iter()
            .filter_map(|name| Some(Breakdown { name: (*name).to_owned(), column: column(name, &both)? }))
            .collect());
    }
    let mut found: Vec<Breakdown> = Vec::new();
    for name in asked {
        let Some(column) = column(name, &both) else {
            let all: BTreeSet<&str> = old.union(&new).map(String::as_str).collect();
            let message = if column(name, &all).is_some_and(|column| !NOT_COMPARED.contains(&column.as_str())) {
                format!("`{name}` is kept by one of the versions only, so there is nothing to compare")
            } else {
                let known = NAMES.iter().map(|(name, _)| *name).chain(both.iter().copied());
                format!("`{name}` is not kept{}", did_you_mean(name, known))
            };
            return Err(Error::new(ErrorKind::Config, message)
                .with("choices", NAMES.map(|(name, _)| name).join(", "))
                .with("columns", both.into_iter().collect::<Vec<_>>().join(", ")));
        };
        let breakdown = Breakdown { name: name.clone(), column };
        if !found.contains(&breakdown) {
            found.push(breakdown);
        }
    }
    Ok(found)
}

fn column(name: &str, columns: &BTreeSet<&str>) -> Option<String> {
    let named = NAMES.iter().find(|(known, _)| *known == name).map_or(&[] as &[&str], |(_, columns)| columns);
    let dimension = dimension_column(name);
    let mut candidates = named.iter().copied().chain([name, dimension.as_str()]);
    candidates.find(|candidate| columns.contains(candidate)).map(str::to_owned)
}
