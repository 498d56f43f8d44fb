//! Each method with figures worked out by hand.

use crate::fixture::{Case, charge};

const RULES: &str = "allocation:\n  target: customer\n  keep: [service]\n  rules:\n";

fn rules(text: &str) -> String {
    format!("{RULES}{text}")
}

#[tokio::test]
async fn direct_gives_the_whole_charge_and_says_what_is_missing() {
    let rules = rules(
        "    - { id: own, when: service = 'api', method: direct, to: customer }\n\
         \x20   - { id: team, when: service = 'db', method: direct, to: \"'platform'\" }\n",
    );
    let charges = vec![
        charge("2026-01-05", "10", &[("tag:service", "api"), ("tag:customer", "birch")]),
        charge("2026-01-05", "4", &[("tag:service", "api")]),
        charge("2026-01-05", "3", &[("tag:service", "db")]),
        charge("2026-01-05", "2", &[]),
    ];
    let outcome = Case::new(&rules, charges, vec![]).run().await;
    assert_eq!(
        outcome.by_target().await,
        ["birch - 10", "platform - 3", "unallocated direct_target_missing 4", "unallocated no_rule_matched 2"]
    );
}

#[tokio::test]
async fn proportional_splits_by_the_quantities_of_the_day_and_the_key() {
    let rules = rules("    - { id: shared, method: proportional, driver: requests }\n");
    // 5 January: 100 by 1:2:3 -> 16.666…667, 33.333…333, 50; the boundaries are 16.6…67 and 50
    let charges = vec![
        charge("2026-01-05", "100", &[("tag:service", "api")]),
        charge("2026-01-06", "10", &[("tag:service", "api")]),
        charge("2026-01-05", "7", &[("tag:service", "db")]),
    ];
    let telemetry = vec![
        ("requests", r#"["api"]"#, "2026-01-05", "a", "1"),
        ("requests", r#"["api"]"#, "2026-01-05 10", "b", "1.5"),
        ("requests", r#"["api"]"#, "2026-01-05 23", "b", "0.5"),
        ("requests", r#"["api"]"#, "2026-01-05", "c", "3"),
        ("requests", r#"["api"]"#, "2026-01-06", "b", "9"),
        ("requests", r#"["db"]"#, "2026-01-05", "c", "0.1"),
        ("requests", r#"["unused"]"#, "2026-01-05", "z", "5"),
    ];
    let outcome = Case::new(&rules, charges, telemetry).run().await;
    assert_eq!(
        outcome
            .query(
                "select x_Service, x_ChargeDate, x_AllocationTargetId, EffectiveCost, BilledCost, x_AllocationDriver, \
                 x_AllocationDriverQuantity, x_AllocationShare, x_DriverSource from allocated_charges order by 1, 2, 3"
            )
            .await,
        [
            "api 2026-01-05 a 16.666666666667 16.666666666667 requests 1 0.166666666666666667 actual",
            "api 2026-01-05 b 33.333333333333 33.333333333333 requests 2 0.333333333333333333 actual",
            "api 2026-01-05 c 50 50 requests 3 0.5 actual",
            "api 2026-01-06 b 10 10 requests 9 1 actual",
            "db 2026-01-05 c 7 7 requests 0.1 1 actual",
        ]
    );
    assert_eq!(
        outcome
            .query(
                "select x_AllocationDriverKey, x_ChargeDate, x_AllocationTargetId, x_DriverQuantityBefore, \
                 x_DriverQuantityUpTo, x_DriverQuantityTotal from driver_quantities order by 1, 2, 3"
            )
            .await,
        [
            r#"["api"] 2026-01-05 a 0 1 6"#,
            r#"["api"] 2026-01-05 b 1 3 6"#,
            r#"["api"] 2026-01-05 c 3 6 6"#,
            r#"["api"] 2026-01-06 b 0 9 9"#,
            r#"["db"] 2026-01-05 c 0 0.1 0.1"#,
        ]
    );
}

#[tokio::test]
async fn a_missing_and_a_zero_driver_are_different_facts() {
    let rules = rules(
        "    - { id: api, when: service = 'api', method: proportional, driver: requests, fallback: [previous_period, even] }\n\
         \x20   - { id: db, when: service = 'db', method: proportional, driver: requests, fallback: [even] }\n\
         \x20   - { id: web, when: service = 'web', method: proportional, driver: cpu, fallback: [even] }\n",
    );
    let charges = vec![
        charge("2026-01-05", "8", &[("tag:service", "api")]), // measured as zero
        charge("2026-01-06", "8", &[("tag:service", "api")]), // missing, previous 3:1
        charge("2026-01-06", "9", &[("tag:service", "db")]),  // missing, even over a, b, c
        charge("2026-01-06", "5", &[("tag:service", "web")]), // never measured
        charge("2026-01-07", "2", &[("tag:service", "api")]), // only a quantity that is NULL: missing
    ];
    let mut case = Case::new(
        &rules,
        charges,
        vec![
            ("requests", r#"["api"]"#, "2026-01-05", "a", "0"),
            ("requests", r#"["api"]"#, "2026-01-05", "b", "0"),
            ("requests", r#"["api"]"#, "2026-01-07", "b", ""),
            ("requests", r#"["other"]"#, "2026-01-20", "a", "1"),
            ("requests", r#"["other"]"#, "2026-01-20", "b", "100"),
            ("requests", r#"["other"]"#, "2026-01-20", "c", "7"),
        ],
    );
    case.previous = vec![
        ("requests", r#"["api"]"#, "2025-12-05", "a", "2"),
        ("requests", r#"["api"]"#, "2025-12-20", "a", "1"),
        ("requests", r#"["api"]"#, "2025-12-20", "d", "1"),
    ];
    let outcome = case.run().await;
    assert_eq!(
        outcome
            .query(
                "select x_Service, x_ChargeDate, x_AllocationTargetId, x_AllocationReason, EffectiveCost, \
                 x_DriverSource, x_IsEstimated from allocated_charges order by 1, 2, 3"
            )
            .await,
        [
            "api 2026-01-05 idle driver_measured_zero 8 idle false",
            "api 2026-01-06 a - 6 previous_period true",
            "api 2026-01-06 d - 2 previous_period true",
            "api 2026-01-07 a - 1.5 previous_period true",
            "api 2026-01-07 d - 0.5 previous_period true",
            "db 2026-01-06 a - 3 even true",
            "db 2026-01-06 b - 3 even true",
            "db 2026-01-06 c - 3 even true",
            "web 2026-01-06 unallocated driver_missing 5 unallocated false",
        ]
    );
    let requests = outcome.allocated.drivers.iter().find(|driver| driver.driver == "requests").unwrap();
    assert_eq!(requests.missing_quantities, 1);
    assert_eq!(requests.pools.get("previous_period"), Some(&2));
}

#[tokio::test]
async fn a_negative_quantity_weighs_nothing_and_nobodys_quantity_is_unallocated() {
    let rules = rules("    - { id: shared, method: proportional, driver: traffic }\n");
    let charges = vec![charge("2026-01-05", "10", &[])];
    let telemetry = vec![
        ("traffic", "", "2026-01-05", "a", "5"),
        ("traffic", "", "2026-01-05", "b", "1"),
        ("traffic", "", "2026-01-05", "b", "-3"),
        ("traffic", "", "2026-01-05", "", "15"),
    ];
    let outcome = Case::new(&rules, charges, telemetry).run().await;
    assert_eq!(outcome.by_target().await, ["a - 2.5", "unallocated telemetry_without_target 7.5"]);
    let traffic = outcome.allocated.drivers.iter().find(|driver| driver.driver == "traffic").unwrap();
    assert_eq!((traffic.negative_quantities, traffic.negative_total), (1, -2 * crate::fixture::UNIT));
}

#[tokio::test]
async fn weighted_drivers_split_declared_shares_one_by_one() {
    // 100: 60 by cpu (1:3), 30 by traffic, of which the driver is zero, 10 to nobody
    let rules = rules(
        "    - { id: shared, method: proportional, drivers: [{ driver: cpu, share: 0.6 }, { driver: traffic, share: 0.3 }] }\n",
    );
    let charges = vec![charge("2026-01-05", "100", &[("tag:service", "api")])];
    let telemetry = vec![
        ("cpu", r#"["api"]"#, "2026-01-05", "a", "1"),
        ("cpu", r#"["api"]"#, "2026-01-05", "b", "3"),
        ("traffic", "", "2026-01-05", "a", "0"),
    ];
    let outcome = Case::new(&rules, charges, telemetry).run().await;
    assert_eq!(
        outcome.by_target().await,
        ["a - 15", "b - 45", "idle driver_measured_zero 30", "unallocated share_remainder 10"]
    );
}

#[tokio::test]
async fn activities_take_declared_shares_and_pass_them_on_by_their_drivers() {
    let rules = rules(
        "    - id: platform\n      method: activity_based\n      activities:\n\
         \x20       - { name: run, share: 0.7, driver: cpu }\n        - { name: route, share: 0.3, driver: traffic }\n",
    );
    let charges = vec![charge("2026-01-05", "10", &[("tag:service", "k8s")])];
    let telemetry = vec![
        ("cpu", r#"["k8s"]"#, "2026-01-05", "a", "1"),
        ("cpu", r#"["k8s"]"#, "2026-01-05", "b", "1"),
        ("traffic", "", "2026-01-05", "a", "1"),
        ("traffic", "", "2026-01-05", "b", "2"),
    ];
    let outcome = Case::new(&rules, charges, telemetry).run().await;
    assert_eq!(
        outcome
            .query(
                "select x_AllocationActivity, x_AllocationTargetId, EffectiveCost, x_AllocationDriver \
                 from allocated_charges order by 1, 2"
            )
            .await,
        ["route a 1 traffic", "route b 2 traffic", "run a 3.5 cpu", "run b 3.5 cpu"]
    );
    assert_eq!(
        outcome
            .query(
                "select x_AllocationTargetId, x_DriverSource, x_DriverQuantity from driver_quantities \
                 where x_AllocationActivity is null order by 1"
            )
            .await,
        ["route fixed 0.3", "run fixed 0.7"]
    );
}

#[tokio::test]
async fn a_resource_driver_measures_the_shares_of_activities() {
    let rules = rules(
        "    - id: platform\n      method: activity_based\n      resource_driver: hours\n      activities:\n\
         \x20       - { name: run, driver: cpu }\n        - { name: route, driver: traffic }\n",
    );
    // 5 January: run 6, route 3, something undeclared 1; 6 January: nothing at all; 7: measured zero
    let charges = vec![
        charge("2026-01-05", "100", &[("tag:service", "k8s")]),
        charge("2026-01-06", "5", &[("tag:service", "k8s")]),
        charge("2026-01-07", "2", &[("tag:service", "k8s")]),
    ];
    let telemetry = vec![
        ("hours", "", "2026-01-05", "run", "6"),
        ("hours", "", "2026-01-05", "route", "3"),
        ("hours", "", "2026-01-05", "meetings", "1"),
        ("hours", "", "2026-01-07", "run", "0"),
        ("cpu", r#"["k8s"]"#, "2026-01-05", "a", "1"),
        ("traffic", "", "2026-01-05", "b", "2"),
    ];
    let outcome = Case::new(&rules, charges, telemetry).run().await;
    assert_eq!(
        outcome.by_target().await,
        [
            "a - 60",
            "b - 30",
            "idle driver_measured_zero 2",
            "unallocated driver_missing 5",
            "unallocated telemetry_without_activity 10"
        ]
    );
}

#[tokio::test]
async fn even_and_fixed_need_no_quantities() {
    let rules = rules(
        "    - { id: list, when: service = 'a', method: even, targets: [z, x, y] }\n\
         \x20   - { id: seen, when: service = 'b', method: even, driver: traffic }\n\
         \x20   - { id: fixed, when: service = 'c', method: fixed, shares: { x: 0.25, idle: 0.25, y: 0.4 } }\n\
         \x20   - { id: nobody, when: service = 'd', method: even, driver: cpu }\n",
    );
    let charges = vec![
        charge("2026-01-05", "100", &[("tag:service", "a")]),
        charge("2026-01-05", "9", &[("tag:service", "b")]),
        charge("2026-01-05", "200", &[("tag:service", "c")]),
        charge("2026-01-05", "1", &[("tag:service", "d")]),
    ];
    let telemetry = vec![
        ("traffic", "", "2026-01-25", "u", "500"),
        ("traffic", "", "2026-01-26", "v", "1"),
        ("traffic", "", "2026-01-26", "w", "0"),
        ("traffic", "", "2026-01-26", "", "3"),
    ];
    let outcome = Case::new(&rules, charges, telemetry).run().await;
    let lines = outcome
        .query(
            "select x_AllocationRuleId, x_AllocationTargetId, x_AllocationReason, EffectiveCost, x_IsEstimated \
             from allocated_charges order by 1, 2",
        )
        .await;
    assert_eq!(
        lines,
        [
            "fixed idle declared 50 false",
            "fixed unallocated share_remainder 20 false",
            "fixed x - 50 false",
            "fixed y - 80 false",
            "list x - 33.333333333333 false",
            "list y - 33.333333333334 false",
            "list z - 33.333333333333 false",
            "nobody unallocated driver_missing 1 false",
            "seen u - 4.5 false",
            "seen v - 4.5 false",
        ]
    );
}

#[tokio::test]
async fn a_long_charge_is_spread_over_its_days_within_the_billing_period_first() {
    let rules = rules("    - { id: shared, method: proportional, driver: traffic }\n");
    let charges = vec![
        // 31 days of January, of which only two were measured
        charge("2026-01-01", "31", &[]).over("2026-01-01", "2026-02-01"),
        // half of 6 January, all of 7 January; what lies in February is not of this invoice
        charge("2026-01-01", "3", &[("tag:service", "x")]).over("2026-01-30 12", "2026-02-04"),
    ];
    let telemetry = vec![("traffic", "", "2026-01-05", "a", "1"), ("traffic", "", "2026-01-31", "b", "1")];
    let outcome = Case::new(&rules, charges, telemetry).run().await;
    assert_eq!(outcome.by_target().await, ["a - 1", "b - 3", "unallocated driver_missing 30"]);
    assert_eq!(
        outcome
            .query("select x_ChargeDate, EffectiveCost from allocated_charges where x_Service = 'x' order by 1")
            .await,
        ["2026-01-30 1", "2026-01-31 2"]
    );
}

#[tokio::test]
async fn a_correction_of_an_older_month_is_weighed_by_its_own_day() {
    let rules = rules(
        "    - { id: shared, method: proportional, driver: traffic, fallback: [previous_period] }\n  followers: { refund: rules }\n",
    );
    let charges = vec![charge("2025-12-10", "-6", &[("ChargeClass", "Correction")])];
    let mut case = Case::new(&rules, charges, vec![("traffic", "", "2026-01-10", "z", "1")]);
    case.previous = vec![
        ("traffic", "", "2025-12-10", "a", "1"),
        ("traffic", "", "2025-12-10", "b", "2"),
        ("traffic", "", "2025-12-11", "c", "100"),
    ];
    let outcome = case.run().await;
    assert_eq!(
        outcome
            .query(
                "select x_BillingPeriod, x_ChargeDate, x_AllocationTargetId, EffectiveCost, x_DriverSource \
                 from allocated_charges order by 3"
            )
            .await,
        ["2026-01 2025-12-10 a -2 actual", "2026-01 2025-12-10 b -4 actual"]
    );
}

#[tokio::test]
async fn later_stages_weigh_by_what_earlier_stages_gave() {
    let rules = "allocation:\n  target: customer\n  stages:\n\
        \x20   - name: usage\n      rules:\n        - { id: own, when: customer is not null, method: direct, to: customer }\n\
        \x20   - name: overhead\n      rules:\n        - { id: overhead, when: \"service = 'overhead'\", method: proportional, weight: effective }\n";
    let charges = vec![
        charge("2026-01-05", "10", &[("tag:customer", "a")]),
        charge("2026-01-09", "30", &[("tag:customer", "b")]),
        charge("2026-01-09", "-5", &[("tag:customer", "b"), ("ServiceName", "Other")]),
        charge("2026-01-09", "7", &[("tag:customer", "b"), ("BillingCurrency", "EUR")]),
        charge("2026-01-05", "8", &[("tag:service", "overhead")]),
        charge("2026-01-05", "3", &[("tag:service", "overhead"), ("BillingCurrency", "GBP")]),
        charge("2026-01-05", "50", &[]),
    ];
    let outcome = Case::new(rules, charges, vec![]).run().await;
    let lines = outcome
        .query(
            "select x_AllocationStage, BillingCurrency, x_AllocationTargetId, x_AllocationReason, \
             sum(EffectiveCost) from allocated_charges where x_AllocationStage <> 'usage' \
             group by x_AllocationStage, BillingCurrency, x_AllocationTargetId, x_AllocationReason \
             order by 1, 2, 3",
        )
        .await;
    assert_eq!(
        lines,
        [
            "overhead GBP unallocated nothing_to_follow 3",
            "overhead USD a - 2",
            "overhead USD b - 6",
            "unmatched USD unallocated no_rule_matched 50",
        ]
    );
}

#[tokio::test]
async fn the_first_rule_wins_and_the_report_says_who_else_matched() {
    let rules = rules(
        "    - { id: first, when: service = 'api', method: even, targets: [a] }\n\
         \x20   - { id: second, when: \"service in ('api', 'db')\", method: even, targets: [b] }\n\
         \x20   - { id: third, when: service = 'api', method: even, targets: [c] }\n",
    );
    let charges = vec![
        charge("2026-01-05", "1", &[("tag:service", "api")]),
        charge("2026-01-06", "1", &[("tag:service", "api")]),
        charge("2026-01-05", "5", &[("tag:service", "db")]),
        charge("2026-01-05", "5", &[]),
    ];
    let outcome = Case::new(&rules, charges, vec![]).run().await;
    assert_eq!(outcome.by_target().await, ["a - 2", "b - 5", "unallocated no_rule_matched 5"]);
    let reports = &outcome.allocated.rules;
    let shown: Vec<String> = reports
        .iter()
        .map(|report| format!("{} {:?} {} {:?}", report.stage, report.rule, report.charges, report.also_matched_by))
        .collect();
    assert_eq!(
        shown,
        [
            r#"usage Some("first") 2 {"second": 2, "third": 2}"#,
            r#"usage Some("second") 1 {}"#,
            r#"usage Some("third") 0 {}"#,
            r#"unmatched None 1 {}"#,
        ]
    );
}

#[tokio::test]
async fn rules_and_dimensions_may_round_amounts() {
    let rules = "allocation:\n  target: customer\n  rules:\n\
         \x20   - { id: large, when: \"round(EffectiveCost, 2) > 1\", method: direct, to: \"'large'\" }\n\
         \x20   - { id: exact, when: \"round(EffectiveCost, 2) = 0.13\", method: direct, to: \"'exact'\" }\n";
    let charges =
        ["1.004", "1.005", "0.125", "0.124"].map(|cost| charge("2026-01-05", cost, &[("tag:service", "api")])).to_vec();
    let outcome = Case::new(rules, charges, vec![]).run().await;
    assert_eq!(outcome.by_target().await, ["exact - 0.125", "large - 1.005", "unallocated no_rule_matched 1.128"]);
}
