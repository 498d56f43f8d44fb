//! A destination belongs to one pipeline: another is refused before it reads or writes anything.

use std::fs;

use crate::estate::{MONTHS, bill, bill_key, change, estate};
use crate::sample::content;
use crate::support::{Workspace, transcript};

/// Demands that `run` and `plan` refuse, and that nothing at the destination is touched.
fn refused(workspace: &Workspace, why: &str) {
    let before = everything(workspace);
    for verb in ["plan", "run"] {
        let output = workspace.run(&[verb, "pipeline.yaml"]);
        let text = transcript(&output, &[]);
        assert_eq!(output.status.code(), Some(2), "{verb}: {text}");
        assert!(text.contains(why) && text.contains("--take-over"), "{verb}: {text}");
    }
    assert!(everything(workspace) == before, "a refused run wrote something");
}

/// Every file of the destination, what lies beside the tables included.
fn everything(workspace: &Workspace) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![workspace.path("tables")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.push((entry.path().display().to_string(), fs::read(entry.path()).expect("file")));
            }
        }
    }
    found.sort();
    found
}

fn beside(workspace: &Workspace, name: &str) -> std::path::PathBuf {
    workspace.path(&format!("tables/_apportion/{name}"))
}

/// The export of another company, far smaller, under another name.
fn other_export(workspace: &Workspace) {
    for month in MONTHS {
        workspace.write(&bill_key(month).replace("export/", "other/"), &bill(month, &[("team-x", 1.0)]));
    }
}

#[test]
fn another_pipeline_is_refused_until_it_takes_over() {
    for format in ["parquet", "delta"] {
        let workspace = estate("");
        change(&workspace, "format: parquet", &format!("format: {format}"));
        workspace.run_ok(&["run", "pipeline.yaml"]);
        change(&workspace, "name: estate", "name: another");
        // Nothing is read: there is nothing to be read.
        fs::rename(workspace.path("export"), workspace.path("away")).expect("export");
        refused(&workspace, "it holds the tables of pipeline `estate` (sources: bill)");
        fs::rename(workspace.path("away"), workspace.path("export")).expect("export");
        let output = workspace.run_ok(&["run", "pipeline.yaml", "--take-over"]);
        let text = transcript(&output, &[]);
        assert!(text.contains("took over the destination by --take-over"), "{text}");
        // From now on it is the other way round.
        workspace.run_ok(&["run", "pipeline.yaml"]);
        change(&workspace, "name: another", "name: estate");
        refused(&workspace, "it holds the tables of pipeline `another`");
    }
}

#[test]
fn sources_that_share_nothing_with_what_is_published_are_refused() {
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let published = content(&workspace, "tables");
    other_export(&workspace);
    change(
        &workspace,
        "  bill: { format: aws_cur_2, location: export/ }",
        "  card: { format: aws_cur_2, location: other/ }",
    );
    refused(
        &workspace,
        "what is published there has the sources bill, and this pipeline has none of them (sources: card)",
    );
    // Taken over, the charges of the old source still wait for a decision.
    let output = workspace.run(&["run", "pipeline.yaml", "--take-over"]);
    assert_eq!(output.status.code(), Some(3), "{}", transcript(&output, &[]));
    assert!(content(&workspace, "tables") == published);
    // One source in common is enough.
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    other_export(&workspace);
    change(&workspace, "telemetry:\n", "  card: { format: aws_cur_2, location: other/ }\ntelemetry:\n");
    workspace.run_ok(&["run", "pipeline.yaml"]);
}

#[test]
fn losing_the_memory_does_not_open_the_destination() {
    let lose = |workspace: &Workspace, lost: &[&str]| {
        for name in lost {
            let path = beside(workspace, name);
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removed");
        }
    };
    for lost in [
        &["owner.json"][..],
        &["owner.json", "ledger"],
        &["owner.json", "certificates"],
        &["owner.json", "units.json", "certificates"],
    ] {
        let workspace = estate("");
        workspace.run_ok(&["run", "pipeline.yaml"]);
        lose(&workspace, lost);
        change(&workspace, "name: estate", "name: another");
        refused(&workspace, "it holds the tables of pipeline `estate`");
        // Whose it is adopts it, as it does tables that an older version wrote.
        change(&workspace, "name: another", "name: estate");
        workspace.run_ok(&["run", "pipeline.yaml"]);
        assert!(beside(&workspace, "owner.json").exists(), "{lost:?}");
    }
    // The tables alone still say whose charges they are.
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    lose(&workspace, &["owner.json", "ledger", "certificates", "units.json"]);
    other_export(&workspace);
    change(
        &workspace,
        "  bill: { format: aws_cur_2, location: export/ }",
        "  card: { format: aws_cur_2, location: other/ }",
    );
    refused(&workspace, "what is published there has the sources bill");
}

#[test]
fn a_memory_that_cannot_be_read_is_told_and_written_again() {
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let whole = fs::read_to_string(beside(&workspace, "owner.json")).expect("owner");
    for damaged in ["", &whole[..whole.len() / 2], "garbage", "{}", r#"{"form":9,"pipeline":"x","sources":{}}"#] {
        fs::write(beside(&workspace, "owner.json"), damaged).expect("owner");
        change(&workspace, "name: estate", "name: another");
        refused(&workspace, "it holds the tables of pipeline `estate`");
        change(&workspace, "name: another", "name: estate");
        let text = transcript(&workspace.run_ok(&["run", "pipeline.yaml"]), &[]);
        assert!(text.contains("`_apportion/owner.json` could not be read"), "{damaged}: {text}");
        assert_eq!(fs::read_to_string(beside(&workspace, "owner.json")).expect("owner"), whole, "{damaged}");
    }
}

#[test]
fn a_pipeline_that_published_nothing_owns_nothing() {
    let workspace = estate("");
    for month in MONTHS {
        workspace.write(&bill_key(month), b"not Parquet");
    }
    assert_eq!(workspace.run(&["run", "pipeline.yaml"]).status.code(), Some(1));
    for month in MONTHS {
        workspace.write(&bill_key(month), &bill(month, &[("team-a", 1.0)]));
    }
    change(&workspace, "name: estate", "name: another");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    change(&workspace, "name: another", "name: estate");
    refused(&workspace, "it holds the tables of pipeline `another`");
}
