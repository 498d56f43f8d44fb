//! Whether an export of two datasets is complete.
//!
//! Azure's actual cost holds what was bought, its amortized cost what was used of it. With one of
//! them alone, commitments would be missing or counted twice, so such a month is refused unless no
//! row is of a commitment.

use std::collections::BTreeSet;

use apportion_spec::{Error, ErrorKind, Result};
use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::TryStreamExt;

use super::Part;
use super::check::Found;
use crate::contract::{CommitmentSign, Datasets, SourceContract};
use crate::discover::DiscoveredUnit;
use crate::objects::Footer;
use crate::offender;
use crate::store::Location;

/// That all rows are of one dataset.
#[derive(Debug)]
pub(super) struct Alone {
    /// Its name.
    pub(super) dataset: &'static str,
    /// What the reader should know about it.
    pub(super) note: Option<String>,
}

/// The dataset that all rows are of, when the export consists of a single one and may.
pub(super) async fn judge(
    location: &Location,
    unit: &DiscoveredUnit,
    contract: &SourceContract,
    parts: &[(Part, Found)],
) -> Result<Option<Alone>> {
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
            if !any_commitment(contract, &datasets, parts).await? {
                let delivered = if *missing == first { second } else { first };
                let note = format!(
                    "the month has the {delivered} export alone; none of its rows is of a commitment, so the {missing} \
                     export would say the same"
                );
                return Ok(Some(Alone { dataset: second, note: Some(note) }));
            }
            let message = format!(
                "the {missing} export of the month is missing: purchases of reservations and savings plans are in \
                 {first}, their use is in {second}, so a month needs both"
            );
            Err(error(ErrorKind::NotFound, message))
        }
        Some(_) => Ok(Some(Alone { dataset: second, note: None })),
        None => Ok(None),
    }
}

/// Whether a row of any object is of a commitment.
async fn any_commitment(contract: &SourceContract, datasets: &Datasets, parts: &[(Part, Found)]) -> Result<bool> {
    for (part, _) in parts {
        for footer in &part.footers {
            if shows_commitment(contract, datasets, &part.location, footer).await? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

async fn shows_commitment(
    contract: &SourceContract,
    datasets: &Datasets,
    location: &Location,
    footer: &Footer,
) -> Result<bool> {
    let mut signs: Vec<(&str, &CommitmentSign)> = Vec::new();
    for (name, sign) in datasets.commitment_signs {
        let Some(column) = contract.column(name) else { continue };
        let delivered = footer.schema.fields().iter().filter(|it| contract.rank(it.name(), column).is_some());
        signs.extend(delivered.map(|field| (field.name().as_str(), sign)));
    }
    let names: Vec<&str> = signs.iter().map(|(name, _)| *name).collect();
    let object = location.name(&footer.meta.location);
    let mut batches = Box::pin(offender::columns(location, footer, &names, &object)?);
    while let Some(batch) = batches.try_next().await? {
        for (name, sign) in &signs {
            let texts = batch.column_by_name(name).and_then(|column| cast(column, &DataType::Utf8).ok());
            // A value that is no text is one that nobody knows.
            let Some(texts) = texts else { return Ok(true) };
            if texts.as_string::<i32>().iter().flatten().any(|value| sign.is_shown_by(value)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
