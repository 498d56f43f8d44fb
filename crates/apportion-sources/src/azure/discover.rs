//! Key layout of Cost Management exports.
//!
//! `<directory>/<export>/<YYYYMMDD-YYYYMMDD>/[<YYYYMMDDHHmm>/][<run id>/]part_0_0001.<ending>`, the
//! range before or after the export's name, and a `manifest.json` beside the parts. Every run is a full
//! copy of its range, so of an export and a range only the newest run counts; runs over other days of
//! the month add to it. Older exports have no folder for a run but its id in the file's name:
//! `<export>_<run id>.csv`.

use crate::discover::{Classify, KeyKind, data_exports, date_range, day_range, is_csv, is_parquet, unplaced};

pub(crate) const LAYOUT: Classify = Classify {
    kind: key_kind,
    manifests: data_exports::manifests,
    reads_csv: true,
    dataset: Some(dataset),
    run: Some(run_in_name),
};

/// What a key of a Cost Management export is.
pub(crate) fn key_kind(key: &str) -> KeyKind {
    let segments: Vec<&str> = key.split('/').collect();
    let Some((name, folders)) = segments.split_last() else { return KeyKind::Other };
    let placed = folders.iter().enumerate().find_map(|(index, segment)| Some((index, date_range(segment)?)));
    let Some((index, period)) = placed else {
        return if is_csv(name) { KeyKind::Flat } else { unplaced(key) };
    };
    let below = folders.get(index + 1..).unwrap_or_default();
    let (runs, names): (Vec<&str>, Vec<&str>) = below.iter().partition(|segment| is_run(segment));
    let mut root = folders.get(..index).unwrap_or_default().to_vec();
    root.extend(&names);
    let mut folder = folders.get(..=index).unwrap_or_default().to_vec();
    folder.extend(names);
    let version = (!runs.is_empty()).then(|| runs.join("/")).or_else(|| run_in_name(name));
    let range = folders.get(index).and_then(|segment| day_range(segment));
    let (root, folder) = (root.join("/"), folder.join("/"));
    if name.eq_ignore_ascii_case("manifest.json") {
        KeyKind::Manifest { root, period, version, root_is_current: false, range }
    } else if is_parquet(name) || is_csv(name) {
        KeyKind::Data { root, period, folder, version, range }
    } else {
        KeyKind::Other
    }
}

/// The id of the run in `<export>_<run id>.csv`.
pub(crate) fn run_in_name(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let (stem, _) = name.split_once('.')?;
    let (_, id) = stem.rsplit_once('_')?;
    is_id(id).then(|| id.to_owned())
}

/// A time such as `202601061200`, or the id of a run.
fn is_run(segment: &str) -> bool {
    let time = segment.len() == 12 && segment.bytes().all(|byte| byte.is_ascii_digit());
    time || is_id(segment)
}

/// `3f2504e0-4f89-11d3-9a0c-0305e82c3301`.
fn is_id(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.split('-').all(is_hex)
}

/// The dataset a path speaks of, where no manifest states it.
fn dataset(path: &str) -> Option<&'static str> {
    let path = path.to_ascii_lowercase();
    match (path.rfind("amortized"), path.rfind("actual")) {
        (Some(amortized), Some(actual)) if actual > amortized => Some("ActualCost"),
        (Some(_), _) => Some("AmortizedCost"),
        (None, Some(_)) => Some("ActualCost"),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "202601061200/3f2504e0-4f89-11d3-9a0c-0305e82c3301";

    #[test]
    fn the_range_may_stand_before_or_after_the_export() {
        for (key, root, folder) in [
            (
                format!("x/acme-actual/20260101-20260131/{RUN}/part_0_0001.snappy.parquet"),
                "x/acme-actual",
                "x/acme-actual/20260101-20260131",
            ),
            (
                format!("x/20260101-20260131/acme-actual/{RUN}/part_0_0001.csv.gz"),
                "x/acme-actual",
                "x/20260101-20260131/acme-actual",
            ),
        ] {
            let expected = KeyKind::Data {
                root: root.to_owned(),
                period: "2026-01".parse().unwrap(),
                folder: folder.to_owned(),
                version: Some(RUN.to_owned()),
                range: day_range("20260101-20260131"),
            };
            assert_eq!(key_kind(&key), expected);
        }
        assert_eq!(key_kind("x/bill.csv"), KeyKind::Flat);
        assert_eq!(run_in_name("x/acme_3f2504e0-4f89-11d3-9a0c-0305e82c3301.csv.gz").as_deref(), Some(&RUN[13..]));
        assert_eq!(run_in_name("x/part_0_0001.csv"), None);
    }

    #[test]
    fn the_nearest_name_tells_the_dataset() {
        assert_eq!(dataset("actual-and-amortized/acme-actual/part.csv"), Some("ActualCost"));
        assert_eq!(dataset("x/EA_AmortizedCost_Small.csv"), Some("AmortizedCost"));
        assert_eq!(dataset("x/cost.csv"), None);
    }
}
