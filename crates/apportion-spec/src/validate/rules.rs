//! Rules: which keys each method needs, and shares that do not exceed the whole.

use super::Validator;
use crate::document::wire;
use crate::pipeline::{Activity, EvenOver, Located, Method, Part, Rule, Share};

impl Validator<'_> {
    pub(super) fn rules(&mut self, path: &[&str], rules: &[wire::Rule], first_stage: bool) -> Vec<Rule> {
        let mut valid = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let position = index.to_string();
            let mut here: Vec<&str> = path.to_vec();
            here.push(&position);
            self.plain_name(&here, "rule", &rule.id);
            if rule.when.is_none() && index + 1 < rules.len() {
                self.wrong(&here, format!("rule `{}` matches every charge, so the rules after it never apply; give it a `when` or move it to the end", rule.id));
            }
            let Some(method) = self.method(&here, rule, first_stage) else { continue };
            let place_of = |key: &str| self.sound.node.place_of(&[here.as_slice(), &[key]].concat());
            let when = rule.when.as_ref().map(|text| Located { text: text.clone(), place: place_of("when") });
            valid.push(Rule { id: rule.id.clone(), when, method, fallback: rule.fallback.clone() });
        }
        valid
    }

    fn method(&mut self, here: &[&str], rule: &wire::Rule, first_stage: bool) -> Option<Method> {
        let at = |key: &'static str| [here, &[key]].concat();
        self.unused_keys(here, rule);
        match rule.method {
            wire::Method::Direct => {
                let Some(to) = &rule.to else {
                    self.wrong(
                        here,
                        format!("rule `{}` is direct and needs `to`, an expression that names the target", rule.id),
                    );
                    return None;
                };
                Some(Method::Direct { to: Located { text: to.clone(), place: self.sound.node.place_of(&at("to")) } })
            }
            wire::Method::Proportional => self.proportional(here, rule, first_stage),
            wire::Method::ActivityBased => self.activity_based(here, rule),
            wire::Method::Even => match (&rule.driver, rule.targets.is_empty()) {
                (Some(driver), true) => {
                    self.driver(&at("driver"), driver);
                    Some(Method::Even { over: EvenOver::Driver(driver.clone()) })
                }
                (None, false) => {
                    let mut targets = rule.targets.clone();
                    targets.sort();
                    targets.dedup();
                    if targets.len() != rule.targets.len() {
                        self.wrong(&at("targets"), format!("rule `{}` names a target twice", rule.id));
                    }
                    Some(Method::Even { over: EvenOver::Targets(targets) })
                }
                _ => {
                    self.wrong(
                        here,
                        format!(
                            "rule `{}` is even and needs either `targets` or a `driver` whose targets share",
                            rule.id
                        ),
                    );
                    None
                }
            },
            wire::Method::Fixed => {
                if rule.shares.is_empty() {
                    self.wrong(here, format!("rule `{}` is fixed and needs `shares` by target", rule.id));
                    return None;
                }
                let texts: Vec<(&str, &str)> =
                    rule.shares.iter().map(|(target, share)| (target.as_str(), share.0.as_str())).collect();
                let shares = self.shares(&at("shares"), &rule.id, &texts)?;
                Some(Method::Fixed { shares: rule.shares.keys().cloned().zip(shares).collect() })
            }
        }
    }

    fn proportional(&mut self, here: &[&str], rule: &wire::Rule, first_stage: bool) -> Option<Method> {
        let at = |key: &'static str| [here, &[key]].concat();
        match (&rule.driver, rule.drivers.is_empty(), rule.weight) {
            (Some(driver), true, None) => {
                self.driver(&at("driver"), driver);
                Some(Method::Proportional { parts: vec![Part { driver: driver.clone(), share: Share::ONE }] })
            }
            (None, false, None) => {
                for (index, weighted) in rule.drivers.iter().enumerate() {
                    let position = index.to_string();
                    self.driver(&[here, &["drivers", &position, "driver"]].concat(), &weighted.driver);
                    if rule.drivers.iter().take(index).any(|earlier| earlier.driver == weighted.driver) {
                        self.wrong(
                            &at("drivers"),
                            format!("rule `{}` names the driver `{}` twice", rule.id, weighted.driver),
                        );
                    }
                }
                let texts: Vec<(&str, &str)> =
                    rule.drivers.iter().map(|d| (d.driver.as_str(), d.share.0.as_str())).collect();
                let shares = self.shares(&at("drivers"), &rule.id, &texts)?;
                let parts = rule
                    .drivers
                    .iter()
                    .zip(shares)
                    .map(|(d, share)| Part { driver: d.driver.clone(), share })
                    .collect();
                Some(Method::Proportional { parts })
            }
            (None, true, Some(ledger)) => {
                if first_stage {
                    self.wrong(
                        &at("weight"),
                        format!(
                            "rule `{}` weighs by cost, which only earlier stages give; put it into a later stage",
                            rule.id
                        ),
                    );
                }
                Some(Method::ProportionalToCost { ledger })
            }
            _ => {
                self.wrong(
                    here,
                    format!(
                        "rule `{}` is proportional and needs exactly one of `driver`, `drivers`, `weight`",
                        rule.id
                    ),
                );
                None
            }
        }
    }

    fn activity_based(&mut self, here: &[&str], rule: &wire::Rule) -> Option<Method> {
        let at = |key: &'static str| [here, &[key]].concat();
        if rule.activities.is_empty() {
            self.wrong(here, format!("rule `{}` is activity_based and needs `activities`", rule.id));
            return None;
        }
        for (index, activity) in rule.activities.iter().enumerate() {
            let position = index.to_string();
            self.driver(&[here, &["activities", &position, "driver"]].concat(), &activity.driver);
            if rule.activities.iter().take(index).any(|earlier| earlier.name == activity.name) {
                self.wrong(
                    &at("activities"),
                    format!("rule `{}` has two activities called `{}`", rule.id, activity.name),
                );
            }
        }
        let declared = rule.activities.iter().filter(|activity| activity.share.is_some()).count();
        match &rule.resource_driver {
            Some(driver) => {
                self.driver(&at("resource_driver"), driver);
                if declared > 0 {
                    self.wrong(
                        &at("activities"),
                        format!(
                            "rule `{}` has a resource driver, so its activities must not declare a `share`",
                            rule.id
                        ),
                    );
                }
            }
            None if declared < rule.activities.len() => {
                self.wrong(
                    &at("activities"),
                    format!("every activity of rule `{}` needs a `share`, or the rule a `resource_driver`", rule.id),
                );
                return None;
            }
            None => {}
        }
        let texts: Vec<(&str, &str)> = rule
            .activities
            .iter()
            .filter_map(|a| a.share.as_ref().map(|share| (a.name.as_str(), share.0.as_str())))
            .collect();
        let shares = self.shares(&at("activities"), &rule.id, &texts)?;
        let mut shares = shares.into_iter();
        let activities = rule
            .activities
            .iter()
            .map(|a| Activity {
                name: a.name.clone(),
                share: a.share.as_ref().and_then(|_| shares.next()),
                driver: a.driver.clone(),
            })
            .collect();
        Some(Method::ActivityBased { activities, resource_driver: rule.resource_driver.clone() })
    }

    /// Shares as exact decimals that do not exceed 1 together.
    fn shares(&mut self, path: &[&str], rule: &str, texts: &[(&str, &str)]) -> Option<Vec<Share>> {
        let mut shares = Vec::new();
        for (name, text) in texts {
            match Share::parse(text) {
                Some(share) => shares.push(share),
                None => self.wrong(path, format!("the share {text} of `{name}` in rule `{rule}` must lie between 0 and 1 with at most 12 decimals")),
            }
        }
        if shares.iter().map(|share| share.units()).sum::<i128>() > Share::ONE.units() {
            self.wrong(path, format!("the shares of rule `{rule}` add up to more than 1"));
            return None;
        }
        (shares.len() == texts.len()).then_some(shares)
    }

    /// A key that the rule's method does not read is a mistake, not a comment.
    fn unused_keys(&mut self, here: &[&str], rule: &wire::Rule) {
        use wire::Method as M;
        let method = rule.method;
        let present: [(&'static str, bool, &[M]); 9] = [
            ("to", rule.to.is_some(), &[M::Direct]),
            ("driver", rule.driver.is_some(), &[M::Proportional, M::Even]),
            ("drivers", !rule.drivers.is_empty(), &[M::Proportional]),
            ("weight", rule.weight.is_some(), &[M::Proportional]),
            ("activities", !rule.activities.is_empty(), &[M::ActivityBased]),
            ("resource_driver", rule.resource_driver.is_some(), &[M::ActivityBased]),
            ("targets", !rule.targets.is_empty(), &[M::Even]),
            ("shares", !rule.shares.is_empty(), &[M::Fixed]),
            ("fallback", !rule.fallback.is_empty(), &[M::Proportional, M::ActivityBased]),
        ];
        for (key, is_present, readers) in present {
            if is_present && !readers.contains(&method) {
                self.wrong(
                    &[here, &[key]].concat(),
                    format!("rule `{}`: `{key}` has no meaning for this method", rule.id),
                );
            }
        }
    }
}
