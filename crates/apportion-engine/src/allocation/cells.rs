//! Cells: charges that share everything allocation and reports look at, in one scan.
//!
//! A cell's identity holds the kept columns and dimensions, frequency, the target its charges name,
//! the rule that took them and the keys its drivers match on, the keys a follower could follow, and
//! its days. So a cell lies in exactly one rule, and the charges of a cell can be found again from
//! its values. What other rules there are, in which order and what they match is no part of it: a
//! rule that takes nothing changes no id.
//! The trap avoided: keys that make a cell of every charge. Resources, SKUs and commitments are
//! only told apart where a follower of the period asks for them.

use std::collections::{BTreeSet, HashSet};

use apportion_spec::Result;
use apportion_spec::pipeline::{FollowerPolicy, Ledger};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, JoinType, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::functions::core::expr_fn::{named_struct, nullif};
use datafusion::functions::string::expr_fn::concat;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::functions_nested::expr_fn::make_array;
use datafusion::logical_expr::{Expr, cast, ident, lit, when};
use datafusion::prelude::SessionContext;

use super::follower::Follower;
use super::frames::{extend, failed, function, settle, sql};
use super::plan::{AllocationPlan, FOLLOWERS, UNMATCHED};
use super::{Barrier, inherit};

/// Ordinal of charges that follow others.
const FOLLOWS: i64 = -1;
/// Ordinal of followers that stay unallocated.
const STAYS: i64 = -2;

/// Columns of a cell that hold a key a follower may follow, and the charge column behind each.
const FOLLOW_KEYS: [(&str, &str); 3] = [
    ("FollowCommitmentDiscountId", "CommitmentDiscountId"),
    ("FollowResourceId", "ResourceId"),
    ("FollowSkuId", "SkuId"),
];

/// The days of a charge that lies within one day, else its exact span in the billing period. A
/// charge outside of the period (a correction of an older month) keeps its own span.
const CLIPPED: [(&str, &str); 2] = [
    (
        "ClippedStart",
        "case when least(ChargePeriodEnd, BillingPeriodEnd) > greatest(ChargePeriodStart, BillingPeriodStart) \
         then greatest(ChargePeriodStart, BillingPeriodStart) else ChargePeriodStart end",
    ),
    (
        "ClippedEnd",
        "case when least(ChargePeriodEnd, BillingPeriodEnd) > greatest(ChargePeriodStart, BillingPeriodStart) \
         then least(ChargePeriodEnd, BillingPeriodEnd) else greatest(ChargePeriodEnd, ChargePeriodStart) end",
    ),
];
const ONE_DAY: &str = "ClippedEnd <= ClippedStart \
    or date_trunc('day', ClippedStart) = date_trunc('day', ClippedEnd - interval '1 microsecond')";

/// The cells of the charges registered as `focus_charges`.
pub(super) async fn cells(context: &SessionContext, barrier: &dyn Barrier, plan: &AllocationPlan) -> Result<DataFrame> {
    let step = failed("group charges into cells");
    let charges = context.table("focus_charges").await.map_err(&step)?;
    let charges = identified(context, barrier, charges, plan, &[]).await?;
    let charges = extend(charges, vec![lit(1_i64).alias("ChargeCount")]).map_err(&step)?;
    let names = group(plan);
    let values = names.iter().map(|name| ident(name).alias(in_cell(name))).collect();
    summed(charges, values).and_then(|cells| described(cells, plan)).map_err(step)
}

/// The cells as [`cells`] gives them, by way of the table `allocation_matched_cells`: cells told
/// apart by which rules match their charges, from which it is reported who else would have taken
/// what. So the charges are read once for both.
pub(super) async fn matched_cells(
    context: &SessionContext,
    barrier: &dyn Barrier,
    plan: &AllocationPlan,
) -> Result<DataFrame> {
    let step = failed("group charges into cells");
    let charges = context.table("focus_charges").await.map_err(&step)?;
    let charges = identified(context, barrier, charges, plan, &[]).await?;
    let charges = extend(charges, vec![lit(1_i64).alias("ChargeCount")]).map_err(&step)?;
    let names = group(plan);
    let matches = ["RuleMatches".to_owned()];
    let values = names.iter().chain(&matches).map(|name| ident(name).alias(in_cell(name))).collect();
    let matched = summed(charges, values).map_err(&step)?;
    let matched = settle(context, barrier, "period", "allocation_matched_cells", matched).await?;
    let values = names.iter().map(|name| ident(in_cell(name))).collect();
    let cells = context.read_table(matched).and_then(|matched| summed(matched, values));
    cells.and_then(|cells| described(cells, plan)).map_err(step)
}

/// The charges of the given cells: `CellId`, `x_ChargeId` and the four costs.
pub(super) async fn charges(
    context: &SessionContext,
    barrier: &dyn Barrier,
    plan: &AllocationPlan,
    cells: &[String],
) -> Result<DataFrame> {
    let step = failed("find the charges of a cell");
    let charges = context.table("focus_charges").await.map_err(&step)?;
    let charges = identified(context, barrier, charges, plan, &["x_ChargeId"]).await?;
    let mut columns = vec![identity(plan).map_err(&step)?.alias("CellId"), ident("x_ChargeId").alias("x_ChargeId")];
    columns.extend(Ledger::ALL.map(|ledger| ident(ledger.column()).alias(ledger.column())));
    let wanted = cells.iter().map(|cell| lit(cell.as_str())).collect();
    charges.select(columns).and_then(|charges| charges.filter(ident("CellId").in_list(wanted, false))).map_err(step)
}

/// Columns of a charge by which people look at it, besides its id.
const SHOWN: [&str; 5] = ["ResourceId", "ResourceName", "ResourceType", "SkuId", "ChargeDescription"];

/// Each of the given charges that costs something with its cell and days, as `sql/views` reads them.
pub(super) async fn with_cells(
    context: &SessionContext,
    barrier: &dyn Barrier,
    charges: DataFrame,
    plan: &AllocationPlan,
) -> Result<DataFrame> {
    let step = failed("find the cells of charges");
    let more: Vec<&str> = SHOWN.iter().copied().chain(["x_ChargeId"]).collect();
    let charges = identified(context, barrier, charges, plan, &more).await?;
    let costs = Ledger::ALL.map(Ledger::column);
    let costing = costs.iter().map(|cost| format!("{cost} <> 0")).collect::<Vec<_>>().join(" or ");
    let costing = context.parse_sql_expr(&costing, charges.schema()).map_err(&step)?;
    let mut columns = vec![identity(plan).map_err(&step)?.alias("CellId")];
    let own = ["x_BillingPeriod", "x_ChargeId", "SpanStart", "SpanEnd"].into_iter().chain(SHOWN).chain(costs);
    columns.extend(own.map(|name| ident(name).alias(name)));
    charges.filter(costing).and_then(|charges| charges.select(columns)).map_err(step)
}

/// The charges with everything that tells cells apart, and the columns `more`.
async fn identified(
    context: &SessionContext,
    barrier: &dyn Barrier,
    charges: DataFrame,
    plan: &AllocationPlan,
    more: &[&str],
) -> Result<DataFrame> {
    let charges = routed(context, charges, plan, more).map_err(failed("match rules"))?;
    let charges = keyed(context, charges, plan).map_err(failed("find driver keys and days"))?;
    followed(context, barrier, charges, plan).await
}

/// Columns of a charge that allocation itself looks at, besides the four costs.
const OWN_COLUMNS: [&str; 20] = [
    "x_BillingPeriod",
    "x_Source",
    "x_Finality",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeFrequency",
    "ServiceCategory",
    "ServiceSubcategory",
    "CommitmentDiscountStatus",
    "CommitmentDiscountId",
    "ResourceId",
    "SkuId",
    "ServiceName",
    "SubAccountId",
    "BillingAccountId",
];

/// Every column of a charge that the plan needs; narrow plans are planned and read faster.
fn needed(plan: &AllocationPlan) -> HashSet<String> {
    let own = OWN_COLUMNS.iter().map(|name| (*name).to_owned());
    let costs = Ledger::ALL.iter().map(|ledger| ledger.column().to_owned());
    let kept = plan.kept.iter().map(|column| column.name.clone());
    let matched = plan.match_sets.iter().flatten().cloned();
    let values = plan.dimensions.iter().map(|(_, value)| value).chain(plan.reads.tags.values());
    let inside = values.flat_map(|value| value.column_refs().into_iter().map(|column| column.name.clone()));
    let told = [plan.target.clone()].into_iter();
    own.chain(costs)
        .chain(kept)
        .chain(told)
        .chain(matched)
        .chain(plan.reads.columns.iter().cloned())
        .chain(inside)
        .collect()
}

/// A correction of a month before the bill's own: what it corrects is not in this bill, so a rule
/// that matches it comes first, and splits it by what was measured on its own days.
const OF_AN_OLDER_MONTH: &str = "FollowerKind = 'refund' and ChargePeriodEnd <= BillingPeriodStart";

/// Adds dimensions, the kind of follower, which rules match, and which one applies.
pub(super) fn routed(
    context: &SessionContext,
    charges: DataFrame,
    plan: &AllocationPlan,
    more: &[&str],
) -> Result<DataFrame, DataFusionError> {
    let mut needed = needed(plan);
    needed.extend(more.iter().map(|name| (*name).to_owned()));
    let names = charges.schema().fields().iter().map(|field| field.name()).filter(|name| needed.contains(*name));
    let mut columns: Vec<Expr> = names.map(|name| ident(name).alias(name)).collect();
    columns.extend(plan.dimensions.iter().map(|(column, value)| value.clone().alias(column)));
    let charges = charges.select(columns)?;

    let mut marks = Vec::with_capacity(plan.rules.len());
    for rule in &plan.rules {
        marks.push(match &rule.when {
            Some(condition) => when(condition.clone(), lit("1")).otherwise(lit("0"))?,
            None => lit("1"),
        });
    }
    let kind = sql(context, &charges, &Follower::kind_sql(), "FollowerKind")?;
    let charges = extend(charges, vec![cast(concat(marks), DataType::Utf8).alias("RuleMatches"), kind])?;

    let first = "cast(strpos(RuleMatches, '1') as bigint)";
    let mut branches = String::new();
    if plan.followers.refund == FollowerPolicy::Follow {
        branches.push_str(&format!("when {OF_AN_OLDER_MONTH} and {first} > 0 then {first} "));
    }
    for (policy, ordinal) in [(FollowerPolicy::Follow, FOLLOWS), (FollowerPolicy::Unallocated, STAYS)] {
        if let Some(kinds) = Follower::list_sql(&plan.followers, policy) {
            branches.push_str(&format!("when FollowerKind in {kinds} then {ordinal} "));
        }
    }
    let ordinal = if branches.is_empty() { first.to_owned() } else { format!("case {branches}else {first} end") };
    let ordinal = cast(context.parse_sql_expr(&ordinal, charges.schema())?, DataType::Int64).alias("RuleOrdinal");
    extend(charges, vec![ordinal])
}

/// A value per rule ordinal, NULL where no rule gives one.
fn by_rule(values: Vec<(i64, Expr)>) -> Result<Expr, DataFusionError> {
    let nothing = lit(ScalarValue::Utf8(None));
    let mut values = values.into_iter();
    let Some((ordinal, value)) = values.next() else { return Ok(nothing) };
    let mut branches = when(ident("RuleOrdinal").eq(lit(ordinal)), value);
    for (ordinal, value) in values {
        branches = branches.when(ident("RuleOrdinal").eq(lit(ordinal)), value);
    }
    branches.otherwise(nothing)
}

/// The rules with their ordinals, which start at 1.
pub(super) fn numbered(plan: &AllocationPlan) -> impl Iterator<Item = (i64, &super::plan::RulePlan)> {
    (1_i64..).zip(&plan.rules)
}

fn match_key_column(index: usize) -> String {
    format!("MatchKey{}", index + 1)
}

/// Adds the direct target, one match key per distinct list of match columns, and the days.
pub(super) fn keyed(
    context: &SessionContext,
    charges: DataFrame,
    plan: &AllocationPlan,
) -> Result<DataFrame, DataFusionError> {
    let targets =
        numbered(plan).filter_map(|(ordinal, rule)| rule.to.clone().map(|to| (ordinal, nullif(to, lit(""))))).collect();
    let mut added = vec![by_rule(targets)?.alias("DirectTarget")];
    for (index, columns) in plan.match_sets.iter().enumerate() {
        let users: Vec<Expr> = numbered(plan)
            .filter(|(_, rule)| rule.key_positions().contains(&(index + 1)))
            .map(|(ordinal, _)| lit(ordinal))
            .collect();
        let key = if columns.is_empty() {
            lit("")
        } else {
            let values: Vec<Expr> = columns.iter().map(ident).collect();
            function("match_key")?.call(values)
        };
        let key = when(ident("RuleOrdinal").in_list(users, false), key).otherwise(lit(ScalarValue::Utf8(None)))?;
        added.push(key.alias(match_key_column(index)));
    }
    for (name, text) in CLIPPED {
        added.push(sql(context, &charges, text, name)?);
    }
    let charges = extend(charges, added)?;
    let start = format!("case when {ONE_DAY} then date_trunc('day', ClippedStart) else ClippedStart end");
    let end =
        format!("case when {ONE_DAY} then date_trunc('day', ClippedStart) + interval '1 day' else ClippedEnd end");
    let span = vec![sql(context, &charges, &start, "SpanStart")?, sql(context, &charges, &end, "SpanEnd")?];
    extend(charges, span)
}

/// Adds the keys a follower may follow: its own on a follower, and on usage those that some
/// follower of the period has. A commitment is followed where nothing narrower is known.
async fn followed(
    context: &SessionContext,
    barrier: &dyn Barrier,
    charges: DataFrame,
    plan: &AllocationPlan,
) -> Result<DataFrame> {
    let step = failed("find what followers follow");
    let Some(kinds) = Follower::list_sql(&plan.followers, FollowerPolicy::Follow) else {
        let nothing = FOLLOW_KEYS.iter().map(|(key, _)| lit(ScalarValue::Utf8(None)).alias(*key)).collect();
        return extend(charges, nothing).map_err(step);
    };
    // said by kind, not by ordinal, so that looking for followers does not evaluate every rule
    let follows = format!("coalesce(FollowerKind in {kinds}, false)");
    let commitment = format!(
        "case when not {follows} or FollowerKind in ('unused_commitment', 'commitment_purchase') \
         or ResourceId is null or ResourceId = CommitmentDiscountId then CommitmentDiscountId end"
    );
    let follows = context.parse_sql_expr(&follows, charges.schema()).map_err(&step)?;
    let own = |name: &str| format!("Own{name}");
    let candidates = vec![
        sql(context, &charges, &commitment, &own("CommitmentDiscountId")).map_err(&step)?,
        ident("ResourceId").alias(own("ResourceId")),
        ident("SkuId").alias(own("SkuId")),
    ];
    let charges = extend(charges, candidates).map_err(&step)?;
    let wanted = charges
        .clone()
        .filter(follows)
        .and_then(|followers| {
            followers.select(FOLLOW_KEYS.iter().map(|(_, name)| ident(own(name))).collect::<Vec<_>>())
        })
        .and_then(DataFrame::distinct)
        .map_err(&step)?;
    let wanted = barrier.materialize("follow_keys", wanted).await?;
    let mut charges = charges;
    for (key, name) in FOLLOW_KEYS {
        let known = context
            .read_table(std::sync::Arc::clone(&wanted))
            .and_then(|keys| keys.select(vec![ident(own(name)).alias(key)]))
            .and_then(|keys| keys.filter(ident(key).is_not_null()))
            .and_then(DataFrame::distinct)
            .map_err(&step)?;
        // the small side is the build side
        charges = known.join_on(charges, JoinType::Right, [ident(key).eq(ident(own(name)))]).map_err(&step)?;
    }
    Ok(charges)
}

/// Columns of a cell that are in every pipeline.
const OWN: [&str; 11] = [
    "x_BillingPeriod",
    "x_Source",
    "x_Finality",
    "BillingCurrency",
    "ChargeFrequency",
    "FollowerKind",
    "DirectTarget",
    "SpanStart",
    "SpanEnd",
    "SubAccountId",
    "BillingAccountId",
];

/// Columns of charges that the pipeline has told apart: what it keeps, in the order of their names,
/// the target a charge names itself, and the service, by which followers look for their usage.
fn told_apart(plan: &AllocationPlan) -> BTreeSet<&str> {
    let kept = plan.kept.iter().map(|column| column.name.as_str());
    kept.chain([plan.target.as_str(), "ServiceName"]).filter(|name| !OWN.contains(name)).collect()
}

/// Names of the columns by which charges are grouped into cells. The ordinal of the rule and the
/// match keys say where the rule and its keys stand; a cell has one of each.
fn group(plan: &AllocationPlan) -> Vec<String> {
    let own = OWN.iter().copied().chain(["RuleOrdinal"]).chain(FOLLOW_KEYS.iter().map(|(key, _)| *key));
    let own = own.chain(told_apart(plan)).map(str::to_owned);
    own.chain((0..plan.match_sets.len()).map(match_key_column)).collect()
}

/// The id of a cell, over the columns of [`group`]: which columns are told apart, their values, the
/// name of the rule and the keys that rule looks at.
fn identity(plan: &AllocationPlan) -> Result<Expr, DataFusionError> {
    let told_apart = told_apart(plan);
    let names: Vec<&str> = told_apart.iter().copied().collect();
    let mut values = vec![lit(names.join(","))];
    values.extend(OWN.iter().copied().chain(FOLLOW_KEYS.iter().map(|(key, _)| *key)).chain(told_apart).map(ident));
    values.push(by_rule(numbered(plan).map(|(ordinal, rule)| (ordinal, lit(rule.id.clone()))).collect())?);
    let match_key = function("match_key")?;
    let mut keys = Vec::new();
    for (ordinal, rule) in numbered(plan) {
        // in the order of what they match on: their positions depend on other rules
        let mut own: Vec<(&[String], usize)> = Vec::new();
        for position in rule.key_positions() {
            let index = position.saturating_sub(1);
            own.push((plan.match_sets.get(index).map_or(&[], Vec::as_slice), index));
        }
        own.sort();
        if !own.is_empty() {
            let own = own.into_iter().map(|(_, index)| ident(match_key_column(index))).collect();
            keys.push((ordinal, match_key.call(own)));
        }
    }
    values.push(by_rule(keys)?);
    Ok(function("charge_id")?.call(values))
}

/// The name of a column of charges in a frame of cells, where sums of cost bear the names of costs.
fn in_cell(name: &str) -> String {
    format!("Cell{name}")
}

/// The value of an expression over the columns of [`group`], in a frame of cells.
fn of_cell(value: Expr) -> Result<Expr, DataFusionError> {
    let renamed = value.transform_up(|node| {
        Ok(match node {
            Expr::Column(column) => Transformed::yes(ident(in_cell(&column.name))),
            other => Transformed::no(other),
        })
    })?;
    Ok(renamed.data)
}

/// Sums charges, or cells, by `values`: the four costs and the number of charges.
fn summed(frame: DataFrame, values: Vec<Expr>) -> Result<DataFrame, DataFusionError> {
    let mut totals = vec![sum(ident("ChargeCount")).alias("ChargeCount")];
    totals.extend(Ledger::ALL.map(|ledger| sum(ident(ledger.column())).alias(ledger.column())));
    frame.aggregate(values, totals)
}

/// The columns of cells from the values they were grouped by.
fn described(cells: DataFrame, plan: &AllocationPlan) -> Result<DataFrame, DataFusionError> {
    let cell = |name: &str| ident(in_cell(name));
    let mut stages = vec![(FOLLOWS, lit(FOLLOWERS)), (STAYS, lit(FOLLOWERS)), (0, lit(UNMATCHED))];
    stages.extend(numbered(plan).map(|(ordinal, rule)| (ordinal, lit(rule.stage.clone()))));
    let mut rules = vec![(FOLLOWS, ident("FollowerKind")), (STAYS, ident("FollowerKind"))];
    rules.extend(numbered(plan).map(|(ordinal, rule)| (ordinal, lit(rule.id.clone()))));
    let mut methods = vec![(FOLLOWS, lit("follow")), (STAYS, lit("unallocated"))];
    methods.extend(numbered(plan).map(|(ordinal, rule)| (ordinal, lit(rule.method))));
    let mut keys: Vec<Expr> = (0..plan.match_sets.len()).map(|index| cell(&match_key_column(index))).collect();
    if keys.is_empty() {
        keys.push(lit(ScalarValue::Utf8(None)));
    }
    let mut columns = vec![
        of_cell(identity(plan)?)?.alias("CellId"),
        of_cell(by_rule(stages)?)?.alias("Stage"),
        of_cell(by_rule(rules)?)?.alias("RuleId"),
        of_cell(by_rule(methods)?)?.alias("Method"),
        make_array(keys).alias("DriverKeys"),
        cell("SpanStart").alias("ChargePeriodStart"),
        cell("SpanEnd").alias("ChargePeriodEnd"),
    ];
    let same = [
        "x_Source",
        "x_Finality",
        "BillingCurrency",
        "ChargeFrequency",
        "DirectTarget",
        "FollowerKind",
        "ServiceName",
        "SubAccountId",
        "BillingAccountId",
    ];
    columns.extend(same.iter().map(|name| cell(name).alias(*name)));
    columns.extend(FOLLOW_KEYS.iter().map(|(key, _)| cell(key).alias(*key)));
    columns.push(ident("ChargeCount"));
    columns.extend(
        Ledger::ALL.map(|ledger| cast(ident(ledger.column()), DataType::Decimal128(38, 12)).alias(ledger.column())),
    );
    columns.push(dimensions(plan).alias("Dimensions"));
    // followers inherit, ordinary usage is inherited from
    let nothing = lit(ScalarValue::Utf8(None));
    let follows = cell("RuleOrdinal").eq(lit(FOLLOWS));
    columns.push(when(follows, inherit::lacking(plan, cell)?).otherwise(nothing.clone())?.alias("Inherits"));
    let usage = cell("FollowerKind").is_null();
    columns.push(when(usage, inherit::inheritable(plan, cell)?).otherwise(nothing)?.alias("Inheritable"));
    cells.select(columns)
}

/// Kept columns and dimensions as one opaque value; SQL carries it without knowing its fields.
fn dimensions(plan: &AllocationPlan) -> Expr {
    let mut fields: Vec<Expr> =
        plan.kept.iter().flat_map(|column| [lit(column.name.clone()), ident(in_cell(&column.name))]).collect();
    if fields.is_empty() {
        fields = vec![lit("none"), lit(true)];
    }
    named_struct(fields)
}
