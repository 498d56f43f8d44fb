//! One rule as parts and shares: what the methods have in common.
//!
//! A rule is one part, or several between which an activity split divides the cost first. Each
//! part says where the weights of its targets come from ([`Kind`]). A new method is a new way to
//! fill these fields; nothing after it changes.

use std::collections::BTreeSet;

use apportion_spec::pipeline::{Activity, EvenOver, Fallback, Located, Method, Part, Place, Rule, Share};
use datafusion::logical_expr::Expr;

use super::{Planner, RESERVED_TARGETS, Wanted, Written};

/// Where the weights of a pool come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::allocation) enum Kind {
    /// Telemetry of the day, else a fallback.
    Driver,
    /// The same for every target a driver saw.
    Seen,
    /// Declared shares.
    Fixed,
    /// The same for every declared target.
    Equal,
    /// Cost that earlier stages gave.
    Cost,
    /// No pool: what an activity split gives to nobody.
    Residual,
}

impl Kind {
    pub(in crate::allocation) const fn as_str(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Seen => "seen",
            Self::Fixed => "fixed",
            Self::Equal => "equal",
            Self::Cost => "cost",
            Self::Residual => "residual",
        }
    }
}

/// Which split of a rule a share belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::allocation) enum Level {
    Activity,
    Target,
}

impl Level {
    pub(in crate::allocation) const fn as_str(self) -> &'static str {
        match self {
            Self::Activity => "activity",
            Self::Target => "target",
        }
    }
}

/// A driver and where its match key stands in a cell, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::allocation) struct KeyedDriver {
    pub(in crate::allocation) name: String,
    pub(in crate::allocation) key_position: usize,
}

/// How the cost of a rule is divided between its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::allocation) struct ActivitySplit {
    pub(in crate::allocation) kind: Kind,
    pub(in crate::allocation) driver: Option<KeyedDriver>,
}

/// One part of a rule.
#[derive(Debug)]
pub(in crate::allocation) struct PartPlan {
    /// Name in the activity split; also tells the pools of a rule apart.
    pub(in crate::allocation) name: String,
    pub(in crate::allocation) kind: Kind,
    pub(in crate::allocation) is_activity: bool,
    pub(in crate::allocation) driver: Option<KeyedDriver>,
    pub(in crate::allocation) ledger: Option<&'static str>,
}

/// One rule.
#[derive(Debug)]
pub(in crate::allocation) struct RulePlan {
    pub(in crate::allocation) stage: String,
    pub(in crate::allocation) id: String,
    pub(in crate::allocation) method: &'static str,
    pub(in crate::allocation) place: Place,
    pub(in crate::allocation) when: Option<Expr>,
    pub(in crate::allocation) to: Option<Expr>,
    pub(in crate::allocation) split: Option<ActivitySplit>,
    pub(in crate::allocation) parts: Vec<PartPlan>,
    /// Declared weights: level, target, units of 10^-12.
    pub(in crate::allocation) shares: Vec<(Level, String, i128)>,
    /// Fallbacks that can still happen, without `unallocated`.
    pub(in crate::allocation) fallback: Vec<Fallback>,
}

impl RulePlan {
    /// Whether the rule asks what a driver measured on the day of a charge.
    pub(in crate::allocation) fn is_measured(&self) -> bool {
        let by_driver = self.split.as_ref().is_some_and(|split| split.kind == Kind::Driver);
        by_driver || self.parts.iter().any(|part| part.kind == Kind::Driver)
    }

    /// Positions (from 1) of the match keys the rule needs.
    pub(in crate::allocation) fn key_positions(&self) -> BTreeSet<usize> {
        let split = self.split.iter().filter_map(|split| split.driver.as_ref());
        split.chain(self.parts.iter().filter_map(|part| part.driver.as_ref())).map(|keyed| keyed.key_position).collect()
    }
}

impl Planner<'_> {
    pub(super) fn rule(&mut self, stage: &str, rule: &Rule) -> RulePlan {
        let when = rule.when.as_ref().and_then(|text| self.expression(&rule.id, "when", text, Wanted::Condition));
        let mut plan = RulePlan {
            stage: stage.to_owned(),
            id: rule.id.clone(),
            method: rule.method.as_str(),
            place: rule.when.as_ref().map(|text| text.place).unwrap_or_default(),
            when,
            to: None,
            split: None,
            parts: Vec::new(),
            shares: Vec::new(),
            fallback: rule.fallback.iter().copied().take_while(|one| *one != Fallback::Unallocated).collect(),
        };
        match &rule.method {
            Method::Direct { to } => plan.to = self.expression(&rule.id, "to", to, Wanted::Text),
            Method::Proportional { parts } => self.proportional(&mut plan, parts),
            Method::ProportionalToCost { ledger } => {
                if !rule.fallback.is_empty() {
                    let message = format!(
                        "rule `{}`: `fallback` has no meaning with `weight`; cost is never unmeasured",
                        rule.id
                    );
                    self.mistakes.push((rule.when.as_ref().map(|text| text.place), message));
                }
                plan.parts.push(PartPlan { ledger: Some(ledger.as_str()), ..part(&rule.id, Kind::Cost) });
            }
            Method::ActivityBased { activities, resource_driver } => {
                self.activities(&mut plan, activities, resource_driver.as_deref());
            }
            Method::Even { over: EvenOver::Targets(targets) } => {
                plan.parts.push(part(&rule.id, Kind::Equal));
                plan.shares =
                    targets.iter().map(|target| (Level::Target, target.clone(), Share::ONE.units())).collect();
            }
            Method::Even { over: EvenOver::Driver(driver) } => {
                plan.parts.push(PartPlan { driver: Some(self.keyed(driver)), ..part(&rule.id, Kind::Seen) });
            }
            Method::Fixed { shares } => {
                plan.parts.push(part(&rule.id, Kind::Fixed));
                let declared: Vec<(String, Share)> = shares.clone();
                plan.shares = with_remainder(Level::Target, &declared);
            }
        }
        plan
    }

    fn expression(&mut self, rule: &str, key: &str, located: &Located, wanted: Wanted) -> Option<Expr> {
        let written = if key == "to" { Written::To(rule.to_owned()) } else { Written::When(rule.to_owned()) };
        let subject = format!("rule `{rule}`, `{key}`");
        self.places.insert(written, format!("{}:{}: {subject}", self.file, located.place));
        match self.names.plan(self.context, &located.text, wanted) {
            Ok(planned) => Some(planned),
            Err(message) => {
                self.mistakes.push((Some(located.place), format!("{subject}: {message}")));
                None
            }
        }
    }

    /// The driver with the position of its match columns among all distinct ones.
    fn keyed(&mut self, driver: &str) -> KeyedDriver {
        let telemetry = self.pipeline.telemetry.iter().find(|telemetry| telemetry.name == driver);
        let columns: Vec<String> = telemetry
            .map(|found| found.match_columns.iter().map(|(to, _)| self.names.column(to).to_owned()).collect())
            .unwrap_or_default();
        let index = self.match_sets.iter().position(|known| *known == columns).unwrap_or_else(|| {
            self.match_sets.push(columns);
            self.match_sets.len() - 1
        });
        KeyedDriver { name: driver.to_owned(), key_position: index + 1 }
    }

    fn proportional(&mut self, plan: &mut RulePlan, parts: &[Part]) {
        for declared in parts {
            let driver = Some(self.keyed(&declared.driver));
            plan.parts.push(PartPlan { driver, ..part(&declared.driver, Kind::Driver) });
        }
        let shares: Vec<(String, Share)> = parts.iter().map(|one| (one.driver.clone(), one.share)).collect();
        if !matches!(shares.as_slice(), [(_, share)] if *share == Share::ONE) {
            self.split(plan, Some(&shares), None);
        }
    }

    fn activities(&mut self, plan: &mut RulePlan, activities: &[Activity], resource_driver: Option<&str>) {
        for activity in activities {
            let driver = Some(self.keyed(&activity.driver));
            plan.parts.push(PartPlan { driver, is_activity: true, ..part(&activity.name, Kind::Driver) });
        }
        let shares: Vec<(String, Share)> =
            activities.iter().filter_map(|one| one.share.map(|share| (one.name.clone(), share))).collect();
        self.split(plan, resource_driver.is_none().then_some(&shares), resource_driver);
    }

    /// Puts a split in front of the parts, with a part for what it gives to nobody.
    fn split(&mut self, plan: &mut RulePlan, shares: Option<&Vec<(String, Share)>>, driver: Option<&str>) {
        for reserved in RESERVED_TARGETS {
            if plan.parts.iter().any(|known| known.name == reserved) {
                let message = format!("rule `{}`: `{reserved}` is what nobody owns; choose another name", plan.id);
                self.mistakes.push((Some(plan.place), message));
            } else {
                plan.parts.push(part(reserved, Kind::Residual));
            }
        }
        let driver = driver.map(|name| self.keyed(name));
        let kind = if driver.is_some() { Kind::Driver } else { Kind::Fixed };
        plan.split = Some(ActivitySplit { kind, driver });
        plan.shares = shares.map(|declared| with_remainder(Level::Activity, declared)).unwrap_or_default();
    }
}

fn part(name: &str, kind: Kind) -> PartPlan {
    PartPlan { name: name.to_owned(), kind, is_activity: false, driver: None, ledger: None }
}

/// Declared shares, and what is missing to 1 as a share of `unallocated`.
fn with_remainder(level: Level, declared: &[(String, Share)]) -> Vec<(Level, String, i128)> {
    let mut shares: Vec<(Level, String, i128)> =
        declared.iter().map(|(name, share)| (level, name.clone(), share.units())).collect();
    let rest = Share::ONE.units() - declared.iter().map(|(_, share)| share.units()).sum::<i128>();
    if rest > 0 {
        match shares.iter_mut().find(|(_, name, _)| name == "unallocated") {
            Some((_, _, units)) => *units += rest,
            None => shares.push((level, "unallocated".to_owned(), rest)),
        }
    }
    shares
}
