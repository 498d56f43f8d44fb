//! Key layouts of AWS bills: Data Exports, and the legacy report's own.
//!
//! Legacy: `<prefix>/<report>/<report>/year=YYYY/month=M/<file>.parquet` with an unpadded month;
//! manifests at `<prefix>/<report>/YYYYMMDD-YYYYMMDD/<report>-Manifest.json`, where the one
//! without an assembly folder is current. `cost_and_usage_data_status` beside them is not data.

use apportion_spec::BillingPeriod;

use crate::discover::data_exports::{self, join};
use crate::discover::{Classify, KeyKind, date_range, is_parquet};

/// Both layouts; which one a location has shows in its keys.
pub(crate) const LAYOUT: Classify = Classify { kind, manifests, reads_csv: false, dataset: None, run: None };

fn kind(key: &str) -> KeyKind {
    legacy(key).unwrap_or_else(|| data_exports::kind(key))
}

fn manifests(root: &str, period: BillingPeriod) -> Vec<String> {
    let range = format!("{}-{}", period.start().format("%Y%m%d"), period.end().format("%Y%m%d"));
    let mut folders = data_exports::manifests(root, period);
    folders.push(join(root, &range));
    folders
}

fn legacy(key: &str) -> Option<KeyKind> {
    let segments: Vec<&str> = key.split('/').collect();
    if segments.contains(&"cost_and_usage_data_status") {
        return Some(KeyKind::Other);
    }
    let (name, folders) = segments.split_last()?;
    if name.ends_with("-Manifest.json")
        && let Some((index, period)) =
            folders.iter().enumerate().find_map(|(at, segment)| Some((at, date_range(segment)?)))
    {
        let between = folders.get(index + 1..).unwrap_or_default();
        let version = (!between.is_empty()).then(|| between.join("/"));
        let root = folders.get(..index).unwrap_or_default().join("/");
        return Some(KeyKind::Manifest { root, period, version, root_is_current: true, range: None });
    }
    let (index, year) = folders.iter().enumerate().find_map(|(at, segment)| Some((at, number(segment, "year")?)))?;
    let month = number(folders.get(index + 1)?, "month")?;
    let period = BillingPeriod::try_new(year, u32::try_from(month).ok()?).ok()?;
    if !is_parquet(name) {
        return Some(KeyKind::Other);
    }
    let folder = folders.get(..index + 2)?.join("/");
    let between = folders.get(index + 2..).unwrap_or_default();
    let version = (!between.is_empty()).then(|| between.join("/"));
    Some(KeyKind::Data { root: report_root(folders.get(..index)?), period, folder, version, range: None })
}

/// The report's folder: its name appears twice in a row in the keys, once as our root.
fn report_root(above: &[&str]) -> String {
    let kept = match above {
        [.., outer, inner] if outer == inner => above.len() - 1,
        _ => above.len(),
    };
    above.get(..kept).unwrap_or_default().join("/")
}

fn number(segment: &str, key: &str) -> Option<i32> {
    let (name, value) = segment.split_once('=')?;
    if !name.eq_ignore_ascii_case(key) || value.is_empty() || value.len() > 4 {
        return None;
    }
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> BillingPeriod {
        text.parse().unwrap()
    }

    #[test]
    fn legacy_months_are_unpadded_and_the_report_name_appears_twice() {
        let expected = KeyKind::Data {
            root: "p/bill".to_owned(),
            period: period("2018-08"),
            folder: "p/bill/bill/year=2018/month=8".to_owned(),
            version: None,
            range: None,
        };
        assert_eq!(kind("p/bill/bill/year=2018/month=8/bill-00001.snappy.parquet"), expected);
        assert_eq!(kind("p/bill/bill/cost_and_usage_data_status/s.parquet"), KeyKind::Other);
    }

    #[test]
    fn legacy_manifests_lie_in_date_ranges() {
        let manifest = |version: Option<&str>| KeyKind::Manifest {
            root: "p/bill".to_owned(),
            period: period("2018-12"),
            version: version.map(str::to_owned),
            root_is_current: true,
            range: None,
        };
        assert_eq!(kind("p/bill/20181201-20190101/bill-Manifest.json"), manifest(None));
        assert_eq!(kind("p/bill/20181201-20190101/abc/bill-Manifest.json"), manifest(Some("abc")));
        let folders = manifests("p/bill", period("2018-12"));
        assert_eq!(folders, ["p/bill/metadata", "p/bill/20181201-20190101"]);
    }
}
