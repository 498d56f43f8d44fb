//! Every promise of the checks of `focus_charges`, broken by one charge and noticed.
//!
//! A few correct charges pass all checks. Each case changes columns of one of them, and the named
//! check must say the named rule. A rule without a case fails the test, so a new one brings its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use apportion_engine::{Engine, EngineOptions, Model, ModelGraph};
use apportion_focus::catalog;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema};
use datafusion::datasource::MemTable;

use crate::repository;

type Charge = BTreeMap<&'static str, Option<&'static str>>;
type Changes = &'static [(&'static str, &'static str)];
/// Rule, charge, changes.
type Case = (&'static str, &'static str, Vec<(&'static str, &'static str)>);

/// What the change means by NULL.
const NULL: &str = "NULL";
const CHECK: &str = "focus_charges__";

/// Usage on demand; the other charges say how they differ.
const USAGE: Changes = &[
    ("BilledCost", "10"),
    ("BillingAccountId", "111111111111"),
    ("BillingAccountName", "acme"),
    ("BillingAccountType", "Payer Account"),
    ("BillingCurrency", "USD"),
    ("BillingPeriodEnd", "2026-02-01T00:00:00Z"),
    ("BillingPeriodStart", "2026-01-01T00:00:00Z"),
    ("ChargeCategory", "Usage"),
    ("ChargeDescription", "an hour"),
    ("ChargeFrequency", "Usage-Based"),
    ("ChargePeriodEnd", "2026-01-05T01:00:00Z"),
    ("ChargePeriodStart", "2026-01-05T00:00:00Z"),
    ("ConsumedQuantity", "5"),
    ("ConsumedUnit", "Hours"),
    ("ContractedCost", "10"),
    ("ContractedUnitPrice", "2"),
    ("EffectiveCost", "10"),
    ("HostProviderName", "AWS"),
    ("InvoiceId", "invoice-1"),
    ("InvoiceIssuerName", "Amazon Web Services, Inc."),
    ("ListCost", "15"),
    ("ListUnitPrice", "3"),
    ("PricingCategory", "Standard"),
    ("PricingCurrency", "USD"),
    ("PricingCurrencyContractedUnitPrice", "2"),
    ("PricingCurrencyEffectiveCost", "10"),
    ("PricingCurrencyListUnitPrice", "3"),
    ("PricingQuantity", "5"),
    ("PricingUnit", "Hours"),
    ("RegionId", "eu-central-1"),
    ("RegionName", "Europe (Frankfurt)"),
    ("ResourceId", "i-1"),
    ("ResourceName", "api-1"),
    ("ResourceType", "instance"),
    ("ServiceCategory", "Compute"),
    ("ServiceName", "Amazon Elastic Compute Cloud"),
    ("ServiceProviderName", "AWS"),
    ("ServiceSubcategory", "Virtual Machines"),
    ("SkuId", "sku-1"),
    ("SkuMeter", "BoxUsage"),
    ("SkuPriceDetails", r#"{"InstanceType":"m5.large"}"#),
    ("SkuPriceId", "price-1"),
    ("SubAccountId", "222222222222"),
    ("SubAccountName", "shop"),
    ("SubAccountType", "Account"),
    ("Tags", r#"{"team":"shop"}"#),
    ("x_BillingPeriod", "2026-01"),
    ("x_ChargeId", "usage"),
    ("x_Finality", "final"),
    ("x_LineItemType", "Usage"),
    ("x_Source", "aws"),
];

/// The same once more, so that checks over several charges have something to compare.
const AGAIN: Changes = &[("x_ChargeId", "again")];

const USED: Changes = &[
    ("x_ChargeId", "used"),
    ("BilledCost", "0"),
    ("SkuPriceId", "price-2"),
    ("PricingCategory", "Committed"),
    ("CommitmentDiscountCategory", "Usage"),
    ("CommitmentDiscountId", "arn:ri"),
    ("CommitmentDiscountQuantity", "5"),
    ("CommitmentDiscountStatus", "Used"),
    ("CommitmentDiscountType", "Reserved Instance"),
    ("CommitmentDiscountUnit", "Hours"),
];

/// On top of [`USED`].
const UNUSED: Changes = &[
    ("x_ChargeId", "unused"),
    ("CommitmentDiscountStatus", "Unused"),
    ("ResourceId", "arn:ri"),
    ("ResourceType", "reserved-instances"),
    ("ConsumedQuantity", NULL),
    ("ConsumedUnit", NULL),
    ("ListCost", "0"),
    ("ListUnitPrice", "0"),
    ("ContractedCost", "0"),
    ("ContractedUnitPrice", "0"),
    ("PricingCurrencyListUnitPrice", "0"),
    ("PricingCurrencyContractedUnitPrice", "0"),
];

/// On top of [`USED`].
const BOUGHT: Changes = &[
    ("x_ChargeId", "bought"),
    ("ChargeCategory", "Purchase"),
    ("ChargeFrequency", "Recurring"),
    ("BilledCost", "10"),
    ("EffectiveCost", "0"),
    ("PricingCurrencyEffectiveCost", "0"),
    ("PricingCategory", "Standard"),
    ("CommitmentDiscountStatus", NULL),
    ("ResourceId", "arn:ri"),
    ("ResourceType", "reserved-instances"),
    ("ConsumedQuantity", NULL),
    ("ConsumedUnit", NULL),
];

const SUPPORT: Changes = &[
    ("x_ChargeId", "support"),
    ("ChargeCategory", "Purchase"),
    ("ChargeFrequency", "Recurring"),
    ("ConsumedQuantity", NULL),
    ("ConsumedUnit", NULL),
];

const TAX: Changes = &[
    ("x_ChargeId", "tax"),
    ("ChargeCategory", "Tax"),
    ("ChargeFrequency", "One-Time"),
    ("ListCost", "10"),
    ("ListUnitPrice", NULL),
    ("ContractedUnitPrice", NULL),
    ("PricingCurrencyListUnitPrice", NULL),
    ("PricingCurrencyContractedUnitPrice", NULL),
    ("PricingCategory", NULL),
    ("PricingQuantity", NULL),
    ("PricingUnit", NULL),
    ("ConsumedQuantity", NULL),
    ("ConsumedUnit", NULL),
    ("SkuId", NULL),
    ("SkuMeter", NULL),
    ("SkuPriceDetails", NULL),
    ("SkuPriceId", NULL),
];

/// On top of [`TAX`].
const CREDIT: Changes = &[("x_ChargeId", "credit"), ("ChargeCategory", "Credit"), ("x_LineItemType", "Credit")];

/// A part of an instance; the other part differs in its resource.
const SPLIT: Changes = &[
    ("x_ChargeId", "split"),
    ("AllocatedMethodId", "by-cpu"),
    ("AllocatedMethodDetails", r#"{"Elements":[{"AllocatedRatio":0.5}]}"#),
    ("AllocatedResourceId", "pod-1"),
    ("AllocatedResourceName", "pod-1"),
    ("AllocatedTags", r#"{"app":"api"}"#),
];

const REST: Changes = &[("x_ChargeId", "rest"), ("AllocatedResourceId", "pod-2"), ("AllocatedResourceName", "pod-2")];

fn charges() -> Vec<Charge> {
    let of = |layers: &[Changes]| {
        let mut charge = Charge::new();
        layers.iter().for_each(|changes| change(&mut charge, changes));
        charge
    };
    vec![
        of(&[USAGE]),
        of(&[USAGE, AGAIN]),
        of(&[USAGE, USED]),
        of(&[USAGE, USED, UNUSED]),
        of(&[USAGE, USED, BOUGHT]),
        of(&[USAGE, SUPPORT]),
        of(&[USAGE, TAX]),
        of(&[USAGE, TAX, CREDIT]),
        of(&[USAGE, SPLIT]),
        of(&[USAGE, SPLIT, REST]),
    ]
}

fn change(charge: &mut Charge, changes: &[(&'static str, &'static str)]) {
    for (column, value) in changes {
        charge.insert(column, (*value != NULL).then_some(*value));
    }
}

/// Check, rule (empty where the check has none), charge, what is changed.
const CASES: &[(&str, &str, &str, Changes)] = &[
    ("a_commitment_has_one_unit", "", "used", &[("CommitmentDiscountUnit", "Moons")]),
    ("a_price_has_one_sku", "", "usage", &[("SkuId", "sku-2")]),
    (
        "a_service_has_one_category",
        "",
        "usage",
        &[("ServiceCategory", "Storage"), ("ServiceSubcategory", "Other (Storage)")],
    ),
    ("an_account_has_one_currency", "", "usage", &[("BillingCurrency", "EUR")]),
    ("commitment_columns_agree", "category without id or the reverse", "used", &[("CommitmentDiscountCategory", NULL)]),
    ("commitment_columns_agree", "type without id or the reverse", "used", &[("CommitmentDiscountType", NULL)]),
    ("commitment_columns_agree", "details without id", "usage", &[("CommitmentDiscountName", "three years")]),
    ("commitment_columns_agree", "usage without status", "used", &[("CommitmentDiscountStatus", NULL)]),
    (
        "commitment_columns_agree",
        "quantity is missing",
        "used",
        &[("CommitmentDiscountQuantity", NULL), ("CommitmentDiscountUnit", NULL)],
    ),
    ("commitment_columns_agree", "unit without quantity or the reverse", "used", &[("CommitmentDiscountUnit", NULL)]),
    ("commitment_columns_agree", "committed price outside of usage", "bought", &[("PricingCategory", "Committed")]),
    (
        "commitment_columns_agree",
        "used or unused commitment without committed price",
        "used",
        &[("PricingCategory", "Standard")],
    ),
    ("commitment_columns_agree", "metered purchase", "support", &[("ChargeFrequency", "Usage-Based")]),
    ("commitment_resources_are_commitments", "ResourceId is not the commitment", "unused", &[("ResourceId", "i-1")]),
    ("costs_agree", "effective tax or credit is not what is billed", "tax", &[("EffectiveCost", "0")]),
    ("costs_agree", "uncovered usage is not what is billed", "usage", &[("EffectiveCost", "9")]),
    ("costs_agree", "unused commitment is billed or consumed", "unused", &[("BilledCost", "1")]),
    ("costs_agree", "used commitment is billed", "used", &[("BilledCost", "1")]),
    ("costs_agree", "stand-alone charge is not listed at what is billed", "credit", &[("ListCost", "0")]),
    ("costs_agree", "purchase of a commitment has an effective cost", "bought", &[("EffectiveCost", "5")]),
    ("costs_agree", "purchase that covers nothing is not what is billed", "support", &[("EffectiveCost", "0")]),
    (
        "delivered_json_is_an_object",
        "AllocatedMethodDetails is not an object",
        "split",
        &[("AllocatedMethodDetails", "[\"Elements\",\"AllocatedRatio\"]")],
    ),
    ("delivered_json_is_an_object", "ContractApplied is not an object", "usage", &[("ContractApplied", "[1]")]),
    (
        "delivered_json_is_an_object",
        "CommitmentProgramEligibilityDetails is not an object",
        "usage",
        &[("CommitmentProgramEligibilityDetails", "[1]")],
    ),
    ("delivered_values_are_known", "", "usage", &[("BillingCurrency", "usd")]),
    ("delivered_values_are_known", "", "usage", &[("CapacityReservationStatus", "Borrowed")]),
    ("json_columns_are_flat_objects", "Tags is not an object", "usage", &[("Tags", "[1]")]),
    ("json_columns_are_flat_objects", "AllocatedTags is not an object", "split", &[("AllocatedTags", "[1]")]),
    ("json_columns_are_flat_objects", "SkuPriceDetails is not an object", "usage", &[("SkuPriceDetails", "m5.large")]),
    ("json_columns_are_flat_objects", "x_CostCategories is not an object", "usage", &[("x_CostCategories", "[1]")]),
    ("json_columns_are_flat_objects", "x_SourceColumns is not an object", "usage", &[("x_SourceColumns", "[1]")]),
    ("json_columns_are_flat_objects", "x_Discounts is not an object", "usage", &[("x_Discounts", "[1]")]),
    ("json_columns_are_flat_objects", "Tags is nested", "usage", &[("Tags", r#"{"team":{"name":"shop"}}"#)]),
    (
        "json_columns_are_flat_objects",
        "AllocatedTags is nested",
        "split",
        &[("AllocatedTags", r#"{"app":{"name":"api"}}"#)],
    ),
    (
        "json_columns_are_flat_objects",
        "SkuPriceDetails is nested",
        "usage",
        &[("SkuPriceDetails", r#"{"InstanceType":{"name":"m5"}}"#)],
    ),
    ("key_is_unique", "", "again", &[("x_ChargeId", "usage")]),
    ("line_item_types_are_known", "", "usage", &[("ChargeCategory", "Adjustment"), ("x_LineItemType", "Novelty")]),
    ("list_covers_contracted_covers_effective", "", "usage", &[("ListCost", "9")]),
    ("names_follow_ids", "RegionName without RegionId or the reverse", "usage", &[("RegionName", NULL)]),
    ("names_follow_ids", "SubAccountName without SubAccountId or the reverse", "usage", &[("SubAccountName", NULL)]),
    ("names_follow_ids", "SubAccountType without SubAccountId or the reverse", "usage", &[("SubAccountType", NULL)]),
    ("names_follow_ids", "ResourceType without ResourceId or the reverse", "usage", &[("ResourceType", NULL)]),
    ("names_follow_ids", "ResourceName without ResourceId", "usage", &[("ResourceId", NULL), ("ResourceType", NULL)]),
    (
        "names_follow_ids",
        "InvoiceDetailId without InvoiceId",
        "usage",
        &[("InvoiceId", NULL), ("InvoiceDetailId", "line-1")],
    ),
    ("names_follow_ids", "CapacityReservationStatus without id", "usage", &[("CapacityReservationStatus", "Used")]),
    ("names_follow_ids", "capacity reservation without status", "usage", &[("CapacityReservationId", "cr-1")]),
    ("names_follow_ids", "host of usage or purchase is missing", "usage", &[("HostProviderName", NULL)]),
    (
        "periods_are_in_order",
        "billing period ends before it starts",
        "usage",
        &[("BillingPeriodEnd", "2026-01-01T00:00:00Z")],
    ),
    (
        "periods_are_in_order",
        "charge period ends before it starts",
        "usage",
        &[("ChargePeriodEnd", "2026-01-05T00:00:00Z")],
    ),
    ("periods_are_in_order", "billing period is not x_BillingPeriod", "usage", &[("x_BillingPeriod", "2026-02")]),
    ("priced_charges_are_complete", "SkuId is missing", "usage", &[("SkuId", NULL)]),
    ("priced_charges_are_complete", "SkuPriceId is missing", "usage", &[("SkuPriceId", NULL)]),
    ("priced_charges_are_complete", "PricingQuantity is missing", "usage", &[("PricingQuantity", NULL)]),
    ("priced_charges_are_complete", "PricingCategory is missing", "usage", &[("PricingCategory", NULL)]),
    ("priced_charges_are_complete", "ListUnitPrice is missing", "usage", &[("ListUnitPrice", NULL)]),
    ("priced_charges_are_complete", "ContractedUnitPrice is missing", "usage", &[("ContractedUnitPrice", NULL)]),
    ("priced_charges_are_complete", "price without SkuPriceId", "credit", &[("ListUnitPrice", "1")]),
    ("priced_charges_are_complete", "details without SkuPriceId", "credit", &[("PricingCategory", "Other")]),
    (
        "priced_charges_are_complete",
        "PricingUnit without PricingQuantity or the reverse",
        "usage",
        &[("PricingUnit", NULL)],
    ),
    (
        "priced_charges_are_complete",
        "ConsumedUnit without ConsumedQuantity or the reverse",
        "usage",
        &[("ConsumedUnit", NULL)],
    ),
    (
        "priced_charges_are_complete",
        "ConsumedQuantity is missing",
        "usage",
        &[("ConsumedQuantity", NULL), ("ConsumedUnit", NULL)],
    ),
    (
        "priced_charges_are_complete",
        "ConsumedQuantity outside of usage",
        "support",
        &[("ConsumedQuantity", "1"), ("ConsumedUnit", "Hours")],
    ),
    ("priced_charges_are_complete", "SkuMeter without SkuId", "credit", &[("SkuMeter", "BoxUsage")]),
    ("prices_are_not_negative", "ListUnitPrice is negative", "usage", &[("ListUnitPrice", "-3")]),
    ("prices_are_not_negative", "ContractedUnitPrice is negative", "usage", &[("ContractedUnitPrice", "-2")]),
    ("prices_explain_costs", "ListCost is not price times quantity", "usage", &[("ListCost", "15.01")]),
    ("prices_explain_costs", "ContractedCost is not price times quantity", "usage", &[("ContractedCost", "10.01")]),
    ("pricing_currency_is_billing_currency", "", "usage", &[("PricingCurrency", "EUR")]),
    ("split_rows_are_marked", "resource without method", "split", &[("AllocatedMethodId", NULL)]),
    ("split_rows_are_marked", "name without resource or the reverse", "split", &[("AllocatedResourceName", NULL)]),
    ("split_rows_are_marked", "details without method", "usage", &[("AllocatedMethodDetails", r#"{"Elements":[]}"#)]),
    ("split_rows_are_marked", "tags without method", "usage", &[("AllocatedTags", r#"{"app":"api"}"#)]),
    ("split_rows_are_marked", "details without elements", "split", &[("AllocatedMethodDetails", r#"{"Ratio":1}"#)]),
    (
        "split_rows_are_marked",
        "usage quantity without unit",
        "split",
        &[("AllocatedMethodDetails", r#"{"Elements":[{"AllocatedRatio":1,"UsageQuantity":2}]}"#)],
    ),
    ("split_targets_are_unique", "", "rest", &[("AllocatedResourceId", "pod-1")]),
    ("subcategory_belongs_to_category", "", "usage", &[("ServiceSubcategory", "Object Storage")]),
    ("taxes_have_no_price", "tax with SKU or price", "tax", &[("SkuId", "sku-1")]),
    (
        "taxes_have_no_price",
        "tax with quantity or unit price",
        "tax",
        &[("PricingQuantity", "1"), ("PricingUnit", "Hours")],
    ),
    (
        "usage_lies_in_its_period",
        "usage outside of its billing period",
        "usage",
        &[("ChargePeriodStart", "2025-12-31T00:00:00Z")],
    ),
];

/// Cases that follow from the rule's own text: a column that is missing, blank or has another value.
fn generated(check: &str, rule: &'static str) -> Option<(&'static str, &'static str)> {
    match check {
        "required_columns_are_filled" => Some((rule.strip_suffix(" is missing")?, NULL)),
        "text_is_never_blank" => Some((rule, " ")),
        "values_are_allowed" => Some((rule, "novelty")),
        _ => None,
    }
}

/// The rules a check names: the texts after `then`.
fn rules(check: &Model) -> Vec<&'static str> {
    let texts = check.sql.split("then '").skip(1).filter_map(|rest| rest.split('\'').next());
    texts.map(|text| &*Box::leak(text.to_owned().into_boxed_str())).collect()
}

fn table(charges: &[Charge]) -> MemTable {
    let contract = catalog().focus().schema();
    let fields: Vec<Field> = contract.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let column = |field: &Arc<Field>| -> ArrayRef {
        let texts: Vec<Option<&str>> =
            charges.iter().map(|charge| charge.get(field.name().as_str()).copied().flatten()).collect();
        cast(&StringArray::from(texts), field.data_type()).unwrap()
    };
    let columns = schema.fields().iter().map(column).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    MemTable::try_new(schema, vec![vec![batch]]).unwrap()
}

#[tokio::test]
async fn every_rule_of_every_check_is_broken_once() {
    let graph = ModelGraph::from_dir(&repository().join("sql")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::try_new(&EngineOptions::new(directory.path())).unwrap();
    let run = async |check: &Model, charges: &[Charge]| {
        let context = engine.new_context();
        context.register_table("focus_charges", Arc::new(table(charges))).unwrap();
        graph.run_one(&context, check, &BTreeMap::new()).await.unwrap()
    };
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for check in graph.checks().filter(|check| check.name.starts_with(CHECK)) {
        let name = &check.name[CHECK.len()..];
        let outcome = run(check, &charges()).await;
        if !outcome.passed() {
            wrong.push(format!("{name} finds correct charges:\n{}", outcome.sample));
        }
        let mut cases: Vec<Case> = CASES
            .iter()
            .filter(|case| case.0 == name)
            .map(|(_, rule, charge, changes)| (*rule, *charge, changes.to_vec()))
            .collect();
        for rule in rules(check) {
            cases.extend(generated(name, rule).map(|change| (rule, "usage", vec![change])));
        }
        for (rule, id, changes) in &cases {
            let mut broken = charges();
            let charge = broken.iter_mut().find(|charge| charge["x_ChargeId"] == Some(*id)).unwrap();
            change(charge, changes);
            let outcome = run(check, &broken).await;
            if outcome.passed() || !outcome.sample.contains(rule) {
                wrong.push(format!("{name} does not say `{rule}` of {id} with {changes:?}:\n{}", outcome.sample));
            }
            seen.insert((name.to_owned(), (*rule).to_owned()));
        }
        let untested = rules(check).into_iter().filter(|rule| !seen.contains(&(name.to_owned(), (*rule).to_owned())));
        wrong.extend(untested.map(|rule| format!("{name}: no case breaks `{rule}`")));
        if cases.is_empty() {
            wrong.push(format!("{name}: no case breaks it"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
