//! Corrections of months long closed, through the whole binary: their own telemetry is found, read,
//! and part of what the unit is known by.

use apportion_testkit::{ColumnType, ExportBuilder};

use crate::support::Workspace;

/// January's bill: usage of January, and a correction of 10 August of the year before.
fn bill() -> Vec<u8> {
    let builder = ExportBuilder::focus()
        .default_value("BillingAccountId", "1")
        .default_value("ProviderName", "Acme Cloud")
        .default_value("PublisherName", "Acme Cloud")
        .default_value("InvoiceIssuerName", "Acme Cloud")
        .default_value("BillingCurrency", "USD")
        .default_value("BillingPeriodStart", "2026-01-01T00:00:00Z")
        .default_value("BillingPeriodEnd", "2026-02-01T00:00:00Z")
        .default_value("ChargeCategory", "Usage")
        .default_value("ServiceName", "api")
        .default_value("ServiceCategory", "Compute");
    let charge = |day: &str, next: &str, class: Option<&str>, cost: f64| {
        [
            ("ChargePeriodStart", format!("{day}T00:00:00Z").into()),
            ("ChargePeriodEnd", format!("{next}T00:00:00Z").into()),
            ("ChargeClass", class.into()),
            ("BilledCost", cost.into()),
            ("EffectiveCost", cost.into()),
            ("ListCost", cost.into()),
            ("ContractedCost", cost.into()),
        ]
    };
    builder
        .row(charge("2026-01-05", "2026-01-06", None, 9.0))
        .row(charge("2025-08-10", "2025-08-11", Some("Correction"), -6.0))
        .parquet()
        .to_vec()
}

/// One day of telemetry, in a folder named by it.
fn measure(workspace: &Workspace, day: &str, targets: &[(&str, i64)]) {
    let mut builder = ExportBuilder::new()
        .column("ts", ColumnType::Micros)
        .column("requests", ColumnType::Integer)
        .column("customer", ColumnType::Text)
        .column("service", ColumnType::Text);
    for (target, requests) in targets {
        builder = builder.row([
            ("ts", format!("{day}T12:00:00Z").into()),
            ("requests", (*requests).into()),
            ("customer", (*target).into()),
            ("service", "api".into()),
        ]);
    }
    workspace.write(&format!("telemetry/date={day}/part.parquet"), &builder.parquet());
}

/// The allocation's entry in the ledger of the last run, unless there was nothing to be done.
fn unit(workspace: &Workspace) -> Option<serde_json::Value> {
    let folder = workspace.path("tables/_apportion/ledger");
    let mut runs: Vec<_> = std::fs::read_dir(folder).expect("ledger").flatten().map(|entry| entry.path()).collect();
    runs.sort();
    let text = std::fs::read_to_string(runs.last().expect("a run")).expect("document");
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let units = document["units"].as_array().expect("units");
    units.iter().find(|unit| unit["table"] == "allocated_charges").cloned()
}

#[test]
fn a_correction_is_weighed_by_its_own_day_whose_telemetry_is_an_input() {
    let workspace = Workspace::new();
    workspace.write("bill/part.parquet", &bill());
    measure(&workspace, "2025-08-10", &[("ann", 1), ("bob", 2)]);
    measure(&workspace, "2025-10-20", &[("cem", 5)]);
    measure(&workspace, "2026-01-05", &[("ann", 8), ("dee", 1)]);
    workspace.write(
        "pipeline.yaml",
        b"version: 1\nname: corrections\nsources:\n  acme: { format: focus, location: bill/ }\ntelemetry:\n  requests:\n    \
          { location: telemetry/, time: ts, quantity: requests, unit: Requests, target: customer, \
          match: { service: service } }\ndimensions: { service: ServiceName, customer: SubAccountId }\nallocation:\n  target: customer\n  \
          rules: [{ id: shared, method: proportional, driver: requests }]\ndestination: { location: tables/ }\n",
    );
    let shares = || {
        workspace.query(
            "tables",
            "SELECT x_ChargeDate, x_AllocationTargetId, CAST(EffectiveCost AS DOUBLE), x_DriverSource \
             FROM allocated_charges ORDER BY 1, 2",
        )
    };
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let usage = [["2026-01-05", "ann", "8.0", "actual"], ["2026-01-05", "dee", "1.0", "actual"]];
    let before = shares();
    assert_eq!(before[..2], [["2025-08-10", "ann", "-2.0", "actual"], ["2025-08-10", "bob", "-4.0", "actual"]]);
    assert_eq!(before[2..], usage);
    let first = unit(&workspace).expect("allocation");
    let inputs = first["inputs"].to_string();
    assert!(inputs.contains("date=2025-08-10") && inputs.contains("date=2026-01-05"), "{inputs}");
    assert!(!inputs.contains("date=2025-10-20"), "a day that no charge lies on is not read: {inputs}");

    // Late telemetry of a day in between changes nothing, that of the old day changes the split.
    measure(&workspace, "2025-10-20", &[("cem", 50)]);
    workspace.run_ok(&["run", "pipeline.yaml"]);
    assert_eq!(shares(), before);
    if let Some(again) = unit(&workspace) {
        assert_eq!(again["telemetry_fingerprint"], first["telemetry_fingerprint"]);
    }
    measure(&workspace, "2025-08-10", &[("ann", 1), ("bob", 2), ("eve", 3)]);
    workspace.run_ok(&["run", "pipeline.yaml"]);
    let after = shares();
    assert_eq!(
        after[..3],
        [
            ["2025-08-10", "ann", "-1.0", "actual"],
            ["2025-08-10", "bob", "-2.0", "actual"],
            ["2025-08-10", "eve", "-3.0", "actual"]
        ]
    );
    assert_eq!(after[3..], usage);
    let last = unit(&workspace).expect("the day it reads changed");
    assert_ne!(last["telemetry_fingerprint"], first["telemetry_fingerprint"]);
}
