//! The line-item matrix: small bills whose expected charges were worked out by hand.
//!
//! `testdata/fixtures/aws/<case>.csv` becomes an export, the binary normalises it, and every group
//! of charges must equal `<case>.expect.csv`, whose comments show the arithmetic.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use apportion_testkit::fixture::{ColumnType, ExportBuilder, Value};

use crate::support::{Workspace, root};

fn folder() -> PathBuf {
    root().join("testdata/fixtures/aws")
}

/// Lines without comments, as (header, rows).
fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let text = std::fs::read_to_string(path).expect("fixture");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(std::io::Cursor::new(lines.join("\n")));
    let mut rows: Vec<Vec<String>> =
        reader.records().map(|record| record.expect("record").iter().map(str::to_owned).collect()).collect();
    let header = rows.remove(0);
    (header, rows)
}

fn export(path: &Path) -> Vec<u8> {
    let (header, rows) = table(path);
    let columns: Vec<(&str, &str)> = header.iter().map(|name| name.split_once(':').expect("name:type")).collect();
    let mut builder = ExportBuilder::cur2();
    for (name, kind) in &columns {
        let kind = match *kind {
            "text" => ColumnType::Text,
            "double" => ColumnType::Double,
            "time" => ColumnType::Millis,
            "map" if *name == "discount" => ColumnType::DoubleMap,
            "map" => ColumnType::TextMap,
            other => panic!("unknown type {other} in {}", path.display()),
        };
        builder = builder.column(name, kind);
    }
    for (index, row) in rows.iter().enumerate() {
        let mut values: BTreeMap<String, Value> = defaults(index);
        for ((name, kind), text) in columns.iter().zip(row) {
            let value = match (*kind, text.as_str()) {
                (_, "") => Value::Null,
                ("text" | "time", "''") => Value::Text(String::new()),
                ("double", number) => Value::Number(number.parse().expect("number")),
                ("map", json) if *name == "discount" => {
                    let entries: BTreeMap<String, f64> = serde_json::from_str(json).expect("map");
                    Value::DoubleMap(entries.into_iter().collect())
                }
                ("map", json) => {
                    let entries: BTreeMap<String, String> = serde_json::from_str(json).expect("map");
                    Value::TextMap(entries.into_iter().collect())
                }
                (_, text) => Value::Text(text.to_owned()),
            };
            values.insert((*name).to_owned(), value);
        }
        let text = |name: &str| match values.get(name) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        };
        let interval = format!("{}/{}", text("line_item_usage_start_date"), text("line_item_usage_end_date"));
        values.entry("identity_time_interval".to_owned()).or_insert(Value::Text(interval));
        if !values.contains_key("line_item_net_unblended_cost") {
            let gross = values.get("line_item_unblended_cost").cloned().unwrap_or(Value::Null);
            values.insert("line_item_net_unblended_cost".to_owned(), gross);
        }
        builder = builder.row_of(values.into_iter().collect());
    }
    builder.parquet().to_vec()
}

/// What `testdata/README.md` promises for columns a fixture does not name.
fn defaults(index: usize) -> BTreeMap<String, Value> {
    let text = [
        ("bill_payer_account_id", "111111111111"),
        ("line_item_usage_account_id", "222222222222"),
        ("bill_billing_period_start_date", "2026-01-01T00:00:00Z"),
        ("bill_billing_period_end_date", "2026-02-01T00:00:00Z"),
        ("line_item_usage_start_date", "2026-01-05T00:00:00Z"),
        ("line_item_usage_end_date", "2026-01-06T00:00:00Z"),
        ("line_item_currency_code", "USD"),
        ("line_item_product_code", "AmazonEC2"),
    ];
    let mut values: BTreeMap<String, Value> =
        text.into_iter().map(|(name, value)| (name.to_owned(), Value::Text(value.to_owned()))).collect();
    values.insert("identity_line_item_id".to_owned(), Value::Text(format!("line-{}", index + 1)));
    values
}

/// A decimal without trailing zeros, so that `4.6080` equals `4.608`.
fn plain(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, decimals)) => {
            let decimals = decimals.trim_end_matches('0');
            let whole = if decimals.is_empty() && whole == "-0" { "0" } else { whole };
            if decimals.is_empty() { whole.to_owned() } else { format!("{whole}.{decimals}") }
        }
        None => text.to_owned(),
    }
}

const GROUPS: &str = "SELECT x_LineItemType, ChargeCategory, ChargeClass, ChargeFrequency, PricingCategory, \
    CommitmentDiscountStatus, sum(BilledCost) AS BilledCost, sum(EffectiveCost) AS EffectiveCost, \
    sum(ListCost) AS ListCost, sum(ContractedCost) AS ContractedCost, count(*) AS rows \
    FROM focus_charges GROUP BY 1, 2, 3, 4, 5, 6";

fn check(case: &str, basis: &str, expectation: &Path) {
    let workspace = Workspace::new();
    let objects = "export/data/BILLING_PERIOD=2026-01/bill-00001.snappy.parquet";
    workspace.write(objects, &export(&folder().join(format!("{case}.csv"))));
    workspace.write(
        "pipeline.yaml",
        format!(
            "version: 1\nname: fixture\nsources:\n  bill: {{ format: aws_cur_2, location: export/, cost_basis: {basis} }}\n\
             destination: {{ location: tables/ }}\n"
        )
        .as_bytes(),
    );
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let answer = workspace.query("tables", GROUPS);
    let keep = |rows: Vec<Vec<String>>| -> BTreeSet<Vec<String>> {
        rows.into_iter()
            .map(|row| row.iter().enumerate().map(|(i, cell)| if i < 6 { cell.clone() } else { plain(cell) }).collect())
            .collect()
    };
    let (_, expected) = table(expectation);
    assert_eq!(keep(answer), keep(expected), "case {case}, {basis} basis");
    let residuals = folder().join(format!("{case}.residual.csv"));
    if residuals.exists() && basis == "gross" {
        for row in table(&residuals).1 {
            let sql = format!("SELECT x_ConversionResidual FROM reconciliation WHERE x_Ledger = '{}'", row[0]);
            let found = workspace.query("tables", &sql);
            assert_eq!(plain(&found[0][0]), plain(&row[1]), "residual of case {case}, ledger {}", row[0]);
        }
    }
}

#[test]
fn every_line_item_case_gives_the_charges_worked_out_by_hand() {
    let mut cases = 0;
    for entry in std::fs::read_dir(folder()).expect("fixtures").flatten() {
        let name = entry.file_name().into_string().expect("name");
        if let Some(case) = name.strip_suffix(".csv").filter(|case| !case.contains('.')) {
            check(case, "gross", &folder().join(format!("{case}.expect.csv")));
            let net = folder().join(format!("{case}.net.expect.csv"));
            if net.exists() {
                check(case, "net", &net);
            }
            cases += 1;
        }
    }
    assert!(cases >= 14, "only {cases} cases were found");
}
