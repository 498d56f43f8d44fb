//! What somebody else puts among the tables is found by every command that looks at them, never counted by ours and
//! never deleted.

use std::fs;

use serde_json::Value as Json;

use crate::estate::{bill, bill_key, change, estate};
use crate::support::{Workspace, transcript};

fn workspace(format: &str) -> Workspace {
    let workspace = estate("");
    change(&workspace, "format: parquet", &format!("format: {format}"));
    workspace.run_ok(&["run", "pipeline.yaml"]);
    workspace
}

fn report(workspace: &Workspace, code: i32, arguments: &[&str]) -> Json {
    let output = workspace.run(&[arguments, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?} {}", transcript(&output, &[]));
    serde_json::from_slice(&output.stdout).expect("report")
}

/// The first published part of the charges of a month, relative to the workspace.
fn part(workspace: &Workspace, month: &str) -> String {
    let folder = format!("tables/focus_charges/x_Source=bill/x_BillingPeriod={month}");
    let file = fs::read_dir(workspace.path(&folder)).expect("partition").flatten().next().expect("part");
    format!("{folder}/{}", file.file_name().into_string().expect("name"))
}

fn charges(workspace: &Workspace) -> String {
    workspace.query("tables", "SELECT count(*) FROM focus_charges")[0][0].clone()
}

/// `run`, `plan` and `verify` all name the object; `run` and `verify` end with 3.
fn told(workspace: &Workspace, object: &str) {
    let run = report(workspace, 3, &["run", "pipeline.yaml"]);
    assert_eq!(run["foreign"][0]["object"], object, "{run:#}");
    assert!(run["sources"].as_array().expect("sources").iter().all(|unit| unit["status"] == "up_to_date"), "{run:#}");
    let text = transcript(&workspace.run(&["run", "pipeline.yaml"]), &[]);
    assert!(text.contains(object) && !text.contains("Everything is up to date"), "{text}");
    assert_eq!(report(workspace, 0, &["plan", "pipeline.yaml"])["foreign"][0]["object"], object);
    let verified = workspace.run(&["verify", "pipeline.yaml"]);
    let text = transcript(&verified, &[]);
    assert_eq!(verified.status.code(), Some(3), "{text}");
    assert!(text.contains("no run published this object") && text.contains(object), "{text}");
}

#[test]
fn a_stray_copy_of_a_part_is_found_and_holds_its_month() {
    for format in ["parquet", "delta"] {
        let workspace = workspace(format);
        let original = part(&workspace, "2026-02");
        // Called as ours would be, in the partition of another month too.
        for (index, copy) in [
            original.replace("part-00000", "part-00001"),
            original.replace(".parquet", " copy.parquet"),
            original.replace("2026-02", "2026-03").replace("part-00000", "part-00009"),
        ]
        .into_iter()
        .enumerate()
        {
            fs::copy(workspace.path(&original), workspace.path(&copy)).expect("copy");
            let object = copy.strip_prefix("tables/").expect("relative");
            if index == 0 {
                told(&workspace, object);
                assert_eq!(charges(&workspace), "9", "{format}: our own reader does not count it");
            }
            assert_eq!(report(&workspace, 3, &["run", "pipeline.yaml"])["foreign"][0]["object"], object);
            fs::remove_file(workspace.path(&copy)).expect("copy");
        }
        report(&workspace, 0, &["run", "pipeline.yaml"]);
        report(&workspace, 0, &["verify", "pipeline.yaml"]);
        // Nothing is published beside it; other months go on.
        let copy = original.replace(".parquet", "-old.parquet");
        fs::copy(workspace.path(&original), workspace.path(&copy)).expect("copy");
        for month in ["2026-01", "2026-02"] {
            workspace.write(&bill_key(month), &bill(month, &[("shared", 100.0), ("team-a", 10.5), ("team-b", 7.0)]));
        }
        let run = report(&workspace, 3, &["run", "pipeline.yaml"]);
        let statuses: Vec<&str> =
            run["sources"].as_array().expect("sources").iter().filter_map(|unit| unit["status"].as_str()).collect();
        assert_eq!(statuses, ["published", "held", "up_to_date"], "{format}: {run:#}");
        assert_eq!(run["allocations"][1]["status"], "held", "{format}: {run:#}");
        let message = run["sources"][1]["error"]["message"].as_str().expect("message");
        assert!(message.contains(copy.strip_prefix("tables/").expect("relative")), "{message}");
        assert!(workspace.path(&copy).exists(), "{format}: nobody deleted it");
        fs::remove_file(workspace.path(&copy)).expect("copy");
        report(&workspace, 0, &["run", "pipeline.yaml"]);
        report(&workspace, 0, &["verify", "pipeline.yaml"]);
    }
}

#[test]
fn a_file_in_a_foreign_folder_is_told_and_stays() {
    for format in ["parquet", "delta"] {
        let workspace = workspace(format);
        let original = part(&workspace, "2026-02");
        let stray = "focus_charges/backup/part-00000.parquet";
        fs::create_dir_all(workspace.path("tables/focus_charges/backup")).expect("folder");
        fs::copy(workspace.path(&original), workspace.path(&format!("tables/{stray}"))).expect("copy");
        told(&workspace, stray);
        // Not even by the command that deletes.
        let vacuum = ["vacuum", "pipeline.yaml", "--older-than", "0s", "--force"];
        let vacuum = if format == "delta" { &vacuum[..] } else { &vacuum[..4] };
        let output = workspace.run_ok(vacuum);
        assert!(workspace.path(&format!("tables/{stray}")).exists(), "{format}");
        let text = transcript(&output, &[]);
        assert!(text.contains("Left alone") && text.contains(stray), "{format}: {text}");
        // What no reader counts is told, and in nobody's way.
        fs::remove_file(workspace.path(&format!("tables/{stray}"))).expect("stray");
        let note = original.replace("part-00000", "READ-ME").replace(".parquet", ".txt");
        workspace.write(&note, b"do not delete");
        workspace
            .write(&bill_key("2026-02"), &bill("2026-02", &[("shared", 100.0), ("team-a", 10.5), ("team-b", 7.0)]));
        let run = report(&workspace, 0, &["run", "pipeline.yaml"]);
        assert_eq!(run["foreign"][0]["counted"], false, "{run:#}");
        assert_eq!(run["sources"][1]["status"], "published", "{run:#}");
        assert!(workspace.path(&note).exists(), "{format}: it was deleted");
    }
}

/// Another program appends to a Delta table, or takes a file of ours out of it.
#[test]
fn commits_of_other_programs_are_found() {
    let workspace = workspace("delta");
    let log = workspace.path("tables/focus_charges/_delta_log");
    let commit = |actions: &str| {
        let next = fs::read_dir(&log)
            .expect("log")
            .flatten()
            .filter(|it| it.path().extension().is_some_and(|it| it == "json"));
        let path = log.join(format!("{:020}.json", next.count()));
        fs::write(path, actions).expect("commit");
    };
    let original = part(&workspace, "2026-02");
    let (folder, ours) = original.rsplit_once('/').expect("folder");
    let theirs = "part-00000-0f9a3c9e-1c1b-4b6e-a8a5-6a6f0d0e9c11-c000.snappy.parquet";
    fs::copy(workspace.path(&original), workspace.path(&format!("{folder}/{theirs}"))).expect("copy");
    let size = fs::metadata(workspace.path(&original)).expect("part").len();
    let partition = r#""partitionValues":{"x_Source":"bill","x_BillingPeriod":"2026-02"}"#;
    let place = folder.strip_prefix("tables/focus_charges/").expect("place");
    commit(&format!(
        r#"{{"add":{{"path":"{place}/{theirs}",{partition},"size":{size},"modificationTime":0,"dataChange":true}}}}"#
    ));
    let run = report(&workspace, 3, &["run", "pipeline.yaml"]);
    let message = run["foreign"][0]["message"].as_str().expect("message");
    assert!(message.contains("another program committed it to the Delta table"), "{message}");
    assert_eq!(workspace.run(&["verify", "pipeline.yaml"]).status.code(), Some(3));
    // They take their file out again, and ours with it: the next run puts ours back.
    let remove = |file: &str| {
        format!(
            r#"{{"remove":{{"path":"{place}/{file}","deletionTimestamp":1,"dataChange":true,"extendedFileMetadata":true,{partition},"size":{size}}}}}"#
        )
    };
    commit(&format!("{}\n{}", remove(theirs), remove(ours)));
    assert_eq!(charges(&workspace), "6");
    let run = report(&workspace, 0, &["run", "pipeline.yaml"]);
    assert_eq!(run["sources"][1]["status"], "published", "{run:#}");
    assert_eq!(charges(&workspace), "9");
    assert_eq!(report(&workspace, 0, &["run", "pipeline.yaml"])["sources"][1]["status"], "up_to_date");
}
