//! Sequences of deliveries over a known truth: whatever is read is what was delivered, each charge
//! once, or the month is refused.
//!
//! `APPORTION_DELIVERY_SEQUENCES` says how many sequences are tried, `APPORTION_DELIVERY_SEED` with
//! which the first one starts; a failure names its seed and everything that was done.

#[path = "deliveries/providers.rs"]
mod providers;
#[path = "deliveries/shelf.rs"]
mod shelf;

use apportion_sources::{Location, Reading, StoreOptions, format, inventory, open_unit};
use apportion_spec::wire::SourceFormat;
use apportion_spec::{Error, ErrorKind};

use crate::support::{period, query, rows};
use providers::{ALL, Provider};
use shelf::{Random, Shelf};

const SEQUENCES: u64 = 300;
const STEPS: usize = 5;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Total of the month in cents as it would be charged, or why it is refused.
async fn read(shelf: &Shelf, provider: &Provider) -> Result<i64, Error> {
    let folder = shelf.folder().to_str().unwrap();
    let location = Location::open(folder, "/".as_ref(), &StoreOptions::default()).await?;
    let export = format(provider.format);
    let unit = inventory(export, &location).await?.unit(period("2026-01")).await?;
    let source = open_unit(export, &location, unit, &Reading::default()).await?;
    source.repeated_rows().await?;
    let ids = if provider.has_ids { provider.id } else { "1" };
    let sql = format!(
        "select coalesce(cast(round(sum(cast({} as decimal(38, 6))) * 100) as bigint), 0), count(*) - count(distinct {ids}) \
         from {}",
        provider.cost, source.relation
    );
    let found = rows(&query(&source, &sql).await.unwrap()).remove(0);
    let (total, repeated) = found.split_once('|').unwrap();
    // What the check of unique keys refuses before anything is published.
    if provider.has_ids && repeated != "0" {
        return Err(Error::new(ErrorKind::CheckFailed, "keys repeat"));
    }
    Ok(total.parse().unwrap())
}

/// How a sequence went: months read, months refused.
async fn sequence(provider: &Provider, seed: u64) -> (usize, usize) {
    let mut random = Random::new(seed);
    let mut shelf = Shelf::new();
    let layout = random.of(provider.layouts);
    let (mut told, mut refused) = (0, 0);
    for _ in 0..STEPS {
        (provider.step)(&mut shelf, layout, &mut random);
        if shelf.is_empty() {
            continue;
        }
        match read(&shelf, provider).await {
            Ok(total) => {
                let truth = shelf.truth(provider.adds_rows);
                assert_eq!(total, truth, "{} in {layout}, seed {seed}:\n{}", provider.name(), shelf.history());
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
                assert!(!is_clean, "{} in {layout}, seed {seed}: {error}\n{}", provider.name(), shelf.history());
                refused += 1;
            }
        }
    }
    (told, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_what_was_delivered_or_the_month_is_refused() {
    let (sequences, first) = (number("APPORTION_DELIVERY_SEQUENCES", SEQUENCES), number("APPORTION_DELIVERY_SEED", 1));
    for (index, provider) in ALL.iter().enumerate() {
        let (mut told, mut refused) = (0, 0);
        for seed in (first..first + sequences).filter(|seed| *seed as usize % ALL.len() == index) {
            let (read, not) = sequence(provider, seed).await;
            told += read;
            refused += not;
        }
        println!("{}: {told} months read, {refused} refused", provider.name());
        let expected = sequences as usize / ALL.len();
        assert!(told >= expected, "{}: refusing everything proves nothing: {told} read", provider.name());
    }
}

impl Provider {
    fn name(&self) -> &'static str {
        format(self.format).name()
    }
}

#[test]
fn every_format_has_sequences() {
    assert!(SourceFormat::ALL.iter().all(|format| ALL.iter().any(|provider| provider.format == *format)));
}
