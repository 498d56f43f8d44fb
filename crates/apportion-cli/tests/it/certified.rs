//! What is certified is true: nothing stale stays beside new charges, nothing is allocated where
//! nothing is charged, and what goes wrong in one month leaves the others alone.

use std::collections::BTreeMap;
use std::process::Output;

use apportion_testkit::s3::{Fault, S3Server};
use serde_json::Value as Json;

use crate::estate::{bill, bill_key, change, estate, objects, pipeline};
use crate::sample::content;
use crate::support::{Workspace, apportion, transcript};

fn run(workspace: &Workspace, code: i32, options: &[&str]) -> Json {
    let output = workspace.run(&[&["run", "pipeline.yaml", "--format", "json"], options].concat());
    assert_eq!(output.status.code(), Some(code), "{}", transcript(&output, &[]));
    serde_json::from_slice(&output.stdout).expect("report")
}

fn plan(workspace: &Workspace, options: &[&str]) -> Json {
    let output = workspace.run_ok(&[&["plan", "pipeline.yaml", "--format", "json"], options].concat());
    serde_json::from_slice(&output.stdout).expect("plan")
}

/// Status by `2026-01 bill` and `2026-01 allocation`.
fn statuses(report: &Json) -> BTreeMap<String, String> {
    let text = |value: &Json, key: &str| value[key].as_str().unwrap_or("allocation").to_owned();
    let units = ["sources", "allocations"].into_iter().flat_map(|list| report[list].as_array().expect("list"));
    units.map(|it| (format!("{} {}", text(it, "billing_period"), text(it, "source")), text(it, "status"))).collect()
}

fn done(report: &Json) -> Vec<String> {
    let statuses = statuses(report).into_iter();
    statuses.filter(|(_, status)| status != "up_to_date").map(|(unit, status)| format!("{unit} {status}")).collect()
}

fn index(workspace: &Workspace) -> Json {
    let text = std::fs::read_to_string(workspace.path("tables/_apportion/units.json")).expect("index");
    serde_json::from_str(&text).expect("index")
}

/// The pipeline without everything that belongs to an allocation.
fn without_allocation(workspace: &Workspace) {
    let text = std::fs::read_to_string(workspace.path("pipeline.yaml")).expect("pipeline");
    let (before, rest) = text.split_once("allocation:\n").expect("allocation");
    let (_, after) = rest.split_once("destination:").expect("destination");
    let before = before.split_once("telemetry:\n").expect("telemetry").0;
    workspace.write("pipeline.yaml", format!("{before}destination:{after}").as_bytes());
}

#[test]
fn a_month_whose_only_source_failed_is_neither_allocated_nor_remembered() {
    for format in ["parquet", "delta"] {
        let workspace = estate("");
        change(&workspace, "format: parquet", &format!("format: {format}"));
        workspace.write(&bill_key("2026-02"), b"PAR1 cut off");
        let report = run(&workspace, 1, &[]);
        let status = statuses(&report);
        assert_eq!((&*status["2026-02 bill"], &*status["2026-02 allocation"]), ("failed", "failed"), "{format}");
        let message = report["allocations"][1]["error"]["message"].as_str().expect("message");
        assert!(message.contains("no source has published charges"), "{format}: {message}");
        assert!(index(&workspace)["units"].get("allocated_charges/2026-02").is_none(), "{format}");
        assert!(!workspace.path("tables/_apportion/certificates/2026-02.json").exists(), "{format}");
        let (_, good) = objects().into_iter().find(|(key, _)| *key == bill_key("2026-02")).expect("bill");
        workspace.write(&bill_key("2026-02"), &good);
        let expected = ["2026-02 allocation published", "2026-02 bill published"];
        assert_eq!(done(&run(&workspace, 0, &[])), expected, "{format}");
    }
}

#[test]
fn a_month_without_charges_is_as_empty_when_it_is_allocated() {
    for format in ["parquet", "delta"] {
        let workspace = estate("");
        change(&workspace, "format: parquet", &format!("format: {format}"));
        workspace.write(&bill_key("2026-02"), &bill("2026-02", &[]));
        let status = statuses(&run(&workspace, 0, &[]));
        assert_eq!((&*status["2026-02 bill"], &*status["2026-02 allocation"]), ("unchanged", "unchanged"), "{format}");
        assert_eq!(done(&run(&workspace, 0, &[])), [""; 0], "{format}");
        workspace.run_ok(&["verify", "pipeline.yaml"]);
        // Charges that are taken back take their allocation with them.
        workspace.write(&bill_key("2026-03"), &bill("2026-03", &[]));
        assert_eq!(done(&run(&workspace, 3, &[])), ["2026-03 bill held"], "{format}");
        let accepted = done(&run(&workspace, 0, &["--accept-smaller", "2026-03"]));
        assert_eq!(accepted, ["2026-03 allocation published", "2026-03 bill published"], "{format}");
        let left = workspace.query("tables", "SELECT DISTINCT x_BillingPeriod FROM allocated_charges");
        assert_eq!(left, [["2026-01"]], "{format}");
        assert_eq!(done(&run(&workspace, 0, &[])), [""; 0], "{format}");
        workspace.run_ok(&["verify", "pipeline.yaml"]);
    }
}

#[test]
fn an_allocation_that_the_pipeline_no_longer_declares_is_withdrawn() {
    for (format, remembered) in [("parquet", true), ("delta", true), ("parquet", false), ("delta", false)] {
        let case = format!("{format}, index: {remembered}");
        let workspace = estate("");
        change(&workspace, "format: parquet", &format!("format: {format}"));
        run(&workspace, 0, &[]);
        let whole = std::fs::read(workspace.path("pipeline.yaml")).expect("pipeline");
        without_allocation(&workspace);
        workspace
            .write(&bill_key("2026-02"), &bill("2026-02", &[("shared", 101.0), ("team-a", 10.5), ("team-b", 7.25)]));
        if !remembered {
            std::fs::remove_file(workspace.path("tables/_apportion/units.json")).expect("index");
        }
        let planned = plan(&workspace, &[]);
        let actions: Vec<&str> =
            planned["allocations"].as_array().expect("list").iter().filter_map(|it| it["action"].as_str()).collect();
        assert_eq!(actions, ["withdraw"; 3], "{case}: {planned}");
        let empties = planned["empties"].as_array().expect("list");
        assert!(empties.contains(&"allocated_charges/x_BillingPeriod=2026-03/".into()), "{case}: {empties:?}");
        assert!(planned["writes"].to_string().contains("focus_charges/x_Source=bill/x_BillingPeriod=2026-02/"));
        let withdrawn = run(&workspace, 0, &[]);
        let expected = ["2026-01 allocation withdrawn", "2026-02 allocation withdrawn"];
        assert!(expected.iter().all(|unit| done(&withdrawn).contains(&(*unit).to_owned())), "{case}: {withdrawn}");
        // It is declared so, and told with what went away.
        // two customers of the shared account, and two accounts
        let what = if remembered { "4 allocated charges, effective USD 117.75" } else { "what was published of it" };
        let note = withdrawn["allocations"][0]["notes"][0].as_str().unwrap_or_else(|| panic!("{case}: {withdrawn}"));
        let because = format!("withdrew {what}, because the pipeline declares no allocation");
        assert!(note.starts_with(&because), "{case}: {note}");
        for table in ["allocated_charges", "driver_quantities", "unit_economics_daily", "unit_economics_monthly"] {
            let output = workspace.run(&["query", "--destination", "tables", &format!("SELECT count(*) FROM {table}")]);
            let rows = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(!output.status.success() || rows.contains(" 0 "), "{case}: {table}: {rows}");
        }
        let stages = workspace.query("tables", "SELECT DISTINCT x_Stage FROM reconciliation");
        assert_eq!(stages, [["normalization"]], "{case}");
        workspace.run_ok(&["verify", "pipeline.yaml"]);
        assert_eq!(done(&run(&workspace, 0, &[])), [""; 0], "{case}");
        if format == "parquet" {
            let fresh = estate("");
            without_allocation(&fresh);
            let restated = std::fs::read(workspace.path(&bill_key("2026-02"))).expect("bill");
            fresh.write(&bill_key("2026-02"), &restated);
            run(&fresh, 0, &[]);
            assert!(content(&workspace, "tables") == content(&fresh, "tables"), "{case}: something of it is left");
        }
        // And back.
        workspace.write("pipeline.yaml", &whole);
        let back = done(&run(&workspace, 0, &[]));
        assert_eq!(back.iter().filter(|unit| unit.ends_with("allocation published")).count(), 3, "{case}: {back:?}");
        workspace.run_ok(&["verify", "pipeline.yaml"]);
    }
}

#[test]
fn tables_that_do_not_tie_are_not_certified() {
    let workspace = estate("");
    run(&workspace, 0, &[]);
    // The allocation of another month in place of this one: whole files, and another total.
    workspace.write(&bill_key("2026-02"), &bill("2026-02", &[("shared", 99.0), ("team-a", 10.5), ("team-b", 7.25)]));
    run(&workspace, 0, &[]);
    let part = |month: &str| format!("tables/allocated_charges/x_BillingPeriod={month}/part-00000.parquet");
    std::fs::copy(workspace.path(&part("2026-02")), workspace.path(&part("2026-03"))).expect("copy");
    std::fs::remove_file(workspace.path("tables/_apportion/certificates/2026-03.json")).expect("certificate");
    let size = |month: &str| std::fs::metadata(workspace.path(&part(month))).expect("part").len();
    let mut units = index(&workspace);
    // As if the run that published it had ended so.
    for entry in units["units"]["allocated_charges/2026-03"]["published"].as_array_mut().expect("published") {
        if entry["table"] == "allocated_charges" {
            entry["bytes"][0] = size("2026-03").into();
        }
    }
    workspace.write("tables/_apportion/units.json", units.to_string().as_bytes());
    let report = run(&workspace, 3, &[]);
    assert_eq!(done(&report), [""; 0]);
    let message = report["failures"]["2026-03"]["message"].as_str().unwrap_or_else(|| panic!("{report}"));
    assert!(message.contains("do not tie") && message.contains("bill billed USD"), "{message}");
    assert!(!workspace.path("tables/_apportion/certificates/2026-03.json").exists());
    assert_eq!(workspace.run(&["verify", "pipeline.yaml"]).status.code(), Some(3));
    run(&workspace, 0, &["--force"]);
    workspace.run_ok(&["verify", "pipeline.yaml"]);
}

/// The company, or some of its objects, in a bucket, and the pipeline that reads and writes there.
fn in_a_bucket(format: &str, wanted: impl Fn(&str) -> bool) -> (S3Server, Workspace) {
    let server = S3Server::start_blocking();
    for (key, content) in objects().into_iter().filter(|(key, _)| wanted(key)) {
        server.put("acme", &key, content);
    }
    let workspace = Workspace::new();
    workspace.write("pipeline.yaml", pipeline("s3://acme/", format, "").as_bytes());
    (server, workspace)
}

fn command(server: &S3Server, workspace: &Workspace, arguments: &[&str]) -> Output {
    let mut command = apportion();
    command.args(arguments).envs(server.environment()).current_dir(workspace.path(""));
    command.output().expect("binary")
}

#[test]
fn a_certificate_that_cannot_be_written_is_the_failure_of_its_month() {
    for format in ["parquet", "delta"] {
        let (server, workspace) = in_a_bucket(format, |_| true);
        let command = |arguments: &[&str]| command(&server, &workspace, arguments);
        server.fault(Fault::Refuse {
            method: "PUT",
            key: "certificates/2026-02".to_owned(),
            status: 403,
            code: "AccessDenied",
            count: usize::MAX,
        });
        let months = ["--from", "2026-01", "--to", "2026-03", "--parallel", "3", "--format", "json"];
        let output = command(&[&["backfill", "pipeline.yaml"], &months[..]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", transcript(&output, &[]));
        let report: Json = serde_json::from_slice(&output.stdout).expect("report");
        assert!(statuses(&report).values().all(|status| status == "published"), "{format}: {report}");
        let failures = report["failures"].as_object().expect("failures");
        assert_eq!(failures.keys().collect::<Vec<_>>(), ["2026-02"], "{format}");
        assert_eq!(failures["2026-02"]["kind"], "permission_denied", "{format}: {failures:?}");
        let certified: Vec<String> =
            server.keys("acme").into_iter().filter(|key| key.contains("/certificates/")).collect();
        assert_eq!(certified.len(), 2, "{format}: {certified:?}");
        let ledger = server.keys("acme").into_iter().find(|key| key.contains("/ledger/")).expect("ledger");
        let ledger: Json = serde_json::from_slice(&server.get("acme", &ledger).expect("ledger")).expect("ledger");
        assert!(ledger["finished_at"].is_string(), "{format}: {ledger}");
        server.clear_faults();
        let output = command(&["run", "pipeline.yaml", "--format", "json"]);
        assert!(output.status.success(), "{}", transcript(&output, &[]));
        assert_eq!(done(&serde_json::from_slice(&output.stdout).expect("report")), [""; 0], "{format}");
        assert_eq!(server.keys("acme").iter().filter(|key| key.contains("/certificates/")).count(), 3, "{format}");
        let output = command(&["verify", "pipeline.yaml"]);
        assert!(output.status.success(), "{}", transcript(&output, &[]));
    }
}

#[test]
fn a_diff_that_is_refused_says_so() {
    for format in ["parquet", "delta"] {
        let (server, workspace) = in_a_bucket(format, |key| key.contains("2026-01"));
        let command = |arguments: &[&str]| command(&server, &workspace, arguments);
        assert!(command(&["run", "pipeline.yaml"]).status.success());
        server.put(
            "acme",
            &bill_key("2026-01"),
            bill("2026-01", &[("shared", 90.0), ("team-c", 10.5), ("team-d", 7.0)]),
        );
        // Two causes, so that the state between them is computed from what is kept of the charges.
        change(&workspace, "id: own", "id: owner");
        assert!(command(&["run", "pipeline.yaml"]).status.success());
        let diff = ["diff", "pipeline.yaml", "--period", "2026-01"];
        let told = command(&diff);
        assert!(told.status.success(), "{}", transcript(&told, &[]));
        assert!(!String::from_utf8_lossy(&told.stdout).contains("told as one"), "{}", transcript(&told, &[]));
        let places: &[(&str, &str)] = match format {
            "delta" => &[
                ("HEAD", "focus_charges/x_Source"),
                ("", "focus_charges/_delta_log/0"),
                ("", "allocated_charges/x_Billing"),
                ("", "allocated_charges/_delta_log/0"),
            ],
            _ => &[
                ("HEAD", "tables/focus_charges/x_Source"),
                ("", "versions/allocated_charges"),
                ("", "allocated_charges/x_Billing"),
            ],
        };
        for (method, place) in places {
            server.fault(Fault::Refuse {
                method,
                key: (*place).to_owned(),
                status: 403,
                code: "AccessDenied",
                count: usize::MAX,
            });
            let output = command(&diff);
            server.clear_faults();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{format} {place}: {}", transcript(&output, &[]));
            let wrong = ["not kept", "no longer kept", "were deleted", "left it half published"];
            assert!(!wrong.iter().any(|wrong| told.contains(wrong)), "{format} {place}: {told}");
            assert!(told.to_lowercase().contains("denie") || told.contains("privileges"), "{format} {place}: {told}");
        }
    }
}

#[test]
fn values_are_identified_by_functions_sql_and_contracts_and_not_by_a_version() {
    let workspace = estate("");
    run(&workspace, 0, &[]);
    let whole = index(&workspace);
    let changed = |key: &str, value: &dyn Fn(&str) -> String| {
        let mut units = whole.clone();
        for (_, unit) in units["units"].as_object_mut().expect("units") {
            unit[key] = value(unit[key].as_str().expect(key)).into();
        }
        workspace.write("tables/_apportion/units.json", units.to_string().as_bytes());
        let planned = plan(&workspace, &[]);
        let lists = ["units", "allocations"].into_iter().flat_map(|list| planned[list].as_array().expect("list"));
        let reasons = lists.flat_map(|unit| unit["reasons"].as_array().expect("reasons"));
        reasons.map(|reason| reason.as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    // Another version of the program, with the same functions.
    let next = |version: &str| format!("9.9.9+{}", version.split_once('+').expect("functions").1);
    assert_eq!(changed("engine_version", &next), [""; 0]);
    let other = changed("engine_version", &|version| format!("{version}0"));
    assert_eq!(other.len(), 6 + 3, "three allocations also wait for their charges: {other:?}");
    let contracts = changed("contract_digest", &|_| "another".to_owned());
    assert_eq!(contracts.iter().filter(|reason| reason.contains("contracts of the tables")).count(), 6);
    let sql = changed("sql_digest", &|_| "another".to_owned());
    assert_eq!(sql.iter().filter(|reason| reason.contains("SQL models or seeds")).count(), 6);
    // The libraries are recorded.
    for folder in ["ledger", "certificates"] {
        let folder = std::fs::read_dir(workspace.path(&format!("tables/_apportion/{folder}"))).expect("folder");
        let document = std::fs::read_to_string(folder.flatten().next().expect("document").path()).expect("document");
        let document: Json = serde_json::from_str(&document).expect("document");
        let libraries = document["libraries"].as_str().expect("libraries");
        assert!(libraries.contains("arrow ") && libraries.contains("zstd "), "{libraries}");
    }
}
