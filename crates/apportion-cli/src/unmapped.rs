//! Values of a bill that no seed lists, as notes for people and as data for machines.
//!
//! They stand in the charges in the provider's own words, so nothing is wrong with the money; but a
//! region without a name, a unit of its own or a service in `Other` is missed by whoever filters by
//! the name. Each note says how much it is about and which file takes the row.

use std::collections::BTreeMap;

use apportion_spec::Result;
use datafusion::common::ScalarValue;
use datafusion::prelude::SessionContext;
use serde::Serialize;

use crate::money::Money;
use crate::output::{amount, grouped};
use crate::rows::rows;
use crate::run::Run;

/// The control that finds them.
pub(crate) const UNMAPPED_VALUES: &str = "focus_charges__unmapped_values";

/// How many values a note names.
const NAMED: usize = 5;
/// How many values a report holds: more is one mistake, not many.
const KEPT: usize = 100;

/// What one seed lacks.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Unmapped {
    /// The seed that takes the rows, such as `aws_regions`.
    pub(crate) seed: String,
    /// How many values it lacks.
    pub(crate) count: usize,
    /// Charges that have one of them.
    pub(crate) charges: u64,
    /// Their effective cost by currency.
    pub(crate) effective: BTreeMap<String, Money>,
    /// The values with the most charges first, at most a hundred.
    pub(crate) values: Vec<UnmappedValue>,
}

/// One value, as the key of the row that is missing.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct UnmappedValue {
    /// The value.
    pub(crate) value: String,
    /// Charges that have it.
    pub(crate) charges: u64,
    /// Their effective cost by currency.
    pub(crate) effective: BTreeMap<String, Money>,
}

/// The values of the staged charges in `checked` that no seed lists, by seed.
///
/// # Errors
/// When the control cannot be computed.
pub(crate) async fn values(
    run: &Run,
    checked: &SessionContext,
    parameters: &BTreeMap<String, ScalarValue>,
) -> Result<Vec<Unmapped>> {
    run.models.register(checked, &[UNMAPPED_VALUES], parameters).await?;
    let sql = format!(
        "SELECT Seed, Value, BillingCurrency, Charges, EffectiveCost FROM {UNMAPPED_VALUES} \
         ORDER BY Seed, sum(Charges) OVER (PARTITION BY Seed, Value) DESC, Value, BillingCurrency"
    );
    let mut unmapped: Vec<Unmapped> = Vec::new();
    for row in rows(checked, &sql).await? {
        let (seed, value, currency) = (row.text(0), row.text(1), row.text(2));
        let (charges, effective) = (row.count(3)?, row.money(4)?);
        if unmapped.last().is_none_or(|last| last.seed != seed) {
            unmapped.push(Unmapped { seed, ..Unmapped::default() });
        }
        if let Some(last) = unmapped.last_mut() {
            last.add(value, currency, charges, effective)?;
        }
    }
    for seed in &mut unmapped {
        seed.values.truncate(KEPT);
    }
    Ok(unmapped)
}

impl Unmapped {
    /// Adds one row; rows of a value follow each other.
    fn add(&mut self, value: String, currency: String, charges: u64, effective: Money) -> Result<()> {
        if self.values.last().is_none_or(|last| last.value != value) {
            self.values.push(UnmappedValue { value, ..UnmappedValue::default() });
            self.count += 1;
        }
        self.charges += charges;
        self.effective.entry(currency.clone()).or_default().add(effective)?;
        if let Some(last) = self.values.last_mut() {
            last.charges += charges;
            last.effective.entry(currency).or_default().add(effective)?;
        }
        Ok(())
    }

    /// One line for people.
    pub(crate) fn note(&self) -> String {
        let (one, many, becomes) = words(&self.seed);
        let what = if self.count == 1 { one } else { many };
        let charges = if self.charges == 1 { "charge" } else { "charges" };
        let costs = self.effective.iter().map(|(currency, cost)| format!("{} {currency}", amount(cost.0)));
        let costs = costs.collect::<Vec<_>>().join(", ");
        let named: Vec<&str> = self.values.iter().take(NAMED).map(|value| value.value.as_str()).collect();
        let more = self.count - named.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "{} {what} not in {}.csv: {}{more} ({} {charges}, effective {costs}); {becomes}",
            self.count,
            self.seed,
            named.join(", "),
            grouped(self.charges.into())
        )
    }
}

/// One value of a seed, several, and what becomes of a charge that has one it lacks.
fn words(seed: &str) -> (&'static str, &'static str, &'static str) {
    const NAMED: &str = "kept as delivered until a row under `seeds` names it";
    const CLASSIFIED: &str = "`Other` until a row under `seeds` classifies it";
    if seed.ends_with("_regions") {
        ("region is", "regions are", "the id stands for the name until a row under `seeds` gives one")
    } else if seed.ends_with("_units") {
        ("unit is", "units are", NAMED)
    } else if seed.ends_with("_resource_types") {
        ("resource type is", "resource types are", NAMED)
    } else if seed == "focus_services" {
        ("service without a category of the standard is", "services without a category of the standard are", CLASSIFIED)
    } else {
        ("service is", "services are", CLASSIFIED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_counts_lists_and_names_the_file() {
        let mut unmapped = Unmapped { seed: "aws_regions".to_owned(), ..Unmapped::default() };
        unmapped.add("mars-1".to_owned(), "EUR".to_owned(), 1, Money(1_500_000_000_000)).unwrap();
        assert_eq!(
            unmapped.note(),
            "1 region is not in aws_regions.csv: mars-1 (1 charge, effective 1.50 EUR); the id stands for the name until a \
             row under `seeds` gives one"
        );
        unmapped.add("mars-1".to_owned(), "USD".to_owned(), 1_199, Money(0)).unwrap();
        for value in 2..8 {
            unmapped.add(format!("mars-{value}"), "EUR".to_owned(), 1, Money(1_000_000_000_000)).unwrap();
        }
        assert_eq!((unmapped.count, unmapped.values[0].charges), (7, 1_200));
        assert_eq!(
            unmapped.note(),
            "7 regions are not in aws_regions.csv: mars-1, mars-2, mars-3, mars-4, mars-5 and 2 more (1,206 charges, \
             effective 7.50 EUR, 0.00 USD); the id stands for the name until a row under `seeds` gives one"
        );
    }
}
