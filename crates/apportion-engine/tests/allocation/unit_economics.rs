//! Unit economics: ratios of sums, and a reason wherever there is none.

use crate::fixture::{Case, charge};

const RULES: &str = "allocation:\n  target: customer\n  keep: [service, RegionId]\n  rules:\n\
    \x20   - { id: own, when: customer is not null, method: direct, to: customer }\n\
    unit_economics:\n\
    \x20 per_request: { metric: requests, ledger: effective, by: [customer, service] }\n\
    \x20 per_visit: { metric: traffic, ledger: billed }\n";

#[tokio::test]
async fn cost_meets_quantity_by_target_and_dimension_and_never_fans_out() {
    let charges = vec![
        charge("2026-01-05", "6", &[("tag:customer", "a"), ("tag:service", "api"), ("RegionId", "eu")]),
        charge("2026-01-05", "4", &[("tag:customer", "a"), ("tag:service", "api"), ("RegionId", "us")]),
        charge("2026-01-06", "5", &[("tag:customer", "a"), ("tag:service", "api")]),
        charge("2026-01-05", "2", &[("tag:customer", "a")]),
        charge("2026-01-05", "1", &[("tag:service", "api")]),
    ];
    let telemetry = vec![
        ("requests", r#"["api"]"#, "2026-01-05", "a", "30"),
        ("requests", r#"["api"]"#, "2026-01-05 12", "a", "10"),
        ("requests", r#"["api"]"#, "2026-01-06", "a", "0"),
        ("requests", r#"["api"]"#, "2026-01-06", "b", "7"),
        ("requests", "[null]", "2026-01-05", "a", "-1"),
        ("traffic", "", "2026-01-05", "a", "5"),
    ];
    let outcome = Case::new(RULES, charges, telemetry).run().await;
    assert_eq!(
        outcome
            .query(
                "select x_UnitMetric, x_ChargeDate, x_AllocationTargetId, x_Service, x_Cost, x_CostWithoutQuantity, x_Quantity, \
                 x_QuantityUnit, x_UnitCost, x_UnitCostReason from unit_economics_daily order by 1, 2, 3, 4"
            )
            .await,
        [
            "per_request 2026-01-05 a api 10 0 40 Requests 0.25 -",
            "per_request 2026-01-05 a - 2 0 -1 Requests - negative_quantity",
            "per_request 2026-01-05 unallocated api 0 1 - Requests - no_quantity",
            "per_request 2026-01-06 a api 5 0 0 Requests - zero_quantity",
            "per_request 2026-01-06 b api 0 0 7 Requests 0 -",
            "per_visit 2026-01-05 - - 13 0 5 Requests 2.6 -",
            "per_visit 2026-01-06 - - 0 5 - Requests - no_quantity",
        ]
    );
    assert_eq!(
        outcome
            .query(
                "select x_UnitMetric, x_AllocationTargetId, x_Service, x_Cost, x_CostWithoutQuantity, x_Quantity, x_UnitCost, \
                 x_UnitCostReason from unit_economics_monthly where x_AllocationTargetId = 'a' or \
                 x_AllocationTargetId is null order by 1, 2, 3"
            )
            .await,
        ["per_request a api 15 0 40 0.375 -",
            "per_request a - 2 0 -1 - negative_quantity",
            "per_visit - - 13 5 5 2.6 -",
        ]
    );
}

/// The query that people write, by hand: three days of `a`, one of them without a measurement; `b` is not measured at
/// all. 10 and 20 for 4 and 1 requests are 6 a request, whatever 7 and 100 cost.
#[tokio::test]
async fn the_natural_query_divides_cost_by_its_own_quantity() {
    let own = |customer: &'static str| [("tag:customer", customer), ("tag:service", "api")];
    let charges = vec![
        charge("2026-01-05", "10", &own("a")),
        charge("2026-01-06", "20", &own("a")),
        charge("2026-01-07", "7", &own("a")),
        charge("2026-01-06", "100", &own("b")),
    ];
    let telemetry = vec![
        ("requests", r#"["api"]"#, "2026-01-05", "a", "4"),
        ("requests", r#"["api"]"#, "2026-01-06", "a", "1"),
        ("traffic", "", "2026-01-05", "a", "5"),
    ];
    let outcome = Case::new(RULES, charges, telemetry).run().await;
    for table in ["unit_economics_daily", "unit_economics_monthly"] {
        let natural = format!(
            "select x_UnitMetric, sum(x_Cost), sum(x_CostWithoutQuantity), sum(x_Quantity), \
             divide_round(sum(x_Cost), sum(x_Quantity)) from {table} group by 1 order by 1"
        );
        assert_eq!(outcome.query(&natural).await, ["per_request 30 107 5 6", "per_visit 10 127 5 2"], "{table}");
        let by_target = format!(
            "select x_AllocationTargetId, divide_round(sum(x_Cost), sum(x_Quantity)), \
             divide_round(sum(x_Cost) + sum(x_CostWithoutQuantity), sum(x_Quantity)) from {table} \
             where x_UnitMetric = 'per_request' group by 1 order by 1"
        );
        assert_eq!(outcome.query(&by_target).await, ["a 6 7.4", "b - -"], "{table}");
    }
}
