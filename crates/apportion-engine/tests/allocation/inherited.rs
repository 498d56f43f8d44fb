//! What followers inherit: dimensions they lack, of the usage they follow, and no column of the bill.

use crate::fixture::{Case, Charge, charge};

const RULES: &str = "allocation:\n  target: customer\n  keep: [service, team, ServiceName, ChargeCategory]\n  rules:\n\
    \x20   - { id: own, when: customer is not null, method: direct, to: customer }\n";

/// What a follower bears, by target and dimensions.
const INHERITED: &str = "select x_AllocationRuleId, x_AllocationTargetId, x_Service, x_Team, ServiceName, \
    x_InheritedDimensions, EffectiveCost from allocated_charges where x_AllocationStage = 'followers' \
    order by 1, 2, 3, 4";

/// Usage of a customer by service and team; an empty text is no tag.
fn usage(customer: &str, service: &str, team: &str, cost: &str) -> Charge {
    let tags = [("tag:customer", customer), ("tag:service", service), ("tag:team", team)];
    charge("2026-01-05", cost, &tags.into_iter().filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>())
}

fn month() -> Vec<Charge> {
    vec![
        usage("a", "api", "core", "1"),
        usage("a", "db", "core", "2"),
        usage("a", "db", "web", "4"),
        usage("b", "", "web", "8"),
        usage("b", "", "", "16"),
        usage("", "api", "core", "1"),
    ]
}

#[tokio::test]
async fn a_follower_inherits_the_dimensions_it_lacks() {
    let tax = ("ChargeCategory", "Tax");
    let credit = ("ChargeCategory", "Credit");
    let refund = ("ChargeClass", "Correction");
    let mut charges = month();
    charges.push(charge("2026-01-09", "32", &[tax, ("ServiceName", "Compute")]));
    charges.push(charge("2026-01-09", "-32", &[credit, ("tag:service", "own")]));
    charges.push(charge("2026-01-09", "-64", &[refund, ("tag:service", "own"), ("tag:team", "mine")]));
    let outcome = Case::new(RULES, charges, vec![]).run().await;
    assert_eq!(
        outcome.query(INHERITED).await,
        [
            r#"credit a own core Compute {"x_Team":"core"} -3"#,
            r#"credit a own web Compute {"x_Team":"web"} -4"#,
            r#"credit b own web Compute {"x_Team":"web"} -8"#,
            "credit b own - Compute - -16",
            r#"credit unallocated own core Compute {"x_Team":"core"} -1"#,
            "refund a own mine Compute - -14",
            "refund b own mine Compute - -48",
            "refund unallocated own mine Compute - -2",
            r#"tax a api core Compute {"x_Service":"api","x_Team":"core"} 1"#,
            r#"tax a db core Compute {"x_Service":"db","x_Team":"core"} 2"#,
            r#"tax a db web Compute {"x_Service":"db","x_Team":"web"} 4"#,
            r#"tax b - web Compute {"x_Team":"web"} 8"#,
            "tax b - - Compute - 16",
            r#"tax unallocated api core Compute {"x_Service":"api","x_Team":"core"} 1"#,
        ]
    );
    // one pool for each set of missing dimensions: 6 quantities for the tax, 5 for the credit, 3 for the refund
    assert_eq!(
        outcome
            .query(
                "select count(distinct x_PoolId), count(*), count(x_InheritedDimensions) from driver_quantities \
                 where x_AllocationStage = 'followers'"
            )
            .await,
        ["3 14 9"]
    );
}

#[tokio::test]
async fn columns_of_the_bill_stay_those_of_the_follower() {
    let support = [
        ("ServiceName", "Premium Support"),
        ("ServiceCategory", "Management and Governance"),
        ("ServiceSubcategory", "Support"),
        ("ChargeFrequency", "Recurring"),
    ];
    let mut charges = month();
    charges.push(charge("2026-01-09", "32", &support));
    let outcome = Case::new(RULES, charges, vec![]).run().await;
    assert_eq!(
        outcome
            .query(
                "select ServiceName, ChargeFrequency, x_Team, sum(EffectiveCost) from allocated_charges \
                 group by 1, 2, 3 order by 1, 2, 3"
            )
            .await,
        [
            "Compute Usage-Based core 4",
            "Compute Usage-Based web 12",
            "Compute Usage-Based - 16",
            "Premium Support Recurring core 4",
            "Premium Support Recurring web 12",
            "Premium Support Recurring - 16",
        ]
    );
}

#[tokio::test]
async fn a_changed_column_of_the_bill_is_found() {
    let mut charges = month();
    charges.push(charge("2026-01-09", "32", &[("ChargeCategory", "Tax"), ("ServiceName", "Tax")]));
    let outcome = Case::new(RULES, charges, vec![]).run().await;
    let columns = "x_Source, BillingCurrency, ChargeCategory, ChargeFrequency, BilledCost, EffectiveCost, ListCost, ContractedCost";
    for (changed, rows) in [("ServiceName", 0), ("case x_Team when 'core' then 'Compute' else ServiceName end", 2)] {
        let tables = format!("select {columns}, {changed} as ServiceName from allocated_charges");
        assert_eq!(outcome.offending("allocated_charges__bill_columns_add_up", &tables).await, rows, "{changed}");
    }
}

#[tokio::test]
async fn inherit_limits_what_is_inherited() {
    for (inherit, expected) in [
        ("[team]", vec!["a - core 3", "a - web 4", "b - web 8", "b - - 16", "unallocated - core 1"]),
        ("[]", vec!["a - - 7", "b - - 24", "unallocated - - 1"]),
    ] {
        let rules = format!("{RULES}  followers: {{ inherit: {inherit} }}\n");
        let mut charges = month();
        charges.push(charge("2026-01-09", "32", &[("ChargeCategory", "Tax")]));
        let outcome = Case::new(&rules, charges, vec![]).run().await;
        let found = outcome
            .query(
                "select x_AllocationTargetId, x_Service, x_Team, EffectiveCost from allocated_charges \
                 where x_AllocationStage = 'followers' order by 1, 2, 3",
            )
            .await;
        assert_eq!(found, expected, "{inherit}");
    }
}

/// Two teams exchange their quantities, and the parts with them: the tables agree with each other, and not with the
/// usage that is followed.
#[tokio::test]
async fn what_followers_are_split_by_is_made_again_from_the_usage() {
    let charges = vec![
        usage("a", "api", "core", "1"),
        usage("a", "api", "web", "3"),
        charge("2026-01-09", "8", &[("ChargeCategory", "Tax"), ("tag:service", "api")]),
    ];
    let outcome = Case::new(RULES, charges, vec![]).run().await;
    let written = ("select * from driver_quantities", "select * from allocated_charges");
    assert_eq!(outcome.differing(written.0, written.1).await, (0, 0));
    let exchanged = |columns: &str, table: &str| {
        format!(
            "select * except ({columns}), case when x_InheritedDimensions is null then null \
             when x_InheritedDimensions like '%core%' then replace(x_InheritedDimensions, 'core', 'web') \
             else replace(x_InheritedDimensions, 'web', 'core') end as x_InheritedDimensions from {table}"
        )
    };
    let quantities = exchanged("x_InheritedDimensions", "driver_quantities");
    let allocated = exchanged("x_InheritedDimensions", "allocated_charges");
    assert_eq!(outcome.differing(&quantities, &allocated).await, (0, 2), "1 of 4 is core's, 3 of 4 are web's");
    assert_eq!(outcome.differing(&quantities, written.1).await, (2, 2), "the parts are of other quantities too");
}
