//! Planning: every mistake in the expressions of a pipeline is found without data, with its place.

use apportion_engine::allocation::AllocationPlan;
use apportion_engine::{Engine, EngineOptions};

use crate::fixture::{TELEMETRY, models, pipeline};

fn plan(rules: &str) -> apportion_spec::Result<AllocationPlan> {
    let directory = tempfile::tempdir().unwrap();
    let context = Engine::try_new(&EngineOptions::new(directory.path())).unwrap().new_context();
    let pipeline = pipeline(&format!("{TELEMETRY}allocation:\n  target: customer\n  rules:\n{rules}")).unwrap();
    AllocationPlan::try_new(&context, models(), "test.yaml", &pipeline)
}

/// The messages of a plan that must fail, without file and place.
fn mistakes(rules: &str) -> Vec<String> {
    let error = plan(rules).unwrap_err();
    let lines: Vec<String> = error.message().lines().map(str::to_owned).collect();
    for line in &lines {
        assert!(line.starts_with("test.yaml:"), "{line}");
    }
    lines.iter().map(|line| line.splitn(4, ':').last().unwrap().trim().to_owned()).collect()
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let rules = "    - { id: one, when: custmer is not null, method: direct, to: customer }\n\
                 \x20   - { id: two, when: ServiceNme = 'x', method: direct, to: EffectiveCost }\n\
                 \x20   - { id: three, when: service, method: direct, to: customer }\n\
                 \x20   - { id: four, when: tagg('x') = 'y', method: direct, to: customer }\n";
    let error = plan(rules).unwrap_err();
    let lines: Vec<&str> = error.message().lines().collect();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(
        lines[0].contains("`custmer` is neither a dimension nor a FOCUS column, did you mean `customer`?"),
        "{}",
        lines[0]
    );
    assert!(lines[1].contains("did you mean `ServiceName`?"), "{}", lines[1]);
    assert!(lines[2].contains("rule `two`, `to`: expected a text, found a number"), "{}", lines[2]);
    assert!(lines[3].contains("expected a condition, found a text"), "{}", lines[3]);
    assert!(lines[4].contains("tagg"), "{}", lines[4]);
}

#[test]
fn a_rule_looks_at_one_charge_and_at_nothing_else() {
    for (when, expected) in [
        ("service in (select x from y)", "subqueries are not possible"),
        ("sum(BilledCost) > 1", "needs many charges"),
        ("row_number() over () > 1", "need many charges"),
        ("ChargePeriodStart > now()", "gives another result on another day"),
        ("random() > 0.5", "gives another result on another day"),
        ("service = $x", "has no parameters"),
        ("service = ", "is not an expression"),
    ] {
        let found = mistakes(&format!("    - {{ id: one, when: \"{when}\", method: direct, to: customer }}\n"));
        assert!(found.len() == 1 && found[0].contains(expected), "{when}: {found:?}");
    }
}

#[test]
fn what_fails_for_every_charge_is_told_without_one() {
    for (when, expected) in [
        ("10 / 0 > 1", "rule `one`, `when`: cannot be computed: division by zero"),
        (
            "cast('x' as int) = 1",
            "rule `one`, `when`: cannot be computed: Cannot cast string 'x' to value of Int32 type",
        ),
    ] {
        let found = mistakes(&format!("    - {{ id: one, when: \"{when}\", method: direct, to: customer }}\n"));
        assert_eq!(found, [expected], "{when}");
    }
}

#[test]
fn rounded_amounts_compare_with_numbers() {
    for when in ["round(BilledCost, 2) > 1", "round(EffectiveCost, 1 + 1) in (1, 2.5)", "round(ListUnitPrice, 4) < 1e3"]
    {
        plan(&format!("    - {{ id: one, when: \"{when}\", method: direct, to: customer }}\n")).unwrap();
    }
}

#[test]
fn tags_and_dimensions_may_be_used_in_any_expression() {
    let rules = "    - { id: one, when: \"tag('team') = 'x' and tag(Tags, 'a b') is null and BilledCost > 0.5\", method: direct, to: \"coalesce(customer, tag('owner'), 'nobody')\" }\n\
        \x20   - { id: two, when: \"ServiceName like 'Amazon%' and service in ('a', 'b')\", method: direct, to: upper(service) }\n";
    plan(rules).unwrap();
}

#[test]
fn rules_that_never_apply_are_named() {
    let rules = "    - { id: one, when: service = 'a', method: direct, to: customer }\n\
                 \x20   - { id: two, when: service = 'b', method: direct, to: customer }\n\
                 \x20   - { id: three, when: \"service  =  'a'\", method: direct, to: customer }\n\
                 \x20   - { id: rest, method: direct, to: customer }\n";
    let plan = plan(rules).unwrap();
    let conflicts: Vec<(&str, &str)> =
        plan.conflicts().iter().map(|conflict| (conflict.rule.as_str(), conflict.earlier.as_str())).collect();
    assert_eq!(conflicts, [("three", "one")]);
}
