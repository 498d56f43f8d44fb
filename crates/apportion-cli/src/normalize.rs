//! One source in one billing period: from its export objects to published `focus_charges`.
//!
//! Stage, check, reconcile, publish, in this order; an error anywhere leaves what was published
//! before untouched.

use std::collections::BTreeMap;
use std::sync::Arc;

use apportion_engine::{CheckOutcome, contract};
use apportion_sinks::units::{PublishedUnit, unit_key};
use apportion_sinks::{PartitionValues, PublishUnit, StagedTable, staged_table};
use apportion_sources::SourceTable;
use apportion_spec::pipeline::{CostBasis, Source, SourceFormat};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use datafusion::common::ScalarValue;
use datafusion::prelude::SessionContext;
use tokio::sync::Mutex;

use crate::changes::Published;
use crate::extent;
use crate::figures;
use crate::hold;
use crate::ledger::{Ledger, UnitWork};
use crate::progress::Progress;
use crate::reconcile;
use crate::report::{SourceUnitReport, Status};
use crate::rows::rows;
use crate::run::Run;
use crate::staging::{Staging, query_error};
use crate::tables::{FOCUS_CHARGES, parameters_of_checks, parameters_of_period};
use crate::units::{Unit, bytes, version};
use crate::unmapped;

/// The SQL models of a provider: what charges are made of, and the independent control.
pub(crate) struct ProviderModels {
    pub(crate) charges: &'static str,
    pub(crate) control: &'static str,
    /// Counts what was repaired in the delivered rows, where a provider's export needs it.
    pub(crate) repairs: Option<&'static str>,
}

/// The models that read a format. A new provider adds one line.
pub(crate) const fn models_of(format: SourceFormat) -> ProviderModels {
    let (charges, control, repairs) = match format {
        SourceFormat::AwsCurLegacy | SourceFormat::AwsCur2 => ("int_focus__aws", "aws__source_totals", None),
        SourceFormat::GcpBillingExport => ("int_focus__gcp", "gcp__source_totals", None),
        SourceFormat::AzureCostManagement => ("int_focus__azure", "azure__source_totals", None),
        SourceFormat::Focus => ("int_focus__native", "focus__source_totals", Some("focus__repairs")),
    };
    ProviderModels { charges, control, repairs }
}

/// The relation that `sql/marts/focus_charges.sql` renders, whatever the provider.
const PROVIDER_CHARGES: &str = "int_focus__charges";

/// Parameters of staging, provider and control models.
fn parameters(source: &Source, period: BillingPeriod) -> BTreeMap<String, ScalarValue> {
    let declared = [
        ("source".to_owned(), ScalarValue::from(source.name.as_str())),
        ("format".to_owned(), ScalarValue::from(source.format.as_str())),
        ("cost_basis".to_owned(), ScalarValue::from(source.cost_basis_in(period).as_str())),
    ];
    declared.into_iter().chain(parameters_of_period(period)).collect()
}

/// Normalises and publishes one unit. `before` is what is published of it.
///
/// # Errors
/// Whatever stopped it; nothing of the unit was published then.
pub(crate) async fn normalize(
    run: &Run,
    unit: &Unit<'_>,
    before: Option<&PublishedUnit>,
    index: &Mutex<Published>,
    ledger: &Ledger,
    work: &mut UnitWork,
    progress: &Progress,
) -> Result<SourceUnitReport> {
    let discovered = unit.discovered()?;
    work.listing_digest.clone_from(&unit.listing_digest);
    work.read(discovered.objects.iter().map(|object| (unit.reader.name(object), object)));
    work.entry.manifest = discovered.manifest.as_ref().map(version);
    let staging = run.staging()?;
    let context = run.context();
    let source = unit.reader.table(discovered.clone()).await?;
    let repeated = source.repeated_rows().await?;
    let parameters = parameters(unit.source, unit.period);
    let staged = match stage_charges(run, unit, &source, &context, &parameters, &staging, progress).await {
        Ok(staged) => staged,
        Err(error) => return Err(explain(&source, error).await),
    };
    work.entry.rows = Some(staged.rows);
    work.step("stage");

    let spec = run.tables.spec(FOCUS_CHARGES)?;
    let partition = partition_of(unit);
    let checked = run.context();
    let table = staged_table(&staged, &spec, &partition)?;
    checked.register_table(FOCUS_CHARGES, table).map_err(query_error)?;
    let mut notes = source.report.notes.clone();
    let focus_version = unit.focus_version(&source);
    notes.extend(focus_version.iter().map(|version| format!("read as FOCUS {version}")));
    notes.extend(repeated);
    if staged.rows == 0 {
        notes.push("the objects of this month hold no charges".to_owned());
    }
    notes.extend(unknown_columns(&source));
    notes.extend(source.unreadable_maps().await?);
    let of_checks = parameters_of_checks(unit.period, Some(unit.source_name()));
    notes.extend(judge(&run.models.run_checks(&checked, FOCUS_CHARGES, &of_checks).await?)?);
    let unmapped = unmapped::values(run, &checked, &parameters).await?;
    notes.extend(unmapped.iter().map(unmapped::Unmapped::note));
    work.step("check");
    let models = models_of(unit.source.format);
    if let Some(repairs) = models.repairs {
        notes.extend(repaired(run, &context, repairs, &parameters).await?);
    }
    let proof = reconcile::normalization(run, &context, &checked, models.control, &parameters).await?;
    notes.extend(reconcile::warnings(&checked).await?);
    work.entry.conversion_residuals = figures::conversion_residuals(&checked).await?;
    let totals = figures::charge_totals(&checked).await?;
    for (currency, sums) in &totals {
        work.sums(currency, sums);
    }
    source.verify_unchanged().await?;
    let extent = extent::of_charges(&checked, unit.period).await?;
    let judged = hold::judge(run, unit.source_name(), unit.period, before, &extent).await?;
    if judged.accepted.is_some() {
        // Noted first, so that whoever comes after a crash in between need not be asked again.
        let mut published = index.lock().await;
        let key = unit_key(FOCUS_CHARGES, Some(unit.source_name()), &unit.period.to_string());
        published.index.units.entry(key).or_default().high_water = Some(judged.mark.clone());
        published.index.write(&run.destination.place).await?;
    }
    notes.extend(judged.accepted);
    work.mark = Some(judged.mark);
    work.step("reconcile");

    let provenance = ledger.provenance(run, work);
    let digest = staged.digest();
    let publication = PublishUnit { table: spec, partition, parts: staged.parts, provenance: provenance.clone() };
    let published = run.publish(&publication, digest, work).await?;
    reconcile::publish(run, &staging, proof, "normalization", unit.source_name(), unit.period, provenance, work)
        .await?;
    work.entry.notes.clone_from(&notes);
    work.step("publish");
    Ok(SourceUnitReport {
        status: if published.changed { Status::Published } else { Status::Unchanged },
        objects: discovered.objects.len(),
        bytes_read: bytes(discovered),
        rows: staged.rows,
        totals,
        focus_version,
        unmapped,
        notes,
        reasons: unit.reasons().to_vec(),
        ..SourceUnitReport::empty(unit.source_name(), unit.period)
    })
}

/// The error that tells more than `error`, of a query over the source: which value or object cannot be
/// read, and where.
async fn explain(source: &SourceTable, error: Error) -> Error {
    if !matches!(error.kind(), ErrorKind::ContractViolated | ErrorKind::Internal) {
        return error;
    }
    match source.offending_value().await {
        Ok(found) => found.unwrap_or(error),
        Err(unreadable) => unreadable,
    }
}

/// One line per repair of delivered rows, the most frequent first.
async fn repaired(
    run: &Run,
    context: &SessionContext,
    model: &str,
    parameters: &BTreeMap<String, ScalarValue>,
) -> Result<Vec<String>> {
    run.models.register(context, &[model], parameters).await?;
    let sql = format!("SELECT Repair, Rows FROM {model} ORDER BY Rows DESC, Repair");
    Ok(rows(context, &sql)
        .await?
        .iter()
        .map(|row| format!("repaired in {} rows: {}", row.text(1), row.text(0)))
        .collect())
}

/// One line naming delivered columns that no model reads.
fn unknown_columns(source: &SourceTable) -> Option<String> {
    let unknown = &source.report.unknown_columns;
    let shown: Vec<&str> = unknown.iter().take(8).map(String::as_str).collect();
    let more = unknown.len().saturating_sub(shown.len());
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!unknown.is_empty())
        .then(|| format!("{} delivered columns are not read: {}{rest}", unknown.len(), shown.join(", ")))
}

async fn stage_charges(
    run: &Run,
    unit: &Unit<'_>,
    source: &SourceTable,
    context: &SessionContext,
    parameters: &BTreeMap<String, ScalarValue>,
    staging: &Staging,
    progress: &Progress,
) -> Result<StagedTable> {
    context.register_table(source.relation, Arc::clone(&source.table)).map_err(query_error)?;
    let model = models_of(unit.source.format).charges;
    run.models.register(context, &[model], parameters).await?;
    let charges = context.table(model).await.map_err(query_error)?;
    context.register_table(PROVIDER_CHARGES, charges.into_view()).map_err(query_error)?;
    let charges = run.models.dataframe(context, FOCUS_CHARGES, parameters).await?;
    let spec = run.tables.spec(FOCUS_CHARGES)?;
    contract::check(FOCUS_CHARGES, charges.schema().as_arrow(), &spec.schema)?;
    let basis = unit.source.cost_basis_in(unit.period);
    let staged = staging.write(charges, &spec, &partition_of(unit), Some(progress)).await;
    staged.map_err(|error| without_cost(error, basis))
}

/// The partition of `focus_charges` that a unit replaces.
fn partition_of(unit: &Unit<'_>) -> PartitionValues {
    vec![
        ("x_Source".to_owned(), unit.source_name().to_owned()),
        ("x_BillingPeriod".to_owned(), unit.period.to_string()),
    ]
}

/// A row without a cost is an error, not zero; say so where it shows up.
fn without_cost(error: Error, basis: CostBasis) -> Error {
    let column = error.context().iter().find(|(key, _)| *key == "column").map(|(_, column)| column.as_str());
    let is_cost = column.is_some_and(|column| column.ends_with("Cost"));
    if error.kind() != ErrorKind::ContractViolated || !is_cost {
        return error;
    }
    let message = match basis {
        CostBasis::Net => {
            "the source declares `cost_basis: net`, but rows with a gross cost have no net cost; \
             declare `gross`, for this billing period alone under `cost_basis_by_period` if others are complete"
        }
        CostBasis::Gross => {
            "rows of the bill have no cost, and no cost is not a cost of zero; have the export written again"
        }
    };
    Error::new(ErrorKind::ContractViolated, message).with_source(error)
}

/// Notes for warnings, an error for the first check that stops publication.
pub(crate) fn judge(outcomes: &[CheckOutcome]) -> Result<Vec<String>> {
    if let Some(failed) = outcomes.iter().find(|outcome| outcome.stops_publication()) {
        let more = outcomes.iter().filter(|outcome| outcome.stops_publication()).count() - 1;
        let others = if more > 0 { format!(" and {more} other checks") } else { String::new() };
        return Err(Error::new(
            ErrorKind::CheckFailed,
            format!(
                "{} rows break the promise of check {}{others}: {}; nothing of this unit was published\n{}",
                failed.offending_rows, failed.name, failed.why, failed.sample
            ),
        ));
    }
    Ok(outcomes
        .iter()
        .filter(|outcome| !outcome.passed())
        .map(|outcome| {
            format!("{} ({} rows): {}\n{}", outcome.name, outcome.offending_rows, outcome.why, outcome.sample)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use apportion_engine::{Engine, EngineOptions, ModelGraph};
    use apportion_spec::pipeline::Store;
    use datafusion::datasource::empty::EmptyTable;

    use super::*;

    /// What a run says of a unit whose models do not plan, over the relation of its source without one column.
    async fn without(format: SourceFormat, column: &str) -> Error {
        let contract = apportion_sources::format(format).contract();
        let schema = contract.schema();
        let fields = schema.fields().iter().filter(|field| field.name() != column).cloned();
        let fields: Vec<_> = fields.collect();
        assert_eq!(fields.len() + 1, schema.fields().len(), "{column} is a column of the source");
        let engine = Engine::try_new(&EngineOptions::new(std::env::temp_dir())).unwrap();
        let context = engine.new_context();
        let table = Arc::new(EmptyTable::new(Arc::new(arrow::datatypes::Schema::new(fields))));
        context.register_table(contract.relation, table).unwrap();
        let bill = Source {
            name: "bill".to_owned(),
            format,
            location: String::new(),
            cost_basis: CostBasis::Gross,
            cost_basis_by_period: BTreeMap::new(),
            from: None,
            to: None,
            keep: Vec::new(),
            null_words: None,
            store: Store::default(),
        };
        let parameters = parameters(&bill, "2026-01".parse().unwrap());
        let models = ModelGraph::embedded().unwrap();
        models.register(&context, &[models_of(format).charges], &parameters).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_model_that_does_not_plan_is_named_with_file_line_and_the_nearest_column() {
        for (format, column, file, nearest) in [
            (SourceFormat::AwsCur2, "line_item_unblended_cost", "stg_aws__line_items", "line_item_blended_cost"),
            (
                SourceFormat::GcpBillingExport,
                "price_effective_price",
                "stg_gcp__line_items",
                "price_effective_price_default",
            ),
            (SourceFormat::AzureCostManagement, "billing_profile_name", "stg_azure__line_items", "billing_profile_id"),
            (SourceFormat::Focus, "ChargePeriodEnd", "stg_focus__charges", "ChargePeriodStart"),
        ] {
            let error = without(format, column).await;
            assert_eq!(error.kind(), ErrorKind::SqlInvalid, "{error}");
            assert_eq!(crate::exit::ExitStatus::of_unit(error.kind()).code(), 1);
            let text = error.to_string();
            let (lead, rest) = text.split_once(".sql:").unwrap_or_else(|| panic!("no line: {text}"));
            assert!(lead.starts_with(&format!("unknown column `{column}` in sql/staging/")), "{text}");
            assert!(lead.ends_with(file), "{text}");
            assert!(rest.starts_with(|digit: char| digit.is_ascii_digit()), "{text}");
            assert!(rest.contains(&format!("did you mean `{nearest}`?")), "{text}");
            assert!(text.ends_with(&format!("(model: {file})")), "{text}");
        }
    }
}
