//! What is true: the exports, the pipeline that reads them, and what may happen to both.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::estate::bill;

/// Billing periods of every export.
pub(super) const MONTHS: [&str; 2] = ["2026-01", "2026-02"];

/// Numbers that are the same for the same seed, on every machine.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(end).expect("number")).expect("number")
    }
}

/// An export and the source that reads it.
#[derive(Debug, Clone)]
pub(super) struct Export {
    /// Name of the source; `None` when no source reads it.
    pub(super) source: Option<String>,
    /// Cents that the team pays, by month.
    pub(super) cents: BTreeMap<&'static str, i64>,
    /// The month whose object is cut off.
    pub(super) broken: Option<&'static str>,
}

/// Everything that decides what the tables must hold.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) exports: Vec<Export>,
    pub(super) allocates: bool,
    pub(super) telemetry: bool,
    pub(super) reports: bool,
    pub(super) keeps_service: bool,
    pub(super) rule: usize,
    /// Requests of one day, by month.
    pub(super) requests: BTreeMap<&'static str, i64>,
    names: usize,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    AddSource,
    RemoveSource(usize),
    RenameSource(usize),
    /// Of the export, in the month, the team pays so much.
    Restate(usize, &'static str, i64),
    Break(usize, &'static str),
    Mend(usize),
    ToggleAllocation,
    ToggleTelemetry,
    ToggleReporting,
    ToggleDimension,
    ChangeRule,
    LateTelemetry(&'static str, i64),
    LoseIndex,
    /// A run is killed at one of its writes.
    Kill {
        step: usize,
        accept: bool,
    },
    Run {
        accept: bool,
    },
}

impl Event {
    /// Something that can happen now.
    pub(super) fn any(random: &mut Random, state: &State) -> Self {
        let read: Vec<usize> = (0..state.exports.len()).filter(|at| state.exports[*at].source.is_some()).collect();
        let export = read[random.below(read.len())];
        let month = MONTHS[random.below(MONTHS.len())];
        let amount = i64::try_from(random.below(4_000)).expect("cents") + 500;
        match random.below(20) {
            0 if state.exports.len() < 4 => Self::AddSource,
            1 | 2 if read.len() > 1 => Self::RemoveSource(export),
            3 | 4 => Self::RenameSource(export),
            5 | 6 => Self::Restate(export, month, amount),
            7 => match state.exports[export].broken {
                Some(_) => Self::Mend(export),
                None => Self::Break(export, month),
            },
            8 | 9 => Self::ToggleAllocation,
            10 => Self::ToggleTelemetry,
            11 => Self::ToggleReporting,
            12 => Self::ToggleDimension,
            13 => Self::ChangeRule,
            14 => Self::LateTelemetry(month, amount),
            15 => Self::LoseIndex,
            16..=18 => Self::Kill { step: random.below(70), accept: random.below(2) == 0 },
            _ => Self::Run { accept: random.below(2) == 0 },
        }
    }
}

impl State {
    pub(super) fn new() -> Self {
        let mut state = Self {
            exports: Vec::new(),
            allocates: true,
            telemetry: true,
            reports: false,
            keeps_service: false,
            rule: 0,
            requests: MONTHS.map(|month| (month, 10)).into(),
            names: 0,
        };
        state.add();
        state.add();
        state
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("bill-{}", self.names)
    }

    fn add(&mut self) {
        let source = Some(self.name());
        let cents = MONTHS.map(|month| (month, 1_000 + i64::try_from(self.names).expect("number"))).into();
        self.exports.push(Export { source, cents, broken: None });
    }

    /// What an event does to exports and pipeline; nothing for runs.
    pub(super) fn change(&mut self, event: &Event) {
        match event {
            Event::AddSource => self.add(),
            Event::RemoveSource(at) => self.exports[*at].source = None,
            Event::RenameSource(at) => self.exports[*at].source = Some(self.name()),
            Event::Restate(at, month, cents) => drop(self.exports[*at].cents.insert(*month, *cents)),
            Event::Break(at, month) => self.exports[*at].broken = Some(*month),
            Event::Mend(at) => self.exports[*at].broken = None,
            Event::ToggleAllocation => self.allocates = !self.allocates,
            Event::ToggleTelemetry => self.telemetry = !self.telemetry,
            Event::ToggleReporting => self.reports = !self.reports,
            Event::ToggleDimension => self.keeps_service = !self.keeps_service,
            Event::ChangeRule => self.rule += 1,
            Event::LateTelemetry(month, count) => drop(self.requests.insert(*month, *count)),
            Event::LoseIndex | Event::Kill { .. } | Event::Run { .. } => {}
        }
    }

    /// The export that a source reads.
    pub(super) fn export(&self, source: &str) -> Option<&Export> {
        self.exports.iter().find(|export| export.source.as_deref() == Some(source))
    }

    /// Every object of the exports, whether a source reads it or not.
    pub(super) fn objects(&self) -> Vec<(String, Vec<u8>)> {
        let mut objects = Vec::new();
        for (at, export) in self.exports.iter().enumerate() {
            for (month, cents) in &export.cents {
                let key = format!("export-{at}/data/BILLING_PERIOD={month}/bill-00001.snappy.parquet");
                #[expect(clippy::cast_precision_loss, reason = "an export holds floats")]
                let team = *cents as f64 / 100.0;
                let whole = bill(month, &[("shared", 100.0), ("team-a", team)]);
                let content = if export.broken == Some(month) { b"PAR1 cut off".to_vec() } else { whole };
                objects.push((key, content));
            }
        }
        objects
    }

    /// What an export costs in a month, as exact text.
    pub(super) fn billed(export: &Export, month: &str) -> String {
        let cents = 10_000 + export.cents.get(month).copied().unwrap_or_default();
        format!("{}.{:02}0000000000", cents / 100, cents % 100)
    }

    /// The pipeline file, writing to a folder of the bucket.
    pub(super) fn pipeline(&self, folder: &str, format: &str) -> String {
        let mut text = "version: 1\nname: states\nsources:\n".to_owned();
        for (at, export) in self.exports.iter().enumerate() {
            if let Some(name) = &export.source {
                let _ = writeln!(text, "  {name}: {{ format: aws_cur_2, location: s3://acme/export-{at}/ }}");
            }
        }
        let _ = writeln!(text, "destination: {{ location: s3://acme/{folder}/, format: {format} }}");
        if !self.allocates {
            return text;
        }
        if self.telemetry {
            text.push_str(
                "telemetry:\n  requests: { location: s3://acme/telemetry/, time: ts, quantity: n, unit: Requests, \
                 target: customer }\nunit_economics:\n  cost_per_request: { metric: requests, by: [account] }\n",
            );
        }
        text.push_str("dimensions: { account: SubAccountId, service: ServiceName }\nallocation:\n  target: account\n");
        text.push_str(if self.keeps_service { "  keep: [account, service]\n" } else { "  keep: [account]\n" });
        let split = if self.telemetry {
            "method: proportional, driver: requests, fallback: [previous_period]"
        } else {
            "method: fixed, shares: { acme: 0.4, bolt: 0.6 }"
        };
        let _ = writeln!(
            text,
            "  rules:\n    - {{ id: shared-{}, when: \"account = 'shared'\", {split} }}\n    \
             - {{ id: own, method: direct, to: account }}",
            self.rule
        );
        if self.reports {
            text.push_str("reporting: { currency: EUR, rates: { USD: { 2026-01: 0.9, 2026-02: 0.95 } } }\n");
        }
        text
    }
}
