//! An object that cannot be read fails the months that read it and no other, and a link to nothing is an object that
//! cannot be read, not one that is not there.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value as Json;

use crate::estate::{bill_key, change, estate, requests_key};
use crate::support::{Workspace, transcript};

/// Runs, demands an exit code, and returns the units by month and name: their status, and their message if they failed.
fn run(workspace: &Workspace, code: i32) -> BTreeMap<String, String> {
    let output = workspace.run(&["run", "pipeline.yaml", "--format", "json"]);
    assert_eq!(output.status.code(), Some(code), "{}", transcript(&output, &[]));
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    let mut units = BTreeMap::new();
    for (list, name) in [("sources", "source"), ("allocations", "")] {
        for unit in report[list].as_array().expect("list") {
            let name = unit.get(name).and_then(Json::as_str).unwrap_or("allocation");
            let text = unit["error"]["message"].as_str().or(unit["status"].as_str()).expect("text");
            units.insert(format!("{} {name}", unit["billing_period"].as_str().expect("text")), text.to_owned());
        }
    }
    units
}

/// Units that failed.
fn failed(units: &BTreeMap<String, String>) -> Vec<&str> {
    let fine = ["published", "unchanged", "up_to_date"];
    units.iter().filter(|(_, text)| !fine.contains(&text.as_str())).map(|(name, _)| name.as_str()).collect()
}

/// Breaks an object: cuts it, or makes it a link to nothing.
fn break_object(workspace: &Workspace, key: &str, how: &str) -> &'static str {
    let path = workspace.path(key);
    let whole = fs::read(&path).expect("object");
    fs::remove_file(&path).expect("object");
    if how == "cut" {
        fs::write(&path, &whole[..whole.len() / 2]).expect("object");
        "the object is truncated or not Parquet"
    } else {
        std::os::unix::fs::symlink("moved-away.parquet", &path).expect("link");
        "is a symbolic link to moved-away.parquet, which does not exist"
    }
}

#[test]
fn telemetry_that_cannot_be_read_fails_only_the_months_that_read_it() {
    for how in ["cut", "dangling"] {
        for published in [false, true] {
            let workspace = estate("");
            change(&workspace, "fallback: [previous_period] ", "");
            if published {
                run(&workspace, 0);
            }
            let key = requests_key("2026-02-05");
            let why = break_object(&workspace, &key, how);
            let units = run(&workspace, 1);
            assert_eq!(failed(&units), ["2026-02 allocation"], "{how} {published}: {units:#?}");
            let message = &units["2026-02 allocation"];
            assert!(message.contains(why) && message.contains(&key), "{message}");
            assert_eq!(units["2026-01 allocation"], if published { "up_to_date" } else { "published" }, "{units:#?}");
        }
    }
    // Where the next month falls back to it, that one reads it too.
    let workspace = estate("");
    fs::remove_file(workspace.path(&requests_key("2026-03-05"))).expect("telemetry");
    break_object(&workspace, &requests_key("2026-02-05"), "cut");
    assert_eq!(failed(&run(&workspace, 1)), ["2026-02 allocation", "2026-03 allocation"]);
}

#[test]
fn a_link_to_nothing_in_an_export_fails_its_month() {
    for published in [false, true] {
        let workspace = estate("");
        if published {
            run(&workspace, 0);
        }
        let key = bill_key("2026-02");
        let why = break_object(&workspace, &key, "dangling");
        let units = run(&workspace, 1);
        assert!(units["2026-02 bill"].contains(why) && units["2026-02 bill"].contains(&key), "{units:#?}");
        assert!(!failed(&units).iter().any(|unit| !unit.starts_with("2026-02")), "{units:#?}");
    }
}

#[test]
fn a_link_to_nothing_among_the_seeds_is_named() {
    let workspace = estate("seeds: seeds\n");
    fs::create_dir(workspace.path("seeds")).expect("folder");
    std::os::unix::fs::symlink("away.csv", workspace.path("seeds/regions.csv")).expect("link");
    let output = workspace.run(&["run", "pipeline.yaml"]);
    let text = transcript(&output, &[]);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("the seeds of the pipeline cannot be read") && text.contains("regions.csv"), "{text}");
}
