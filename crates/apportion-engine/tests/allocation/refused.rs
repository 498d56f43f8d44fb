//! Expressions that plan and cannot be computed: the error names rule or dimension, charge and value.

use std::sync::Arc;

use apportion_engine::allocation::{AllocationPlan, Allocator};
use apportion_engine::{Engine, EngineOptions};
use apportion_spec::ErrorKind;
use datafusion::datasource::MemTable;

use crate::fixture::{Charge, Memory, UNIT, charge, charges_batch, models, pipeline};

/// A hundred charges that nothing is wrong with, and one named `odd`.
fn charges(odd: Charge) -> Vec<Charge> {
    let plain = |number: i32| charge("2026-01-05", "10", &[("x_ChargeId", &format!("c{number}")), ("tag:size", "4")]);
    (0..100).map(plain).chain([odd]).collect()
}

fn named(with: &[(&str, &str)]) -> Charge {
    let with: Vec<(&str, &str)> = with.iter().copied().chain([("x_ChargeId", "odd")]).collect();
    charge("2026-01-05", "10", &with)
}

/// A charge that costs 10 and has no list cost.
fn unlisted() -> Charge {
    named(&[]).costing([10 * UNIT, 10 * UNIT, 0, 10 * UNIT])
}

/// Dimensions and rules over charges; what the run says, with kind.
async fn refusal(body: &str, charges: &[Charge]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let context = Engine::try_new(&EngineOptions::new(directory.path())).unwrap().new_context();
    let batch = charges_batch(charges);
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
    context.register_table("focus_charges", Arc::new(table)).unwrap();
    let plan = AllocationPlan::try_new(&context, models(), "test.yaml", &pipeline(body).unwrap()).unwrap();
    let allocator = Allocator::new(Arc::new(plan), "2026-01".parse().unwrap());
    let error = allocator.allocate(&context, &Memory).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SqlInvalid, "{error}");
    error.to_string()
}

fn rule(when: &str, to: &str) -> String {
    format!(
        "allocation:\n  target: customer\n  rules:\n    - {{ id: sized, when: \"{when}\", method: direct, to: \"{to}\" }}\n"
    )
}

#[tokio::test]
async fn a_condition_that_divides_by_zero_names_rule_charge_and_value() {
    let body = rule("BilledCost / ListCost > 0.5", "customer");
    let error = refusal(&body, &charges(unlisted())).await;
    let (place, told) = error.split_once(": ").unwrap();
    assert!(place.starts_with("test.yaml:") && place.ends_with(":26"), "{place}");
    assert_eq!(
        told,
        "rule `sized`, `when`: division by zero in `BilledCost / ListCost`, where `BilledCost` is 10 and `ListCost` is 0; \
         with `nullif(ListCost, 0)` as divisor it is NULL there (charge: odd, source: aws, table: focus_charges)"
    );
}

#[tokio::test]
async fn a_cast_of_a_text_that_is_none_names_the_text_and_the_way_round() {
    let body = rule("cast(tag('size') as int) > 3", "customer");
    let error = refusal(&body, &charges(named(&[("tag:size", "large")]))).await;
    for part in ["rule `sized`, `when`", "`tag('size')` is 'large'", "TRY_CAST(tag('size') AS INTEGER)", "charge: odd"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    let error = refusal(&rule("tag('size') > 3", "customer"), &charges(named(&[("tag:size", "large")]))).await;
    for part in ["rule `sized`, `when`", "`tag('size')` is 'large'", "try_cast", "charge: odd"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[tokio::test]
async fn the_part_is_found_where_a_condition_before_it_excludes_the_charge() {
    // Conditions side by side are computed for whole batches, whatever their order.
    let body = rule("ListCost <> 0 and BilledCost / ListCost > 0.5", "customer");
    let error = refusal(&body, &charges(unlisted())).await;
    assert!(error.contains("division by zero in `BilledCost / ListCost`") && error.contains("charge: odd"), "{error}");
    // What a CASE keeps from being computed is not blamed.
    let guarded =
        "case when ListCost = 0 then false else BilledCost / ListCost > 5 end or cast(tag('size') as int) > 3";
    let odd = named(&[("tag:size", "large")]).costing([10 * UNIT, 10 * UNIT, 0, 10 * UNIT]);
    let error = refusal(&rule(guarded, "customer"), &charges(odd)).await;
    assert!(error.contains("in `CAST(tag('size') AS INTEGER)`") && error.contains("charge: odd"), "{error}");
}

#[tokio::test]
async fn targets_and_dimensions_are_named_as_such() {
    let to = refusal(
        &rule("BilledCost > 0", "cast(cast(tag('size') as int) as varchar)"),
        &charges(named(&[("tag:size", "x")])),
    )
    .await;
    assert!(to.contains("rule `sized`, `to`: ") && to.contains("charge: odd"), "{to}");
    // A charge that an earlier rule takes, or that the rule does not match, is not what its target fails for.
    let body = "allocation:\n  target: customer\n  rules:\n    \
                - { id: first, when: \"tag('size') = 'x'\", method: direct, to: customer }\n    \
                - { id: second, when: ServiceName = 'Compute', method: direct, to: \"cast(cast(tag('size') as int) as varchar)\" }\n";
    let mut all = charges(named(&[("tag:size", "y")]));
    all.insert(0, charge("2026-01-05", "1", &[("x_ChargeId", "taken"), ("tag:size", "x")]));
    let error = refusal(body, &all).await;
    assert!(error.contains("rule `second`, `to`: ") && error.contains("charge: odd"), "{error}");

    let body = format!("  half: cast(100 / cast(tag('size') as int) as varchar)\n{}", rule("half = '1'", "half"));
    let error = refusal(&body, &charges(named(&[("tag:size", "0")]))).await;
    assert!(error.contains(":9: dimension `half`: division by zero in `"), "{error}");
    assert!(error.contains("`CAST(tag('size') AS INTEGER)` is 0") && error.contains("charge: odd"), "{error}");
}
