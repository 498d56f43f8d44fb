//! Holds back a month that became suspiciously small: a truncated export looks exactly like a
//! provider that took charges back, and only a person can tell them apart.
//!
//! What counts is what is published: the table itself, the certificate, and the index, whichever of them is
//! left, and of all of them the most since a smaller month was last accepted.

pub(crate) mod allocation;

use std::collections::BTreeSet;

use apportion_sinks::Extent;
use apportion_sinks::units::PublishedUnit;
use apportion_spec::pipeline::Share;
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use chrono::NaiveDate;

use crate::extent::{self, raised};
use crate::money::Money;
use crate::output::{amount, grouped};
use crate::run::Run;

/// What becomes of a staged month.
#[derive(Debug)]
pub(crate) struct Judgement {
    /// The mark of the month from now on.
    pub(crate) mark: Extent,
    /// Set when it became smaller and that was accepted: what fell. Who accepts one month must still see what else
    /// was accepted with it.
    pub(crate) accepted: Option<String>,
}

/// Compares a staged month with what is published of it. `before` is what the index remembers.
///
/// # Errors
/// [`ErrorKind::Held`] naming everything that fell too far and was not accepted, and those of reading the destination.
pub(crate) async fn judge(
    run: &Run,
    source: &str,
    period: BillingPeriod,
    before: Option<&PublishedUnit>,
    staged: &Extent,
) -> Result<Judgement> {
    let published = extent::of_published(run, source, period).await?;
    let certificate = run.certified.earlier(&run.destination.place, period).await?;
    let known = before.map(extent::of_unit);
    let certified = certificate.as_ref().and_then(|certificate| extent::of_certificate(certificate, source));
    let marks = [published.as_ref(), known.as_ref(), certified.as_ref()];
    let mark = marks.into_iter().flatten().fold(None, |mark: Option<Extent>, other| {
        Some(mark.map_or_else(|| other.clone(), |mark| raised(&mark, other)))
    });
    let withdrawn = before.is_some_and(|unit| unit.withdrawn);
    let Some(mark) = mark.filter(|_| !withdrawn) else {
        return Ok(Judgement { mark: staged.clone(), accepted: None });
    };
    let fallen = fallen(&mark, staged, run.project.pipeline.runs.hold_when_smaller_by)?;
    // What already is published is not held back: there is nothing to keep it from.
    if fallen.is_empty() || published.as_ref() == Some(staged) {
        return Ok(Judgement { mark: raised(&mark, staged), accepted: None });
    }
    let fallen = fallen.join(", ");
    if run.accept_smaller.accepts(period, source) {
        let accepted = format!("published although it became smaller, by --accept-smaller: {fallen}");
        return Ok(Judgement { mark: staged.clone(), accepted: Some(accepted) });
    }
    Err(Error::new(
        ErrorKind::Held,
        format!(
            "the month became suspiciously small and is held back: {fallen}; the published month is untouched. \
             If the provider really took this back, publish it with --accept-smaller {period}/{source}"
        ),
    ))
}

/// Everything of `mark` that `staged` has too little of.
///
/// # Errors
/// [`ErrorKind::ContractViolated`] when an amount cannot be read: taken for zero it would have fallen, or could not.
fn fallen(mark: &Extent, staged: &Extent, limit: Share) -> Result<Vec<String>> {
    let mut fallen = Vec::new();
    if is_smaller(mark.rows.into(), staged.rows.into(), limit) {
        fallen.push(format!("rows from {} to {}", grouped(mark.rows.into()), grouped(staged.rows.into())));
    }
    for sum in &mark.sums {
        let before = Money::read(&sum.amount)?;
        let same = staged.sums.iter().find(|it| it.ledger == sum.ledger && it.currency == sum.currency);
        let after = same.map(|it| Money::read(&it.amount)).transpose()?.unwrap_or_default();
        if is_smaller(before.0, after.0, limit) {
            fallen.push(format!("{} from {} to {} {}", sum.ledger, amount(before.0), amount(after.0), sum.currency));
        }
    }
    let gone: BTreeSet<NaiveDate> = extent::days(mark).difference(&extent::days(staged)).copied().collect();
    if limit != Share::ONE && !gone.is_empty() {
        let days = if gone.len() == 1 { "a day".to_owned() } else { format!("{} days", gone.len()) };
        fallen.push(format!("no charges any more on {days} that had some ({})", extent::shown(&gone)));
    }
    Ok(fallen)
}

/// Whether `after` lies more than `limit` of `before` below it. What was not positive cannot shrink.
pub(crate) fn is_smaller(before: i128, after: i128, limit: Share) -> bool {
    let allowed = before.checked_mul(limit.units()).map_or_else(
        // Beyond 10^14 currency units a rounded bound is near enough.
        || before / Share::ONE.units() * limit.units(),
        |product| product / Share::ONE.units(),
    );
    before > 0 && after < before - allowed
}
