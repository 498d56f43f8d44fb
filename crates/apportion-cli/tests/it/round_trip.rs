//! A bill in a provider's own format and the same bill as a native FOCUS export are the same charges.

use apportion_focus::catalog;

use crate::sample::sample;
use crate::support::Workspace;

const SOURCES: [&str; 3] = ["aws-main", "gcp-analytics", "azure-loyalty"];

/// Every charge of a source, with everything that does not depend on how it was read.
fn charges(workspace: &Workspace, destination: &str, source: &str) -> Vec<Vec<String>> {
    // A FOCUS export has no line item types and no ids of ours; numbers inside its JSON become text.
    let apart = ["x_ChargeId", "x_LineItemType", "x_Source", "SkuPriceDetails"];
    let columns: Vec<&str> = catalog().focus_columns().map(|column| column.name.as_str()).collect();
    let columns: Vec<&str> = columns.into_iter().filter(|name| !apart.contains(name)).collect();
    let sql = format!("SELECT {} FROM focus_charges WHERE x_Source = '{source}'", columns.join(", "));
    let mut rows = workspace.query(destination, &sql);
    rows.sort();
    rows
}

#[test]
fn a_raw_and_a_native_export_of_one_month_give_the_same_charges() {
    let workspace = sample();
    workspace.run_ok(&["run", "pipelines/sample.yaml", "--destination", "raw", "--period", "2026-02"]);
    let mut pipeline = "version: 1\nname: native\nsources:\n".to_owned();
    for source in SOURCES {
        let sql = format!("SELECT * FROM focus_charges WHERE x_Source = '{source}'");
        let file = format!("{source}/bill.parquet");
        workspace.write(&file, b"");
        let arguments = ["query", &sql, "--destination", "raw", "--focus-version", "1.3", "--format", "parquet"];
        workspace.run_ok(&[&arguments[..], &["--output", &file]].concat());
        pipeline += &format!("  {source}: {{ format: focus, location: {source}/ }}\n");
    }
    workspace.write("native.yaml", (pipeline + "destination: { location: native/ }\n").as_bytes());
    workspace.run_ok(&["run", "native.yaml"]);
    for source in SOURCES {
        let (raw, native) = (charges(&workspace, "raw", source), charges(&workspace, "native", source));
        assert!(raw.len() > 500, "{source} has only {} charges", raw.len());
        for (raw, native) in raw.iter().zip(&native) {
            assert_eq!(raw, native, "{source}");
        }
        assert_eq!(raw.len(), native.len(), "{source}");
    }
}
