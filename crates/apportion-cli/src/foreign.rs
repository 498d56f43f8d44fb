//! Objects among the tables that no run published: found by every command that looks at what is published.

use std::collections::{BTreeMap, BTreeSet};

use apportion_sinks::units::UnitIndex;
use apportion_sinks::{ForeignObject, Listed, Strayed};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use serde::Serialize;

use crate::destination::OpenDestination;
use crate::tables::{PUBLISHED, Tables};
use crate::verify::Finding;

/// A foreign object in a report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ForeignReport {
    /// Name relative to the destination.
    pub(crate) object: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// The billing period in whose partition it lies.
    pub(crate) billing_period: Option<String>,
    /// Whether readers take it for part of a table.
    pub(crate) counted: bool,
    /// What is wrong with it and what to do.
    pub(crate) message: String,
}

impl From<&ForeignObject> for ForeignReport {
    fn from(object: &ForeignObject) -> Self {
        Self {
            object: object.object.clone(),
            bytes: object.bytes,
            billing_period: object.billing_period.clone(),
            counted: object.counted,
            message: object.message(),
        }
    }
}

impl From<&ForeignObject> for Finding {
    fn from(object: &ForeignObject) -> Self {
        Self::new("object", &object.table, object.message()).at("object", &object.object)
    }
}

/// What lies among the tables and does not agree with what is remembered as published.
///
/// # Errors
/// Those of the destination's store.
pub(crate) async fn find(
    destination: &OpenDestination,
    index: &UnitIndex,
    sizes: &BTreeMap<String, u64>,
) -> Result<Strayed> {
    let tables = Tables::new(None);
    let published = || index.units.values().flat_map(|unit| &unit.published);
    let known: BTreeSet<String> = published().flat_map(|entry| entry.objects.iter().cloned()).collect();
    let mut all = Strayed::default();
    for name in PUBLISHED {
        let last_version = published().filter(|entry| entry.table == name).map(|entry| entry.version).max();
        let listed = Listed { sizes, known: &known };
        let found = destination.sink.strayed(&tables.spec(name)?, listed, last_version).await?;
        all.foreign.extend(found.foreign);
        all.dropped.extend(found.dropped);
    }
    for object in &all.foreign {
        tracing::warn!(object = object.object, "{}", object.message());
    }
    Ok(all)
}

/// Why nothing is published in a month, if something foreign lies in its partitions.
pub(crate) fn refusal(foreign: &[ForeignObject], period: BillingPeriod) -> Option<Error> {
    let here: Vec<&str> = foreign
        .iter()
        .filter(|object| object.counted && object.billing_period.as_deref() == Some(period.to_string().as_str()))
        .map(|object| object.object.as_str())
        .collect();
    let message = "objects that no run published lie among the tables of this month, so nothing is published beside \
                   them; move them out of the tables' folders, they are never deleted by us";
    (!here.is_empty()).then(|| Error::new(ErrorKind::Held, message).with("objects", here.join(", ")))
}
