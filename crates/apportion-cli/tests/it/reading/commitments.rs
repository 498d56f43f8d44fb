//! Commitments of which an export says less than it should.

use apportion_testkit::fixture::Value;

use super::{cur2, cur2_key, line, notes, rows, run, workspace};

/// A line of another type than usage.
fn of_type(kind: &str, id: &str, cost: f64, more: Vec<(&str, Value)>) -> Vec<(String, Value)> {
    let mut row = line(id, cost, more);
    for (name, value) in &mut row {
        if name == "line_item_line_item_type" {
            *value = kind.into();
        }
    }
    row
}

const PLAN: &str = "arn:aws:savingsplans::111111111111:savingsplan/1";

fn covered() -> Vec<(String, Value)> {
    let more = vec![
        ("savings_plan_savings_plan_a_r_n", PLAN.into()),
        ("savings_plan_savings_plan_effective_cost", 6.0.into()),
        ("pricing_public_on_demand_cost", 10.0.into()),
        ("pricing_public_on_demand_rate", "10".into()),
        ("line_item_usage_amount", 1.0.into()),
    ];
    of_type("SavingsPlanCoveredUsage", "covered", 10.0, more)
}

#[test]
fn covered_usage_without_its_negation_is_told_with_the_amount() {
    let negation =
        || of_type("SavingsPlanNegation", "negation", -10.0, vec![("savings_plan_savings_plan_a_r_n", PLAN.into())]);
    for (lines, effective, is_told) in
        [(vec![covered()], "16.000000000000", true), (vec![covered(), negation()], "6.000000000000", false)]
    {
        let workspace = workspace("aws_cur_2", "", &[(&cur2_key("2026-01"), &cur2(lines))]);
        let report = run(&workspace);
        assert_eq!(rows(&workspace, "SELECT sum(EffectiveCost) FROM focus_charges"), [effective]);
        let told = notes(&report).into_iter().filter(|note| note.contains("SavingsPlanNegation")).collect::<Vec<_>>();
        let expected = "USD: 10.000000000000 of the usage that Savings Plans cover is not cancelled by \
                        SavingsPlanNegation rows, so it counts beside the effective cost of that usage; does the \
                        export leave line item types out?";
        assert_eq!(told, if is_told { vec![expected.to_owned()] } else { Vec::new() });
    }
}

#[test]
fn usage_under_a_commitment_without_an_effective_cost_is_told() {
    let reserved = |id: &str, effective: Value| {
        let more = vec![
            ("reservation_reservation_a_r_n", "arn:aws:ec2:eu-central-1:111111111111:reserved-instances/1".into()),
            ("reservation_effective_cost", effective),
            ("pricing_public_on_demand_cost", 3.0.into()),
            ("pricing_public_on_demand_rate", "3".into()),
            ("line_item_usage_amount", 1.0.into()),
        ];
        of_type("DiscountedUsage", id, 0.0, more)
    };
    let export = cur2(vec![reserved("one", Value::Null), reserved("two", 0.0.into())]);
    let workspace = workspace("aws_cur_2", "", &[(&cur2_key("2026-01"), &export)]);
    let report = run(&workspace);
    let note = "USD: 1 rows of usage under a commitment state no effective cost, which counts as zero (public price \
                3.000000000000)";
    assert!(notes(&report).iter().any(|it| it == note), "{:?}", notes(&report));
}
