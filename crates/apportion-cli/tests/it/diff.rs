//! `apportion diff`: one input that changed is one cause, several are told apart to the last digit.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::sample::sample;
use crate::support::{Workspace, transcript};

const AWS: &str = "testdata/exports/aws/cur2/acme/data/BILLING_PERIOD=2026-01/acme-00001.snappy.parquet";
const GOOGLE: &str = "testdata/exports/gcp/acme/invoice_month=202601/000000000000.parquet";
const REQUESTS: &str = "testdata/telemetry/requests/2026-01.parquet";

/// A pipeline over two bills of the sample and one telemetry.
fn pipeline(workspace: &Workspace, format: &str, keep_versions: usize, share: &str, keep: &str) {
    let text = format!(
        "version: 1\nname: restated\nsources:\n  \
         aws-main: {{ format: aws_cur_2, location: testdata/exports/aws/cur2/acme/, cost_basis: gross }}\n  \
         gcp-analytics: {{ format: gcp_billing_export, location: testdata/exports/gcp/acme/ }}\n\
         telemetry:\n  requests: {{ location: testdata/telemetry/requests/, time: ts, quantity: request_count, \
         unit: Requests, target: customer_id, match: {{ service: service }} }}\n\
         dimensions: {{ service: \"tag('service')\", customer: \"tag('customer')\", team: \"tag('team')\" }}\n\
         allocation:\n  target: customer\n  keep: [ServiceName, service{keep}]\n  rules:\n    \
         - {{ id: dedicated, when: customer IS NOT NULL, method: direct, to: customer }}\n    \
         - {{ id: by-requests, when: service IS NOT NULL AND service <> 'monitoring', method: proportional, \
         driver: requests, fallback: [even] }}\n    \
         - {{ id: monitoring, when: service = 'monitoring', method: fixed, shares: {{ aurora: {share} }} }}\n\
         destination: {{ location: tables/, format: {format}, keep_versions: {keep_versions} }}\n"
    );
    workspace.write("pipeline.yaml", text.as_bytes());
}

/// Rewrites a Parquet file with the rows that are kept.
fn rewrite(workspace: &Workspace, path: &str, keep: impl Fn(&RecordBatch, usize) -> bool) {
    let file = std::fs::File::open(workspace.path(path)).expect("file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("footer").build().expect("reader");
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.expect("batch")).collect();
    let all = concat_batches(&batches[0].schema(), &batches).expect("one batch");
    let kept: BooleanArray = (0..all.num_rows()).map(|row| Some(keep(&all, row))).collect();
    let kept = filter_record_batch(&all, &kept).expect("rows");
    assert!(kept.num_rows() < all.num_rows(), "{path}: something must change");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, kept.schema(), None).expect("writer");
    writer.write(&kept).expect("rows");
    writer.close().expect("footer");
    workspace.write(path, &bytes);
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> String {
    let column = cast(batch.column_by_name(column).expect("column"), &DataType::Utf8).expect("text");
    let column = column.as_string::<i32>();
    if column.is_valid(row) { column.value(row).to_owned() } else { String::new() }
}

/// The provider takes back usage of one product.
fn restate_aws(workspace: &Workspace, nth: usize) {
    rewrite(workspace, AWS, |batch, row| {
        row % nth != 0
            || text(batch, "line_item_line_item_type", row) != "Usage"
            || !text(batch, "line_item_product_code", row).contains("CloudFront")
    });
}

/// Requests of one customer are counted differently.
fn correct_telemetry(workspace: &Workspace, customer: &str) {
    rewrite(workspace, REQUESTS, |batch, row| text(batch, "customer_id", row) != customer || row % 3 == 0);
}

fn run(workspace: &Workspace) {
    workspace.run_ok(&["run", "pipeline.yaml", "--period", "2026-01"]);
}

fn compare(workspace: &Workspace, options: &[&str]) -> Value {
    let command = [&["diff", "pipeline.yaml", "--period", "2026-01", "--format", "json"], options].concat();
    let report: Value = serde_json::from_slice(&workspace.run_ok(&command).stdout).expect("report");
    adds_up(&report);
    report
}

/// Units of 10^-12; the text must have all twelve decimals.
fn units(amount: &Value) -> i128 {
    let text = amount.as_str().expect("amounts are text");
    assert_eq!(text.split_once('.').expect("decimals").1.len(), 12, "{text}");
    text.replace('.', "").parse().expect("digits")
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("list")
}

fn causes(report: &Value) -> Vec<&str> {
    list(&report["causes"]).iter().map(|cause| cause.as_str().expect("name")).collect()
}

/// Every line and total: causes sum to the change, the change is new minus old; lines sum to totals.
fn adds_up(report: &Value) {
    let check = |line: &Value| {
        let caused: i128 = line["causes"].as_object().expect("causes").values().map(units).sum();
        assert_eq!(caused, units(&line["change"]), "{line}");
        assert_eq!(units(&line["new"]) - units(&line["old"]), caused, "{line}");
        for (cause, sources) in line["by_source"].as_object().expect("sources") {
            let by_source: i128 = sources.as_object().expect("sources").values().map(units).sum();
            // Mapping is also a cause of its own, outside of any source.
            assert!(cause == "mapping" || by_source == units(&line["causes"][cause]), "{line}");
        }
    };
    list(&report["totals"]).iter().for_each(check);
    assert!(!list(&report["breakdowns"]).is_empty());
    for breakdown in list(&report["breakdowns"]) {
        let total = list(&report["totals"])
            .iter()
            .find(|total| total["ledger"] == breakdown["ledger"] && total["currency"] == "USD")
            .expect("total");
        let rows =
            || list(&breakdown["lines"]).iter().chain(list(&breakdown["other"])).filter(|it| it["currency"] == "USD");
        rows().for_each(check);
        for figure in ["old", "new", "change"] {
            assert_eq!(rows().map(|row| units(&row[figure])).sum::<i128>(), units(&total[figure]), "{breakdown}");
        }
        for cause in causes(report) {
            let sum: i128 = rows().map(|row| units(&row["causes"][cause])).sum();
            assert_eq!(sum, units(&total["causes"][cause]), "{cause} by {}", breakdown["by"]);
        }
    }
}

/// A figure of every target.
fn by_target(report: &Value, figure: impl Fn(&Value) -> i128) -> BTreeMap<String, i128> {
    let targets = list(&report["breakdowns"]).iter().find(|it| it["by"] == "target").expect("targets");
    list(&targets["lines"]).iter().map(|line| (line["value"].to_string(), figure(line))).collect()
}

fn moved(report: &Value, cause: &str) -> usize {
    by_target(report, |line| units(&line["causes"][cause])).values().filter(|amount| **amount != 0).count()
}

fn total(report: &Value, ledger: &str, figure: impl Fn(&Value) -> i128) -> i128 {
    figure(list(&report["totals"]).iter().find(|total| total["ledger"] == ledger).expect("ledger"))
}

/// One input after the other changes: three versions follow the first.
fn restated(format: &str) -> Workspace {
    let workspace = sample();
    pipeline(&workspace, format, 9, "0.25", "");
    run(&workspace);
    restate_aws(&workspace, 2);
    run(&workspace);
    let bill = compare(&workspace, &[]);
    assert_eq!(causes(&bill), ["bill"]);
    assert!(moved(&bill, "bill") > 1, "{bill}");
    assert!(total(&bill, "billed", |it| units(&it["change"])) < 0, "usage was taken back");
    let charges = list(&bill["inputs"]["charges"]);
    assert_eq!(charges.len(), 1, "the other source is not mentioned: {bill}");
    assert_eq!(charges[0]["source"], "aws-main");
    assert!(charges[0]["objects"]["changed"][0].as_str().expect("object").ends_with("acme-00001.snappy.parquet"));
    assert_eq!(bill["totals"][0]["by_source"]["bill"]["aws-main"], bill["totals"][0]["change"]);

    correct_telemetry(&workspace, "aurora");
    run(&workspace);
    let telemetry = compare(&workspace, &[]);
    assert_eq!(causes(&telemetry), ["telemetry"]);
    assert_eq!(total(&telemetry, "effective", |it| units(&it["change"])), 0);
    assert!(moved(&telemetry, "telemetry") > 1 && by_target(&telemetry, |it| units(&it["change"]))["\"aurora\""] < 0);
    assert_eq!(list(&telemetry["inputs"]["telemetry"]["changed"]).len(), 1, "{telemetry}");

    pipeline(&workspace, format, 9, "0.5", "");
    run(&workspace);
    let rules = compare(&workspace, &[]);
    assert_eq!(causes(&rules), ["rules"]);
    let by_rules = by_target(&rules, |line| units(&line["causes"]["rules"]));
    assert!(by_rules["\"aurora\""] > 0 && by_rules["\"unallocated\""] < 0, "aurora gets what was unallocated");
    assert_ne!(rules["inputs"]["configuration"]["from"], rules["inputs"]["configuration"]["to"]);

    // Over all versions: the same causes told apart, and the differences telescope.
    let first = bill["from"]["version"].to_string();
    let whole = compare(&workspace, &["--from", &first]);
    assert_eq!(causes(&whole), ["telemetry", "bill", "rules"]);
    assert!(causes(&whole).iter().all(|cause| moved(&whole, cause) > 1), "{whole}");
    let mut sum: BTreeMap<String, i128> = BTreeMap::new();
    for step in [&bill, &telemetry, &rules] {
        for (target, change) in by_target(step, |line| units(&line["change"])) {
            *sum.entry(target).or_default() += change;
        }
    }
    assert_eq!(
        sum,
        by_target(&whole, |line| units(&line["change"])),
        "the diffs of all versions sum to latest - first"
    );
    assert_eq!(by_target(&bill, |line| units(&line["old"])), by_target(&whole, |line| units(&line["old"])));
    assert_eq!(by_target(&rules, |line| units(&line["new"])), by_target(&whole, |line| units(&line["new"])));
    assert_eq!(list(&whole["notes"]), &Vec::<Value>::new());
    // A version is also named by the run that left it.
    let named = compare(
        &workspace,
        &[
            "--from",
            bill["from"]["run_id"].as_str().expect("run"),
            "--to",
            telemetry["to"]["run_id"].as_str().expect("run"),
        ],
    );
    assert_eq!(
        (&named["from"]["version"], &named["to"]["version"]),
        (&bill["from"]["version"], &telemetry["to"]["version"])
    );
    assert_eq!(causes(&named), ["telemetry", "bill"]);
    workspace
}

#[test]
fn parquet_versions_are_told_apart_cause_by_cause() {
    let workspace = restated("parquet");
    let output = workspace.run_ok(&[
        "diff",
        "pipeline.yaml",
        "--period",
        "2026-01",
        "--from",
        "1",
        "--by",
        "target",
        "--top",
        "2",
    ]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for expected in [
        "from version 1, run ",
        "to   version 4 (current), run ",
        "telemetry: 1 object changed",
        "bill",
        "other (",
        "total",
    ] {
        assert!(text.contains(expected), "{expected} is missing:\n{text}");
    }
    let json = compare(
        &workspace,
        &["--from", "1", "--top", "2", "--ledger", "billed", "--by", "target", "--by", "ServiceName"],
    );
    let breakdowns = list(&json["breakdowns"]);
    assert_eq!((&breakdowns[0]["by"], &breakdowns[1]["column"]), (&Value::from("target"), &Value::from("ServiceName")));
    assert_eq!((list(&breakdowns[0]["lines"]).len(), &breakdowns[0]["ledger"]), (2, &Value::from("billed")));
    // Charges that are gone leave one gap: what lies after it is still told apart.
    let gone = "tables/_apportion/versions/focus_charges/x_Source=aws-main/x_BillingPeriod=2026-01/00000001";
    std::fs::remove_dir_all(workspace.path(gone)).expect("superseded charges");
    let report = compare(&workspace, &["--from", "1"]);
    assert_eq!(causes(&report), ["telemetry_and_bill_and_mapping", "rules"]);
    assert!(report["notes"].to_string().contains("version 1 of the charges of aws-main is no longer kept"), "{report}");
    assert!(moved(&report, "rules") > 1, "{report}");
}

#[test]
fn delta_versions_are_told_apart_cause_by_cause() {
    restated("delta");
}

#[test]
fn bills_restated_together_are_told_by_source() {
    let workspace = sample();
    pipeline(&workspace, "parquet", 3, "0.25", "");
    run(&workspace);
    restate_aws(&workspace, 3);
    rewrite(&workspace, GOOGLE, |batch, row| row % 40 != 0 || text(batch, "cost_type", row) != "regular");
    run(&workspace);
    let report = compare(&workspace, &[]);
    assert_eq!(causes(&report), ["bill"]);
    let sources = report["totals"][0]["by_source"]["bill"].as_object().expect("sources");
    assert_eq!(sources.keys().collect::<Vec<_>>(), ["aws-main", "gcp-analytics"]);
    assert!(sources.values().all(|amount| units(amount) != 0), "{report}");
    let lost = |source: &str| {
        let sql = format!("SELECT sum(BilledCost) FROM focus_charges WHERE x_Source = '{source}'");
        workspace.query("tables", &sql)[0][0].replace('.', "").parse::<i128>().expect("amount")
    };
    let old = sample();
    pipeline(&old, "parquet", 3, "0.25", "");
    run(&old);
    for (source, amount) in sources {
        let sql = format!("SELECT sum(BilledCost) FROM focus_charges WHERE x_Source = '{source}'");
        let before: i128 = old.query("tables", &sql)[0][0].replace('.', "").parse().expect("amount");
        assert_eq!(units(amount), lost(source) - before, "what each bill lost is what each bill caused");
    }
}

/// What makes a run read a month again is what a diff names, the store of a source as well.
#[test]
fn another_store_is_a_rule_of_the_source() {
    let workspace = sample();
    pipeline(&workspace, "parquet", 3, "0.25", "");
    run(&workspace);
    let text = std::fs::read_to_string(workspace.path("pipeline.yaml")).expect("pipeline");
    let declared = "location: testdata/exports/aws/cur2/acme/,";
    assert!(text.contains(declared));
    let text = text.replace(declared, &format!("{declared} store: {{ region: eu-west-1 }},"));
    workspace.write("pipeline.yaml", text.as_bytes());
    restate_aws(&workspace, 3);
    run(&workspace);
    assert_eq!(causes(&compare(&workspace, &[])), ["bill_and_rules", "rules"]);
}

#[test]
fn what_cannot_be_recomputed_is_told_as_one_cause() {
    let workspace = sample();
    pipeline(&workspace, "parquet", 3, "0.25", "");
    run(&workspace);
    pipeline(&workspace, "parquet", 3, "0.5", "");
    correct_telemetry(&workspace, "birch");
    run(&workspace);
    assert_eq!(causes(&compare(&workspace, &[])), ["telemetry", "rules"]);
    correct_telemetry(&workspace, "cobalt");
    let report = compare(&workspace, &[]);
    assert_eq!(causes(&report), ["telemetry_and_rules"]);
    let notes = report["notes"].to_string();
    assert!(notes.contains("telemetry changed again after version 2 was computed"), "{notes}");
    assert!(moved(&report, "telemetry_and_rules") > 1);
    // The same when the old rules are gone.
    let configuration = report["from"]["configuration_digest"].as_str().expect("digest");
    std::fs::remove_file(workspace.path(&format!("tables/_apportion/configurations/{configuration}.json")))
        .expect("archived");
    run(&workspace);
    let report = compare(&workspace, &["--from", "1"]);
    assert_eq!(causes(&report), ["telemetry_and_rules"]);
    assert!(report["notes"].to_string().contains("was not kept"), "{report}");
}

#[test]
fn a_new_program_is_a_cause_of_its_own() {
    let workspace = sample();
    pipeline(&workspace, "parquet", 3, "0.25", "");
    run(&workspace);
    restate_aws(&workspace, 2);
    run(&workspace);
    // Version 1 as if other SQL had written it, first from other objects and then from the same.
    let version = "tables/_apportion/versions";
    let charges = format!("{version}/focus_charges/x_Source=aws-main/x_BillingPeriod=2026-01/00000001/version.json");
    let edit = |document: &str, field: &str, value: &Value| {
        let path = workspace.path(document);
        let mut content: Value = serde_json::from_slice(&std::fs::read(&path).expect("document")).expect("JSON");
        content["provenance"][field] = value.clone();
        workspace.write(document, content.to_string().as_bytes());
    };
    edit(&charges, "sql_digest", &Value::from("older"));
    let report = compare(&workspace, &[]);
    assert_eq!(causes(&report), ["bill_and_mapping"]);
    let current = "tables/_apportion/tables/focus_charges/x_Source=aws-main/x_BillingPeriod=2026-01/state.json";
    let current: Value = serde_json::from_slice(&std::fs::read(workspace.path(current)).expect("state")).expect("JSON");
    edit(&charges, "input_digest", &current["provenance"]["input_digest"]);
    assert_eq!(causes(&compare(&workspace, &[])), ["mapping"]);
    // Other SQL may also allocate otherwise. This one does not: all of the change lies in the bill.
    edit(&charges, "input_digest", &Value::from("other"));
    edit(&charges, "sql_digest", &current["provenance"]["sql_digest"]);
    edit(
        &format!("{version}/allocated_charges/x_BillingPeriod=2026-01/00000001/version.json"),
        "sql_digest",
        &Value::from("older"),
    );
    let report = compare(&workspace, &[]);
    assert_eq!(causes(&report), ["mapping", "bill"]);
    assert_eq!((moved(&report, "mapping"), moved(&report, "bill") > 1), (0, true));
}

#[test]
fn versions_and_columns_that_are_not_there_are_named() {
    let workspace = sample();
    pipeline(&workspace, "parquet", 1, "0.25", "");
    let refused = |options: &[&str], expected: &str| {
        let command = [&["diff", "pipeline.yaml", "--period", "2026-01"], options].concat();
        let output = workspace.run(&command);
        let text = transcript(&output, &[]);
        assert!(!output.status.success() && text.contains(expected), "{options:?}: {text}");
    };
    refused(&[], "the billing period has no allocated charges");
    run(&workspace);
    refused(&[], "version 1 is the oldest that is kept, so there is nothing to compare it with");
    pipeline(&workspace, "parquet", 1, "0.5", "");
    run(&workspace);
    pipeline(&workspace, "parquet", 1, "0.75", ", team");
    run(&workspace);
    refused(&["--from", "1"], "version 1 is not kept; `destination.keep_versions` says how many older ones are");
    refused(&["--from", "1"], "kept: 3 (run 20");
    refused(&["--from", "yesterday"], "`yesterday` is no version and no run");
    refused(&["--from", "3", "--to", "2"], "--from is version 3 and --to is version 2: name an older and a newer one");
    refused(&["--by", "team"], "`team` is kept by one of the versions only");
    refused(&["--by", "servce"], "`servce` is not kept, did you mean `service`?");
    let report = compare(&workspace, &["--by", "source", "--by", "service"]);
    assert_eq!(
        list(&report["breakdowns"]).iter().map(|it| &it["column"]).collect::<Vec<_>>(),
        ["x_Source", "x_Service"]
    );
    assert_eq!(causes(&report), ["rules"]);
}
