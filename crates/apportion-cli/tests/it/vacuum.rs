//! `apportion vacuum` as a user calls it.

use std::fs::File;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::sample::sample;
use crate::support::{Workspace, transcript};

const TOTALS: &str =
    "SELECT x_BillingPeriod, sum(BilledCost), sum(EffectiveCost), count(*) FROM allocated_charges GROUP BY 1";

fn vacuum(workspace: &Workspace, arguments: &[&str]) -> Value {
    let all = [&["vacuum", "--format", "json", "--work-directory", "work"], arguments].concat();
    serde_json::from_slice(&workspace.run_ok(&all).stdout).expect("JSON")
}

fn age(workspace: &Workspace, relative: &str) {
    let file = File::open(workspace.path(relative)).expect("file");
    file.set_modified(SystemTime::now() - Duration::from_secs(8 * 86_400)).expect("time");
}

#[test]
fn what_nothing_refers_to_goes_and_the_tables_stay() {
    let workspace = sample();
    for format in ["parquet", "delta"] {
        let run =
            ["run", "pipelines/sample.yaml", "--destination", format, "--table-format", format, "--period", "2026-01"];
        workspace.run_ok(&run);
        let before = workspace.query(format, TOTALS);
        let (file, kind) = match format {
            "delta" => ("part-00077-0123456789abcdef0123456789abcdef.parquet", "orphan"),
            _ => (".part-00077.parquet.writing", "unfinished_write"),
        };
        let orphan = format!("{format}/allocated_charges/x_BillingPeriod=2026-01/{file}");
        workspace.write(&orphan, b"of a run that failed");
        // What somebody put there is never ours to delete.
        let foreign = format!("{format}/allocated_charges/x_BillingPeriod=2026-01/copy.parquet");
        workspace.write(&foreign, b"of somebody");
        let young = vacuum(&workspace, &["--destination", format]);
        assert_eq!(young["objects"], serde_json::json!([]), "everything is young");
        age(&workspace, &orphan);
        age(&workspace, &foreign);
        workspace.write("work/apportion-spill-dead/.owner", b"");
        workspace.write("work/apportion-spill-dead/run", &[0; 2_048]);
        for aged in ["work/apportion-spill-dead/.owner", "work/apportion-spill-dead/run", "work/apportion-spill-dead"] {
            age(&workspace, aged);
        }
        let dry = vacuum(&workspace, &["--destination", format, "--dry-run"]);
        assert!(workspace.path(&orphan).exists() && workspace.path("work/apportion-spill-dead").exists());
        let deleted = vacuum(&workspace, &["--destination", format]);
        assert_eq!(deleted["objects"], dry["objects"]);
        assert_eq!(deleted["kinds"][kind], serde_json::json!({ "objects": 1, "bytes": 20 }), "{deleted}");
        assert_eq!(deleted["kinds"]["work_folder"], serde_json::json!({ "objects": 1, "bytes": 2_048 }), "{deleted}");
        assert!(!workspace.path(&orphan).exists() && !workspace.path("work/apportion-spill-dead").exists());
        assert!(
            workspace.path(&foreign).exists() && deleted["notes"].to_string().contains("copy.parquet"),
            "{deleted}"
        );
        assert_eq!(workspace.query(format, TOTALS), before);
    }
    // The same for people, and through the pipeline's own destination.
    let output =
        workspace.run_ok(&["vacuum", "pipelines/sample.yaml", "--destination", "parquet", "--work-directory", "work"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("Deleted") && text.contains("superseded version"), "{text}");
}

#[test]
fn a_run_removes_the_work_folders_of_killed_runs() {
    let workspace = sample();
    let dead = "work/apportion-staging-dead";
    workspace.write(&format!("{dead}/.owner"), b"");
    workspace.write(&format!("{dead}/focus_charges/part-00000.parquet"), b"staged");
    for aged in ["/.owner", "/focus_charges/part-00000.parquet", "/focus_charges", ""] {
        age(&workspace, &format!("{dead}{aged}"));
    }
    let run =
        ["run", "pipelines/sample.yaml", "--destination", "tables", "--period", "2026-01", "--work-directory", "work"];
    workspace.run_ok(&run);
    let left: Vec<_> = std::fs::read_dir(workspace.path("work")).expect("folder").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn mistakes_are_refused_before_anything_is_deleted() {
    let workspace = sample();
    let run =
        ["run", "pipelines/sample.yaml", "--destination", "tables", "--table-format", "delta", "--period", "2026-01"];
    workspace.run_ok(&run);
    let cases: [(&[&str], &str); 4] = [
        (&["vacuum", "--destination", "tables", "--older-than", "1h"], "--force"),
        (&["vacuum", "--destination", "tables", "--older-than", "7"], "has no unit"),
        (&["vacuum"], "<PIPELINE>"),
        // The pipeline declares Parquet; the folder says otherwise.
        (&["vacuum", "pipelines/sample.yaml", "--destination", "tables"], "Delta table"),
    ];
    for (arguments, said) in cases {
        let output = workspace.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", transcript(&output, &[]));
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{}", transcript(&output, &[]));
    }
}
