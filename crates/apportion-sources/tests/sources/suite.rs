//! The promises every export format keeps. A new provider adds one [`Case`].

use std::path::Path;

use apportion_sources::{ExportFormat, Location, SourceTable, StoreOptions, format};
use apportion_spec::ErrorKind;
use apportion_spec::wire::SourceFormat;
use apportion_testkit::{ColumnType, ExportBuilder, Fault, S3Server};
use bytes::Bytes;

use crate::support::{BUCKET, assert_contains, bill, location, open, query, rows, unit};

/// One format: where its objects lie and what a minimal one has.
struct Case {
    format: SourceFormat,
    /// Key of an object of a month.
    key: fn(&str, &str) -> String,
    /// Builder with every required column filled for a month.
    builder: fn(&str) -> ExportBuilder,
    /// Required number column.
    cost: &'static str,
    /// Required text column.
    account: &'static str,
    /// Optional text column.
    optional: &'static str,
}

impl Case {
    fn format(&self) -> &'static dyn ExportFormat {
        format(self.format)
    }

    fn object(&self, month: &str, cost: f64) -> Bytes {
        (self.builder)(month).row([(self.cost, cost.into())]).parquet()
    }

    fn name(&self) -> &'static str {
        self.format().name()
    }

    async fn costs(&self, source: &SourceTable) -> apportion_spec::Result<Vec<String>> {
        let sql = format!("select {} from {} order by 1", self.cost, source.relation);
        Ok(rows(&query(source, &sql).await?))
    }
}

fn focus_builder(_month: &str) -> ExportBuilder {
    ExportBuilder::focus()
        .default_value("BillingAccountId", "012345678901")
        .default_value("BillingPeriodStart", "2026-01-01T00:00:00Z")
        .default_value("BillingPeriodEnd", "2026-02-01T00:00:00Z")
}

fn data_exports_key(month: &str, file: &str) -> String {
    format!("e/data/BILLING_PERIOD={month}/{file}.parquet")
}

fn legacy_key(month: &str, file: &str) -> String {
    let (year, month) = month.split_once('-').unwrap();
    format!("e/e/year={year}/month={}/{file}.parquet", month.trim_start_matches('0'))
}

const CASES: [Case; 3] = [
    Case {
        format: SourceFormat::AwsCurLegacy,
        key: legacy_key,
        builder: |month| bill(ExportBuilder::legacy(), month),
        cost: "line_item_unblended_cost",
        account: "bill_payer_account_id",
        optional: "pricing_unit",
    },
    Case {
        format: SourceFormat::AwsCur2,
        key: data_exports_key,
        builder: |month| bill(ExportBuilder::cur2(), month),
        cost: "line_item_unblended_cost",
        account: "bill_payer_account_id",
        optional: "pricing_unit",
    },
    Case {
        format: SourceFormat::Focus,
        key: data_exports_key,
        builder: focus_builder,
        cost: "BilledCost",
        account: "BillingAccountId",
        optional: "PricingUnit",
    },
];

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
        let strange = (case.builder)("2026-01").column("mood_of_the_day", ColumnType::Text);
        let fewer = (case.builder)("2026-01").without(case.optional).row([(case.cost, 2.0.into())]);
        let objects = [strange.row([(case.cost, 1.0.into())]).parquet(), fewer.parquet()];
        let source = with_objects(&server, &case, &objects).await.unwrap();
        let delivered = source.table.schema();
        let promised = case.format().contract().schema();
        assert_eq!(delivered.fields().len(), promised.fields().len(), "{}", case.name());
        for (found, expected) in delivered.fields().iter().zip(promised.fields()) {
            assert_eq!((found.name(), found.data_type()), (expected.name(), expected.data_type()), "{}", case.name());
        }
        assert_eq!(source.report.unknown_columns, ["mood_of_the_day"], "{}", case.name());
        assert_eq!(case.costs(&source).await.unwrap(), ["1.0", "2.0"], "{}", case.name());
    }
}

#[tokio::test]
async fn empty_strings_are_null_and_leading_zeros_stay() {
    for case in CASES {
        let server = S3Server::start().await;
        let content = (case.builder)("2026-01").row([(case.cost, 1.0.into()), (case.optional, "".into())]).parquet();
        let source = with_objects(&server, &case, &[content]).await.unwrap();
        let sql = format!("select {} is null, {} from {}", case.optional, case.account, source.relation);
        assert_eq!(rows(&query(&source, &sql).await.unwrap()), ["true|012345678901"], "{}", case.name());
    }
}

#[tokio::test]
async fn broken_contracts_name_object_column_and_remedy() {
    for case in CASES {
        let missing = (case.builder)("2026-01").without(case.cost).row([]).parquet();
        let wrong = (case.builder)("2026-01").column(case.account, ColumnType::Double);
        let wrong = wrong.row([(case.account, 1.0.into())]).parquet();
        let whole = case.object("2026-01", 1.0);
        let truncated = whole.slice(..whole.len() - 10);
        for (content, parts) in [
            (missing, vec![format!("required column `{}` is missing", case.cost)]),
            (wrong, vec![format!("column `{}` is Float64, accepted: string", case.account)]),
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
        server.put(BUCKET, &(case.key)("2026-01", "a"), case.object("2026-01", 1.0));
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
        let content = case.object("2026-01", 2.0);
        server.fault(Fault::ReplaceAfterRead { bucket: BUCKET.to_owned(), key: key.clone(), content });
        let source = with_objects(&server, &case, &[case.object("2026-01", 1.0)]).await.unwrap();
        let error = case.costs(&source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_contains(&error, &[&key]);
        assert_eq!(source.verify_unchanged().await.unwrap_err().kind(), ErrorKind::Conflict);
    }
}

#[tokio::test]
async fn throttling_does_not_show_and_the_disk_gives_what_the_bucket_gives() {
    for case in CASES {
        let server = S3Server::start().await;
        server.fault(Fault::Throttle { count: 2 });
        let objects = [case.object("2026-01", 1.5), case.object("2026-01", -0.5)];
        let source = with_objects(&server, &case, &objects).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        for key in server.keys(BUCKET) {
            let path = folder.path().join(&key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, server.get(BUCKET, &key).unwrap()).unwrap();
        }
        let local = Location::open("e/../e/", folder.path(), &StoreOptions::default()).await.unwrap();
        let local = open(case.format(), &local, "2026-01").await.unwrap();
        let sql = format!("select * from {} order by {}", source.relation, case.cost);
        assert_eq!(query(&source, &sql).await.unwrap(), query(&local, &sql).await.unwrap(), "{}", case.name());
        assert!(Path::new(folder.path()).exists());
    }
}
