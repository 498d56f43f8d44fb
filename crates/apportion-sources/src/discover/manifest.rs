//! Reads manifests: the list of objects that make up one delivery.
//!
//! Data Exports name `dataFiles` as full S3 URIs, the legacy report `reportKeys` as keys, Cost
//! Management `blobs` as paths in their container.
//! Buckets get replicated and prefixes renamed, so a name is matched by its key first and then by
//! the part from the period folder on.

use apportion_spec::{Error, ErrorKind, Result};
use chrono::NaiveDate;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde::Deserialize;

use super::{DayRange, ManifestIdentity, date_range};
use crate::store::{Location, store_error};

/// The fields of all kinds of manifest that matter.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    data_files: Option<Vec<String>>,
    report_keys: Option<Vec<String>>,
    execution_id: Option<String>,
    assembly_id: Option<String>,
    blobs: Option<Vec<Blob>>,
    export_config: Option<ExportConfig>,
    run_info: Option<RunInfo>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Blob {
    blob_name: String,
}

#[derive(Debug, Deserialize)]
struct ExportConfig {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunInfo {
    run_id: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
}

impl RunInfo {
    /// The days the run covers; the last one is included.
    fn range(&self) -> Option<DayRange> {
        let day = |text: &Option<String>| NaiveDate::parse_from_str(text.as_deref()?.get(..10)?, "%Y-%m-%d").ok();
        Some((day(&self.start_date)?, day(&self.end_date)?))
    }
}

/// A manifest that was read.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) identity: ManifestIdentity,
    /// Keys of the delivery's objects, without bucket.
    pub(super) keys: Vec<String>,
    /// The days it says the delivery covers.
    pub(super) range: Option<DayRange>,
}

pub(super) async fn read(location: &Location, meta: &ObjectMeta) -> Result<Manifest> {
    let name = location.name(&meta.location);
    let failed = |error| store_error(error, &name);
    let content = location.store.get(&meta.location).await.map_err(failed)?;
    let e_tag = content.meta.e_tag.clone();
    let content = content.bytes().await.map_err(failed)?;
    let document: Document = serde_json::from_slice(&content).map_err(|error| {
        Error::new(ErrorKind::ContractViolated, "the manifest is not readable JSON")
            .with("object", &name)
            .with_source(error)
    })?;
    let blobs = document.blobs.map(|blobs| blobs.into_iter().map(|blob| blob.blob_name).collect());
    let Some(names) = document.data_files.or(document.report_keys).or(blobs) else {
        let message = "the manifest names no objects: it has none of `dataFiles`, `reportKeys` and `blobs`";
        return Err(Error::new(ErrorKind::ContractViolated, message).with("object", &name));
    };
    let range = document.run_info.as_ref().and_then(RunInfo::range);
    Ok(Manifest {
        range,
        identity: ManifestIdentity {
            path: meta.location.clone(),
            e_tag,
            delivery: document.execution_id.or(document.assembly_id).or(document.run_info.and_then(|run| run.run_id)),
            dataset: document.export_config.and_then(|config| config.kind),
        },
        keys: names.iter().map(|name| key_of(name)).collect(),
    })
}

/// The key of an S3 URI or of a plain key.
fn key_of(name: &str) -> String {
    let key = match name.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, key)| key),
        None => name,
    };
    key.trim_start_matches('/').to_owned()
}

/// The part of a key from the folder that names the period on, in lower case.
pub(super) fn period_part(key: &str) -> Option<String> {
    let lower = key.to_ascii_lowercase();
    let mut start = 0;
    for segment in lower.split('/') {
        if segment.starts_with("billing_period=") || segment.starts_with("year=") || date_range(segment).is_some() {
            return lower.get(start..).map(str::to_owned);
        }
        start += segment.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lose_their_bucket_and_periods_their_prefix() {
        assert_eq!(
            key_of("s3://b/p/e/data/BILLING_PERIOD=2026-01/x.parquet"),
            "p/e/data/BILLING_PERIOD=2026-01/x.parquet"
        );
        assert_eq!(key_of("/p/r/r/year=2026/month=1/x.parquet"), "p/r/r/year=2026/month=1/x.parquet");
        assert_eq!(period_part("p/r/YEAR=2026/month=1/X.parquet").as_deref(), Some("year=2026/month=1/x.parquet"));
        assert_eq!(period_part("p/fiscal_year=2026/x.parquet"), None);
    }
}
