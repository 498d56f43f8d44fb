//! Rows that a bill may hold and nobody thought of: kinds, signs, gaps and texts drawn at random, for every kind of
//! bill. Whatever a provider billed is published, its sum is the sum of the rows, and no promise of ours is broken
//! meanwhile (`docs/decisions/0015-what-stops-a-month.md`).
//!
//! `APPORTION_ODD_MONTHS` says how many months of each kind are tried, `APPORTION_ODD_SEED` with which seed the
//! first one starts. A failure names its seed.

mod aws;
mod azure;
mod focus;
mod google;

use std::collections::BTreeMap;

use apportion_cli::ExitStatus;
use apportion_engine::{ModelGraph, Promise};
use apportion_testkit::deliveries::Random;

use crate::support::{number, run_arguments};

const MONTHS: u64 = 12;

/// Costs in billionths: none, tiny, negative, and more digits than cents.
const COSTS: [i64; 9] = [
    0,
    1_000_000_000,
    -1_000_000_000,
    100_000_000,
    1,
    123_456_789_000_000,
    -5_000_000,
    3_333_333_333,
    -250_250_000_000,
];

/// Texts that are short, long, of other alphabets, or look like something else.
const TEXTS: [&str; 11] = ["", " ", "x", "ÄÖ", "a/b", "a:b:c", "0", "-", "Unassigned", "\u{feff}", "arn:aws"];

/// A month of one kind of bill: its objects, and what it costs in billionths by currency.
#[derive(Debug, Default)]
struct Month {
    objects: Vec<(&'static str, Vec<u8>)>,
    billed: BTreeMap<&'static str, i64>,
}

/// Draws a month.
type Draw = fn(&mut Random) -> Month;

/// Whether something that happens in `percent` of the cases does.
fn sometimes(random: &mut Random, percent: usize) -> bool {
    random.below(100) < percent
}

/// A number as exports state it, from billionths.
fn amount(billionths: i64) -> f64 {
    // As text first: the nearest double of the decimal, as a program writes it.
    decimal(billionths).parse().expect("number")
}

/// A decimal from billionths.
fn decimal(billionths: i64) -> String {
    let sign = if billionths < 0 { "-" } else { "" };
    let units = billionths.unsigned_abs();
    format!("{sign}{}.{:09}", units / 1_000_000_000, units % 1_000_000_000)
}

/// Checks whose promise is ours; a kind of line that is not known is for the reader of the note.
fn promises() -> Vec<String> {
    let graph = ModelGraph::embedded().expect("models");
    let ours = graph.checks().filter(|check| check.header.promise == Some(Promise::Ours));
    ours.map(|check| check.name.clone()).filter(|name| !name.ends_with("line_item_types_are_known")).collect()
}

/// Runs over one month and says what is wrong with what was published.
async fn wrong(format: &str, draw: Draw, seed: u64, promises: &[String]) -> Option<String> {
    let month = draw(&mut Random::new(seed));
    let folder = tempfile::tempdir().expect("folder");
    let pipeline = format!(
        "version: 1\nname: odd\nsources:\n  bill: {{ format: {format}, location: bill/ }}\n\
         dimensions:\n  team: tag('team')\n\
         allocation:\n  target: team\n  rules:\n    - {{ id: direct, when: team is not null, method: direct, to: team }}\n\
         destination: {{ location: tables/ }}\n"
    );
    std::fs::write(folder.path().join("pipeline.yaml"), pipeline).expect("pipeline");
    for (key, content) in &month.objects {
        let path = folder.path().join("bill").join(key);
        std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        std::fs::write(path, content).expect("object");
    }
    let outcome = apportion_cli::run_pipeline(&run_arguments(folder.path())).await;
    let (status, report) = match outcome {
        Ok(done) => done,
        Err(error) => return Some(format!("{format}, seed {seed}: {error}")),
    };
    let told = |what: &str| Some(format!("{format}, seed {seed}: {what}\n{report}"));
    if status != ExitStatus::Success {
        return told(&format!("exit code {}", status.code()));
    }
    if let Some(broken) = promises.iter().find(|name| report.contains(name.as_str())) {
        return told(&format!("{broken} is a promise of ours"));
    }
    let report: serde_json::Value = serde_json::from_str(&report).expect("report");
    let totals = report["sources"][0]["totals"].as_object().into_iter().flatten();
    let billed: BTreeMap<String, String> = totals
        .map(|(currency, ledgers)| (currency.clone(), ledgers["billed"].as_str().unwrap_or_default().to_owned()))
        .collect();
    let truth: BTreeMap<String, String> = month
        .billed
        .iter()
        .map(|(currency, billionths)| ((*currency).to_owned(), format!("{}000", decimal(*billionths))))
        .collect();
    (billed != truth).then(|| format!("{format}, seed {seed}: published {billed:?} instead of {truth:?}"))
}

/// Tries months of one kind of bill.
fn tried(format: &str, draw: Draw) {
    let (months, first) = (number("APPORTION_ODD_MONTHS", MONTHS), number("APPORTION_ODD_SEED", 1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let promises = promises();
    for seed in first..first + months {
        let wrong = runtime.block_on(wrong(format, draw, seed, &promises));
        assert!(wrong.is_none(), "{}", wrong.unwrap_or_default());
    }
}

#[test]
fn of_aws_are_published() {
    tried("aws_cur_2", aws::month);
}

#[test]
fn of_google_are_published() {
    tried("gcp_billing_export", google::month);
}

#[test]
fn of_azure_are_published() {
    tried("azure_cost_management", azure::month);
}

#[test]
fn of_native_exports_are_published() {
    tried("focus", focus::month);
}
