//! Followers: credits, refunds, taxes, support and unused commitment go where their usage went.

use crate::fixture::{Case, charge};

const RULES: &str = "allocation:\n  target: customer\n  keep: [ChargeCategory]\n  rules:\n\
    \x20   - { id: own, when: customer is not null, method: direct, to: customer }\n";

/// Cost of followers by rule, target and the level that was followed.
const FOLLOWED: &str = "select x_AllocationRuleId, x_AllocationTargetId, x_AllocationReason, x_AllocationDriver, \
    sum(EffectiveCost) from allocated_charges where x_AllocationStage = 'followers' \
    group by x_AllocationRuleId, x_AllocationTargetId, x_AllocationReason, x_AllocationDriver order by 1, 2";

#[tokio::test]
async fn each_level_is_followed_before_the_wider_one() {
    let usage = |customer: &'static str, cost: &str, with: &[(&'static str, &'static str)]| {
        let mut all = vec![("tag:customer", customer)];
        all.extend_from_slice(with);
        charge("2026-01-05", cost, &all)
    };
    let charges = vec![
        usage("a", "10", &[("ResourceId", "i-1"), ("SkuId", "sku-1")]),
        usage("b", "30", &[("ResourceId", "i-2"), ("SkuId", "sku-1")]),
        usage("c", "60", &[("ResourceId", "i-3"), ("SkuId", "sku-2"), ("CommitmentDiscountId", "plan")]),
        usage("d", "100", &[("ServiceName", "Storage"), ("SubAccountId", "other")]),
        // negative usage weighs nothing
        usage("d", "-90", &[("ResourceId", "i-1"), ("SkuId", "sku-9")]),
        charge("2026-01-09", "-1", &[("ChargeCategory", "Credit"), ("ResourceId", "i-1"), ("SkuId", "sku-1")]),
        charge("2026-01-09", "-4", &[("ChargeClass", "Correction"), ("ResourceId", "gone"), ("SkuId", "sku-1")]),
        charge("2026-01-09", "10", &[("ChargeCategory", "Tax")]),
        charge(
            "2026-01-09",
            "2",
            &[("CommitmentDiscountStatus", "Unused"), ("CommitmentDiscountId", "plan"), ("ResourceId", "plan")],
        ),
        charge(
            "2026-01-09",
            "20",
            &[
                ("ServiceName", "Support"),
                ("ServiceCategory", "Management and Governance"),
                ("ServiceSubcategory", "Support"),
            ],
        ),
        charge("2026-01-09", "5", &[("ChargeCategory", "Tax"), ("BillingAccountId", "another payer")]),
        charge("2026-01-09", "5", &[("ChargeCategory", "Tax"), ("BillingCurrency", "EUR")]),
    ];
    let outcome = Case::new(RULES, charges, vec![]).run().await;
    assert_eq!(
        outcome.query(FOLLOWED).await,
        [
            "credit a - ResourceId -1",
            "refund a - SkuId -1",
            "refund b - SkuId -3",
            "support a - BillingAccountId 1",
            "support b - BillingAccountId 3",
            "support c - BillingAccountId 6",
            "support d - BillingAccountId 10",
            "tax a - ServiceName, SubAccountId 1",
            "tax b - ServiceName, SubAccountId 3",
            "tax c - ServiceName, SubAccountId 6",
            "tax unallocated nothing_to_follow - 10",
            "unused_commitment c - CommitmentDiscountId 2",
        ]
    );
}

#[tokio::test]
async fn followers_of_unallocated_usage_stay_unallocated_and_say_so() {
    let charges = vec![
        charge("2026-01-05", "30", &[]),
        charge("2026-01-05", "10", &[("tag:customer", "a")]),
        charge("2026-01-09", "4", &[("ChargeCategory", "Tax")]),
    ];
    let outcome = Case::new(RULES, charges, vec![]).run().await;
    assert_eq!(
        outcome.query(FOLLOWED).await,
        ["tax a - ServiceName, SubAccountId 1", "tax unallocated follows_unallocated ServiceName, SubAccountId 3"]
    );
}

#[tokio::test]
async fn a_month_long_tax_is_spread_over_its_days_and_follows_the_month() {
    let charges = vec![
        charge("2026-01-05", "1", &[("tag:customer", "a")]),
        charge("2026-01-25", "3", &[("tag:customer", "b")]),
        charge("2026-01-01", "31", &[("ChargeCategory", "Tax")]).over("2026-01-01", "2026-02-01"),
    ];
    let outcome = Case::new(RULES, charges, vec![]).run().await;
    let days = outcome
        .query(
            "select x_ChargeDate, x_AllocationTargetId, EffectiveCost from allocated_charges \
             where x_AllocationRuleId = 'tax' and x_ChargeDate in ('2026-01-01', '2026-01-31') order by 1, 2",
        )
        .await;
    assert_eq!(days, ["2026-01-01 a 0.25", "2026-01-01 b 0.75", "2026-01-31 a 0.25", "2026-01-31 b 0.75"]);
}

#[tokio::test]
async fn policies_decide_by_kind() {
    let rules = format!("{RULES}  followers: {{ credit: rules, tax: unallocated }}\n");
    let charges = vec![
        charge("2026-01-05", "10", &[("tag:customer", "a")]),
        charge("2026-01-05", "-2", &[("ChargeCategory", "Credit"), ("tag:customer", "b")]),
        charge("2026-01-05", "3", &[("ChargeCategory", "Tax"), ("tag:customer", "a")]),
        charge("2026-01-05", "7", &[("ChargeCategory", "Purchase"), ("CommitmentDiscountId", "p")]),
    ];
    let outcome = Case::new(&rules, charges, vec![]).run().await;
    assert_eq!(
        outcome
            .query(
                "select x_AllocationStage, x_AllocationRuleId, x_AllocationMethod, x_AllocationTargetId, \
                 x_AllocationReason, EffectiveCost from allocated_charges order by 1, 2, 4, 6"
            )
            .await,
        [
            "followers commitment_purchase follow a - 7",
            "followers tax unallocated unallocated policy 3",
            "usage own direct a - 10",
            "usage own direct b - -2",
        ]
    );
}
