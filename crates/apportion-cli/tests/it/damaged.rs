//! Documents beside the tables that are empty, cut, garbage, of another form or gone: the next run notices, tells and
//! mends it, and afterwards `run`, `verify` and `diff` agree on what is there.

use std::fs;
use std::path::PathBuf;

use crate::estate::{bill, bill_key, estate};
use crate::sample::content;
use crate::support::{Workspace, transcript};

/// A company whose February was published twice, so that there are versions to compare.
fn workspace() -> Workspace {
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    workspace.write(&bill_key("2026-02"), &bill("2026-02", &[("shared", 100.0), ("team-a", 10.5), ("team-b", 7.0)]));
    workspace.run_ok(&["run", "pipeline.yaml"]);
    workspace
}

fn only(workspace: &Workspace, folder: &str) -> PathBuf {
    let folder = workspace.path(&format!("tables/_apportion/{folder}"));
    let mut files: Vec<PathBuf> = fs::read_dir(folder).expect("folder").flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.pop().expect("file")
}

/// Damages a document in every way. After each the next run ends well and says so, `verify` and `diff` are content, and
/// the run after it has nothing to say.
fn every_damage(workspace: &Workspace, document: &str, path: impl Fn() -> PathBuf, told: bool) {
    let tables = content(workspace, "tables");
    for damage in ["empty", "truncated", "garbage", "another form", "missing"] {
        let path = path();
        let whole = fs::read(&path).expect("document");
        match damage {
            "empty" => fs::write(&path, b""),
            "truncated" => fs::write(&path, &whole[..whole.len() / 2]),
            "garbage" => fs::write(&path, vec![b'x'; whole.len()]),
            "another form" => fs::write(&path, b"[1, 2, 3]"),
            _ => fs::remove_file(&path),
        }
        .expect("damage");
        let at = format!("{document}, {damage}");
        let output = workspace.run(&["run", "pipeline.yaml"]);
        let text = transcript(&output, &[]);
        assert_eq!(output.status.code(), Some(0), "{at}: {text}");
        let summary = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(summary.contains("could not be read"), told && damage != "missing", "{at}: {text}");
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        assert!(!told || damage == "missing" || summary.contains(&name), "{at}: {text}");
        assert!(content(workspace, "tables") == tables, "{at}: the tables changed");
        if matches!(damage, "truncated" | "missing") {
            let verified = workspace.run_ok(&["verify", "pipeline.yaml", "--period", "2026-02"]);
            let verified = String::from_utf8_lossy(&verified.stdout).into_owned();
            assert!(!verified.contains("no certificate") && !verified.contains("note:"), "{at}: {verified}");
            workspace.run_ok(&["diff", "pipeline.yaml", "--period", "2026-02"]);
        }
        let again = transcript(&workspace.run_ok(&["run", "pipeline.yaml"]), &[]);
        assert!(again.contains("Everything is up to date"), "{at}: {again}");
        assert!(!again.contains("could not be read"), "{at}: {again}");
    }
}

#[test]
fn a_damaged_certificate_is_made_again() {
    let workspace = workspace();
    let path = workspace.path("tables/_apportion/certificates/2026-02.json");
    every_damage(&workspace, "certificate", || path.clone(), true);
    // That of another month is none.
    fs::copy(workspace.path("tables/_apportion/certificates/2026-01.json"), &path).expect("copy");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    assert!(fs::read_to_string(&path).expect("certificate").contains("\"billing_period\": \"2026-02\""));
}

#[test]
fn a_damaged_configuration_is_kept_again() {
    let workspace = workspace();
    every_damage(&workspace, "configuration", || only(&workspace, "configurations"), true);
}

#[test]
fn a_damaged_index_is_made_again() {
    let workspace = workspace();
    let path = workspace.path("tables/_apportion/units.json");
    every_damage(&workspace, "index of units", || path.clone(), true);
    for name in ["telemetry", "sources"] {
        let path = workspace.path(&format!("tables/_apportion/{name}.json"));
        every_damage(&workspace, name, || path.clone(), true);
    }
}

#[test]
fn a_damaged_state_of_a_partition_is_made_again() {
    let workspace = workspace();
    for table in ["focus_charges/x_Source=bill/x_BillingPeriod=2026-02", "allocated_charges/x_BillingPeriod=2026-02"] {
        let path = workspace.path(&format!("tables/_apportion/tables/{table}/state.json"));
        let version = |text: &[u8]| -> u64 {
            let state: serde_json::Value = serde_json::from_slice(text).expect("state");
            state["version"].as_u64().expect("version")
        };
        let before = version(&fs::read(&path).expect("state"));
        every_damage(&workspace, table, || path.clone(), true);
        assert!(version(&fs::read(&path).expect("state")) >= before, "versions are counted on, not from the start");
    }
}

#[test]
fn a_damaged_ledger_document_is_set_aside() {
    let workspace = workspace();
    every_damage(&workspace, "newest run", || only(&workspace, "ledger"), true);
    let first = {
        let folder = workspace.path("tables/_apportion/ledger");
        let mut files: Vec<PathBuf> = fs::read_dir(folder).expect("ledger").flatten().map(|it| it.path()).collect();
        files.sort();
        files.swap_remove(0)
    };
    fs::write(&first, b"{").expect("damage");
    let text = transcript(&workspace.run_ok(&["run", "pipeline.yaml"]), &[]);
    assert!(text.contains("set aside as `_apportion/damaged/ledger/"), "{text}");
    let name = first.file_name().expect("name").to_string_lossy().into_owned();
    assert_eq!(fs::read(workspace.path(&format!("tables/_apportion/damaged/ledger/{name}"))).expect("aside"), b"{");
}

#[test]
fn a_damaged_lock_is_nobodys() {
    let workspace = workspace();
    every_damage(&workspace, "lock", || only(&workspace, "lock"), false);
}

#[test]
fn a_damaged_version_is_none_and_the_others_are_read() {
    let workspace = workspace();
    workspace.write(&bill_key("2026-02"), &bill("2026-02", &[("shared", 100.0), ("team-a", 10.5), ("team-b", 6.5)]));
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let version = "allocated_charges/x_BillingPeriod=2026-02/00000001/version.json";
    for damaged in [&b""[..], b"{", b"[]"] {
        fs::write(workspace.path(&format!("tables/_apportion/versions/{version}")), damaged).expect("damage");
        workspace.run_ok(&["run", "pipeline.yaml"]);
        workspace.run_ok(&["diff", "pipeline.yaml", "--period", "2026-02"]);
        workspace.run_ok(&["verify", "pipeline.yaml"]);
    }
}

/// An amount that is none is damage and not zero: with zero the next month could not shrink against it.
#[test]
fn an_amount_that_cannot_be_read_is_damage_and_no_zero() {
    let workspace = workspace();
    let tables = content(&workspace, "tables");
    for (document, from, to) in [
        ("units.json", "\"117.750000000000\"", "\"\""),
        ("certificates/2026-01.json", "\"117.750000000000\"", "\"--5\""),
    ] {
        let path = workspace.path(&format!("tables/_apportion/{document}"));
        let whole = fs::read_to_string(&path).expect("document");
        assert!(whole.contains(from), "{whole}");
        fs::write(&path, whole.replace(from, to)).expect("damage");
        let told = transcript(&workspace.run_ok(&["run", "pipeline.yaml"]), &[]);
        assert!(told.contains("could not be read") && told.contains(document), "{told}");
        let again = transcript(&workspace.run_ok(&["run", "pipeline.yaml"]), &[]);
        assert!(again.contains("Everything is up to date") && !again.contains("could not be read"), "{again}");
        assert!(content(&workspace, "tables") == tables, "{document}: the tables changed");
    }
}
