//! The project's own sample, and real exports where the machine has them.

use std::path::Path;

use apportion_sources::{Location, StoreOptions, inventory};

use crate::support::{cur2, legacy, open, query, rows};

#[tokio::test]
async fn the_sample_export_is_read_as_its_manifests_say() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/exports/aws/cur2");
    let location = Location::open("acme/", &base, &StoreOptions::default()).await.unwrap();
    let found = inventory(cur2(), &location).await.unwrap();
    let periods: Vec<String> = found.periods().map(|period| period.to_string()).collect();
    assert_eq!(periods, ["2026-01", "2026-02", "2026-03"]);
    for (month, objects) in [("2026-01", 1), ("2026-02", 2), ("2026-03", 1)] {
        let source = open(cur2(), &location, month).await.unwrap();
        assert_eq!(source.unit().objects.len(), objects, "{month}");
        let sql = "select count(*) > 0, count(distinct bill_billing_period_start_date), count(resource_tags) > 0 from src_aws__cur";
        assert_eq!(rows(&query(&source, sql).await.unwrap()), ["true|1|true"]);
        assert!(source.report.unknown_columns.is_empty(), "{:?}", source.report.unknown_columns);
    }
}

/// `APPORTION_REAL_EXPORTS` names a folder with `aws/*.parquet`; then a missing file is a failure.
#[tokio::test]
async fn real_legacy_reports_are_read_completely() {
    let Some(folder) = std::env::var_os("APPORTION_REAL_EXPORTS") else { return };
    let location = Location::open("aws", Path::new(&folder), &StoreOptions::default()).await.unwrap();
    for (month, count, cost) in [("2018-10", "119307", "4064.4831"), ("2018-12", "91264", "408.3760")] {
        let source = open(legacy(), &location, month).await.unwrap();
        assert!(source.report.unknown_columns.is_empty(), "{:?}", source.report.unknown_columns);
        let sql = "select count(*), cast(sum(line_item_unblended_cost) as decimal(20, 4)), \
                   count(reservation_reservation_a_r_n) < count(*), count(resource_tags) = count(*), \
                   count(bill_payer_account_id) = count(*) from src_aws__cur";
        let table = rows(&query(&source, sql).await.unwrap());
        assert_eq!(table, [format!("{count}|{cost}|true|true|true")], "{month}");
    }
}
