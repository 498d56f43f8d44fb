//! The promises every export format keeps. A new provider adds one [`Case`].

use std::path::Path;

use apportion_sources::{ColumnKind, ExportFormat, Location, SourceTable, StoreOptions, format};
use apportion_spec::ErrorKind;
use apportion_spec::wire::SourceFormat;
use apportion_testkit::{ColumnType, ExportBuilder, Fault, S3Server, bigquery};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use serde_json::json;

use crate::support::{BUCKET, assert_contains, bill, location, open, query, rows, unit};

/// One format: where its objects lie and what a minimal one has.
struct Case {
    format: SourceFormat,
    /// Key of an object of a month.
    key: fn(&str, &str) -> String,
    /// An object of one row, every required column filled for a month.
    object: fn(&Self, &str, &Variant) -> Bytes,
    /// Required number column: in the relation and as delivered.
    cost: (&'static str, &'static str),
    /// Required text column: in the relation and as delivered.
    account: (&'static str, &'static str),
    /// Optional text column: in the relation and as delivered.
    optional: (&'static str, &'static str),
}

/// What an object has that an ordinary one has not.
enum Variant {
    /// Nothing; the row costs this much.
    Cost(f64),
    /// A column nobody knows.
    Strange(f64),
    /// No optional column.
    WithoutOptional(f64),
    /// An empty optional column.
    EmptyOptional,
    /// No cost column.
    WithoutCost,
    /// A number where the account should be.
    NumericAccount,
}

impl Variant {
    const fn cost(&self) -> f64 {
        match self {
            Self::Cost(cost) | Self::Strange(cost) | Self::WithoutOptional(cost) => *cost,
            Self::EmptyOptional | Self::WithoutCost | Self::NumericAccount => 1.0,
        }
    }
}

impl Case {
    fn format(&self) -> &'static dyn ExportFormat {
        format(self.format)
    }

    fn object(&self, month: &str, cost: f64) -> Bytes {
        (self.object)(self, month, &Variant::Cost(cost))
    }

    fn name(&self) -> &'static str {
        self.format().name()
    }

    async fn costs(&self, source: &SourceTable) -> apportion_spec::Result<Vec<String>> {
        let sql = format!("select {} from {} order by 1", self.cost.0, source.relation);
        Ok(rows(&query(source, &sql).await?))
    }

    /// An object of a format with plain columns.
    fn flat(&self, builder: ExportBuilder, variant: &Variant) -> Bytes {
        let cost = (self.cost.1, variant.cost().into());
        let builder = match variant {
            Variant::Strange(_) => builder.column("mood_of_the_day", ColumnType::Text),
            Variant::WithoutOptional(_) => builder.without(self.optional.1),
            Variant::WithoutCost => return builder.without(self.cost.1).row([]).parquet(),
            Variant::NumericAccount => {
                let builder = builder.column(self.account.1, ColumnType::Double);
                return builder.row([cost, (self.account.1, 1.0.into())]).parquet();
            }
            Variant::EmptyOptional => return builder.row([cost, (self.optional.1, "".into())]).parquet(),
            Variant::Cost(_) => builder,
        };
        builder.row([cost]).parquet()
    }
}

fn focus_object(case: &Case, _month: &str, variant: &Variant) -> Bytes {
    let builder = ExportBuilder::focus()
        .default_value("BillingAccountId", "012345678901")
        .default_value("BillingPeriodStart", "2026-01-01T00:00:00Z")
        .default_value("BillingPeriodEnd", "2026-02-01T00:00:00Z");
    case.flat(builder, variant)
}

fn azure_object(case: &Case, month: &str, variant: &Variant) -> Bytes {
    let mut builder = ExportBuilder::new().column("Date", ColumnType::Millis);
    for name in ["BillingCurrency", "MeterCategory", "ResourceId", "SubscriptionId", "CostCenter"] {
        builder = builder.column(name, ColumnType::Text);
    }
    for name in ["CostInBillingCurrency", "Quantity"] {
        builder = builder.column(name, ColumnType::Double);
    }
    let builder =
        builder.default_value("Date", format!("{month}-05T00:00:00Z")).default_value("SubscriptionId", "012345678901");
    case.flat(builder, variant)
}

fn gcp_object(case: &Case, month: &str, variant: &Variant) -> Bytes {
    let mut schema = bigquery::detailed();
    let mut row = json!({
        "billing_account_id": "012345678901", "cost": variant.cost(), "invoice": {"month": month.replace('-', "")},
    });
    match variant {
        Variant::Strange(_) => {
            let strange = Field::new("mood_of_the_day", DataType::Utf8, true);
            schema = Schema::try_merge([schema, Schema::new(vec![strange])]).unwrap();
        }
        Variant::WithoutOptional(_) => schema = bigquery::without(&schema, &[case.optional.1]),
        Variant::WithoutCost => schema = bigquery::without(&schema, &[case.cost.1]),
        Variant::NumericAccount => {
            schema = bigquery::without(&schema, &[case.account.1]);
            let number = Field::new(case.account.1, DataType::Float64, true);
            schema = Schema::try_merge([schema, Schema::new(vec![number])]).unwrap();
            row = json!({"billing_account_id": 1.0, "cost": 1.0, "invoice": {"month": month.replace('-', "")}});
        }
        Variant::EmptyOptional => row = merged(row, case.optional.1),
        Variant::Cost(_) => {}
    }
    bigquery::parquet(schema, &[row])
}

fn merged(mut row: serde_json::Value, empty: &str) -> serde_json::Value {
    row.as_object_mut().unwrap().insert(empty.to_owned(), json!(""));
    row
}

fn data_exports_key(month: &str, file: &str) -> String {
    format!("e/data/BILLING_PERIOD={month}/{file}.parquet")
}

fn legacy_key(month: &str, file: &str) -> String {
    let (year, month) = month.split_once('-').unwrap();
    format!("e/e/year={year}/month={}/{file}.parquet", month.trim_start_matches('0'))
}

const CASES: [Case; 5] = [
    Case {
        format: SourceFormat::AwsCurLegacy,
        key: legacy_key,
        object: |case, month, variant| case.flat(bill(ExportBuilder::legacy(), month), variant),
        cost: ("line_item_unblended_cost", "line_item_unblended_cost"),
        account: ("bill_payer_account_id", "bill_payer_account_id"),
        optional: ("pricing_unit", "pricing_unit"),
    },
    Case {
        format: SourceFormat::AwsCur2,
        key: data_exports_key,
        object: |case, month, variant| case.flat(bill(ExportBuilder::cur2(), month), variant),
        cost: ("line_item_unblended_cost", "line_item_unblended_cost"),
        account: ("bill_payer_account_id", "bill_payer_account_id"),
        optional: ("pricing_unit", "pricing_unit"),
    },
    Case {
        format: SourceFormat::GcpBillingExport,
        key: |month, file| format!("e/invoice_month={}/{file}.parquet", month.replace('-', "")),
        object: gcp_object,
        cost: ("cost", "cost"),
        account: ("billing_account_id", "billing_account_id"),
        optional: ("seller_name", "seller_name"),
    },
    Case {
        format: SourceFormat::AzureCostManagement,
        key: |month, file| {
            let range = format!("{0}01-{0}28", month.replace('-', ""));
            format!("e/amortized/{range}/{file}.snappy.parquet")
        },
        object: azure_object,
        cost: ("cost", "CostInBillingCurrency"),
        account: ("subscription_id", "SubscriptionId"),
        optional: ("cost_center", "CostCenter"),
    },
    Case {
        format: SourceFormat::Focus,
        key: data_exports_key,
        object: focus_object,
        cost: ("BilledCost", "BilledCost"),
        account: ("BillingAccountId", "BillingAccountId"),
        optional: ("PricingUnit", "PricingUnit"),
    },
];

#[test]
fn every_format_is_put_to_the_test() {
    let tested: Vec<SourceFormat> = CASES.iter().map(|case| case.format).collect();
    assert_eq!(tested, SourceFormat::ALL);
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
        let make = |variant| (case.object)(&case, "2026-01", &variant);
        let objects = [make(Variant::Strange(1.0)), make(Variant::WithoutOptional(2.0))];
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
        assert_eq!(case.costs(&source).await.unwrap(), ["1.0", "2.0"], "{}", case.name());
    }
}

#[tokio::test]
async fn empty_strings_are_null_and_leading_zeros_stay() {
    for case in CASES {
        let server = S3Server::start().await;
        let content = (case.object)(&case, "2026-01", &Variant::EmptyOptional);
        let source = with_objects(&server, &case, &[content]).await.unwrap();
        let sql = format!("select {} is null, {} from {}", case.optional.0, case.account.0, source.relation);
        assert_eq!(rows(&query(&source, &sql).await.unwrap()), ["true|012345678901"], "{}", case.name());
    }
}

#[tokio::test]
async fn broken_contracts_name_object_column_and_remedy() {
    for case in CASES {
        let missing = (case.object)(&case, "2026-01", &Variant::WithoutCost);
        let wrong = (case.object)(&case, "2026-01", &Variant::NumericAccount);
        let whole = case.object("2026-01", 1.0);
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
        // Where the footer does not tell the period, opening reads already and notices.
        let error = match with_objects(&server, &case, &[case.object("2026-01", 1.0)]).await {
            Ok(source) => {
                let error = case.costs(&source).await.unwrap_err();
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
        let sql = format!("select * from {} order by {}", source.relation, case.cost.0);
        assert_eq!(query(&source, &sql).await.unwrap(), query(&local, &sql).await.unwrap(), "{}", case.name());
        assert!(Path::new(folder.path()).exists());
    }
}
