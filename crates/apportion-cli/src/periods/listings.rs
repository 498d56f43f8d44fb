//! What a run lists before it plans anything, and what it remembers of that for the next one.

use apportion_sinks::units::{SourceIndex, TelemetryIndex, unit_key};
use apportion_spec::Result;

use crate::changes::Published;
use crate::run::Run;
use crate::survey::TelemetrySurvey;
use crate::tables::FOCUS_CHARGES;
use crate::units::{OpenSources, Units};

/// Lists the sources and remembers which billing periods objects have that name none.
pub(super) async fn open_sources<'a>(
    run: &'a Run,
    names: &[String],
    notes: &mut Vec<String>,
) -> Result<OpenSources<'a>> {
    let place = &run.destination.place;
    let remembered = SourceIndex::read(place).await?;
    if remembered.damaged {
        notes.push("`_apportion/sources.json` could not be read: it is written again".to_owned());
    }
    let sources = OpenSources::open(&run.project, names, &run.limits, &remembered).await?;
    let now = sources.to_remember(&remembered);
    if now != remembered
        && let Err(error) = now.write(place).await
    {
        tracing::warn!(%error, "the billing periods of export objects could not be remembered");
    }
    Ok(sources)
}

/// Lists the telemetry and remembers which days its objects cover. A telemetry that cannot be
/// listed fails the allocations that read it, not the run.
pub(super) async fn take_survey(run: &Run, notes: &mut Vec<String>) -> Result<TelemetrySurvey> {
    let place = &run.destination.place;
    let remembered = TelemetryIndex::read(place).await.unwrap_or_default();
    if remembered.damaged {
        notes.push("`_apportion/telemetry.json` could not be read: it is written again".to_owned());
    }
    let survey = TelemetrySurvey::take(&run.project, &remembered).await;
    let survey = survey.inspect_err(|error| tracing::warn!(%error, "telemetry cannot be listed"))?;
    let now = survey.to_remember(&run.project);
    if now != remembered
        && let Err(error) = now.write(place).await
    {
        tracing::warn!(%error, "the days that telemetry objects cover could not be remembered");
    }
    Ok(survey)
}

/// A listing may change without anything to be done; the next run need not look closer again.
pub(super) async fn remember_listings(run: &Run, units: &Units<'_>, published: &mut Published) -> Result<()> {
    let mut changed = false;
    for (source, period, listing) in units.listings_up_to_date() {
        let key = unit_key(FOCUS_CHARGES, Some(source), &period.to_string());
        if let Some(unit) = published.index.units.get_mut(&key).filter(|unit| unit.listing_digest != *listing) {
            unit.listing_digest.clone_from(listing);
            changed = true;
        }
    }
    if changed { published.index.write(&run.destination.place).await } else { Ok(()) }
}
