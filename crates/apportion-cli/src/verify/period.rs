//! The steps by which one billing period is verified.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use apportion_engine::allocation::AllocationPlan;
use apportion_engine::{Model, Severity};
use apportion_sinks::{Certificate, StageTotal, objects_table, read_certificate, read_configuration};
use apportion_spec::{BillingPeriod, Error, Result};
use datafusion::common::ScalarValue;
use datafusion::prelude::SessionContext;

use super::report::{Amount, Finding, PeriodReport, TableReport};
use super::splits::{self, Outcome};
use super::{Verifier, objects};
use crate::certificate::{allocation, by_partition, totals};
use crate::changes::{ENGINE_VERSION, same_functions};
use crate::check::plan_rules;
use crate::money::Money;
use crate::project::Project;
use crate::published::{PublishedPeriod, of_the_data};
use crate::rows::{Row, rows};
use crate::staging::{Staging, query_error};
use crate::tables::{
    ALLOCATED_CHARGES, DRIVER_QUANTITIES, FOCUS_CHARGES, PUBLISHED, RECONCILIATION, parameters_of_checks,
};

/// The relation of recomputed cells, which one check reads.
const ALLOCATION_CELLS: &str = "allocation_cells";
/// Relations that only a recomputed period has.
const RECOMPUTED: [&str; 3] = [ALLOCATION_CELLS, "focus_charges_bill_columns", "allocated_charges_bill_columns"];

impl Verifier {
    /// Verifies one period.
    ///
    /// # Errors
    /// What another content of the tables would not mend.
    pub(super) async fn period(&self, period: BillingPeriod) -> Result<PeriodReport> {
        let context = self.engine.new_context();
        let mut report = PeriodReport { billing_period: period.to_string(), ..PeriodReport::default() };
        let certificate = self.certificate(period, &mut report).await?;
        let published = PublishedPeriod::open(&context, &self.destination, period).await?;
        for (table, error) in &published.unreadable {
            report.findings.push(unreadable(table, error));
        }
        published.register(&context, &self.destination)?;
        let mut hashed = BTreeMap::new();
        if let Some(certificate) = &certificate {
            let (findings, counts) = objects::compare(&self.destination, &published, certificate).await?;
            report.findings.extend(findings);
            hashed = counts;
        }
        let here = self.foreign.iter().filter(|object| object.billing_period == Some(period.to_string()));
        let (counted, left): (Vec<_>, Vec<_>) = here.partition(|object| object.counted);
        report.findings.extend(counted.into_iter().map(Finding::from));
        report.notes.extend(left.into_iter().map(|object| format!("{}: {}", object.object, object.message())));
        self.tables(&context, &published, &hashed, &mut report).await?;
        let staging = splits::staging(&self.limits)?;
        let uncounted =
            self.contents(&context, &staging, &published, certificate.as_ref(), period, &mut report).await?;
        report.differences = report.findings.len() as u64 + uncounted;
        Ok(report)
    }

    async fn certificate(&self, period: BillingPeriod, report: &mut PeriodReport) -> Result<Option<Certificate>> {
        match read_certificate(&self.destination.place, &period.to_string()).await {
            Ok(found) => {
                report.certificate = found.as_ref().map(|found| format!("of run {}", found.run_id));
                Ok(found)
            }
            Err(error) => {
                let message = of_the_data(error)?.to_string();
                report.findings.push(Finding::new("certificate", "", message));
                Ok(None)
            }
        }
    }

    /// Counts what is there.
    async fn tables(
        &self,
        context: &SessionContext,
        published: &PublishedPeriod,
        hashed: &BTreeMap<String, u64>,
        report: &mut PeriodReport,
    ) -> Result<()> {
        for (name, table) in &published.tables {
            let counted = rows(context, &format!("SELECT count(*) FROM {name}")).await?;
            report.tables.push(TableReport {
                table: (*name).to_owned(),
                objects: table.objects.len() as u64,
                bytes: table.objects.iter().map(|object| object.meta.size).sum(),
                hashed: hashed.get(*name).copied().unwrap_or_default(),
                rows: counted.first().map_or(Ok(0), |row| row.count(0))?,
                checks: 0,
            });
        }
        // The order in which tables are written is the order in which they are understood.
        let order = |name: &str| PUBLISHED.iter().position(|known| *known == name);
        report.tables.sort_by_key(|table| order(&table.table));
        Ok(())
    }

    /// Everything that reads rows. Returns the number of findings that are not listed.
    async fn contents(
        &self,
        context: &SessionContext,
        staging: &Staging,
        published: &PublishedPeriod,
        certificate: Option<&Certificate>,
        period: BillingPeriod,
        report: &mut PeriodReport,
    ) -> Result<u64> {
        let mut uncounted = 0;
        let has = |name: &str| published.tables.contains_key(name);
        if [FOCUS_CHARGES, DRIVER_QUANTITIES, ALLOCATED_CHARGES].into_iter().all(has) {
            let wrong = splits::quantities(context).await.map(|(findings, unlisted)| {
                uncounted += unlisted;
                findings
            });
            report.findings.extend(guard("", wrong)?);
            uncounted += self.splits(context, staging, certificate, period, report).await?;
        }
        self.charge_checks(published, period, report).await?;
        let parameters = parameters_of_checks(period, None);
        for table in PUBLISHED.into_iter().filter(|name| *name != FOCUS_CHARGES && has(name)) {
            self.checks(context, table, &parameters, published, report).await?;
        }
        if has(RECONCILIATION) {
            for (table, model) in
                [(FOCUS_CHARGES, "verification__charge_totals"), (ALLOCATED_CHARGES, "verification__allocated_totals")]
            {
                if has(table) {
                    report.findings.extend(guard(table, self.totals(context, table, model).await)?);
                }
            }
            report.totals = totals(context).await?;
            for total in &report.totals {
                let finding = unexplained(total).map(|finding| finding.into_iter().collect());
                report.findings.extend(guard(RECONCILIATION, finding)?);
            }
        } else if has(FOCUS_CHARGES) && !published.unreadable.iter().any(|(name, _)| *name == RECONCILIATION) {
            report.findings.push(Finding::new("total", RECONCILIATION, "no total of these charges is stated"));
        }
        if has(FOCUS_CHARGES) {
            report.allocation = allocation(context).await?;
        }
        if let Some(certificate) = certificate {
            report.findings.extend(certified_numbers(certificate, report));
        }
        Ok(uncounted)
    }

    /// The rules the period was allocated by: those kept with its certificate, else the given ones.
    async fn plan(
        &self,
        context: &SessionContext,
        certificate: Option<&Certificate>,
        report: &mut PeriodReport,
    ) -> Result<Option<AllocationPlan>> {
        let kept = match certificate {
            Some(certificate) => read_configuration(&self.destination.place, &certificate.configuration_digest).await,
            None => Ok(None),
        };
        let (planned, whose) = match (kept, &self.project) {
            (Ok(Some(kept)), _) => {
                let project = Project::parse(Path::new(&kept.file), kept.text);
                let planned = project.and_then(|project| plan_rules(context, &project));
                (planned, "the configuration that is kept with these tables")
            }
            (Ok(None), Some(project)) => (plan_rules(context, project), "the given pipeline file"),
            (Ok(None), None) => {
                let missing = "no configuration is kept with these tables, so cells were not formed again from the \
                               charges; name the pipeline file to do so";
                report.notes.push(missing.to_owned());
                return Ok(None);
            }
            (Err(error), _) => {
                report.findings.push(Finding::new("certificate", "", of_the_data(error)?.to_string()));
                return Ok(None);
            }
        };
        let obstacle = match planned {
            Ok(Some(plan)) => return Ok(Some(plan)),
            Ok(None) => format!("{whose} declares no allocation"),
            // Rules of an older version may not plan any more; the sums of the tables still say much.
            Err(error) => format!("the rules of {whose} do not plan: {error}"),
        };
        report.notes.push(format!("cells were not formed again from the charges: {obstacle}"));
        Ok(None)
    }

    async fn splits(
        &self,
        context: &SessionContext,
        staging: &Staging,
        certificate: Option<&Certificate>,
        period: BillingPeriod,
        report: &mut PeriodReport,
    ) -> Result<u64> {
        "against the sums of the parts".clone_into(&mut report.splits);
        let Some(plan) = self.plan(context, certificate, report).await? else { return Ok(0) };
        match splits::recompute(context, staging, plan, period).await {
            Ok(Outcome::Compared { findings, differing }) => {
                "from charges and driver quantities".clone_into(&mut report.splits);
                let listed = findings.len() as u64;
                report.findings.extend(findings);
                Ok(differing - listed)
            }
            Ok(Outcome::OtherCells) => {
                // Not a cell of this period: what the check of cells reads is not to be believed.
                context.deregister_table(ALLOCATION_CELLS).map_err(query_error)?;
                let message = "the charges do not form the cells of the allocated charges";
                let same_program = certificate.is_some_and(|certificate| {
                    certificate.sql_digest == self.sql_digest
                        && same_functions(&certificate.engine_version, ENGINE_VERSION)
                });
                if same_program {
                    report.findings.push(Finding::new("cell", ALLOCATED_CHARGES, message));
                } else {
                    report.notes.push(format!("{message}: another version or another pipeline file wrote them"));
                }
                Ok(0)
            }
            Err(error) => {
                report.findings.push(unreadable(ALLOCATED_CHARGES, &of_the_data(error)?));
                Ok(0)
            }
        }
    }

    /// The checks of charges, source by source as they are published.
    async fn charge_checks(
        &self,
        published: &PublishedPeriod,
        period: BillingPeriod,
        report: &mut PeriodReport,
    ) -> Result<()> {
        let Some(table) = published.tables.get(FOCUS_CHARGES) else { return Ok(()) };
        for (partition, objects) in by_partition(table.objects.clone()) {
            let context = self.engine.new_context();
            let provider = objects_table(self.destination.sink.as_ref(), &table.spec, objects)?;
            context.register_table(FOCUS_CHARGES, provider).map_err(query_error)?;
            let source = partition.iter().find(|(name, _)| name == "x_Source").map(|(_, value)| value.clone());
            let before = report.findings.len();
            let parameters = parameters_of_checks(period, source.as_deref());
            self.checks(&context, FOCUS_CHARGES, &parameters, published, report).await?;
            for finding in report.findings.iter_mut().skip(before) {
                finding.place.insert(0, ("x_Source", source.clone().unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// Runs the checks of a table whose failure stops a publication.
    async fn checks(
        &self,
        context: &SessionContext,
        table: &str,
        parameters: &BTreeMap<String, ScalarValue>,
        published: &PublishedPeriod,
        report: &mut PeriodReport,
    ) -> Result<()> {
        let mut ran = 0;
        for check in self.models.checks_of(table) {
            if check.header.severity == Some(Severity::Warn) || !self.can_run(check, context, published)? {
                continue;
            }
            ran += 1;
            match self.models.run_one(context, check, parameters).await {
                Ok(outcome) if outcome.passed() => {}
                Ok(outcome) => {
                    let message = format!(
                        "{} rows break {}: {}\n{}",
                        outcome.offending_rows,
                        outcome.name,
                        outcome.why,
                        outcome.sample.lines().map(|line| format!("      {line}")).collect::<Vec<_>>().join("\n")
                    );
                    report.findings.push(Finding::new("check", table, message));
                }
                Err(error) => {
                    report.findings.push(unreadable(table, &of_the_data(error)?));
                    break;
                }
            }
        }
        if let Some(counted) = report.tables.iter_mut().find(|counted| counted.table == table) {
            counted.checks += ran;
        }
        Ok(())
    }

    /// Whether everything a check reads is there. A table that is not written has no promises.
    fn can_run(&self, check: &Model, context: &SessionContext, published: &PublishedPeriod) -> Result<bool> {
        for input in &check.inputs {
            let written = PUBLISHED.contains(&input.as_str());
            let cells = RECOMPUTED.contains(&input.as_str()) && !context.table_exist(input).map_err(query_error)?;
            if cells || (written && !published.tables.contains_key(input.as_str())) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn totals(&self, context: &SessionContext, table: &str, model: &str) -> Result<Vec<Finding>> {
        self.models.register(context, &[model], &BTreeMap::new()).await?;
        let counted = if table == FOCUS_CHARGES { ", StatedRows, FoundRows" } else { "" };
        let sql = format!(
            "SELECT x_Stage, x_Source, x_Ledger, BillingCurrency, Stated, Found{counted} FROM {model} \
             ORDER BY x_Source, BillingCurrency, x_Ledger, x_Stage"
        );
        let finding = |row: &Row| -> Result<Finding> {
            let message = format!("the rows do not give the total that the reconciliation of {} states", row.text(0));
            let mut finding = Finding::new("total", table, message)
                .at("x_Source", row.text(1))
                .at("x_Ledger", row.text(2))
                .at("BillingCurrency", row.text(3));
            let (stated, found) = (row.money(4)?, row.money(5)?);
            if stated != found {
                finding = finding.amount(Amount::money(&row.text(2), stated, found));
            }
            if let Some(stated) = row.optional(6).filter(|stated| *stated != row.text(7)) {
                finding = finding.amount(Amount::text("charges", stated, row.text(7)));
            }
            Ok(finding)
        };
        rows(context, &sql).await?.iter().map(finding).collect()
    }
}

fn unreadable(table: &str, error: &Error) -> Finding {
    Finding::new("unreadable", table, error.to_string())
}

/// Findings, or the error that kept them from being found as one.
fn guard(table: &str, findings: Result<Vec<Finding>>) -> Result<Vec<Finding>> {
    findings.or_else(|error| Ok(vec![unreadable(table, &of_the_data(error)?)]))
}

/// A total that the reconciliation itself does not explain.
///
/// # Errors
/// [`ErrorKind::ContractViolated`](apportion_spec::ErrorKind::ContractViolated) when it states something else than
/// amounts.
fn unexplained(total: &StageTotal) -> Result<Option<Finding>> {
    let stated = total.allocated.as_deref().unwrap_or(&total.normalized);
    let expected = Money::read(&total.source_total)?.minus(Money::read(&total.left_out)?)?;
    let (found, difference) = (Money::read(stated)?, Money::read(&total.difference)?);
    if difference == Money(0) && expected == found {
        return Ok(None);
    }
    Ok(Some(
        Finding::new("total", RECONCILIATION, "the tables do not give the total of the source")
            .at("x_Stage", &total.stage)
            .at("x_Source", &total.source)
            .at("x_Ledger", &total.ledger)
            .at("BillingCurrency", &total.currency)
            .amount(Amount::money(&total.ledger, expected, found)),
    ))
}

/// Numbers and totals that differ from what was certified.
fn certified_numbers(certificate: &Certificate, report: &PeriodReport) -> Vec<Finding> {
    let mut findings = Vec::new();
    let numbers = [
        ("charges", certificate.allocation.map(|it| it.charges), report.allocation.map(|it| it.charges)),
        ("cells", certificate.allocation.map(|it| it.cells), report.allocation.map(|it| it.cells)),
        ("parts", certificate.allocation.map(|it| it.parts), report.allocation.map(|it| it.parts)),
        (
            "splits",
            certificate.allocation.map(|it| it.splits_recomputed),
            report.allocation.map(|it| it.splits_recomputed),
        ),
    ];
    for (of, certified, found) in numbers {
        if certified != found {
            let shown = |number: Option<u64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
            findings.push(
                Finding::new("certificate", ALLOCATED_CHARGES, "the numbers are not those that were certified")
                    .amount(Amount::text(of, shown(certified), shown(found))),
            );
        }
    }
    let place =
        |total: &StageTotal| (total.stage.clone(), total.source.clone(), total.ledger.clone(), total.currency.clone());
    let certified: BTreeMap<_, _> = certificate.totals.iter().map(|total| (place(total), total)).collect();
    let stated: BTreeMap<_, _> = report.totals.iter().map(|total| (place(total), total)).collect();
    let places: BTreeSet<_> = certified.keys().chain(stated.keys()).collect();
    for place in places {
        let (certified, found) = (certified.get(place), stated.get(place));
        if certified == found {
            continue;
        }
        let shown = |total: Option<&&StageTotal>| {
            total.map_or_else(
                || "no total".to_owned(),
                |it| it.allocated.clone().unwrap_or_else(|| it.normalized.clone()),
            )
        };
        let (stage, source, ledger, currency) = place;
        findings.push(
            Finding::new("certificate", RECONCILIATION, "the reconciliation is not the one that was certified")
                .at("x_Stage", stage)
                .at("x_Source", source)
                .at("x_Ledger", ledger)
                .at("BillingCurrency", currency)
                .amount(Amount::text(ledger, shown(certified), shown(found))),
        );
    }
    findings
}
