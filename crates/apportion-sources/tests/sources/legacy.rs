//! Discovery and folding of the legacy report.

use apportion_spec::ErrorKind;
use apportion_testkit::{ExportBuilder, S3Server, Value};

use crate::support::{BUCKET, assert_contains, bill, keys, legacy, location, open, query, rows, total, unit};

fn object(cost: f64) -> bytes::Bytes {
    bill(ExportBuilder::legacy(), "2018-08").row([("line_item_unblended_cost", Value::Number(cost))]).parquet()
}

#[tokio::test]
async fn unpadded_months_and_root_manifests_are_followed() {
    let server = S3Server::start().await;
    for (file, cost) in [("b-1", 1.0), ("b-2", 2.0), ("b-3", 99.0)] {
        server.put(BUCKET, &format!("p/b/b/year=2018/month=8/{file}.snappy.parquet"), object(cost));
    }
    server.put(BUCKET, "p/b/b/cost_and_usage_data_status/status.parquet", "not a bill");
    server.put(BUCKET, "p/b/20180801-20180901/b-create-table.sql", "create table");
    // Another report of the same account beside it, delivered as CSV.
    server.put(BUCKET, "p/other/20180801-20180901/o-Manifest.json", r#"{"reportKeys":["p/other/x/o-1.csv.gz"]}"#);
    let manifest = |keys: &str| format!(r#"{{"assemblyId":"a-2","reportKeys":[{keys}]}}"#);
    let current = r#""p/b/b/year=2018/month=8/b-1.snappy.parquet","/p/b/b/year=2018/month=8/b-2.snappy.parquet""#;
    server.put(BUCKET, "p/b/20180801-20180901/b-Manifest.json", manifest(current));
    server.put(BUCKET, "p/b/20180801-20180901/a-1/b-Manifest.json", manifest(r#""p/b/b/year=2018/month=8/gone""#));
    for prefix in ["p/b/", "p", "p/b/b/"] {
        let source = open(legacy(), &location(&server, prefix).await, "2018-08").await.unwrap();
        assert_eq!(total(&source).await.unwrap(), "3.0000", "{prefix}");
        assert_eq!(source.unit().manifest.as_ref().unwrap().delivery.as_deref(), Some("a-2"), "{prefix}");
        assert!(source.report.notes.join("; ").contains("b-3.snappy.parquet"), "{:?}", source.report.notes);
    }
}

#[tokio::test]
async fn a_csv_report_and_two_folders_for_one_month_are_refused() {
    let server = S3Server::start().await;
    server.put(
        BUCKET,
        "csv/b/20180801-20180901/b-Manifest.json",
        r#"{"reportKeys":["csv/b/20180801-20180901/a/b-1.csv.gz"]}"#,
    );
    let error = unit(legacy(), &location(&server, "csv").await, "2018-08").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_contains(&error, &["delivered as CSV", "b-1.csv.gz"]);

    server.put(BUCKET, "two/b/b/year=2018/month=8/b-1.parquet", object(1.0));
    server.put(BUCKET, "two/b/b/year=2018/month=08/b-1.parquet", object(1.0));
    let error = unit(legacy(), &location(&server, "two").await, "2018-08").await.unwrap_err();
    assert_contains(&error, &["several folders claim billing period 2018-08", "month=08", "month=8"]);

    server.put(BUCKET, "one/b/b/year=2018/month=08/b-1.parquet", object(1.0));
    let found = unit(legacy(), &location(&server, "one").await, "2018-08").await.unwrap();
    assert_eq!(keys(&found), ["one/b/b/year=2018/month=08/b-1.parquet"]);
}

#[tokio::test]
async fn prefixed_columns_become_maps_and_empty_strings_null() {
    let server = S3Server::start().await;
    // Two objects of one month with different columns, as AWS adds tag keys when first used.
    let first = bill(ExportBuilder::legacy(), "2018-08").row([
        ("line_item_unblended_cost", 1.0.into()),
        ("line_item_resource_id", "i-1".into()),
        ("product_product_name", "Compute".into()),
        ("product_vcpu", "4".into()),
        ("resource_tags_user_name", "web".into()),
    ]);
    let second =
        bill(ExportBuilder::legacy(), "2018-08").names(&["cost_category_team", "resource_tags_user_stage"]).row([
            ("line_item_unblended_cost", 2.0.into()),
            ("cost_category_team", "core".into()),
            ("resource_tags_user_stage", "test".into()),
        ]);
    server.put(BUCKET, "b/b/year=2018/month=8/b-1.parquet", first.parquet());
    server.put(BUCKET, "b/b/year=2018/month=8/b-2.parquet", second.parquet());
    let source = open(legacy(), &location(&server, "b").await, "2018-08").await.unwrap();
    let sql = "select line_item_unblended_cost, line_item_resource_id, line_item_operation, product, resource_tags, \
               cost_category, discount, bill_billing_period_start_date from src_aws__cur order by 1";
    let table = query(&source, sql).await.unwrap();
    assert_eq!(
        rows(&table),
        [
            "1.0|i-1||{product_name: Compute, vcpu: 4}|{user_name: web}|{}||2018-08-01T00:00:00Z",
            "2.0|||{}|{user_stage: test}|{team: core}||2018-08-01T00:00:00Z",
        ]
    );
    assert!(source.report.unknown_columns.is_empty(), "{:?}", source.report.unknown_columns);
    assert!(source.report.absent_columns.contains(&"line_item_net_unblended_cost".to_owned()));
}
