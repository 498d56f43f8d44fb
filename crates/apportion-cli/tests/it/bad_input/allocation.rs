//! Bad rules: what is refused before anything is read, and what allocates less than was meant.

use apportion_testkit::fixture::{ColumnType, ExportBuilder, Value};

use super::{aws, outcome};
use crate::support::Workspace;

fn extra(rules: &str) -> String {
    let telemetry = |name: &str| {
        format!("  {name}: {{ location: {name}/, time: ts, quantity: n, unit: Requests, target: customer }}\n")
    };
    format!(
        "telemetry:\n{}{}dimensions:\n  customer: tag('customer')\n  service: lower(ServiceName)\nallocation:\n  \
         target: customer\n  rules:\n{rules}",
        telemetry("requests"),
        telemetry("cpu")
    )
}

fn refused(rules: &str) -> String {
    let workspace = aws::workspace(&aws::good(), &extra(rules));
    let told = workspace.transcript(&["run", "pipeline.yaml"]);
    assert!(!workspace.path("tables/focus_charges").exists(), "nothing was published");
    told
}

/// Runs over telemetry of which `requests` has one row of a quantity and `cpu` none of the month.
fn ran(rules: &str, quantity: i64) -> (Workspace, String) {
    let workspace = aws::workspace(&aws::good(), &extra(rules));
    let measured = |time: &str, quantity: i64| {
        ExportBuilder::new()
            .column("ts", ColumnType::Micros)
            .column("n", ColumnType::Integer)
            .column("customer", ColumnType::Text)
            .row([("ts", time.into()), ("n", quantity.into()), ("customer", "acme".into())])
            .parquet()
    };
    workspace.write("requests/one.parquet", &measured("2026-01-05T10:00:00Z", quantity));
    workspace.write("cpu/one.parquet", &measured("2025-01-05T10:00:00Z", 1));
    let told = outcome(&workspace, &[]);
    (workspace, told)
}

/// The same, with what every target got.
fn allocated(rules: &str, quantity: i64) -> String {
    let (workspace, told) = ran(rules, quantity);
    let sql = "SELECT x_AllocationTargetId, x_AllocationReason, sum(EffectiveCost) FROM allocated_charges GROUP BY ALL ORDER BY 1, 2";
    let rows = workspace.query("tables", sql).iter().map(|row| row.join(" | ")).collect::<Vec<_>>();
    format!("{told}\n\n{}", rows.join("\n"))
}

#[test]
fn expressions_name_their_place_and_the_nearest_column() {
    let rules = "dimensions:\n  customer: tag('customer')\n  service: lower(ServiecName)\nallocation:\n  target: customer\n  rules:\n    \
                 - { id: direct, when: custmer is not null, method: direct, to: customer }\n    \
                 - { id: volatile, when: random() > 0.5, method: direct, to: customer }\n    \
                 - { id: text, when: ServiceName, method: direct, to: customer }\n";
    let workspace = aws::workspace(&aws::good(), rules);
    insta::assert_snapshot!(workspace.transcript(&["run", "pipeline.yaml"]));
}

#[test]
fn an_expression_that_fails_for_a_charge_names_rule_charge_and_value() {
    let (_, told) =
        ran("    - { id: sized, when: \"cast(ServiceName as int) > 1\", method: direct, to: customer }\n", 5);
    assert!(told.starts_with("exit code 1\n"), "{told}");
    for part in [
        "rule `sized`, `when`: Cannot cast string '",
        "in `CAST(ServiceName AS INTEGER)`, where `ServiceName` is '",
        "`TRY_CAST(ServiceName AS INTEGER)` is NULL there (charge: ",
        "source: bill, table: focus_charges",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn rounded_amounts_compare_in_rules() {
    let told = allocated(
        "    - id: small\n      when: round(EffectiveCost, 2) > 1\n      method: direct\n      \
         to: case when round(EffectiveCost, 1) = 1.5 then 'small' else 'large' end\n",
        5,
    );
    assert!(told.ends_with("small |  | 1.500000000000"), "{told}");
}

#[test]
fn a_driver_matches_a_value_of_any_characters() {
    let value = "a\u{8}b\u{c}\u{1}\"\\é";
    let tags = Value::from([("user_service", value)]);
    let builder = ExportBuilder::cur2().default_value("resource_tags", tags);
    let export = aws::line(builder.default_value("line_item_unblended_cost", Value::Number(1.5))).parquet().to_vec();
    let workspace = aws::workspace(
        &export,
        "telemetry:\n  requests: { location: requests/, time: ts, quantity: n, unit: Requests, target: customer, \
         match: { service: service } }\ndimensions:\n  customer: tag('customer')\n  service: tag('service')\nallocation:\n  \
         target: customer\n  rules:\n    - { id: all, method: proportional, driver: requests }\n",
    );
    let measured = ExportBuilder::new()
        .column("ts", ColumnType::Micros)
        .column("n", ColumnType::Integer)
        .column("service", ColumnType::Text)
        .column("customer", ColumnType::Text)
        .row([
            ("ts", "2026-01-05T10:00:00Z".into()),
            ("n", 3.into()),
            ("service", value.into()),
            ("customer", "acme".into()),
        ]);
    workspace.write("requests/one.parquet", &measured.parquet());
    let told = outcome(&workspace, &[]);
    assert!(told.starts_with("exit code 0"), "{told}");
    let sql = "SELECT x_AllocationTargetId, x_AllocationReason, EffectiveCost FROM allocated_charges";
    assert_eq!(workspace.query("tables", sql), [["acme", "", "1.500000000000"]]);
}

#[test]
fn rules_that_can_never_apply_are_refused() {
    insta::assert_snapshot!(refused(
        "    - { id: first, when: \"service = 'db'\", method: direct, to: customer }\n    \
         - { id: second, when: \"service = 'db'\", method: proportional, driver: requests }\n    \
         - { id: third, when: \"service = 'web'\", method: direct, to: customer }\n    \
         - { id: fourth, when: \"service = 'web'\", method: proportional, driver: cpu }\n"
    ));
}

#[test]
fn rules_that_match_the_same_charges_are_told() {
    insta::assert_snapshot!(allocated(
        "    - { id: tagged, when: customer is not null, method: direct, to: customer }\n    \
         - { id: compute, when: \"ServiceCategory = 'Compute'\", method: proportional, driver: requests }\n    \
         - { id: nobody, when: \"service = 'no such service'\", method: direct, to: customer }\n",
        5
    ));
}

#[test]
fn shares_that_do_not_add_up_are_refused() {
    insta::assert_snapshot!(refused(
        "    - { id: fixed, when: \"service = 'a'\", method: fixed, shares: { acme: 0.6, lumen: 0.5 } }\n    \
         - { id: weighted, when: \"service = 'b'\", method: proportional, drivers: [{ driver: requests, share: 0.9 }, { driver: cpu, share: 0.2 }] }\n    \
         - { id: activities, when: \"service = 'c'\", method: activity_based, activities: [{ name: a, share: 1.2, driver: cpu }] }\n    \
         - { id: fine, method: fixed, shares: { acme: 0.1234567890123 } }\n"
    ));
}

#[test]
fn what_shares_lack_to_one_stays_unallocated() {
    insta::assert_snapshot!(allocated("    - { id: fixed, method: fixed, shares: { acme: 0.6, lumen: 0.3 } }\n", 5));
}

#[test]
fn a_driver_nobody_declared_is_refused_with_the_nearest() {
    insta::assert_snapshot!(refused("    - { id: all, method: proportional, driver: request }\n"));
}

#[test]
fn a_driver_without_measurements_and_one_measured_as_zero_are_told_apart() {
    let missing = "    - { id: all, method: proportional, driver: cpu }\n";
    insta::assert_snapshot!("missing_driver", allocated(missing, 5));
    let zero = "    - { id: all, method: proportional, driver: requests }\n";
    insta::assert_snapshot!("zero_driver", allocated(zero, 0));
    let fallback = "    - { id: all, method: proportional, driver: cpu, fallback: [previous_period, even] }\n";
    insta::assert_snapshot!("missing_driver_with_fallback", allocated(fallback, 5));
}
