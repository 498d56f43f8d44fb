//! What a run did, as data: printed as a summary for people or as one JSON document for machines.
//!
//! Amounts are text with all twelve decimals, because a JSON number is a float to most readers.

use std::collections::BTreeMap;

use apportion_sinks::MissingSource;
use apportion_spec::{BillingPeriod, Error, ErrorKind};
use serde::{Serialize, Serializer};

use crate::exit::ExitStatus;
use crate::foreign::ForeignReport;
use crate::money::Money;
use crate::unmapped::Unmapped;

/// Outcome of a whole run.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct RunReport {
    /// Pipeline name.
    pub(crate) pipeline: String,
    /// Identifier of the run, also in the ledger.
    pub(crate) run_id: String,
    /// Where the tables are.
    pub(crate) destination: String,
    /// Table format.
    pub(crate) table_format: String,
    /// Normalization per source and billing period.
    pub(crate) sources: Vec<SourceUnitReport>,
    /// Sources that could not be listed at all: nothing of them was looked at.
    pub(crate) unlisted: BTreeMap<String, Failure>,
    /// Objects in the folders of the tables that no run published.
    pub(crate) foreign: Vec<ForeignReport>,
    /// Allocation per billing period.
    pub(crate) allocations: Vec<AllocationReport>,
    /// What failed beside the units: by billing period what kept it from being withdrawn, held or
    /// certified, and `run ledger`.
    pub(crate) failures: BTreeMap<String, Failure>,
    /// Sources that billing periods are published without.
    pub(crate) missing: Vec<MissingReport>,
    /// What the reader should know about the run as a whole.
    pub(crate) notes: Vec<String>,
    /// Whether the run was asked to stop before it was done.
    pub(crate) stopped: bool,
    /// Seconds by phase: `discover`, `normalize`, `allocate`, `total`.
    pub(crate) seconds: BTreeMap<String, f64>,
}

/// A source that has published nothing for a billing period while others have.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MissingReport {
    /// Billing period.
    pub(crate) billing_period: String,
    /// Source name.
    pub(crate) source: String,
    /// `missing`, `failed` or `unlisted`.
    pub(crate) status: String,
    /// Why, in words.
    pub(crate) reason: String,
}

impl MissingReport {
    pub(crate) fn new(period: BillingPeriod, missing: MissingSource) -> Self {
        let MissingSource { source, status, reason } = missing;
        Self { billing_period: period.to_string(), source, status, reason }
    }
}

/// Outcome of one unit of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// New content is visible.
    Published,
    /// The tables already held exactly this content.
    Unchanged,
    /// Nothing it is made from changed, so it was not computed again.
    UpToDate,
    /// The pipeline no longer accounts for it; what was published of it is gone.
    Withdrawn,
    /// It became suspiciously small and waits to be accepted; what was published before stays.
    Held,
    /// The run was asked to stop before it was published.
    Stopped,
    /// Nothing of this unit was published.
    Failed,
}

impl Status {
    /// The word in reports and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Unchanged => "unchanged",
            Self::UpToDate => "up_to_date",
            Self::Withdrawn => "withdrawn",
            Self::Held => "held",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a unit failed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failure {
    /// Kind of the error, by remedy.
    pub(crate) kind: &'static str,
    /// The message with its context.
    pub(crate) message: String,
    #[serde(skip)]
    pub(crate) status: ExitStatus,
}

impl From<&Error> for Status {
    /// The status of a unit that ended with this error.
    fn from(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Held => Self::Held,
            ErrorKind::Stopped => Self::Stopped,
            _ => Self::Failed,
        }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind().as_str(), message: error.to_string(), status: ExitStatus::of_unit(error.kind()) }
    }
}

/// Totals of the four ledgers in one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct LedgerTotals {
    /// Invoiced.
    pub(crate) billed: Money,
    /// Amortised.
    pub(crate) effective: Money,
    /// At list prices.
    pub(crate) list: Money,
    /// At negotiated prices.
    pub(crate) contracted: Money,
}

/// Normalization of one source in one billing period.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SourceUnitReport {
    /// Source name.
    pub(crate) source: String,
    /// Billing period.
    pub(crate) billing_period: String,
    /// What happened.
    pub(crate) status: Status,
    /// Objects read.
    pub(crate) objects: usize,
    /// Their size.
    pub(crate) bytes_read: u64,
    /// Charges written.
    pub(crate) rows: u64,
    /// Totals by currency.
    pub(crate) totals: BTreeMap<String, LedgerTotals>,
    /// Version of FOCUS whose columns a native export has.
    pub(crate) focus_version: Option<String>,
    /// Values that no seed lists, by the seed that takes their rows.
    pub(crate) unmapped: Vec<Unmapped>,
    /// Why it was computed; empty when it was not.
    pub(crate) reasons: Vec<String>,
    /// What the reader should know: superseded assemblies, unknown columns, warnings of checks.
    pub(crate) notes: Vec<String>,
    /// Why it failed.
    pub(crate) error: Option<Failure>,
    /// Whether it failed and nothing of it is published, from earlier runs neither.
    #[serde(skip)]
    pub(crate) absent: bool,
    /// Wall time.
    pub(crate) seconds: f64,
}

impl SourceUnitReport {
    /// A report without figures.
    pub(crate) fn empty(source: &str, period: BillingPeriod) -> Self {
        Self {
            source: source.to_owned(),
            billing_period: period.to_string(),
            status: Status::Unchanged,
            objects: 0,
            bytes_read: 0,
            rows: 0,
            totals: BTreeMap::new(),
            focus_version: None,
            unmapped: Vec::new(),
            reasons: Vec::new(),
            notes: Vec::new(),
            error: None,
            absent: false,
            seconds: 0.0,
        }
    }
}

/// Allocation of one billing period.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AllocationReport {
    /// Billing period.
    pub(crate) billing_period: String,
    /// What happened.
    pub(crate) status: Status,
    /// Rows of `allocated_charges`.
    pub(crate) rows: u64,
    /// Totals by currency over all sources.
    pub(crate) totals: BTreeMap<String, LedgerTotals>,
    /// Effective cost by currency that reached a target.
    pub(crate) allocated_effective: BTreeMap<String, Money>,
    /// Effective cost by currency and reason that did not.
    pub(crate) unallocated_effective: BTreeMap<String, BTreeMap<String, Money>>,
    /// The targets with the largest effective cost, currency by currency.
    pub(crate) top_targets: Vec<TargetCost>,
    /// Unit costs of the period.
    pub(crate) unit_costs: Vec<UnitCost>,
    /// Charges and effective cost by rule.
    pub(crate) rules: Vec<RuleOutcome>,
    /// Why it was computed; empty when it was not.
    pub(crate) reasons: Vec<String>,
    /// What the reader should know.
    pub(crate) notes: Vec<String>,
    /// Why it failed.
    pub(crate) error: Option<Failure>,
    /// Wall time.
    pub(crate) seconds: f64,
}

/// Effective cost of one target.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TargetCost {
    /// Target.
    pub(crate) target: String,
    /// Currency.
    pub(crate) currency: String,
    /// Effective cost.
    pub(crate) effective: Money,
}

/// One unit cost over a whole period.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UnitCost {
    /// Unit metric.
    pub(crate) metric: String,
    /// Currency.
    pub(crate) currency: String,
    /// Cost of all targets that have a quantity.
    pub(crate) cost: Money,
    /// Quantity.
    pub(crate) quantity: Money,
    /// Unit of the quantity.
    pub(crate) unit: String,
    /// Cost per unit as text with 18 decimals, or `None`.
    pub(crate) unit_cost: Option<String>,
}

/// What one rule did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RuleOutcome {
    /// Rule, or `(no rule)`.
    pub(crate) rule: String,
    /// Charges it matched.
    pub(crate) charges: u64,
    /// Their effective cost, all currencies apart.
    pub(crate) effective: BTreeMap<String, Money>,
    /// Later rules that would have matched some of these charges too.
    pub(crate) also_matched_by: BTreeMap<String, u64>,
}

impl RunReport {
    /// The worst outcome of all units.
    #[must_use]
    pub(crate) fn exit_status(&self) -> ExitStatus {
        let sources = self.sources.iter().filter_map(|unit| unit.error.as_ref());
        let allocations = self.allocations.iter().filter_map(|unit| unit.error.as_ref());
        let foreign = self.foreign.iter().any(|it| it.counted).then_some(ExitStatus::CheckFailed);
        let stopped = self.stopped.then_some(ExitStatus::Stopped);
        let failures = sources.chain(allocations).chain(self.unlisted.values()).chain(self.failures.values());
        failures.map(|failure| failure.status).chain(stopped).chain(foreign).max().unwrap_or(ExitStatus::Success)
    }
}
