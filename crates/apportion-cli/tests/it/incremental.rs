//! Runs that come again: what changed is done, the rest is left alone, and the result is the same
//! as doing everything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::estate::{MONTHS, bill, bill_key, change, estate, requests, requests_key};
use crate::sample::content;
use crate::support::{Workspace, transcript};

/// What a run did: status by `2026-01 bill` and `2026-01 allocation`.
fn run(workspace: &Workspace, options: &[&str]) -> BTreeMap<String, String> {
    let output = workspace.run_ok(&[&["run", "pipeline.yaml", "--format", "json"], options].concat());
    statuses(&serde_json::from_slice(&output.stdout).expect("report"))
}

fn statuses(report: &Json) -> BTreeMap<String, String> {
    let text = |value: &Json, key: &str| value[key].as_str().expect("text").to_owned();
    let sources = report["sources"].as_array().expect("sources").iter();
    let sources =
        sources.map(|it| (format!("{} {}", text(it, "billing_period"), text(it, "source")), text(it, "status")));
    let allocations = report["allocations"].as_array().expect("allocations").iter();
    let allocations = allocations.map(|it| (format!("{} allocation", text(it, "billing_period")), text(it, "status")));
    sources.chain(allocations).collect()
}

/// The units that were computed.
fn done(statuses: &BTreeMap<String, String>) -> Vec<&str> {
    statuses.iter().filter(|(_, status)| *status != "up_to_date").map(|(unit, _)| unit.as_str()).collect()
}

/// `plan` names the same units for the same reasons as `run` then does.
fn planned(workspace: &Workspace) -> Vec<String> {
    let output = workspace.run_ok(&["plan", "pipeline.yaml", "--format", "json"]);
    let report: Json = serde_json::from_slice(&output.stdout).expect("plan");
    let mut units = Vec::new();
    for (list, name) in [("units", "source"), ("allocations", "")] {
        for unit in report[list].as_array().expect("list") {
            if !unit["reasons"].as_array().expect("reasons").is_empty() {
                let name = unit.get(name).and_then(Json::as_str).unwrap_or("allocation");
                units.push(format!("{} {name}", unit["billing_period"].as_str().expect("period")));
            }
        }
    }
    units.sort();
    units
}

fn expect_run(workspace: &Workspace, units: &[&str]) {
    assert_eq!(done(&run(workspace, &[])), units);
    assert_eq!(done(&run(workspace, &[])), Vec::<&str>::new());
}

#[test]
fn only_what_changed_is_done_and_only_what_depends_on_it() {
    let workspace = estate("");
    let everything = run(&workspace, &[]);
    assert_eq!(done(&everything).len(), 6);
    assert!(everything.values().all(|status| status == "published"), "{everything:?}");
    assert_eq!(done(&run(&workspace, &[])), Vec::<&str>::new());
    let expect = |change: &str, units: &[&str]| {
        assert_eq!(planned(&workspace), units, "plan: {change}");
        assert_eq!(done(&run(&workspace, &[])), units, "{change}");
        assert_eq!(done(&run(&workspace, &[])), Vec::<&str>::new(), "{change}, again");
    };
    // A restated bill: its period.
    workspace.write(&bill_key("2026-02"), &bill("2026-02", &[("shared", 101.0), ("team-a", 10.5), ("team-b", 7.25)]));
    expect("a restated bill", &["2026-02 allocation", "2026-02 bill"]);
    // Late telemetry: its period, and the one whose fallback reads it.
    workspace.write(&requests_key("2026-01-06"), &requests("2026-01-06", &[("acme", 5)]));
    expect("late telemetry", &["2026-01 allocation", "2026-02 allocation"]);
    // A changed rule: every allocation, no charges.
    let text = std::fs::read_to_string(workspace.path("pipeline.yaml")).expect("pipeline");
    workspace.write("pipeline.yaml", text.replace("id: own", "id: owner").as_bytes());
    expect("a changed rule", &["2026-01 allocation", "2026-02 allocation", "2026-03 allocation"]);
    // A comment or another layout: nothing.
    workspace.write("pipeline.yaml", format!("# reviewed\n\n{}", text.replace("id: own", "id: owner")).as_bytes());
    expect("a comment", &[]);
    // A changed source: its charges; their content stays, so nothing else.
    let text = std::fs::read_to_string(workspace.path("pipeline.yaml")).expect("pipeline");
    let net = text.replace("location: export/ }", "location: export/, cost_basis_by_period: { 2026-03: net } }");
    workspace.write("pipeline.yaml", net.as_bytes());
    let output = workspace.run(&["run", "pipeline.yaml", "--format", "json"]);
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    assert_eq!(done(&statuses(&report)), ["2026-03 bill"], "net costs are missing: an error of that month alone");
    workspace.write("pipeline.yaml", text.as_bytes());
    expect("back again", &[]);
    // Somebody deleted what was published.
    std::fs::remove_file(
        workspace.path("tables/focus_charges/x_Source=bill/x_BillingPeriod=2026-03/part-00000.parquet"),
    )
    .expect("published");
    // A plan cannot know that the charges will turn out the same, a run finds out.
    assert_eq!(planned(&workspace), ["2026-03 allocation", "2026-03 bill"]);
    expect_run(&workspace, &["2026-03 bill"]);
    // Everything, on demand.
    assert_eq!(done(&run(&workspace, &["--force"])).len(), 6);
}

#[test]
fn any_order_of_runs_ends_in_the_same_bytes() {
    let nightly = estate("");
    for month in MONTHS {
        run(&nightly, &["--period", month]);
    }
    let backfilled = estate("");
    backfilled.run_ok(&["backfill", "pipeline.yaml", "--from", "2026-01", "--to", "2026-03", "--parallel", "3"]);
    let backwards = estate("");
    for month in MONTHS.iter().rev() {
        run(&backwards, &["--period", month]);
    }
    let tables = content(&nightly, "tables");
    assert!(tables.len() >= 18, "{} objects", tables.len());
    assert!(content(&backfilled, "tables") == tables, "a backfill differs from nightly runs");
    assert!(content(&backwards, "tables") == tables, "the order of runs matters");
}

#[test]
fn a_month_that_shrinks_is_held_back_until_it_is_accepted() {
    let workspace = estate("");
    run(&workspace, &[]);
    let before = content(&workspace, "tables");
    workspace.write(&bill_key("2026-03"), &bill("2026-03", &[("team-a", 10.5)]));
    let output = workspace.run(&["run", "pipeline.yaml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(3), "{}", transcript(&output, &[]));
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    let status = statuses(&report);
    assert_eq!(status["2026-03 bill"], "held");
    assert_eq!(status["2026-03 allocation"], "up_to_date");
    let message = report["sources"][2]["error"]["message"].as_str().expect("message");
    for figure in ["rows from 3 to 1", "BilledCost from 117.75 to 10.50 USD", "--accept-smaller"] {
        assert!(message.contains(figure), "{message}");
    }
    assert!(content(&workspace, "tables") == before, "nothing of the held month is visible");
    assert_eq!(workspace.run(&["run", "pipeline.yaml"]).status.code(), Some(3), "it stays held back");
    let accepted = workspace.run_ok(&["run", "pipeline.yaml", "--accept-smaller", "2026-03/bill"]);
    let told = transcript(&accepted, &[]);
    assert!(told.contains("by --accept-smaller: rows from 3 to 1"), "{told}");
    assert_eq!(done(&run(&workspace, &[])), Vec::<&str>::new());
    // A share of 1 never holds anything back.
    let lenient = estate("runs: { hold_when_smaller_by: 1 }\n");
    run(&lenient, &[]);
    lenient.write(&bill_key("2026-03"), &bill("2026-03", &[("team-a", 10.5)]));
    assert_eq!(run(&lenient, &[])["2026-03 bill"], "published");
}

#[test]
fn open_periods_are_the_current_one_and_the_look_back() {
    let workspace = estate("runs: { look_back: 1 }\n");
    let output = workspace.run_ok(&["run", "pipeline.yaml", "--format", "json", "--as-of", "2026-03-07"]);
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    let status = statuses(&report);
    assert_eq!(done(&status), ["2026-02 allocation", "2026-02 bill", "2026-03 allocation", "2026-03 bill"]);
    let note = report["notes"][0].as_str().expect("note");
    assert!(note.contains("--from 2026-01 --to 2026-01"), "{note}");
    // An older month that was published is looked at for ever.
    workspace.run_ok(&["backfill", "pipeline.yaml", "--from", "2025-11", "--to", "2026-01"]);
    workspace.write(&bill_key("2026-01"), &bill("2026-01", &[("shared", 99.0), ("team-a", 10.5), ("team-b", 7.25)]));
    let status = run(&workspace, &["--as-of", "2026-03-07"]);
    assert_eq!(done(&status), ["2026-01 allocation", "2026-01 bill"]);
    // As of an earlier day, later months do not exist.
    let early = estate("");
    assert_eq!(done(&run(&early, &["--as-of", "2026-02-01"])).len(), 4);
    let output = workspace.run(&["backfill", "pipeline.yaml", "--from", "2025-11"]);
    assert_eq!(output.status.code(), Some(2), "{}", transcript(&output, &[]));
}

#[test]
fn a_month_that_fails_does_not_stop_a_backfill_and_is_done_next_time() {
    let workspace = estate("");
    workspace.write(&bill_key("2026-02"), b"PAR1 cut off");
    let backfill = ["backfill", "pipeline.yaml", "--from", "2026-01", "--to", "2026-03", "--format", "json"];
    let output = workspace.run(&backfill);
    assert_eq!(output.status.code(), Some(1));
    let status = statuses(&serde_json::from_slice(&output.stdout).expect("report"));
    assert_eq!(status["2026-02 bill"], "failed");
    assert_eq!(status["2026-03 allocation"], "published");
    let (_, good) = crate::estate::objects().into_iter().find(|(key, _)| *key == bill_key("2026-02")).expect("bill");
    workspace.write(&bill_key("2026-02"), &good);
    let output = workspace.run_ok(&backfill);
    let status = statuses(&serde_json::from_slice(&output.stdout).expect("report"));
    assert_eq!(done(&status), ["2026-02 allocation", "2026-02 bill"]);
}

/// A lock document of a process that is not there.
fn lock(workspace: &Workspace, number: u32, owner: &str, renewed: &str) {
    let document =
        format!(r#"{{"owner": {owner}, "taken_at": "{renewed}", "renewed_at": "{renewed}", "renewals": 7}}"#);
    workspace.write(&format!("tables/_apportion/lock/{number:010}.json"), document.as_bytes());
}

#[test]
fn a_second_run_is_refused_and_a_dead_one_does_not_block() {
    let workspace = estate("");
    run(&workspace, &["--period", "2026-01"]);
    // Somebody on another machine, alive a moment ago.
    let elsewhere = r#"{"run_id": "r1", "host": "other-machine", "process": 4711}"#;
    lock(&workspace, 2, elsewhere, &chrono_now());
    let output = workspace.run(&["run", "pipeline.yaml"]);
    assert_eq!(output.status.code(), Some(75), "{}", transcript(&output, &[]));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("run r1 (process 4711 on other-machine)"), "{message}");
    assert!(!workspace.path("tables/focus_charges/x_Source=bill/x_BillingPeriod=2026-02").exists());
    // Reading is not writing.
    workspace.run_ok(&["query", "--destination", "tables", "SELECT count(*) FROM focus_charges"]);
    workspace.run_ok(&["plan", "pipeline.yaml"]);
    // A process of this machine that is gone: taken over at once. Its number is ours, its start is not.
    let text = std::fs::read_to_string(workspace.path("tables/_apportion/lock/0000000002.json")).expect("lock");
    assert!(text.contains("other-machine"), "the refused run left the lock alone");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("boot");
    let namespace = std::fs::read_link("/proc/self/ns/pid").expect("namespace").display().to_string();
    let dead = format!(
        r#"{{"run_id": "r2", "host": "here", "process": {}, "identity": {{"boot": "{}", "namespace": "{namespace}", "started": "1"}}}}"#,
        std::process::id(),
        boot.trim()
    );
    lock(&workspace, 3, &dead, &chrono_now());
    let started = Instant::now();
    run(&workspace, &[]);
    assert!(started.elapsed() < Duration::from_secs(15), "nobody waited for an expiry");
    let locks: Vec<_> = std::fs::read_dir(workspace.path("tables/_apportion/lock")).expect("locks").flatten().collect();
    assert_eq!(locks.len(), 1, "old documents are gone");
    let last = std::fs::read_to_string(locks[0].path()).expect("lock");
    assert!(last.contains("released_at"), "{last}");
}

/// Now, as a lock document says it.
fn chrono_now() -> String {
    let output = std::process::Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().expect("date");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[test]
fn a_terminated_run_ends_within_seconds_and_the_next_one_does_the_rest() {
    let workspace = crate::sample::sample();
    let mut child = crate::support::apportion()
        .args(["run", "pipelines/sample.yaml", "--format", "json"])
        .current_dir(workspace.path(""))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("binary");
    // Some of the first month is published, so the run is in the middle.
    let published = workspace.path("output/sample/focus_charges/x_Source=aws-main/x_BillingPeriod=2026-01");
    let begun = Instant::now();
    while !published.exists() && begun.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let asked = Instant::now();
    let killed = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let status = child.wait().expect("end");
    assert!(asked.elapsed() < Duration::from_secs(12), "{:?}", asked.elapsed());
    assert_eq!(status.code(), Some(4));
    let output = workspace.run_ok(&["run", "pipelines/sample.yaml", "--format", "json"]);
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    let status = statuses(&report);
    assert_eq!(status["2026-01 aws-main"], "up_to_date", "what was done is not done again");
    let whole = crate::sample::sample();
    whole.run_ok(&["run", "pipelines/sample.yaml"]);
    assert!(content(&workspace, "output/sample") == content(&whole, "output/sample"), "a stop left a trace");
    // Nothing of the stopped run is left in the work directory or as a lock.
    let ledger = workspace.query("output/sample", "SELECT x_Status, count(*) FROM run_ledger GROUP BY 1 ORDER BY 1");
    assert!(ledger.iter().any(|row| row[0] == "stopped"), "{ledger:?}");
}

#[test]
fn a_night_with_nothing_new_costs_a_handful_of_requests() {
    use apportion_testkit::s3::S3Server;
    let server = S3Server::start_blocking();
    // A year of months and their telemetry.
    for month in (1..=12).map(|month| format!("2025-{month:02}")) {
        server.put("acme", &bill_key(&month), bill(&month, &[("shared", 100.0), ("team-a", 10.5)]));
        let day = format!("{month}-05");
        server.put("acme", &requests_key(&day), requests(&day, &[("acme", 30), ("bolt", 10)]));
    }
    let workspace = Workspace::new();
    for format in ["parquet", "delta"] {
        let text = crate::estate::pipeline("s3://acme/", format, "").replace("tables/", &format!("{format}/"));
        workspace.write("pipeline.yaml", text.as_bytes());
        let run = || {
            let mut command = crate::support::apportion();
            command.args(["run", "pipeline.yaml"]).envs(server.environment()).current_dir(workspace.path(""));
            let output = command.output().expect("binary");
            assert!(output.status.success(), "{}", transcript(&output, &[]));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        run();
        server.forget_requests();
        let text = run();
        assert!(text.contains("Everything is up to date: 12 months of charges, 12 allocations"), "{text}");
        let requests = server.requests();
        assert!(requests.len() <= 30, "{format}: {} requests\n{requests:#?}", requests.len());
        let data = requests.iter().find(|it| it.method != "GET" || it.key.ends_with(".parquet"));
        let writes: Vec<_> = requests.iter().filter(|it| it.method != "GET").map(|it| &it.key).collect();
        assert!(!requests.iter().any(|it| it.key.ends_with(".parquet")), "{format}: {data:?}");
        // The lock, taken and given back (its predecessor is deleted by a request to the bucket), and the run's own
        // document.
        let own = |key: &str| key.contains("/lock/") || key.contains("/ledger/") || key == "acme";
        assert!(writes.iter().all(|key| own(key)), "{writes:?}");
    }
}

#[test]
fn a_source_that_cannot_be_listed_or_lacks_a_month_leaves_the_others_published() {
    let workspace = estate("");
    change(&workspace, "telemetry:\n", "  gone: { format: aws_cur_2, location: nothing/ }\ntelemetry:\n");
    let output = workspace.run(&["run", "pipeline.yaml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output, &[]));
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    let message = report["unlisted"]["gone"]["message"].as_str().expect("message");
    assert!(message.contains("nothing lies at the location"), "{message}");
    assert!(statuses(&report).values().all(|status| status == "published"), "{report}");
    // Alone it stops the command.
    assert_eq!(workspace.run(&["run", "pipeline.yaml", "--source", "gone"]).status.code(), Some(1));
    // A source of one month only is not in the way of the others.
    workspace
        .write("nothing/data/BILLING_PERIOD=2026-02/bill-00001.snappy.parquet", &bill("2026-02", &[("team-c", 1.0)]));
    assert_eq!(done(&run(&workspace, &["--period", "2026-02"])), ["2026-02 allocation", "2026-02 gone"]);
    let output = workspace.run_ok(&["run", "pipeline.yaml", "--period", "2026-01", "--format", "json"]);
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    assert!(report["notes"].to_string().contains("gone: the export has nothing of 2026-01"), "{report}");
    let output = workspace.run(&["run", "pipeline.yaml", "--period", "2025-01"]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output, &[]));
}

#[test]
fn a_check_that_fails_publishes_nothing_of_its_unit() {
    let workspace = estate("");
    run(&workspace, &[]);
    let before = content(&workspace, "tables");
    // Line items with ids that the first object has too.
    let lines = [("team-d", 7.5), ("team-c", 10.25)];
    workspace.write("export/data/BILLING_PERIOD=2026-02/bill-00002.snappy.parquet", &bill("2026-02", &lines));
    let output = workspace.run(&["run", "pipeline.yaml"]);
    let text = transcript(&output, &[]);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("focus_charges__key_is_unique") && text.contains("nothing of this unit was published"),
        "{text}"
    );
    assert!(content(&workspace, "tables") == before, "a refused unit changed the tables");
    // The very same object twice is told as what it is.
    let same = std::fs::read(workspace.path(&bill_key("2026-02"))).expect("bill");
    workspace.write("export/data/BILLING_PERIOD=2026-02/bill-00002.snappy.parquet", &same);
    let text = transcript(&workspace.run(&["run", "pipeline.yaml"]), &[]);
    assert!(text.contains("has the same content as") && text.contains("bill-00001.snappy.parquet"), "{text}");
}
