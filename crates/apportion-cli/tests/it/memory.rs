//! A real bill in less memory than it needs: it spills, and gives what it gives without a limit.
//!
//! Runs when `APPORTION_REAL_EXPORTS` names the folder with the real reports. Nothing tells of
//! spilling but the files it makes, so the spill folder is watched while the binary runs.

use std::path::Path;
use std::time::Duration;

use crate::real_exports::{PIPELINE, copy, everything_ties, exports};
use crate::sample::content;
use crate::support::{Workspace, apportion, transcript};

/// Bytes in the spill folders of a work folder.
fn spilled(folder: &Path) -> u64 {
    let mut open = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            let inside = path.to_string_lossy().contains("apportion-spill-");
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => open.push(entry.path()),
                Ok(meta) if inside => bytes += meta.len(),
                _ => {}
            }
        }
    }
    bytes
}

/// Runs with a limit or without, and gives the most that lay in the spill folder.
fn run(workspace: &Workspace, destination: &str, limit: &[&str]) -> u64 {
    let work = workspace.path("work");
    std::fs::create_dir_all(&work).expect("work folder");
    let mut command = apportion();
    command.args(["run", "pipeline.yaml", "--jobs", "2", "--destination", destination, "--work-directory", "work"]);
    command.args(limit).current_dir(workspace.path(""));
    let printed = std::fs::File::create(workspace.path("printed")).expect("file");
    let mut child = command.stdout(printed.try_clone().expect("file")).stderr(printed).spawn().expect("binary");
    let mut most = 0;
    let status = loop {
        most = most.max(spilled(&work));
        match child.try_wait().expect("process") {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let told = std::fs::read_to_string(workspace.path("printed")).expect("what it said");
    assert!(status.success(), "{limit:?}\n{told}");
    most
}

#[test]
fn a_real_month_in_64_mebibytes_spills_and_gives_the_same_bytes() {
    let Some(folder) = exports() else { return };
    let workspace = Workspace::new();
    let name = "Oct2018-WorkshopCUR-00001.snappy.parquet";
    copy(&folder.join("aws").join(name), &workspace, &format!("export/{name}"));
    workspace.write("pipeline.yaml", PIPELINE.replace("FORMAT", "aws_cur_legacy").as_bytes());
    assert_eq!(run(&workspace, "roomy", &["--memory-limit", "8GiB"]), 0, "spilled although there was room");
    let bytes = run(&workspace, "tables", &["--memory-limit", "64MiB"]);
    assert!(bytes > 1 << 20, "only {bytes} bytes were spilled");
    everything_ties(&workspace);
    let verified = workspace.run(&["verify", "pipeline.yaml", "--destination", "tables"]);
    assert!(verified.status.success(), "{}", transcript(&verified, &[]));
    assert!(content(&workspace, "tables") == content(&workspace, "roomy"), "the limit changed the tables");
}
