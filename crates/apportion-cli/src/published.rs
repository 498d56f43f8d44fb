//! The written tables of one billing period, opened without the pipeline that wrote them.
//!
//! Columns are those the files have. What cannot be read is named object by object, because the
//! person who reads the message has to replace a file, not a table.

use std::collections::BTreeMap;

use apportion_sinks::{TableObject, TableSpec, objects_table, stored_periods};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result, did_you_mean};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::prelude::SessionContext;
use object_store::ObjectStoreExt;

use crate::certificate::BILLING_PERIOD;
use crate::destination::OpenDestination;
use crate::query::with_stored_columns;
use crate::staging::query_error;
use crate::tables::{ALLOCATED_CHARGES, DRIVER_QUANTITIES, PUBLISHED, Tables};

/// A table of a period that can be read.
#[derive(Debug)]
pub(crate) struct OpenTable {
    pub(crate) spec: TableSpec,
    pub(crate) objects: Vec<TableObject>,
}

/// The tables of a period: the readable ones by name, and why others are not.
#[derive(Debug, Default)]
pub(crate) struct PublishedPeriod {
    pub(crate) tables: BTreeMap<&'static str, OpenTable>,
    pub(crate) unreadable: Vec<(&'static str, Error)>,
}

impl PublishedPeriod {
    /// Opens every written table of the period.
    ///
    /// # Errors
    /// What no other file could mend: refused access, exhausted memory.
    pub(crate) async fn open(
        context: &SessionContext,
        destination: &OpenDestination,
        period: BillingPeriod,
    ) -> Result<Self> {
        let tables = Tables::new(None);
        let mut opened = Self::default();
        for name in PUBLISHED {
            let spec = tables.spec(name)?;
            let filter = [(BILLING_PERIOD.to_owned(), period.to_string())];
            let objects = match destination.sink.read_objects(&spec, &filter).await {
                Ok(objects) if objects.is_empty() => continue,
                Ok(objects) => objects,
                Err(error) => {
                    opened.unreadable.push((name, of_the_data(error)?));
                    continue;
                }
            };
            match with_stored_columns(context, destination, spec, &objects).await {
                Ok(spec) => drop(opened.tables.insert(name, OpenTable { spec, objects })),
                Err(error) => {
                    let _ = of_the_data(error)?;
                    for error in broken_objects(context, destination, &objects).await? {
                        opened.unreadable.push((name, error));
                    }
                }
            }
        }
        opened.without_quantities(&tables)?;
        Ok(opened)
    }

    /// Where no rule splits anything there are no quantities: an empty table, not a missing one.
    fn without_quantities(&mut self, tables: &Tables) -> Result<()> {
        let unreadable = self.unreadable.iter().any(|(name, _)| *name == DRIVER_QUANTITIES);
        if self.tables.contains_key(ALLOCATED_CHARGES) && !self.tables.contains_key(DRIVER_QUANTITIES) && !unreadable {
            let empty = OpenTable { spec: tables.spec(DRIVER_QUANTITIES)?, objects: Vec::new() };
            self.tables.insert(DRIVER_QUANTITIES, empty);
        }
        Ok(())
    }

    /// Registers the readable tables under their names.
    ///
    /// # Errors
    /// When a table's description contradicts itself.
    pub(crate) fn register(&self, context: &SessionContext, destination: &OpenDestination) -> Result<()> {
        for (name, table) in &self.tables {
            let provider = objects_table(destination.sink.as_ref(), &table.spec, table.objects.clone())?;
            context.register_table(*name, provider).map_err(query_error)?;
        }
        Ok(())
    }
}

/// Passes on an error that lies in what is stored; returns the others as errors: another content of the tables
/// would not help, and a mistake of this program is no finding about them.
///
/// # Errors
/// The error itself.
pub(crate) fn of_the_data(error: Error) -> Result<Error> {
    match error.kind() {
        ErrorKind::MemoryExhausted
        | ErrorKind::ResourcesExhausted
        | ErrorKind::Throttled
        | ErrorKind::PermissionDenied
        | ErrorKind::Config
        | ErrorKind::Internal => Err(error),
        _ => Ok(error),
    }
}

/// One error per object whose footer cannot be read; one about all of them if each alone can.
async fn broken_objects(
    context: &SessionContext,
    destination: &OpenDestination,
    objects: &[TableObject],
) -> Result<Vec<Error>> {
    let state = context.state();
    let mut broken = Vec::new();
    for object in objects {
        let meta = std::slice::from_ref(&object.meta);
        if let Err(cause) = ParquetFormat::default().infer_schema(&state, destination.place.store(), meta).await {
            let cause = of_the_data(query_error(cause))?;
            let stored = destination.place.store().head(&object.meta.location).await;
            let message = match stored {
                Ok(stored) if stored.size != object.meta.size => {
                    format!("the object has {} bytes, the table says {}", stored.size, object.meta.size)
                }
                _ => "the object cannot be read as Parquet".to_owned(),
            };
            broken.push(
                Error::new(ErrorKind::ContractViolated, message)
                    .with("object", destination.place.relative(&object.meta.location))
                    .with_source(cause),
            );
        }
    }
    if broken.is_empty() {
        let message = "the objects of the table do not have the same columns and types";
        broken.push(Error::new(ErrorKind::ContractViolated, message));
    }
    Ok(broken)
}

/// The billing periods a command is about: the named ones, else all that are stored.
///
/// # Errors
/// [`ErrorKind::NotFound`] when nothing is stored, or not the named period.
pub(crate) async fn selected_periods(
    destination: &OpenDestination,
    named: &[BillingPeriod],
) -> Result<Vec<BillingPeriod>> {
    let stored = stored_periods(&destination.place, &PUBLISHED).await?;
    let mut periods: Vec<BillingPeriod> = stored.iter().filter_map(|period| period.parse().ok()).collect();
    periods.sort();
    if periods.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "there are no tables yet; `apportion run` writes them")
            .with("destination", &destination.shown));
    }
    for period in named {
        if !periods.contains(period) {
            let hint = did_you_mean(&period.to_string(), stored.iter().map(String::as_str));
            let known: Vec<&str> = stored.iter().map(String::as_str).collect();
            return Err(Error::new(ErrorKind::NotFound, format!("no table holds {period}{hint}"))
                .with("billing_periods", known.join(", "))
                .with("destination", &destination.shown));
        }
    }
    if !named.is_empty() {
        periods.retain(|period| named.contains(period));
    }
    Ok(periods)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_of_the_program_is_no_finding_about_the_tables() {
        for kind in [ErrorKind::Internal, ErrorKind::Throttled, ErrorKind::MemoryExhausted] {
            assert_eq!(of_the_data(Error::new(kind, "x")).unwrap_err().kind(), kind);
        }
        for kind in [ErrorKind::ContractViolated, ErrorKind::NotFound, ErrorKind::Conflict, ErrorKind::SqlInvalid] {
            assert_eq!(of_the_data(Error::new(kind, "x")).unwrap().kind(), kind);
        }
    }
}
