//! Key layout of Google Cloud exports: whatever `EXPORT DATA` was told.
//!
//! BigQuery writes Parquet where a query says. Folders `invoice_month=YYYYMM` and
//! `billing_period=YYYY-MM` name the invoice month; without them the rows do. A folder is trusted for
//! finding objects only: rows of other months in it are filtered like everywhere else.

use apportion_spec::BillingPeriod;

use crate::discover::{Classify, KeyKind, compact_month, data_exports, is_parquet};

pub(crate) const LAYOUT: Classify =
    Classify { kind, manifests: data_exports::manifests, reads_csv: false, dataset: None, run: None };

const FOLDER: &str = "invoice_month=";

fn kind(key: &str) -> KeyKind {
    let segments: Vec<&str> = key.split('/').collect();
    let placed = segments.iter().enumerate().find_map(|(index, segment)| Some((index, month(segment)?)));
    let Some((index, period)) = placed else { return data_exports::kind(key) };
    if !is_parquet(key) {
        return KeyKind::Other;
    }
    let folder = |end: usize| segments.get(..end).unwrap_or_default().join("/");
    let between = segments.get(index + 1..segments.len() - 1).unwrap_or_default();
    let version = (!between.is_empty()).then(|| between.join("/"));
    KeyKind::Data { root: folder(index), period, folder: folder(index + 1), version, range: None }
}

/// `invoice_month=202601`, in any case and with or without a dash.
fn month(segment: &str) -> Option<BillingPeriod> {
    let value = segment.get(..FOLDER.len()).filter(|key| key.eq_ignore_ascii_case(FOLDER))?;
    let value = segment.get(value.len()..)?;
    compact_month(value).or_else(|| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_the_invoice_month() {
        let expected = KeyKind::Data {
            root: "bills/gcp".to_owned(),
            period: "2026-01".parse().unwrap(),
            folder: "bills/gcp/invoice_month=202601".to_owned(),
            version: None,
            range: None,
        };
        assert_eq!(kind("bills/gcp/invoice_month=202601/000000000000.parquet"), expected);
        assert_eq!(kind("bills/gcp/000000000000.parquet"), KeyKind::Flat);
        assert_eq!(kind("bills/gcp/invoice_month=202613/0.parquet"), KeyKind::Flat);
    }
}
