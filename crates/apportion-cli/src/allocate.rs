//! One billing period over all published sources: from `focus_charges` to allocated charges,
//! driver quantities, unit economics and their proof.

use std::collections::BTreeMap;
use std::sync::Arc;

use apportion_engine::allocation::{AllocationPlan, Allocator};
use apportion_sinks::units::PublishedUnit;
use apportion_sinks::{
    PartitionReference, Provenance, PublishUnit, StagedTable, TableSpec, published_table, staged_table,
};
use apportion_spec::pipeline::Reporting;
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::prelude::SessionContext;

use crate::figures;
use crate::hold;
use crate::ledger::{Ledger, UnitWork};
use crate::normalize::judge;
use crate::reconcile;
use crate::report::{AllocationReport, Failure, RuleOutcome, Status};
use crate::reporting;
use crate::run::Run;
use crate::staging::{DiskBarrier, Staging, query_error};
use crate::tables::{
    ALLOCATED_CHARGES, DRIVER_QUANTITIES, FOCUS_CHARGES, REPORTING_CHARGES, UNIT_ECONOMICS_DAILY,
    UNIT_ECONOMICS_MONTHLY, parameters_of_checks,
};
use crate::telemetry::ListedTelemetry;
use crate::withdraw::{self, Partition, left_over};

/// The allocation of a run: the plan and what it needs.
#[derive(Debug)]
pub(crate) struct Allocation<'a> {
    run: &'a Run,
    plan: Arc<AllocationPlan>,
    /// Telemetry that cannot be read fails the allocation of every period, not the charges.
    telemetry: Result<ListedTelemetry, Arc<Error>>,
}

/// A table staged for one period.
struct Staged {
    spec: TableSpec,
    table: StagedTable,
}

impl<'a> Allocation<'a> {
    /// Prepares planned rules for the given billing periods.
    pub(crate) async fn open(run: &'a Run, plan: AllocationPlan, periods: &[BillingPeriod]) -> Self {
        let telemetry = ListedTelemetry::list(&run.project, periods).await.map_err(Arc::new);
        Self { run, plan: Arc::new(plan), telemetry }
    }

    /// Allocates and publishes one billing period. `before` is what is published of it, `allocated` the
    /// partitions that hold it.
    ///
    /// # Errors
    /// Whatever stopped it; nothing of the period's allocation was published then.
    pub(crate) async fn period(
        &self,
        period: BillingPeriod,
        before: Option<&PublishedUnit>,
        allocated: &[Partition],
        ledger: &Ledger,
        work: &mut UnitWork,
    ) -> Result<AllocationReport> {
        let run = self.run;
        let context = run.context();
        self.register_charges(&context, period, work).await?;
        let listed = self.telemetry.as_ref().map_err(Error::again)?;
        let allocator = Allocator::new(Arc::clone(&self.plan), period);
        let opened = listed.open(&context, &allocator, period, self.plan.needs_previous_telemetry()).await?;
        work.read(opened.named_objects());
        work.entry.telemetry_fingerprint.clone_from(&work.entry.input_digest);
        work.telemetry_spans = opened.spans().to_vec();
        work.step("discover");

        let staging = run.staging()?;
        let barrier = DiskBarrier { staging: &staging, context: &context };
        let parts = match allocator.allocate(&context, &barrier).await {
            Ok(parts) => parts,
            Err(error) => return Err(opened.explain(error).await),
        };
        work.step("prepare");
        let mut staged = Vec::new();
        for (name, rows) in [(DRIVER_QUANTITIES, parts.driver_quantities), (ALLOCATED_CHARGES, parts.allocated_charges)]
        {
            staged.push(self.stage(&context, &staging, name, rows, period).await?);
        }
        work.step("stage");
        if let Some(reporting) = &run.project.pipeline.reporting {
            let rows = self.in_reporting_currency(&context, reporting, period).await?;
            staged.push(self.stage(&context, &staging, REPORTING_CHARGES, rows, period).await?);
            work.step("reporting");
        }
        let unit_economics = allocator.unit_economics(&context, &barrier).await?;
        for (name, rows) in
            [(UNIT_ECONOMICS_DAILY, unit_economics.daily), (UNIT_ECONOMICS_MONTHLY, unit_economics.monthly)]
        {
            staged.push(self.stage(&context, &staging, name, rows, period).await?);
        }
        work.step("unit_economics");
        let mut notes = Vec::new();
        allocator.register_bill_columns(&context).await?;
        let of_checks = parameters_of_checks(period, None);
        for table in &staged {
            notes.extend(judge(&run.models.run_checks(&context, &table.spec.name, &of_checks).await?)?);
        }
        let proof = reconcile::allocation(run, &context, period).await?;
        opened.verify_unchanged().await?;
        work.step("check");

        let mut report = figures::allocation(&context, period).await?;
        report.rows = staged.iter().filter(|it| it.spec.name == ALLOCATED_CHARGES).map(|it| it.table.rows).sum();
        work.entry.rows = Some(report.rows);
        notes.extend(hold::allocation::judge(run, &context, period, before, &report).await?);
        for (currency, sums) in &report.totals {
            work.sums(currency, sums);
        }
        let provenance = ledger.provenance(run, work);
        for Staged { spec, table } in staged {
            self.publish(spec, table, period, provenance.clone(), work).await?;
        }
        for (source, rows) in proof {
            reconcile::publish(run, &staging, rows, "allocation", &source, period, provenance.clone(), work).await?;
        }
        withdraw::empty(run, left_over(allocated, work), &provenance, work).await?;
        work.step("publish");
        let changed = work.entry.published.iter().any(|published| published.changed);
        report.status = if changed { Status::Published } else { Status::Unchanged };
        report.rules = parts.rules.iter().map(RuleOutcome::from).collect();
        notes.extend(idle_rules(&report.rules));
        notes.extend(parts.drivers.iter().filter_map(figures::driver_note));
        notes.extend(opened.notes());
        work.entry.notes.clone_from(&notes);
        report.notes = notes;
        Ok(report)
    }

    /// Registers the published charges of the period, of all sources.
    async fn register_charges(
        &self,
        context: &SessionContext,
        period: BillingPeriod,
        work: &mut UnitWork,
    ) -> Result<()> {
        let sink = self.run.destination.sink.as_ref();
        let spec = self.run.tables.spec(FOCUS_CHARGES)?;
        let filter = vec![("x_BillingPeriod".to_owned(), period.to_string())];
        match sink.current_version(&spec, &filter).await? {
            Some(version) => {
                work.entry.computed_from.push(format!("{FOCUS_CHARGES}@{}", version.digest));
                let read = version.partitions.into_iter().map(|(partition, version)| PartitionReference {
                    table: FOCUS_CHARGES.to_owned(),
                    partition,
                    version,
                });
                work.partitions_read.extend(read);
            }
            // A month without charges leaves nothing to read: its allocation is as empty.
            None if !work.charges.is_empty() => {}
            None => {
                let message = "no source has published charges in this billing period, so there is nothing to allocate";
                return Err(Error::new(ErrorKind::NotFound, message).with("billing_period", period));
            }
        }
        let table = published_table(sink, &spec, &filter).await?;
        context.register_table(FOCUS_CHARGES, table).map_err(query_error)?;
        Ok(())
    }

    /// The allocated charges of the context, in the columns of `reporting_charges`.
    async fn in_reporting_currency(
        &self,
        context: &SessionContext,
        reporting: &Reporting,
        period: BillingPeriod,
    ) -> Result<DataFrame> {
        let spec = self.run.tables.spec(REPORTING_CHARGES)?;
        let own = self.run.tables.own_columns(REPORTING_CHARGES)?;
        reporting::register_parts(context, &own).await?;
        reporting::register_rates(self.run, context, reporting, period).await?;
        let parameters =
            BTreeMap::from([("reporting_currency".to_owned(), ScalarValue::from(reporting.currency.as_str()))]);
        let rows = self.run.models.dataframe(context, REPORTING_CHARGES, &parameters).await?;
        let columns = spec.schema.fields().iter().map(|field| reporting::column(field.name(), &own));
        let rows = rows.select(columns.collect::<Vec<_>>()).map_err(query_error)?;
        // The model's own view makes way for the table that is written from it.
        context.deregister_table(REPORTING_CHARGES).map_err(query_error)?;
        Ok(rows)
    }

    /// Writes one table and registers what was written under its name.
    async fn stage(
        &self,
        context: &SessionContext,
        staging: &Staging,
        name: &str,
        rows: DataFrame,
        period: BillingPeriod,
    ) -> Result<Staged> {
        let spec = self.run.tables.spec(name)?;
        let partition = vec![("x_BillingPeriod".to_owned(), period.to_string())];
        let table = staging.write(rows, &spec, &partition, None).await?;
        context.register_table(name, staged_table(&table, &spec, &partition)?).map_err(query_error)?;
        Ok(Staged { spec, table })
    }

    async fn publish(
        &self,
        spec: TableSpec,
        table: StagedTable,
        period: BillingPeriod,
        provenance: Provenance,
        work: &mut UnitWork,
    ) -> Result<()> {
        let partition = vec![("x_BillingPeriod".to_owned(), period.to_string())];
        let digest = table.digest();
        let unit = PublishUnit { table: spec, partition, parts: table.parts, provenance };
        self.run.publish(&unit, digest, work).await.map(|_| ())
    }
}

/// A rule that takes nothing is more often a typing error than a decision.
fn idle_rules(rules: &[RuleOutcome]) -> Option<String> {
    let told = |idle: &RuleOutcome| {
        let earlier = rules.iter().filter(|rule| rule.also_matched_by.contains_key(&idle.rule));
        let earlier: Vec<&str> = earlier.map(|rule| rule.rule.as_str()).collect();
        match earlier.as_slice() {
            [] => idle.rule.clone(),
            taken => format!("{} (all it matches was taken by {} before it)", idle.rule, taken.join(", ")),
        }
    };
    let idle: Vec<String> = rules.iter().filter(|rule| rule.charges == 0).map(told).collect();
    (!idle.is_empty()).then(|| format!("no charge was taken by {}", idle.join(", ")))
}

impl AllocationReport {
    /// The report of a period whose allocation failed.
    pub(crate) fn failed(period: BillingPeriod, error: &Error) -> Self {
        Self { status: Status::from(error), error: Some(Failure::from(error)), ..Self::empty(period) }
    }
}
