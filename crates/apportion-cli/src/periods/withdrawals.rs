//! Months with published charges that the pipeline does not account for: held back, or rid of them.

use apportion_sinks::units::unit_key;
use apportion_spec::{BillingPeriod, Error, Result};

use super::{Outcome, Work, log};
use crate::agenda::{AllocationAgenda, PeriodAgenda};
use crate::ledger::UnitWork;
use crate::report::{AllocationReport, Failure, SourceUnitReport, Status};
use crate::tables::{ALLOCATED_CHARGES, FOCUS_CHARGES};
use crate::withdraw::{self, Orphan, Partition, left_over};

impl Work<'_> {
    /// Leaves a month as it is until a person decides about what lies there, for a reason that concerns
    /// all of it.
    ///
    /// # Errors
    /// Only those of the ledger.
    pub(super) async fn hold(&self, agenda: &PeriodAgenda<'_>, waits: &Error, outcome: &mut Outcome) -> Result<()> {
        let period = agenda.period;
        for orphan in &agenda.orphans {
            let held = orphan.held(period);
            let error = if orphan.waits { &held } else { waits };
            outcome.sources.push(self.held(&orphan.source, period, error).await?);
        }
        for unit in &agenda.units {
            outcome.sources.push(match unit.is_up_to_date() {
                true => self.charges(unit, period).await?,
                false => self.held(unit.source_name(), period, waits).await?,
            });
        }
        outcome.allocation = match &agenda.allocation {
            AllocationAgenda::None => None,
            _ if agenda.is_open() => Some(AllocationReport::failed(period, waits)),
            _ => self.allocation(agenda, true).await?,
        };
        Ok(())
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

    /// Takes away the allocation of a month.
    ///
    /// # Errors
    /// Only those of the ledger and the index.
    pub(super) async fn withdraw_allocation(
        &self,
        agenda: &PeriodAgenda<'_>,
        reason: &str,
    ) -> Result<AllocationReport> {
        let period = agenda.period;
        let reason = reason.to_owned();
        let work = self.ledger.begin(ALLOCATED_CHARGES, None, period, std::slice::from_ref(&reason)).await?;
        let key = unit_key(ALLOCATED_CHARGES, None, &period.to_string());
        let partitions = left_over(&agenda.allocated, &work);
        let what = match self.published.lock().await.allocation(period) {
            Some(unit) => withdraw::described_allocation(unit)?,
            None => "what was published of it".to_owned(),
        };
        let note =
            format!("withdrew {what}, because {reason}; superseded versions are kept as after every publication");
        let (seconds, emptied) = self.take_away(work, partitions, &key, Some(note.clone())).await?;
        let report = match emptied {
            Ok(()) => {
                AllocationReport { status: Status::Withdrawn, notes: vec![note], ..AllocationReport::empty(period) }
            }
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
        partitions: Vec<Partition>,
        key: &str,
        note: Option<String>,
    ) -> Result<(f64, Result<()>)> {
        let provenance = self.ledger.provenance(self.run, &work);
        let mut emptied = withdraw::empty(self.run, partitions, &provenance, &mut work).await;
        if emptied.is_ok() {
            work.entry.notes.extend(note);
            let mut published = self.published.lock().await;
            published.forget(key);
            emptied = published.index.write(&self.run.destination.place).await;
        }
        let seconds = work.seconds();
        self.ledger.end_withdrawn(work, emptied.as_ref().err()).await?;
        Ok((seconds, emptied))
    }
}
