//! Months with published charges that the pipeline does not account for: held back, or rid of them.

use apportion_sinks::PartitionValues;
use apportion_sinks::units::{PublishedUnit, unit_key};
use apportion_spec::{BillingPeriod, Error, ErrorKind, Result};

use super::{Outcome, Work, log};
use crate::ledger::UnitWork;
use crate::report::{AllocationReport, Failure, SourceUnitReport, Status};
use crate::tables::{ALLOCATED_CHARGES, FOCUS_CHARGES};
use crate::units::Unit;
use crate::withdraw::{self, Orphan, left_over};

impl Work<'_> {
    /// Leaves a month as it is until a person decides about charges that nothing accounts for.
    ///
    /// # Errors
    /// Only those of the ledger.
    pub(super) async fn hold(&self, period: BillingPeriod, orphans: &[Orphan]) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let waiting = || orphans.iter().filter(|orphan| orphan.waits(&self.run.accept_smaller, period));
        for orphan in waiting() {
            let error = orphan.held(period);
            outcome.sources.push(self.held(&orphan.source, period, &error).await?);
        }
        let names: Vec<&str> = waiting().map(|orphan| orphan.source.as_str()).collect();
        let waits = Error::new(
            ErrorKind::Held,
            format!("waits until it is decided what becomes of the published charges of {}", names.join(", ")),
        );
        for unit in self.units.of(period) {
            outcome.sources.push(match unit.is_up_to_date() {
                true => self.charges(unit, period).await?,
                false => self.held(Unit::source_name(unit), period, &waits).await?,
            });
        }
        if self.run.project.pipeline.allocation.is_some() {
            outcome.allocation = Some(AllocationReport::failed(period, &waits));
        }
        Ok(outcome)
    }

    /// Leaves what would be published of a month as it is, for a reason that concerns all of it.
    ///
    /// # Errors
    /// Only those of the ledger and the index.
    pub(super) async fn hold_for(&self, period: BillingPeriod, error: &Error) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut waits = false;
        for unit in self.units.of(period) {
            outcome.sources.push(match unit.is_up_to_date() {
                true => self.charges(unit, period).await?,
                false => self.held(unit.source_name(), period, error).await?,
            });
            waits |= !unit.is_up_to_date();
        }
        if self.run.project.pipeline.allocation.is_some() {
            waits |= !self.allocation_reasons(period).await.is_empty();
            outcome.allocation = Some(match waits {
                true => AllocationReport::failed(period, error),
                false => self.allocation(period).await?,
            });
        }
        Ok(outcome)
    }

    async fn allocation_reasons(&self, period: BillingPeriod) -> Vec<String> {
        let published = self.published.lock().await;
        published.allocation_reasons(&self.decisive, period, self.survey.as_ref())
    }

    async fn held(&self, source: &str, period: BillingPeriod, error: &Error) -> Result<SourceUnitReport> {
        let work = self.ledger.begin(FOCUS_CHARGES, Some(source), period, &[]).await?;
        self.ledger.end(work, Some(error)).await?;
        log(error, Some(source), period);
        Ok(SourceUnitReport {
            status: Status::from(error),
            error: Some(Failure::from(error)),
            ..SourceUnitReport::empty(source, period)
        })
    }

    /// Takes away charges that nothing accounts for. That it was accepted is noted first, so that
    /// whoever comes after a crash in between need not be asked again.
    ///
    /// # Errors
    /// Only those of the ledger and the index.
    pub(super) async fn withdraw(&self, orphan: &Orphan, period: BillingPeriod) -> Result<SourceUnitReport> {
        let key = unit_key(FOCUS_CHARGES, Some(&orphan.source), &period.to_string());
        {
            let mut published = self.published.lock().await;
            published.index.units.entry(key.clone()).or_default().withdrawn = true;
            published.index.write(&self.run.destination.place).await?;
        }
        let work = self
            .ledger
            .begin(FOCUS_CHARGES, Some(&orphan.source), period, std::slice::from_ref(&orphan.reason))
            .await?;
        let (seconds, emptied) = self.take_away(work, orphan.partitions(period), &key, Some(orphan.note())).await?;
        let mut report = SourceUnitReport { seconds, ..SourceUnitReport::empty(&orphan.source, period) };
        match emptied {
            Ok(()) => {
                report.status = Status::Withdrawn;
                report.notes.push(orphan.note());
            }
            Err(error) => {
                log(&error, Some(&orphan.source), period);
                report.status = Status::from(&error);
                report.error = Some(Failure::from(&error));
            }
        }
        Ok(report)
    }

    /// Takes away the allocation of a month that has no charges any more.
    ///
    /// # Errors
    /// Only those of the ledger and the index.
    pub(super) async fn withdraw_allocation(
        &self,
        before: &PublishedUnit,
        period: BillingPeriod,
    ) -> Result<AllocationReport> {
        let reason = "no charges of this month are published any more".to_owned();
        let work = self.ledger.begin(ALLOCATED_CHARGES, None, period, std::slice::from_ref(&reason)).await?;
        let key = unit_key(ALLOCATED_CHARGES, None, &period.to_string());
        let partitions = left_over(before, &work);
        let (seconds, emptied) = self.take_away(work, partitions, &key, None).await?;
        let report = match emptied {
            Ok(()) => AllocationReport { status: Status::Withdrawn, ..AllocationReport::empty(period) },
            Err(error) => {
                log(&error, None, period);
                AllocationReport::failed(period, &error)
            }
        };
        Ok(AllocationReport { seconds, reasons: vec![reason], ..report })
    }

    /// Empties the partitions of a unit, forgets the unit, and ends its work: how long that took, and how it went.
    async fn take_away(
        &self,
        mut work: UnitWork,
        partitions: Vec<(&'static str, PartitionValues)>,
        key: &str,
        note: Option<String>,
    ) -> Result<(f64, Result<()>)> {
        let provenance = self.ledger.provenance(self.run, &work);
        let emptied = withdraw::empty(self.run, partitions, &provenance, &mut work).await;
        if emptied.is_ok() {
            work.entry.notes.extend(note);
            let mut published = self.published.lock().await;
            published.forget(key);
            published.index.write(&self.run.destination.place).await?;
        }
        let seconds = work.seconds();
        self.ledger.end_withdrawn(work, emptied.as_ref().err()).await?;
        Ok((seconds, emptied))
    }
}
