//! The telemetry a pipeline declares, listed: which objects there are and which days they cover.
//!
//! Enough to tell whether anything changed for a billing period, at the price of one listing per
//! telemetry: the spans of objects seen before are remembered beside the tables.

use std::collections::BTreeMap;

use apportion_sinks::units::{ObjectSpan, TelemetryIndex};
use apportion_sources::telemetry::{ListedObject, TelemetryColumns, TimeRange, spans};
use apportion_sources::{Location, StoreOptions};
use apportion_spec::Result;
use chrono::DateTime;

use crate::changes::of_objects;
use crate::project::Project;

/// All telemetry of a pipeline as its listing shows it.
#[derive(Debug, Default)]
pub(crate) struct TelemetrySurvey {
    objects: BTreeMap<String, Vec<ListedObject>>,
}

impl TelemetrySurvey {
    /// Lists every telemetry, with what is remembered of earlier listings.
    ///
    /// # Errors
    /// Those of opening a store, and of locations without objects.
    pub(crate) async fn take(project: &Project, remembered: &TelemetryIndex) -> Result<Self> {
        let mut objects = BTreeMap::new();
        for declared in &project.pipeline.telemetry {
            let location =
                Location::open(&declared.location, &project.base, &StoreOptions::from(&declared.store)).await?;
            let known = remembered.objects.get(&declared.name);
            let span = |meta: &object_store::ObjectMeta| {
                let known = known?.get(meta.location.as_ref())?;
                let same = known.bytes == meta.size && known.e_tag == meta.e_tag && known.time == declared.time;
                // Without a tag a rewritten object of the same size would go unnoticed.
                (same && meta.e_tag.is_some()).then_some(known.span)
            };
            let formerly = |meta: &object_store::ObjectMeta| known?.get(meta.location.as_ref())?.span;
            let listed = spans(&location, &TelemetryColumns::from(declared), span, formerly).await?;
            objects.insert(declared.name.clone(), listed);
        }
        Ok(Self { objects })
    }

    /// What to remember of this listing.
    pub(crate) fn to_remember(&self, project: &Project) -> TelemetryIndex {
        let mut index = TelemetryIndex::default();
        for declared in &project.pipeline.telemetry {
            let listed = self.objects.get(&declared.name).into_iter().flatten();
            let spans = listed.map(|object| {
                let span = ObjectSpan {
                    bytes: object.meta.size,
                    e_tag: object.meta.e_tag.clone(),
                    time: declared.time.clone(),
                    span: object.span,
                };
                (object.meta.location.to_string(), span)
            });
            index.objects.insert(declared.name.clone(), spans.collect());
        }
        index
    }

    /// Digest of the objects of every telemetry that may hold rows of the given spans, which are
    /// half open and in seconds since 1970.
    pub(crate) fn fingerprints(&self, spans: &[(i64, i64)]) -> BTreeMap<String, String> {
        let ranges: Vec<TimeRange> = spans
            .iter()
            .filter_map(|(from, to)| {
                Some(TimeRange { from: DateTime::from_timestamp(*from, 0)?, to: DateTime::from_timestamp(*to, 0)? })
            })
            .collect();
        let fingerprint = |objects: &Vec<ListedObject>| {
            let reached = objects.iter().filter(|object| ranges.iter().any(|range| object.reaches(*range)));
            of_objects(reached.map(|object| &object.meta))
        };
        self.objects.iter().map(|(name, objects)| (name.clone(), fingerprint(objects))).collect()
    }
}
