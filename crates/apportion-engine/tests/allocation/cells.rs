//! Cells: what they are told apart by, and that nothing else gives one another name.

use crate::fixture::{Case, Measurement, charge};

const HEAD: &str = "allocation:\n  target: customer\n  keep: [service, RegionId]\n  rules:\n";
const OWN: &str = "    - { id: own, when: customer is not null, method: direct, to: customer }\n";
const API: &str =
    "    - { id: api, when: service = 'api', method: proportional, driver: requests, fallback: [even] }\n";
const DATABASE: &str = "    - { id: db, when: service = 'db', method: activity_based, activities: [{ name: run, share: 0.7, driver: cpu }, { name: route, share: 0.3, driver: traffic }] }\n";
const SHARED: &str = "    - { id: shared, when: service = 'shared', method: proportional, driver: requests }\n";
/// Takes nothing, and reads columns, a tag and drivers that no other rule does.
const NOTHING: &str = "    - { id: nothing, when: \"service = 'none' and ChargeDescription like 'x%' and tag('unit') = 'u' and ResourceId <> 'r'\", method: proportional, driver: hours, fallback: [previous_period, even] }\n";

/// Every column of every row that is written.
async fn tables(rules: &str) -> Vec<Vec<String>> {
    let rules = format!(
        "{HEAD}{rules}unit_economics:\n  per_request: {{ metric: requests, ledger: effective, by: [customer, service] }}\n"
    );
    let of = |service: &'static str, unit: &'static str| [("tag:service", service), ("tag:unit", unit)];
    let mut charges = vec![charge("2026-01-05", "3", &[("tag:customer", "a"), ("tag:service", "api")])];
    for (index, (service, unit)) in
        [("api", "u"), ("api", "v"), ("db", "u"), ("db", "v"), ("shared", "u"), ("none", "v"), ("other", "u")]
            .into_iter()
            .enumerate()
    {
        let resource = format!("i-{index}");
        let mut with = of(service, unit).to_vec();
        with.push(("ResourceId", resource.as_str()));
        charges.push(charge("2026-01-05", "10.01", &with));
        charges.push(charge("2026-01-04", "7", &with).over("2026-01-04", "2026-01-09 7"));
        with.push(("ChargeCategory", "Credit"));
        charges.push(charge("2026-01-06", "-0.000000000007", &with));
    }
    charges.push(charge("2026-01-01", "19", &[("ChargeCategory", "Tax")]).over("2026-01-01", "2026-02-01"));
    let telemetry: Vec<Measurement<'_>> = vec![
        ("requests", r#"["api"]"#, "2026-01-05", "a", "1"),
        ("requests", r#"["api"]"#, "2026-01-05", "b", "2"),
        ("cpu", r#"["db"]"#, "2026-01-05", "b", "1"),
        ("cpu", r#"["db"]"#, "2026-01-05", "c", "6"),
        ("traffic", "", "2026-01-05", "a", "1"),
        ("hours", "", "2026-01-05", "a", "1"),
    ];
    let outcome = Case::new(&rules, charges, telemetry).run().await;
    let mut all = Vec::new();
    for table in ["allocated_charges", "driver_quantities", "unit_economics_daily", "unit_economics_monthly"] {
        let mut rows = outcome.query(&format!("select * from {table}")).await;
        rows.sort();
        all.push(rows);
    }
    all
}

#[tokio::test]
async fn a_rule_that_takes_nothing_and_another_order_change_no_row() {
    let before = tables(&[OWN, API, DATABASE, SHARED].concat()).await;
    assert_eq!(before.iter().filter(|rows| rows.len() > 5).count(), 4, "every table has rows to compare");
    for other in [
        [NOTHING, OWN, API, DATABASE, SHARED],
        [OWN, API, DATABASE, SHARED, NOTHING],
        [OWN, DATABASE, NOTHING, SHARED, API],
    ] {
        assert!(tables(&other.concat()).await == before, "{other:#?}");
    }
}

#[tokio::test]
async fn a_rule_that_matches_what_another_takes_changes_no_row() {
    let rules = |more: &str| format!("{OWN}{API}{DATABASE}{more}");
    let wide =
        "    - { id: wide, when: \"tag('unit') = 'u' and service in ('api', 'db')\", method: even, targets: [z] }\n";
    assert!(tables(&rules(wide)).await == tables(&rules("")).await);
}

#[tokio::test]
async fn frequencies_are_told_apart_without_being_kept() {
    let rules = "allocation:\n  target: customer\n  rules:\n    - { id: own, when: customer is not null, method: direct, to: customer }\n";
    let with = |frequency: &'static str| [("tag:customer", "a"), ("ChargeFrequency", frequency)];
    let charges = vec![
        charge("2026-01-05", "3", &with("Usage-Based")),
        charge("2026-01-05", "4", &with("Usage-Based")),
        charge("2026-01-05", "5", &with("Recurring")),
        charge("2026-01-05", "6", &with("One-Time")),
    ];
    let outcome = Case::new(rules, charges, vec![]).run().await;
    assert_eq!(
        outcome.query("select ChargeFrequency, x_ChargeCount, EffectiveCost from allocated_charges order by 1").await,
        ["One-Time 1 6", "Recurring 1 5", "Usage-Based 2 7"]
    );
}

#[tokio::test]
async fn columns_that_only_rules_read_make_no_cells() {
    let rules = "allocation:\n  target: customer\n  rules:\n    - { id: all, when: \"ChargeDescription is not null and ResourceId <> ''\", method: even, targets: [a] }\n";
    let charges = (0..5)
        .map(|index| {
            let text = format!("d-{index}");
            charge("2026-01-05", "1", &[("ChargeDescription", &text), ("ResourceId", &text)])
        })
        .collect();
    let outcome = Case::new(rules, charges, vec![]).run().await;
    assert_eq!(outcome.query("select x_ChargeCount, EffectiveCost from allocated_charges").await, ["5 5"]);
}
