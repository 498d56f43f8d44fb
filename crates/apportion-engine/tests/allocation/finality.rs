//! Finality: what an invoice may still change stays apart from what it cannot, down to unit costs.

use crate::fixture::{Case, charge};

const RULES: &str = "allocation:\n  target: customer\n  rules:\n\
    \x20   - { id: shared, when: \"service = 'api'\", method: proportional, driver: requests, fallback: [even] }\n\
    unit_economics:\n\
    \x20 per_request: { metric: requests, ledger: effective, by: [customer] }\n";

const OPEN: (&str, &str) = ("x_Finality", "provisional");

#[tokio::test]
async fn a_month_with_both_keeps_the_money_apart_and_adds_up() {
    let api = ("tag:service", "api");
    let charges = vec![
        charge("2026-01-05", "6", &[api]),
        charge("2026-01-05", "9", &[api, OPEN]),
        charge("2026-01-06", "3", &[api]),
        charge("2026-01-05", "-3", &[("ChargeCategory", "Credit"), OPEN]),
        charge("2026-01-05", "1", &[("tag:service", "db")]),
    ];
    let telemetry = vec![
        ("requests", r#"["api"]"#, "2026-01-05", "a", "1"),
        ("requests", r#"["api"]"#, "2026-01-05", "b", "2"),
        ("requests", r#"["api"]"#, "2026-01-06", "a", "1"),
        ("requests", r#"["api"]"#, "2026-01-07", "a", "1"),
    ];
    let outcome = Case::new(RULES, charges, telemetry).run().await;
    // 6 and 9 by the same 1 : 2, each by itself; the credit follows all usage of the service:
    // a has 2 + 3 + 3 = 8, b has 4 + 6 = 10, nobody has 1, so -3 is -24/19, -30/19 and -3/19
    assert_eq!(
        outcome
            .query(
                "select x_ChargeDate, x_AllocationRuleId, x_Finality, x_AllocationTargetId, EffectiveCost, \
                 x_ChargeCount from allocated_charges order by 1, 2, 3, 4"
            )
            .await,
        [
            "2026-01-05 credit provisional a -1.263157894737 1",
            "2026-01-05 credit provisional b -1.578947368421 1",
            "2026-01-05 credit provisional unallocated -0.157894736842 1",
            "2026-01-05 shared final a 2 1",
            "2026-01-05 shared final b 4 1",
            "2026-01-05 shared provisional a 3 1",
            "2026-01-05 shared provisional b 6 1",
            "2026-01-05 - final unallocated 1 1",
            "2026-01-06 shared final a 3 1",
        ]
    );
    assert_eq!(
        outcome
            .query("select x_Finality, sum(EffectiveCost) from allocated_charges group by x_Finality order by 1")
            .await,
        ["final 10", "provisional 6"],
        "6 + 3 + 1 are invoiced, 9 - 3 are not"
    );
    assert_eq!(
        outcome.query("select count(distinct x_PoolId) from driver_quantities").await,
        ["3"],
        "two days and what the credit follows: both kinds are split by the same quantities"
    );
    // one provisional part makes the whole provisional; a quantity without cost has no finality
    assert_eq!(
        outcome
            .query(
                "select x_ChargeDate, x_AllocationTargetId, x_Finality, x_Cost from unit_economics_daily \
                 where x_AllocationTargetId = 'a' order by 1, 2"
            )
            .await,
        ["2026-01-05 a provisional 3.736842105263", "2026-01-06 a final 3", "2026-01-07 a - 0"]
    );
    assert_eq!(
        outcome.query("select x_AllocationTargetId, x_Finality from unit_economics_monthly order by 1").await,
        ["a provisional", "b provisional", "unallocated provisional"]
    );
}

#[tokio::test]
async fn a_rule_may_look_at_finality_and_an_issued_month_is_final_throughout() {
    let rules = "allocation:\n  target: customer\n  rules:\n\
        \x20   - { id: issued, when: \"x_Finality = 'final'\", method: direct, to: customer }\n\
        unit_economics:\n  per_request: { metric: requests, ledger: effective, by: [customer] }\n";
    let charges =
        vec![charge("2026-01-05", "6", &[("tag:customer", "a")]), charge("2026-01-06", "2", &[("tag:customer", "a")])];
    let outcome = Case::new(rules, charges, vec![]).run().await;
    assert_eq!(outcome.by_target().await, ["a - 8"]);
    // no request was measured, so all of it is cost without a quantity
    let sql = "select x_Finality, x_Cost, x_CostWithoutQuantity from unit_economics_monthly";
    assert_eq!(outcome.query(sql).await, ["final 0 8"]);
}
