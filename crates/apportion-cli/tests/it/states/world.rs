//! The bucket, the commands that work on it, and what must be true after each.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use apportion_testkit::s3::{Fault, S3Server};
use serde_json::Value as Json;

use super::model::{Event, MONTHS, State};
use crate::estate::requests;
use crate::support::{Workspace, apportion, transcript};

const BUCKET: &str = "acme";
/// The pipeline, with everything accepted.
const ACCEPTED: [&str; 5] = ["pipeline.yaml", "--accept-smaller", "2026-01", "--accept-smaller", "2026-02"];
const TABLES: [&str; 7] = [
    "focus_charges",
    "driver_quantities",
    "allocated_charges",
    "reporting_charges",
    "unit_economics_daily",
    "unit_economics_monthly",
    "reconciliation",
];

pub(super) struct World {
    server: S3Server,
    workspace: Workspace,
    format: &'static str,
    seed: u64,
    state: State,
    history: Vec<Event>,
}

impl World {
    pub(super) fn new(format: &'static str, seed: u64) -> Self {
        let world = Self {
            server: S3Server::start_blocking(),
            workspace: Workspace::new(),
            format,
            seed,
            state: State::new(),
            history: Vec::new(),
        };
        world.write();
        world
    }

    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    /// Makes the bucket and the pipeline file what the state says.
    fn write(&self) {
        for (key, content) in self.state.objects() {
            self.put(&key, content);
        }
        for (month, count) in &self.state.requests {
            let content = requests(&format!("{month}-05"), &[("acme", *count), ("bolt", 10)]);
            self.put(&format!("telemetry/requests-{month}.parquet"), content);
        }
        self.workspace.write("pipeline.yaml", self.state.pipeline("tables", self.format).as_bytes());
    }

    fn put(&self, key: &str, content: Vec<u8>) {
        if self.server.get(BUCKET, key).as_deref() != Some(content.as_slice()) {
            self.server.put(BUCKET, key, content);
        }
    }

    /// Whose seed it was and what happened, for the person who reads a failure.
    fn told(&self, what: &str) -> String {
        let pipeline = self.state.pipeline("tables", self.format);
        format!("{} seed {}: {what}\nafter {:#?}\n{pipeline}", self.format, self.seed, self.history)
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = apportion();
        command.args(arguments).envs(self.server.environment()).current_dir(self.workspace.path(""));
        command.output().expect("binary")
    }

    fn json(&self, arguments: &[&str]) -> Json {
        let output = self.output(&[arguments, &["--format", "json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", self.told(&transcript(&output, &[]))))
    }

    /// Lets something happen, runs, and looks.
    pub(super) fn happen(&mut self, event: &Event) {
        self.history.push(event.clone());
        self.state.change(event);
        self.write();
        let accept = match event {
            Event::Kill { step, accept } => {
                self.kill(*step, *accept);
                self.certified_is_true();
                *accept
            }
            Event::LoseIndex => {
                self.server.remove(BUCKET, "tables/_apportion/units.json");
                false
            }
            Event::Run { accept } => *accept,
            _ => false,
        };
        let options: &[&str] = if accept { &ACCEPTED } else { &["pipeline.yaml"] };
        let planned = self.json(&[&["plan"], options].concat());
        let report = self.json(&[&["run"], options].concat());
        self.plan_was_right(&planned, &report);
        self.figures_are_right(&report);
        self.rules_are_todays(&report);
        self.certified_is_true();
        self.everything_belongs_to_a_unit(&report);
    }

    /// Everything is mended and accepted: the tables are what they would be without all that happened.
    pub(super) fn end(&mut self) {
        for at in 0..self.state.exports.len() {
            self.state.change(&Event::Mend(at));
        }
        self.happen(&Event::Run { accept: true });
        let again = self.json(&["run", "pipeline.yaml"]);
        let idle = units(&again).values().all(|status| status == "up_to_date");
        assert!(idle, "{}", self.told(&format!("a second run still finds something: {again:#}")));
        if self.format == "parquet" {
            self.workspace.write("pipeline.yaml", self.state.pipeline("fresh", self.format).as_bytes());
            let output = self.output(&["run", "pipeline.yaml"]);
            assert!(output.status.success(), "{}", self.told(&transcript(&output, &[])));
            assert!(self.content("tables/") == self.content("fresh/"), "{}", self.told("other tables than fresh ones"));
        }
    }

    fn content(&self, folder: &str) -> BTreeMap<String, bytes::Bytes> {
        let keys = self.server.keys(BUCKET).into_iter().filter_map(|key| key.strip_prefix(folder).map(str::to_owned));
        let tables = keys.filter(|key| !key.starts_with("_apportion"));
        tables.map(|key| (key.clone(), self.server.get(BUCKET, &format!("{folder}{key}")).expect("object"))).collect()
    }

    /// A run that is killed at one of its writes, or ends before.
    fn kill(&self, step: usize, accept: bool) {
        self.server.fault(Fault::FreezeAtWrite {
            key: "tables/".to_owned(),
            after: step,
            applied: step.is_multiple_of(2),
        });
        let options: &[&str] = if accept { &ACCEPTED } else { &["pipeline.yaml"] };
        let mut child = apportion()
            .arg("run")
            .args(options)
            .envs(self.server.environment())
            .current_dir(self.workspace.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("binary");
        let begun = Instant::now();
        while !self.server.is_frozen() && child.try_wait().expect("status").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(120), "{}", self.told("the run never came to its end"));
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("kill -9");
        child.wait().expect("end");
        self.server.clear_faults();
    }

    /// The same units, the same months, and no partition that was not named.
    fn plan_was_right(&self, planned: &Json, report: &Json) {
        let wrong = |what: String| self.told(&format!("{what}\nplanned {planned:#}\ndone {report:#}"));
        let done = units(report);
        let mut expected = BTreeMap::new();
        for unit in list(planned, "units") {
            let allowed: &[&str] = match text(unit, "action") {
                "none" => &["up_to_date"],
                // Only reading tells whether it can be read and became too small.
                "read" => &["published", "unchanged", "failed", "held"],
                "wait" => &["held"],
                "fail" => &["failed"],
                other => panic!("{}", wrong(format!("action {other}"))),
            };
            expected.insert(format!("{} {}", text(unit, "billing_period"), text(unit, "source")), allowed);
        }
        for unit in list(planned, "withdrawals") {
            let allowed: &[&str] = if unit["accepted"] == true { &["withdrawn"] } else { &["held"] };
            expected.insert(format!("{} {}", text(unit, "billing_period"), text(unit, "source")), allowed);
        }
        for unit in list(planned, "allocations") {
            let allowed: &[&str] = match text(unit, "action") {
                "none" => &["up_to_date"],
                "compute" => &["published", "unchanged", "failed", "held"],
                "compute_if_charges_change" => &["up_to_date", "published", "unchanged", "failed", "held"],
                "withdraw" => &["withdrawn"],
                "wait" => &["held"],
                other => panic!("{}", wrong(format!("action {other}"))),
            };
            expected.insert(format!("{} allocation", text(unit, "billing_period")), allowed);
        }
        let (planned_units, done_units): (BTreeSet<_>, BTreeSet<_>) =
            (expected.keys().collect(), done.keys().collect());
        assert!(planned_units == done_units, "{}", wrong("plan and run name other units".to_owned()));
        for (unit, status) in &done {
            assert!(expected[unit].contains(&status.as_str()), "{}", wrong(format!("{unit}: {status}")));
        }
        let named: BTreeSet<&str> =
            ["writes", "empties"].into_iter().flat_map(|key| list(planned, key)).filter_map(Json::as_str).collect();
        let ledger = format!("tables/_apportion/ledger/{}.json", text(report, "run_id"));
        let ledger = self.server.get(BUCKET, &ledger).unwrap_or_else(|| panic!("{}", wrong("no ledger".to_owned())));
        let ledger: Json = serde_json::from_slice(&ledger).expect("ledger");
        assert!(ledger["finished_at"].is_string(), "{}", wrong("the ledger is not finished".to_owned()));
        for entry in list(&ledger, "units").iter().filter(|unit| unit["published"].is_array()) {
            for published in list(entry, "published").iter().filter(|published| published["changed"] == true) {
                let folder = folder(published);
                assert!(named.contains(folder.as_str()), "{}", wrong(format!("{folder} was not planned")));
            }
        }
        assert!(
            report["failures"].as_object().is_some_and(serde_json::Map::is_empty),
            "{}",
            wrong("a month failed".into())
        );
        for month in list(planned, "certifies").iter().filter_map(Json::as_str) {
            let mut of_month = done.iter().filter(|(unit, _)| unit.starts_with(month));
            if of_month.all(|(_, status)| matches!(status.as_str(), "published" | "unchanged" | "up_to_date")) {
                assert!(self.is_certified(month), "{}", wrong(format!("{month} has no certificate")));
            }
        }
    }

    fn is_certified(&self, month: &str) -> bool {
        self.server.get(BUCKET, &format!("tables/_apportion/certificates/{month}.json")).is_some()
    }

    /// What is published of a source is what its export holds.
    fn figures_are_right(&self, report: &Json) {
        for unit in list(report, "sources") {
            let (source, month) = (text(unit, "source"), text(unit, "billing_period"));
            let export = self.state.export(source);
            let Some(export) = export.filter(|_| matches!(text(unit, "status"), "published" | "unchanged")) else {
                continue;
            };
            let (found, billed) = (text(&unit["totals"]["USD"], "billed"), State::billed(export, month));
            assert_eq!(found, billed, "{}", self.told(&format!("{month} {source}")));
        }
    }

    /// What is allocated, and not held back, is allocated by the rule of today.
    fn rules_are_todays(&self, report: &Json) {
        let done = |unit: &&Json| matches!(text(unit, "status"), "published" | "unchanged" | "up_to_date");
        let done = list(report, "allocations").iter().filter(done).map(|unit| text(unit, "billing_period"));
        let months: BTreeSet<&str> = done.collect();
        let sql = "SELECT DISTINCT x_BillingPeriod, x_AllocationRuleId FROM allocated_charges \
                   WHERE x_AllocationRuleId LIKE 'shared-%' ORDER BY 1";
        if months.is_empty() {
            return;
        }
        let output = self.output(&["query", sql, "--pipeline", "pipeline.yaml", "--format", "csv"]);
        assert!(output.status.success(), "{}", self.told(&transcript(&output, &[])));
        let rule = format!("shared-{}", self.state.rule);
        for line in String::from_utf8_lossy(&output.stdout).lines().skip(1) {
            let (month, found) = line.split_once(',').expect("two columns");
            assert!(!months.contains(month) || found == rule, "{}", self.told(&format!("{month} is of {found}")));
        }
    }

    /// `verify` agrees with every certificate.
    fn certified_is_true(&self) {
        let output = self.output(&["verify", "pipeline.yaml", "--format", "json"]);
        let Ok(report) = serde_json::from_slice::<Json>(&output.stdout) else {
            let nothing = String::from_utf8_lossy(&output.stderr).contains("there are no tables yet");
            assert!(
                nothing && !MONTHS.iter().any(|month| self.is_certified(month)),
                "{}",
                self.told(&transcript(&output, &[]))
            );
            return;
        };
        for period in list(&report, "periods") {
            let is_true = period["certificate"].is_null() || period["differences"] == 0;
            assert!(is_true, "{}", self.told(&format!("certified and not true: {period:#}")));
        }
        let verified: BTreeSet<&str> = list(&report, "periods").iter().map(|it| text(it, "billing_period")).collect();
        let certified = MONTHS.into_iter().find(|month| self.is_certified(month) && !verified.contains(month));
        assert!(certified.is_none(), "{}", self.told(&format!("{certified:?} is certified and was not verified")));
    }

    /// Every partition with an object in it is one of a unit that the index knows, with these objects.
    fn everything_belongs_to_a_unit(&self, report: &Json) {
        // What is held or failed stays as it is, even where the index was lost.
        let open: BTreeSet<String> = units(report)
            .iter()
            .filter(|(_, status)| matches!(status.as_str(), "held" | "failed"))
            .filter_map(|(unit, _)| unit.split(' ').next().map(str::to_owned))
            .collect();
        let index = self.server.get(BUCKET, "tables/_apportion/units.json");
        let index: Json = index.map_or(Json::Null, |index| serde_json::from_slice(&index).expect("index"));
        let mut known = BTreeSet::new();
        for unit in index["units"].as_object().into_iter().flat_map(|units| units.values()) {
            for published in list(unit, "published") {
                known.extend(list(published, "objects").iter().filter_map(Json::as_str).map(str::to_owned));
            }
        }
        for table in TABLES {
            for object in self.current(table) {
                let held = open.iter().any(|month| object.contains(&format!("x_BillingPeriod={month}/")));
                assert!(held || known.contains(&object), "{}", self.told(&format!("{object} belongs to no unit")));
            }
        }
    }

    /// The objects that a reader of the table sees.
    fn current(&self, table: &str) -> BTreeSet<String> {
        let keys =
            self.server.keys(BUCKET).into_iter().filter_map(|key| key.strip_prefix("tables/").map(str::to_owned));
        let keys = keys.filter(|key| key.starts_with(&format!("{table}/")));
        if self.format == "parquet" {
            return keys.collect();
        }
        let mut current = BTreeSet::new();
        let is_commit = |key: &String| key.contains("/_delta_log/") && key.ends_with(".json");
        for commit in keys.filter(is_commit).collect::<BTreeSet<_>>() {
            let commit = self.server.get(BUCKET, &format!("tables/{commit}")).expect("commit");
            for line in String::from_utf8_lossy(&commit).lines() {
                let action: Json = serde_json::from_str(line).expect("action");
                if let Some(path) = action["remove"]["path"].as_str() {
                    current.remove(&format!("{table}/{path}"));
                }
                if let Some(path) = action["add"]["path"].as_str() {
                    current.insert(format!("{table}/{path}"));
                }
            }
        }
        current
    }
}

/// Status of every unit, as `2026-01 bill` and `2026-01 allocation`.
fn units(report: &Json) -> BTreeMap<String, String> {
    let sources = list(report, "sources").iter().map(|unit| (unit, text(unit, "source")));
    let allocations = list(report, "allocations").iter().map(|unit| (unit, "allocation"));
    let unit = |(unit, name): (&Json, &str)| {
        (format!("{} {name}", text(unit, "billing_period")), text(unit, "status").to_owned())
    };
    sources.chain(allocations).map(unit).collect()
}

fn list<'a>(value: &'a Json, key: &str) -> &'a [Json] {
    value[key].as_array().unwrap_or_else(|| panic!("{key} in {value:#}"))
}

fn text<'a>(value: &'a Json, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value:#}"))
}

/// A published partition as `plan` names it.
fn folder(published: &Json) -> String {
    let values = list(published, "partition")
        .iter()
        .map(|pair| format!("{}={}/", pair[0].as_str().unwrap_or_default(), pair[1].as_str().unwrap_or_default()));
    format!("{}/{}", text(published, "table"), values.collect::<String>())
}
