//! Which version of FOCUS an export was read as is shown where a person looks: in the summary and
//! the report of a run, and by `check`.

use apportion_testkit::ExportBuilder;
use apportion_testkit::fixture::ColumnType;
use serde_json::Value as Json;

use crate::support::Workspace;

const PIPELINE: &str = "version: 1\nname: versions\nsources:\n  bill: { format: focus, location: export/ }\n\
                        destination: { location: tables/ }\n";

/// Columns that every issuer of these versions delivers, with a charge's values.
const REQUIRED: [(&str, &str); 10] = [
    ("BilledCost", "10"),
    ("EffectiveCost", "10"),
    ("ListCost", "10"),
    ("BillingAccountId", "account-1"),
    ("BillingCurrency", "EUR"),
    ("InvoiceIssuerName", "Issuer"),
    ("ProviderName", "Microsoft"),
    ("ChargeCategory", "Usage"),
    ("ServiceName", "Virtual Machines"),
    ("ServiceCategory", "Compute"),
];

const TIMES: [(&str, &str); 4] = [
    ("BillingPeriodStart", "2026-01-01T00:00Z"),
    ("BillingPeriodEnd", "2026-02-01T00:00Z"),
    ("ChargePeriodStart", "2026-01-05T00:00Z"),
    ("ChargePeriodEnd", "2026-01-06T00:00Z"),
];

/// An export as Parquet: the required columns and these.
fn parquet(more: &[&str]) -> Vec<u8> {
    let mut builder = ExportBuilder::new();
    let mut row: Vec<(String, _)> = Vec::new();
    for (name, value) in REQUIRED {
        if name.ends_with("Cost") {
            builder = builder.column(name, ColumnType::Double);
            row.push((name.to_owned(), value.parse::<f64>().expect("number").into()));
        } else {
            builder = builder.column(name, ColumnType::Text);
            row.push((name.to_owned(), value.into()));
        }
    }
    for (name, value) in TIMES {
        builder = builder.column(name, ColumnType::Millis);
        row.push((name.to_owned(), value.replace("00Z", "00:00Z").into()));
    }
    for name in more {
        builder = builder.column(name, ColumnType::Text);
        row.push(((*name).to_owned(), "text".into()));
    }
    builder.row_of(row).parquet().to_vec()
}

/// An export of Microsoft as CSV; 1.0r2 has the columns of 1.0 and writes seconds.
fn csv(seconds: bool) -> Vec<u8> {
    let own =
        [("BillingAccountType", "Billing Account"), ("SubAccountType", "Subscription"), ("x_SkuMeterName", "D2s")];
    let columns: Vec<(&str, String)> = REQUIRED
        .into_iter()
        .chain(own)
        .map(|(name, value)| (name, value.to_owned()))
        .chain(
            TIMES.map(|(name, value)| (name, if seconds { value.replace("00Z", "00:00Z") } else { value.to_owned() })),
        )
        .collect();
    let header: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let row: Vec<&str> = columns.iter().map(|(_, value)| value.as_str()).collect();
    format!("{}\n{}\n", header.join(","), row.join(",")).into_bytes()
}

#[test]
fn the_version_is_shown_by_run_and_check() {
    for (export, object, version) in [
        ("1.0 of Microsoft", ("export/part.csv", csv(false)), "1.0"),
        ("1.0r2 of Microsoft", ("export/part.csv", csv(true)), "1.0"),
        ("1.0", ("export/part.parquet", parquet(&["PublisherName"])), "1.0"),
        ("1.1", ("export/part.parquet", parquet(&["SkuMeter"])), "1.1"),
        ("1.2", ("export/part.parquet", parquet(&["SkuMeter", "InvoiceId"])), "1.2"),
        ("1.3", ("export/part.parquet", parquet(&["ServiceProviderName", "HostProviderName", "InvoiceId"])), "1.3"),
        ("1.4", ("export/part.parquet", parquet(&["ServiceProviderName", "InvoiceDetailId"])), "1.4"),
    ] {
        let workspace = Workspace::new();
        workspace.write(object.0, &object.1);
        workspace.write("pipeline.yaml", PIPELINE.as_bytes());
        let check = workspace.run_ok(&["check", "pipeline.yaml"]);
        let text = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(text.contains(&format!("newest 2026-01: 1 objects, 1 rows, FOCUS {version}\n")), "{export}: {text}");
        let summary = workspace.run_ok(&["run", "pipeline.yaml"]);
        let text = String::from_utf8_lossy(&summary.stdout).into_owned();
        assert!(text.contains(&format!("  2026-01 bill: read as FOCUS {version}\n")), "{export}: {text}");
        let again = workspace.run_ok(&["run", "pipeline.yaml", "--force", "--format", "json"]);
        let report: Json = serde_json::from_slice(&again.stdout).expect("report");
        assert_eq!(report["sources"][0]["focus_version"], version, "{export}");
    }
}
