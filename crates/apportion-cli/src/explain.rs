//! `apportion explain`: from a number back to the bill.
//!
//! A target's cost is taken apart by how it came about, then cell by cell: what was split, by which
//! quantity of which total, from which charges, read from which objects. Every list ends in the rest
//! it leaves out, so its lines add up. The trap avoided: an explanation computed another way than
//! the table it explains.

mod lineage;
mod report;

use std::path::Path;
use std::sync::Arc;

use apportion_engine::allocation::AllocationPlan;
use apportion_engine::sql_depth::refuse_too_deep;
use apportion_engine::{Engine, ModelGraph};
use apportion_sinks::{Certificate, read_certificate, read_configuration};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result, did_you_mean};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, cast, col, lit};
use datafusion::prelude::SessionContext;

use self::report::{Cause, Cell, Explanation, Rest, Split, Step, Total, UnitCost};
use crate::args::{ExplainArgs, LedgerOption};
use crate::check::plan_rules;
use crate::destination::OpenDestination;
use crate::exit::ExitStatus;
use crate::money::Money;
use crate::output;
use crate::project::{EffectiveLimits, Project};
use crate::published::{PublishedPeriod, of_the_data, selected_periods};
use crate::rows::{Row, rows};
use crate::staging::{Staging, query_error, quoted};
use crate::tables::{ALLOCATED_CHARGES, DRIVER_QUANTITIES, FOCUS_CHARGES, Tables, UNIT_ECONOMICS_MONTHLY};

/// The allocated rows that are explained.
const EXPLAINED: &str = "explained";
/// Those of them that belong to the listed cells, with the explained ledger as `Cost`.
const EXPLAINED_PARTS: &str = "explained_parts";
/// All parts of the listed cells, of every target.
const CELL_PARTS: &str = "cell_parts";

/// What is explained, opened.
struct Explainer<'a> {
    args: &'a ExplainArgs,
    context: SessionContext,
    destination: OpenDestination,
    models: ModelGraph,
    project: Option<Project>,
    certificate: Option<Certificate>,
    staging: Staging,
    /// Columns that the pipeline added to the allocated charges.
    own: Vec<String>,
}

/// Explains the cost of a target and prints it.
///
/// # Errors
/// [`ErrorKind::NotFound`] for an unknown period, target or unit metric,
/// [`ErrorKind::SqlInvalid`] for a condition that does not plan, those of reading the tables.
pub(crate) async fn explain(args: &ExplainArgs) -> Result<ExitStatus> {
    let project = args.pipeline.as_deref().map(Project::load).transpose()?;
    let limits = EffectiveLimits::try_new(&args.limits, project.as_ref().map(|project| &project.pipeline))?;
    let destination = OpenDestination::open(project.as_ref(), args.destination.as_deref(), None).await?;
    selected_periods(&destination, &[args.period]).await?;
    let context = Engine::try_new(&crate::run::engine_options(&limits))?.new_context();
    let own = open(&context, &destination, args.period).await?;
    let certificate = read_certificate(&destination.place, &args.period.to_string()).await;
    // A damaged one is `verify`'s to report; the tables still say what they say.
    let certificate = certificate.or_else(|error| of_the_data(error).map(|_| None))?;
    let staging = Staging::try_new(&limits.work_directory, limits.jobs)?;
    let models = ModelGraph::embedded()?;
    let explainer = Explainer { args, context, destination, models, project, certificate, staging, own };
    let explanation = explainer.explain().await?;
    output::report(args.format, &explanation, report::render)?;
    Ok(ExitStatus::Success)
}

/// Registers the tables of the period; returns the columns the pipeline added.
async fn open(context: &SessionContext, destination: &OpenDestination, period: BillingPeriod) -> Result<Vec<String>> {
    let mut published = PublishedPeriod::open(context, destination, period).await?;
    for needed in [FOCUS_CHARGES, DRIVER_QUANTITIES, ALLOCATED_CHARGES] {
        if let Some(position) = published.unreadable.iter().position(|(table, _)| *table == needed) {
            return Err(published.unreadable.swap_remove(position).1.with("billing_period", period));
        }
    }
    let Some(allocated) = published.tables.get(ALLOCATED_CHARGES) else {
        return Err(Error::new(ErrorKind::NotFound, "nothing is allocated in this billing period")
            .with("billing_period", period));
    };
    let everywhere = Tables::new(None);
    let contract = everywhere.contract(ALLOCATED_CHARGES)?;
    let names = allocated.spec.schema.fields().iter().map(|field| field.name().clone());
    let own = names.filter(|name| contract.column(name).is_none()).collect();
    published.register(context, destination)?;
    Ok(own)
}

impl Explainer<'_> {
    async fn explain(&self) -> Result<Explanation> {
        self.known_target().await?;
        let unit_costs = self.unit_costs().await?;
        let ledger = match (self.args.ledger, unit_costs.first()) {
            (Some(ledger), _) => ledger.column(),
            (None, Some((ledger, _))) => column_of(ledger)?,
            (None, None) => LedgerOption::Effective.column(),
        };
        let mut explanation = Explanation {
            billing_period: self.args.period.to_string(),
            target: self.args.target.clone(),
            ledger: ledger.trim_end_matches("Cost").to_lowercase(),
            condition: self.args.condition.clone(),
            unit_costs: unit_costs.into_iter().map(|(_, unit)| unit).collect(),
            ..Explanation::default()
        };
        let allocated = self.context.table(ALLOCATED_CHARGES).await.map_err(query_error)?;
        let cost = cast(col(quoted(ledger)), DataType::Decimal128(38, 12)).alias("Cost");
        let allocated = allocated.with_column("Cost", cost).map_err(query_error)?;
        let chosen = self.chosen(allocated.clone())?;
        self.context.register_table(EXPLAINED, chosen.clone().into_view()).map_err(query_error)?;
        self.sums(&mut explanation).await?;
        self.cells(&mut explanation).await?;
        let ids: Vec<Expr> = explanation.cells.iter().map(|cell| lit(&cell.cell)).collect();
        for (name, frame) in [(EXPLAINED_PARTS, chosen), (CELL_PARTS, allocated)] {
            let frame = frame.filter(col(quoted("x_CellId")).in_list(ids.clone(), false)).map_err(query_error)?;
            in_memory(&self.context, name, frame).await?;
        }
        self.splits(&mut explanation).await?;
        self.bill(ledger, &mut explanation).await?;
        Ok(explanation)
    }

    async fn known_target(&self) -> Result<()> {
        let sql = "SELECT DISTINCT x_AllocationTargetId FROM allocated_charges ORDER BY 1";
        let targets: Vec<String> = rows(&self.context, sql).await?.iter().map(|row| row.text(0)).collect();
        if targets.contains(&self.args.target) {
            return Ok(());
        }
        let hint = did_you_mean(&self.args.target, targets.iter().map(String::as_str));
        Err(Error::new(ErrorKind::NotFound, format!("no target is called `{}`{hint}", self.args.target))
            .with("billing_period", self.args.period)
            .with("targets", targets.len()))
    }

    /// The rows of the target that satisfy the condition.
    fn chosen(&self, table: DataFrame) -> Result<DataFrame> {
        let target = col(quoted("x_AllocationTargetId")).eq(lit(&self.args.target));
        let table = table.filter(target).map_err(query_error)?;
        let Some(text) = &self.args.condition else { return Ok(table) };
        let names: Vec<&str> = table.schema().fields().iter().map(|field| field.name().as_str()).collect();
        let refused = |error: DataFusionError| {
            let hint = match error.find_root() {
                DataFusionError::SchemaError(unknown, _) => match unknown.as_ref() {
                    SchemaError::FieldNotFound { field, .. } => did_you_mean(&field.name, names.iter().copied()),
                    _ => String::new(),
                },
                _ => String::new(),
            };
            Error::new(ErrorKind::SqlInvalid, format!("the condition does not plan{hint}"))
                .with("condition", text)
                .with("columns", names.join(", "))
                .with_source(error)
        };
        refuse_too_deep(text)
            .map_err(|reason| Error::new(ErrorKind::SqlInvalid, format!("the condition cannot be used: {reason}")))?;
        let condition = self.context.parse_sql_expr(text, table.schema()).map_err(&refused)?;
        table.clone().filter(condition).map_err(&refused)
    }

    /// Cost per unit of the target, with the ledger that the metric divides. As in the summary of a run, cost that
    /// was measured with no quantity is not divided by the quantity of other cost.
    async fn unit_costs(&self) -> Result<Vec<(String, UnitCost)>> {
        let Some(metric) = &self.args.unit_metric else { return Ok(Vec::new()) };
        if !self.context.table_exist(UNIT_ECONOMICS_MONTHLY).map_err(query_error)? {
            return Err(Error::new(ErrorKind::NotFound, "no unit metric is written for this billing period"));
        }
        let sql = "SELECT DISTINCT x_UnitMetric FROM unit_economics_monthly ORDER BY 1";
        let known: Vec<String> = rows(&self.context, sql).await?.iter().map(|row| row.text(0)).collect();
        if !known.contains(metric) {
            let hint = did_you_mean(metric, known.iter().map(String::as_str));
            let message = format!("no unit metric is called `{metric}`{hint}");
            return Err(Error::new(ErrorKind::NotFound, message).with("unit_metrics", known.join(", ")));
        }
        let table = self.context.table(UNIT_ECONOMICS_MONTHLY).await.map_err(query_error)?;
        let of_metric = table.filter(col(quoted("x_UnitMetric")).eq(lit(metric))).map_err(query_error)?;
        let chosen = self.chosen(of_metric)?;
        self.context.register_table("explained_units", chosen.into_view()).map_err(query_error)?;
        let sql = "SELECT x_Ledger, BillingCurrency, \
                   CASE WHEN sum(x_Quantity) IS NULL THEN sum(x_CostWithoutQuantity) ELSE sum(x_Cost) END, \
                   sum(x_Quantity), max(x_QuantityUnit), CASE WHEN sum(x_Quantity) > 0 THEN \
                   divide_round(cast(sum(x_Cost) AS decimal(38, 12)), cast(sum(x_Quantity) AS decimal(38, 12))) END \
                   FROM explained_units GROUP BY x_Ledger, BillingCurrency ORDER BY BillingCurrency, x_Ledger";
        let unit = |row: &Row| -> Result<(String, UnitCost)> {
            let unit = UnitCost {
                metric: metric.clone(),
                currency: row.text(1),
                cost: row.money(2)?,
                quantity: row.optional(3).map(|_| row.money(3)).transpose()?,
                unit: row.text(4),
                unit_cost: row.optional(5),
            };
            Ok((row.text(0), unit))
        };
        let found = rows(&self.context, sql).await?.iter().map(unit).collect::<Result<Vec<_>>>()?;
        if found.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "the unit metric has no cost of this target")
                .with("unit_metric", metric)
                .with("target", &self.args.target));
        }
        Ok(found)
    }

    /// Totals, and the same by how they came about.
    async fn sums(&self, explanation: &mut Explanation) -> Result<()> {
        let totals = "SELECT BillingCurrency, sum(Cost) FROM explained GROUP BY BillingCurrency ORDER BY 1";
        let total = |row: &Row| Ok(Total { currency: row.text(0), cost: row.money(1)? });
        explanation.totals = rows(&self.context, totals).await?.iter().map(total).collect::<Result<_>>()?;
        if explanation.totals.is_empty() {
            let error = Error::new(ErrorKind::NotFound, "the target bears nothing that satisfies the condition");
            return Err(error.with("target", &self.args.target).with("billing_period", self.args.period));
        }
        let causes = "SELECT BillingCurrency, x_AllocationStage, x_AllocationRuleId, x_AllocationMethod, \
                      x_AllocationActivity, x_AllocationDriver, x_DriverSource, x_IsEstimated, x_AllocationReason, \
                      count(DISTINCT x_CellId), sum(Cost) FROM explained \
                      GROUP BY BillingCurrency, x_AllocationStage, x_AllocationRuleId, x_AllocationMethod, \
                      x_AllocationActivity, x_AllocationDriver, x_DriverSource, x_IsEstimated, x_AllocationReason \
                      ORDER BY BillingCurrency, abs(sum(Cost)) DESC, x_AllocationRuleId, x_AllocationActivity, \
                      x_AllocationDriver, x_DriverSource, x_AllocationReason";
        let cause = |row: &Row| {
            Ok(Cause {
                currency: row.text(0),
                stage: row.text(1),
                rule: row.optional(2),
                method: row.optional(3),
                activity: row.optional(4),
                driver: row.optional(5),
                driver_source: row.optional(6),
                estimated: row.text(7) == "true",
                reason: row.optional(8),
                cells: row.count(9)?,
                cost: row.money(10)?,
            })
        };
        explanation.causes = rows(&self.context, causes).await?.iter().map(cause).collect::<Result<_>>()?;
        Ok(())
    }

    /// The cells that cost the target most, and what the others cost.
    async fn cells(&self, explanation: &mut Explanation) -> Result<()> {
        // A cell has one value of each of these but for what followers inherit, where each part has its own.
        let one = |name: &String| {
            format!(
                ", CASE WHEN count(*) = count(\"{name}\") AND min(\"{name}\") = max(\"{name}\") THEN max(\"{name}\") END"
            )
        };
        let own: String = self.own.iter().map(one).collect();
        let top = self.args.top;
        let largest = format!(
            "SELECT x_CellId, max(x_Source), BillingCurrency, max(x_AllocationRuleId), max(x_AllocationMethod), \
             max(x_ChargeCount), sum(Cost){own} FROM explained GROUP BY x_CellId, BillingCurrency \
             ORDER BY abs(sum(Cost)) DESC, x_CellId LIMIT {top}"
        );
        for row in rows(&self.context, &largest).await? {
            let values = self.own.iter().enumerate();
            let values = values.filter_map(|(index, name)| Some((name.clone(), row.optional(7 + index)?)));
            explanation.cells.push(Cell {
                cell: row.text(0),
                source: row.text(1),
                currency: row.text(2),
                rule: row.optional(3),
                method: row.optional(4),
                values: values.collect(),
                cost: row.money(6)?,
                whole: Money::default(),
                splits: Vec::new(),
                other_splits: None,
                charge_count: row.count(5)?,
                charges: Vec::new(),
                other_charges: None,
            });
        }
        let all = "SELECT BillingCurrency, count(DISTINCT x_CellId), sum(Cost) FROM explained \
                   GROUP BY BillingCurrency ORDER BY 1";
        for row in rows(&self.context, all).await? {
            let (currency, count) = (row.text(0), row.count(1)?);
            let listed = || explanation.cells.iter().filter(|cell| cell.currency == currency);
            let cost = listed().try_fold(row.money(2)?, |rest, cell| rest.minus(cell.cost))?;
            let rest = Rest { count: count.saturating_sub(listed().count() as u64), cost, currency };
            explanation.other_cells.push(rest);
        }
        Ok(())
    }

    /// How the part of each listed cell came about.
    async fn splits(&self, explanation: &mut Explanation) -> Result<()> {
        let wholes = "SELECT x_CellId, sum(Cost) FROM cell_parts GROUP BY x_CellId";
        for row in rows(&self.context, wholes).await? {
            for cell in explanation.cells.iter_mut().filter(|cell| cell.cell == row.text(0)) {
                cell.whole = row.money(1)?;
            }
        }
        self.models.register(&self.context, &["explanation__splits"], &std::collections::BTreeMap::new()).await?;
        let sql = "SELECT x_CellId, x_ChargeDate, x_AllocationDriver, x_AllocationDriverKey, x_DriverSource, \
                   x_IsEstimated, x_AllocationReason, Cost, Share, Whole, Quantity, Total, Recomputed, \
                   ActivityName, ActivityWhole, ActivityQuantity, ActivityTotal, ActivityPart, x_InheritedDimensions \
                   FROM explanation__splits ORDER BY abs(Cost) DESC, x_ChargeDate, x_AllocationActivity, x_PoolId, \
                   x_InheritedDimensions";
        let mut differing = 0_u64;
        for row in rows(&self.context, sql).await? {
            let Some(cell) = explanation.cells.iter_mut().find(|cell| cell.cell == row.text(0)) else { continue };
            let split = split(&row)?;
            differing += u64::from(split.targets.as_ref().is_some_and(|step| step.part != split.cost));
            let rest = cell.other_splits.get_or_insert_with(|| Rest {
                currency: cell.currency.clone(),
                count: 0,
                cost: Money::default(),
            });
            if cell.splits.len() < self.args.top {
                cell.splits.push(split);
            } else {
                rest.count += 1;
                rest.cost.add(split.cost)?;
            }
        }
        if differing > 0 {
            explanation.notes.push(format!(
                "{differing} parts are not what their quantities make of the whole; `apportion verify` says which"
            ));
        }
        Ok(())
    }

    /// The charges of the listed cells, and where they were read from.
    async fn bill(&self, ledger: &str, explanation: &mut Explanation) -> Result<()> {
        match self.plan().await? {
            Some(plan) => {
                let cells = &mut explanation.cells;
                let (period, top) = (self.args.period, self.args.top);
                lineage::charges(&self.context, &self.staging, plan, period, ledger, top, cells).await?;
                if cells.iter().any(|cell| cell.charges.is_empty()) {
                    explanation.notes.push(
                        "the charges of some cells are not found by these rules: another version of the program or \
                         another pipeline file wrote the table"
                            .to_owned(),
                    );
                }
            }
            None => explanation.notes.push(
                "no configuration is kept with these tables; name the pipeline file to see the charges of each cell"
                    .to_owned(),
            ),
        }
        let mut sources: Vec<String> = explanation.cells.iter().map(|cell| cell.source.clone()).collect();
        sources.sort();
        sources.dedup();
        explanation.exports =
            lineage::exports(&self.destination, self.certificate.as_ref(), self.args.period, &sources).await?;
        Ok(())
    }

    /// The rules the period was allocated by: those kept with it, else those of the pipeline.
    async fn plan(&self) -> Result<Option<AllocationPlan>> {
        let kept = match &self.certificate {
            Some(certificate) => read_configuration(&self.destination.place, &certificate.configuration_digest).await?,
            None => None,
        };
        match (kept, &self.project) {
            (Some(kept), _) => plan_rules(&self.context, &Project::parse(Path::new(&kept.file), kept.text)?),
            (None, Some(project)) => plan_rules(&self.context, project),
            (None, None) => Ok(None),
        }
    }
}

fn split(row: &Row) -> Result<Split> {
    let step = |first: usize, name: Option<String>| -> Result<Option<Step>> {
        if row.optional(first + 1).is_none() {
            return Ok(None);
        }
        Ok(Some(Step {
            name,
            whole: row.money(first)?,
            quantity: row.money(first + 1)?,
            total: row.money(first + 2)?,
            part: row.money(first + 3)?,
        }))
    };
    Ok(Split {
        charge_date: row.text(1),
        driver: row.optional(2),
        driver_key: row.optional(3),
        driver_source: row.optional(4),
        estimated: row.text(5) == "true",
        reason: row.optional(6),
        inherited: row.optional(18),
        cost: row.money(7)?,
        share: row.optional(8),
        targets: step(9, None)?,
        activity: step(14, row.optional(13))?,
    })
}

/// The cost column of a ledger as unit metrics name it.
fn column_of(ledger: &str) -> Result<&'static str> {
    let known = [LedgerOption::Billed, LedgerOption::Effective, LedgerOption::List, LedgerOption::Contracted];
    let found = known
        .into_iter()
        .map(LedgerOption::column)
        .find(|column| column.trim_end_matches("Cost").eq_ignore_ascii_case(ledger));
    found.ok_or_else(|| {
        Error::new(ErrorKind::ContractViolated, "a unit metric names an unknown ledger").with("ledger", ledger)
    })
}

/// Registers the rows of a few cells, computed once.
async fn in_memory(context: &SessionContext, name: &str, frame: DataFrame) -> Result<()> {
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await.map_err(query_error)?;
    let table = MemTable::try_new(schema, vec![batches]).map_err(query_error)?;
    context.register_table(name, Arc::new(table)).map_err(query_error)?;
    Ok(())
}
