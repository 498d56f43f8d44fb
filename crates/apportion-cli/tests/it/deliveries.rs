//! Sequences of deliveries over a known truth, with runs in between: what is published is what was
//! delivered, day by day and each charge once, or the month stays as it was and the run says so.
//!
//! The runs are made in this process, and several sequences at the same time. A run costs half a second of a
//! core in a build for tests, most of it for planning some forty queries, so not every step is followed by
//! one: the last always is, and so are some before it, as a night may find several deliveries.
//! `APPORTION_DELIVERY_SEQUENCES` says how many sequences are tried, `APPORTION_DELIVERY_SEED` with which
//! seed the first one starts, `APPORTION_DELIVERY_RUNS` after how many steps of each a run follows (5 are
//! all). A failure names its seed and everything that was done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use apportion_cli::ExitStatus;
use apportion_spec::pipeline::SourceFormat;
use apportion_testkit::deliveries::{PROVIDERS, Provider, Random, Shelf};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Decimal128Type, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::{number, run_arguments};

const SEQUENCES: u64 = 300;
const STEPS: usize = 5;
const RUNS: u64 = 3;
/// As the command's own threads.
const STACK: usize = 16 << 20;
/// Units of the tables in a cent.
const CENT: i128 = 10_000_000_000;

/// Charges and cents by day.
type Days = BTreeMap<u32, (usize, i64)>;

/// How many runs published, and how many did not.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    published: usize,
    refused: usize,
}

fn objects(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            objects(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            into.push(path);
        }
    }
}

/// What the table of charges holds.
fn published(tables: &Path) -> Days {
    let (mut files, mut days) = (Vec::new(), Days::new());
    objects(&tables.join("focus_charges"), &mut files);
    for file in files {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).expect("file")).expect("parquet");
        let columns = ProjectionMask::columns(reader.parquet_schema(), ["BilledCost", "ChargePeriodStart"]);
        for batch in reader.with_projection(columns).build().expect("reader") {
            let batch = batch.expect("rows");
            let costs = batch.column_by_name("BilledCost").expect("costs").as_primitive::<Decimal128Type>();
            let starts = batch.column_by_name("ChargePeriodStart").expect("starts");
            let starts = starts.as_primitive::<TimestampMicrosecondType>();
            assert_eq!(costs.null_count() + starts.null_count(), 0, "every charge has a cost and a day");
            for (cost, start) in costs.values().iter().zip(starts.values()) {
                assert_eq!(cost % CENT, 0, "whole cents were delivered");
                let (charges, cents) = days.entry(day(*start)).or_default();
                *charges += 1;
                *cents += i64::try_from(cost / CENT).expect("cents");
            }
        }
    }
    days
}

/// Day of the month.
fn day(micros: i64) -> u32 {
    chrono::Datelike::day(&chrono::DateTime::from_timestamp_micros(micros).expect("time"))
}

/// The steps that a run follows: the last one and others. They are drawn apart from what is delivered, so that a
/// seed delivers the same however many runs there are.
fn runs(seed: u64) -> BTreeSet<usize> {
    let mut random = Random::new(!seed);
    let wanted = usize::try_from(number("APPORTION_DELIVERY_RUNS", RUNS)).expect("number").clamp(1, STEPS);
    let mut runs = BTreeSet::from([STEPS - 1]);
    while runs.len() < wanted {
        runs.insert(random.below(STEPS));
    }
    runs
}

/// Goes through a sequence, with a run after some of its steps.
async fn sequence(provider: &Provider, seed: u64) -> Result<Told, String> {
    let folder = tempfile::tempdir().expect("folder");
    let pipeline = format!(
        "version: 1\nname: deliveries\nsources:\n  bill: {{ format: {}, location: bill/ }}\n\
         destination: {{ location: tables/ }}\nengine: {{ jobs: 2 }}\n",
        provider.format
    );
    std::fs::write(folder.path().join("pipeline.yaml"), pipeline).expect("pipeline");
    std::fs::create_dir(folder.path().join("bill")).expect("folder");
    let (arguments, tables) = (run_arguments(folder.path()), folder.path().join("tables"));
    let mut random = Random::new(seed);
    let mut shelf = Shelf::new(&folder.path().join("bill"));
    let layout = random.of(provider.layouts);
    let (mut told, mut before) = (Told::default(), Days::new());
    let runs = runs(seed);
    for step in 0..STEPS {
        (provider.step)(&mut shelf, layout, &mut random);
        if shelf.is_empty() || !runs.contains(&step) {
            continue;
        }
        let outcome = apportion_cli::run_pipeline(&arguments).await;
        let (status, report) =
            outcome.unwrap_or_else(|error| (ExitStatus::of_command(error.kind()), error.to_string()));
        let wrong = |what: &str| {
            let name = format!("{} in {layout}, seed {seed}: {what}", provider.format);
            Err(format!("{name}\nexit code {}\n{}\n{report}", status.code(), shelf.history()))
        };
        let (now, truth) = (published(&tables), shelf.truth(provider.adds_rows));
        match status {
            ExitStatus::Success if now != truth => return wrong(&format!("published {now:?} instead of {truth:?}")),
            ExitStatus::Success => told.published += 1,
            ExitStatus::UnitFailed | ExitStatus::CheckFailed if now != before => {
                return wrong("a refused month changed");
            }
            ExitStatus::UnitFailed | ExitStatus::CheckFailed if shelf.is_clean() => {
                return wrong("nothing is undecided");
            }
            ExitStatus::UnitFailed | ExitStatus::CheckFailed => told.refused += 1,
            _ => return wrong("no run ends like this"),
        }
        before = now;
    }
    Ok(told)
}

/// Which provider goes through the sequence of a seed.
fn of(seed: u64) -> usize {
    usize::try_from(seed).expect("seed") % PROVIDERS.len()
}

#[test]
fn what_is_published_is_what_was_delivered_or_the_month_is_untouched() {
    let (sequences, first) = (number("APPORTION_DELIVERY_SEQUENCES", SEQUENCES), number("APPORTION_DELIVERY_SEED", 1));
    let (next, told) = (AtomicU64::new(first), Mutex::new(vec![Told::default(); PROVIDERS.len()]));
    let failures = Mutex::new(Vec::new());
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= first + sequences || !failures.lock().expect("failures").is_empty() {
                break;
            }
            match runtime.block_on(sequence(&PROVIDERS[of(seed)], seed)) {
                Ok(done) => {
                    let all = &mut told.lock().expect("told")[of(seed)];
                    all.published += done.published;
                    all.refused += done.refused;
                }
                Err(failure) => failures.lock().expect("failures").push(failure),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).expect("thread");
        }
    });
    let failures = failures.into_inner().expect("failures");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    for (index, (provider, told)) in PROVIDERS.iter().zip(told.into_inner().expect("told")).enumerate() {
        let Told { published, refused } = told;
        println!("{}: {published} runs published, {refused} did not", provider.format);
        let tried = (first..first + sequences).filter(|seed| of(*seed) == index).count();
        assert!(published >= tried.div_ceil(2), "{}: refusing everything proves nothing: {told:?}", provider.format);
    }
}

#[test]
fn every_format_has_sequences() {
    let has = |registered: &SourceFormat| PROVIDERS.iter().any(|it| it.format == registered.as_str());
    assert!(SourceFormat::ALL.iter().all(has));
}
