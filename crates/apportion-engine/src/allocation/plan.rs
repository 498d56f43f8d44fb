//! The allocation part of a pipeline, planned: every expression checked, every rule reduced to
//! parts that are split by one mechanism.
//!
//! Planning needs no data, so `check` finds every mistake before anything is read, all at once.

mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use apportion_focus::{ColumnContract, catalog};
use apportion_spec::pipeline::{Allocation, Fallback, Followers, Ledger, Place};
use apportion_spec::{Error, ErrorKind, Pipeline, Result};
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::SessionContext;

use super::expression::{Names, Reads, Wanted};
use crate::graph::ModelGraph;
pub(super) use rule::{Kind, PartPlan, RulePlan};

/// Stage of charges that no rule matched.
pub(super) const UNMATCHED: &str = "unmatched";
/// Built-in last stage.
pub(super) const FOLLOWERS: &str = "followers";
/// Targets that are not real ones.
pub(super) const RESERVED_TARGETS: [&str; 2] = ["idle", "unallocated"];

/// A checked allocation.
#[derive(Debug)]
pub struct AllocationPlan {
    /// Rules of all stages, in the order in which they are tried.
    pub(super) rules: Vec<RulePlan>,
    /// Names of the declared stages, in order.
    pub(super) stages: Vec<String>,
    /// Column of the dimension that names the target.
    pub(super) target: String,
    /// Columns of dimensions that are kept, read or matched on or name the target, with their expressions.
    pub(super) dimensions: Vec<(String, Expr)>,
    /// Contracts of the kept columns, then of the kept dimensions.
    pub(super) kept: Vec<ColumnContract>,
    /// Columns of the kept dimensions that followers inherit, in the order of their names.
    pub(super) inherited: Vec<String>,
    /// Values that rules read.
    pub(super) reads: Reads,
    /// Distinct lists of charge columns that drivers match on.
    pub(super) match_sets: Vec<Vec<String>>,
    /// Policies of followers.
    pub(super) followers: Followers,
    /// Unit metrics.
    pub(super) metrics: Vec<MetricPlan>,
    /// Where each expression stands and what it is, for messages.
    pub(super) places: BTreeMap<Written, String>,
    /// The models that split and relate cost.
    pub(super) models: Arc<ModelGraph>,
    conflicts: Vec<RuleConflict>,
}

/// An expression that somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Written {
    /// A dimension, by its column.
    Dimension(String),
    /// The condition of a rule.
    When(String),
    /// The target of a rule.
    To(String),
}

/// A unit metric with its columns.
#[derive(Debug)]
pub(super) struct MetricPlan {
    pub(super) name: String,
    pub(super) telemetry: String,
    pub(super) unit: String,
    pub(super) ledger: Ledger,
    pub(super) by_target: bool,
    /// Column of the allocation table, and position in the match key of the telemetry (from 1).
    pub(super) by: Vec<(String, usize)>,
}

/// A rule that can never apply, because an earlier one takes all its charges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleConflict {
    /// The rule that never applies.
    pub rule: String,
    /// The earlier rule with the same condition, or with none.
    pub earlier: String,
    /// Where the condition of the later rule stands.
    pub place: Place,
}

impl fmt::Display for RuleConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule `{}` never applies: `{}` before it takes the same charges", self.rule, self.earlier)
    }
}

impl AllocationPlan {
    /// Plans the allocation of a pipeline over the given models; `file` is only used in messages.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with one line per mistake, each `file:line:column: message`.
    pub fn try_new(context: &SessionContext, models: Arc<ModelGraph>, file: &str, pipeline: &Pipeline) -> Result<Self> {
        let Some(allocation) = &pipeline.allocation else {
            return Err(Error::new(ErrorKind::Config, format!("{file}: the pipeline has no `allocation`")));
        };
        let mut planner = Planner::new(context, file, pipeline, allocation);
        let plan = planner.plan(models);
        if planner.mistakes.is_empty() {
            return Ok(plan);
        }
        let conflicts = plan.conflicts.iter().map(|conflict| (Some(conflict.place), conflict.to_string()));
        planner.mistakes.extend(conflicts);
        planner.mistakes.sort();
        let lines: Vec<String> = planner
            .mistakes
            .iter()
            .map(|(place, message)| match place {
                Some(place) => format!("{file}:{place}: {message}"),
                None => format!("{file}: {message}"),
            })
            .collect();
        Err(Error::new(ErrorKind::Config, lines.join("\n")))
    }

    /// Contracts of the kept columns and dimensions, as they stand in the allocation tables.
    #[must_use]
    pub fn dimension_columns(&self) -> Vec<ColumnContract> {
        self.kept.clone()
    }

    /// Contracts of the dimensions in the tables of unit economics: those that some metric is
    /// broken down by, NULL in the rows of the others.
    #[must_use]
    pub fn unit_dimension_columns(&self) -> Vec<ColumnContract> {
        let used = |name: &str| self.metrics.iter().any(|metric| metric.by.iter().any(|(column, _)| column == name));
        let mut columns: Vec<ColumnContract> = self.kept.iter().filter(|column| used(&column.name)).cloned().collect();
        for column in &mut columns {
            column.nullable = true;
        }
        columns
    }

    /// Whether a rule falls back to the previous billing period, so that its telemetry is needed.
    #[must_use]
    pub fn needs_previous_telemetry(&self) -> bool {
        self.rules.iter().any(|rule| rule.fallback.contains(&Fallback::PreviousPeriod))
    }

    /// Whether a kept column is a dimension, and not a column of the bill.
    pub(super) fn is_dimension(&self, column: &str) -> bool {
        self.dimensions.iter().any(|(name, _)| name == column)
    }

    /// Rules that can never apply.
    #[must_use]
    pub fn conflicts(&self) -> &[RuleConflict] {
        &self.conflicts
    }
}

struct Planner<'a> {
    context: &'a SessionContext,
    file: &'a str,
    pipeline: &'a Pipeline,
    allocation: &'a Allocation,
    names: Names,
    match_sets: Vec<Vec<String>>,
    places: BTreeMap<Written, String>,
    mistakes: Vec<(Option<Place>, String)>,
}

impl<'a> Planner<'a> {
    fn new(context: &'a SessionContext, file: &'a str, pipeline: &'a Pipeline, allocation: &'a Allocation) -> Self {
        let dimensions: BTreeMap<String, String> =
            pipeline.dimensions.iter().map(|dimension| (dimension.name.clone(), dimension.column.clone())).collect();
        let names = Names::new(catalog().focus().schema(), dimensions);
        let (match_sets, places, mistakes) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { context, file, pipeline, allocation, names, match_sets, places, mistakes }
    }

    fn plan(&mut self, models: Arc<ModelGraph>) -> AllocationPlan {
        let dimensions = self.dimensions();
        let kept = self.kept();
        if self.allocation.stages.iter().any(|stage| stage.name == UNMATCHED) {
            self.mistakes.push((None, format!("the stage name `{UNMATCHED}` is taken by charges without a rule")));
        }
        let mut rules = Vec::new();
        for (stage, rule) in self.allocation.rules() {
            rules.push(self.rule(&stage.name, rule));
        }
        // A condition that does not plan is not the same as another, and not as none.
        let known: Vec<&RulePlan> = rules
            .iter()
            .zip(self.allocation.rules())
            .filter(|(plan, (_, declared))| plan.when.is_some() == declared.when.is_some())
            .map(|(plan, _)| plan)
            .collect();
        let conflicts = conflicts(&known);
        let reads = self.reads(&rules);
        let target = self.names.column(&self.allocation.target).to_owned();
        let mut inherited: Vec<String> =
            self.allocation.inherited.iter().map(|name| self.names.column(name).to_owned()).collect();
        inherited.sort();
        let used: BTreeSet<&str> = kept
            .iter()
            .map(|column| column.name.as_str())
            .chain([target.as_str()])
            .chain(reads.columns.iter().map(String::as_str))
            .chain(self.match_sets.iter().flatten().map(String::as_str))
            .collect();
        let dimensions = dimensions.into_iter().filter(|(column, _)| used.contains(column.as_str())).collect();
        AllocationPlan {
            rules,
            stages: self.allocation.stages.iter().map(|stage| stage.name.clone()).collect(),
            target,
            inherited,
            dimensions,
            kept,
            reads,
            match_sets: std::mem::take(&mut self.match_sets),
            followers: self.allocation.followers.clone(),
            metrics: self.metrics(),
            places: std::mem::take(&mut self.places),
            models,
            conflicts,
        }
    }

    /// Dimensions read FOCUS columns only, so that none depends on another.
    fn dimensions(&mut self) -> Vec<(String, Expr)> {
        let names = Names::new(catalog().focus().schema(), BTreeMap::new());
        let mut planned = Vec::new();
        for dimension in &self.pipeline.dimensions {
            let place = format!("{}:{}: dimension `{}`", self.file, dimension.expression.place, dimension.name);
            self.places.insert(Written::Dimension(dimension.column.clone()), place);
            match names.plan(self.context, &dimension.expression.text, Wanted::Text) {
                // an empty tag says nothing, as in telemetry
                Ok(expression) => planned.push((dimension.column.clone(), nullif(expression, lit("")))),
                Err(message) => self
                    .mistakes
                    .push((Some(dimension.expression.place), format!("dimension `{}`: {message}", dimension.name))),
            }
        }
        planned
    }

    fn kept(&mut self) -> Vec<ColumnContract> {
        let mut kept = Vec::new();
        let taken = catalog().table("allocated_charges").map(|table| table.columns.as_slice()).unwrap_or_default();
        for name in &self.allocation.keep_columns {
            if taken.iter().any(|column| &column.name == name) {
                self.mistakes.push((None, format!("`{name}` need not be kept, every allocated charge has it")));
            } else if let Some(column) = catalog().focus().column(name) {
                kept.push(column.clone());
            }
        }
        for name in &self.allocation.keep_dimensions {
            let description = format!("Value of the dimension {name} of the pipeline.");
            kept.push(ColumnContract::dimension(self.names.column(name), description));
        }
        kept
    }

    fn reads(&mut self, rules: &[RulePlan]) -> Reads {
        let mut reads = Reads::default();
        for rule in rules {
            for expression in rule.when.iter().chain(&rule.to) {
                if let Err(error) = reads.add(expression) {
                    self.mistakes.push((None, format!("rule `{}`: {error}", rule.id)));
                }
            }
        }
        reads
    }

    fn metrics(&self) -> Vec<MetricPlan> {
        let mut metrics = Vec::new();
        for metric in &self.pipeline.unit_metrics {
            let telemetry = self.pipeline.telemetry.iter().find(|telemetry| telemetry.name == metric.metric);
            let position = |name: &String| {
                let at = telemetry.and_then(|found| found.match_columns.iter().position(|(to, _)| to == name));
                at.map(|index| (self.names.column(name).to_owned(), index + 1))
            };
            metrics.push(MetricPlan {
                name: metric.name.clone(),
                telemetry: metric.metric.clone(),
                unit: telemetry.map(|found| found.unit.clone()).unwrap_or_default(),
                ledger: metric.ledger,
                by_target: metric.by_target,
                by: metric.by_dimensions.iter().filter_map(position).collect(),
            });
        }
        metrics
    }
}

/// Rules whose charges an earlier rule takes in any case.
fn conflicts(rules: &[&RulePlan]) -> Vec<RuleConflict> {
    let mut found = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let earlier = rules.iter().take(index).find(|earlier| earlier.when.is_none() || earlier.when == rule.when);
        if let Some(earlier) = earlier {
            found.push(RuleConflict { rule: rule.id.clone(), earlier: earlier.id.clone(), place: rule.place });
        }
    }
    found
}
