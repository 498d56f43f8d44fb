//! Which documents of the run ledger nothing needs any more.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;

use apportion_spec::Result;

use crate::destination::{Destination, INTERNAL_FOLDER};
use crate::ledger::{RunEntry, UnitStatus, read_runs};

/// Documents of runs that started before `cutoff` and that neither `in_use` names (documents by
/// their path relative to the destination) nor the ledger itself needs.
///
/// Documents that cannot be read are kept: what they say is not known.
pub(super) async fn unused(
    destination: &Destination,
    in_use: &BTreeSet<String>,
    cutoff: DateTime<Utc>,
) -> Result<Vec<ObjectMeta>> {
    let runs = read_runs(destination).await?;
    let newest = newest(&runs);
    let removable: BTreeSet<String> = runs
        .iter()
        .filter(|run| run.started_at < cutoff && !newest.contains(run.run_id.as_str()))
        .map(|run| document(&run.run_id))
        .filter(|document| !in_use.contains(document))
        .collect();
    let mut objects = destination.list(&format!("{INTERNAL_FOLDER}/ledger")).await?;
    objects.retain(|object| removable.contains(&destination.relative(&object.location)));
    Ok(objects)
}

/// Runs that the next run looks back to: per unit the last one, the last that ended well and the
/// last that changed what is published, the latter per partition of each table too.
fn newest(runs: &[RunEntry]) -> BTreeSet<&str> {
    let mut last: BTreeMap<String, &str> = BTreeMap::new();
    // Runs come oldest first, so later ones replace earlier ones.
    for run in runs {
        for unit in &run.units {
            let name = format!("{}|{:?}|{}", unit.table, unit.source, unit.billing_period);
            last.insert(format!("tried|{name}"), &run.run_id);
            if matches!(unit.status, UnitStatus::Published | UnitStatus::Unchanged) {
                last.insert(format!("ended|{name}"), &run.run_id);
            }
            for published in unit.published.iter().filter(|published| published.changed) {
                last.insert(format!("published|{}|{:?}", published.table, published.partition), &run.run_id);
            }
        }
    }
    last.into_values().collect()
}

fn document(run_id: &str) -> String {
    format!("{INTERNAL_FOLDER}/ledger/{run_id}.json")
}
