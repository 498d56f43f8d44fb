//! Which two versions are compared, and which versions of the charges each was computed from.

use apportion_sinks::ledger::UnitEntry;
use apportion_sinks::{Format, PartitionVersion, Provenance, TableObject, TableSpec, read_run};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result, did_you_mean};
use chrono::{DateTime, Utc};

use crate::destination::OpenDestination;
use crate::tables::{ALLOCATED_CHARGES, FOCUS_CHARGES, Tables};

/// A version of the allocated charges of a billing period.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) number: u64,
    pub(super) current: bool,
    pub(super) provenance: Provenance,
    /// When the unit that published it ended, as far as the ledger still tells.
    pub(super) published_at: Option<DateTime<Utc>>,
    /// What that unit read.
    pub(super) unit: Option<UnitEntry>,
    /// The published charges it was computed from, by source.
    pub(super) charges: Vec<ChargesVersion>,
}

/// A version of the charges of one source.
#[derive(Debug, Clone)]
pub(super) struct ChargesVersion {
    pub(super) source: String,
    /// The number to ask for.
    pub(super) number: u64,
    /// Where it came from; `None` when the version is no longer kept.
    pub(super) provenance: Option<Provenance>,
}

/// The partition of the allocation tables.
pub(super) fn partition(period: BillingPeriod) -> Vec<(String, String)> {
    vec![("x_BillingPeriod".to_owned(), period.to_string())]
}

/// The partition of a source's charges.
pub(super) fn charges_partition(source: &str, period: BillingPeriod) -> Vec<(String, String)> {
    vec![("x_Source".to_owned(), source.to_owned()), ("x_BillingPeriod".to_owned(), period.to_string())]
}

/// The two versions that `--from` and `--to` name, older first.
///
/// # Errors
/// [`ErrorKind::NotFound`] naming the kept versions when one is not kept, [`ErrorKind::Config`]
/// when the order is wrong.
pub(super) async fn choose(
    destination: &OpenDestination,
    tables: &Tables,
    period: BillingPeriod,
    from: Option<&str>,
    to: &str,
) -> Result<(Version, Version)> {
    let spec = tables.spec(ALLOCATED_CHARGES)?;
    let kept = destination.sink.versions(&spec, &partition(period)).await?;
    if kept.is_empty() {
        return Err(Error::new(
            ErrorKind::NotFound,
            "the billing period has no allocated charges; `apportion run` writes them",
        )
        .with("billing_period", period)
        .with("destination", &destination.shown));
    }
    let newer = find(destination, &kept, period, to).await?;
    let older = match from {
        Some(text) => find(destination, &kept, period, text).await?,
        None => kept.iter().find(|version| version.version < newer.version).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("version {} is the oldest that is kept, so there is nothing to compare it with", newer.version),
            )
            .with("billing_period", period)
            .with("kept", list(&kept))
        })?,
    };
    if older.version >= newer.version {
        let message = format!(
            "--from is version {} and --to is version {}: name an older and a newer one",
            older.version, newer.version
        );
        return Err(Error::new(ErrorKind::Config, message).with("kept", list(&kept)));
    }
    Ok((load(destination, tables, period, older).await?, load(destination, tables, period, newer).await?))
}

fn list(kept: &[PartitionVersion]) -> String {
    let names: Vec<String> =
        kept.iter().map(|version| format!("{} (run {})", version.version, version.provenance.run_id)).collect();
    names.join(", ")
}

/// The version a number, a run or `current` means.
async fn find<'a>(
    destination: &OpenDestination,
    kept: &'a [PartitionVersion],
    period: BillingPeriod,
    text: &str,
) -> Result<&'a PartitionVersion> {
    let missing = |message: String| {
        Error::new(ErrorKind::NotFound, message).with("billing_period", period).with("kept", list(kept))
    };
    if text == "current" {
        return kept
            .iter()
            .find(|version| version.current)
            .ok_or_else(|| missing("a run left the billing period half published; run it again".to_owned()));
    }
    if let Ok(number) = text.parse::<u64>() {
        return kept.iter().find(|version| version.version == number).ok_or_else(|| {
            missing(format!("version {number} is not kept; `destination.keep_versions` says how many older ones are"))
        });
    }
    if let Some(version) = kept.iter().find(|version| version.provenance.run_id == text) {
        return Ok(version);
    }
    let known = kept.iter().map(|version| version.provenance.run_id.as_str());
    let hint = did_you_mean(text, known);
    if read_run(&destination.place, text).await?.is_none() {
        return Err(missing(format!("`{text}` is no version and no run{hint}")));
    }
    // A run that changed nothing left the version of an earlier run; run ids sort by time.
    kept.iter()
        .find(|version| version.provenance.run_id.as_str() < text)
        .ok_or_else(|| missing(format!("the version that was current after run `{text}` is no longer kept")))
}

async fn load(
    destination: &OpenDestination,
    tables: &Tables,
    period: BillingPeriod,
    version: &PartitionVersion,
) -> Result<Version> {
    let unit = unit_of(destination, &version.provenance, ALLOCATED_CHARGES, None, period).await?;
    let mut charges = Vec::new();
    for read in version.provenance.partitions_read.iter().filter(|read| read.table == FOCUS_CHARGES) {
        let Some((_, source)) = read.partition.iter().find(|(column, _)| column == "x_Source") else { continue };
        charges.push(
            charges_version(destination, &tables.spec(FOCUS_CHARGES)?, source, &read.partition, read.version).await?,
        );
    }
    Ok(Version {
        number: version.version,
        current: version.current,
        provenance: version.provenance.clone(),
        published_at: unit.as_ref().and_then(|unit| unit.finished_at),
        unit,
        charges,
    })
}

/// What the ledger says about the unit that published something, if its document is still there.
pub(super) async fn unit_of(
    destination: &OpenDestination,
    provenance: &Provenance,
    table: &str,
    source: Option<&str>,
    period: BillingPeriod,
) -> Result<Option<UnitEntry>> {
    let run = match read_run(&destination.place, &provenance.run_id).await {
        Err(error) if error.kind() == ErrorKind::ContractViolated => None,
        other => other?,
    };
    let same = |unit: &UnitEntry| {
        unit.table == table && unit.source.as_deref() == source && unit.billing_period == period.to_string()
    };
    Ok(run.and_then(|run| run.units.into_iter().find(same)))
}

/// The version a partition had when its table was at `number`. Where versions count commits of the
/// whole table, that is the newest one up to it.
async fn charges_version(
    destination: &OpenDestination,
    spec: &TableSpec,
    source: &str,
    partition: &[(String, String)],
    number: u64,
) -> Result<ChargesVersion> {
    let of_table = destination.sink.format() == Format::Delta;
    let kept = destination.sink.versions(spec, &partition.to_vec()).await?;
    let found = kept.into_iter().find(|it| if of_table { it.version <= number } else { it.version == number });
    Ok(ChargesVersion {
        source: source.to_owned(),
        number: found.as_ref().map_or(number, |version| version.version),
        provenance: found.map(|version| version.provenance),
    })
}

/// The objects of a version, each of which still exists.
///
/// # Errors
/// [`ErrorKind::NotFound`] when the version, or one of its objects, was deleted; store errors.
pub(super) async fn objects(
    destination: &OpenDestination,
    spec: &TableSpec,
    partition: &[(String, String)],
    number: u64,
) -> Result<Vec<TableObject>> {
    let objects = destination.sink.version_objects(spec, &partition.to_vec(), number).await?;
    for object in &objects {
        if !destination.place.holds(&object.meta.location).await? {
            return Err(Error::new(ErrorKind::NotFound, "the files of this version were deleted")
                .with("table", &spec.name)
                .with("version", number)
                .with("object", &object.meta.location));
        }
    }
    Ok(objects)
}
