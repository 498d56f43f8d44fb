//! The proof that the parts equal the bill, computed before anything is published.
//!
//! Two stages: the charges of a source against an independent computation over the source's own
//! rows, and the allocated parts against the charges. Both are SQL (`sql/controls/`); a difference
//! stops the unit and names ledger, currency and amounts.

use std::collections::BTreeMap;

use apportion_engine::ModelGraph;
use apportion_sinks::{Provenance, PublishUnit};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionContext, col, lit};

use crate::ledger::UnitWork;
use crate::rows::rows;
use crate::run::Run;
use crate::staging::{Staging, query_error, quoted};
use crate::tables::RECONCILIATION;

/// What the provider's control model is called where the reconciliation reads it.
const CONTROL_TOTALS: &str = "control_totals";

/// Reconciles the staged charges in `checked` with the control over the source in `context`.
///
/// # Errors
/// [`ErrorKind::CheckFailed`] naming every ledger and currency that differs.
pub(crate) async fn normalization(
    run: &Run,
    context: &SessionContext,
    checked: &SessionContext,
    control: &str,
    parameters: &BTreeMap<String, ScalarValue>,
) -> Result<DataFrame> {
    let totals = run.models.dataframe(context, control, parameters).await?;
    let totals = in_memory(totals).await?;
    checked.register_table(CONTROL_TOTALS, totals).map_err(query_error)?;
    tied(&run.models, checked, "reconciliation__normalization", parameters).await
}

/// What the control of a provider has to say although everything ties: after `; warning: `.
///
/// # Errors
/// When the registered reconciliation cannot be read.
pub(crate) async fn warnings(checked: &SessionContext) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT BillingCurrency, x_Control FROM reconciliation ORDER BY 1, 2";
    let texts = rows(checked, sql).await?;
    let of_control = |row: &crate::rows::Row| -> Vec<String> {
        let (currency, control) = (row.text(0), row.text(1));
        control.split("; warning: ").skip(1).map(|warning| format!("{currency}: {warning}")).collect()
    };
    Ok(texts.iter().flat_map(of_control).collect())
}

/// Reconciles the staged allocation in `context` with the charges it came from, by source.
///
/// # Errors
/// As [`normalization`].
pub(crate) async fn allocation(
    run: &Run,
    context: &SessionContext,
    period: BillingPeriod,
) -> Result<Vec<(String, DataFrame)>> {
    let parameters = BTreeMap::from([("billing_period".to_owned(), ScalarValue::from(period.to_string()))]);
    let proof = tied(&run.models, context, "reconciliation__allocation", &parameters).await?;
    let sources = rows(context, "SELECT DISTINCT x_Source FROM reconciliation ORDER BY x_Source").await?;
    let mut by_source = Vec::new();
    for source in sources.iter().map(|row| row.text(0)) {
        let part = proof.clone().filter(col(quoted("x_Source")).eq(lit(&source))).map_err(query_error)?;
        by_source.push((source, part));
    }
    Ok(by_source)
}

/// Computes a reconciliation once, registers it as `reconciliation`, and demands that it ties.
async fn tied(
    models: &ModelGraph,
    context: &SessionContext,
    model: &str,
    parameters: &BTreeMap<String, ScalarValue>,
) -> Result<DataFrame> {
    let proof = models.dataframe(context, model, parameters).await?;
    context.register_table(RECONCILIATION, in_memory(proof).await?).map_err(query_error)?;
    let open = "SELECT x_Source, x_Ledger, BillingCurrency, x_SourceTotal, x_LeftOutTotal, \
                coalesce(x_AllocatedTotal, x_NormalizedTotal), x_Difference, x_Control FROM reconciliation \
                WHERE x_Difference <> 0 ORDER BY x_Source, BillingCurrency, x_Ledger";
    let differences: Vec<String> = rows(context, open)
        .await?
        .iter()
        .map(|row| {
            format!(
                "  {} {} {}: source {} less left-out rows {} against {}, difference {} ({})",
                row.text(0),
                row.text(1),
                row.text(2),
                row.text(3),
                row.text(4),
                row.text(5),
                row.text(6),
                row.text(7)
            )
        })
        .collect();
    if !differences.is_empty() {
        let message = format!(
            "the parts do not equal the bill, so nothing of this unit was published\n{}",
            differences.join("\n")
        );
        return Err(Error::new(ErrorKind::CheckFailed, message));
    }
    context.table(RECONCILIATION).await.map_err(query_error)
}

/// A small result, computed once.
async fn in_memory(rows: DataFrame) -> Result<std::sync::Arc<MemTable>> {
    let schema = std::sync::Arc::clone(rows.schema().inner());
    let batches = rows.collect().await.map_err(query_error)?;
    Ok(std::sync::Arc::new(MemTable::try_new(schema, vec![batches]).map_err(query_error)?))
}

/// Publishes the proof of one stage, source and billing period.
///
/// # Errors
/// Those of staging and publishing.
#[expect(clippy::too_many_arguments, reason = "the partition, the rows and where they are noted")]
pub(crate) async fn publish(
    run: &Run,
    staging: &Staging,
    proof: DataFrame,
    stage: &str,
    source: &str,
    period: BillingPeriod,
    provenance: Provenance,
    work: &mut UnitWork,
) -> Result<()> {
    let spec = run.tables.spec(RECONCILIATION)?;
    let partition = vec![
        ("x_Stage".to_owned(), stage.to_owned()),
        ("x_Source".to_owned(), source.to_owned()),
        ("x_BillingPeriod".to_owned(), period.to_string()),
    ];
    let staged = staging.write(proof, &spec, &partition, None).await?;
    let digest = staged.digest();
    let unit = PublishUnit { table: spec, partition, parts: staged.parts, provenance };
    run.publish(&unit, digest, work).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Charges of one unit currency less than the control says.
    #[tokio::test]
    async fn a_difference_stops_the_unit_and_names_ledger_currency_and_amounts() {
        let directory = std::env::temp_dir();
        let engine = apportion_engine::Engine::try_new(&apportion_engine::EngineOptions::new(&directory)).unwrap();
        let context = engine.new_context();
        let views = [
            "CREATE VIEW focus_charges AS SELECT 'USD' AS BillingCurrency, CAST(9.99 AS decimal(38, 12)) AS BilledCost, \
             CAST(10 AS decimal(38, 12)) AS EffectiveCost, CAST(10 AS decimal(38, 12)) AS ListCost, \
             CAST(10 AS decimal(38, 12)) AS ContractedCost",
            "CREATE VIEW control_totals AS SELECT Ledger, 'USD' AS BillingCurrency, \
             CAST(10 AS decimal(38, 12)) AS SourceTotal, CAST(0 AS decimal(38, 12)) AS LeftOutTotal, \
             CAST(0 AS decimal(38, 36)) AS ConversionResidual, 1 AS SourceRows, 'all rows; warning: torn' AS Control \
             FROM (VALUES ('billed'), ('effective'), ('list'), ('contracted')) AS ledgers (Ledger)",
        ];
        for view in views {
            context.sql(view).await.unwrap().collect().await.unwrap();
        }
        let parameters = BTreeMap::from([
            ("source".to_owned(), ScalarValue::from("aws")),
            ("billing_period".to_owned(), ScalarValue::from("2026-01")),
        ]);
        let models = ModelGraph::embedded().unwrap();
        let tied = tied(&models, &context, "reconciliation__normalization", &parameters).await;
        let error = tied.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CheckFailed);
        assert_eq!(
            error.message(),
            "the parts do not equal the bill, so nothing of this unit was published\n  aws billed USD: source \
             10.000000000000 less left-out rows 0.000000000000 against 9.990000000000, difference 0.010000000000 \
             (all rows; warning: torn)"
        );
        assert_eq!(warnings(&context).await.unwrap(), ["USD: torn"]);
    }
}
