//! Real rows of AWS, Google Cloud and Oracle that are at hand in another form than their exports are read in.
//!
//! The rows are put into the columns and types of the real export first: Parquet for AWS and Google
//! Cloud, the FOCUS preview for Oracle, whose own cost report is no format here. Runs when `APPORTION_REAL_EXPORTS` names the folder; the sums are computed here from
//! the text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use apportion_testkit::case::following;
use apportion_testkit::{ExportBuilder, Value, bigquery};
use arrow::datatypes::DataType;
use serde_json::{Map, Value as Json};

use crate::real_exports::{PIPELINE, everything_ties, exports};
use crate::real_variants::{Totals, exact, published};
use crate::support::Workspace;

/// Header and rows of a file that must exist.
fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let content = std::fs::read(path).unwrap_or_else(|error| panic!("{} must exist: {error}", path.display()));
    let mut reader = csv::Reader::from_reader(content.as_slice());
    let header = reader.headers().expect("header").iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| row.expect("row").iter().map(str::to_owned).collect());
    (header, rows.collect())
}

/// `lineItem/UsageStartDate` as Athena names it: `line_item_usage_start_date`.
fn athena(name: &str) -> String {
    let mut found = String::new();
    for letter in name.chars() {
        let separator = !letter.is_ascii_alphanumeric();
        if (letter.is_ascii_uppercase() || separator) && !found.ends_with('_') {
            found.push('_');
        }
        if !separator {
            found.push(letter.to_ascii_lowercase());
        }
    }
    found
}

/// A time of any of these files as RFC 3339.
fn moment(text: &str) -> Value {
    match text.trim() {
        "" => Value::Null,
        text => Value::Text(format!("{}Z", text.trim_end_matches('Z').replace(' ', "T"))),
    }
}

/// Rows and cost by month and currency of columns found by name.
fn totals(
    header: &[String],
    rows: &[Vec<String>],
    period: &str,
    currency: &str,
    cost: impl Fn(&dyn Fn(&str) -> String) -> i128,
) -> Totals {
    let mut totals = BTreeMap::new();
    for row in rows {
        let cell = |name: &str| {
            let position = header.iter().position(|header| header == name).unwrap_or_else(|| panic!("no {name}"));
            row[position].clone()
        };
        let month = cell(period).replace('-', "");
        let total = totals.entry((format!("{}-{}", &month[..4], &month[4..6]), cell(currency))).or_insert((0, 0));
        *total = (total.0 + 1, total.1 + cost(&cell));
    }
    totals
}

fn legacy_report(path: &Path) -> (Vec<u8>, Totals) {
    let (header, rows) = table(path);
    let header: Vec<String> = header.iter().map(|name| athena(name)).collect();
    let mut seen = BTreeSet::new();
    let columns: Vec<(usize, &str)> = header
        .iter()
        .enumerate()
        .map(|(index, name)| (index, name.as_str()))
        // Two names of the report may become one of Athena.
        .filter(|(_, name)| seen.insert(*name))
        .collect();
    let names: Vec<&str> = columns.iter().map(|(_, name)| *name).collect();
    let mut builder = ExportBuilder::legacy();
    let known = builder.batch().schema();
    let new: Vec<&str> = names.iter().copied().filter(|name| known.field_with_name(name).is_err()).collect();
    builder = builder.names(&new);
    let schema = builder.batch().schema();
    for row in &rows {
        let value = |(index, name): &(usize, &str)| {
            let text = &row[*index];
            let value = match schema.field_with_name(name).expect("column").data_type() {
                DataType::Float64 if text.is_empty() => Value::Null,
                DataType::Float64 => Value::Number(text.parse().unwrap_or_else(|_| panic!("{name}: {text}"))),
                DataType::Timestamp(..) => moment(text),
                _ => Value::Text(text.clone()),
            };
            ((*name).to_owned(), value)
        };
        builder = builder.row_of(columns.iter().map(value).collect());
    }
    // Negations of savings plans are what covered usage costs, so unblended cost is the billed one.
    let cost = |cell: &dyn Fn(&str) -> String| exact(&cell("line_item_unblended_cost"));
    let totals = totals(&header, &rows, "bill_billing_period_start_date", "line_item_currency_code", cost);
    (builder.parquet().to_vec(), totals)
}

#[test]
fn real_rows_of_legacy_reports_give_what_they_add_up_to() {
    let Some(folder) = exports() else { return };
    for (file, adjustments) in [
        ("sample-anonymous-aws-export-dataset.csv", 0),
        ("koku_2022-07-01-alt-columns.csv", 0),
        // Usage that a savings plan covers, without the negations that belong to it: one charge says so.
        ("koku_2023-06-01.csv", 1),
    ] {
        let (content, mut expected) = legacy_report(&folder.join("aws").join(file));
        expected.values_mut().for_each(|total| total.0 += adjustments);
        let workspace = Workspace::new();
        workspace.write("export/report-00001.snappy.parquet", &content);
        workspace.write("pipeline.yaml", PIPELINE.replace("FORMAT", "aws_cur_legacy").as_bytes());
        workspace.run_ok(&["run", "pipeline.yaml"]);
        assert_eq!(published(&workspace), expected, "{file}");
        // A bill of nothing has nothing to allocate.
        if expected.values().any(|(_, cost)| *cost != 0) {
            everything_ties(&workspace);
        }
    }
}

/// A list that was printed by Python instead of exported.
fn printed(text: &str) -> Json {
    let json = text.replace('\'', "\"").replace("None", "null");
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn bigquery_row(header: &[String], row: &[String]) -> Json {
    let mut fields = Map::new();
    for (name, text) in header.iter().zip(row).filter(|(name, text)| !text.is_empty() && *name != "partition_date") {
        let value = match name.as_str() {
            "cost" | "currency_conversion_rate" | "usage.amount" | "usage.amount_in_pricing_units" => {
                Json::from(text.parse::<f64>().expect("number"))
            }
            "credits" | "labels" | "system_labels" | "project.labels" => printed(text),
            time if time.ends_with("_time") => text.trim_end_matches("+00:00").replace(' ', "T").into(),
            _ => text.as_str().into(),
        };
        match name.split_once('.') {
            Some((record, field)) => {
                let record = fields.entry(record).or_insert_with(|| Json::Object(Map::new()));
                record.as_object_mut().expect("record").insert(field.to_owned(), value);
            }
            None => {
                fields.insert(name.clone(), value);
            }
        }
    }
    Json::Object(fields)
}

#[test]
fn real_rows_of_google_cloud_give_what_they_add_up_to() {
    let Some(folder) = exports() else { return };
    for (file, rows_and_credits) in [("koku_2020-11-08_2020-11-11.csv", (25, 8)), ("koku_2022-08-01_5.csv", (9, 0))] {
        let (header, rows) = table(&folder.join("gcp").join(file));
        let objects: Vec<Json> = rows.iter().map(|row| bigquery_row(&header, row)).collect();
        let credits = |text: &str| printed(text).as_array().expect("list").clone();
        let cost = |cell: &dyn Fn(&str) -> String| {
            let amounts = credits(&cell("credits"));
            exact(&cell("cost")) + amounts.iter().map(|credit| exact(&credit["amount"].to_string())).sum::<i128>()
        };
        let mut expected = totals(&header, &rows, "invoice.month", "currency", cost);
        let lists = header.iter().position(|name| name == "credits").expect("credits");
        let promotions: usize = rows.iter().map(|row| credits(&row[lists]).len()).sum();
        assert_eq!((rows.len(), promotions), rows_and_credits, "{file}");
        // A promotion becomes a charge of its own.
        expected.values_mut().for_each(|total| total.0 += promotions);
        let workspace = Workspace::new();
        workspace.write("export/bill.parquet", &bigquery::parquet(bigquery::detailed(), &objects));
        workspace.write("pipeline.yaml", PIPELINE.replace("FORMAT", "gcp_billing_export").as_bytes());
        workspace.run_ok(&["run", "pipeline.yaml"]);
        assert_eq!(published(&workspace), expected, "{file}");
        everything_ties(&workspace);
    }
}

/// Columns of Oracle's cost report and what its FOCUS export calls them.
const ORACLE: [(&str, &str); 14] = [
    ("lineItem/referenceNo", "oci_ReferenceNumber"),
    ("lineItem/backreferenceNo", "oci_BackReferenceNumber"),
    ("product/compartmentName", "oci_CompartmentName"),
    ("lineItem/tenantId", "BillingAccountId"),
    ("lineItem/intervalUsageStart", "ChargePeriodStart"),
    ("lineItem/intervalUsageEnd", "ChargePeriodEnd"),
    ("product/service", "ServiceName"),
    ("product/region", "Region"),
    ("product/resourceId", "ResourceId"),
    ("usage/billedQuantity", "UsageQuantity"),
    ("cost/skuUnitDescription", "UsageUnit"),
    ("cost/productSku", "SkuId"),
    ("product/Description", "ChargeDescription"),
    ("cost/currencyCode", "BillingCurrency"),
];

#[test]
fn real_rows_of_oracle_give_what_they_add_up_to() {
    let Some(folder) = exports() else { return };
    let (header, rows) = table(&folder.join("oci/reports_cost-csv_0000000030000269.csv"));
    assert_eq!(rows.len(), 506);
    let cost = |cell: &dyn Fn(&str) -> String| exact(&cell("cost/myCost"));
    let expected = totals(&header, &rows, "lineItem/intervalUsageStart", "cost/currencyCode", cost);
    let at = |name: &str| header.iter().position(|header| header == name).unwrap_or_else(|| panic!("no {name}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let stated = ["BilledCost", "EffectiveCost", "ListCost", "BillingPeriodStart", "BillingPeriodEnd"];
    let fixed =
        [("ChargeCategory", "Usage"), ("Provider", "Oracle"), ("InvoiceIssuer", "Oracle"), ("Publisher", "Oracle")];
    let names = ORACLE.iter().map(|(_, name)| *name).chain(stated).chain(fixed.map(|(name, _)| name));
    writer.write_record(names).expect("header");
    for row in &rows {
        let cost = row[at("cost/myCost")].as_str();
        let month = &row[at("lineItem/intervalUsageStart")][..7];
        let (start, end) = (format!("{month}-01T00:00Z"), format!("{}-01T00:00Z", following(month)));
        let delivered = ORACLE.iter().map(|(name, _)| row[at(name)].as_str());
        let cells = delivered.chain([cost, cost, cost, &start, &end]).chain(fixed.map(|(_, value)| value));
        writer.write_record(cells).expect("row");
    }
    let workspace = Workspace::new();
    workspace.write("export/cost.csv", &writer.into_inner().expect("content"));
    workspace.write("pipeline.yaml", PIPELINE.replace("FORMAT", "focus").as_bytes());
    workspace.run_ok(&["run", "pipeline.yaml"]);
    assert_eq!(published(&workspace), expected);
    everything_ties(&workspace);
}
