//! Damage to what lies beside the tables: told by every run, and mended by it as far as its months go.

use apportion_sinks::{Documents, damaged_runs, rewrite_configuration, set_aside};
use apportion_spec::Result;

use crate::changes::Published;
use crate::run::Run;

/// Tells what cannot be read and sets aside what no run writes again: old ledger documents, configurations that are
/// not today's, states of partitions that nothing is remembered of. The rest is written again with its month. A
/// configuration that an older version kept as it was written is written again without comments and secrets.
///
/// # Errors
/// Those of the destination's store.
pub(crate) async fn heal(run: &Run, published: &Published) -> Result<Vec<String>> {
    let place = &run.destination.place;
    let mut notes = Vec::new();
    if published.index.damaged {
        notes.push("`_apportion/units.json` could not be read: every unit is done again".to_owned());
    }
    let today = format!("{}.json", run.project.digest);
    let known = |folder: &str| {
        let objects = published.index.units.values().flat_map(|unit| &unit.published).flat_map(|entry| &entry.objects);
        objects.into_iter().any(|object| object.rsplit_once('/').is_some_and(|(it, _)| it == folder))
    };
    for (name, why) in &published.documents.damaged {
        let state = name.strip_prefix("_apportion/tables/").and_then(|rest| rest.strip_suffix("/state.json"));
        let mended = match state {
            Some(folder) if published.index.damaged || known(folder) => Some("its partition is published again"),
            Some(_) => None,
            None if name.contains("/certificates/") => Some("its month is certified again"),
            None if name.ends_with(&today) => Some("it is written again"),
            None => None,
        };
        let done = match mended {
            Some(mended) => mended.to_owned(),
            None => format!("it was set aside as `{}`", set_aside(place, name).await?),
        };
        notes.push(format!("`{name}` could not be read ({why}): {done}"));
    }
    for (name, why) in damaged_runs(place, &published.documents.runs).await? {
        let aside = set_aside(place, &name).await?;
        notes.push(format!("`{name}` could not be read ({why}): it was set aside as `{aside}`"));
    }
    for digest in &published.documents.verbatim {
        let Some(form) = rewrite_configuration(place, digest).await? else { continue };
        let held: Vec<&str> = form.secrets.iter().copied().collect();
        let held = match held.as_slice() {
            [] => String::new(),
            kinds => format!(
                " It held what looks like {}: take it for known to everybody who could read it, and revoke it",
                kinds.join(" and ")
            ),
        };
        notes.push(format!(
            "`_apportion/configurations/{digest}.json` held the pipeline file as it was written; it is kept under the              same name without its comments and without secrets now.{held}"
        ));
    }
    for note in &notes {
        tracing::warn!("{note}");
    }
    Ok(notes)
}

/// Remembers how the documents look now, so that the next run need not read them.
///
/// # Errors
/// Those of the destination's store.
pub(crate) async fn remember(run: &Run, published: &mut Published) -> Result<()> {
    let documents = Documents::survey(&run.destination.place, &published.index.documents).await?;
    if documents.whole != published.index.documents {
        published.index.documents.clone_from(&documents.whole);
        published.index.write(&run.destination.place).await?;
    }
    Ok(())
}
