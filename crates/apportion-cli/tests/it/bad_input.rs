//! What a user reads when something is wrong: which file, line, object or column, the nearest valid
//! choice, and that nothing was lost. Every text is a snapshot.

mod allocation;
mod aws;
mod azure;
mod check;
mod commands;
mod focus;
mod gcp;
mod telemetry;

use serde_json::Value;

use crate::support::Workspace;

/// A pipeline of one source `bill` below `export/`.
fn pipeline(format: &str, extra: &str) -> String {
    format!(
        "version: 1\nname: bad\nsources:\n  bill: {{ format: {format}, location: export/ }}\n{extra}destination: {{ location: tables/ }}\n"
    )
}

/// A workspace with a pipeline of one source and its objects.
fn workspace(format: &str, objects: &[(&str, &[u8])]) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("pipeline.yaml", pipeline(format, "").as_bytes());
    for (key, content) in objects {
        workspace.write(&format!("export/{key}"), content);
    }
    workspace
}

/// Runs `pipeline.yaml` and returns, unit by unit, what became of it and what the report says about it.
fn outcome(workspace: &Workspace, options: &[&str]) -> String {
    let output = workspace.run(&[&["run", "pipeline.yaml", "--format", "json"], options].concat());
    let mut lines = vec![format!("exit code {}", output.status.code().unwrap_or(-1))];
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        let stderr = String::from_utf8_lossy(&output.stderr);
        lines.extend(stderr.lines().filter(|line| !line.starts_with('{')).map(str::to_owned));
        return hidden(workspace, &lines);
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    lines.extend(list(&report["notes"]).iter().map(|note| format!("note: {}", text(note))));
    for (source, error) in report["unlisted"].as_object().into_iter().flatten() {
        lines.push(format!("{source}: not listed"));
        lines.push(format!("    {}: {}", text(&error["kind"]), text(&error["message"])));
    }
    let charges = list(&report["sources"]);
    let allocations = list(&report["allocations"]);
    for unit in charges.iter().chain(&allocations) {
        let name = unit["source"].as_str().unwrap_or("allocation");
        let rows = unit["rows"].as_u64().unwrap_or_default();
        lines.push(format!("{} {name}: {}, {rows} rows", text(&unit["billing_period"]), text(&unit["status"])));
        lines.extend(list(&unit["notes"]).iter().map(|note| format!("    note: {}", text(note))));
        if let Some(error) = unit["error"].as_object() {
            lines.push(format!("    {}: {}", text(&error["kind"]), text(&error["message"])));
        }
    }
    hidden(workspace, &lines)
}

/// Lines without what differs between machines.
fn hidden(workspace: &Workspace, lines: &[String]) -> String {
    let folder = workspace.path("").canonicalize().expect("folder").display().to_string();
    lines.join("\n").replace(&folder, "[folder]")
}
