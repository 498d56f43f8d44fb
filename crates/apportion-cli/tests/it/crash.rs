//! A run is killed at every single write it makes to the store. After each, readers see the old or
//! the new tables, and the next run ends where an undisturbed one would have ended.

use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use apportion_testkit::s3::{Fault, S3Server};

use crate::estate::{bill, bill_key, estate, objects, pipeline};
use crate::sample::content;
use crate::support::{Workspace, apportion, transcript};

const BUCKET: &str = "acme";

/// One month of the company in a bucket, published once, then restated.
struct World {
    server: S3Server,
    workspace: Workspace,
    /// The bucket before the run that is killed.
    before: Vec<(String, bytes::Bytes)>,
}

impl World {
    fn new(format: &str) -> Self {
        let server = S3Server::start_blocking();
        for (key, content) in objects().into_iter().filter(|(key, _)| key.contains("2026-01")) {
            server.put(BUCKET, &key, content);
        }
        let workspace = Workspace::new();
        workspace.write("pipeline.yaml", pipeline("s3://acme/", format, "").as_bytes());
        let mut world = Self { server, workspace, before: Vec::new() };
        world.run_ok();
        world.server.put(
            BUCKET,
            &bill_key("2026-01"),
            bill("2026-01", &[("shared", 90.0), ("team-c", 10.5), ("team-d", 7.25)]),
        );
        world.keep();
        world
    }

    /// What is there now is where every killed run starts.
    fn keep(&mut self) {
        let keys = self.server.keys(BUCKET);
        self.before =
            keys.into_iter().map(|key| (key.clone(), self.server.get(BUCKET, &key).expect("object"))).collect();
    }

    /// Everything as it was before the run that is killed.
    fn restore(&self) {
        self.server.clear_faults();
        for key in self.server.keys(BUCKET) {
            if !self.before.iter().any(|(kept, _)| *kept == key) {
                self.server.remove(BUCKET, &key);
            }
        }
        for (key, content) in &self.before {
            if self.server.get(BUCKET, key).as_ref() != Some(content) {
                self.server.put(BUCKET, key, content.clone());
            }
        }
    }

    /// Runs a command and kills it at one of its writes.
    fn kill_at_write(&self, step: usize, arguments: &[&str]) {
        self.server.fault(Fault::FreezeAtWrite { key: String::new(), after: step, applied: false });
        let mut child = self.spawn(arguments);
        let begun = Instant::now();
        while !self.server.is_frozen() && child.try_wait().expect("status").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "step {step} was never reached");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("kill -9");
        child.wait().expect("end");
        self.server.clear_faults();
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        apportion()
            .args(arguments)
            .envs(self.server.environment())
            .current_dir(self.workspace.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("binary")
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = apportion();
        command.args(arguments).envs(self.server.environment()).current_dir(self.workspace.path(""));
        command.output().expect("binary")
    }

    fn run_ok(&self) {
        let output = self.output(&["run", "pipeline.yaml"]);
        assert!(output.status.success(), "{}", transcript(&output, &[]));
    }

    /// Totals of a table by our own reader, or why it refuses.
    fn read(&self, table: &str) -> Result<String, String> {
        let sql = match table {
            "focus_charges" => "SELECT SubAccountId, sum(BilledCost) FROM focus_charges GROUP BY 1 ORDER BY 1",
            _ => "SELECT x_AllocationTargetId, sum(BilledCost) FROM allocated_charges GROUP BY 1 ORDER BY 1",
        };
        let output = self.output(&["query", "--pipeline", "pipeline.yaml", "--format", "csv", sql]);
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Keys and content of the tables; for Delta only what a reader is shown.
    fn tables(&self, format: &str) -> Vec<(String, bytes::Bytes)> {
        let keys = self.server.keys(BUCKET).into_iter().filter(|key| is_table_object(key, format));
        keys.map(|key| (key.clone(), self.server.get(BUCKET, &key).expect("object"))).collect()
    }

    /// The same of what every killed run starts from.
    fn tables_before(&self, format: &str) -> Vec<(String, bytes::Bytes)> {
        self.before.iter().filter(|(key, _)| is_table_object(key, format)).cloned().collect()
    }
}

fn is_table_object(key: &str, format: &str) -> bool {
    let is_log = format == "delta" && key.contains("_delta_log");
    key.starts_with("tables/") && !key.contains("_apportion") && !is_log
}

fn killed_at_every_write(format: &str) {
    let world = World::new(format);
    let old = [world.read("focus_charges").expect("old"), world.read("allocated_charges").expect("old")];
    world.server.forget_requests();
    world.run_ok();
    let new = [world.read("focus_charges").expect("new"), world.read("allocated_charges").expect("new")];
    assert!(old[0] != new[0] && old[1] != new[1]);
    let expected = world.tables(format);
    let writes =
        world.server.requests().iter().filter(|it| matches!(it.method.as_str(), "PUT" | "POST" | "DELETE")).count();
    assert!(writes > 25, "a run makes {writes} writes");
    let mut refused = 0;
    for step in 0..writes {
        world.restore();
        world.kill_at_write(step, &["run", "pipeline.yaml"]);
        for (index, table) in ["focus_charges", "allocated_charges"].into_iter().enumerate() {
            match world.read(table) {
                Ok(seen) => assert!(seen == old[index] || seen == new[index], "step {step}: {table}\n{seen}"),
                Err(message) => {
                    // Parquet: a partition of which some objects are replaced says so until the next run.
                    assert!(format == "parquet" && message.contains("half published"), "step {step}: {message}");
                    refused += 1;
                }
            }
        }
        world.run_ok();
        assert_eq!(world.read("focus_charges").as_ref(), Ok(&new[0]), "step {step}");
        assert_eq!(world.read("allocated_charges").as_ref(), Ok(&new[1]), "step {step}");
        let healed = world.tables(format);
        if format == "parquet" {
            assert!(healed == expected, "step {step}: the healed tables are other bytes");
        } else {
            // What a killed upload left behind is in no version; everything a reader is shown is there.
            assert!(expected.iter().all(|object| healed.contains(object)), "step {step}");
        }
    }
    if format == "parquet" {
        assert!(refused > 0, "no step left a half published partition, so nothing was tested");
    }
}

#[test]
fn a_run_killed_at_any_write_is_healed_by_the_next_parquet() {
    killed_at_every_write("parquet");
}

#[test]
fn a_run_killed_at_any_write_is_healed_by_the_next_delta() {
    killed_at_every_write("delta");
}

#[test]
fn a_withdrawal_killed_at_any_write_is_finished_by_the_next_run() {
    for format in ["parquet", "delta"] {
        let mut world = World::new(format);
        world.run_ok();
        let expected = [world.read("focus_charges").expect("old"), world.read("allocated_charges").expect("old")];
        let renamed = pipeline("s3://acme/", format, "").replace("  bill: {", "  invoice: {");
        world.workspace.write("pipeline.yaml", renamed.as_bytes());
        world.keep();
        let accept = ["run", "pipeline.yaml", "--accept-smaller", "2026-01"];
        world.server.forget_requests();
        assert!(world.output(&accept).status.success());
        let writes =
            world.server.requests().iter().filter(|it| matches!(it.method.as_str(), "PUT" | "POST" | "DELETE")).count();
        let mut asked_again = 0;
        for step in 0..writes {
            world.restore();
            world.kill_at_write(step, &accept);
            let next = world.output(&["run", "pipeline.yaml"]);
            if next.status.code() == Some(3) {
                // Killed before the acceptance was noted: nothing of the tables was touched.
                asked_again += 1;
                assert!(world.tables(format) == world.tables_before(format), "step {step}");
                assert!(world.output(&accept).status.success(), "step {step}");
            } else {
                assert!(next.status.success(), "step {step}: {}", transcript(&next, &[]));
            }
            assert_eq!(world.read("focus_charges").as_ref(), Ok(&expected[0]), "step {step}");
            assert_eq!(world.read("allocated_charges").as_ref(), Ok(&expected[1]), "step {step}");
        }
        assert!(asked_again < writes / 2, "{format}: accepted again after {asked_again} of {writes} kills");
    }
}

#[test]
fn a_run_killed_in_the_reporting_currency_is_healed_and_the_rate_stays_frozen() {
    let world = World::new("parquet");
    let reporting = |rate: &str| {
        let rates = format!("reporting: {{ currency: EUR, rates: {{ USD: {{ 2026-01: {rate} }} }} }}\n");
        world.workspace.write("pipeline.yaml", pipeline("s3://acme/", "parquet", &rates).as_bytes());
    };
    reporting("0.9");
    world.run_ok();
    world.server.put(BUCKET, &bill_key("2026-01"), bill("2026-01", &[("shared", 95.0), ("team-c", 10.5)]));
    world.server.fault(Fault::FreezeAtWrite {
        key: "acme/tables/reporting_charges/".to_owned(),
        after: 0,
        applied: false,
    });
    let mut child = world.spawn(&["run", "pipeline.yaml"]);
    let begun = Instant::now();
    while !world.server.is_frozen() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing was published in the reporting currency");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("kill -9");
    child.wait().expect("end");
    world.server.clear_faults();
    // Another rate is refused although the partition is half published.
    reporting("0.8");
    let refused = world.output(&["run", "pipeline.yaml"]);
    let told = transcript(&refused, &[]);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("published with 0.9, now 0.8"), "{told}");
    reporting("0.9");
    world.run_ok();
    assert!(world.output(&["verify", "pipeline.yaml"]).status.success());
}

#[test]
fn an_allocation_that_is_withdrawn_and_killed_at_some_writes_is_withdrawn_by_the_next_run() {
    for format in ["parquet", "delta"] {
        let mut world = World::new(format);
        world.run_ok();
        let whole = pipeline("s3://acme/", format, "");
        let (before, rest) = whole.split_once("telemetry:\n").expect("telemetry");
        let (_, after) = rest.split_once("destination:").expect("destination");
        world.workspace.write("pipeline.yaml", format!("{before}destination:{after}").as_bytes());
        world.keep();
        world.server.forget_requests();
        world.run_ok();
        let writes =
            world.server.requests().iter().filter(|it| matches!(it.method.as_str(), "PUT" | "POST" | "DELETE")).count();
        assert!(writes > 10, "a withdrawal makes {writes} writes");
        for step in (0..writes).step_by(3) {
            world.restore();
            world.kill_at_write(step, &["run", "pipeline.yaml"]);
            let certified = world.server.keys(BUCKET).iter().any(|key| key.contains("/certificates/"));
            let proven = world.output(&["verify", "pipeline.yaml"]).status.success();
            assert!(!certified || proven, "{format} step {step}: certified and not true");
            world.run_ok();
            let left = world.read("allocated_charges");
            assert!(left.as_ref().map_or(true, |rows| rows.lines().count() <= 1), "{format} step {step}: {left:?}");
            assert!(world.output(&["verify", "pipeline.yaml"]).status.success(), "{format} step {step}");
        }
    }
}

#[test]
fn a_store_in_trouble_delays_a_run_and_changes_nothing() {
    for format in ["parquet", "delta"] {
        let world = World::new(format);
        world.run_ok();
        let expected = (world.read("focus_charges"), world.read("allocated_charges"), world.tables("parquet"));
        let lost = |key: &str| Fault::LoseAcknowledgement { key: key.to_owned(), count: 1 };
        let troubles = [
            vec![Fault::ServerError { count: 5 }],
            vec![Fault::Throttle { count: 5 }],
            vec![lost("focus_charges/x_Source"), lost("allocated_charges/x_Billing"), lost("_apportion/lock")],
            vec![lost("_delta_log"), lost("state.json"), lost("units.json"), lost("ledger")],
        ];
        for trouble in troubles {
            world.restore();
            for fault in &trouble {
                world.server.fault(fault.clone());
            }
            world.run_ok();
            world.server.clear_faults();
            assert_eq!(world.read("focus_charges"), expected.0, "{trouble:?}");
            assert_eq!(world.read("allocated_charges"), expected.1, "{trouble:?}");
            if format == "parquet" {
                assert!(world.tables(format) == expected.2, "{trouble:?}");
            }
        }
    }
}

#[test]
fn of_two_runs_at_the_same_time_one_is_refused() {
    let world = World::new("parquet");
    // The first is held up in the middle of its publication.
    world.server.fault(Fault::FreezeAtWrite { key: "allocated_charges".to_owned(), after: 0, applied: false });
    let mut first = world.spawn(&["run", "pipeline.yaml"]);
    let begun = Instant::now();
    while !world.server.is_frozen() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the first run never published");
        std::thread::sleep(Duration::from_millis(5));
    }
    world.server.clear_faults();
    let second = world.output(&["run", "pipeline.yaml"]);
    assert_eq!(second.status.code(), Some(75), "{}", transcript(&second, &[]));
    first.kill().expect("kill");
    first.wait().expect("end");
    world.run_ok();
}

#[test]
fn a_backfill_killed_again_and_again_on_disk_ends_in_the_same_bytes() {
    let backfill = ["backfill", "pipeline.yaml", "--from", "2026-01", "--to", "2026-03", "--parallel", "2"];
    let whole = estate("");
    let begun = Instant::now();
    whole.run_ok(&backfill);
    let duration = begun.elapsed();
    let workspace = estate("");
    // Killed at seven points of an undisturbed run; each attempt goes on where the one before ended.
    let mut killed = 0;
    for part in 1..8 {
        let mut child = apportion()
            .args(backfill)
            .current_dir(workspace.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("binary");
        std::thread::sleep(duration * part / 8);
        killed += usize::from(child.try_wait().expect("status").is_none());
        child.kill().expect("kill -9");
        child.wait().expect("end");
    }
    assert!(killed > 0, "every attempt was over before it was killed");
    workspace.run_ok(&backfill);
    assert!(content(&workspace, "tables") == content(&whole, "tables"), "a kill left a trace");
    workspace.run_ok(&["verify", "pipeline.yaml"]);
}
