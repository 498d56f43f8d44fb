//! Holds the objects of a period against its certificate: each still there, and still the same.

use std::collections::BTreeMap;

use apportion_sinks::{Certificate, hash_object};
use apportion_spec::{ErrorKind, Result};
use object_store::path::Path;

use super::report::{Amount, Finding};
use crate::destination::OpenDestination;
use crate::published::{PublishedPeriod, of_the_data};

/// Compares every object of the readable tables; returns findings, and how many objects of each
/// table were read again.
///
/// # Errors
/// Those of the store that another content of the tables would not mend.
pub(crate) async fn compare(
    destination: &OpenDestination,
    published: &PublishedPeriod,
    certificate: &Certificate,
) -> Result<(Vec<Finding>, BTreeMap<String, u64>)> {
    let mut findings = Vec::new();
    let mut hashed: BTreeMap<String, u64> = BTreeMap::new();
    let half_published = |table: &str| {
        published.unreadable.iter().any(|(name, error)| *name == table && error.kind() == ErrorKind::Conflict)
    };
    let unreadable = |table: &str| published.unreadable.iter().any(|(name, _)| *name == table);
    let mut current: BTreeMap<(&str, String), Path> = BTreeMap::new();
    for (name, table) in &published.tables {
        for object in &table.objects {
            let location = object.meta.location.clone();
            current.insert((name, destination.place.relative(&location)), location);
        }
    }
    for partition in &certificate.partitions {
        // What is half published is reported once, and its objects are anything.
        if half_published(&partition.table) {
            continue;
        }
        for object in &partition.objects {
            let at = |message: &str| Finding::new("object", &partition.table, message).at("object", &object.object);
            let listed = current.remove(&(partition.table.as_str(), object.object.clone()));
            if listed.is_none() && !unreadable(&partition.table) {
                findings.push(at("the object is missing: the table no longer holds it"));
                continue;
            }
            let location = listed.unwrap_or_else(|| destination.place.location(&object.object));
            match hash_object(&destination.place, &location).await {
                Ok((bytes, sha256)) => {
                    *hashed.entry(partition.table.clone()).or_default() += 1;
                    if sha256 != object.sha256 {
                        findings.push(
                            at("the object is not the one that was certified")
                                .amount(Amount::text("sha256", &object.sha256, sha256))
                                .amount(Amount::text("bytes", object.bytes, bytes)),
                        );
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    findings.push(at("the object is missing"));
                }
                Err(error) => findings.push(at(&of_the_data(error)?.to_string())),
            }
        }
    }
    for (table, object) in current.into_keys() {
        findings.push(Finding::new("object", table, "the certificate does not name this object").at("object", object));
    }
    Ok((findings, hashed))
}
