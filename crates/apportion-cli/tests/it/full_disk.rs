//! A disk that is full: while rows are staged, and while they are published.

use std::process::Command;

use crate::estate::{bill, bill_key, estate};
use crate::sample::content;
use crate::support::Workspace;

/// Runs a shell script with a mount namespace of its own, in which small disks can be mounted.
/// `None` where the system does not let us.
fn with_small_disk(workspace: &Workspace, kibibytes: u32, script: &str) -> Option<(i32, String)> {
    let ways: [&[&str]; 3] = [&["unshare", "-m"], &["unshare", "-rm"], &["sudo", "-n", "unshare", "-m"]];
    let folder = workspace.path("small");
    std::fs::create_dir_all(&folder).expect("folder");
    let mount = format!("mount -t tmpfs -o size={kibibytes}k none '{}'", folder.display());
    for way in ways {
        let start = |script: &str| {
            let mut command = Command::new(way[0]);
            command.args(&way[1..]).args(["sh", "-c", script]).current_dir(workspace.path(""));
            command.env("BINARY", env!("CARGO_BIN_EXE_apportion")).env("NO_COLOR", "1").output()
        };
        if start(&mount).is_ok_and(|output| output.status.success()) {
            let output = start(&format!("{mount} && {script}")).expect("script");
            let text =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            return Some((output.status.code().unwrap_or(-1), text));
        }
    }
    None
}

/// On a gate this must be tested; a developer's machine may not allow it.
fn skipped() {
    assert!(std::env::var_os("CI").is_none(), "no small disk can be mounted here");
    eprintln!("skipped: no small disk can be mounted here");
}

#[test]
fn a_full_work_directory_stops_the_unit_and_touches_nothing() {
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml", "--period", "2026-01"]);
    let before = content(&workspace, "tables");
    let lines: Vec<(String, f64)> =
        (0..4_000).map(|index| (format!("team-{index}"), 1.0 + f64::from(index) / 7.0)).collect();
    let lines: Vec<(&str, f64)> = lines.iter().map(|(team, cost)| (team.as_str(), *cost)).collect();
    workspace.write(&bill_key("2026-01"), &bill("2026-01", &lines));
    let script = "\"$BINARY\" run pipeline.yaml --period 2026-01 --work-directory small";
    let Some((code, text)) = with_small_disk(&workspace, 48, script) else { return skipped() };
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("No space left on device"), "{text}");
    assert!(text.contains("small/"), "the full folder is named: {text}");
    assert!(content(&workspace, "tables") == before, "nothing was touched");
    workspace.run_ok(&["run", "pipeline.yaml", "--period", "2026-01"]);
    assert_eq!(workspace.query("tables", "SELECT count(*) FROM focus_charges"), [["4000"]]);
}

#[test]
fn a_destination_that_fills_up_is_healed_when_there_is_room_again() {
    let workspace = estate("");
    let run = "\"$BINARY\" run pipeline.yaml --destination small/tables --work-directory .";
    let script = format!(
        "{run} --period 2026-01; echo \"first $?\"; mount -o remount,size=64m small && {run}; echo \"second $?\"; cp -r small/tables kept"
    );
    let Some((_, text)) = with_small_disk(&workspace, 48, &script) else { return skipped() };
    assert!(text.contains("first 1"), "{text}");
    assert!(text.contains("No space left on device"), "{text}");
    assert!(text.contains("second 0"), "{text}");
    workspace.run_ok(&["run", "pipeline.yaml"]);
    assert!(content(&workspace, "kept") == content(&workspace, "tables"), "the healed tables are other bytes");
}

#[test]
fn nothing_that_is_written_to_a_full_disk_is_cut_silently() {
    let workspace = estate("");
    workspace.run_ok(&["run", "pipeline.yaml", "--period", "2026-01"]);
    let ask = "\"$BINARY\" query --destination tables 'SELECT * FROM focus_charges'";
    let fill = "dd if=/dev/zero of=small/filler bs=1k > filled 2>&1; rm -f filled";
    let script = format!(
        "{fill}; \"$BINARY\" init small/new.yaml; echo \"init $?\"; {ask} > small/out; echo \"printed $?\"; \
         {ask} --format csv --output small/answer; echo \"written $?\"; \
         \"$BINARY\" run pipeline.yaml --report small/report.json > /dev/null; echo \"run $?\"; ls small"
    );
    let Some((_, text)) = with_small_disk(&workspace, 48, &script) else { return skipped() };
    for line in ["init 2", "printed 1", "written 1", "run 1"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(text.matches("No space left on device").count() >= 4, "{text}");
    for rest in ["new.yaml\n", "answer\n", "report.json\n", ".writing"] {
        assert!(!text.contains(&format!("\n{rest}")), "{rest} was left\n{text}");
    }
}

/// However much fits: what was published is in the summary, and so is why the rest was not.
#[test]
fn a_destination_that_fills_up_still_ends_with_the_summary() {
    let mut half_full = 0;
    for kibibytes in [120, 180, 240, 300, 380] {
        let workspace = estate("");
        let script = "\"$BINARY\" run pipeline.yaml --destination small/tables --work-directory . ; echo \"code $?\"; \
                      find small/tables/focus_charges -name '*.parquet' | sed 's/^/there /'";
        let Some((_, text)) = with_small_disk(&workspace, kibibytes, script) else { return skipped() };
        assert!(!text.contains("panicked"), "{kibibytes}: {text}");
        if text.contains("code 0")
            || !text.contains("there small/tables/focus_charges/x_Source=bill/x_BillingPeriod=2026-01")
        {
            continue;
        }
        half_full += 1;
        assert!(text.contains("code 1") && text.contains("No space left on device"), "{kibibytes}: {text}");
        assert!(text.contains("Charges") && text.contains("2026-01 bill"), "{kibibytes}: no summary: {text}");
        assert!(text.contains("Tables (parquet) in small/tables/"), "{kibibytes}: no summary: {text}");
    }
    assert!(half_full > 0, "no disk was full after the first month, so nothing was tested");
}
