//! Sequences of deliveries through the whole binary, a run after each: what is published is what was
//! delivered, or the month stays as it was and the exit code says so.
//!
//! `APPORTION_RUN_SEQUENCES` says how many sequences are tried, `APPORTION_DELIVERY_SEED` with which the
//! first one starts. The readers go through many more of them.

use apportion_testkit::deliveries::{PROVIDERS, Provider, Random, Shelf};

use crate::support::{Workspace, transcript};

const SEQUENCES: usize = 10;
const STEPS: usize = 4;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Cents that are published; nothing before the first month is.
fn published(workspace: &Workspace) -> Option<i64> {
    if !workspace.path("tables/focus_charges").exists() {
        return None;
    }
    let sql = "SELECT cast(round(sum(BilledCost) * 100) AS bigint) FROM focus_charges";
    let found = workspace.query("tables", sql);
    found.first().and_then(|row| row.first()).map(|cents| cents.parse().expect("cents"))
}

/// Goes through a sequence; how many runs published and how many did not.
fn sequence(provider: &Provider, seed: usize) -> (usize, usize) {
    let workspace = Workspace::new();
    let pipeline = format!(
        "version: 1\nname: deliveries\nsources:\n  bill: {{ format: {}, location: bill/ }}\n\
         destination: {{ location: tables/ }}\n",
        provider.format
    );
    workspace.write("pipeline.yaml", pipeline.as_bytes());
    let mut random = Random::new(seed as u64);
    let mut shelf = Shelf::new(&workspace.path("bill"));
    let layout = random.of(provider.layouts);
    let (mut done, mut refused, mut before) = (0, 0, None);
    for _ in 0..STEPS {
        (provider.step)(&mut shelf, layout, &mut random);
        if shelf.is_empty() {
            continue;
        }
        let output = workspace.run(&["run", "pipeline.yaml"]);
        let told = || {
            let name = format!("{} in {layout}, seed {seed}", provider.format);
            format!("{name}:\n{}\n{}", shelf.history(), transcript(&output, &[]))
        };
        let now = published(&workspace);
        match output.status.code() {
            Some(0) => {
                assert_eq!(now, Some(shelf.truth(provider.adds_rows)), "{}", told());
                done += 1;
            }
            Some(1 | 3) => {
                assert_eq!(now, before, "a refused month changed: {}", told());
                assert!(!shelf.is_clean(), "{}", told());
                refused += 1;
            }
            other => panic!("exit code {other:?}: {}", told()),
        }
        before = now;
    }
    (done, refused)
}

#[test]
fn what_is_published_is_what_was_delivered_or_the_month_is_untouched() {
    let (sequences, first) = (number("APPORTION_RUN_SEQUENCES", SEQUENCES), number("APPORTION_DELIVERY_SEED", 1));
    let (mut done, mut refused) = (0, 0);
    for seed in first..first + sequences {
        let provider = PROVIDERS.iter().cycle().nth(seed % PROVIDERS.len()).expect("a provider");
        let (published, not) = sequence(provider, seed);
        done += published;
        refused += not;
    }
    println!("{done} runs published, {refused} did not");
    assert!(done >= sequences, "refusing everything proves nothing: {done} runs published, {refused} did not");
}
