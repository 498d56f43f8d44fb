//! Written tables that are tampered with: whatever was changed is found, and it is said where.
//!
//! Each tamper rewrites a file of a published copy as somebody with access to the storage could.

mod counted;
pub(crate) mod tamper;

use serde_json::Value;

use crate::currency;
use crate::sample::sample;
use crate::support::{Workspace, transcript};
use tamper::{Rows, copy_folder, data_file, rewrite, rewrite_delta};

const PERIOD: &str = "2026-03";
/// 10^-12, the smallest amount there is.
const ONE_UNIT: &str = "0.000000000001";

/// Runs `verify` on a destination and returns exit code and report.
fn verify(workspace: &Workspace, destination: &str, more: &[&str]) -> (i32, Value) {
    let command = ["verify", "--destination", destination, "--format", "json"];
    let output = workspace.run(&[&command[..], more].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", transcript(&output, &[])));
    (output.status.code().expect("exit code"), report)
}

fn period<'a>(report: &'a Value, name: &str) -> &'a Value {
    let periods = report["periods"].as_array().expect("periods");
    periods.iter().find(|period| period["billing_period"] == name).expect("period")
}

/// The findings of a kind in the period of the tests.
fn findings<'a>(report: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = period(report, PERIOD)["findings"].as_array().expect("findings");
    all.iter().filter(|finding| finding["kind"] == kind).collect()
}

/// What a finding says about a place, or an empty text.
fn place<'a>(finding: &'a Value, name: &str) -> &'a str {
    let places = finding["where"].as_array().expect("where");
    places.iter().find(|pair| pair[0] == name).and_then(|pair| pair[1].as_str()).unwrap_or_default()
}

/// `ledger expected found difference` of every amount of a finding.
fn amounts(finding: &Value) -> Vec<String> {
    let text = |amount: &Value, name: &str| amount[name].as_str().unwrap_or_default().to_owned();
    let amounts = finding["amounts"].as_array().expect("amounts").iter();
    amounts.map(|amount| ["of", "expected", "found", "difference"].map(|name| text(amount, name)).join(" ")).collect()
}

fn plus_units(text: &str, units: i128) -> String {
    tamper::decimal(tamper::units(text) + units)
}

/// A destination with the sample's last two months, published in a format.
struct Published {
    workspace: Workspace,
    delta: bool,
}

impl Published {
    fn new(format: &str) -> Self {
        let workspace = sample();
        let run = ["run", "pipelines/sample.yaml", "--from", "2026-02", "--destination", "whole"];
        workspace.run_ok(&[&run[..], &["--table-format", format]].concat());
        Self { workspace, delta: format == "delta" }
    }

    /// Copies the destination, rewrites the table's file of the period in it, and verifies the copy.
    fn tampered(&self, table: &str, change: impl FnOnce(&mut Rows)) -> Value {
        let report = self.verified_copy(&["--period", PERIOD], |copy| {
            let folder = if table == "focus_charges" { "focus_charges/x_Source=aws-main" } else { table };
            let file = data_file(&copy.join(format!("{folder}/x_BillingPeriod={PERIOD}")));
            if self.delta {
                rewrite_delta(&copy.join(table), &file, change);
            } else {
                rewrite(&file, change);
            }
        });
        let objects = findings(&report, "object");
        assert_eq!(objects.len(), 1, "the certificate names the one file that was changed: {report:#}");
        assert_eq!(objects[0]["table"], table);
        assert!(place(objects[0], "object").starts_with(table), "{}", objects[0]);
        report
    }

    /// Copies the destination, lets `change` loose on the copy and verifies all of it.
    fn altered(&self, change: impl FnOnce(&std::path::Path)) -> Value {
        let report = self.verified_copy(&[], change);
        assert_eq!(period(&report, "2026-02")["differences"], 0, "the other period goes on and ties");
        report
    }

    fn verified_copy(&self, more: &[&str], change: impl FnOnce(&std::path::Path)) -> Value {
        let copy = self.workspace.path("copy");
        let _ = std::fs::remove_dir_all(&copy);
        copy_folder(&self.workspace.path("whole"), &copy);
        change(&copy);
        let (code, report) = verify(&self.workspace, "copy", more);
        assert_eq!(code, 3, "{report:#}");
        assert_eq!(report["ties"], false);
        report
    }
}

fn whole_tables_tie(published: &Published) {
    let (code, report) = verify(&published.workspace, "whole", &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["ties"], true);
    let march = period(&report, PERIOD);
    assert_eq!(march["splits"], "from charges and driver quantities");
    let counted = |sql: &str| published.workspace.query("whole", sql)[0][0].parse::<u64>().expect("number");
    let of_march = format!("FROM allocated_charges WHERE x_BillingPeriod = '{PERIOD}'");
    let numbers = &march["allocation"];
    assert_eq!(numbers["cells"], counted(&format!("SELECT count(DISTINCT x_CellId) {of_march}")));
    assert_eq!(numbers["parts"], counted(&format!("SELECT count(*) {of_march}")));
    let split = "coalesce(x_PoolId, x_ActivityPoolId) IS NOT NULL";
    assert_eq!(numbers["splits_recomputed"], counted(&format!("SELECT count(*) {of_march} AND {split}")));
    for table in march["tables"].as_array().expect("tables") {
        assert_eq!(table["objects"], table["hashed"], "{table}");
        assert!(table["checks"].as_u64().expect("checks") > 0 || table["table"] == "reconciliation", "{table}");
    }
}

/// Two rows of one cell, pool and day with different targets.
fn two_parts(rows: &Rows) -> (usize, usize) {
    let key = |row: usize| ["x_CellId", "x_PoolId", "x_ChargeDate"].map(|name| rows.text(name, row));
    for first in 0..rows.count() {
        let second = (first + 1..rows.count()).find(|second| {
            rows.text("x_PoolId", first).is_some()
                && rows.text("x_ActivityPoolId", first).is_none()
                && key(first) == key(*second)
                && rows.money("EffectiveCost", first) > 1_000_000
                && rows.money("BilledCost", first) > 1_000_000
        });
        if let Some(second) = second {
            return (first, second);
        }
    }
    panic!("no split of a cell over two targets");
}

fn a_unit_moved_between_targets(published: &Published) {
    let mut moved = Vec::new();
    let report = published.tampered("allocated_charges", |rows| {
        let (from, to) = two_parts(rows);
        for (row, units) in [(from, -1), (to, 1)] {
            let cost = tamper::decimal(rows.money("EffectiveCost", row));
            let found = plus_units(&cost, units);
            let sign = if units < 0 { "-" } else { "" };
            let name = |column| rows.text(column, row).expect("text");
            moved.push((
                name("x_AllocationTargetId"),
                name("x_CellId"),
                name("x_ChargeDate"),
                format!("effective {cost} {found} {sign}{ONE_UNIT}"),
            ));
            rows.add("EffectiveCost", row, units);
        }
    });
    let mut found: Vec<_> = findings(&report, "part")
        .iter()
        .map(|part| {
            let [amount] = amounts(part).try_into().expect("one ledger");
            let at = |name| place(part, name).to_owned();
            (at("x_AllocationTargetId"), at("x_CellId"), at("x_ChargeDate"), amount)
        })
        .collect();
    found.sort();
    moved.sort();
    assert_eq!(found, moved);
    assert!(findings(&report, "total").is_empty() && findings(&report, "cell").is_empty(), "the sums still tie");
}

/// Between two charges that each name their target nothing is split, so no quantity speaks of it.
fn a_unit_moved_between_direct_charges(published: &Published) {
    let mut moved = Vec::new();
    let report = published.tampered("allocated_charges", |rows| {
        let direct: Vec<usize> = (0..rows.count())
            .filter(|row| rows.text("x_AllocationMethod", *row).as_deref() == Some("direct"))
            .filter(|row| rows.text("x_Source", *row).as_deref() == Some("aws-main"))
            .collect();
        let (from, to) = (direct[0], *direct.last().expect("direct"));
        for (row, units) in [(from, -1), (to, 1)] {
            moved.push((rows.text("x_CellId", row).expect("cell"), units));
            rows.add("EffectiveCost", row, units);
        }
    });
    assert_ne!(moved[0].0, moved[1].0);
    let mut found: Vec<(String, i128)> = findings(&report, "cell")
        .iter()
        .map(|cell| {
            let difference = cell["amounts"][0]["difference"].as_str().expect("difference");
            (place(cell, "x_CellId").to_owned(), tamper::units(difference))
        })
        .collect();
    found.sort();
    moved.sort();
    assert_eq!(found, moved);
    assert!(findings(&report, "total").is_empty(), "the totals still tie");
}

fn a_row_that_is_dropped(published: &Published) {
    let mut dropped = (String::new(), String::new(), String::new());
    let report = published.tampered("allocated_charges", |rows| {
        let (row, _) = two_parts(rows);
        let name = |column| rows.text(column, row).expect("text");
        dropped = (name("x_AllocationTargetId"), name("x_CellId"), tamper::decimal(rows.money("BilledCost", row)));
        rows.remove(row);
    });
    let parts = findings(&report, "part");
    assert_eq!(parts.len(), 1, "{report:#}");
    assert_eq!(parts[0]["message"], "a part of the cell is missing");
    assert_eq!((place(parts[0], "x_AllocationTargetId"), place(parts[0], "x_CellId")), (&*dropped.0, &*dropped.1));
    let billed = format!("billed {} 0.000000000000", dropped.2);
    assert!(amounts(parts[0])[0].starts_with(&billed), "{:?} is not {billed}", amounts(parts[0]));
    let totals = findings(&report, "total");
    assert!(totals.iter().any(|total| total["table"] == "allocated_charges" && place(total, "x_Ledger") == "billed"));
    let counted = findings(&report, "certificate");
    assert!(counted.iter().any(|finding| finding["amounts"][0]["of"] == "parts"), "{counted:?}");
}

fn a_row_that_is_doubled(published: &Published) {
    let mut doubled = (String::new(), 0);
    let report = published.tampered("allocated_charges", |rows| {
        let (row, _) = two_parts(rows);
        doubled = (rows.text("x_CellId", row).expect("cell"), rows.money("EffectiveCost", row));
        rows.repeat(row);
    });
    let parts = findings(&report, "part");
    assert_eq!(parts.len(), 1, "{report:#}");
    assert_eq!(parts[0]["message"], "a part is there 2 times");
    assert_eq!(place(parts[0], "x_CellId"), doubled.0);
    let (once, twice) = (tamper::decimal(doubled.1), tamper::decimal(2 * doubled.1));
    assert!(amounts(parts[0]).contains(&format!("effective {once} {twice} {once}")), "{:?}", amounts(parts[0]));
}

fn a_charge_that_costs_more(published: &Published) {
    let report = published.tampered("focus_charges", |rows| {
        let usage = (0..rows.count()).find(|row| {
            rows.text("ChargeCategory", *row).as_deref() == Some("Usage") && rows.money("EffectiveCost", *row) > 0
        });
        rows.add("EffectiveCost", usage.expect("usage"), 1);
    });
    // Normalization and allocation both state the total of the source.
    let totals: Vec<_> =
        findings(&report, "total").into_iter().filter(|total| total["table"] == "focus_charges").collect();
    assert_eq!(totals.len(), 2, "{report:#}");
    for total in totals {
        assert_eq!((place(total, "x_Source"), place(total, "x_Ledger")), ("aws-main", "effective"));
        assert_eq!(total["amounts"][0]["difference"], ONE_UNIT);
    }
    let cells = findings(&report, "cell");
    assert_eq!(cells.len(), 1, "the cell of the charge is named: {report:#}");
    assert_eq!(cells[0]["amounts"][0]["difference"], format!("-{ONE_UNIT}"));
    assert_eq!(place(cells[0], "x_Source"), "aws-main");
}

fn a_quantity_that_is_changed(published: &Published) {
    let mut changed = (String::new(), String::new(), 0);
    let report = published.tampered("driver_quantities", |rows| {
        let measured = (0..rows.count()).find(|row| rows.text("x_DriverSource", *row).as_deref() == Some("actual"));
        let row = measured.expect("measured");
        let name = |column| rows.text(column, row).expect("text");
        changed = (name("x_PoolId"), name("x_AllocationTargetId"), rows.money("x_DriverQuantity", row));
        rows.add("x_DriverQuantity", row, 1);
    });
    let quantities = findings(&report, "quantity");
    assert_eq!(quantities.len(), 1, "{report:#}");
    assert_eq!(
        (place(quantities[0], "x_PoolId"), place(quantities[0], "x_AllocationTargetId")),
        (&*changed.0, &*changed.1)
    );
    let (expected, found) = (tamper::decimal(changed.2), tamper::decimal(changed.2 + 1));
    assert_eq!(amounts(quantities[0]), [format!("driver quantity {expected} {found} {ONE_UNIT}")]);
}

/// Quantities that cumulate well and are still not those the splits were made from.
fn quantities_that_are_exchanged(published: &Published) {
    let report = published.tampered("driver_quantities", |rows| {
        let key = |rows: &Rows, row| (rows.text("x_PoolId", row), rows.text("x_DriverSource", row));
        let first = (0..rows.count() - 1).find(|row| {
            let (one, other) = (key(rows, *row), key(rows, row + 1));
            one == other
                && one.1.as_deref() == Some("actual")
                && rows.money("x_DriverQuantity", *row) != rows.money("x_DriverQuantity", row + 1)
                && rows.money("x_DriverQuantityUpTo", *row) == rows.money("x_DriverQuantityBefore", row + 1)
        });
        let row = first.expect("two targets of a pool");
        let shift = rows.money("x_DriverQuantity", row + 1) - rows.money("x_DriverQuantity", row);
        rows.add("x_DriverQuantity", row, shift);
        rows.add("x_DriverQuantity", row + 1, -shift);
        rows.add("x_DriverQuantityUpTo", row, shift);
        rows.add("x_DriverQuantityBefore", row + 1, shift);
    });
    assert!(findings(&report, "quantity").is_empty(), "the ranges are as wide as the quantities");
    let parts = findings(&report, "part");
    assert!(parts.len() >= 2, "both targets are named: {report:#}");
    assert!(parts.iter().all(|part| amounts(part).iter().any(|amount| amount.starts_with("driver quantity"))));
}

/// Every tamper, in one format.
fn everything_is_found(format: &str) -> Published {
    let published = Published::new(format);
    whole_tables_tie(&published);
    a_unit_moved_between_targets(&published);
    a_unit_moved_between_direct_charges(&published);
    a_row_that_is_dropped(&published);
    a_row_that_is_doubled(&published);
    a_charge_that_costs_more(&published);
    a_quantity_that_is_changed(&published);
    quantities_that_are_exchanged(&published);
    published
}

#[test]
fn every_tamper_of_parquet_tables_is_found_and_located() {
    let published = everything_is_found("parquet");
    a_file_of_another_month(&published);
    a_file_that_is_cut_short(&published);
    a_file_too_many(&published);
    a_partition_half_published(&published);
    without_a_certificate(&published);
}

#[test]
fn every_tamper_of_delta_tables_is_found_and_located() {
    let published = everything_is_found("delta");
    let report = published.altered(|copy| {
        let file = data_file(&copy.join(format!("allocated_charges/x_BillingPeriod={PERIOD}")));
        std::fs::write(&file, b"not what it was").expect("file");
    });
    let message = findings(&report, "unreadable")[0]["message"].as_str().expect("message").to_owned();
    assert!(message.contains("the object has 15 bytes, the table says") && message.contains(".parquet"), "{message}");
}

fn a_file_of_another_month(published: &Published) {
    let report = published.altered(|copy| {
        let of = |month: &str| data_file(&copy.join(format!("allocated_charges/x_BillingPeriod={month}")));
        std::fs::copy(of("2026-02"), of(PERIOD)).expect("swap");
    });
    let objects = findings(&report, "object");
    assert_eq!(place(objects[0], "object"), "allocated_charges/x_BillingPeriod=2026-03/part-00000.parquet");
    let amounts = objects[0]["amounts"].as_array().expect("amounts");
    assert_eq!(amounts[0]["of"], "sha256");
    assert_ne!(amounts[0]["expected"], amounts[0]["found"]);
    assert!(!findings(&report, "total").is_empty(), "its sums are not those of the month");
}

fn a_file_that_is_cut_short(published: &Published) {
    let report = published.altered(|copy| {
        let file = data_file(&copy.join(format!("driver_quantities/x_BillingPeriod={PERIOD}")));
        let whole = std::fs::read(&file).expect("file");
        std::fs::write(&file, &whole[..whole.len() / 2]).expect("file");
    });
    let unreadable = findings(&report, "unreadable");
    assert_eq!(unreadable.len(), 1, "{report:#}");
    assert_eq!(unreadable[0]["table"], "driver_quantities");
    let message = unreadable[0]["message"].as_str().expect("message");
    assert!(message.contains("driver_quantities/x_BillingPeriod=2026-03/part-00000.parquet"), "{message}");
}

fn a_file_too_many(published: &Published) {
    let report = published.altered(|copy| {
        let file = data_file(&copy.join(format!("allocated_charges/x_BillingPeriod={PERIOD}")));
        std::fs::copy(&file, file.with_file_name("part-00000-copy.parquet")).expect("copy");
    });
    let objects = findings(&report, "object");
    assert_eq!(objects.len(), 1);
    assert_eq!(place(objects[0], "object"), "allocated_charges/x_BillingPeriod=2026-03/part-00000-copy.parquet");
    let message = objects[0]["message"].as_str().expect("message");
    assert!(message.starts_with("no run published this object"), "{message}");
    assert_eq!(period(&report, PERIOD)["differences"], 1, "its rows are not counted: {report:#}");
}

fn a_partition_half_published(published: &Published) {
    let report = published.altered(|copy| {
        let file = copy.join(format!("_apportion/tables/allocated_charges/x_BillingPeriod={PERIOD}/state.json"));
        let mut state: Value = serde_json::from_slice(&std::fs::read(&file).expect("state")).expect("state");
        state["publishing"] = state["provenance"].clone();
        std::fs::write(&file, state.to_string()).expect("state");
    });
    let unreadable = findings(&report, "unreadable");
    assert_eq!(unreadable.len(), 1, "{report:#}");
    let message = unreadable[0]["message"].as_str().expect("message");
    assert!(message.contains("half published; publish it again"), "{message}");
    assert!(findings(&report, "object").is_empty(), "its objects are anything until then");
}

/// Without certificate and configuration the tables still say whether they tie.
fn without_a_certificate(published: &Published) {
    let forget = |copy: &std::path::Path| {
        for folder in ["certificates", "configurations"] {
            std::fs::remove_dir_all(copy.join("_apportion").join(folder)).expect("folder");
        }
    };
    let copy = published.workspace.path("bare");
    copy_folder(&published.workspace.path("whole"), &copy);
    forget(&copy);
    let (code, report) = verify(&published.workspace, "bare", &[]);
    assert_eq!(code, 0, "{report:#}");
    assert!(period(&report, PERIOD).get("certificate").is_none());
    assert_eq!(period(&report, PERIOD)["splits"], "against the sums of the parts");
    let text = published.workspace.run_ok(&["verify", "pipelines/sample.yaml", "--destination", "bare"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("Certificate: no certificate"), "{text}");
    assert!(text.contains("(from charges and driver quantities)"), "the rules of the file are used: {text}");

    let mut found = String::new();
    let report = published.altered(|copy| {
        forget(copy);
        rewrite(&data_file(&copy.join(format!("allocated_charges/x_BillingPeriod={PERIOD}"))), |rows| {
            let (from, to) = two_parts(rows);
            found = plus_units(&tamper::decimal(rows.money("EffectiveCost", from)), -1);
            rows.add("EffectiveCost", from, -1);
            rows.add("EffectiveCost", to, 1);
        });
    });
    let checks = findings(&report, "check");
    let message = checks[0]["message"].as_str().expect("message");
    assert!(message.starts_with("2 rows break allocated_charges__recompute"), "{message}");
    assert!(message.contains(&found) && message.contains(&plus_units(&found, 1)), "found and expected: {message}");
}

#[test]
fn reporting_currency_is_verified_too() {
    let workspace = currency::workspace();
    currency::pipeline(&workspace, currency::RATE);
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let (code, report) = verify(&workspace, "tables", &[]);
    assert_eq!(code, 0, "{report:#}");
    let splits = &period(&report, "2026-01")["splits"];
    assert_eq!(splits, "from charges and driver quantities", "also where no rule needs a quantity");
    rewrite(&data_file(&workspace.path("tables/reporting_charges")), |rows| {
        rows.add("x_ReportingBilledCost", 0, 1);
    });
    let (code, report) = verify(&workspace, "tables", &[]);
    assert_eq!(code, 3);
    let text = report.to_string();
    assert!(text.contains("1 rows break reporting_charges__totals_tie"), "{text}");
}

#[test]
fn a_rerun_confirms_and_a_failure_does_not_certify() {
    let workspace = sample();
    let run = ["run", "pipelines/sample.yaml", "--period", PERIOD];
    let certificate = || -> Value {
        let file = workspace.path(&format!("output/sample/_apportion/certificates/{PERIOD}.json"));
        serde_json::from_slice(&std::fs::read(file).expect("certificate")).expect("certificate")
    };
    workspace.run_ok(&run);
    let first = certificate();
    assert_eq!(first["differences"], 0);
    let kept = format!("_apportion/configurations/{}.json", first["configuration_digest"].as_str().expect("digest"));
    let kept: Value =
        serde_json::from_slice(&std::fs::read(workspace.path(&format!("output/sample/{kept}"))).expect("kept"))
            .expect("kept");
    let kept: Value =
        serde_json::from_str(kept["text"].as_str().expect("text")).expect("the pipeline without comments");
    assert_eq!(kept["name"], "sample");
    // One source alone: what the others published is taken over, and the run is another.
    workspace.run_ok(&[&run[..], &["--source", "aws-main", "--force"]].concat());
    let second = certificate();
    assert_ne!(first["run_id"], second["run_id"]);
    let content = |certificate: &Value| -> Vec<Value> {
        let partitions = certificate["partitions"].as_array().expect("partitions");
        partitions.iter().map(|partition| partition["objects"].clone()).collect()
    };
    assert_eq!(content(&first), content(&second));
    assert_eq!(first["totals"], second["totals"]);
    let of_azure = |certificate: &Value| certificate["sources"][1]["run_id"].clone();
    assert_eq!(of_azure(&first), of_azure(&second), "the other source was not read again");
    // A period that fails keeps the certificate of what it was.
    workspace.write("testdata/telemetry/requests/2026-03.parquet", b"not Parquet");
    let output = workspace.run(&run);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output, &[]));
    assert_eq!(certificate(), second);
}

/// A period whose charges are new and whose allocation failed is not what was certified, and says so.
#[test]
fn a_certificate_is_withdrawn_before_tables_change() {
    let workspace = currency::workspace();
    currency::pipeline(&workspace, "");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let certificate = workspace.path("tables/_apportion/certificates/2026-01.json");
    assert!(certificate.exists());
    // The bill of europe is restated in dollars, for which no rate is declared.
    let restated = std::fs::read(workspace.path("USD/bill.parquet")).expect("bill");
    workspace.write("EUR/bill.parquet", &restated);
    currency::pipeline(&workspace, "reporting:\n  currency: EUR\n  rates: {}\n");
    let output = workspace.run(&["run", "pipeline.yaml", "--accept-smaller", "2026-01"]);
    assert!(!output.status.success(), "{}", transcript(&output, &[]));
    assert!(!certificate.exists(), "the charges are not those that were certified");
    let (code, report) = verify(&workspace, "tables", &[]);
    assert_eq!(code, 3, "the allocated charges are of the older bill: {report:#}");
    currency::pipeline(&workspace, "");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    assert_eq!(verify(&workspace, "tables", &[]).0, 0);
    // One that got lost, by a crash after the last table, is made by the next run.
    let whole = std::fs::read_to_string(&certificate).expect("certificate");
    std::fs::remove_file(&certificate).expect("certificate");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let again = std::fs::read_to_string(&certificate).expect("certificate");
    let digests =
        |text: &str| text.lines().filter(|line| line.contains("sha256")).map(str::to_owned).collect::<Vec<_>>();
    assert!(!digests(&whole).is_empty());
    assert_eq!(digests(&again), digests(&whole));
}

#[test]
fn an_unknown_period_names_those_that_are_stored() {
    let workspace = currency::workspace();
    currency::pipeline(&workspace, "");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let output = workspace.run(&["verify", "pipeline.yaml", "--period", "2026-02"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("no table holds 2026-02, did you mean `2026-01`?"), "{text}");
    assert_ne!(output.status.code(), Some(0));
}
