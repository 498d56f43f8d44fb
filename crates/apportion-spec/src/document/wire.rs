//! What may be written in a pipeline file. Doc comments here become the JSON Schema and the
//! option reference, so they speak to the person who writes the file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pipeline: which bills are read, how they are allocated, and where the tables go.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Version of this format. Always 1.
    pub version: u64,
    /// Name of the pipeline, used in reports and in the run ledger.
    pub name: String,
    /// Billing exports by a name of your choice; the name becomes `x_Source` in every table.
    pub sources: BTreeMap<String, Source>,
    /// Telemetry by a name of your choice; allocation rules refer to it as a driver.
    #[serde(default)]
    pub telemetry: BTreeMap<String, Telemetry>,
    /// Values computed once per charge by an expression over FOCUS columns, for example
    /// `tag('service')`. Usable in rules, kept as columns `x_Service` in the allocation tables.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// How charges are allocated to targets.
    #[serde(default)]
    pub allocation: Option<Allocation>,
    /// Cost per business quantity, by a name of your choice.
    #[serde(default)]
    pub unit_economics: BTreeMap<String, UnitMetric>,
    /// A currency in which every allocated cost is stated as well.
    #[serde(default)]
    pub reporting: Option<Reporting>,
    /// Where the tables are written.
    pub destination: Destination,
    /// Limits of the engine; command-line options win.
    #[serde(default)]
    pub engine: Engine,
    /// What an unattended run looks at and what it holds back.
    #[serde(default)]
    pub runs: Runs,
    /// Folder with rows for the reference tables of `sql/seeds`, a path relative to this file: `aws_regions.csv` in
    /// it adds to the built-in table of that name, and a row with the key of a built-in one replaces it.
    #[serde(default)]
    pub seeds: Option<String>,
}

/// One configured billing export.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Format of the export.
    pub format: SourceFormat,
    /// Where the export lies: `s3://bucket/prefix/`, `gs://`, `az://`, `file://` or a path relative to this file.
    pub location: String,
    /// Whether cost columns are taken before (`gross`) or after (`net`) negotiated discounts. Never mixed in one month.
    #[serde(default)]
    pub cost_basis: CostBasis,
    /// Exceptions to `cost_basis`, by billing period (`2026-01: net`).
    #[serde(default)]
    pub cost_basis_by_period: BTreeMap<String, CostBasis>,
    /// First billing period that counts (`2024-07`); earlier ones belong to another source or to none.
    #[serde(default)]
    pub from: Option<String>,
    /// Last billing period that counts.
    #[serde(default)]
    pub to: Option<String>,
    /// focus: columns of the export's own (`x_…`) that go into `x_SourceColumns` of `focus_charges`.
    #[serde(default)]
    pub keep: Vec<String>,
    /// Words that stand for no value in every column (`['NULL', '\N']`). Without the list `NULL`, `(null)`, `\N`,
    /// `None` and `NaN` of a CSV are no value in numbers, times and maps, and refused in text, where they may be the
    /// text; `[]` says that they are.
    #[serde(default)]
    pub null_words: Option<Vec<String>>,
    /// How to reach the store; credentials always come from the provider's standard chain.
    #[serde(default)]
    pub store: Store,
}

/// Formats of billing exports that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceFormat {
    /// AWS Cost and Usage Report, the legacy report in Athena-compatible Parquet.
    AwsCurLegacy,
    /// AWS Cost and Usage Report 2.0 from Data Exports, Parquet.
    #[serde(rename = "aws_cur_2")]
    AwsCur2,
    /// Google Cloud usage cost export, detailed or standard, as Parquet that BigQuery wrote.
    GcpBillingExport,
    /// Azure Cost Management actual and amortized cost exports of one scope, Parquet or CSV; the
    /// location holds both.
    AzureCostManagement,
    /// A native FOCUS export of any provider, version 1.0 or later, Parquet or CSV.
    Focus,
}

/// Gross (before negotiated discounts) or net cost columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CostBasis {
    /// Unblended cost and gross amortisation.
    #[default]
    Gross,
    /// Net unblended cost and net amortisation, for every row of the month.
    Net,
}

/// How to reach an object store. Never holds secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Region of the bucket; found out when absent.
    #[serde(default)]
    pub region: Option<String>,
    /// Endpoint of an S3-compatible store, for example `http://127.0.0.1:9000`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Named profile of the shared AWS configuration.
    #[serde(default)]
    pub profile: Option<String>,
    /// Whether the bucket is part of the path; defaults to true when `endpoint` is set.
    #[serde(default)]
    pub path_style: Option<bool>,
}

/// One telemetry data set in Parquet, of any column names.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Where the Parquet files lie: a file, a folder or a prefix.
    pub location: String,
    /// Column that says when the quantity was used (timestamp, date or ISO text).
    pub time: String,
    /// Column with the quantity.
    pub quantity: String,
    /// Unit of the quantity in FOCUS spelling, for example `Requests` or `CPU-Seconds`.
    pub unit: String,
    /// Column that names who used it: the allocation target.
    pub target: String,
    /// Which telemetry column must equal which dimension or FOCUS column of a charge: `{ service: svc }`.
    #[serde(default, rename = "match")]
    pub match_columns: BTreeMap<String, String>,
    /// Columns that identify one measurement; rows that repeat them are counted once.
    #[serde(default)]
    pub unique_by: Vec<String>,
    /// How to reach the store.
    #[serde(default)]
    pub store: Store,
}

/// How charges become costs of targets.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// What a target is: a dimension such as `customer`.
    pub target: String,
    /// Time grain of the allocation.
    #[serde(default)]
    pub grain: Grain,
    /// FOCUS columns and dimensions kept in the allocation tables; everything else is summed over.
    #[serde(default)]
    pub keep: Vec<String>,
    /// Ordered rules of a single stage; the first that matches a charge wins.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Several ordered stages, instead of `rules`.
    #[serde(default)]
    pub stages: Vec<Stage>,
    /// What happens to charges that follow other charges.
    #[serde(default)]
    pub followers: Followers,
}

/// A reporting currency and the declared rates into it. Nothing is added across currencies without it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reporting {
    /// The reporting currency (ISO 4217), for example `EUR`.
    pub currency: String,
    /// By billing currency and charge month: how much of the reporting currency one unit is worth,
    /// for example `USD: { 2026-01: 0.9231 }`. A rate that is needed and missing is an error.
    pub rates: BTreeMap<String, BTreeMap<String, ExchangeRate>>,
    /// Charge months whose published rates may be replaced; everywhere else a rate is frozen once used.
    #[serde(default)]
    pub restated_months: Vec<String>,
}

/// Time grain of the allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    /// One allocation per UTC day.
    #[default]
    Day,
}

/// A named group of ordered rules. A charge is handled by the first stage with a rule that matches it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Name of the stage.
    pub name: String,
    /// Ordered rules; the first that matches a charge wins.
    pub rules: Vec<Rule>,
}

/// One allocation rule.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name of the rule; every allocated row carries it.
    pub id: String,
    /// Condition over FOCUS columns, dimensions and tags. A rule without one matches every charge.
    #[serde(default)]
    pub when: Option<String>,
    /// How the matching charges are allocated.
    pub method: Method,
    /// direct: expression that names the target, for example `customer`.
    #[serde(default)]
    pub to: Option<String>,
    /// proportional: the telemetry that weighs the targets.
    #[serde(default)]
    pub driver: Option<String>,
    /// proportional: several drivers, each with its declared share of the cost.
    #[serde(default)]
    pub drivers: Vec<WeightedDriver>,
    /// proportional: weigh targets by the gross positive cost that earlier stages gave them.
    #[serde(default)]
    pub weight: Option<Ledger>,
    /// activity_based: the activities the cost pool pays for.
    #[serde(default)]
    pub activities: Vec<Activity>,
    /// activity_based: telemetry whose targets are the activities, instead of declared shares.
    #[serde(default)]
    pub resource_driver: Option<String>,
    /// even: the targets; when absent, every target the rule's `driver` saw in the period.
    #[serde(default)]
    pub targets: Vec<String>,
    /// fixed: declared shares by target; what is missing to 1 stays `unallocated`.
    #[serde(default)]
    pub shares: BTreeMap<String, Decimal>,
    /// What to do, in this order, where the driver was not measured at all. `unallocated` always comes last.
    #[serde(default)]
    pub fallback: Vec<Fallback>,
}

/// How a rule allocates cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The whole charge belongs to one target.
    Direct,
    /// In proportion to one driver, several weighted drivers, or cost.
    Proportional,
    /// Cost pool to activities, activities to targets.
    ActivityBased,
    /// The same share for every target.
    Even,
    /// Declared shares.
    Fixed,
}

/// A driver with its share of the cost.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedDriver {
    /// Name of the telemetry.
    pub driver: String,
    /// Share of the cost this driver splits, between 0 and 1; shares must not exceed 1 together.
    pub share: Decimal,
}

/// One activity of an activity-based rule.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// Name of the activity.
    pub name: String,
    /// Declared share of the pool, between 0 and 1; omit it when the rule has a `resource_driver`.
    #[serde(default)]
    pub share: Option<Decimal>,
    /// Name of the telemetry that splits the activity over targets.
    pub driver: String,
}

/// What stands in for a driver that was not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// The same driver's quantities of the previous billing period.
    PreviousPeriod,
    /// The same share for every target the driver saw in this billing period.
    Even,
    /// Nobody: the cost stays `unallocated`, with the reason.
    Unallocated,
}

/// The four cost ledgers of FOCUS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ledger {
    /// What is invoiced (`BilledCost`).
    Billed,
    /// Amortised cost after all discounts (`EffectiveCost`).
    #[default]
    Effective,
    /// Cost at public list prices (`ListCost`).
    List,
    /// Cost at negotiated prices before commitment discounts (`ContractedCost`).
    Contracted,
}

/// Policies for charges that are consequences of other charges.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Followers {
    /// Credits and discounts given after the fact.
    pub credit: FollowerPolicy,
    /// Refunds and other corrections. With `follow`, one of an older month is taken by the rule that matches it,
    /// where one does: what it corrects is not in this bill.
    pub refund: FollowerPolicy,
    /// Taxes.
    pub tax: FollowerPolicy,
    /// Support plans.
    pub support: FollowerPolicy,
    /// Commitment that was paid for and not used.
    pub unused_commitment: FollowerPolicy,
    /// Purchases of commitments, upfront and recurring.
    pub commitment_purchase: FollowerPolicy,
    /// Kept dimensions that a follower takes over from the usage it follows where it has no value itself; every kept
    /// dimension when not given, none with `[]`. Columns of the bill stay the follower's own.
    pub inherit: Option<Vec<String>>,
}

/// What happens to one kind of follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FollowerPolicy {
    /// Allocated like the usage it belongs to: same commitment or resource, else same SKU, else same service
    /// and sub account, else same billing account.
    #[default]
    Follow,
    /// Treated like any other charge: the rules decide.
    Rules,
    /// Stays `unallocated`.
    Unallocated,
}

/// Cost per business quantity.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitMetric {
    /// Telemetry that counts the business quantity.
    pub metric: String,
    /// Which cost is divided.
    #[serde(default)]
    pub ledger: Ledger,
    /// What the figure is broken down by: the allocation target and dimensions the telemetry matches on.
    #[serde(default)]
    pub by: Vec<String>,
}

/// Where the tables are written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// Folder or prefix: `s3://bucket/prefix/`, a path relative to this file, …
    pub location: String,
    /// Table format.
    #[serde(default)]
    pub format: TableFormat,
    /// How many superseded versions of a partition are kept under `_apportion/versions/`.
    #[serde(default = "default_keep_versions")]
    pub keep_versions: usize,
    /// How to reach the store.
    #[serde(default)]
    pub store: Store,
}

const fn default_keep_versions() -> usize {
    3
}

/// Table formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableFormat {
    /// Partitioned Parquet files that any tool reads.
    #[default]
    Parquet,
    /// Delta Lake tables: readers never see half a publication.
    Delta,
}

/// Limits of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// Memory the engine may use before it spills to disk, in MiB.
    #[schemars(range(min = crate::pipeline::MINIMUM_MEMORY_MIB))]
    pub memory_limit_mib: Option<u64>,
    /// How many partitions are worked on at once; defaults to the number of cores.
    #[schemars(range(min = 1))]
    pub jobs: Option<u64>,
}

/// What an unattended run looks at and what it holds back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Runs {
    /// How many billing periods before the current one `run` always looks at. Older ones are redone only when
    /// something they were made from changed; those never published are left to `backfill`. Without it every
    /// period of the sources is looked at.
    pub look_back: Option<u32>,
    /// A month whose rows, billed or effective cost fall by more than this share, or that loses a day with charges,
    /// is held back until it is accepted with `--accept-smaller YYYY-MM/SOURCE`. Default 0.5; 1 never holds
    /// anything back.
    pub hold_when_smaller_by: Option<Decimal>,
}

/// A number that stays exact: kept as the text that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(pub String);

impl Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Number::deserialize(deserializer).map(|number| Self(number.to_string()))
    }
}

/// An exchange rate that stays exact: kept as the text that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeRate(pub String);

impl<'de> Deserialize<'de> for ExchangeRate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Decimal::deserialize(deserializer).map(|decimal| Self(decimal.0))
    }
}

impl JsonSchema for ExchangeRate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ExchangeRate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "exclusiveMinimum": 0 })
    }
}

impl JsonSchema for Decimal {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}
