//! Charges, telemetry and pipelines in a few words, and their allocation as lines of text.

use std::collections::BTreeMap;
use std::sync::Arc;

use apportion_engine::allocation::{Allocated, AllocationPlan, Allocator, Barrier};
use apportion_engine::{Engine, EngineOptions, ModelGraph};
use apportion_focus::catalog;
use apportion_spec::wire::Ledger;
use apportion_spec::{BillingPeriod, Pipeline, Result, Vocabulary};
use arrow::array::{ArrayRef, Decimal128Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

/// 10^-12 of a unit of money.
pub(crate) const UNIT: i128 = 1_000_000_000_000;

/// An amount with up to 12 decimals, as units.
pub(crate) fn money(text: &str) -> i128 {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    sign * format!("{whole}{decimals:0<12}").parse::<i128>().unwrap()
}

/// A time like `2026-01-05` or `2026-01-05 13`, as microseconds.
pub(crate) fn time(text: &str) -> i64 {
    let (date, hour) = text.split_once(' ').unwrap_or((text, "0"));
    let mut parts = date.split('-').map(|part| part.parse::<i64>().unwrap());
    let (year, month, day) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    // days from civil
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    (days * 24 + hour.parse::<i64>().unwrap()) * 3_600_000_000
}

/// A charge: a day, four costs, and the text columns that differ from the defaults.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    start: i64,
    end: i64,
    costs: [i128; 4],
    texts: BTreeMap<String, String>,
    /// The invoice month, in microseconds.
    billed: (i64, i64),
}

/// A charge of one day, all four ledgers at `cost`; `with` holds text columns, `tag:x` tags.
pub(crate) fn charge(day: &str, cost: &str, with: &[(&str, &str)]) -> Charge {
    let start = time(day);
    let mut texts = BTreeMap::from(
        [
            ("x_Source", "aws"),
            ("x_Finality", "final"),
            ("BillingCurrency", "USD"),
            ("BillingAccountId", "payer"),
            ("SubAccountId", "account"),
            ("ServiceName", "Compute"),
            ("ServiceCategory", "Compute"),
            ("ServiceSubcategory", "Virtual Machines"),
            ("ChargeCategory", "Usage"),
            ("ChargeFrequency", "Usage-Based"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let mut tags = Vec::new();
    for (name, value) in with {
        match name.strip_prefix("tag:") {
            Some(tag) => tags.push(format!("\"{tag}\":\"{value}\"")),
            None => drop(texts.insert((*name).to_owned(), (*value).to_owned())),
        }
    }
    if !tags.is_empty() {
        texts.insert("Tags".to_owned(), format!("{{{}}}", tags.join(",")));
    }
    let billed = (time("2026-01-01"), time("2026-02-01"));
    Charge { start, end: start + 3_600_000_000, costs: [money(cost); 4], texts, billed }
}

impl Charge {
    /// The same charge over another span.
    pub(crate) fn over(mut self, start: &str, end: &str) -> Self {
        (self.start, self.end) = (time(start), time(end));
        self
    }

    /// The same charge on the invoice of a month that begins and ends at midnight in Los Angeles.
    pub(crate) fn billed_in_los_angeles(mut self) -> Self {
        self.billed = (time("2026-01-01 8"), time("2026-02-01 8"));
        self
    }

    /// The same charge with billed, effective, list and contracted cost in units.
    pub(crate) fn costing(mut self, costs: [i128; 4]) -> Self {
        self.costs = costs;
        self
    }

    pub(crate) fn costs(&self) -> [i128; 4] {
        self.costs
    }
}

pub(crate) fn charges_batch(charges: &[Charge]) -> RecordBatch {
    let contract = catalog().focus().schema();
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for field in contract.fields() {
        let name = field.name().as_str();
        let times =
            |values: Vec<i64>| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")) };
        let ledger = Ledger::ALL.iter().position(|ledger| ledger.column() == name);
        let column: ArrayRef = match (name, ledger) {
            (_, Some(index)) => {
                let values: Decimal128Array = charges.iter().map(|charge| Some(charge.costs[index])).collect();
                Arc::new(values.with_precision_and_scale(38, 12).unwrap())
            }
            ("ChargePeriodStart", _) => times(charges.iter().map(|charge| charge.start).collect()),
            ("ChargePeriodEnd", _) => times(charges.iter().map(|charge| charge.end).collect()),
            ("BillingPeriodStart", _) => times(charges.iter().map(|charge| charge.billed.0).collect()),
            ("BillingPeriodEnd", _) => times(charges.iter().map(|charge| charge.billed.1).collect()),
            ("x_ChargeId", _) => {
                let named = |(index, charge): (usize, &Charge)| {
                    charge.texts.get(name).cloned().unwrap_or_else(|| format!("charge-{index:04}"))
                };
                Arc::new(charges.iter().enumerate().map(named).map(Some).collect::<StringArray>())
            }
            ("x_BillingPeriod", _) => Arc::new(charges.iter().map(|_| Some("2026-01")).collect::<StringArray>()),
            _ if field.data_type() == &DataType::Utf8 => {
                let values = charges.iter().map(|charge| charge.texts.get(name).map(String::as_str));
                Arc::new(values.collect::<StringArray>())
            }
            _ => new_null_array(field.data_type(), charges.len()),
        };
        fields.push(Field::new(name, field.data_type().clone(), true));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// A measurement: telemetry, match key, day, target, quantity. Empty text is NULL.
pub(crate) type Measurement<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

fn telemetry_batch(rows: &[Measurement<'_>]) -> RecordBatch {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let texts = |values: Vec<Option<String>>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let times: Vec<i64> = rows.iter().map(|row| time(row.2)).collect();
    let quantities: Decimal128Array = rows.iter().map(|row| some(row.4).map(|text| money(&text))).collect();
    let columns: Vec<ArrayRef> = vec![
        texts(rows.iter().map(|row| some(row.0)).collect()),
        Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")),
        Arc::new(quantities.with_precision_and_scale(38, 12).unwrap()),
        texts(rows.iter().map(|row| some(row.3)).collect()),
        texts(rows.iter().map(|row| Some(row.1.to_owned())).collect()),
    ];
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let fields = vec![
        Field::new("Telemetry", DataType::Utf8, true),
        Field::new("Time", utc, true),
        Field::new("Quantity", DataType::Decimal128(38, 12), true),
        Field::new("Target", DataType::Utf8, true),
        Field::new("MatchKey", DataType::Utf8, true),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Deals the rows of a batch out to `partitions`.
fn dealt(batch: &RecordBatch, partitions: usize) -> MemTable {
    let schema = batch.schema();
    let rows = batch.num_rows();
    let parts = (0..partitions)
        .map(|part| (0..rows).filter(|row| row % partitions == part).map(|row| batch.slice(row, 1)).collect())
        .collect();
    MemTable::try_new(schema, parts).unwrap()
}

/// Keeps intermediate results in memory.
#[derive(Debug)]
pub(crate) struct Memory;

#[async_trait]
impl Barrier for Memory {
    async fn materialize(&self, _: &str, frame: DataFrame) -> Result<Arc<dyn TableProvider>> {
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.map_err(|error| apportion_engine::fault::from_datafusion(&error))?;
        let nullable: Vec<Field> =
            schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let schema = Arc::new(Schema::new(nullable));
        let batches = batches
            .into_iter()
            .map(|batch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()).unwrap());
        Ok(Arc::new(MemTable::try_new(Arc::clone(&schema), vec![batches.collect()]).unwrap()))
    }
}

/// The models of the library.
pub(crate) fn models() -> Arc<ModelGraph> {
    Arc::new(ModelGraph::embedded().unwrap())
}

/// A pipeline with the given `telemetry`, `allocation` and further sections.
pub(crate) fn pipeline(body: &str) -> Result<Pipeline> {
    let text = format!(
        "version: 1\nname: test\nsources:\n  aws: {{ format: aws_cur_2, location: in }}\n\
         destination: {{ location: out }}\n\
         dimensions:\n  service: tag('service')\n  customer: tag('customer')\n  team: tag('team')\n{body}"
    );
    let columns: Vec<&str> = catalog().focus().columns.iter().map(|column| column.name.as_str()).collect();
    Pipeline::parse(
        "test.yaml",
        &text,
        &Vocabulary { charge_columns: &columns, reserved_columns: &[], allocation_columns: &[] },
    )
}

/// Telemetry `requests` and `cpu` matched by service, `traffic` and `hours` by nothing.
pub(crate) const TELEMETRY: &str = "\
telemetry:
  requests: { location: t, time: t, quantity: q, unit: Requests, target: c, match: { service: s } }
  cpu: { location: t, time: t, quantity: q, unit: CPU, target: c, match: { service: s } }
  traffic: { location: t, time: t, quantity: q, unit: Requests, target: c }
  hours: { location: t, time: t, quantity: q, unit: Hours, target: a }
";

/// One allocation and how to make it.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) rules: &'a str,
    pub(crate) charges: Vec<Charge>,
    pub(crate) telemetry: Vec<Measurement<'a>>,
    pub(crate) previous: Vec<Measurement<'a>>,
    /// Offered for every day of other periods; allocation gets those of the days it asks for.
    pub(crate) elsewhere: Vec<Measurement<'a>>,
    pub(crate) partitions: usize,
}

impl<'a> Case<'a> {
    pub(crate) fn new(rules: &'a str, charges: Vec<Charge>, telemetry: Vec<Measurement<'a>>) -> Self {
        Self { rules, charges, telemetry, previous: Vec::new(), elsewhere: Vec::new(), partitions: 2 }
    }

    /// Allocates, registers the results, runs all checks.
    pub(crate) async fn run(&self) -> Outcome {
        let directory = tempfile::tempdir().unwrap();
        let mut options = EngineOptions::new(directory.path());
        options.target_partitions = self.partitions;
        let engine = Engine::try_new(&options).unwrap();
        let context = engine.new_context();
        let tables = [
            ("focus_charges", charges_batch(&self.charges)),
            ("src_telemetry", telemetry_batch(&self.telemetry)),
            ("src_telemetry_previous", telemetry_batch(&self.previous)),
        ];
        for (name, batch) in tables {
            context.register_table(name, Arc::new(dealt(&batch, self.partitions))).unwrap();
        }
        let pipeline = pipeline(&format!("{TELEMETRY}{}", self.rules)).unwrap();
        let plan = Arc::new(AllocationPlan::try_new(&context, models(), "test.yaml", &pipeline).unwrap());
        let allocator = Allocator::new(plan, "2026-01".parse::<BillingPeriod>().unwrap());
        let days = allocator.days_elsewhere(&context).await.unwrap();
        let days: Vec<String> = days.iter().map(ToString::to_string).collect();
        let asked: Vec<Measurement<'_>> =
            self.elsewhere.iter().filter(|row| days.iter().any(|day| row.2.starts_with(day))).copied().collect();
        let elsewhere = Arc::new(dealt(&telemetry_batch(&asked), self.partitions));
        context.register_table("src_telemetry_elsewhere", elsewhere).unwrap();
        let allocated = allocator.allocate(&context, &Memory).await.unwrap();
        keep(&context, "driver_quantities", allocated.driver_quantities.clone()).await;
        keep(&context, "allocated_charges", allocated.allocated_charges.clone()).await;
        let unit = allocator.unit_economics(&context, &Memory).await.unwrap();
        keep(&context, "unit_economics_daily", unit.daily).await;
        keep(&context, "unit_economics_monthly", unit.monthly).await;
        allocator.register_bill_columns(&context).await.unwrap();
        is_made_again(&allocator, &context, &engine.new_context()).await;
        let outcome = Outcome { context, allocator, allocated, days_elsewhere: days, _directory: directory };
        outcome.passes_its_checks().await;
        outcome.charge_targets().await;
        outcome
    }
}

async fn keep(context: &SessionContext, name: &str, frame: DataFrame) {
    let table = Memory.materialize(name, frame).await.unwrap();
    context.register_table(name, table).unwrap();
}

/// The written tables alone give the same parts, and every cell leads back to its charges.
async fn is_made_again(allocator: &Allocator, written: &SessionContext, context: &SessionContext) {
    for name in ["focus_charges", "driver_quantities", "allocated_charges"] {
        context.register_table(name, written.table_provider(name).await.unwrap()).unwrap();
    }
    let recomputed = allocator.recompute(context, &Memory).await.unwrap();
    let differences = recomputed.differences.collect().await.unwrap();
    let text = arrow::util::pretty::pretty_format_batches(&differences).unwrap();
    assert_eq!(differences.iter().map(RecordBatch::num_rows).sum::<usize>(), 0, "\n{text}");
    assert_eq!(recomputed.follow_quantities.count().await.unwrap(), 0, "quantities of followers");

    let cells = context.sql("select distinct x_CellId from allocated_charges").await.unwrap().collect().await.unwrap();
    let cells = cells.iter().flat_map(|batch| {
        let ids = batch.column(0).as_any().downcast_ref::<StringArray>().unwrap();
        ids.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
    });
    let cells: Vec<String> = cells.collect();
    keep(context, "cell_charges", allocator.charges(context, &Memory, &cells).await.unwrap()).await;
    let open = "select CellId, sum(Cost) from ( \
                select CellId, EffectiveCost as Cost from cell_charges union all \
                select x_CellId, -EffectiveCost from allocated_charges) group by CellId having sum(Cost) <> 0";
    let open = context.sql(open).await.unwrap().collect().await.unwrap();
    assert_eq!(open.iter().map(RecordBatch::num_rows).sum::<usize>(), 0, "cells that their charges do not add up to");
}

/// What an allocation gave.
pub(crate) struct Outcome {
    context: SessionContext,
    allocator: Allocator,
    pub(crate) allocated: Allocated,
    pub(crate) days_elsewhere: Vec<String>,
    _directory: tempfile::TempDir,
}

impl Outcome {
    async fn passes_its_checks(&self) {
        let graph = ModelGraph::embedded().unwrap();
        let tables = ["driver_quantities", "allocated_charges", "unit_economics_daily", "unit_economics_monthly"];
        for table in tables {
            for outcome in graph.run_checks(&self.context, table, &BTreeMap::new()).await.unwrap() {
                assert!(outcome.passed(), "{}\n{}", outcome.name, outcome.sample);
            }
        }
    }

    /// The view `charge_targets` of the written tables, whose parts must add up to the allocated ones.
    pub(crate) async fn charge_targets(&self) {
        let charges = self.context.table("focus_charges").await.unwrap();
        let cells = self.allocator.charge_cells(&self.context, charges).await.unwrap();
        self.context.register_table("charge_cells", cells.into_view()).unwrap();
        let parts = self.context.sql("select *, true as \"Dimensions\" from allocated_charges").await.unwrap();
        self.context.register_table("allocated_parts", parts.into_view()).unwrap();
        let graph = ModelGraph::embedded().unwrap();
        for outcome in graph.run_checks(&self.context, "charge_targets", &BTreeMap::new()).await.unwrap() {
            assert!(outcome.passed(), "{}\n{}", outcome.name, outcome.sample);
        }
    }

    /// How many parts, and quantities of followers, differ from those made again, when the written tables are those of
    /// two queries.
    pub(crate) async fn differing(&self, quantities: &str, allocated: &str) -> (usize, usize) {
        let context = Engine::try_new(&EngineOptions::new(self._directory.path())).unwrap().new_context();
        context.register_table("focus_charges", self.context.table_provider("focus_charges").await.unwrap()).unwrap();
        for (name, query) in [("driver_quantities", quantities), ("allocated_charges", allocated)] {
            keep(&context, name, self.context.sql(query).await.unwrap()).await;
        }
        let recomputed = self.allocator.recompute(&context, &Memory).await.unwrap();
        (recomputed.differences.count().await.unwrap(), recomputed.follow_quantities.count().await.unwrap())
    }

    /// How many rows break a check when the allocated charges are those of a query.
    pub(crate) async fn offending(&self, check: &str, allocated: &str) -> usize {
        let context = Engine::try_new(&EngineOptions::new(self._directory.path())).unwrap().new_context();
        for name in ["focus_charges", "driver_quantities"] {
            context.register_table(name, self.context.table_provider(name).await.unwrap()).unwrap();
        }
        keep(&context, "allocated_charges", self.context.sql(allocated).await.unwrap()).await;
        self.allocator.register_bill_columns(&context).await.unwrap();
        let graph = ModelGraph::embedded().unwrap();
        let check = graph.checks_of("allocated_charges").find(|known| known.name == check).unwrap();
        graph.run_one(&context, check, &BTreeMap::new()).await.unwrap().offending_rows
    }

    /// The rows of a query, columns joined by spaces, NULL as `-`; decimals without their zeros.
    pub(crate) async fn query(&self, sql: &str) -> Vec<String> {
        let batches = self.context.sql(sql).await.unwrap().collect().await.unwrap();
        let options = FormatOptions::default().with_null("-");
        let mut lines = Vec::new();
        for batch in &batches {
            let columns: Vec<ArrayFormatter<'_>> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
                .collect();
            for row in 0..batch.num_rows() {
                let values: Vec<String> = columns.iter().map(|column| plain(column.value(row).to_string())).collect();
                lines.push(values.join(" "));
            }
        }
        lines
    }

    /// `target reason cost` by target, effective ledger.
    pub(crate) async fn by_target(&self) -> Vec<String> {
        self.query(
            "select x_AllocationTargetId, x_AllocationReason, sum(EffectiveCost) from allocated_charges \
             group by x_AllocationTargetId, x_AllocationReason order by x_AllocationTargetId, x_AllocationReason",
        )
        .await
    }
}

fn plain(text: String) -> String {
    if !text.contains('.') || text.chars().any(|c| !(c.is_ascii_digit() || c == '.' || c == '-')) {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
