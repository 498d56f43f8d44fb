//! Certificates: what was proved about a billing period when its tables were published.
//!
//! One JSON document per billing period under `_apportion/certificates/`, replaced when the period
//! is computed again. It says which objects hold the tables, with their digests, what they add up
//! to, and what was checked, so that anybody can find out later whether they are still those tables.
//! The configuration it names is kept beside it, because splits can only be made again by the rules
//! they were made by. Nothing in it depends on a clock but [`Certificate::certified_at`].

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use apportion_spec::{Error, ErrorKind, Result};

use crate::amount;
use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::extent::Extent;
use crate::table::{PartitionValues, PublishUnit, Published};
use crate::{digest, error};

/// Form of the documents.
const FORM: u32 = 1;

/// The proof of one billing period over all its sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Form of the document.
    #[serde(default)]
    pub form: u32,
    /// The billing period, `YYYY-MM`.
    pub billing_period: String,
    /// Name of the pipeline.
    pub pipeline: String,
    /// The run that certified.
    pub run_id: String,
    /// Version of the program.
    pub engine_version: String,
    /// Versions of the libraries that compute and write.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub libraries: String,
    /// SHA-256 of what the pipeline file says; [`crate::read_configuration`] finds it.
    pub configuration_digest: String,
    /// Digest of the SQL models.
    pub sql_digest: String,
    /// When it was certified: the only content that a repeated run changes, beside the run id.
    pub certified_at: DateTime<Utc>,
    /// What was charged, by source.
    pub sources: Vec<SourceStatement>,
    /// Sources of the pipeline that the period is published without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingSource>,
    /// What was allocated; missing when the pipeline allocates nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation: Option<AllocationStatement>,
    /// Totals per stage, source, ledger and currency, as the table `reconciliation` has them.
    pub totals: Vec<StageTotal>,
    /// How many of these totals have a difference. Nothing is published with one.
    pub differences: u64,
    /// The published partitions of the period, by table.
    pub partitions: Vec<CertifiedPartition>,
}

/// The charges of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatement {
    /// Name of the source.
    pub source: String,
    /// The run that published its charges.
    pub run_id: String,
    /// Digest over the identity of every object of the export.
    pub input_digest: String,
    /// Number of charges.
    pub charges: u64,
    /// The most that any version of them had since a smaller one was last accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_water: Option<Extent>,
}

/// A source that has published nothing for the period while others have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSource {
    /// Name of the source.
    pub source: String,
    /// `missing`, `failed` or `unlisted`.
    pub status: String,
    /// Why, in words.
    pub reason: String,
}

/// What the allocation of the period consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationStatement {
    /// Charges of all sources.
    pub charges: u64,
    /// Cells with a cost, each of which adds up to its parts.
    pub cells: u64,
    /// Rows of `allocated_charges`.
    pub parts: u64,
    /// Parts that were made again from `driver_quantities`, with no difference.
    pub splits_recomputed: u64,
}

/// A total of one stage; amounts are exact decimal text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTotal {
    /// `normalization` or `allocation`.
    pub stage: String,
    /// Name of the source.
    pub source: String,
    /// `billed`, `effective`, `list` or `contracted`.
    pub ledger: String,
    /// Currency code.
    pub currency: String,
    /// Total of the source by an independent computation.
    #[serde(deserialize_with = "amount::text")]
    pub source_total: String,
    /// Total of the rows left out on purpose.
    #[serde(deserialize_with = "amount::text")]
    pub left_out: String,
    /// Total of the charges.
    #[serde(deserialize_with = "amount::text")]
    pub normalized: String,
    /// Total of the allocated parts; missing before allocation.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "amount::optional")]
    pub allocated: Option<String>,
    /// What the conversion of binary floats cut off or added.
    #[serde(deserialize_with = "amount::text")]
    pub conversion_residual: String,
    /// What is unexplained.
    #[serde(deserialize_with = "amount::text")]
    pub difference: String,
    /// Rows behind the total.
    pub rows: u64,
}

/// A partition of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedPartition {
    /// The table.
    pub table: String,
    /// The partition.
    pub partition: PartitionValues,
    /// Identity of the content, see [`crate::TableVersion::digest`].
    pub digest: String,
    /// The run that published it.
    pub run_id: String,
    /// Digest of everything it was computed from.
    pub input_digest: String,
    /// The objects that hold it, in part order.
    pub objects: Vec<CertifiedObject>,
}

/// An object of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedObject {
    /// Name relative to the destination.
    pub object: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256 of the content in hexadecimal.
    pub sha256: String,
}

impl Certificate {
    /// Form of the documents that this version writes.
    pub const FORM: u32 = FORM;
}

impl CertifiedPartition {
    /// What a publication wrote or confirmed. Its digest is to be asked of the sink.
    #[must_use]
    pub fn new(unit: &PublishUnit, published: &Published) -> Self {
        let objects = published.objects.iter().zip(&unit.parts).map(|(object, part)| CertifiedObject {
            object: object.clone(),
            bytes: part.bytes,
            sha256: part.sha256.clone(),
        });
        Self {
            table: unit.table.name.clone(),
            partition: unit.partition.clone(),
            digest: String::new(),
            run_id: unit.provenance.run_id.clone(),
            input_digest: unit.provenance.input_digest.clone(),
            objects: objects.collect(),
        }
    }
}

/// The certificate of a billing period (`YYYY-MM`), or `None`.
///
/// # Errors
///
/// `ContractViolated` for a document of another form or none of ours; store errors.
pub async fn read_certificate(destination: &Destination, period: &str) -> Result<Option<Certificate>> {
    let name = document(period);
    let found: Option<Certificate> = destination.read_json(&name).await?;
    match found {
        Some(certificate) if certificate.form != FORM => {
            Err(Error::new(ErrorKind::ContractViolated, "the certificate was written by another version")
                .with("object", name)
                .with("form", certificate.form))
        }
        other => Ok(other),
    }
}

/// Writes the certificate of its billing period, in place of the one there was.
///
/// # Errors
///
/// Store errors.
pub async fn write_certificate(destination: &Destination, certificate: &Certificate) -> Result<()> {
    let certificate = Certificate { form: FORM, ..certificate.clone() };
    destination.write_json(&document(&certificate.billing_period), &certificate).await
}

/// Takes back the certificate of a billing period whose tables are about to change, and returns it.
///
/// # Errors
///
/// Store errors. A certificate that cannot be read is taken back as well.
pub async fn withdraw_certificate(destination: &Destination, period: &str) -> Result<Option<Certificate>> {
    let name = document(period);
    let found = match read_certificate(destination, period).await {
        Err(error) if error.kind() == ErrorKind::ContractViolated => None,
        Ok(None) => return Ok(None),
        other => other?,
    };
    destination.delete(&destination.location(&name)).await?;
    Ok(found)
}

fn document(period: &str) -> String {
    format!("{INTERNAL_FOLDER}/certificates/{period}.json")
}

/// The billing periods that some object of the named tables, or a certificate, belongs to.
///
/// Objects are only listed, so a partition that cannot be read is found as well.
///
/// # Errors
///
/// Store errors.
pub async fn stored_periods(destination: &Destination, tables: &[&str]) -> Result<BTreeSet<String>> {
    let mut periods = BTreeSet::new();
    for table in tables {
        for object in destination.list(table).await? {
            let period = object
                .location
                .parts()
                .find_map(|part| part.as_ref().strip_prefix("x_BillingPeriod=").map(str::to_owned));
            periods.extend(period);
        }
    }
    periods.extend(certified_periods(destination).await?);
    Ok(periods)
}

/// Billing periods that have a certificate.
///
/// # Errors
///
/// Store errors.
pub async fn certified_periods(destination: &Destination) -> Result<BTreeSet<String>> {
    let documents = destination.list(&format!("{INTERNAL_FOLDER}/certificates")).await?;
    let period = |name: &str| name.strip_suffix(".json").map(str::to_owned);
    Ok(documents.iter().filter_map(|document| period(document.location.filename()?)).collect())
}

/// Size and SHA-256 of an object, read piece by piece.
///
/// # Errors
///
/// `NotFound` if it is gone; store errors.
pub async fn hash_object(destination: &Destination, location: &Path) -> Result<(u64, String)> {
    let refused = |cause| error::store(cause, "read an object", location);
    let found = destination.store().get(location).await.map_err(refused)?;
    let mut pieces = found.into_stream();
    let (mut hasher, mut bytes) = (Sha256::new(), 0_u64);
    while let Some(piece) = pieces.try_next().await.map_err(refused)? {
        hasher.update(&piece);
        bytes += piece.len() as u64;
    }
    Ok((bytes, digest::hex(&hasher.finalize())))
}
