//! What a question reads: the tables it names, the partitions it asks for, and nothing else.

use apportion_testkit::S3Server;

use crate::estate::{objects, pipeline};
use crate::support::{Workspace, apportion, transcript};

#[test]
fn a_question_reads_what_it_asks_for() {
    for format in ["parquet", "delta"] {
        let server = S3Server::start_blocking();
        for (key, content) in objects() {
            server.put("acme", &key, content);
        }
        let workspace = Workspace::new();
        workspace.write("pipeline.yaml", pipeline("s3://acme/", format, "").as_bytes());
        let command = |arguments: &[&str]| {
            let mut command = apportion();
            command.args(arguments).envs(server.environment()).current_dir(workspace.path(""));
            let output = command.output().expect("binary");
            assert!(output.status.success(), "{}", transcript(&output, &[]));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        command(&["run", "pipeline.yaml"]);
        // Keys that were read, without listings, and the answer.
        let ask = |sql: &str| {
            server.forget_requests();
            let answer = command(&["query", "--destination", "s3://acme/tables/", "--format", "csv", sql]);
            let read = server.requests().into_iter().filter(|it| it.method == "GET" && !it.query.contains("list-type"));
            (answer, read.map(|it| it.key).collect::<Vec<_>>(), server.requests().len())
        };
        let (answer, read, requests) = ask("SELECT 1 AS one");
        assert_eq!((answer.as_str(), read.len()), ("one\n1\n", 0), "{format}: {read:?}");
        assert!(requests <= 2, "{format}: the format and whether there is anything: {requests}");

        let month = "WHERE x_BillingPeriod = '2026-02'";
        let (answer, read, _) = ask(&format!("SELECT count(*) AS n FROM focus_charges {month}"));
        assert_eq!(answer, "n\n3\n", "{format}");
        let opened: Vec<_> = read.iter().filter(|key| key.ends_with(".parquet")).collect();
        assert!(
            !opened.is_empty()
                && opened.iter().all(|key| key.contains("focus_charges/x_Source=bill/x_BillingPeriod=2026-02/")),
            "{format}: {opened:?}"
        );
        let other = read.iter().find(|key| key.contains("ledger/") || key.contains("/allocated_charges"));
        assert!(other.is_none(), "{format}: {read:?}");
        let states = read.iter().filter(|key| key.ends_with("state.json"));
        assert!(states.clone().all(|key| key.contains("2026-02")), "{format}: {read:?}");

        // The ledger's documents are read for questions about it alone.
        let (answer, read, _) = ask("SELECT count(DISTINCT x_RunId) AS n FROM run_ledger");
        assert_eq!(answer, "n\n1\n", "{format}");
        assert!(!read.is_empty() && read.iter().all(|key| key.contains("_apportion/ledger/")), "{format}: {read:?}");
    }
}

#[test]
fn a_table_without_rows_is_empty_and_one_that_nobody_wrote_is_unknown() {
    for format in ["parquet", "delta"] {
        let workspace = crate::estate::estate("");
        crate::estate::change(&workspace, "format: parquet", &format!("format: {format}"));
        // Nothing is split without a proportional rule, so there are no driver quantities.
        crate::estate::change(
            &workspace,
            "method: proportional, driver: requests, fallback: [previous_period]",
            "method: direct, to: account",
        );
        workspace.run_ok(&["run", "pipeline.yaml"]);
        assert_eq!(workspace.query("tables", "SELECT count(*) FROM driver_quantities"), [["0"]], "{format}");
        let unknown = workspace.run(&["query", "--destination", "tables", "SELECT * FROM reporting_charges"]);
        assert_eq!(unknown.status.code(), Some(2), "{format}: {}", transcript(&unknown, &[]));
        assert!(String::from_utf8_lossy(&unknown.stderr).contains("the question does not plan"), "{format}");
    }
}
