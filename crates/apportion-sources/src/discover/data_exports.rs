//! Key layout of AWS Data Exports (CUR 2.0 and FOCUS).
//!
//! `<root>/data/BILLING_PERIOD=YYYY-MM/[<timestamp>-<execution>/]<file>.parquet`, manifests beside
//! it under `metadata/`. The partition key is written in upper or lower case depending on the
//! kind of export, so it is matched without regard to case.

use apportion_spec::BillingPeriod;

use super::{Classify, KeyKind, is_csv, is_parquet, unplaced};

/// The layout for locations that hold nothing else.
pub(crate) const LAYOUT: Classify = Classify { kind, manifests, reads_csv: false, dataset: None, run: None };

const PARTITION: &str = "billing_period=";

/// What a key is for formats that are only read as Parquet.
pub(crate) fn kind(key: &str) -> KeyKind {
    kind_with(key, is_parquet)
}

/// What the key of a CSV object is for formats that are read from CSV as well.
pub(crate) fn csv_kind(key: &str) -> KeyKind {
    match kind_with(key, is_csv) {
        KeyKind::Csv => KeyKind::Flat,
        other => other,
    }
}

fn kind_with(key: &str, is_data: fn(&str) -> bool) -> KeyKind {
    let segments: Vec<&str> = key.split('/').collect();
    let placed = segments.iter().enumerate().find_map(|(index, segment)| Some((index, partition(segment)?)));
    let Some((index, period)) = placed else { return unplaced(key) };
    let (before, after) = segments.split_at(index);
    let Some((name, between)) = after.get(1..).and_then(<[&str]>::split_last) else { return KeyKind::Other };
    let version = (!between.is_empty()).then(|| between.join("/"));
    let above = before.last().copied().unwrap_or_default();
    let in_metadata = above.eq_ignore_ascii_case("metadata");
    let kept = if in_metadata || above.eq_ignore_ascii_case("data") { index.saturating_sub(1) } else { index };
    let root = segments.get(..kept).unwrap_or_default().join("/");
    if name.to_ascii_lowercase().ends_with("manifest.json") {
        KeyKind::Manifest { root, period, version, root_is_current: false, range: None }
    } else if is_data(name) && !in_metadata {
        let folder = segments.get(..=index).unwrap_or_default().join("/");
        KeyKind::Data { root, period, folder, version, range: None }
    } else if is_csv(name) {
        KeyKind::Csv
    } else {
        KeyKind::Other
    }
}

pub(crate) fn manifests(root: &str, _period: BillingPeriod) -> Vec<String> {
    vec![join(root, "metadata")]
}

/// `root/name`, without a leading slash for an empty root.
pub(crate) fn join(root: &str, name: &str) -> String {
    if root.is_empty() { name.to_owned() } else { format!("{root}/{name}") }
}

fn partition(segment: &str) -> Option<BillingPeriod> {
    let value = segment.get(..PARTITION.len()).filter(|key| key.eq_ignore_ascii_case(PARTITION));
    value.and_then(|_| segment.get(PARTITION.len()..)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_found_in_any_case_and_depth() {
        let period: BillingPeriod = "2026-01".parse().unwrap();
        for (key, folder, version) in [
            ("b/e/data/BILLING_PERIOD=2026-01/e-1.parquet", "b/e/data/BILLING_PERIOD=2026-01", None),
            ("b/e/data/billing_period=2026-01/v1/e-1.parquet", "b/e/data/billing_period=2026-01", Some("v1")),
        ] {
            let expected = KeyKind::Data {
                root: "b/e".to_owned(),
                period,
                folder: folder.to_owned(),
                version: version.map(str::to_owned),
                range: None,
            };
            assert_eq!(kind(key), expected);
        }
        let manifest = kind("metadata/Billing_Period=2026-1/v/e-Manifest.json");
        let version = Some("v".to_owned());
        assert_eq!(
            manifest,
            KeyKind::Manifest { root: String::new(), period, version, root_is_current: false, range: None }
        );
        assert_eq!(kind("b/e/other.parquet"), KeyKind::Flat);
        assert_eq!(kind("b/e/data/BILLING_PERIOD=2026-01/e-1.csv.gz"), KeyKind::Csv);
    }
}
