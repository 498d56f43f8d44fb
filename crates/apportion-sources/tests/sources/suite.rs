//! The promises every export format keeps. A new provider adds one case to `apportion_testkit::case`.

use std::path::Path;

use apportion_sources::{ColumnKind, ExportFormat, Location, SourceTable, StoreOptions, format};
use apportion_spec::ErrorKind;
use apportion_spec::wire::SourceFormat;
use apportion_testkit::case::{CASES, Case, Line, Shape};
use apportion_testkit::{Fault, S3Server};
use bytes::Bytes;

use crate::support::{BUCKET, assert_contains, location, open, query, rows, unit};

/// What the suite asks of a case.
trait Tested {
    fn format(&self) -> &'static dyn ExportFormat;
    fn name(&self) -> &'static str;
    /// An object of one row.
    fn one(&self, month: &str, cost: f64) -> Bytes;
    fn shaped(&self, shape: Shape, cost: f64) -> Bytes;
}

impl Tested for Case {
    fn format(&self) -> &'static dyn ExportFormat {
        let named = |candidate: &&SourceFormat| candidate.as_str() == self.format;
        format(*SourceFormat::ALL.iter().find(named).unwrap())
    }

    fn name(&self) -> &'static str {
        self.format
    }

    fn one(&self, month: &str, cost: f64) -> Bytes {
        self.object(month, &[Line { cost, ..Line::default() }], Shape::Whole)
    }

    fn shaped(&self, shape: Shape, cost: f64) -> Bytes {
        self.object("2026-01", &[Line { cost, ..Line::default() }], shape)
    }
}

async fn costs(case: &Case, source: &SourceTable) -> apportion_spec::Result<Vec<String>> {
    let sql = format!("select {} from {} order by 1", case.cost.0, source.relation);
    Ok(rows(&query(source, &sql).await?))
}

#[test]
fn every_format_is_put_to_the_test() {
    let tested: Vec<&str> = CASES.iter().map(|case| case.format).collect();
    assert_eq!(tested, SourceFormat::ALL.map(SourceFormat::as_str));
}

async fn with_objects(server: &S3Server, case: &Case, objects: &[Bytes]) -> apportion_spec::Result<SourceTable> {
    for (index, content) in objects.iter().enumerate() {
        server.put(BUCKET, &(case.key)("2026-01", &format!("part-{index}")), content.clone());
    }
    open(case.format(), &location(server, "e").await, "2026-01").await
}

#[tokio::test]
async fn the_relation_has_exactly_the_contract_columns_whatever_is_delivered() {
    for case in CASES {
        let server = S3Server::start().await;
        let objects = [case.shaped(Shape::Strange, 1.0), case.shaped(Shape::WithoutOptional, 2.0)];
        let source = with_objects(&server, &case, &objects).await.unwrap();
        let delivered = source.table.schema();
        let promised = case.format().contract().schema();
        assert_eq!(delivered.fields().len(), promised.fields().len(), "{}", case.name());
        for (found, expected) in delivered.fields().iter().zip(promised.fields()) {
            // Amounts keep the form they are delivered in.
            let kind = case.format().contract().column(expected.name()).unwrap().kind;
            assert_eq!(found.name(), expected.name(), "{}", case.name());
            assert!(found.data_type() == expected.data_type() || kind == ColumnKind::Amount, "{found}");
        }
        assert_eq!(source.report.unknown_columns, ["mood_of_the_day"], "{}", case.name());
        assert_eq!(costs(&case, &source).await.unwrap(), ["1.0", "2.0"], "{}", case.name());
    }
}

#[tokio::test]
async fn empty_strings_are_null_and_leading_zeros_stay() {
    for case in CASES {
        let server = S3Server::start().await;
        let content = case.shaped(Shape::EmptyOptional, 1.0);
        let source = with_objects(&server, &case, &[content]).await.unwrap();
        let sql = format!("select {} is null, {} from {}", case.optional.0, case.account.0, source.relation);
        assert_eq!(rows(&query(&source, &sql).await.unwrap()), ["true|012345678901"], "{}", case.name());
    }
}

#[tokio::test]
async fn broken_contracts_name_object_column_and_remedy() {
    for case in CASES {
        let missing = case.shaped(Shape::WithoutCost, 1.0);
        let wrong = case.shaped(Shape::NumericAccount, 1.0);
        let whole = case.one("2026-01", 1.0);
        let truncated = whole.slice(..whole.len() - 10);
        for (content, parts) in [
            (missing, vec![format!("required column `{}` is missing", case.cost.1)]),
            (wrong, vec![format!("column `{}` is Float64, accepted: string", case.account.1)]),
            (truncated, vec!["truncated or not Parquet".to_owned()]),
            (Bytes::from_static(b"not a bill"), vec!["truncated or not Parquet".to_owned()]),
        ] {
            let server = S3Server::start().await;
            let error = with_objects(&server, &case, &[whole.clone(), content]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ContractViolated, "{error}");
            let object = (case.key)("2026-01", "part-1");
            let parts: Vec<&str> = parts.iter().map(String::as_str).chain([object.as_str()]).collect();
            assert_contains(&error, &parts);
        }
    }
}

#[tokio::test]
async fn a_missing_period_names_those_that_exist() {
    for case in CASES {
        let server = S3Server::start().await;
        server.put(BUCKET, &(case.key)("2026-01", "a"), case.one("2026-01", 1.0));
        let error = unit(case.format(), &location(&server, "e").await, "2026-02").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_contains(&error, &["billing period 2026-02; it has 2026-01"]);
    }
}

#[tokio::test]
async fn an_object_replaced_while_reading_is_a_conflict() {
    for case in CASES {
        let server = S3Server::start().await;
        let key = (case.key)("2026-01", "part-0");
        let content = case.one("2026-01", 2.0);
        server.fault(Fault::ReplaceAfterRead { bucket: BUCKET.to_owned(), key: key.clone(), content });
        // Where the footer does not tell the period, opening reads already and notices.
        let error = match with_objects(&server, &case, &[case.one("2026-01", 1.0)]).await {
            Ok(source) => {
                let error = costs(&case, &source).await.unwrap_err();
                assert_eq!(source.verify_unchanged().await.unwrap_err().kind(), ErrorKind::Conflict);
                error
            }
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_contains(&error, &[&key]);
    }
}

#[tokio::test]
async fn throttling_does_not_show_and_the_disk_gives_what_the_bucket_gives() {
    for case in CASES {
        let server = S3Server::start().await;
        server.fault(Fault::Throttle { count: 2 });
        let objects = [case.one("2026-01", 1.5), case.one("2026-01", -0.5)];
        let source = with_objects(&server, &case, &objects).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        for key in server.keys(BUCKET) {
            let path = folder.path().join(&key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, server.get(BUCKET, &key).unwrap()).unwrap();
        }
        let local = Location::open("e/../e/", folder.path(), &StoreOptions::default()).await.unwrap();
        let local = open(case.format(), &local, "2026-01").await.unwrap();
        let sql = format!("select * from {} order by {}", source.relation, case.cost.0);
        assert_eq!(query(&source, &sql).await.unwrap(), query(&local, &sql).await.unwrap(), "{}", case.name());
        assert!(Path::new(folder.path()).exists());
    }
}
