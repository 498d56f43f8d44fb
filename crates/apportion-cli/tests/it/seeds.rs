//! Values that no seed lists are counted and named by the run, and one row of the pipeline's own
//! mends each, without a new binary.

use std::collections::BTreeMap;

use apportion_testkit::ExportBuilder;
use apportion_testkit::fixture::Value;
use serde_json::Value as Json;

use crate::estate::{change, estate};
use crate::support::{Workspace, transcript};

/// What a source of the three clouds delivers that no seed lists.
struct Cloud {
    source: &'static str,
    /// Seed, value and how many of the charges have it; each charge costs 10 effectively.
    unmapped: &'static [(&'static str, &'static str, u64)],
    /// File and row that mends each of them.
    rows: &'static [(&'static str, &'static str)],
    /// What the charges say then: region, unit, type and category of the first one.
    mended: [&'static str; 5],
}

const CLOUDS: [Cloud; 3] = [
    Cloud {
        source: "aws",
        unmapped: &[
            ("aws_regions", "mars-north-1", 2),
            ("aws_resource_types", "novelty", 2),
            ("aws_service_categories", "AmazonNovelty", 2),
            ("aws_units", "Widget-Mo", 2),
        ],
        rows: &[
            ("aws_regions", "region_id,region_name,usage_prefix\nmars-north-1,Mars (North),"),
            ("aws_resource_types", "arn_service,resource_type\nnovelty,surprise"),
            ("aws_service_categories", "service_code,service_category,service_subcategory\nAmazonNovelty,Media,Gaming"),
            ("aws_units", "pricing_unit,focus_unit\nWidget-Mo,Widget-Months"),
        ],
        mended: ["mars-north-1", "Mars (North)", "Widget-Months", "surprise", "Media"],
    },
    Cloud {
        source: "azure",
        unmapped: &[
            ("azure_regions", "marsnorth", 2),
            ("azure_resource_types", "microsoft.novelty/surprises", 2),
            ("azure_services", "microsoft.novelty", 2),
            ("azure_units", "1widget/month", 2),
        ],
        rows: &[
            ("azure_regions", "spelling,region_id,region_name\nmarsnorth,marsnorth,Mars North"),
            (
                "azure_resource_types",
                "resource_type,resource_type_name,service_name,service_category,service_subcategory\n\
                 microsoft.novelty/surprises,Surprise,Azure Novelty,Media,Gaming",
            ),
            (
                "azure_services",
                "consumed_service,service_name,service_category,service_subcategory\n\
                 microsoft.novelty,Azure Novelty,Media,Gaming",
            ),
            ("azure_units", "unit_of_measure,block_size,focus_unit\n1widget/month,1,Widget-Months"),
        ],
        mended: ["marsnorth", "Mars North", "100 Widget Months", "Surprise", "Media"],
    },
    Cloud {
        source: "gcp",
        unmapped: &[
            ("gcp_regions", "mars-north1", 2),
            ("gcp_service_categories", "Cloud Novelty", 2),
            ("gcp_units", "widget month", 2),
        ],
        rows: &[
            ("gcp_regions", "region_id,region_name\nmars-north1,Mars"),
            (
                "gcp_service_categories",
                "service_name,service_id,service_category,service_subcategory\nCloud Novelty,,Media,Gaming",
            ),
            ("gcp_units", "gcp_unit,focus_unit\nwidget month,Widget-Months"),
        ],
        mended: ["mars-north1", "Mars", "1000 Widget-Months", "surprises", "Media"],
    },
];

/// Two charges of 10 that no seed knows, and one of everyday, which also has no region.
fn aws() -> Vec<u8> {
    let novel = |id: &str| {
        [
            ("identity_line_item_id", id.into()),
            ("line_item_product_code", "AmazonNovelty".into()),
            ("line_item_resource_id", format!("arn:aws:novelty:mars-north-1:222222222222:{id}").into()),
            ("line_item_unblended_cost", Value::Number(10.0)),
            ("line_item_usage_amount", Value::Number(5.0)),
            ("pricing_unit", "Widget-Mo".into()),
            ("product_region_code", "mars-north-1".into()),
        ]
    };
    let everyday = [
        ("identity_line_item_id", "everyday".into()),
        ("line_item_product_code", "AmazonEC2".into()),
        ("line_item_resource_id", "arn:aws:ec2:eu-central-1:222222222222:instance/i-1".into()),
        ("line_item_unblended_cost", Value::Number(10.0)),
        ("line_item_usage_amount", Value::Number(5.0)),
        ("pricing_unit", "Hrs".into()),
        ("product_region_code", Value::Null),
    ];
    ExportBuilder::cur2()
        .default_value("bill_payer_account_id", "111111111111")
        .default_value("line_item_usage_account_id", "222222222222")
        .default_value("bill_billing_period_start_date", "2026-01-01T00:00:00Z")
        .default_value("bill_billing_period_end_date", "2026-02-01T00:00:00Z")
        .default_value("line_item_usage_start_date", "2026-01-05T00:00:00Z")
        .default_value("line_item_usage_end_date", "2026-01-06T00:00:00Z")
        .default_value("identity_time_interval", "2026-01-05T00:00:00Z/2026-01-06T00:00:00Z")
        .default_value("line_item_currency_code", "USD")
        .default_value("line_item_line_item_type", "Usage")
        .row(novel("first"))
        .row(novel("second"))
        .row(everyday)
        .parquet()
        .to_vec()
}

/// Columns of an Azure export of a customer agreement, as many as charges need.
pub(crate) const AZURE_COLUMNS: &str = "billingAccountId,billingPeriodStartDate,billingPeriodEndDate,date,consumedService,\
    meterId,meterName,meterCategory,ProductId,SubscriptionId,subscriptionName,publisherType,ResourceId,resourceLocation,\
    quantity,unitOfMeasure,chargeType,billingCurrency,pricingCurrency,costInBillingCurrency,costInPricingCurrency,\
    exchangeRatePricingToBilling,frequency,pricingModel,unitPrice,PayGPrice\n";

/// A row for [`AZURE_COLUMNS`] that costs 10.
pub(crate) fn azure_row(id: &str, service: &str, resource_type: &str, location: &str, unit: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let resource = match resource_type {
        "" => String::new(),
        path => format!("/subscriptions/s-1/resourceGroups/rg/providers/{path}/{id}"),
    };
    format!(
        "account-1,01/01/2026,01/31/2026,01/05/2026,{service},{id},Meter,Novelty,{id},s-1,shop,Azure,{},{},2,{},Usage,EUR,EUR,\
         10,10,1,UsageBased,OnDemand,5,5\n",
        quoted(&resource),
        quoted(location),
        quoted(unit)
    )
}

fn azure() -> Vec<u8> {
    let novel =
        |id: &str| azure_row(id, "Microsoft.Novelty", "Microsoft.Novelty/surprises", "Mars North", "100 Widget/Month");
    let everyday = azure_row("vm", "Microsoft.Compute", "Microsoft.Compute/virtualMachines", "EU West", "10 Hours");
    [AZURE_COLUMNS.to_owned(), novel("first"), novel("second"), everyday].concat().into_bytes()
}

fn gcp() -> Vec<u8> {
    let row = |name: &str, region: Option<&str>, unit: &str, resource: &str| {
        serde_json::json!({
            "billing_account_id": "0123AB-4567CD-89EF01",
            "service": {"id": if unit == "hour" { "6F81-5844-456A" } else { "0000-NEW0-0000" }, "description": name},
            "sku": {"id": "CF4E-A0C7-E3BF", "description": "something"},
            "project": {"id": "acme-core", "number": "1001", "name": "Acme Core"},
            "location": {"location": region, "country": "DE", "region": region},
            "resource": {"name": resource, "global_name": format!("//new.googleapis.com/projects/1/surprises/{resource}")},
            "usage_start_time": "2026-01-05T10:00:00", "usage_end_time": "2026-01-05T11:00:00",
            "export_time": "2026-01-06T04:00:00", "cost": 10.0,
            "usage": {"amount": 2000, "unit": unit, "amount_in_pricing_units": 2000, "pricing_unit": unit},
            "price": {"effective_price": 5, "list_price": 5, "unit": unit,
                "pricing_unit_quantity": if unit == "hour" { 1 } else { 1000 }, "tier_start_amount": 0},
            "currency": "USD", "currency_conversion_rate": 1.0, "cost_type": "regular",
            "transaction_type": "GOOGLE", "seller_name": "Google",
            "invoice": {"month": "202601"}, "credits": [], "labels": [], "system_labels": [], "tags": [],
        })
    };
    let rows = [
        row("Cloud Novelty", Some("mars-north1"), "widget month", "first"),
        row("Cloud Novelty", Some("mars-north1"), "widget month", "second"),
        row("Compute Engine", None, "hour", "third"),
    ];
    apportion_testkit::bigquery::parquet(apportion_testkit::bigquery::detailed(), &rows).to_vec()
}

/// A workspace with the three bills of January.
fn clouds() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("aws/data/BILLING_PERIOD=2026-01/bill-00001.snappy.parquet", &aws());
    workspace.write("azure/actual.csv", &azure());
    workspace.write("azure/amortized.csv", &azure());
    workspace.write("gcp/invoice_month=202601/000000000000.parquet", &gcp());
    workspace.write("pipeline.yaml", PIPELINE.as_bytes());
    workspace
}

const PIPELINE: &str = "version: 1
name: seeds
sources:
  aws: { format: aws_cur_2, location: aws/ }
  azure: { format: azure_cost_management, location: azure/ }
  gcp: { format: gcp_billing_export, location: gcp/ }
destination: { location: tables/ }
";

fn run(workspace: &Workspace) -> BTreeMap<String, Json> {
    let output = workspace.run_ok(&["run", "pipeline.yaml", "--format", "json"]);
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    let sources = report["sources"].as_array().expect("sources").iter();
    sources.map(|unit| (unit["source"].as_str().expect("source").to_owned(), unit.clone())).collect()
}

/// Seed, value and charges of everything a unit lists.
fn unmapped(unit: &Json) -> Vec<(String, String, u64)> {
    let mut found = Vec::new();
    for seed in unit["unmapped"].as_array().expect("unmapped") {
        for value in seed["values"].as_array().expect("values") {
            let text = |json: &Json| json.as_str().expect("text").to_owned();
            found.push((text(&seed["seed"]), text(&value["value"]), value["charges"].as_u64().expect("charges")));
        }
    }
    found
}

#[test]
fn a_value_without_a_row_is_counted_and_named_and_one_row_mends_it() {
    let workspace = clouds();
    let units = run(&workspace);
    for cloud in &CLOUDS {
        let unit = &units[cloud.source];
        let expected: Vec<(String, String, u64)> =
            cloud.unmapped.iter().map(|(seed, value, n)| ((*seed).to_owned(), (*value).to_owned(), *n)).collect();
        assert_eq!(unmapped(unit), expected, "{}", cloud.source);
        for (index, (seed, value, _)) in cloud.unmapped.iter().enumerate() {
            let currency = if cloud.source == "azure" { "EUR" } else { "USD" };
            assert_eq!(unit["unmapped"][index]["effective"][currency], "20.000000000000", "{seed}");
            let notes: Vec<&str> = unit["notes"].as_array().expect("notes").iter().filter_map(Json::as_str).collect();
            let says = format!("not in {seed}.csv");
            let note = notes.iter().find(|note| note.contains(&says)).unwrap_or_else(|| panic!("{seed}: {notes:?}"));
            assert!(
                note.contains(value) && note.contains(&format!("(2 charges, effective 20.00 {currency})")),
                "{note}"
            );
        }
    }
    // One row each, and nothing else.
    workspace.write("pipeline.yaml", format!("{PIPELINE}seeds: reference/\n").as_bytes());
    for cloud in &CLOUDS {
        for (seed, row) in cloud.rows {
            workspace.write(&format!("reference/{seed}.csv"), format!("# ours\n{row}\n").as_bytes());
        }
    }
    let check = workspace.run_ok(&["check", "pipeline.yaml"]);
    let check = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.contains("seeds: aws_regions.csv: 1 row added; aws_resource_types.csv: 1 row added;"), "{check}");
    let units = run(&workspace);
    for cloud in &CLOUDS {
        let unit = &units[cloud.source];
        assert_eq!(unmapped(unit), [], "{}", cloud.source);
        assert_eq!(unit["reasons"], serde_json::json!(["the SQL models or seeds changed"]));
        let charges = workspace.query(
            "tables",
            &format!(
                "SELECT DISTINCT RegionId, RegionName, PricingUnit, ResourceType, ServiceCategory FROM focus_charges \
                 WHERE x_Source = '{}' AND RegionName LIKE 'Mars%'",
                cloud.source
            ),
        );
        assert_eq!(charges, [cloud.mended], "{}", cloud.source);
    }
    // What changed nothing is left alone, and a changed row touches its provider alone.
    assert!(run(&workspace).values().all(|unit| unit["status"] == "up_to_date"));
    workspace.write("reference/gcp_regions.csv", b"region_id,region_name\nmars-north1,Mars (Olympus)\n");
    let statuses: Vec<Json> = run(&workspace).values().map(|unit| unit["status"].clone()).collect();
    assert_eq!(statuses, ["up_to_date", "up_to_date", "published"]);
    let names = workspace.query(
        "tables",
        "SELECT DISTINCT RegionName FROM focus_charges WHERE x_Source = 'gcp' AND RegionId = 'mars-north1'",
    );
    assert_eq!(names, [["Mars (Olympus)"]]);
}

#[test]
fn the_summary_names_what_no_seed_lists() {
    let workspace = clouds();
    let output = workspace.run_ok(&["run", "pipeline.yaml"]);
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    let notes: Vec<&str> = summary.lines().filter(|line| line.contains(".csv: ")).collect();
    insta::assert_snapshot!(notes.join("\n"));
}

#[test]
fn every_mistake_of_the_seeds_is_named_with_its_line_before_anything_is_read() {
    let workspace = clouds();
    workspace.write("pipeline.yaml", format!("{PIPELINE}seeds: reference/\n").as_bytes());
    for (file, text) in [
        ("aws_region", "region_id,region_name,usage_prefix\n"),
        ("aws_regions", "region_id,name\nmars-north-1,Mars\n"),
        ("aws_units", "# ours\npricing_unit,focus_unit\nWidget-Mo,\nHrs,Hours\nHrs,Hours\n"),
        ("azure_regions", "spelling,region_id,region_name\nMars North,marsnorth,Mars North\n"),
        ("azure_units", "unit_of_measure,block_size,focus_unit\n1widget,none,Widgets\n1gadget,1\n"),
        (
            "aws_service_categories",
            "service_code,service_category,service_subcategory\nA,Media,Gamign\nB,Medai,Gaming\n",
        ),
        ("focus_service_subcategories", "service_category,service_subcategory\nMedia,Fun\n"),
    ] {
        workspace.write(&format!("reference/{file}.csv"), text.as_bytes());
    }
    insta::assert_snapshot!(workspace.transcript(&["run", "pipeline.yaml"]));
    let check = workspace.run(&["check", "pipeline.yaml", "--offline"]);
    assert_eq!(check.status.code(), Some(2), "{}", transcript(&check, &[]));
    assert!(
        String::from_utf8_lossy(&check.stdout).contains("WRONG seeds:\n      reference/aws_region.csv: "),
        "{}",
        transcript(&check, &[])
    );
    assert!(!workspace.path("tables").exists());

    workspace.write("pipeline.yaml", format!("{PIPELINE}seeds: s3://bucket/seeds/\n").as_bytes());
    insta::assert_snapshot!(workspace.transcript(&["plan", "pipeline.yaml"]));
    workspace.write("pipeline.yaml", format!("{PIPELINE}seeds: elsewhere/\n").as_bytes());
    let output = workspace.run(&["plan", "pipeline.yaml"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && message.contains("elsewhere"), "{message}");
}

#[test]
fn a_changed_seed_is_a_change_of_the_mapping() {
    let workspace = estate("seeds: reference/\n");
    change(&workspace, "keep: [account]", "keep: [account, ServiceCategory]");
    std::fs::create_dir_all(workspace.path("reference")).expect("folder");
    workspace.run_ok(&["run", "pipeline.yaml", "--period", "2026-01"]);
    let row = "service_code,service_category,service_subcategory\nAmazonEC2,Media,Gaming\n";
    workspace.write("reference/aws_service_categories.csv", row.as_bytes());
    workspace.run_ok(&["run", "pipeline.yaml", "--period", "2026-01"]);
    let output = workspace.run_ok(&[
        "diff",
        "pipeline.yaml",
        "--period",
        "2026-01",
        "--by",
        "ServiceCategory",
        "--format",
        "json",
    ]);
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    assert_eq!(report["causes"], serde_json::json!(["mapping"]), "{report}");
    assert_eq!(report["notes"], serde_json::json!([]), "{report}");
}
