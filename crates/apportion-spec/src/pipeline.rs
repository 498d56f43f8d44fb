//! The validated pipeline: what the rest of the workspace works with.

use std::collections::BTreeMap;

use crate::BillingPeriod;
pub use crate::document::node::Place;
pub use crate::document::wire::{
    CostBasis, Fallback, FollowerPolicy, Followers, Ledger, SourceFormat, Store, TableFormat,
};
use crate::identity::Identity;

/// The least memory limit, in MiB: below it not even a month of a few charges can be sorted.
pub const MINIMUM_MEMORY_MIB: u64 = 32;

/// A valid pipeline. Names are unique, references resolve, shares add up; expressions are still
/// text, because only the engine can plan them.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Name of the pipeline.
    pub name: String,
    /// Billing exports, ordered by name.
    pub sources: Vec<Source>,
    /// Telemetry data sets, ordered by name.
    pub telemetry: Vec<Telemetry>,
    /// Dimensions, ordered by name.
    pub dimensions: Vec<Dimension>,
    /// How charges are allocated; without it only `focus_charges` is written.
    pub allocation: Option<Allocation>,
    /// Unit metrics, ordered by name.
    pub unit_metrics: Vec<UnitMetric>,
    /// The reporting currency, when one is declared.
    pub reporting: Option<Reporting>,
    /// Where tables go.
    pub destination: Destination,
    /// Memory limit in MiB, when declared.
    pub memory_limit_mib: Option<u64>,
    /// Degree of parallelism, when declared.
    pub jobs: Option<u64>,
    /// What an unattended run looks at and what it holds back.
    pub runs: Runs,
    /// Folder with rows for the reference tables, as written.
    pub seeds: Option<String>,
    /// What decides about figures, in one canonical text each; see [`Pipeline::source_identity`].
    pub(crate) identity: Identity,
}

/// What an unattended run looks at and what it holds back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runs {
    /// Billing periods before the current one that are always looked at; `None` for all.
    pub look_back: Option<u32>,
    /// Share by which rows and costs of a month may fall.
    pub hold_when_smaller_by: Share,
}

/// One billing export.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name, the value of `x_Source`.
    pub name: String,
    /// Format of the export.
    pub format: SourceFormat,
    /// Location as written.
    pub location: String,
    /// Cost basis where no exception is declared.
    pub cost_basis: CostBasis,
    /// Declared exceptions by billing period.
    pub cost_basis_by_period: BTreeMap<BillingPeriod, CostBasis>,
    /// First billing period that counts.
    pub from: Option<BillingPeriod>,
    /// Last billing period that counts.
    pub to: Option<BillingPeriod>,
    /// Delivered columns to keep in `x_SourceColumns`.
    pub keep: Vec<String>,
    /// Words that stand for no value in text as well, when declared.
    pub null_words: Option<Vec<String>>,
    /// Store options.
    pub store: Store,
}

impl Source {
    /// The one cost basis of this source in `period`.
    #[must_use]
    pub fn cost_basis_in(&self, period: BillingPeriod) -> CostBasis {
        self.cost_basis_by_period.get(&period).copied().unwrap_or(self.cost_basis)
    }

    /// Whether the source's charges of `period` count.
    #[must_use]
    pub fn covers(&self, period: BillingPeriod) -> bool {
        self.from.is_none_or(|from| from <= period) && self.to.is_none_or(|to| period <= to)
    }
}

/// A reporting currency with its rates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reporting {
    /// ISO 4217 code.
    pub currency: String,
    /// Declared rates, ordered by currency and month.
    pub rates: Vec<ExchangeRate>,
    /// Charge months whose published rates may be replaced.
    pub restated_months: Vec<BillingPeriod>,
}

/// What one unit of a currency is worth in the reporting currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeRate {
    /// Billing currency.
    pub currency: String,
    /// Month of the charge.
    pub month: BillingPeriod,
    /// The rate as written: a positive decimal number of at most 18 decimals.
    pub rate: String,
}

/// One telemetry data set.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Name; rules and unit metrics refer to it.
    pub name: String,
    /// Location as written.
    pub location: String,
    /// Time column.
    pub time: String,
    /// Quantity column.
    pub quantity: String,
    /// Unit of the quantity.
    pub unit: String,
    /// Target column.
    pub target: String,
    /// Pairs of (dimension or FOCUS column of the charge, telemetry column), ordered by the first.
    pub match_columns: Vec<(String, String)>,
    /// Columns that identify a measurement; empty when every row counts.
    pub unique_by: Vec<String>,
    /// Store options.
    pub store: Store,
}

/// Text with its place in the pipeline file, for expressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The text as written.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

/// A value computed once per charge.
#[derive(Debug, Clone)]
pub struct Dimension {
    /// Name as used in rules, for example `service`.
    pub name: String,
    /// Column in the allocation tables, for example `x_Service`.
    pub column: String,
    /// Expression over FOCUS columns.
    pub expression: Located,
}

/// How charges are allocated.
#[derive(Debug, Clone)]
pub struct Allocation {
    /// The dimension that names the target.
    pub target: String,
    /// FOCUS columns kept, in declared order.
    pub keep_columns: Vec<String>,
    /// Dimensions kept, in declared order.
    pub keep_dimensions: Vec<String>,
    /// Ordered stages of rules.
    pub stages: Vec<Stage>,
    /// Policies for followers, the built-in last stage.
    pub followers: Followers,
    /// Kept dimensions that followers inherit where they have no value, in declared order.
    pub inherited: Vec<String>,
}

impl Allocation {
    /// Every rule with its stage, in the order in which they are tried.
    pub fn rules(&self) -> impl Iterator<Item = (&Stage, &Rule)> {
        self.stages.iter().flat_map(|stage| stage.rules.iter().map(move |rule| (stage, rule)))
    }
}

/// A named stage of ordered rules.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Name of the stage.
    pub name: String,
    /// Ordered rules.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Name of the rule.
    pub id: String,
    /// Condition; `None` matches every charge.
    pub when: Option<Located>,
    /// Method with what it needs.
    pub method: Method,
    /// Fallbacks in order; [`Fallback::Unallocated`] is implied at the end.
    pub fallback: Vec<Fallback>,
}

/// A method with what it needs.
#[derive(Debug, Clone)]
pub enum Method {
    /// The whole charge to the target that the expression names; NULL leaves it `unallocated`.
    Direct {
        /// Expression that names the target.
        to: Located,
    },
    /// Parts of the cost, each split by one driver. A single driver is one part with share 1.
    Proportional {
        /// Drivers with their shares; what is missing to 1 stays `unallocated`.
        parts: Vec<Part>,
    },
    /// By the gross positive cost that earlier stages gave each target.
    ProportionalToCost {
        /// Ledger of the weights.
        ledger: Ledger,
    },
    /// Activities with declared shares, or shares measured by a resource driver.
    ActivityBased {
        /// The activities; their shares are `None` exactly when `resource_driver` is set.
        activities: Vec<Activity>,
        /// Telemetry whose targets are the activities.
        resource_driver: Option<String>,
    },
    /// The same share for every target.
    Even {
        /// Who shares.
        over: EvenOver,
    },
    /// Declared shares; what is missing to 1 stays `unallocated`.
    Fixed {
        /// Share by target, ordered by target.
        shares: Vec<(String, Share)>,
    },
}

impl Method {
    /// Name as written in the pipeline and in `x_AllocationMethod`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Direct { .. } => "direct",
            Self::Proportional { .. } | Self::ProportionalToCost { .. } => "proportional",
            Self::ActivityBased { .. } => "activity_based",
            Self::Even { .. } => "even",
            Self::Fixed { .. } => "fixed",
        }
    }

    /// Every telemetry data set the method reads.
    #[must_use]
    pub fn drivers(&self) -> Vec<&str> {
        match self {
            Self::Proportional { parts } => parts.iter().map(|part| part.driver.as_str()).collect(),
            Self::ActivityBased { activities, resource_driver } => {
                activities.iter().map(|activity| activity.driver.as_str()).chain(resource_driver.as_deref()).collect()
            }
            Self::Even { over: EvenOver::Driver(driver) } => vec![driver],
            Self::Direct { .. } | Self::ProportionalToCost { .. } | Self::Even { .. } | Self::Fixed { .. } => {
                Vec::new()
            }
        }
    }
}

/// A driver with the share of the cost it splits.
#[derive(Debug, Clone)]
pub struct Part {
    /// Telemetry name.
    pub driver: String,
    /// Declared share.
    pub share: Share,
}

/// An activity of an activity-based rule.
#[derive(Debug, Clone)]
pub struct Activity {
    /// Name.
    pub name: String,
    /// Declared share, unless a resource driver measures it.
    pub share: Option<Share>,
    /// Telemetry that splits the activity over targets.
    pub driver: String,
}

/// Who shares evenly.
#[derive(Debug, Clone)]
pub enum EvenOver {
    /// These targets.
    Targets(Vec<String>),
    /// Every target this telemetry saw in the billing period.
    Driver(String),
}

/// An exact share between 0 and 1, in units of 10^-12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(i128);

impl Share {
    /// The whole.
    pub const ONE: Self = Self(1_000_000_000_000);
    /// One half.
    pub const HALF: Self = Self(500_000_000_000);

    /// Reads a plain decimal number between 0 and 1 with at most 12 decimals.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        if decimals.len() > 12 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let units: i128 = format!("{whole}{decimals:0<12}").parse().ok()?;
        (0..=Self::ONE.0).contains(&units).then_some(Self(units))
    }

    /// The share in units of 10^-12.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }
}

/// Cost per business quantity.
#[derive(Debug, Clone)]
pub struct UnitMetric {
    /// Name.
    pub name: String,
    /// Telemetry that counts the quantity.
    pub metric: String,
    /// Which cost is divided.
    pub ledger: Ledger,
    /// Dimensions besides the target, in declared order.
    pub by_dimensions: Vec<String>,
    /// Whether the figure is broken down by target.
    pub by_target: bool,
}

/// Where tables go.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Location as written.
    pub location: String,
    /// Table format.
    pub format: TableFormat,
    /// Superseded versions kept per partition.
    pub keep_versions: usize,
    /// Store options.
    pub store: Store,
}

impl Ledger {
    /// The four ledgers in the order of FOCUS.
    pub const ALL: [Self; 4] = [Self::Billed, Self::Effective, Self::List, Self::Contracted];

    /// The FOCUS column of the ledger.
    #[must_use]
    pub const fn column(self) -> &'static str {
        match self {
            Self::Billed => "BilledCost",
            Self::Effective => "EffectiveCost",
            Self::List => "ListCost",
            Self::Contracted => "ContractedCost",
        }
    }

    /// Name as written in the pipeline and in `x_Ledger`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Billed => "billed",
            Self::Effective => "effective",
            Self::List => "list",
            Self::Contracted => "contracted",
        }
    }
}

impl Fallback {
    /// Name as written in the pipeline and in `x_DriverSource`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreviousPeriod => "previous_period",
            Self::Even => "even",
            Self::Unallocated => "unallocated",
        }
    }
}

impl CostBasis {
    /// Name as written in the pipeline and bound to `$cost_basis`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gross => "gross",
            Self::Net => "net",
        }
    }
}

impl SourceFormat {
    /// Every format.
    pub const ALL: [Self; 5] =
        [Self::AwsCurLegacy, Self::AwsCur2, Self::GcpBillingExport, Self::AzureCostManagement, Self::Focus];

    /// Name as written in the pipeline.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwsCurLegacy => "aws_cur_legacy",
            Self::AwsCur2 => "aws_cur_2",
            Self::GcpBillingExport => "gcp_billing_export",
            Self::AzureCostManagement => "azure_cost_management",
            Self::Focus => "focus",
        }
    }
}
