//! Sequences of deliveries over a known truth: whatever is read is what was delivered, each charge
//! once, or the month is refused.
//!
//! `APPORTION_DELIVERY_SEQUENCES` says how many sequences are tried, `APPORTION_DELIVERY_SEED` with
//! which the first one starts; a failure names its seed and everything that was done.

use std::path::Path;

use apportion_sources::{ExportFormat, Location, Reading, StoreOptions, format, inventory, open_unit};
use apportion_spec::wire::SourceFormat;
use apportion_spec::{Error, ErrorKind};
use apportion_testkit::case::CASES;
use apportion_testkit::deliveries::{PROVIDERS, Provider, Random, Shelf};

use crate::support::{period, query, rows};

const SEQUENCES: u64 = 300;
const STEPS: usize = 5;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn export(provider: &Provider) -> &'static dyn ExportFormat {
    let named = |candidate: &&SourceFormat| format(**candidate).name() == provider.format;
    format(*SourceFormat::ALL.iter().find(named).unwrap())
}

/// Total of the month in cents as it would be charged, or why it is refused.
async fn read(folder: &Path, provider: &Provider) -> Result<i64, Error> {
    let location = Location::open(folder.to_str().unwrap(), "/".as_ref(), &StoreOptions::default()).await?;
    let export = export(provider);
    let unit = inventory(export, &location).await?.unit(period("2026-01")).await?;
    let source = open_unit(export, &location, unit, &Reading::default()).await?;
    source.repeated_rows().await?;
    let cost = CASES.iter().find(|case| case.format == provider.format).unwrap().cost.0;
    let ids = provider.id.unwrap_or("1");
    let sql = format!(
        "select coalesce(cast(round(sum(cast(\"{cost}\" as decimal(38, 6))) * 100) as bigint), 0), \
         count(*) - count(distinct {ids}) from {}",
        source.relation
    );
    let found = rows(&query(&source, &sql).await.unwrap()).remove(0);
    let (total, repeated) = found.split_once('|').unwrap();
    // What the check of unique keys refuses before anything is published.
    if provider.id.is_some() && repeated != "0" {
        return Err(Error::new(ErrorKind::CheckFailed, "keys repeat"));
    }
    Ok(total.parse().unwrap())
}

/// How a sequence went: months read, months refused.
async fn sequence(provider: &Provider, seed: u64) -> (usize, usize) {
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut shelf = Shelf::new(folder.path());
    let layout = random.of(provider.layouts);
    let (mut told, mut refused) = (0, 0);
    for _ in 0..STEPS {
        (provider.step)(&mut shelf, layout, &mut random);
        if shelf.is_empty() {
            continue;
        }
        match read(folder.path(), provider).await {
            Ok(total) => {
                let truth = shelf.truth(provider.adds_rows);
                assert_eq!(total, truth, "{} in {layout}, seed {seed}:\n{}", provider.format, shelf.history());
                told += 1;
            }
            Err(error) => {
                let kinds = [
                    ErrorKind::CheckFailed,
                    ErrorKind::Config,
                    ErrorKind::Conflict,
                    ErrorKind::ContractViolated,
                    ErrorKind::NotFound,
                ];
                assert!(kinds.contains(&error.kind()), "{error}, seed {seed}:\n{}", shelf.history());
                let is_clean = shelf.is_clean();
                assert!(!is_clean, "{} in {layout}, seed {seed}: {error}\n{}", provider.format, shelf.history());
                refused += 1;
            }
        }
    }
    (told, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_what_was_delivered_or_the_month_is_refused() {
    let (sequences, first) = (number("APPORTION_DELIVERY_SEQUENCES", SEQUENCES), number("APPORTION_DELIVERY_SEED", 1));
    for (index, provider) in PROVIDERS.iter().enumerate() {
        let (mut told, mut refused) = (0, 0);
        for seed in (first..first + sequences).filter(|seed| *seed as usize % PROVIDERS.len() == index) {
            let (read, not) = sequence(provider, seed).await;
            told += read;
            refused += not;
        }
        println!("{}: {told} months read, {refused} refused", provider.format);
        let expected = sequences as usize / PROVIDERS.len();
        assert!(told >= expected, "{}: refusing everything proves nothing: {told} read", provider.format);
    }
}

#[test]
fn every_format_has_sequences() {
    let has = |registered: &SourceFormat| PROVIDERS.iter().any(|it| it.format == format(*registered).name());
    assert!(SourceFormat::ALL.iter().all(has));
}
