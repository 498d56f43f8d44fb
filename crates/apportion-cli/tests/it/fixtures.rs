//! Small bills of every provider whose expected charges were worked out by hand.
//!
//! `testdata/fixtures/<provider>/<case>.*` becomes an export, the binary normalises it, and every
//! group of charges must equal `<case>.expect.csv`, whose comments show the arithmetic.

pub(crate) mod exports;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::{Workspace, root};

/// Columns of an expectation that are sums; the others are what rows are grouped by.
const SUMS: [&str; 7] =
    ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "PricingQuantity", "ConsumedQuantity", "rows"];

fn folder(provider: &str) -> PathBuf {
    root().join("testdata/fixtures").join(provider)
}

/// Lines without comments, as (header, rows).
fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(std::io::Cursor::new(lines.join("\n")));
    let mut rows: Vec<Vec<String>> =
        reader.records().map(|record| record.expect("record").iter().map(str::to_owned).collect()).collect();
    let header = rows.remove(0);
    (header, rows)
}

/// A decimal without trailing zeros, so that `4.6080` equals `4.608`.
pub(crate) fn plain(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, decimals)) => {
            let decimals = decimals.trim_end_matches('0');
            let whole = if decimals.is_empty() && whole == "-0" { "0" } else { whole };
            if decimals.is_empty() { whole.to_owned() } else { format!("{whole}.{decimals}") }
        }
        None => text.to_owned(),
    }
}

/// The charges grouped and summed as the header of an expectation says.
fn groups(header: &[String]) -> String {
    let grouped: Vec<&str> = header.iter().map(String::as_str).filter(|name| !SUMS.contains(name)).collect();
    let columns = header.iter().map(|name| match name.as_str() {
        "rows" => "count(*) AS rows".to_owned(),
        sum if SUMS.contains(&sum) => format!("sum({sum}) AS {sum}"),
        other => other.to_owned(),
    });
    let columns: Vec<String> = columns.collect();
    format!("SELECT {} FROM focus_charges GROUP BY {}", columns.join(", "), grouped.join(", "))
}

/// Runs a pipeline over the folder `export` and compares what it gives with the expectations.
fn check(workspace: &Workspace, provider: &str, case: &str, format: &str, basis: &str, expectation: &Path) {
    workspace.write(
        "pipeline.yaml",
        format!(
            "version: 1\nname: fixture\nsources:\n  bill: {{ format: {format}, location: export/, cost_basis: {basis} }}\n\
             destination: {{ location: tables/ }}\n"
        )
        .as_bytes(),
    );
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let (header, expected) = table(expectation);
    let answer = workspace.query("tables", &groups(&header));
    let keep = |rows: Vec<Vec<String>>| -> BTreeSet<Vec<String>> {
        let cell = |(name, cell): (&String, String)| if SUMS.contains(&name.as_str()) { plain(&cell) } else { cell };
        rows.into_iter().map(|row| header.iter().zip(row).map(cell).collect()).collect()
    };
    let (found, wanted) = (keep(answer), keep(expected));
    let only = |left: &BTreeSet<Vec<String>>, right: &BTreeSet<Vec<String>>| {
        left.difference(right).map(|row| format!("  {}\n", row.join(","))).collect::<String>()
    };
    assert!(
        found == wanted,
        "{provider} case {case}, {basis} basis\n{}\nexpected only:\n{}found only:\n{}",
        header.join(","),
        only(&wanted, &found),
        only(&found, &wanted)
    );
    for (file, column) in [("residual", "x_ConversionResidual"), ("totals", "x_SourceTotal")] {
        let figures = folder(provider).join(format!("{case}.{file}.csv"));
        if figures.exists() && basis == "gross" {
            check_totals(workspace, &figures, column);
        }
    }
}

/// Compares the reconciliation with the figures of a file: ledger first, then columns by name.
fn check_totals(workspace: &Workspace, figures: &Path, column: &str) {
    let (header, rows) = table(figures);
    let columns: Vec<&str> = match header.get(1..) {
        Some(named) if named.iter().all(|name| name.starts_with("x_")) => named.iter().map(String::as_str).collect(),
        _ => vec![column],
    };
    for row in rows {
        let sql = format!("SELECT {} FROM reconciliation WHERE x_Ledger = '{}'", columns.join(", "), row[0]);
        let found = workspace.query("tables", &sql);
        let found: Vec<String> = found[0].iter().map(|cell| plain(cell)).collect();
        let expected: Vec<String> = row[1..].iter().map(|cell| plain(cell)).collect();
        assert_eq!(found, expected, "{}, ledger {}", figures.display(), row[0]);
    }
}

/// The cases of a provider: names of the files with this ending, without it.
fn cases(provider: &str, ending: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder(provider)).expect("fixtures").flatten();
    let names = files.map(|entry| entry.file_name().into_string().expect("name"));
    let mut cases: Vec<String> = names
        .filter_map(|name| Some(name.strip_suffix(ending)?.to_owned()))
        .filter(|case| !case.contains('.'))
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_aws_case_gives_the_charges_worked_out_by_hand() {
    let cases = cases("aws", ".csv");
    assert!(cases.len() >= 16, "only {} cases", cases.len());
    for case in cases {
        let export = exports::cur2(&folder("aws").join(format!("{case}.csv")));
        for basis in ["gross", "net"] {
            let name = if basis == "gross" { format!("{case}.expect.csv") } else { format!("{case}.net.expect.csv") };
            let expectation = folder("aws").join(name);
            if basis == "net" && !expectation.exists() {
                continue;
            }
            let workspace = Workspace::new();
            workspace.write("export/data/BILLING_PERIOD=2026-01/bill-00001.snappy.parquet", &export);
            check(&workspace, "aws", &case, "aws_cur_2", basis, &expectation);
        }
    }
}

#[test]
fn every_google_cloud_case_gives_the_charges_worked_out_by_hand() {
    let cases = cases("gcp", ".jsonl");
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    for case in cases {
        let workspace = Workspace::new();
        let export = exports::bigquery(&folder("gcp").join(format!("{case}.jsonl")));
        workspace.write("export/000000000000.parquet", &export);
        let expectation = folder("gcp").join(format!("{case}.expect.csv"));
        check(&workspace, "gcp", &case, "gcp_billing_export", "gross", &expectation);
    }
}

#[test]
fn every_azure_case_gives_the_charges_worked_out_by_hand() {
    let cases = cases("azure", ".expect.csv");
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    for case in cases {
        let workspace = Workspace::new();
        for dataset in ["actual", "amortized"] {
            if let Ok(export) = std::fs::read(folder("azure").join(format!("{case}.{dataset}.csv"))) {
                workspace.write(&format!("export/{dataset}/{case}.csv"), &export);
            }
        }
        let expectation = folder("azure").join(format!("{case}.expect.csv"));
        check(&workspace, "azure", &case, "azure_cost_management", "gross", &expectation);
    }
}

#[test]
fn every_focus_case_gives_the_charges_worked_out_by_hand() {
    let cases = cases("focus", ".csv");
    assert!(cases.len() >= 6, "only {} cases", cases.len());
    for case in cases {
        let workspace = Workspace::new();
        workspace.write("export/part.parquet", &exports::focus(&folder("focus").join(format!("{case}.csv"))));
        let expectation = folder("focus").join(format!("{case}.expect.csv"));
        check(&workspace, "focus", &case, "focus", "gross", &expectation);
    }
}
