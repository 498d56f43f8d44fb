//! `--work-directory`: any folder that can be written, however it is named.

use crate::estate::estate;
use crate::support::{apportion, transcript};

#[test]
fn relative_work_directories_work_in_every_command() {
    let workspace = estate("");
    std::fs::create_dir_all(workspace.path("inner")).expect("folder");
    std::fs::create_dir_all(workspace.path("real")).expect("folder");
    std::os::unix::fs::symlink(workspace.path("real"), workspace.path("link")).expect("link");
    std::fs::rename(workspace.path("pipeline.yaml"), workspace.path("inner/pipeline.yaml")).expect("move");
    let text = std::fs::read_to_string(workspace.path("inner/pipeline.yaml")).expect("pipeline");
    workspace.write("inner/pipeline.yaml", text.replace("location: ", "location: ../").as_bytes());
    let inside = |arguments: &[&str]| {
        let output = apportion().args(arguments).current_dir(workspace.path("inner")).output().expect("binary");
        assert!(output.status.success(), "{arguments:?}\n{}", transcript(&output, &[]));
    };
    for folder in ["../x", "../link/./deeper/../other", "../a b [1]*%20é"] {
        let with = ["--work-directory", folder];
        let of = |arguments: &[&str]| inside(&[arguments, &with].concat());
        of(&["run", "pipeline.yaml", "--force"]);
        of(&["backfill", "pipeline.yaml", "--from", "2026-01", "--to", "2026-01", "--force"]);
        of(&["verify", "pipeline.yaml"]);
        of(&["explain", "pipeline.yaml", "--period", "2026-01", "--target", "acme"]);
        of(&["query", "--pipeline", "pipeline.yaml", "SELECT * FROM focus_charges ORDER BY BilledCost"]);
        of(&["vacuum", "pipeline.yaml"]);
    }
    let text = std::fs::read_to_string(workspace.path("inner/pipeline.yaml")).expect("pipeline");
    workspace.write("inner/pipeline.yaml", text.replace("to: account", "to: \"'one'\"").as_bytes());
    inside(&["run", "pipeline.yaml"]);
    inside(&["diff", "pipeline.yaml", "--period", "2026-01", "--work-directory", "../x"]);
    workspace.write("file", b"");
    for folder in ["../file", "../file/below", "/proc/nothing"] {
        for verb in [
            &["run", "pipeline.yaml"][..],
            &["verify", "pipeline.yaml"],
            &["query", "--pipeline", "pipeline.yaml", "SELECT 1"],
        ] {
            let output = apportion()
                .args([verb, &["--work-directory", folder]].concat())
                .current_dir(workspace.path("inner"))
                .output()
                .expect("binary");
            let text = transcript(&output, &[]);
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(text.contains("--work-directory") && text.contains(folder), "{text}");
        }
    }
}
