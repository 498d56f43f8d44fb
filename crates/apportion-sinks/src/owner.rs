//! Whose tables lie at a destination: one small document beside them.
//!
//! Without it another pipeline that is pointed here by mistake would replace the tables, or publish its
//! own charges beside those of the first, and both would add up.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use apportion_spec::{ErrorKind, Result};

use crate::destination::{Destination, INTERNAL_FOLDER};

/// Form of the document. One of another form is not used.
const FORM: u32 = 1;

/// Content of `_apportion/owner.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationOwner {
    form: u32,
    /// Name of the pipeline.
    pub pipeline: String,
    /// Digest of the location of every source, by name.
    pub sources: BTreeMap<String, String>,
}

impl DestinationOwner {
    /// The owner that a pipeline of this name with these sources would be.
    #[must_use]
    pub fn new(pipeline: &str, sources: BTreeMap<String, String>) -> Self {
        Self { form: FORM, pipeline: pipeline.to_owned(), sources }
    }

    /// Reads the document: `None` when there is none, `Some(None)` when it cannot be read.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn read(destination: &Destination) -> Result<Option<Option<Self>>> {
        match destination.read_json::<Self>(&document()).await {
            Ok(found) => Ok(found.map(|owner| (owner.form == FORM).then_some(owner))),
            Err(error) if error.kind() == ErrorKind::ContractViolated => {
                tracing::warn!(%error, "the document that says whose destination this is cannot be read");
                Ok(Some(None))
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces the document in one step.
    ///
    /// # Errors
    ///
    /// Store errors.
    pub async fn write(&self, destination: &Destination) -> Result<()> {
        destination.write_json(&document(), self).await
    }
}

fn document() -> String {
    format!("{INTERNAL_FOLDER}/owner.json")
}

/// Sources that have partitions in a table, and whether any table holds anything: only listed, so that it is known
/// of tables that cannot be read as well.
///
/// # Errors
///
/// Store errors.
pub async fn sources_listed(destination: &Destination, tables: &[&str]) -> Result<(BTreeSet<String>, bool)> {
    let (mut sources, mut any) = (BTreeSet::new(), false);
    for table in tables {
        for object in destination.list(table).await? {
            any |= object.location.extension() == Some("parquet");
            let mut folders = object.location.parts();
            sources.extend(folders.find_map(|part| part.as_ref().strip_prefix("x_Source=").map(str::to_owned)));
        }
    }
    Ok((sources, any))
}
