//! What each charge costs each target: exact by charge and by part, where a join would repeat cost.

use crate::fixture::{Case, charge, money};

const RULES: &str = "allocation:\n  target: customer\n  rules:\n\
    \x20   - { id: api, when: service = 'api', method: proportional, driver: requests }\n\
    \x20   - { id: db, when: service = 'db', method: activity_based, activities: [{ name: run, share: 0.7, driver: cpu }, { name: route, share: 0.3, driver: traffic }] }\n";

#[tokio::test]
async fn every_charge_is_split_like_its_cell_to_the_last_digit() {
    let api = |resource: &'static str| [("tag:service", "api"), ("ResourceId", resource)];
    let db = |resource: &'static str| [("tag:service", "db"), ("ResourceId", resource)];
    let one = "0.000000000001";
    let charges = vec![
        charge("2026-01-05", one, &api("i-1")),
        charge("2026-01-05", one, &api("i-2")),
        charge("2026-01-05", one, &api("i-3")),
        charge("2026-01-05", "3", &db("d-1")),
        charge("2026-01-05", "-1", &db("d-2")),
        charge("2026-01-04", "10", &db("d-3")).over("2026-01-04 12", "2026-01-06 12"),
        charge("2026-01-04", "0.1", &db("d-4")).over("2026-01-04 12", "2026-01-06 12"),
        charge("2026-01-09", "1", &[("ChargeCategory", "Tax"), ("ResourceId", "i-1")]),
        charge("2026-01-05", "7", &[("ResourceId", "free")]),
    ];
    let telemetry = vec![
        ("requests", r#"["api"]"#, "2026-01-05", "a", "1"),
        ("requests", r#"["api"]"#, "2026-01-05", "b", "1"),
        ("requests", r#"["api"]"#, "2026-01-05", "c", "1"),
        ("cpu", r#"["db"]"#, "2026-01-05", "a", "1"),
        ("cpu", r#"["db"]"#, "2026-01-05", "b", "2"),
        ("cpu", r#"["db"]"#, "2026-01-04", "b", "2"),
        ("traffic", "", "2026-01-05", "a", "3"),
    ];
    let outcome = Case::new(RULES, charges, telemetry).run().await;
    // three charges of one unit each make one unit of each of three targets: neither side loses one
    assert_eq!(
        outcome
            .query(
                "select x_AllocationTargetId, sum(EffectiveCost) from charge_targets \
                 where x_AllocationRuleId = 'api' group by 1 order by 1"
            )
            .await,
        ["a 0.000000000001", "b 0.000000000001", "c 0.000000000001"]
    );
    // 0.7 of 3 and of -1 by cpu 1 : 2, 0.3 to a; the tax follows its resource
    assert_eq!(
        outcome
            .query(
                "select ResourceId, x_AllocationTargetId, sum(EffectiveCost) from charge_targets \
                 where ResourceId in ('d-1', 'd-2', 'free') group by 1, 2 order by 1, 2"
            )
            .await,
        ["d-1 a 1.6", "d-1 b 1.4", "d-2 a -0.533333333333", "d-2 b -0.466666666667", "free unallocated 7"]
    );
    assert_eq!(
        outcome
            .query(
                "select f.x_ChargeId from focus_charges f left join (select x_ChargeId, sum(EffectiveCost) as Cost \
                 from charge_targets group by 1) t on f.x_ChargeId = t.x_ChargeId \
                 where t.Cost is distinct from f.EffectiveCost"
            )
            .await,
        Vec::<String>::new(),
        "every charge is wholly given to targets"
    );
}

#[tokio::test]
async fn charges_that_cancel_out_in_a_ledger_are_split_in_it() {
    let api = |resource: &'static str| [("tag:service", "api"), ("ResourceId", resource)];
    let (five, one) = (money("5"), money("1"));
    let charges = vec![
        charge("2026-01-05", "0", &api("i-1")).costing([five, five, one, one]),
        charge("2026-01-05", "0", &api("i-2")).costing([-five, five, one, one]),
    ];
    let telemetry =
        vec![("requests", r#"["api"]"#, "2026-01-05", "a", "1"), ("requests", r#"["api"]"#, "2026-01-05", "b", "4")];
    let outcome = Case::new(RULES, charges, telemetry).run().await;
    assert_eq!(
        outcome
            .query(
                "select ResourceId, x_AllocationTargetId, BilledCost, EffectiveCost from charge_targets order by 1, 2"
            )
            .await,
        ["i-1 a 1 1", "i-1 b 4 4", "i-2 a -1 1", "i-2 b -4 4"]
    );
}
