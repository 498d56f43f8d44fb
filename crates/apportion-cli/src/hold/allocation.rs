//! Holds back an allocation that reaches far less than the published one: telemetry that vanished looks exactly
//! like telemetry that never was, and its cost would quietly become unallocated.
//!
//! The rules are the user's: where they changed, what they reach is their decision and only told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use apportion_sinks::units::PublishedUnit;
use apportion_sinks::{TableSpec, objects_table, read_configuration};
use apportion_spec::pipeline::Share;
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use chrono::NaiveDate;
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;

use super::is_smaller;
use crate::accept::ALLOCATION;
use crate::changes::allocation_configuration;
use crate::extent;
use crate::money::Money;
use crate::project::Project;
use crate::published::of_the_data;
use crate::report::AllocationReport;
use crate::rows::{Row, rows};
use crate::run::Run;
use crate::staging::query_error;
use crate::tables::{ALLOCATED_CHARGES, DRIVER_QUANTITIES, Tables, UNIT_ECONOMICS_DAILY};

/// The name of a published table in the context of the staged ones.
const BEFORE: &str = "published_before";

/// Allocated and whole effective cost by currency.
type Reached = BTreeMap<String, (Money, Money)>;

/// Compares a staged allocation, whose tables `context` has, with the published one. `before` is what the index
/// remembers of it. Returns what the reader should know.
///
/// # Errors
/// [`ErrorKind::Held`] naming telemetry and days lost, and the share before and after; those of reading the
/// destination.
pub(crate) async fn judge(
    run: &Run,
    context: &SessionContext,
    period: BillingPeriod,
    before: Option<&PublishedUnit>,
    staged: &AllocationReport,
) -> Result<Option<String>> {
    let limit = run.project.pipeline.runs.hold_when_smaller_by;
    if limit == Share::ONE {
        return Ok(None);
    }
    let published = match reached(run, period).await? {
        Some(published) => published,
        None => before.map(remembered).transpose()?.unwrap_or_default(),
    };
    let lost = lost_days(run, context, period).await?;
    let mut fallen: Vec<String> = lost
        .iter()
        .map(|(telemetry, days)| {
            let count = if days.len() == 1 { "a day".to_owned() } else { format!("{} days", days.len()) };
            format!("telemetry {telemetry} no longer measures {count} that it measured ({})", extent::shown(days))
        })
        .collect();
    for (currency, (allocated, whole)) in &published {
        let (Some(share), Some(now)) = (ratio(*allocated, *whole), now(staged, currency)) else { continue };
        if !lost.is_empty() || is_smaller(share, now, limit) {
            let (share, now) = (percent(share), percent(now));
            fallen.push(format!("the allocated share of effective cost was {share} of {currency} and would be {now}"));
        }
    }
    if fallen.is_empty() {
        return Ok(None);
    }
    let fallen = fallen.join("; ");
    if rules_changed(run, period, before).await? {
        return Ok(Some(format!("{fallen}; published because the rules of the pipeline file changed")));
    }
    if run.accept_smaller.accepts(period, ALLOCATION) {
        return Ok(Some(format!("published by --accept-smaller: {fallen}")));
    }
    Err(Error::new(
        ErrorKind::Held,
        format!(
            "the allocation of the month reaches suspiciously little and is held back: {fallen}; the published \
             allocation is untouched. If that is how it should be, publish it with --accept-smaller \
             {period}/{ALLOCATION}"
        ),
    ))
}

/// What the published allocation reaches, or `None` when there is none that can be read.
async fn reached(run: &Run, period: BillingPeriod) -> Result<Option<Reached>> {
    let context = run.context();
    let Some(table) = published(run, ALLOCATED_CHARGES, period).await? else { return Ok(None) };
    context.register_table(ALLOCATED_CHARGES, table).map_err(query_error)?;
    let sql = "SELECT BillingCurrency, sum(EffectiveCost), \
               sum(EffectiveCost) FILTER (WHERE x_AllocationTargetId NOT IN ('unallocated', 'idle')) \
               FROM allocated_charges GROUP BY BillingCurrency";
    let answer = match rows(&context, sql).await {
        Ok(answer) => answer,
        Err(error) => {
            let error = of_the_data(error)?;
            tracing::warn!(%period, %error, "the published allocation cannot be read");
            return Ok(None);
        }
    };
    let costs = |row: &Row| Ok((row.text(0), (row.money(2)?, row.money(1)?)));
    answer.iter().map(costs).collect::<Result<_>>().map(Some)
}

/// A published table of a period, or `None` when nothing of it can be read.
async fn published(run: &Run, name: &str, period: BillingPeriod) -> Result<Option<Arc<dyn TableProvider>>> {
    let sink = run.destination.sink.as_ref();
    // Dimensions come and go with the pipeline file; these columns stay.
    let spec: TableSpec = Tables::new(None).spec(name)?;
    let filter = [("x_BillingPeriod".to_owned(), period.to_string())];
    match sink.read_objects(&spec, &filter).await {
        Ok(objects) if objects.is_empty() => Ok(None),
        Ok(objects) => objects_table(sink, &spec, objects).map(Some),
        Err(error) => {
            let error = of_the_data(error)?;
            tracing::warn!(table = name, %period, %error, "the published table cannot be read");
            Ok(None)
        }
    }
}

/// Days, by telemetry, of which the published allocation had measurements and the staged one has none: where it takes
/// a stand-in for the same driver key, and where a unit metric has no quantity any more for its cost.
async fn lost_days(
    run: &Run,
    context: &SessionContext,
    period: BillingPeriod,
) -> Result<BTreeMap<String, BTreeSet<NaiveDate>>> {
    let keys = |table: &str, sources: &str| {
        format!(
            "SELECT DISTINCT x_AllocationDriver AS Driver, x_AllocationDriverKey AS DriverKey, x_ChargeDate AS Day \
             FROM {table} WHERE x_AllocationDriver IS NOT NULL AND x_ChargeDate IS NOT NULL \
             AND x_DriverSource IN ({sources})"
        )
    };
    let sql = format!(
        "SELECT DISTINCT a.Driver, a.Day FROM ({}) AS a INNER JOIN ({}) AS b \
         ON a.Driver = b.Driver AND (a.DriverKey IS NOT DISTINCT FROM b.DriverKey) AND a.Day = b.Day ORDER BY 1, 2",
        keys(DRIVER_QUANTITIES, "'previous_period', 'even', 'unallocated'"),
        keys(BEFORE, "'actual', 'idle'"),
    );
    let units = format!(
        "SELECT a.Metric, a.Day FROM \
         (SELECT x_Metric AS Metric, x_ChargeDate AS Day FROM {UNIT_ECONOMICS_DAILY} \
          GROUP BY x_Metric, x_ChargeDate HAVING max(x_Quantity) IS NULL) AS a INNER JOIN \
         (SELECT DISTINCT x_Metric AS Metric, x_ChargeDate AS Day FROM {BEFORE} WHERE x_Quantity IS NOT NULL) AS b \
         ON a.Metric = b.Metric AND a.Day = b.Day"
    );
    let mut lost: BTreeMap<String, BTreeSet<NaiveDate>> = BTreeMap::new();
    for (table, sql) in [(DRIVER_QUANTITIES, sql), (UNIT_ECONOMICS_DAILY, units)] {
        let Some(before) = published(run, table, period).await? else { continue };
        context.register_table(BEFORE, before).map_err(query_error)?;
        let answer = rows(context, &sql).await;
        context.deregister_table(BEFORE).map_err(query_error)?;
        match answer {
            Ok(answer) => {
                for row in &answer {
                    if let Ok(day) = row.text(1).parse() {
                        lost.entry(row.text(0)).or_default().insert(day);
                    }
                }
            }
            Err(error) => tracing::warn!(%period, table, error = %of_the_data(error)?, "it cannot be compared"),
        }
    }
    Ok(lost)
}

/// Figures of the last version that the index remembers.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] when they are no amounts.
fn remembered(unit: &PublishedUnit) -> Result<Reached> {
    let mut reached = Reached::new();
    for (currency, text) in &unit.allocated {
        let entry = reached.entry(currency.clone()).or_default();
        entry.0.add(Money::read(text)?)?;
        entry.1.add(Money::read(text)?)?;
    }
    for (currency, reasons) in &unit.unallocated {
        let entry = reached.entry(currency.clone()).or_default();
        for text in reasons.values() {
            entry.1.add(Money::read(text)?)?;
        }
    }
    Ok(reached)
}

/// The allocated share of a staged currency; `None` when it has no cost, or none any more: that is the bill's doing.
fn now(staged: &AllocationReport, currency: &str) -> Option<i128> {
    let whole = staged.totals.get(currency)?.effective;
    ratio(staged.allocated_effective.get(currency).copied().unwrap_or_default(), whole)
}

/// A share in millionths, where there is a whole to have a share of.
fn ratio(part: Money, whole: Money) -> Option<i128> {
    let exact = || part.0.checked_mul(1_000_000)?.checked_div(whole.0);
    // Beyond that the last digits of the whole say nothing about millionths.
    (whole.0 > 0).then(|| exact().or_else(|| part.0.checked_div(whole.0 / 1_000_000))).flatten()
}

/// Millionths as per cent with one decimal.
fn percent(millionths: i128) -> String {
    let tenths = millionths / 1_000;
    format!("{}{}.{} %", if tenths < 0 { "-" } else { "" }, tenths.abs() / 10, tenths.abs() % 10)
}

/// Whether the part of the pipeline file that decides about the allocation is another than that of the published
/// version. Where nothing tells, it is taken for the same: the month then waits for a person.
async fn rules_changed(run: &Run, period: BillingPeriod, before: Option<&PublishedUnit>) -> Result<bool> {
    let today = allocation_configuration(&run.project.pipeline, period);
    if let Some(unit) = before.filter(|unit| !unit.configuration_digest.is_empty()) {
        return Ok(unit.configuration_digest != today);
    }
    let place = &run.destination.place;
    let Some(certificate) = run.certified.earlier(place, period).await? else { return Ok(false) };
    let kept = read_configuration(place, &certificate.configuration_digest).await;
    let kept = kept.or_else(|error| of_the_data(error).map(|_| None))?;
    let kept = kept.and_then(|kept| Project::parse(std::path::Path::new(&kept.file), kept.text).ok());
    Ok(kept.is_some_and(|project| allocation_configuration(&project.pipeline, period) != today))
}
