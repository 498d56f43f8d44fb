//! Amounts in documents beside the tables: exact decimal text, or the document is damaged.
//!
//! What cannot be read as an amount must not be taken for zero: a month would shrink unseen, or look published.

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error};

/// Decimals of the finest amount there is: what the conversion of binary floats leaves over.
const DECIMALS: usize = 36;

/// Whether a text is a plain decimal, as the tables hold it.
fn is_amount(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    are_digits(whole) && are_digits(decimals) && decimals.trim_end_matches('0').len() <= DECIMALS && whole.len() <= 26
}

fn checked<E: Error>(text: String) -> Result<String, E> {
    if is_amount(&text) { Ok(text) } else { Err(E::custom(format_args!("`{text}` is no amount"))) }
}

/// Reads an amount.
pub(crate) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    checked(String::deserialize(from)?)
}

/// Reads an amount that may be missing.
pub(crate) fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(from)?.map(checked).transpose()
}

/// Reads amounts by name.
pub(crate) fn by_name<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let amounts = BTreeMap::<String, String>::deserialize(from)?;
    amounts.into_iter().map(|(name, text)| Ok((name, checked(text)?))).collect()
}

/// Reads amounts by two names.
pub(crate) fn by_two_names<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, D::Error> {
    let amounts = BTreeMap::<String, BTreeMap<String, String>>::deserialize(from)?;
    let inner = |amounts: BTreeMap<String, String>| {
        amounts.into_iter().map(|(name, text)| Ok((name, checked(text)?))).collect::<Result<_, D::Error>>()
    };
    amounts.into_iter().map(|(name, amounts)| Ok((name, inner(amounts)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::is_amount;
    use crate::ledger::LedgerSum;
    use crate::units::PublishedUnit;

    #[test]
    fn an_amount_is_a_plain_decimal() {
        // The last is a residual of the conversion of doubles.
        let residual = "-0.000000000002800000000000000000000001";
        for text in ["0", "-0.5", "99999999999999999999999999.999999999999", "1.50000000000000", residual] {
            assert!(is_amount(text), "{text}");
        }
        let (too_large, too_fine) = ("9".repeat(27), format!("0.{}1", "0".repeat(36)));
        for text in ["", "-", "--5", "+5", "5.", ".5", "1e3", " 1", "1,5", "NaN", &too_fine, &too_large] {
            assert!(!is_amount(text), "{text}");
        }
    }

    #[test]
    fn a_document_without_an_amount_cannot_be_read() {
        let sum = |amount: &str| {
            let text = format!(r#"{{"ledger":"BilledCost","currency":"USD","amount":"{amount}"}}"#);
            serde_json::from_str::<LedgerSum>(&text)
        };
        assert_eq!(sum("-1.5").unwrap().amount, "-1.5");
        assert!(sum("--5").unwrap_err().to_string().contains("`--5` is no amount"));
        for unit in [
            r#"{"allocated":{"USD":""}}"#,
            r#"{"unallocated":{"USD":{"idle":"x"}}}"#,
            r#"{"sums":[{"ledger":"l","currency":"c","amount":"1e3"}]}"#,
        ] {
            assert!(serde_json::from_str::<PublishedUnit>(unit).is_err(), "{unit}");
        }
        let unit = r#"{"allocated":{"USD":"1"},"unallocated":{"USD":{"idle":"-0.1"}}}"#;
        assert!(serde_json::from_str::<PublishedUnit>(unit).is_ok());
        assert!(serde_json::from_str::<PublishedUnit>("{}").is_ok(), "what an older version did not write");
    }
}
