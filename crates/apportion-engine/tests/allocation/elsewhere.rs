//! Days outside of the billing period and of the one before: each charge by the drivers of its own.

use crate::fixture::{Case, charge};

const RULES: &str = "allocation:\n  target: customer\n  keep: [service]\n  rules:\n\
    \x20   - { id: shared, when: \"service = 'api'\", method: proportional, driver: requests, fallback: [previous_period] }\n\
    \x20   - { id: own, when: customer is not null, method: direct, to: customer }\n";

const ROWS: &str = "select x_BillingPeriod, x_ChargeDate, x_AllocationTargetId, x_AllocationRuleId, EffectiveCost, \
    x_DriverSource, x_IsEstimated from allocated_charges order by 2, 4, 3";

const CORRECTION: (&str, &str) = ("ChargeClass", "Correction");

/// Who is active in the billing period, and in the one before; neither has to do with older days.
fn case(charges: Vec<crate::fixture::Charge>) -> Case<'static> {
    let mut case = Case::new(RULES, charges, vec![("requests", r#"["api"]"#, "2026-01-10", "new", "9")]);
    case.previous = vec![("requests", r#"["api"]"#, "2025-12-10", "left", "3")];
    case
}

#[tokio::test]
async fn a_correction_of_a_month_five_periods_back_is_weighed_by_its_own_days() {
    // a day: -6 by 1 : 2; two days: -8 by seconds is -4 each, 10 August 3 : 1, 11 August only `b`
    let mut case = case(vec![
        charge("2025-08-10", "-6", &[CORRECTION, ("tag:service", "api")]),
        charge("2025-08-10", "-8", &[CORRECTION, ("tag:service", "api"), ("SubAccountId", "other")])
            .over("2025-08-11", "2025-08-13"),
        charge("2026-01-10", "5", &[("tag:service", "api")]),
    ]);
    case.elsewhere = vec![
        ("requests", r#"["api"]"#, "2025-08-09", "z", "1000"),
        ("requests", r#"["api"]"#, "2025-08-10", "a", "1"),
        ("requests", r#"["api"]"#, "2025-08-10 23", "b", "2"),
        ("requests", r#"["api"]"#, "2025-08-11", "a", "3"),
        ("requests", r#"["api"]"#, "2025-08-11", "b", "1"),
        ("requests", r#"["api"]"#, "2025-08-12", "b", "7"),
        ("requests", r#"["db"]"#, "2025-08-12", "z", "7"),
    ];
    let outcome = case.run().await;
    assert_eq!(outcome.days_elsewhere, ["2025-08-10", "2025-08-11", "2025-08-12"]);
    assert_eq!(
        outcome.query(ROWS).await,
        [
            "2026-01 2025-08-10 a shared -2 actual false",
            "2026-01 2025-08-10 b shared -4 actual false",
            "2026-01 2025-08-11 a shared -3 actual false",
            "2026-01 2025-08-11 b shared -1 actual false",
            "2026-01 2025-08-12 b shared -4 actual false",
            "2026-01 2026-01-10 new shared 5 actual false",
        ]
    );
}

#[tokio::test]
async fn old_days_that_nobody_measured_go_through_the_fallbacks_and_say_so() {
    let mut case = case(vec![
        charge("2025-08-10", "-6", &[CORRECTION, ("tag:service", "api")]),
        charge("2025-08-11", "-2", &[CORRECTION, ("tag:service", "api")]),
    ]);
    case.elsewhere = vec![("requests", r#"["api"]"#, "2025-08-11", "a", "0")];
    let outcome = case.run().await;
    assert_eq!(
        outcome.query(ROWS).await,
        ["2026-01 2025-08-10 left shared -6 previous_period true", "2026-01 2025-08-11 idle shared -2 idle false",]
    );
    assert_eq!(outcome.by_target().await, ["idle driver_measured_zero -2", "left - -6"]);
}

#[tokio::test]
async fn hours_after_the_month_in_utc_are_weighed_by_the_day_they_lie_on() {
    let api = [("tag:service", "api")];
    let mut case = case(vec![
        charge("2026-01-31 22", "4", &api).billed_in_los_angeles(),
        charge("2026-02-01 3", "6", &api).billed_in_los_angeles(),
        // 8 hours on 31 January and 8 on 1 February: 5 each; what comes later is not of this invoice
        charge("2026-01-31", "10", &[("tag:service", "api"), ("SubAccountId", "other")])
            .over("2026-01-31 16", "2026-02-01 20")
            .billed_in_los_angeles(),
    ]);
    case.telemetry.push(("requests", r#"["api"]"#, "2026-01-31", "a", "1"));
    case.elsewhere = vec![
        ("requests", r#"["api"]"#, "2026-02-01", "a", "1"),
        ("requests", r#"["api"]"#, "2026-02-01 21", "b", "1"),
        ("requests", r#"["api"]"#, "2026-02-02", "z", "1"),
    ];
    let outcome = case.run().await;
    assert_eq!(outcome.days_elsewhere, ["2026-02-01"]);
    assert_eq!(
        outcome
            .query(
                "select x_ChargeDate, x_AllocationTargetId, sum(EffectiveCost), bool_or(x_IsEstimated) \
                 from allocated_charges group by 1, 2 order by 1, 2"
            )
            .await,
        ["2026-01-31 a 9 false", "2026-02-01 a 5.5 false", "2026-02-01 b 5.5 false"]
    );
}

#[tokio::test]
async fn no_day_elsewhere_is_asked_for_without_a_charge_that_a_driver_weighs() {
    let charges = vec![
        // nothing to split, a rule without a driver, no rule, a policy, days that are known anyway
        charge("2025-08-01", "0", &[CORRECTION, ("tag:service", "api")]),
        charge("2025-08-02", "-1", &[CORRECTION, ("tag:customer", "a")]),
        charge("2025-08-03", "-1", &[CORRECTION]),
        charge("2025-08-04", "-1", &[("ChargeCategory", "Tax"), ("tag:service", "api")]),
        charge("2025-12-05", "-1", &[CORRECTION, ("tag:service", "api")]),
        charge("2025-07-01", "31", &[("tag:service", "api")]).over("2025-07-01", "2028-07-01"),
    ];
    let outcome = case(charges).run().await;
    assert_eq!(outcome.days_elsewhere, [""; 0]);
}

#[tokio::test]
async fn a_correction_follows_where_no_rule_knows_it_or_its_month_is_this_one() {
    let usage = |customer: &'static str, cost: &str| {
        charge("2026-01-10", cost, &[("tag:customer", customer), ("SkuId", "sku-1")])
    };
    let charges = vec![
        usage("a", "10"),
        usage("b", "30"),
        // of an older month: its own rule first, else what uses the same SKU now
        charge("2025-08-10", "-4", &[CORRECTION, ("SkuId", "sku-1"), ("tag:customer", "b")]),
        charge("2025-08-11", "-8", &[CORRECTION, ("SkuId", "sku-1")]),
        // of this month: it follows, whatever the rules say
        charge("2026-01-11", "-12", &[CORRECTION, ("SkuId", "sku-1"), ("tag:customer", "b")]),
    ];
    let rows = "select x_ChargeDate, x_AllocationStage, x_AllocationTargetId, EffectiveCost from allocated_charges \
        where EffectiveCost < 0 order by 1, 3";
    let outcome = case(charges.clone()).run().await;
    assert_eq!(
        outcome.query(rows).await,
        [
            "2025-08-10 usage b -4",
            "2025-08-11 followers a -2",
            "2025-08-11 followers b -6",
            "2026-01-11 followers a -3",
            "2026-01-11 followers b -9",
        ]
    );
    let unallocated = format!("{RULES}  followers: {{ refund: unallocated }}\n");
    let outcome = Case::new(&unallocated, charges, vec![]).run().await;
    assert_eq!(
        outcome.query(&format!("select distinct x_AllocationTargetId from ({rows})")).await,
        ["unallocated"],
        "a declared policy holds for corrections of any month"
    );
}
