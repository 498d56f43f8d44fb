//! The whole job against a real S3 protocol server in the test process.

use std::path::Path;
use std::process::Output;

use apportion_testkit::s3::{Fault, S3Server};

use crate::sample::sample;
use crate::support::{Workspace, apportion, root, transcript};

fn upload(server: &S3Server, bucket: &str, folder: &Path, prefix: &str) {
    for entry in std::fs::read_dir(folder).expect("folder").flatten() {
        let key = format!("{prefix}/{}", entry.file_name().into_string().expect("name"));
        if entry.path().is_dir() {
            upload(server, bucket, &entry.path(), &key);
        } else {
            server.put(bucket, &key, std::fs::read(entry.path()).expect("file"));
        }
    }
}

/// The sample with bill, telemetry and tables in buckets.
fn on_s3(format: &str) -> (S3Server, Workspace) {
    let server = S3Server::start_blocking();
    upload(&server, "acme-billing", &root().join("testdata/exports/aws/cur2/acme"), "cur2/acme");
    upload(&server, "acme-billing", &root().join("testdata/exports/gcp/acme"), "gcp/acme");
    upload(&server, "acme-billing", &root().join("testdata/exports/azure/acme"), "azure/acme");
    upload(&server, "acme-telemetry", &root().join("testdata/telemetry"), "telemetry");
    server.create_bucket("acme-finops");
    let workspace = sample();
    let text = std::fs::read_to_string(root().join("pipelines/sample.yaml")).expect("pipeline");
    let text = text
        .replace("../testdata/exports/aws/cur2/acme/", "s3://acme-billing/cur2/acme/")
        .replace("../testdata/exports/gcp/acme/", "s3://acme-billing/gcp/acme/")
        .replace("../testdata/exports/azure/acme/", "s3://acme-billing/azure/acme/")
        .replace("../testdata/telemetry/", "s3://acme-telemetry/telemetry/")
        .replace("../output/sample/", "s3://acme-finops/tables/")
        .replace("format: parquet", &format!("format: {format}"));
    workspace.write("pipelines/s3.yaml", text.as_bytes());
    (server, workspace)
}

fn run(server: &S3Server, workspace: &Workspace, arguments: &[&str]) -> Output {
    apportion().args(arguments).envs(server.environment()).current_dir(workspace.path("")).output().expect("binary")
}

fn run_ok(server: &S3Server, workspace: &Workspace, arguments: &[&str]) -> String {
    let output = run(server, workspace, arguments);
    assert!(output.status.success(), "{}", transcript(&output, &[]));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const TOTALS: &str = "SELECT x_BillingPeriod, sum(BilledCost), sum(EffectiveCost), sum(ListCost), sum(ContractedCost), count(*) \
                      FROM allocated_charges GROUP BY 1 ORDER BY 1";

#[test]
fn a_check_asks_each_store_for_what_a_run_needs() {
    let (server, workspace) = on_s3("delta");
    let text = run_ok(&server, &workspace, &["check", "pipelines/s3.yaml"]);
    assert!(text.contains("ok    destination") || text.contains("ok   destination"), "{text}");
    assert!(server.keys("acme-finops").is_empty(), "what was written to ask is gone");
    let pipeline = std::fs::read_to_string(workspace.path("pipelines/s3.yaml")).expect("pipeline");
    for (from, to, told) in [
        ("s3://acme-finops/", "s3://acme-nowhere/", "bucket `acme-nowhere` does not exist"),
        ("s3://acme-billing/gcp/", "s3://acme-nothing/gcp/", "bucket `acme-nothing` does not exist"),
        ("s3://acme-telemetry/", "s3://acme-unmeasured/", "bucket `acme-unmeasured` does not exist"),
    ] {
        workspace.write("pipelines/wrong.yaml", pipeline.replace(from, to).as_bytes());
        let output = run(&server, &workspace, &["check", "pipelines/wrong.yaml"]);
        let text = transcript(&output, &[]);
        assert!(output.status.code() == Some(2) && text.contains(told), "{text}");
        let offline = run_ok(&server, &workspace, &["check", "pipelines/wrong.yaml", "--offline"]);
        assert!(!offline.contains("destination"), "{offline}");
    }
}

#[test]
fn bill_telemetry_and_tables_on_s3_give_what_local_folders_give() {
    for format in ["parquet", "delta"] {
        let (server, workspace) = on_s3(format);
        workspace.run_ok(&["run", "pipelines/sample.yaml", "--destination", "local", "--period", "2026-02"]);
        run_ok(&server, &workspace, &["run", "pipelines/s3.yaml", "--period", "2026-02"]);
        let local = workspace.run_ok(&["query", "--destination", "local", "--format", "csv", TOTALS]);
        let remote =
            run_ok(&server, &workspace, &["query", "--pipeline", "pipelines/s3.yaml", "--format", "csv", TOTALS]);
        assert_eq!(String::from_utf8_lossy(&local.stdout), remote, "{format}");
        let verified = run_ok(&server, &workspace, &["verify", "pipelines/s3.yaml"]);
        assert!(verified.contains("Everything ties") && !verified.contains("no certificate"), "{verified}");
        let keys = server.keys("acme-finops");
        assert!(keys.iter().all(|key| key.starts_with("tables/")), "{keys:?}");
        assert!(!keys.iter().any(|key| key.contains("staging")), "nothing is left behind: {keys:?}");
        assert_eq!(server.open_uploads(), 0);
        // Rerun: nothing changes.
        let etags = |server: &S3Server| -> Vec<_> {
            let keys = server.keys("acme-finops");
            keys.into_iter()
                .filter(|key| !key.contains("_apportion"))
                .map(|key| (server.etag("acme-finops", &key), key))
                .collect()
        };
        let before = etags(&server);
        run_ok(&server, &workspace, &["run", "pipelines/s3.yaml", "--period", "2026-02"]);
        assert_eq!(etags(&server), before, "{format}");
    }
}

#[test]
fn throttling_is_retried() {
    let (server, workspace) = on_s3("parquet");
    server.fault(Fault::Throttle { count: 6 });
    run_ok(&server, &workspace, &["run", "pipelines/s3.yaml", "--period", "2026-01"]);
    assert!(server.requests().iter().any(|request| request.status == 503), "the fault was met");
}

#[test]
fn wrong_credentials_are_named_without_secrets() {
    let (server, workspace) = on_s3("parquet");
    let output = apportion()
        .args(["run", "pipelines/s3.yaml"])
        .envs(server.environment())
        .env("AWS_SECRET_ACCESS_KEY", "not-the-secret-of-this-server")
        .current_dir(workspace.path(""))
        .output()
        .expect("binary");
    assert_eq!(output.status.code(), Some(1));
    let text = transcript(&output, &[(&server.endpoint(), "[endpoint]")]);
    assert!(text.contains("s3://"), "{text}");
    assert!(!text.contains("not-the-secret-of-this-server") && !text.contains(server.secret_key()), "{text}");
    assert!(server.keys("acme-finops").is_empty());
}

#[test]
fn a_truncated_object_fails_its_period_and_is_named() {
    let (server, workspace) = on_s3("parquet");
    server.fault(Fault::TruncateBody { key: "BILLING_PERIOD=2026-02/acme-00001".to_owned(), count: usize::MAX });
    let output = run(&server, &workspace, &["run", "pipelines/s3.yaml", "--source", "aws-main"]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output, &[]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("BILLING_PERIOD=2026-02/acme-00001"), "{text}");
    let periods = run_ok(
        &server,
        &workspace,
        &[
            "query",
            "--pipeline",
            "pipelines/s3.yaml",
            "--format",
            "csv",
            "SELECT DISTINCT x_BillingPeriod FROM focus_charges ORDER BY 1",
        ],
    );
    assert_eq!(periods.lines().collect::<Vec<_>>(), ["x_BillingPeriod", "2026-01", "2026-03"]);
}

#[test]
fn an_object_replaced_during_the_run_stops_its_period() {
    let (server, workspace) = on_s3("parquet");
    let key = "cur2/acme/data/BILLING_PERIOD=2026-02/acme-00001.snappy.parquet";
    let other =
        server.get("acme-billing", "cur2/acme/data/BILLING_PERIOD=2026-02/acme-00002.snappy.parquet").expect("object");
    server.fault(Fault::ReplaceAfterRead { bucket: "acme-billing".to_owned(), key: key.to_owned(), content: other });
    let output = run(&server, &workspace, &["run", "pipelines/s3.yaml", "--period", "2026-02", "--source", "aws-main"]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output, &[]));
    assert!(String::from_utf8_lossy(&output.stdout).contains("acme-00001"), "{}", transcript(&output, &[]));
    let published = server.keys("acme-finops").into_iter().any(|key| key.contains("focus_charges/x_Source"));
    assert!(!published, "nothing of the torn period is published");
}

#[test]
fn delta_is_refused_where_conditional_writes_are_ignored() {
    let (server, workspace) = on_s3("delta");
    server.fault(Fault::IgnoreConditions);
    let output = run(&server, &workspace, &["run", "pipelines/s3.yaml"]);
    assert_eq!(output.status.code(), Some(2), "{}", transcript(&output, &[]));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.to_lowercase().contains("delta") && text.contains("conditional"), "{text}");
}
