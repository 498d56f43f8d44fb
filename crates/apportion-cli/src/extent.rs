//! How much a month of charges holds: rows, costs and days, read from tables, and the most of several.

use std::collections::BTreeSet;
use std::sync::Arc;

use apportion_sinks::ledger::LedgerSum;
use apportion_sinks::units::PublishedUnit;
use apportion_sinks::{Certificate, Extent, objects_table};
use apportion_spec::{BillingPeriod, ErrorKind, Result};
use chrono::{Days, NaiveDate};
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;

use crate::money::Money;
use crate::published::of_the_data;
use crate::rows::{date, rows, rows_with};
use crate::run::Run;
use crate::staging::query_error;
use crate::tables::FOCUS_CHARGES;

/// The costs that are compared, as columns and as the reconciliation names them.
pub(crate) const LEDGERS: [(&str, &str); 2] = [("BilledCost", "billed"), ("EffectiveCost", "effective")];

/// The extent of the charges of one source that a context has as `focus_charges`.
///
/// # Errors
/// When the table cannot be read.
pub(crate) async fn of_charges(context: &SessionContext, period: BillingPeriod) -> Result<Extent> {
    let mut extent = Extent::default();
    let sums = "SELECT BillingCurrency, count(*), sum(BilledCost), sum(EffectiveCost) FROM focus_charges \
                GROUP BY BillingCurrency ORDER BY BillingCurrency";
    for row in rows(context, sums).await? {
        extent.rows += row.count(1)?;
        for (index, (ledger, _)) in LEDGERS.into_iter().enumerate() {
            extent.sums.push(LedgerSum {
                ledger: ledger.to_owned(),
                currency: row.text(0),
                amount: row.money(index + 2)?.to_string(),
            });
        }
    }
    // A fee over the month lies on every day of it and would hide that the usage of one is gone, so days are
    // those of charges no longer than a day, where there are any. An invoice month may reach a day
    // beyond the calendar's; corrections of older days come and go.
    let (start, end) = (period.start().date_naive(), period.end().date_naive());
    let first = start.checked_sub_days(Days::new(1)).unwrap_or(start);
    let last = end.checked_add_days(Days::new(1)).unwrap_or(end);
    let days = |condition: &str| {
        format!(
            "SELECT DISTINCT CAST(ChargePeriodStart AS date) FROM focus_charges \
             WHERE CAST(ChargePeriodStart AS date) BETWEEN $first AND $last{condition} ORDER BY 1"
        )
    };
    let around = [("first", date(first)), ("last", date(last))];
    let short = days(" AND ChargePeriodEnd <= ChargePeriodStart + INTERVAL '1 day'");
    let mut found = rows_with(context, &short, &around).await?;
    if found.is_empty() {
        found = rows_with(context, &days(""), &around).await?;
    }
    extent.days = ranges(&found.iter().filter_map(|row| row.text(0).parse().ok()).collect());
    Ok(extent)
}

/// What is published of a source's charges, read from the table itself. Where objects cannot be read, the newest
/// kept version is what they were; `None` when there is nothing to read.
///
/// # Errors
/// Refused access, exhausted memory and the like.
pub(crate) async fn of_published(run: &Run, source: &str, period: BillingPeriod) -> Result<Option<Extent>> {
    match read(run, source, period).await {
        Ok(extent) => Ok(extent),
        Err(error) => {
            let error = of_the_data(error)?;
            tracing::warn!(source, %period, %error, "the published charges cannot be read");
            Ok(None)
        }
    }
}

async fn read(run: &Run, source: &str, period: BillingPeriod) -> Result<Option<Extent>> {
    let sink = run.destination.sink.as_ref();
    let spec = run.tables.spec(FOCUS_CHARGES)?;
    let partition =
        vec![("x_Source".to_owned(), source.to_owned()), ("x_BillingPeriod".to_owned(), period.to_string())];
    let objects = match sink.read_objects(&spec, &partition).await {
        // Half published: what it held before is kept as a version.
        Err(error) if error.kind() == ErrorKind::Conflict => {
            let kept = sink.versions(&spec, &partition).await?.into_iter().find(|version| !version.current);
            let Some(kept) = kept else { return Ok(None) };
            sink.version_objects(&spec, &partition, kept.version).await?
        }
        other => other?,
    };
    if objects.is_empty() {
        return Ok(None);
    }
    let context = run.context();
    let table: Arc<dyn TableProvider> = objects_table(sink, &spec, objects)?;
    context.register_table(FOCUS_CHARGES, table).map_err(query_error)?;
    of_charges(&context, period).await.map(Some)
}

/// What the index remembers of a unit: its mark, or the figures of its last version.
pub(crate) fn of_unit(unit: &PublishedUnit) -> Extent {
    let compared = |sum: &&LedgerSum| LEDGERS.iter().any(|(ledger, _)| *ledger == sum.ledger);
    unit.high_water.clone().unwrap_or_else(|| Extent {
        rows: unit.rows,
        sums: unit.sums.iter().filter(compared).cloned().collect(),
        days: Vec::new(),
    })
}

/// What a certificate says of a source: its mark, or the figures that were certified.
pub(crate) fn of_certificate(certificate: &Certificate, source: &str) -> Option<Extent> {
    let statement = certificate.sources.iter().find(|statement| statement.source == source)?;
    Some(statement.high_water.clone().unwrap_or_else(|| {
        let totals = certificate.totals.iter().filter(|it| it.stage == "normalization" && it.source == source);
        let sum = |total: &apportion_sinks::StageTotal| {
            let (ledger, _) = LEDGERS.iter().find(|(_, name)| *name == total.ledger)?;
            Some(LedgerSum {
                ledger: (*ledger).to_owned(),
                currency: total.currency.clone(),
                amount: total.normalized.clone(),
            })
        };
        Extent { rows: statement.charges, sums: totals.filter_map(sum).collect(), days: Vec::new() }
    }))
}

/// The most of both: rows, each sum, and every day.
pub(crate) fn raised(mark: &Extent, other: &Extent) -> Extent {
    let mut raised = mark.clone();
    raised.rows = raised.rows.max(other.rows);
    for sum in &other.sums {
        match raised.sums.iter_mut().find(|it| it.ledger == sum.ledger && it.currency == sum.currency) {
            Some(known) if Money::parse(&known.amount) < Money::parse(&sum.amount) => {
                known.amount.clone_from(&sum.amount);
            }
            Some(_) => {}
            None => raised.sums.push(sum.clone()),
        }
    }
    raised.days = ranges(&days(mark).into_iter().chain(days(other)).collect());
    raised
}

/// The days of an extent, one by one.
pub(crate) fn days(extent: &Extent) -> BTreeSet<NaiveDate> {
    let each = |(first, last): &(NaiveDate, NaiveDate)| {
        let last = *last;
        // A range that a damaged document made endless is cut: no month has more days.
        first.iter_days().take(64).take_while(move |day| *day <= last).collect::<Vec<_>>()
    };
    extent.days.iter().flat_map(each).collect()
}

/// Days as ranges of their first and last day.
pub(crate) fn ranges(days: &BTreeSet<NaiveDate>) -> Vec<(NaiveDate, NaiveDate)> {
    let mut ranges: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for day in days {
        match ranges.last_mut() {
            Some((_, last)) if last.succ_opt() == Some(*day) => *last = *day,
            _ => ranges.push((*day, *day)),
        }
    }
    ranges
}

/// Days for people: `2026-01-05, 2026-01-17 to 2026-01-31`.
pub(crate) fn shown(days: &BTreeSet<NaiveDate>) -> String {
    let ranges = ranges(days);
    let mut texts: Vec<String> = ranges
        .iter()
        .take(4)
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first} to {last}") })
        .collect();
    if ranges.len() > texts.len() {
        texts.push("…".to_owned());
    }
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(rows: u64, billed: &str, from: &str, to: &str) -> Extent {
        let sum = LedgerSum { ledger: "BilledCost".to_owned(), currency: "USD".to_owned(), amount: billed.to_owned() };
        Extent { rows, sums: vec![sum], days: vec![(from.parse().unwrap(), to.parse().unwrap())] }
    }

    #[test]
    fn the_most_of_two_versions_is_the_most_of_each_figure() {
        let mark =
            raised(&extent(5, "9.5", "2026-01-01", "2026-01-03"), &extent(3, "10.25", "2026-01-05", "2026-01-06"));
        assert_eq!((mark.rows, mark.sums[0].amount.as_str()), (5, "10.25"));
        assert_eq!(shown(&days(&mark)), "2026-01-01 to 2026-01-03, 2026-01-05 to 2026-01-06");
        let joined = raised(&mark, &extent(0, "0", "2026-01-04", "2026-01-04"));
        assert_eq!(shown(&days(&joined)), "2026-01-01 to 2026-01-06");
    }
}
