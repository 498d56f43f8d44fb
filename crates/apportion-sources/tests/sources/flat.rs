//! Objects whose keys name no billing period: what is known of them is not read again, and copies lie where
//! they are told to.

use std::collections::BTreeSet;

use apportion_sources::{Reading, format, inventory, inventory_with, open_unit};
use apportion_spec::wire::SourceFormat;
use apportion_testkit::S3Server;
use object_store::ObjectMeta;

use crate::support::{BUCKET, location, period};

fn bill(day: u32) -> String {
    let header = "BillingCurrency,PreTaxCost,Date,MeterCategory,Quantity,ResourceId,SubscriptionId\n";
    format!("{header}USD,1.25,01/{day:02}/2026,Storage,1,/subscriptions/s/x,s\n")
}

/// Objects that were downloaded.
fn downloads(server: &S3Server) -> usize {
    server.requests().iter().filter(|request| request.method == "GET" && request.query.is_empty()).count()
}

#[tokio::test]
async fn an_object_that_was_looked_into_is_not_downloaded_again() {
    let server = S3Server::start().await;
    server.put(BUCKET, "p/amortized-1.csv", bill(1));
    server.put(BUCKET, "p/amortized-2.csv", bill(2));
    let place = location(&server, "p").await;
    let azure = format(SourceFormat::AzureCostManagement);
    let first = inventory(azure, &place).await.unwrap();
    let known = first.looked_into().to_vec();
    assert_eq!(known.len(), 2);
    let before = downloads(&server);
    assert!(before >= 2, "{before}");
    let remembered = |meta: &ObjectMeta| -> Option<BTreeSet<_>> {
        known.iter().find(|(other, _)| other == meta).map(|(_, periods)| periods.clone())
    };
    let again = inventory_with(azure, &place, &remembered).await.unwrap();
    assert_eq!(downloads(&server), before, "a known object was downloaded");
    assert_eq!(again.periods().collect::<Vec<_>>(), [period("2026-01")]);
    assert_eq!(again.looked_into(), known);
    // One that changed is looked into, and only that one.
    server.put(BUCKET, "p/amortized-2.csv", bill(3));
    inventory_with(azure, &place, &remembered).await.unwrap();
    assert_eq!(downloads(&server), before + 1);
}

#[tokio::test]
async fn copies_lie_in_the_work_directory_and_go_with_the_relation() {
    let server = S3Server::start().await;
    server.put(BUCKET, "p/amortized.csv", bill(1));
    let work = tempfile::tempdir().unwrap();
    // It need not exist.
    let folder = work.path().join("not/yet");
    let place = location(&server, "p").await.with_work_directory(&folder);
    let azure = format(SourceFormat::AzureCostManagement);
    let unit = inventory(azure, &place).await.unwrap().unit(period("2026-01")).await.unwrap();
    let entries = || std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(entries(), 0, "what listing copied is gone");
    let source = open_unit(azure, &place, unit, &Reading::default()).await.unwrap();
    assert_eq!(entries(), 1);
    let name = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().file_name();
    assert!(name.to_str().unwrap().starts_with(apportion_sources::COPIES_PREFIX));
    drop(source);
    assert_eq!(entries(), 0);
}
