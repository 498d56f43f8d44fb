//! What a person accepts to become smaller, by name: everything of a month, or one source or the allocation of it.
//!
//! A flag without a name would accept whatever else became smaller in the same night, unseen.

use std::collections::BTreeSet;
use std::str::FromStr;

use apportion_sinks::ledger::UnitStatus;
use apportion_sinks::{Destination, newest_run};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result, did_you_mean};

/// The name by which the allocation of a month is accepted.
pub(crate) const ALLOCATION: &str = "allocation";

/// One value of `--accept-smaller`; empty when the flag was given without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance(Option<(BillingPeriod, Option<String>)>);

impl FromStr for Acceptance {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let (period, of) = text.split_once('/').map_or((text, None), |(period, of)| (period, Some(of)));
        let period = period.parse().map_err(|error: Error| {
            format!("{}; write YYYY-MM, YYYY-MM/SOURCE or YYYY-MM/{ALLOCATION}", error.message())
        })?;
        match of {
            Some("") => Err(format!("no source is named after `{period}/`")),
            of => Ok(Self(Some((period, of.map(str::to_owned))))),
        }
    }
}

/// Everything that is accepted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accepted(Vec<(BillingPeriod, Option<String>)>);

impl Accepted {
    /// What the option names.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it was given without a name, listing what the last run held back.
    pub(crate) async fn try_new(given: &[Acceptance], destination: &Destination) -> Result<Self> {
        let named: Vec<_> = given.iter().filter_map(|Acceptance(named)| named.clone()).collect();
        if named.len() == given.len() {
            return Ok(Self(named));
        }
        let held = held_by_the_last_run(destination).await?;
        let advice = match held.as_slice() {
            [] => "the last run held nothing back; `apportion run` says what it holds back".to_owned(),
            held => format!("the last run held back: --accept-smaller {}", held.join(" --accept-smaller ")),
        };
        Err(Error::new(
            ErrorKind::Config,
            format!(
                "--accept-smaller names what may become smaller: a month (YYYY-MM), or one source or the allocation of \
                 it (YYYY-MM/SOURCE, YYYY-MM/{ALLOCATION}); {advice}"
            ),
        ))
    }

    /// Whether a source, or the allocation, of a month may become smaller.
    pub(crate) fn accepts(&self, period: BillingPeriod, of: &str) -> bool {
        self.0.iter().any(|(accepted, name)| *accepted == period && name.as_deref().is_none_or(|name| name == of))
    }

    /// Demands that everything accepted exists.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the nearest month or source.
    pub(crate) fn check(&self, periods: &BTreeSet<BillingPeriod>, sources: &BTreeSet<String>) -> Result<()> {
        let months: Vec<String> = periods.iter().map(BillingPeriod::to_string).collect();
        for (period, of) in &self.0 {
            if !periods.contains(period) {
                let hint = did_you_mean(&period.to_string(), months.iter().map(String::as_str));
                let message = format!("--accept-smaller {period}: this run has no such billing period{hint}");
                let known = if months.is_empty() { "none".to_owned() } else { months.join(", ") };
                return Err(Error::new(ErrorKind::Config, format!("{message}; billing periods: {known}")));
            }
            let Some(of) = of.as_deref().filter(|of| *of != ALLOCATION && !sources.contains(*of)) else { continue };
            let known = || sources.iter().map(String::as_str).chain([ALLOCATION]);
            let hint = did_you_mean(of, known());
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "--accept-smaller {period}/{of}: there is no source `{of}`{hint}; names: {}",
                    known().collect::<Vec<_>>().join(", ")
                ),
            ));
        }
        Ok(())
    }
}

/// What the last run held back, as the option names it.
async fn held_by_the_last_run(destination: &Destination) -> Result<Vec<String>> {
    let Some(run) = newest_run(destination).await? else { return Ok(Vec::new()) };
    let asks = |message: &str| message.contains("--accept-smaller");
    let held = run.units.iter().filter(|unit| unit.status == UnitStatus::Held);
    let held = held.filter(|unit| unit.error.as_ref().is_some_and(|error| asks(&error.message)));
    Ok(held.map(|unit| format!("{}/{}", unit.billing_period, unit.source.as_deref().unwrap_or(ALLOCATION))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(texts: &[&str]) -> Accepted {
        Accepted(texts.iter().filter_map(|text| text.parse::<Acceptance>().unwrap().0).collect())
    }

    #[test]
    fn a_month_accepts_all_of_it_and_a_source_only_itself() {
        let (may, june) = ("2026-05".parse().unwrap(), "2026-06".parse().unwrap());
        let month = accepted(&["2026-05"]);
        assert!(month.accepts(may, "aws") && month.accepts(may, ALLOCATION) && !month.accepts(june, "aws"));
        let one = accepted(&["2026-05/aws"]);
        assert!(one.accepts(may, "aws") && !one.accepts(may, "gcp") && !one.accepts(may, ALLOCATION));
        for wrong in ["2026-13", "may", "2026-05/", "pipeline.yaml"] {
            assert!(wrong.parse::<Acceptance>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_that_does_not_exist_is_refused_with_the_nearest() {
        let periods = BTreeSet::from(["2026-05".parse().unwrap()]);
        let sources = BTreeSet::from(["aws-main".to_owned()]);
        let refused = |text: &str| accepted(&[text]).check(&periods, &sources).unwrap_err().to_string();
        assert!(refused("2026-06").contains("did you mean `2026-05`?"), "{}", refused("2026-06"));
        assert!(refused("2026-05/aws-mian").contains("did you mean `aws-main`?"));
        assert!(refused("2026-05/alocation").contains("did you mean `allocation`?"));
        assert!(accepted(&["2026-05", "2026-05/aws-main", "2026-05/allocation"]).check(&periods, &sources).is_ok());
    }
}
