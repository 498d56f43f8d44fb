//! Holds back a month that became suspiciously small: a truncated export looks exactly like a
//! provider that took charges back, and only a person can tell them apart.

use std::collections::BTreeMap;

use apportion_sinks::units::PublishedUnit;
use apportion_spec::pipeline::Share;
use apportion_spec::{Error, ErrorKind, Result};

use crate::money::Money;
use crate::output::{amount, grouped};
use crate::report::LedgerTotals;

/// Compares a staged month with the published one. Where `accepted`, what fell is a note and nothing else:
/// who accepts one month must still see what else was accepted with it.
///
/// # Errors
/// [`ErrorKind::Held`] naming everything that fell by more than `limit`.
pub(crate) fn refuse_smaller(
    published: &PublishedUnit,
    rows: u64,
    totals: &BTreeMap<String, LedgerTotals>,
    limit: Share,
    accepted: bool,
) -> Result<Option<String>> {
    let mut fallen = Vec::new();
    if is_smaller(published.rows.into(), rows.into(), limit) {
        fallen.push(format!("rows from {} to {}", grouped(published.rows.into()), grouped(rows.into())));
    }
    for sum in published.sums.iter().filter(|sum| matches!(sum.ledger.as_str(), "BilledCost" | "EffectiveCost")) {
        let before = Money::parse(&sum.amount).unwrap_or_default();
        let totals = totals.get(&sum.currency).copied().unwrap_or_default();
        let after = if sum.ledger == "BilledCost" { totals.billed } else { totals.effective };
        if is_smaller(before.0, after.0, limit) {
            fallen.push(format!("{} from {} to {} {}", sum.ledger, amount(before.0), amount(after.0), sum.currency));
        }
    }
    if fallen.is_empty() {
        return Ok(None);
    }
    if accepted {
        return Ok(Some(format!("published although it became smaller, by --accept-smaller: {}", fallen.join(", "))));
    }
    Err(Error::new(
        ErrorKind::Held,
        format!(
            "the month became suspiciously small and is held back: {}; the published month is untouched. \
             If the provider really took this back, publish it with --accept-smaller",
            fallen.join(", ")
        ),
    ))
}

/// Whether `after` lies more than `limit` of `before` below it. What was not positive cannot shrink.
fn is_smaller(before: i128, after: i128, limit: Share) -> bool {
    let allowed = before.checked_mul(limit.units()).map_or_else(
        // Beyond 10^14 currency units a rounded bound is near enough.
        || before / Share::ONE.units() * limit.units(),
        |product| product / Share::ONE.units(),
    );
    before > 0 && after < before - allowed
}
