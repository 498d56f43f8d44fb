//! Actions of a commit: files with statistics.

use std::collections::HashMap;

use chrono::DateTime;
use deltalake_core::kernel::Add;
use object_store::ObjectMeta;
use serde_json::{Map, Value, json};

use crate::table::PublishUnit;
use crate::writer::{StagedPart, StatisticsValue, part_name};

/// Hexadecimal digits of the digest in a file name: 128 bits.
const NAME_DIGITS: usize = 32;

/// Path of a part within the table: deterministic, and another for other content.
pub(super) fn file_path(folder: &str, index: usize, part: &StagedPart) -> String {
    let name = part_name(index);
    let stem = name.trim_end_matches(".parquet");
    let digest: String = part.sha256.chars().take(NAME_DIGITS).collect();
    let file = format!("{stem}-{digest}.parquet");
    if folder.is_empty() { file } else { format!("{folder}/{file}") }
}

/// Adds an uploaded file.
pub(super) fn add(unit: &PublishUnit, path: &str, part: &StagedPart, object: &ObjectMeta) -> Add {
    let partition_values: HashMap<String, Option<String>> =
        unit.partition.iter().map(|(column, value)| (column.clone(), Some(value.clone()))).collect();
    Add {
        path: path.to_owned(),
        partition_values,
        size: i64::try_from(part.bytes).unwrap_or(i64::MAX),
        modification_time: object.last_modified.timestamp_millis(),
        data_change: true,
        stats: Some(statistics(part).to_string()),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}

/// Statistics as the Delta protocol words them.
pub(super) fn statistics(part: &StagedPart) -> Value {
    let (mut minimum, mut maximum, mut nulls) = (Map::new(), Map::new(), Map::new());
    for column in &part.statistics {
        if let Some(count) = column.null_count {
            nulls.insert(column.name.clone(), json!(count));
        }
        let bounds = (column.minimum.as_ref().and_then(lower), column.maximum.as_ref().and_then(upper));
        if let (Some(low), Some(high)) = bounds {
            minimum.insert(column.name.clone(), low);
            maximum.insert(column.name.clone(), high);
        }
    }
    json!({ "numRecords": part.rows, "minValues": minimum, "maxValues": maximum, "nullCount": nulls })
}

fn lower(value: &StatisticsValue) -> Option<Value> {
    bound(value, |microseconds| microseconds.div_euclid(1_000))
}

fn upper(value: &StatisticsValue) -> Option<Value> {
    bound(value, |microseconds| -(-microseconds).div_euclid(1_000))
}

/// Timestamps in statistics have millisecond precision, so bounds are rounded outwards.
fn bound(value: &StatisticsValue, to_milliseconds: impl Fn(i64) -> i64) -> Option<Value> {
    match value {
        StatisticsValue::Text(text) => Some(json!(text)),
        StatisticsValue::Integer(number) => Some(json!(number)),
        StatisticsValue::Date(days) => {
            let date = DateTime::from_timestamp(i64::from(*days) * 86_400, 0)?;
            Some(json!(date.format("%Y-%m-%d").to_string()))
        }
        StatisticsValue::Timestamp(microseconds) => {
            let time = DateTime::from_timestamp_millis(to_milliseconds(*microseconds))?;
            Some(json!(time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()))
        }
    }
}
