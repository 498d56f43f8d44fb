//! The reporting currency: codes, months and rates that can be meant.

use super::Validator;
use crate::BillingPeriod;
use crate::document::wire;
use crate::pipeline::{ExchangeRate, Reporting};

/// Decimals a rate may have.
const RATE_DECIMALS: usize = 18;

impl Validator<'_> {
    pub(super) fn reporting(&mut self, reporting: &wire::Reporting) -> Reporting {
        self.currency(&["reporting", "currency"], &reporting.currency);
        let mut rates = Vec::new();
        for (currency, months) in &reporting.rates {
            self.currency(&["reporting", "rates", currency], currency);
            if *currency == reporting.currency {
                let message = format!("`{currency}` is the reporting currency itself; its rate is always 1");
                self.wrong(&["reporting", "rates", currency], message);
            }
            for (month, rate) in months {
                let at = ["reporting", "rates", currency.as_str(), month.as_str()];
                let Some(month) = self.month(&at, month) else { continue };
                if !is_rate(&rate.0) {
                    let message =
                        format!("the rate {} must be a positive number of at most {RATE_DECIMALS} decimals", rate.0);
                    self.wrong(&at, message);
                }
                rates.push(ExchangeRate { currency: currency.clone(), month, rate: rate.0.clone() });
            }
        }
        let restated = reporting.restated_months.iter();
        let restated_months =
            restated.filter_map(|month| self.month(&["reporting", "restated_months"], month)).collect();
        Reporting { currency: reporting.currency.clone(), rates, restated_months }
    }

    fn currency(&mut self, path: &[&str], code: &str) {
        if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            self.wrong(path, format!("`{code}` is not a currency code of three capital letters (ISO 4217)"));
        }
    }

    pub(super) fn month(&mut self, path: &[&str], month: &str) -> Option<BillingPeriod> {
        match month.parse() {
            Ok(month) => Some(month),
            Err(error) => {
                self.wrong(path, error.message());
                None
            }
        }
    }
}

/// A positive decimal number in plain or scientific digits.
fn is_rate(text: &str) -> bool {
    let (digits, exponent) = text
        .split_once(['e', 'E'])
        .map_or((text, 0), |(digits, exponent)| (digits, exponent.parse::<i64>().unwrap_or(i64::MAX)));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let places = i64::try_from(decimals.trim_end_matches('0').len()).unwrap_or(i64::MAX).saturating_sub(exponent);
    plain(whole)
        && plain(decimals)
        && digits.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
        && (places <= 18)
        && whole.len() <= 18
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_positive_and_exact() {
        for rate in ["1", "0.9231", "1e-6", "150.25", "0.000000000000000001"] {
            assert!(is_rate(rate), "{rate}");
        }
        for wrong in ["0", "-1", "0.0000000000000000001", "1e-19", "x"] {
            assert!(!is_rate(wrong), "{wrong}");
        }
    }
}
