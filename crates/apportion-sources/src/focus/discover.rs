//! Key layouts of FOCUS exports: that of AWS Data Exports, that of Cost Management exports, or plain
//! objects.

use crate::discover::{Classify, KeyKind, data_exports, date_range, is_csv};

pub(crate) const LAYOUT: Classify = Classify {
    kind,
    manifests: data_exports::manifests,
    reads_csv: true,
    dataset: None,
    run: Some(crate::azure::run_in_name),
};

fn kind(key: &str) -> KeyKind {
    if key.split('/').any(|segment| date_range(segment).is_some()) {
        return crate::azure::key_kind(key);
    }
    match data_exports::kind(key) {
        KeyKind::Csv if is_csv(key) => data_exports::csv_kind(key),
        other => other,
    }
}
