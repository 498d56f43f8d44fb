//! Laws that hold for every rule, driver and charge: nothing lost, nothing added, one result.
//!
//! Every case also passes all checks of `sql/checks`, which compare each cell, each split and each
//! total exactly.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::fixture::{Case, Charge, Measurement, charge};

const RULES: &str = "allocation:\n  target: customer\n  keep: [service]\n  stages:\n\
    \x20   - name: usage\n      rules:\n\
    \x20       - { id: own, when: customer is not null, method: direct, to: customer }\n\
    \x20       - { id: requests, when: service = 's0', method: proportional, driver: requests, fallback: [previous_period, even] }\n\
    \x20       - { id: weighted, when: service = 's1', method: proportional, drivers: [{ driver: cpu, share: 0.3 }, { driver: traffic, share: 0.333333333333 }], fallback: [even] }\n\
    \x20       - { id: activities, when: service = 's2', method: activity_based, resource_driver: hours, activities: [{ name: t1, driver: cpu }, { name: t2, driver: traffic }], fallback: [even] }\n\
    \x20       - { id: even, when: service = 's3', method: even, targets: [x, y, z] }\n\
    \x20       - { id: fixed, when: service = 's4', method: fixed, shares: { x: 0.1, y: 0.2 } }\n\
    \x20   - name: overhead\n      rules:\n\
    \x20       - { id: overhead, when: service = 's5', method: proportional, weight: billed }\n";

fn days() -> impl Strategy<Value = String> {
    (1_u32..=28).prop_map(|day| format!("2026-01-{day:02}"))
}

/// Costs from 10^-12 to 10^12, of either sign.
fn cost() -> impl Strategy<Value = i128> {
    (0_u32..=24, 1_i128..10, any::<bool>())
        .prop_map(|(power, digit, negative)| if negative { -digit } else { digit } * 10_i128.pow(power))
}

fn charges() -> impl Strategy<Value = Vec<Charge>> {
    let kinds = prop_oneof![
        8 => Just(("ChargeCategory", "Usage")),
        1 => Just(("ChargeCategory", "Credit")),
        1 => Just(("ChargeCategory", "Tax")),
        1 => Just(("ChargeClass", "Correction")),
    ];
    let one = (0_u32..8, days(), [cost(), cost(), cost(), cost()], kinds, 0_u32..3, any::<bool>(), 0_u32..10);
    proptest::collection::vec(one, 1..25).prop_map(|all| {
        all.into_iter()
            .map(|(service, day, costs, kind, resource, euro, direct)| {
                let (service, resource) = (format!("s{service}"), format!("i-{resource}"));
                let mut with = vec![("tag:service", service.as_str()), ("ResourceId", resource.as_str()), kind];
                if euro {
                    with.push(("BillingCurrency", "EUR"));
                }
                if direct == 0 {
                    with.push(("tag:customer", "t9"));
                }
                let one = charge(&day, "0", &with).costing(costs);
                if direct == 1 { one.over("2025-12-30", "2026-02-02") } else { one }
            })
            .collect()
    })
}

type Measured = (usize, u32, String, u32, i64);

fn measurements() -> impl Strategy<Value = Vec<Measured>> {
    let quantity = prop_oneof![4 => 0_i64..1000, 1 => -10_i64..10, 1 => Just(0)];
    proptest::collection::vec((0_usize..4, 0_u32..4, days(), 0_u32..4, quantity), 0..40)
}

/// Measurements as text, their quantities multiplied by `scale`.
fn texts(measured: &[Measured], scale: i64) -> Vec<[String; 5]> {
    measured
        .iter()
        .map(|(driver, service, day, target, quantity)| {
            let name = ["requests", "cpu", "traffic", "hours"][*driver];
            let key = if *driver < 2 { format!("[\"s{service}\"]") } else { String::new() };
            [name.to_owned(), key, day.clone(), format!("t{target}"), (quantity * scale).to_string()]
        })
        .collect()
}

fn borrowed(texts: &[[String; 5]]) -> Vec<Measurement<'_>> {
    texts.iter().map(|[a, b, c, d, e]| (a.as_str(), b.as_str(), c.as_str(), d.as_str(), e.as_str())).collect()
}

const ROWS: &str = "select x_CellId, x_ChargeDate, x_AllocationTargetId, x_AllocationReason, x_AllocationActivity, \
    x_PoolId, BilledCost, EffectiveCost, ListCost, ContractedCost, x_DriverSource from allocated_charges \
    order by x_CellId, x_ChargeDate, x_PoolId, x_AllocationActivity, x_AllocationTargetId";

async fn rows(charges: &[Charge], measured: &[[String; 5]], partitions: usize) -> Vec<String> {
    let mut case = Case::new(RULES, charges.to_vec(), borrowed(measured));
    case.partitions = partitions;
    let outcome = case.run().await;
    let sums = outcome.query("select sum(BilledCost) + 0, sum(ListCost) + 0 from allocated_charges").await;
    let total = |index: usize| charges.iter().map(|charge| charge.costs()[index]).sum::<i128>();
    let shown = outcome
        .query("select sum(BilledCost), sum(EffectiveCost), sum(ListCost), sum(ContractedCost) from focus_charges")
        .await;
    let allocated = outcome
        .query("select sum(BilledCost), sum(EffectiveCost), sum(ListCost), sum(ContractedCost) from allocated_charges")
        .await;
    if allocated != ["- - - -"] {
        assert_eq!(allocated, shown, "{sums:?} {}", total(0));
    }
    outcome.query(ROWS).await
}

#[test]
fn nothing_depends_on_order_partitions_or_the_scale_of_drivers() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 4, failure_persistence: None, ..Config::default() });
    runner
        .run(&(charges(), measurements()), |(charges, measured)| {
            runtime.block_on(async {
                let one = rows(&charges, &texts(&measured, 1), 1).await;
                let mut shuffled = charges.clone();
                shuffled.reverse();
                shuffled.rotate_left(charges.len() / 3);
                let seven = rows(&shuffled, &texts(&measured, 1), 7).await;
                prop_assert_eq!(&one, &seven);
                let mut reversed = measured.clone();
                reversed.reverse();
                // a target without quantity gets nothing and takes nothing
                let mut scaled = texts(&reversed, 1_000);
                let zeros = scaled
                    .clone()
                    .into_iter()
                    .map(|[driver, key, day, ..]| [driver, key, day, "zero".to_owned(), "0".to_owned()]);
                scaled.extend(zeros.collect::<Vec<_>>());
                let scaled = rows(&charges, &scaled, 2).await;
                prop_assert_eq!(&one, &scaled);
                Ok(())
            })
        })
        .unwrap();
}

#[test]
fn mirrored_costs_give_mirrored_parts() {
    // Followers and `weight` look at positive cost only, so their shares do not mirror; drivers do.
    let rules = "allocation:\n  target: customer\n  rules:\n\
        \x20   - { id: traffic, method: proportional, driver: traffic }\n  followers: { credit: rules, refund: rules, tax: rules }\n";
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 4, failure_persistence: None, ..Config::default() });
    let quantities = proptest::collection::vec(1_i64..1_000_000, 1..12);
    runner
        .run(&(cost(), quantities), |(cost, quantities)| {
            let texts: Vec<[String; 5]> = quantities
                .iter()
                .enumerate()
                .map(|(index, quantity)| {
                    [
                        "traffic".to_owned(),
                        String::new(),
                        "2026-01-05".to_owned(),
                        format!("t{index:02}"),
                        quantity.to_string(),
                    ]
                })
                .collect();
            let parts = |sign: i128| {
                let charges = vec![charge("2026-01-05", "0", &[]).costing([cost * sign; 4])];
                let case = Case::new(rules, charges, borrowed(&texts));
                runtime.block_on(async {
                    case.run()
                        .await
                        .query("select EffectiveCost from allocated_charges order by x_AllocationTargetId")
                        .await
                })
            };
            let mirrored: Vec<String> = parts(-1)
                .into_iter()
                .map(|part| part.strip_prefix('-').map_or_else(|| format!("-{part}"), str::to_owned))
                .collect();
            prop_assert_eq!(parts(1), mirrored);
            Ok(())
        })
        .unwrap();
}
