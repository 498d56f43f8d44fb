//! The sample pipeline, run as the README runs it, against figures computed by another engine.

use std::collections::BTreeSet;

use crate::support::{Workspace, root, transcript};

/// A workspace with the sample pipeline and data, so that tests may change them.
pub(crate) fn sample() -> Workspace {
    let workspace = Workspace::new();
    for folder in ["pipelines", "testdata/exports", "testdata/telemetry"] {
        copy_folder(&workspace, folder);
    }
    workspace
}

fn copy_folder(workspace: &Workspace, relative: &str) {
    for entry in std::fs::read_dir(root().join(relative)).expect("folder").flatten() {
        let name = format!("{relative}/{}", entry.file_name().into_string().expect("name"));
        if entry.path().is_dir() {
            copy_folder(workspace, &name);
        } else {
            workspace.write(&name, &std::fs::read(entry.path()).expect("file"));
        }
    }
}

/// Every file below a folder with its content digest.
pub(crate) fn content(workspace: &Workspace, folder: &str) -> BTreeSet<(String, Vec<u8>)> {
    let mut found = BTreeSet::new();
    let mut open = vec![workspace.path(folder)];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).expect("folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(workspace.path(folder)).expect("inside").display().to_string();
                if !name.starts_with("_apportion") {
                    found.insert((name, std::fs::read(&path).expect("file")));
                }
            }
        }
    }
    found
}

#[test]
fn the_sample_equals_the_independent_computation_to_the_digit() {
    let workspace = sample();
    let output = workspace.run_ok(&["run", "pipelines/sample.yaml"]);
    let text = transcript(
        &output,
        &[(&workspace.path("").canonicalize().expect("folder").display().to_string(), "/[folder]")],
    );
    let text = text.replace(
        workspace.path("").canonicalize().expect("folder").display().to_string().trim_start_matches('/'),
        "[folder]",
    );
    insta::assert_snapshot!(text.split("--- stderr").next().unwrap_or_default());
    let golden = root().join("testdata/golden/sample");
    let mut compared = 0;
    for entry in std::fs::read_dir(&golden).expect("golden folder").flatten() {
        let name = entry.file_name().into_string().expect("name");
        let Some(table) = name.strip_suffix(".csv") else { continue };
        let sql =
            std::fs::read_to_string(golden.join(format!("{table}.sql"))).expect("the question of the golden table");
        let output = workspace.run_ok(&["query", "--destination", "output/sample", "--format", "csv", &sql]);
        let expected = std::fs::read_to_string(entry.path()).expect("golden table");
        let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
        assert_eq!(lines(&String::from_utf8_lossy(&output.stdout)), lines(&expected), "{table}");
        compared += 1;
    }
    assert!(compared >= 4, "only {compared} golden tables were compared");
    // The documents beside the tables are read by the next run as they were written: a bill in doubles has
    // residuals of 36 decimals.
    let again = transcript(&workspace.run_ok(&["run", "pipelines/sample.yaml"]), &[]);
    assert!(again.contains("Everything is up to date") && !again.contains("could not be read"), "{again}");
}

#[test]
fn a_rerun_with_other_parallelism_and_memory_gives_the_same_bytes() {
    let workspace = sample();
    let run = ["run", "pipelines/sample.yaml", "--period", "2026-02"];
    workspace.run_ok(&[&run[..], &["--jobs", "1"]].concat());
    let first = content(&workspace, "output/sample");
    assert!(first.len() >= 6, "a month has six tables");
    for options in [["--jobs", "2"], ["--jobs", "7"], ["--memory-limit", "200MiB"], ["--memory-limit", "80MiB"]] {
        let again = workspace.run_ok(&[&run[..], &options, &["--format", "json", "--force"]].concat());
        assert!(content(&workspace, "output/sample") == first, "{options:?} changed the tables");
        let report: serde_json::Value = serde_json::from_slice(&again.stdout).expect("report");
        let statuses: BTreeSet<&str> =
            report["sources"].as_array().expect("sources").iter().filter_map(|unit| unit["status"].as_str()).collect();
        assert_eq!(statuses, BTreeSet::from(["unchanged"]));
    }
}

#[test]
fn a_rule_that_takes_nothing_and_rules_in_another_order_change_no_byte() {
    let workspace = sample();
    let pipeline = "pipelines/sample.yaml";
    let declared = std::fs::read_to_string(workspace.path(pipeline)).expect("pipeline");
    let run = |text: &str| {
        workspace.write(pipeline, text.as_bytes());
        workspace.run_ok(&["run", pipeline, "--period", "2026-02", "--format", "json"]);
        content(&workspace, "output/sample")
    };
    let first = run(&declared);
    // it reads a column and a tag of its own and is split by a driver that is matched by another column
    let nothing = "    - id: nothing\n      when: service = 'none' AND ResourceId LIKE 'x%' AND tag('owner') IS NULL\n      \
                   method: proportional\n      driver: visits\n\n";
    let visits = "  visits:\n    location: ../testdata/telemetry/requests/\n    time: ts\n    quantity: request_count\n    \
                  unit: Requests\n    target: customer_id\n    match: { RegionId: service }\n  cpu_seconds:\n";
    let more =
        declared.replacen("  rules:\n", &format!("  rules:\n{nothing}"), 1).replacen("  cpu_seconds:\n", visits, 1);
    assert!(more.matches("nothing").count() == declared.matches("nothing").count() + 1 && more.contains("visits:"));
    assert!(run(&more) == first, "a rule that takes nothing changed the tables");
    // `monitoring` stands last and shares no charge with the rules before it but `dedicated`
    let (rules, after) = declared.split_once("\n  # Charges that belong to other charges").expect("followers");
    let (before, monitoring) = rules.split_once("    - id: monitoring\n").expect("rule");
    let (head, others) = before.split_once("    # AWS, Google Cloud and Azure; also").expect("rule");
    let ordered = format!(
        "{head}    - id: monitoring\n{monitoring}\n    # AWS, Google Cloud and Azure; also{others}\n  # Charges that belong to \
         other charges{after}"
    );
    assert!(ordered.find("id: monitoring") < ordered.find("id: by-requests"));
    assert!(run(&ordered) == first, "the order of rules changed the tables");
}

#[test]
fn cost_by_charge_and_target_ties_to_both_tables_in_one_select() {
    let workspace = sample();
    workspace.run_ok(&["run", "pipelines/sample.yaml"]);
    let ledgers = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"];
    let sums = ledgers.map(|ledger| format!("sum({ledger})")).join(", ");
    let ask = |sql: &str| workspace.query("output/sample", sql);
    for by in ["x_AllocationTargetId, x_Team", "ServiceName, x_Service, x_AllocationRuleId"] {
        let of = |table: &str| {
            let columns = format!("x_BillingPeriod, {by}, {sums}");
            ask(&format!("SELECT {columns} FROM {table} GROUP BY x_BillingPeriod, {by} ORDER BY x_BillingPeriod, {by}"))
        };
        assert!(of("charge_targets") == of("allocated_charges"), "{by}");
    }
    // no part is without its charges, and no charge is given away in part
    assert_eq!(ask("SELECT count(*) FROM charge_targets WHERE x_ChargeId IS NULL"), [["0"]]);
    let open = "SELECT count(*) FROM (SELECT x_ChargeId, sum(EffectiveCost) AS Cost FROM charge_targets GROUP BY 1) t \
                JOIN focus_charges f ON t.x_ChargeId = f.x_ChargeId WHERE t.Cost <> f.EffectiveCost";
    assert_eq!(ask(open), [["0"]]);
    let resources = "SELECT ResourceId, x_AllocationTargetId, sum(EffectiveCost) AS Cost FROM charge_targets \
                     WHERE x_BillingPeriod = '2026-03' AND ResourceId IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 5";
    assert_eq!(ask(resources).len(), 5);
    // where the rules are gone the costs stay, without charges
    std::fs::remove_file(workspace.path("output/sample/_apportion/certificates/2026-01.json")).expect("certificate");
    let all = |table: &str| ask(&format!("SELECT x_BillingPeriod, {sums} FROM {table} GROUP BY 1 ORDER BY 1"));
    assert!(all("charge_targets") == all("allocated_charges"));
    let without = ask("SELECT DISTINCT x_BillingPeriod FROM charge_targets WHERE x_ChargeId IS NULL");
    assert_eq!(without, [["2026-01"]]);
}

#[test]
fn the_last_thirty_days_end_with_a_whole_day() {
    let workspace = sample();
    workspace.run_ok(&["run", "pipelines/sample.yaml"]);
    let ask = |sql: &str| workspace.query("output/sample", sql);
    for table in ["allocated_charges", "unit_economics_daily"] {
        // Google's March ends at midnight in Los Angeles, seven hours into the first of April.
        assert_eq!(ask(&format!("SELECT max(x_ChargeDate) FROM {table}")), [["2026-04-01"]], "{table}");
        let partial = ask(&format!(
            "SELECT x_BillingPeriod, min(x_ChargeDate), max(x_ChargeDate) FROM {table} WHERE x_IsPartialDay \
             GROUP BY 1 ORDER BY 1"
        ));
        let days = ["2026-01,2026-02-01,2026-02-01", "2026-02,2026-03-01,2026-03-01", "2026-03,2026-04-01,2026-04-01"];
        assert_eq!(partial.iter().map(|row| row.join(",")).collect::<Vec<_>>(), days, "{table}");
    }
    let others = "SELECT count(*) FROM allocated_charges WHERE x_IsPartialDay AND x_Source <> 'gcp-analytics'";
    assert_eq!(ask(others), [["0"]], "the months of AWS and Azure end in UTC");
    // The recipe of the guide: thirty whole days, each of all billing periods.
    let guide = std::fs::read_to_string(root().join("docs/guides/connect-bi.md")).expect("guide");
    let recipe = guide.split("WITH newest").nth(1).and_then(|rest| rest.split(';').next()).expect("recipe");
    let days = ask(&format!("WITH newest{recipe}"));
    assert_eq!((days.len(), days[0][0].as_str(), days[29][0].as_str()), (30, "2026-03-02", "2026-03-31"));
    let march = "SELECT sum(EffectiveCost) FROM allocated_charges WHERE x_ChargeDate = DATE '2026-03-02'";
    assert_eq!(vec![vec![days[0][1].clone()]], ask(march));
}

#[test]
fn delta_holds_the_same_rows_as_parquet() {
    let workspace = sample();
    let run = ["run", "pipelines/sample.yaml", "--period", "2026-03"];
    let delta = [&run[..], &["--destination", "delta", "--table-format", "delta"]].concat();
    workspace.run_ok(&[&run[..], &["--destination", "parquet"]].concat());
    workspace.run_ok(&delta);
    for table in [
        "focus_charges",
        "allocated_charges",
        "driver_quantities",
        "unit_economics_daily",
        "unit_economics_monthly",
        "reconciliation",
        "completeness",
    ] {
        let columns = workspace.query(
            "parquet",
            &format!("SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"),
        );
        let mut columns: Vec<String> = columns.into_iter().flatten().collect();
        columns.sort();
        let sql = format!("SELECT {} FROM {table}", columns.join(", "));
        let sorted = |destination: &str| {
            let mut rows = workspace.query(destination, &sql);
            rows.sort();
            rows
        };
        assert!(sorted("parquet") == sorted("delta"), "{table}");
    }
    let log = workspace.path("delta/focus_charges/_delta_log");
    let versions = || std::fs::read_dir(&log).expect("log").count();
    let before = versions();
    workspace.run_ok(&delta);
    assert_eq!(versions(), before, "a rerun commits nothing");
}

#[test]
fn one_failing_period_leaves_the_others_published() {
    let workspace = sample();
    let data = "testdata/exports/aws/cur2/acme/data/BILLING_PERIOD=2026-02/acme-00001.snappy.parquet";
    let whole = std::fs::read(workspace.path(data)).expect("export");
    workspace.write(data, &whole[..whole.len() / 2]);
    let output = workspace.run(&["run", "pipelines/sample.yaml", "--source", "aws-main"]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output, &[]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("acme-00001.snappy.parquet"), "the object is named: {text}");
    let periods = workspace.query("output/sample", "SELECT DISTINCT x_BillingPeriod FROM focus_charges ORDER BY 1");
    assert_eq!(periods, [["2026-01"], ["2026-03"]]);
    workspace.write(data, &whole);
    workspace.run_ok(&["run", "pipelines/sample.yaml", "--period", "2026-02"]);
    let periods = workspace.query("output/sample", "SELECT DISTINCT x_BillingPeriod FROM allocated_charges ORDER BY 1");
    assert_eq!(periods, [["2026-01"], ["2026-02"], ["2026-03"]]);
}

#[test]
fn shuffled_and_resplit_exports_give_the_same_bytes() {
    let workspace = sample();
    let run = ["run", "pipelines/sample.yaml", "--period", "2026-02"];
    workspace.run_ok(&run);
    let first = content(&workspace, "output/sample");
    let folder = "testdata/exports/aws/cur2/acme/data/BILLING_PERIOD=2026-02";
    let mut batches = Vec::new();
    for name in ["acme-00001.snappy.parquet", "acme-00002.snappy.parquet"] {
        let path = workspace.path(&format!("{folder}/{name}"));
        let file = std::fs::File::open(&path).expect("export");
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).expect("footer");
        batches.extend(reader.build().expect("reader").map(|batch| batch.expect("batch")));
        std::fs::remove_file(path).expect("remove");
    }
    let schema = batches[0].schema();
    let all = arrow::compute::concat_batches(&schema, &batches).expect("one batch");
    // 7919 is prime and larger than any factor of the row count, so every row is taken once.
    let rows = all.num_rows() as u64;
    let order: arrow::array::UInt64Array = (0..rows).map(|index| (index * 7919 + 13) % rows).collect();
    let shuffled = arrow::compute::take_record_batch(&all, &order).expect("shuffled");
    for part in 0..3 {
        let from = all.num_rows() * part / 3;
        let length = all.num_rows() * (part + 1) / 3 - from;
        let mut bytes = Vec::new();
        let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, schema.clone(), None).expect("writer");
        writer.write(&shuffled.slice(from, length)).expect("rows");
        writer.close().expect("footer");
        workspace.write(&format!("{folder}/other-{part}.parquet"), &bytes);
    }
    // Without its manifest the folder itself is the delivery.
    std::fs::remove_dir_all(workspace.path("testdata/exports/aws/cur2/acme/metadata/BILLING_PERIOD=2026-02"))
        .expect("manifest");
    workspace.run_ok(&run);
    assert!(content(&workspace, "output/sample") == first, "the order and split of the input changed the tables");
}
