//! Whether an export of two datasets is complete.
//!
//! Azure's actual cost holds what was bought, its amortized cost what was used of it. With one of
//! them alone, commitments would be missing or counted twice, so such a month is refused.

use std::collections::BTreeSet;

use apportion_spec::{Error, ErrorKind, Result};

use super::Part;
use super::check::Found;
use crate::contract::SourceContract;
use crate::discover::DiscoveredUnit;
use crate::store::Location;

/// The dataset that all rows are of, when the export consists of a single one and may.
pub(super) fn judge(
    location: &Location,
    unit: &DiscoveredUnit,
    contract: &SourceContract,
    parts: &[(Part, Found)],
) -> Result<Option<&'static str>> {
    let Some(datasets) = contract.datasets else { return Ok(None) };
    let present: BTreeSet<&str> = parts.iter().filter_map(|(part, _)| part.dataset.as_deref()).collect();
    let unlabelled = unit.objects.iter().find(|meta| !unit.datasets.contains_key(&meta.location));
    let commitments = parts.iter().any(|(_, found)| found.has(datasets.both_needed_with));
    let [first, second] = datasets.names;
    let error = |kind, message: String| Error::new(kind, message).with("period", unit.billing_period);
    if let (Some(meta), true) = (unlabelled, commitments || !present.is_empty()) {
        let object = location.name(&meta.location);
        let message = "neither a manifest nor the path says whether the object holds actual or amortized cost; \
                       put `actual` or `amortized` into the name of its folder";
        return Err(error(ErrorKind::Config, message.to_owned()).with("object", object));
    }
    let missing = datasets.names.iter().find(|name| !present.contains(**name));
    match missing {
        Some(missing) if commitments => {
            let message = format!(
                "the {missing} export of the month is missing: purchases of reservations and savings plans are in \
                 {first}, their use is in {second}, so a month needs both"
            );
            Err(error(ErrorKind::NotFound, message))
        }
        Some(_) => Ok(Some(second)),
        None => Ok(None),
    }
}
