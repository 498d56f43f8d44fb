//! Columns that analysts filter by: what they are taken for, whoever delivers them.

use apportion_testkit::fixture::{ColumnType, ExportBuilder, Value};
use serde_json::Value as Json;

use super::{charge, cur2, cur2_key, line, notes, rows, run, workspace};
use crate::support::Workspace;

/// A native FOCUS row with more columns, or other values of those it has.
fn native(resource: &str, cost: f64, more: Vec<(&str, Value)>) -> Vec<(String, Value)> {
    let mut row = charge(resource, cost);
    row.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    row.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    row
}

fn focus(rows: Vec<Vec<(String, Value)>>, columns: &[(&str, ColumnType)]) -> Vec<u8> {
    let builder = columns.iter().fold(ExportBuilder::focus(), |builder, (name, kind)| builder.column(name, *kind));
    rows.into_iter().fold(builder, ExportBuilder::row_of).parquet().to_vec()
}

/// Rows of an answer in an earlier version of FOCUS, cells joined.
fn earlier(workspace: &Workspace, version: &str, sql: &str) -> Vec<String> {
    let options = ["--destination", "tables", "--focus-version", version, "--format", "csv"];
    let output = workspace.run_ok(&[&["query", sql], &options[..]].concat());
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn the_provider_is_what_was_delivered_else_the_host_in_the_markets_words() {
    // As 1.3 delivers both generations of names, as 1.4 leaves the old one out, and as 1.2 has it alone.
    let named = |provider: &'static str, host: Option<&'static str>| {
        let mut more: Vec<(&str, Value)> = vec![("InvoiceIssuerName", "Reseller Ltd".into())];
        more.push(("ProviderName", if provider.is_empty() { Value::Null } else { provider.into() }));
        more.extend(host.map(|host| ("HostProviderName", host.into())));
        more.push(("ServiceProviderName", "Seller".into()));
        more
    };
    let lines = vec![
        native("a", 1.0, named("Amazon Web Services", Some("AWS"))),
        native("b", 2.0, named("", Some("Amazon Web Services, Inc."))),
        native("c", 3.0, named("", Some("Google"))),
        native("d", 4.0, named("", Some("Microsoft Azure"))),
        native("e", 5.0, named("", Some("Small Host"))),
        native("f", 6.0, named("Microsoft", None)),
    ];
    let columns = [("HostProviderName", ColumnType::Text), ("ServiceProviderName", ColumnType::Text)];
    let workspace = workspace("focus", "", &[("bill.parquet", &focus(lines, &columns))]);
    run(&workspace);
    let expected = [
        "a,Amazon Web Services,Seller,Reseller Ltd",
        "b,AWS,Seller,Reseller Ltd",
        "c,Google Cloud,Seller,Reseller Ltd",
        "d,Microsoft,Seller,Reseller Ltd",
        "e,Small Host,Seller,Reseller Ltd",
        "f,Microsoft,Seller,Reseller Ltd",
    ];
    let sql = "SELECT ResourceId, ProviderName, PublisherName, InvoiceIssuerName FROM focus_charges ORDER BY 1";
    for version in ["1.2", "1.3"] {
        assert_eq!(earlier(&workspace, version, sql), expected, "{version}");
    }
    // Read again in whichever version it was written, it is the same.
    let sql = "SELECT ResourceId, ProviderName, InvoiceIssuerName FROM focus_charges ORDER BY 1";
    let expected = earlier(&workspace, "1.2", sql);
    for version in ["1.2", "1.3", "1.4"] {
        let again = super::workspace("focus", "", &[("bill.parquet", b"")]);
        let file = again.path("export/bill.parquet").display().to_string();
        let options = ["--destination", "tables", "--focus-version", version, "--format", "parquet", "--output", &file];
        workspace.run_ok(&[&["query", "SELECT * FROM focus_charges"], &options[..]].concat());
        run(&again);
        assert_eq!(earlier(&again, "1.2", sql), expected, "{version}");
    }
}

#[test]
fn bills_are_of_their_provider_and_their_issuer_stays_as_billed() {
    let issuer = |id: &str, issuer: &str| line(id, 1.0, vec![("bill_invoicing_entity", issuer.into())]);
    let export = cur2(vec![issuer("one", "Amazon Web Services EMEA SARL"), issuer("two", "AWS Reseller GmbH")]);
    let workspace = workspace("aws_cur_2", "", &[(&cur2_key("2026-01"), &export)]);
    run(&workspace);
    let sql = "SELECT DISTINCT ProviderName, InvoiceIssuerName FROM focus_charges ORDER BY 2";
    for version in ["1.2", "1.3"] {
        let found = earlier(&workspace, version, sql);
        assert_eq!(found, ["AWS,AWS Reseller GmbH", "AWS,Amazon Web Services EMEA SARL"], "{version}");
    }
}

#[test]
fn a_machine_has_its_series_beside_its_type() {
    let machine = |kind: &'static str| {
        let product = Value::from([("vcpu", "2")]);
        let more = vec![
            ("product", product),
            ("product_instance_type", kind.into()),
            ("product_sku", "SKU1".into()),
            ("pricing_rate_code", "SKU1.A.B".into()),
            ("line_item_usage_amount", 1.0.into()),
        ];
        line(kind, 1.0, more)
    };
    let kinds = ["db.r6g.2xlarge", "m5.large", "m5.xlarge.search", "odd", "u-6tb1.metal"];
    let workspace =
        workspace("aws_cur_2", "", &[(&cur2_key("2026-01"), &cur2(kinds.into_iter().map(machine).collect()))]);
    run(&workspace);
    let sql = "SELECT tag(SkuPriceDetails, 'InstanceType'), tag(SkuPriceDetails, 'InstanceSeries'), \
               tag(SkuPriceDetails, 'CoreCount') FROM focus_charges ORDER BY 1";
    let expected =
        ["db.r6g.2xlarge|r6g|2", "m5.large|m5|2", "m5.xlarge.search|m5|2", "odd||2", "u-6tb1.metal|u-6tb1|2"];
    assert_eq!(rows(&workspace, sql), expected);

    let details = |map: Value| vec![("SkuPriceDetails", map), ("SkuId", "S".into()), ("SkuPriceId", "P".into())];
    let lines = vec![
        native("a", 1.0, details([("CoreCount", "2"), ("InstanceType", "db.m5.large")].into())),
        native("b", 1.0, details([("InstanceSeries", "M5"), ("InstanceType", "m5.large")].into())),
        native("c", 1.0, details([("ServiceType", "Standard_NV36ads_A10_v5"), ("VCPUs", "36")].into())),
    ];
    let workspace = super::workspace("focus", "", &[("bill.parquet", &focus(lines, &[]))]);
    run(&workspace);
    let sql = "SELECT ResourceId, SkuPriceDetails FROM focus_charges ORDER BY 1";
    let expected = [
        r#"a|{"CoreCount":2,"InstanceSeries":"m5","InstanceType":"db.m5.large"}"#,
        r#"b|{"InstanceSeries":"M5","InstanceType":"m5.large"}"#,
        r#"c|{"CoreCount":36,"InstanceSeries":"NVadsA10v5","InstanceType":"Standard_NV36ads_A10_v5"}"#,
    ];
    assert_eq!(rows(&workspace, sql), expected);
}

#[test]
fn a_region_that_is_only_named_keeps_its_name_and_gets_the_id_that_it_is_of() {
    let of = |name: &'static str, provider: &'static str| {
        vec![("RegionName", name.into()), ("RegionId", Value::Null), ("ProviderName", provider.into())]
    };
    let lines = vec![
        native("a", 1.0, of("Europe (Frankfurt)", "AWS")),
        native("b", 1.0, of("West Europe", "Microsoft")),
        native("c", 1.0, of("Taiwan", "Google Cloud")),
        native("d", 1.0, of("The Moon", "AWS")),
        native("e", 1.0, vec![("RegionId", "eu-central-1".into())]),
    ];
    let workspace = workspace("focus", "", &[("bill.parquet", &focus(lines, &[]))]);
    let report = run(&workspace);
    let expected = [
        "a|eu-central-1|Europe (Frankfurt)",
        "b|westeurope|West Europe",
        "c|asia-east1|Taiwan",
        "d|The Moon|The Moon",
        "e|eu-central-1|eu-central-1",
    ];
    assert_eq!(rows(&workspace, "SELECT ResourceId, RegionId, RegionName FROM focus_charges ORDER BY 1"), expected);
    let note = "repaired in 4 rows: RegionId was missing beside a RegionName, looked up by the name";
    assert!(notes(&report).iter().any(|it| it == note), "{:?}", notes(&report));
}

#[test]
fn what_azures_marketplace_sells_without_a_product_is_of_its_meter_category() {
    let header = "BillingCurrency,CostInBillingCurrency,Date,MeterCategory,Quantity,ResourceId,SubscriptionId,\
                  ChargeType,PublisherType,PublisherName,ProductName,PlanName\n";
    let row = |product: &str, meter: &str, plan: &str| {
        format!("USD,1,01/05/2026,{meter},1,/subscriptions/s/r,s,Usage,Marketplace,Northwind,{product},{plan}\n")
    };
    let rows_of_it = [row("Observability", "SaaS", "Gold"), row("", "Mail Relay", "Bronze"), row("", "", "Silver")];
    let bill = header.to_owned() + &rows_of_it.concat();
    let workspace = workspace("azure_cost_management", "", &[("amortized/cost.csv", bill.as_bytes())]);
    run(&workspace);
    assert_eq!(
        rows(&workspace, "SELECT ServiceName, ServiceProviderName FROM focus_charges ORDER BY 1"),
        ["Mail Relay|Northwind", "Observability|Northwind", "Silver|Northwind"]
    );
}

#[test]
fn services_that_aws_renamed_have_one_name_from_bill_and_export() {
    let names = [
        ("AmazonECR", "Amazon EC2 Container Registry (ECR)", "Amazon Elastic Container Registry"),
        ("AmazonECS", "", "Amazon Elastic Container Service"),
        ("AmazonEKS", "Amazon Elastic Container Service for Kubernetes", "Amazon Elastic Kubernetes Service"),
        ("AmazonS3", "Amazon Simple Storage Service", "Amazon Simple Storage Service"),
    ];
    let expected: Vec<String> = names.iter().map(|(_, _, name)| (*name).to_owned()).collect();
    let bill = names.map(|(code, name, _)| {
        let mut row = line(code, 1.0, Vec::new());
        row.retain(|(column, _)| column != "line_item_product_code");
        row.push(("line_item_product_code".to_owned(), code.into()));
        if !name.is_empty() {
            row.push(("product".to_owned(), Value::from([("product_name", name)])));
        }
        row
    });
    let raw = workspace("aws_cur_2", "", &[(&cur2_key("2026-01"), &cur2(bill.to_vec()))]);
    run(&raw);
    let sql = "SELECT ServiceName FROM focus_charges ORDER BY 1";
    assert_eq!(rows(&raw, sql), expected);
    let lines = names.map(|(code, name, _)| {
        native(code, 1.0, vec![("ServiceName", (if name.is_empty() { code } else { name }).into())])
    });
    let export = workspace("focus", "", &[("bill.parquet", &focus(lines.to_vec(), &[]))]);
    run(&export);
    assert_eq!(rows(&export, sql), expected);
    // AWS's own exports do not know what ECS, ECR and EKS are.
    let unknown = |(code, name, _): (&'static str, &'static str, &str)| {
        let name = if name.is_empty() { code } else { name };
        let more = [("ServiceName", name), ("ServiceCategory", "Other"), ("ServiceSubcategory", "Other (Other)")];
        native(code, 1.0, more.map(|(column, text)| (column, Value::from(text))).to_vec())
    };
    let columns = [("ServiceSubcategory", ColumnType::Text)];
    let export = focus(names.map(unknown).to_vec(), &columns);
    let export = workspace("focus", "", &[("bill.parquet", &export)]);
    run(&export);
    let sql = "SELECT ServiceCategory, ServiceSubcategory, count(*) FROM focus_charges GROUP BY 1, 2 ORDER BY 3 DESC";
    assert_eq!(rows(&export, sql), ["Compute|Containers|3", "Other|Other (Other)|1"]);
}

#[test]
fn a_list_price_has_no_debris_of_doubles() {
    let priced = |id: &str, price: f64| {
        let more = vec![
            ("ListUnitPrice", price.into()),
            ("ContractedUnitPrice", price.into()),
            ("PricingQuantity", 10.0.into()),
            ("PricingUnit", "Hours".into()),
            ("SkuId", id.into()),
            ("SkuPriceId", id.into()),
        ];
        native(id, (price * 1_000.0).round() / 100.0, more)
    };
    let lines = vec![priced("a", 0.1 + 0.2), priced("b", 0.1 * 7.0), priced("c", 0.0832)];
    let workspace = workspace("focus", "", &[("bill.parquet", &focus(lines, &[]))]);
    run(&workspace);
    let sql = "SELECT ListUnitPrice, ContractedUnitPrice FROM focus_charges ORDER BY ResourceId";
    let expected =
        ["0.300000000000000000|0.300000000000000000", "0.700000000000000000|0.700000000000000000"].map(str::to_owned);
    assert_eq!(rows(&workspace, sql)[..2], expected);
    let text = |rate: &'static str| {
        let more = vec![
            ("pricing_public_on_demand_rate", rate.into()),
            ("pricing_public_on_demand_cost", 0.2.into()),
            ("line_item_usage_amount", 2.0.into()),
            ("pricing_rate_code", "SKU1.A.B".into()),
        ];
        line("text", 0.2, more)
    };
    let bill = cur2(vec![text("0.10000000000000001")]);
    let workspace = super::workspace("aws_cur_2", "", &[(&cur2_key("2026-01"), &bill)]);
    run(&workspace);
    assert_eq!(rows(&workspace, "SELECT ListUnitPrice FROM focus_charges"), ["0.100000000000000000"]);
}

#[test]
fn unused_commitment_of_an_export_has_an_effective_cost_and_no_other() {
    let unused = |id: &str, billed: f64| {
        let mut more: Vec<(&str, Value)> = vec![
            ("BilledCost", billed.into()),
            ("EffectiveCost", 0.48.into()),
            ("ListCost", 0.9.into()),
            ("ContractedCost", 0.6.into()),
            ("CommitmentDiscountId", "arn:aws:savingsplans::1:savingsplan/p1".into()),
            ("CommitmentDiscountCategory", "Spend".into()),
            ("CommitmentDiscountType", "Savings Plan".into()),
            ("CommitmentDiscountStatus", "Unused".into()),
        ];
        more.push(("PricingCategory", "Committed".into()));
        native(id, 0.0, more)
    };
    // What is billed by itself was not paid with a purchase, and stays as it is.
    let lines = vec![unused("a", 0.0), unused("b", 0.48), native("c", 2.0, Vec::new())];
    let workspace = workspace("focus", "", &[("bill.parquet", &focus(lines, &[]))]);
    let report = run(&workspace);
    let sql = "SELECT BilledCost, EffectiveCost, ListCost, ContractedCost FROM focus_charges \
               ORDER BY BilledCost";
    let zero = "0.000000000000";
    let expected = [
        format!("{zero}|0.480000000000|{zero}|{zero}"),
        "0.480000000000|0.480000000000|0.900000000000|0.600000000000".to_owned(),
        ["2.000000000000"; 4].join("|"),
    ];
    assert_eq!(rows(&workspace, sql), expected);
    let sql = "SELECT x_Ledger, x_SourceTotal, x_LeftOutTotal, x_Control FROM reconciliation \
               WHERE x_Stage = 'normalization' AND x_LeftOutTotal <> 0 ORDER BY 1";
    let told = rows(&workspace, sql);
    assert!(told[0].starts_with("contracted|3.200000000000|0.600000000000|"), "{told:?}");
    assert!(told[1].starts_with("list|3.800000000000|0.900000000000|"), "{told:?}");
    assert!(told.iter().all(|line| line.contains("; left out: unused commitment 0.")), "{told:?}");
    let note = "repaired in 1 rows: unused commitment had a list or contracted cost, left out";
    assert!(notes(&report).iter().any(|it| it == note), "{:?}", notes(&report));
}

#[test]
fn details_of_azure_that_are_no_json_are_told_by_row_and_object() {
    let header = "BillingCurrency,CostInBillingCurrency,Date,MeterCategory,Quantity,ResourceId,SubscriptionId,ChargeType,AdditionalInfo\n";
    let row = |index: usize, details: &str| {
        let resource =
            format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v{index}");
        let details = details.replace('"', "\"\"");
        format!("USD,1,01/05/2026,Virtual Machines,1,{resource},s,Usage,\"{details}\"\n")
    };
    let whole = r#"{"ServiceType":"Standard_D2s_v3","VCPUs":2,"UsageType":"ComputeHR"}"#;
    let bill = header.to_owned()
        + &row(0, whole)
        + &row(1, r#""ServiceType":"Standard_D4s_v3","VCPUs":4"#)
        + &row(2, r#"{"ServiceType":"Standard_E8s_v5","VCPUs":8,"Note":"a "quoted" word"}"#)
        + &row(3, "none of it");
    let workspace = workspace("azure_cost_management", "", &[("amortized/cost.csv", bill.as_bytes())]);
    let report: Json = run(&workspace);
    let sql = "SELECT SkuPriceDetails FROM focus_charges ORDER BY ResourceId";
    assert_eq!(
        rows(&workspace, sql),
        [
            r#"{"CoreCount":2,"InstanceSeries":"Dsv3","InstanceType":"Standard_D2s_v3"}"#,
            r#"{"CoreCount":4,"InstanceSeries":"Dsv3","InstanceType":"Standard_D4s_v3"}"#,
            r#"{"CoreCount":8,"InstanceSeries":"Esv5","InstanceType":"Standard_E8s_v5"}"#,
            "",
        ]
    );
    let told = notes(&report);
    let note = told.iter().find(|note| note.starts_with("`AdditionalInfo` is no JSON object in 2 rows"));
    let note = note.unwrap_or_else(|| panic!("{told:?}"));
    assert!(
        note.contains("row 3 of ") && note.contains("row 4 of ") && note.contains("cost.csv: `none of it`"),
        "{note}"
    );
}
