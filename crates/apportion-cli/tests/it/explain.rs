//! One target's cost taken apart, against figures worked out by hand.
//!
//! The bill of 2026-01-05, one account, one service:
//!
//! | charge | effective | goes to |
//! | --- | --- | --- |
//! | shared database | 100 | by query seconds: customer-a 3 of 4, customer-b 1 of 4 |
//! | its storage | 20 | the same cell, for it has the same dimensions |
//! | customer-a's own server | 7.5 | customer-a |
//! | tax | 12.75 | follows the service: customer-a has 97.5 of 127.5 |
//!
//! customer-a: 90 + 7.5 + 12.75 × 97.5 / 127.5 = 90 + 7.5 + 9.75 = 107.25, over 429 orders 0.25 each.

use apportion_testkit::ExportBuilder;
use apportion_testkit::fixture::ColumnType;
use serde_json::{Value, json};

use crate::sample::sample;
use crate::support::{Workspace, transcript};
use crate::verify::tamper::units;

const PIPELINE: &str = "\
version: 1
name: shop
sources:
  bill: { format: focus, location: bill/ }
telemetry:
  query_seconds:
    { location: queries/, time: ts, quantity: amount, unit: Seconds, target: customer, match: { service: database } }
  orders: { location: orders/, time: ts, quantity: amount, unit: Orders, target: customer }
dimensions:
  service: tag('service')
  customer: tag('customer')
allocation:
  target: customer
  keep: [ServiceName, service]
  rules:
    - { id: own, when: customer IS NOT NULL, method: direct, to: customer }
    - { id: databases, when: service = 'shared-db', method: proportional, driver: query_seconds, fallback: [even] }
unit_economics:
  cost_per_order: { metric: orders, ledger: effective, by: [customer] }
destination: { location: tables/ }
";

fn bill() -> Vec<u8> {
    let charge = |builder: ExportBuilder, cost: f64, category: &str, resource: Option<&str>, tags: &str| {
        builder.row([
            ("ChargeCategory", category.into()),
            ("ResourceId", resource.into()),
            ("Tags", tags.into()),
            ("BilledCost", cost.into()),
            ("EffectiveCost", cost.into()),
            ("ListCost", cost.into()),
            ("ContractedCost", cost.into()),
        ])
    };
    let builder = ExportBuilder::focus()
        .column("Tags", ColumnType::Text)
        .default_value("BillingAccountId", "1")
        .default_value("SubAccountId", "11")
        .default_value("ProviderName", "Acme Cloud")
        .default_value("PublisherName", "Acme Cloud")
        .default_value("InvoiceIssuerName", "Acme Cloud")
        .default_value("BillingCurrency", "EUR")
        .default_value("BillingPeriodStart", "2026-01-01T00:00:00Z")
        .default_value("BillingPeriodEnd", "2026-02-01T00:00:00Z")
        .default_value("ChargePeriodStart", "2026-01-05T00:00:00Z")
        .default_value("ChargePeriodEnd", "2026-01-06T00:00:00Z")
        .default_value("ServiceName", "Database")
        .default_value("ServiceCategory", "Databases");
    let builder = charge(builder, 100.0, "Usage", Some("db-1"), r#"{"service":"shared-db"}"#);
    let builder = charge(builder, 20.0, "Usage", Some("disk-1"), r#"{"service":"shared-db"}"#);
    let builder = charge(builder, 7.5, "Usage", Some("db-2"), r#"{"customer":"customer-a"}"#);
    charge(builder, 12.75, "Tax", None, "{}").parquet().to_vec()
}

fn telemetry(rows: &[(&str, f64)]) -> Vec<u8> {
    let builder = ExportBuilder::new()
        .column("ts", ColumnType::Millis)
        .column("customer", ColumnType::Text)
        .column("amount", ColumnType::Double)
        .column("database", ColumnType::Text)
        .default_value("ts", "2026-01-05T10:00:00Z")
        .default_value("database", "shared-db");
    let with = |builder: ExportBuilder, (customer, amount): &(&str, f64)| {
        builder.row([("customer", (*customer).into()), ("amount", (*amount).into())])
    };
    rows.iter().fold(builder, with).parquet().to_vec()
}

/// The tables of the bill above in a format.
fn published(format: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("pipeline.yaml", PIPELINE.as_bytes());
    workspace.write("bill/january.parquet", &bill());
    workspace.write("queries/day.parquet", &telemetry(&[("customer-a", 3.0), ("customer-b", 1.0)]));
    workspace.write("orders/day.parquet", &telemetry(&[("customer-a", 429.0), ("customer-b", 10.0)]));
    workspace.run_ok(&["run", "pipeline.yaml", "--table-format", format]);
    workspace
}

fn explain(workspace: &Workspace, more: &[&str]) -> Value {
    let command = ["explain", "--destination", "tables", "--period", "2026-01", "--format", "json"];
    let output = workspace.run_ok(&[&command[..], more].concat());
    serde_json::from_slice(&output.stdout).expect("explanation")
}

/// The whole part and up to two decimals of an exact amount, which must have no other digits.
fn short(amount: &Value) -> String {
    let text = amount.as_str().expect("amount");
    let (shown, rest) = text.split_at(text.find('.').expect("decimals") + 3);
    assert!(rest.chars().all(|digit| digit == '0'), "{text} has more than two decimals");
    shown.to_owned()
}

#[test]
fn a_total_leads_back_to_rules_quantities_charges_and_objects() {
    for format in ["parquet", "delta"] {
        let workspace = published(format);
        let explanation = explain(&workspace, &["--target", "customer-a", "--unit-metric", "cost_per_order"]);
        assert_eq!(explanation["ledger"], "effective");
        assert_eq!(short(&explanation["totals"][0]["cost"]), "107.25");
        let unit = &explanation["unit_costs"][0];
        assert_eq!((short(&unit["cost"]), short(&unit["quantity"])), ("107.25".to_owned(), "429.00".to_owned()));
        assert_eq!(unit["unit_cost"], "0.250000000000000000");

        let causes = explanation["causes"].as_array().expect("causes");
        let by_rule: Vec<_> = causes.iter().map(|cause| (cause["rule"].clone(), short(&cause["cost"]))).collect();
        let expected = [("databases", "90.00"), ("tax", "9.75"), ("own", "7.50")];
        assert_eq!(by_rule, expected.map(|(rule, cost)| (json!(rule), cost.to_owned())));
        assert_eq!(causes[0]["driver"], "query_seconds");
        assert_eq!(causes[0]["driver_source"], "actual");

        let cells = explanation["cells"].as_array().expect("cells");
        assert_eq!(cells.len(), 3);
        let database = &cells[0];
        assert_eq!((short(&database["cost"]), short(&database["whole"])), ("90.00".to_owned(), "120.00".to_owned()));
        assert_eq!(database["values"], json!([["ServiceName", "Database"], ["x_Service", "shared-db"]]));
        let step = &database["splits"][0]["targets"];
        let formula = ["whole", "quantity", "total", "part"].map(|name| short(&step[name]));
        assert_eq!(formula, ["120.00", "3.00", "4.00", "90.00"]);
        assert_eq!(database["splits"][0]["share"], "0.750000000000000000");
        assert_eq!(database["splits"][0]["driver_key"], r#"["shared-db"]"#);
        let charges: Vec<_> = database["charges"]
            .as_array()
            .expect("charges")
            .iter()
            .map(|charge| (charge["resource"].clone(), short(&charge["cost"])))
            .collect();
        assert_eq!(charges, [(json!("db-1"), "100.00".to_owned()), (json!("disk-1"), "20.00".to_owned())]);

        // The tax followed what the service cost customer-a, by each service tag.
        let splits = cells[1]["splits"].as_array().expect("splits");
        let formulas: Vec<_> = splits
            .iter()
            .map(|split| ["whole", "quantity", "total", "part"].map(|name| short(&split["targets"][name])))
            .collect();
        assert_eq!(formulas, [["12.75", "90.00", "127.50", "9.00"], ["12.75", "7.50", "127.50", "0.75"]]);
        let inherited: Vec<_> = splits.iter().map(|split| &split["inherited"]).collect();
        assert_eq!(inherited, [&json!(r#"{"x_Service":"shared-db"}"#), &Value::Null]);
        assert_eq!(cells[1]["values"], json!([["ServiceName", "Database"]]), "the parts have one service each");
        assert_eq!(cells[1]["method"], "follow");
        // What names its target is not divided.
        assert_eq!(cells[2]["splits"][0]["targets"], Value::Null);
        assert_eq!(short(&cells[2]["charges"][0]["cost"]), "7.50");

        let export = &explanation["exports"][0];
        assert_eq!(export["source"], "bill");
        let object = export["objects"][0]["object"].as_str().expect("object");
        assert!(object.ends_with("bill/january.parquet"), "{object}");
        assert_eq!(export["objects"][0]["bytes"], bill().len());
        assert_eq!(explanation["notes"], json!([]));
    }
}

#[test]
fn what_is_not_listed_is_summed() {
    let workspace = published("parquet");
    let explanation = explain(&workspace, &["--target", "customer-a", "--top", "1"]);
    assert_eq!(explanation["cells"].as_array().map(Vec::len), Some(1));
    let rest = &explanation["other_cells"][0];
    assert_eq!((rest["count"].as_u64(), short(&rest["cost"])), (Some(2), "17.25".to_owned()));
    let cell = &explanation["cells"][0];
    assert_eq!(cell["charges"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (cell["other_charges"]["count"].as_u64(), short(&cell["other_charges"]["cost"])),
        (Some(1), "20.00".to_owned())
    );

    let text =
        workspace.run_ok(&["explain", "pipeline.yaml", "--period", "2026-01", "--target", "customer-b", "--top", "1"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("2026-01-05 120.00 × 1 / 4 = 30.00 (query_seconds [\"shared-db\"], actual, share 0.25)"),
        "{text}"
    );
    assert!(text.contains("other 1 cells: 3.00 EUR"), "{text}");
    assert!(text.contains("bill/january.parquet"), "{text}");
}

#[test]
fn a_condition_narrows_and_a_ledger_changes_the_question() {
    let workspace = published("parquet");
    let command = ["--target", "customer-a", "--where", "x_Service = 'shared-db'", "--ledger", "billed"];
    let explanation = explain(&workspace, &command);
    assert_eq!(explanation["ledger"], "billed");
    // with the tax on it
    assert_eq!(short(&explanation["totals"][0]["cost"]), "99.00");
    assert_eq!(explanation["cells"].as_array().map(Vec::len), Some(2));
}

#[test]
fn names_that_do_not_exist_get_the_nearest_ones() {
    let workspace = published("parquet");
    let refused = |more: &[&str], expected: &str| {
        let command = ["explain", "pipeline.yaml", "--period", "2026-01"];
        let output = workspace.run(&[&command[..], more].concat());
        let text = transcript(&output, &[]);
        assert!(!output.status.success() && text.contains(expected), "{text}");
    };
    refused(&["--target", "customer-c"], "no target is called `customer-c`, did you mean `customer-a`?");
    let metric = ["--target", "customer-a", "--unit-metric", "cost_per_orders"];
    refused(&metric, "no unit metric is called `cost_per_orders`, did you mean `cost_per_order`?");
    refused(&["--target", "customer-a", "--where", "x_Servce = 'api'"], "does not plan, did you mean `x_Service`?");
    refused(&["--target", "customer-a", "--where", "x_Service = 'api'"], "bears nothing that satisfies the condition");
}

#[test]
fn without_kept_rules_the_charges_need_the_pipeline() {
    let workspace = published("parquet");
    for folder in ["certificates", "configurations"] {
        std::fs::remove_dir_all(workspace.path("tables/_apportion").join(folder)).expect("folder");
    }
    let bare = explain(&workspace, &["--target", "customer-a"]);
    assert_eq!(bare["cells"][0]["charges"], json!([]));
    assert!(bare["notes"][0].as_str().expect("note").contains("name the pipeline file"), "{bare:#}");
    assert_eq!(bare["exports"][0]["objects"].as_array().map(Vec::len), Some(1), "the publication names its run");
    let command = ["explain", "pipeline.yaml", "--period", "2026-01", "--target", "customer-a", "--format", "json"];
    let output = workspace.run_ok(&command);
    let with_rules: Value = serde_json::from_slice(&output.stdout).expect("explanation");
    assert_eq!(with_rules["cells"][0]["charges"].as_array().map(Vec::len), Some(2));
}

/// Fees over a month, activities, followers, three clouds: whatever is listed adds up, digit by digit.
#[test]
fn every_list_adds_up_to_the_line_above_it() {
    let workspace = sample();
    workspace.run_ok(&["run", "pipelines/sample.yaml", "--period", "2026-01", "--destination", "tables"]);
    let amount = |value: &Value| units(value["cost"].as_str().expect("cost"));
    let sum = |list: &Value| list.as_array().expect("list").iter().map(amount).sum::<i128>();
    let cases = [("aurora", "12", "x_AllocationMethod <> ''"), ("unallocated", "3", "x_CellId <> ''")];
    let methods = ["proportional", "activity_based", "direct", "even", "follow"];
    let by_method = methods.map(|method| ("aurora", "2", format!("x_AllocationMethod = '{method}'")));
    let cases = cases.map(|(target, top, condition)| (target, top, condition.to_owned()));
    for (target, top, condition) in cases.into_iter().chain(by_method) {
        let explanation = explain(&workspace, &["--target", target, "--top", top, "--where", &condition]);
        let total = sum(&explanation["totals"]);
        let sql = format!(
            "SELECT sum(EffectiveCost) FROM allocated_charges \
             WHERE x_AllocationTargetId = '{target}' AND {condition}"
        );
        assert_eq!(total, units(&workspace.query("tables", &sql)[0][0]));
        assert_eq!(sum(&explanation["causes"]), total);
        assert_eq!(sum(&explanation["cells"]) + sum(&explanation["other_cells"]), total);
        let cells = explanation["cells"].as_array().expect("cells");
        assert_eq!(cells.len().to_string(), top);
        for cell in cells {
            assert_eq!(sum(&cell["splits"]) + amount(&cell["other_splits"]), amount(cell), "{cell:#}");
            let whole = units(cell["whole"].as_str().expect("whole"));
            assert_eq!(sum(&cell["charges"]) + amount(&cell["other_charges"]), whole, "{cell:#}");
            let listed = cell["charges"].as_array().map_or(0, Vec::len) as u64;
            let others = cell["other_charges"]["count"].as_u64().expect("count");
            assert_eq!(Some(listed + others), cell["charge_count"].as_u64());
            for split in cell["splits"].as_array().expect("splits") {
                let part = split["targets"].get("part").unwrap_or(&split["cost"]);
                assert_eq!(part, &split["cost"], "the quantities make this part: {split:#}");
            }
        }
        let activities = cells.iter().flat_map(|cell| cell["splits"].as_array().expect("splits"));
        let before = activities.filter(|split| split["activity"].is_object()).count();
        assert_eq!(before > 0, condition.contains("activity_based"), "the split over activities is shown: {condition}");
        assert_eq!(explanation["notes"], json!([]));
    }
}
