//! Bad rules: what is refused before anything is read, and what allocates less than was meant.

use apportion_testkit::fixture::{ColumnType, ExportBuilder};

use super::{aws, outcome};

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
fn allocated(rules: &str, quantity: i64) -> String {
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
